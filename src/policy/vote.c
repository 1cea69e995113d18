/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vote.h"

#include <stdio.h>
#include <string.h>

const char *berth_effect_name(enum berth_effect effect)
{
	static const char *const names[] = { [BERTH_EFFECT_ALLOW] = "allow",
					     [BERTH_EFFECT_DENY] = "deny",
					     [BERTH_EFFECT_PIN] = "pin",
					     [BERTH_EFFECT_RESERVE] = "reserve" };

	return names[effect];
}

int berth_rule_specificity(const struct berth_rule *rule)
{
	const struct berth_match *match = rule->resource.match;

	switch (rule->resource.kind) {
	case BERTH_RESOURCE_DEVICE:
		return 6;
	case BERTH_RESOURCE_CLASS:
	case BERTH_RESOURCE_POOL:
		return 2;
	case BERTH_RESOURCE_MATCH:
		break;
	}
	if (berth_match_requires(match, "pci.path"))
		return berth_match_requires(match, "pci.id") ? 5 : 4;
	return berth_match_requires(match, "serial") ? 3 : 1;
}

int berth_rule_weigh(const struct berth_rule *a, const struct berth_rule *b)
{
	if (a->priority != b->priority)
		return a->priority - b->priority;
	return berth_rule_specificity(a) - berth_rule_specificity(b);
}

/* Which of two rules that say the same is named: the heavier, a pin before a reserve, then by name, then by place. */
static bool named_before(const struct berth_rule *a, const struct berth_rule *b)
{
	int c = berth_rule_weigh(a, b);

	if (c == 0)
		c = (int)b->effect - (int)a->effect;
	if (c == 0)
		c = (a->name != NULL) - (b->name != NULL);
	if (c == 0 && a->name)
		c = strcmp(b->name, a->name);
	return c ? c > 0 : a < b;
}

uint32_t berth_world_taken(const struct berth_world *world, uint32_t device, uint32_t set,
			   uint32_t *ret_maybe)
{
	const struct berth_world_group *group = &world->groups[world->group_of[device]];
	uint32_t taken = 0;

	*ret_maybe = 0;
	for (uint32_t i = 0; i < group->nr; i++) {
		uint32_t member = group->members[i];
		enum berth_tri in;

		if (world->usage[member].vm)
			continue;
		in = berth_devset_has(&world->sets[set], member);
		*ret_maybe += in == BERTH_UNKNOWN;
		taken += in == BERTH_YES && world->usable[member];
	}
	return taken;
}

uint32_t berth_vote_withheld(const struct berth_world *world, uint32_t rule,
			     const struct berth_subject *subject)
{
	const struct berth_rule *rules = world->policy->rules;
	uint32_t nr, sum = 0;
	const uint32_t *on = berth_world_rules_on(world, berth_world_rule_set(world, rule), &nr);

	for (uint32_t i = 0; i < nr; i++) {
		if (berth_world_fits(world, subject, on[i]) == BERTH_NO &&
		    berth_rule_weigh(&rules[on[i]], &rules[rule]) >= 0)
			sum += berth_world_withheld(world, on[i]);
	}
	return sum;
}

/* Would a reserve of a number miss the device? */
static bool is_missed(const struct berth_world *w, uint32_t rule, uint32_t device,
		      const struct berth_subject *subject)
{
	uint32_t set = berth_world_rule_set(w, rule), maybe;
	uint32_t taken = berth_world_taken(w, device, set, &maybe);

	return (taken || maybe) &&
	       w->sets[set].nr_free - taken < berth_vote_withheld(w, rule, subject);
}

static bool is_own(const struct berth_world *w, uint32_t device,
		   const struct berth_subject *subject)
{
	const char *owner = w->usage[device].vm;

	return owner && subject->vm && strcmp(owner, subject->vm) == 0;
}

static enum berth_vote vote_of_reserve(const struct berth_world *w, uint32_t rule, uint32_t device,
				       const struct berth_subject *subject, enum berth_tri in)
{
	const struct berth_rule *r = &w->policy->rules[rule];
	enum berth_tri vm = berth_world_fits(w, subject, rule);
	bool own = is_own(w, device, subject);

	if (vm == BERTH_YES && in == BERTH_YES)
		return !r->count || own || berth_world_withheld(w, rule) ? BERTH_VOTE_ALLOW :
									   BERTH_VOTE_NONE;
	if (vm != BERTH_NO)
		return BERTH_VOTE_NONE;
	if (!r->count)
		return BERTH_VOTE_DENY;
	return !own && is_missed(w, rule, device, subject) ? BERTH_VOTE_DENY : BERTH_VOTE_NONE;
}

/* @in: does the device fit? */
static enum berth_vote vote_of(const struct berth_world *w, uint32_t rule, uint32_t device,
			       const struct berth_subject *subject, enum berth_tri in)
{
	const struct berth_rule *r = &w->policy->rules[rule];
	enum berth_tri vm = berth_world_fits(w, subject, rule);
	bool yes = vm == BERTH_YES && in == BERTH_YES;

	if (in == BERTH_NO || !berth_world_rule_speaks(w, r))
		return BERTH_VOTE_NONE;
	switch (r->effect) {
	case BERTH_EFFECT_ALLOW:
		return yes ? BERTH_VOTE_ALLOW : BERTH_VOTE_NONE;
	case BERTH_EFFECT_DENY:
		return yes	      ? BERTH_VOTE_FORBID :
		       vm != BERTH_NO ? BERTH_VOTE_MAY_FORBID :
					BERTH_VOTE_NONE;
	case BERTH_EFFECT_PIN:
		if (vm == BERTH_NO)
			return BERTH_VOTE_DENY;
		return yes ? BERTH_VOTE_ALLOW : BERTH_VOTE_NONE;
	case BERTH_EFFECT_RESERVE:
		break;
	}
	return vote_of_reserve(w, rule, device, subject, in);
}

/* "ml-* or tenant ml", cut to @size. */
static void say_subject(const struct berth_rule *rule, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (char **vm = rule->vms; vm && *vm && used < size; vm++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? " or " : "", *vm);
	for (char **t = rule->tenants; t && *t && used < size; t++)
		used += (size_t)snprintf(buf + used, size - used, "%stenant %s", used ? " or " : "",
					 *t);
}

static enum berth_check_result result_of(enum berth_vote vote)
{
	switch (vote) {
	case BERTH_VOTE_ALLOW:
		return BERTH_CHECK_PASS;
	case BERTH_VOTE_DENY:
	case BERTH_VOTE_FORBID:
		return BERTH_CHECK_FAIL;
	case BERTH_VOTE_MAY_FORBID:
		return BERTH_CHECK_UNKNOWN;
	case BERTH_VOTE_NONE:
		break;
	}
	return BERTH_CHECK_NONE;
}

static enum berth_reason code_of(const struct berth_rule *rule, enum berth_vote vote)
{
	switch (rule->effect) {
	case BERTH_EFFECT_ALLOW:
		return BERTH_REASON_RULE_ALLOWS;
	case BERTH_EFFECT_DENY:
		return vote == BERTH_VOTE_MAY_FORBID ? BERTH_REASON_RULE_MAY_DENY :
						       BERTH_REASON_RULE_DENIES;
	case BERTH_EFFECT_PIN:
		return vote == BERTH_VOTE_ALLOW ? BERTH_REASON_RULE_ALLOWS :
						  BERTH_REASON_RULE_PINS_ELSEWHERE;
	case BERTH_EFFECT_RESERVE:
		break;
	}
	return vote == BERTH_VOTE_ALLOW ? BERTH_REASON_RULE_ALLOWS : BERTH_REASON_RESERVED;
}

static void note(const struct berth_world *w, uint32_t rule, uint32_t device,
		 const struct berth_subject *subject, enum berth_tri in, enum berth_vote vote,
		 struct berth_trace *trace)
{
	const struct berth_rule *r = &w->policy->rules[rule];
	const char *term = NULL;
	struct berth_check *c;
	uint32_t set = berth_world_rule_set(w, rule);

	if (in != BERTH_YES)
		berth_selector_fits(w->policy, &r->resource, &w->facts[device], &term);
	c = berth_trace_add(trace, &(struct berth_check){ .code = code_of(r, vote),
							  .result = result_of(vote),
							  .what = "rule",
							  .name = r->name,
							  .effect = berth_effect_name(r->effect),
							  .origin = &r->origin,
							  .vm = berth_world_fits(w, subject, rule),
							  .device = in,
							  .term = term,
							  .vote = vote,
							  .priority = r->priority,
							  .specificity = berth_rule_specificity(r),
							  .at = device });
	if (!c)
		return;
	if (!berth_world_rule_speaks(w, r)) {
		snprintf(c->observed, sizeof(c->observed), "now %lld", (long long)w->now);
		snprintf(c->wanted, sizeof(c->wanted), "%lld to %lld", (long long)r->from,
			 (long long)r->until);
	} else if (r->effect == BERTH_EFFECT_RESERVE && r->count && in == BERTH_YES) {
		snprintf(c->observed, sizeof(c->observed), "%u free", w->sets[set].nr_free);
		snprintf(c->wanted, sizeof(c->wanted), "%u withheld for others",
			 berth_vote_withheld(w, rule, subject));
	} else if (c->vm == BERTH_NO) {
		snprintf(c->observed, sizeof(c->observed), "VM %s", subject->vm);
		say_subject(r, c->wanted, sizeof(c->wanted));
	} else if (term) {
		berth_match_observed(&w->facts[device], term, c->observed, sizeof(c->observed));
	}
}

static void put(const struct berth_rule **best, const struct berth_rule *rule)
{
	if (!*best || named_before(rule, *best))
		*best = rule;
}

static void hear(const struct berth_world *w, uint32_t rule, uint32_t device,
		 const struct berth_subject *subject, enum berth_tri in,
		 struct berth_ballot *ballot, struct berth_trace *trace)
{
	const struct berth_rule *r = &w->policy->rules[rule];
	enum berth_vote vote = vote_of(w, rule, device, subject, in);

	if (trace)
		note(w, rule, device, subject, in, vote, trace);
	switch (vote) {
	case BERTH_VOTE_ALLOW:
		put(&ballot->allow, r);
		break;
	case BERTH_VOTE_DENY:
		put(&ballot->deny, r);
		break;
	case BERTH_VOTE_FORBID:
		put(&ballot->forbid, r);
		break;
	case BERTH_VOTE_MAY_FORBID:
		put(&ballot->may_forbid, r);
		break;
	case BERTH_VOTE_NONE:
		break;
	}
}

void berth_vote(const struct berth_world *world, uint32_t device,
		const struct berth_subject *subject, struct berth_ballot *ret,
		struct berth_trace *trace)
{
	uint32_t nr, nr_rules;
	const struct berth_world_member *in = berth_world_sets_of(world, device, &nr);

	*ret = (struct berth_ballot){ 0 };
	if (trace && trace->all_rules) {
		for (uint32_t i = 0; i < world->policy->nr_rules; i++)
			hear(world, i, device, subject,
			     berth_devset_has(&world->sets[berth_world_rule_set(world, i)], device),
			     ret, trace);
	} else {
		for (uint32_t i = 0; i < nr; i++) {
			const uint32_t *rules = berth_world_rules_on(world, in[i].set, &nr_rules);

			for (uint32_t j = 0; j < nr_rules; j++)
				hear(world, rules[j], device, subject, in[i].in, ret, trace);
		}
	}
	if (ret->may_forbid)
		berth_selector_fits(world->policy, &ret->may_forbid->resource,
				    &world->facts[device], &ret->term);
}
