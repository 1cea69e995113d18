/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/decide.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/decide_inside.h"
#include "policy/vote.h"

/* The first one decides. */
void berth_decision_refuse(struct berth_decision *d, const struct berth_verdict *why)
{
	if (d->settled)
		return;
	d->settled = true;
	*d->verdict = *why;
	d->verdict->device = d->device;
	d->verdict->vm = d->q->vm;
}

/* A check that is not about a rule. Return: it in the trace, or NULL. */
struct berth_check *berth_decision_note(struct berth_decision *d, enum berth_reason code,
					enum berth_check_result result, const char *what,
					const char *name, const struct berth_origin *origin)
{
	return berth_trace_add(d->trace, &(struct berth_check){ .code = code,
								.result = result,
								.what = what,
								.name = name,
								.origin = origin,
								.vm = BERTH_YES,
								.device = BERTH_YES,
								.at = d->device });
}

void berth_decision_say(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, size, fmt, ap);
	va_end(ap);
}
/* --- identity --- */

static void note_fit(struct berth_decision *d, const char *what,
		     const struct berth_group_entry *entry, enum berth_tri in)
{
	const char *term = NULL;
	struct berth_check *c;

	if (in != BERTH_YES)
		berth_match_eval(entry->match, d->facts, &term);
	c = berth_decision_note(d, BERTH_REASON_IDENTITY_CHANGED, BERTH_CHECK_NONE, what,
				entry->name, &entry->origin);
	if (!c)
		return;
	c->device = in;
	c->term = term;
	if (term)
		berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
}

static void check_expect(struct berth_decision *d, const struct berth_group_entry *entry)
{
	const char *term;
	enum berth_tri holds = berth_match_eval(entry->expect, d->facts, &term);
	enum berth_reason code = holds == BERTH_UNKNOWN ? BERTH_REASON_IDENTITY_UNKNOWN :
							  BERTH_REASON_IDENTITY_CHANGED;
	struct berth_check *c = berth_decision_note(d, code,
						    holds == BERTH_YES ? BERTH_CHECK_PASS :
						    holds == BERTH_NO  ? BERTH_CHECK_FAIL :
									 BERTH_CHECK_UNKNOWN,
						    "device", entry->name, &entry->origin);

	if (!c)
		return;
	c->effect = "expect";
	c->device = holds;
	c->term = term;
	if (term)
		berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
	BERTH_WANTED(c, "as expected of \"%s\"", entry->name);
}

static void check_identity(struct berth_decision *d)
{
	const struct berth_group_entry *entry;
	enum berth_tri is = berth_world_identity(d->world, d->device, &entry);
	const size_t nr_devices = d->policy->nr_devices, nr_classes = d->policy->nr_classes;
	const struct berth_world_member *in;
	const char *term = NULL;
	uint32_t nr;

	in = berth_world_sets_of(d->world, d->device, &nr);
	/* device entries have the first numbers, classes the next */
	for (uint32_t i = 0; d->trace && i < nr && in[i].set < nr_devices + nr_classes; i++) {
		if (in[i].set >= nr_devices) {
			note_fit(d, "class", &d->policy->classes[in[i].set - nr_devices], in[i].in);
			continue;
		}
		note_fit(d, "device", &d->policy->devices[in[i].set], in[i].in);
		if (in[i].in == BERTH_YES && d->policy->devices[in[i].set].expect)
			check_expect(d, &d->policy->devices[in[i].set]);
	}
	if (is == BERTH_YES)
		return;
	berth_match_eval(entry->expect, d->facts, &term);
	berth_decision_refuse(d, &(struct berth_verdict){
					 .reason = is == BERTH_NO ? BERTH_REASON_IDENTITY_CHANGED :
								    BERTH_REASON_IDENTITY_UNKNOWN,
					 .origin = &entry->origin,
					 .name = entry->name,
					 .term = term,
					 .unknown = is == BERTH_UNKNOWN });
}

/* --- protection --- */

/* The allow that names this device and may override its protection, or NULL. */
static const struct berth_rule *find_override(const struct berth_decision *d)
{
	uint32_t nr, nr_rules;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	for (uint32_t i = 0; i < nr; i++) {
		const uint32_t *rules = berth_world_rules_on(d->world, in[i].set, &nr_rules);

		for (uint32_t j = 0; j < nr_rules && in[i].in == BERTH_YES; j++) {
			const struct berth_rule *rule = &d->policy->rules[rules[j]];

			if (rule->override_protect && rule->effect == BERTH_EFFECT_ALLOW &&
			    rule->resource.kind == BERTH_RESOURCE_DEVICE &&
			    berth_world_fits(d->world, d->subject, rules[j]) == BERTH_YES &&
			    berth_world_rule_speaks(d->world, rule))
				return rule;
		}
	}
	return NULL;
}

static void check_protect(struct berth_decision *d, const struct berth_protect_entry *entry,
			  enum berth_tri in, const struct berth_rule *override)
{
	bool lifted = override && d->q->force;
	const char *term = NULL;
	struct berth_check *c;

	berth_match_eval(entry->match, d->facts, &term);
	c = berth_decision_note(d, BERTH_REASON_PROTECTED,
				lifted		? BERTH_CHECK_PASS :
				in == BERTH_YES ? BERTH_CHECK_FAIL :
						  BERTH_CHECK_UNKNOWN,
				"protect", entry->name, &entry->origin);
	if (c) {
		c->device = in;
		c->term = term;
		if (term)
			berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
		else
			BERTH_OBSERVED(c, "protected");
		BERTH_WANTED(c, "%s", override ? "--force" : "not protected");
	}
	if (!lifted)
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PROTECTED,
								  .origin = &entry->origin,
								  .rule = override,
								  .name = entry->name,
								  .term = term,
								  .unknown = in == BERTH_UNKNOWN,
								  .forceable = override != NULL });
}

static void check_protects(struct berth_decision *d)
{
	const struct berth_rule *override = NULL;
	bool looked = false;
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	if (d->usage->safety) {
		struct berth_check *c = berth_decision_note(d, BERTH_REASON_PROTECTED,
							    BERTH_CHECK_FAIL, "safety",
							    d->usage->safety, NULL);

		BERTH_OBSERVED(c, "%s", d->usage->safety);
		BERTH_WANTED(c, "nothing of the host's stands on it");
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PROTECTED,
								  .name = d->usage->safety });
	}
	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_protect_entry *entry =
			berth_world_protect_of(d->world, in[i].set);

		if (!entry)
			continue;
		if (!looked)
			override = find_override(d);
		looked = true;
		check_protect(d, entry, in[i].in, override);
	}
}

/* --- rules --- */

static void refuse_by(struct berth_decision *d, enum berth_reason reason,
		      const struct berth_rule *rule)
{
	berth_decision_refuse(d, &(struct berth_verdict){
					 .reason = reason, .origin = &rule->origin, .rule = rule });
}

static void check_tenants(struct berth_decision *d)
{
	const struct berth_tenant_entry *tenants = d->policy->tenants;
	const struct berth_subject *s = d->subject;
	struct berth_check *c;

	if (s->tenant_2 == BERTH_WORLD_NONE)
		return;
	c = berth_decision_note(d, BERTH_REASON_CONFLICT, BERTH_CHECK_FAIL, "tenant",
				tenants[s->tenant].name, &tenants[s->tenant].origin);
	BERTH_OBSERVED(c, "also of tenant %s", tenants[s->tenant_2].name);
	BERTH_WANTED(c, "one tenant");
	berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_CONFLICT,
							  .origin = &tenants[s->tenant].origin,
							  .other = &tenants[s->tenant_2].origin,
							  .name = tenants[s->tenant].name });
}

static void allow_by(struct berth_decision *d, enum berth_reason reason,
		     const struct berth_rule *rule)
{
	if (d->settled)
		return;
	*d->verdict = (struct berth_verdict){
		.allow = true,
		.reason = reason,
		.device = d->device,
		.vm = d->q->vm,
		.origin = rule ? &rule->origin : NULL,
		.rule = rule,
		.lease = rule && rule->has_lease ? &rule->lease : NULL,
	};
}

/* No rule says anything: nothing is given by saying nothing, but a companion is not what was asked for. */
static void check_unnamed(struct berth_decision *d)
{
	struct berth_check *c = berth_decision_note(
		d, BERTH_REASON_NO_RULE_ALLOWS, d->companion ? BERTH_CHECK_PASS : BERTH_CHECK_FAIL,
		"rules", NULL, NULL);

	BERTH_OBSERVED(c, "none allows it");
	BERTH_WANTED(c, "%s", d->companion ? "none: it only comes along" : "one that allows it");
	if (d->companion)
		allow_by(d, BERTH_REASON_COMPANION, NULL);
	else
		berth_decision_refuse(
			d, &(struct berth_verdict){ .reason = BERTH_REASON_NO_RULE_ALLOWS });
}

static void check_ballot(struct berth_decision *d, const struct berth_ballot *b)
{
	const struct berth_rule *allow = b->allow, *deny = b->deny;
	int weight = allow && deny ? berth_rule_weigh(allow, deny) : 0;

	if (b->forbid)
		refuse_by(d, BERTH_REASON_RULE_DENIES, b->forbid);
	else if (b->may_forbid)
		berth_decision_refuse(d,
				      &(struct berth_verdict){ .reason = BERTH_REASON_RULE_MAY_DENY,
							       .origin = &b->may_forbid->origin,
							       .rule = b->may_forbid,
							       .term = b->term,
							       .unknown = true });
	else if (allow && deny && weight == 0)
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_CONFLICT,
								  .origin = &allow->origin,
								  .other = &deny->origin,
								  .rule = allow,
								  .rival = deny });
	else if (deny && (!allow || weight < 0))
		refuse_by(d,
			  deny->effect == BERTH_EFFECT_PIN ? BERTH_REASON_RULE_PINS_ELSEWHERE :
							     BERTH_REASON_RESERVED,
			  deny);
	else if (allow)
		allow_by(d, BERTH_REASON_RULE_ALLOWS, allow);
	else
		check_unnamed(d);
}

static void check_rules(struct berth_decision *d)
{
	struct berth_ballot ballot;

	check_tenants(d);
	berth_vote(d->world, d->device, d->subject, &ballot, d->trace);
	/* Without a policy file there may be reservations in the ledger: they keep others out, and nobody needs them for leave. */
	if (d->policy->nr_files == 0 && !ballot.deny)
		allow_by(d, BERTH_REASON_NO_POLICY, NULL);
	else
		check_ballot(d, &ballot);
}

/* --- all of it --- */

struct berth_question berth_question_for(const struct berth_policy *policy, const char *vm)
{
	struct berth_question q = { .vm = vm };

	for (size_t i = 0; vm && i < policy->nr_claims; i++) {
		if (strcmp(policy->claims[i].vm, vm) == 0)
			q.tolerate = policy->claims[i].tolerate;
	}
	return q;
}

int berth_decide(struct berth_world *world, uint32_t device, bool companion,
		 const struct berth_question *q, struct berth_verdict *ret,
		 struct berth_trace *trace)
{
	/* Every check, in the order of their strength; without a trace the first refusal ends it. */
	static void (*const checks[])(struct berth_decision * d) = {
		check_identity,	       check_protects,		 check_rules,
		berth_decision_owner,  berth_decision_group,	 berth_decision_pf,
		berth_decision_taints, berth_decision_isolation, berth_decision_quotas,
		berth_decision_pools,
	};
	const char *owner = world->usage[device].vm;
	struct berth_decision d = {
		.world = world,
		.policy = world->policy,
		.facts = &world->facts[device],
		.usage = &world->usage[device],
		.subject = berth_world_subject(world, q->vm),
		.q = q,
		.device = device,
		.companion = companion,
		.own = owner && q->vm && strcmp(owner, q->vm) == 0,
		.verdict = ret,
		.trace = trace,
	};

	if (!d.subject)
		return -ENOMEM;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(checks) && (trace || !d.settled); i++)
		checks[i](&d);
	return 0;
}

static bool is_asked(uint32_t device, const uint32_t *asked, size_t nr)
{
	for (size_t i = 0; asked && i < nr; i++) {
		if (asked[i] == device)
			return true;
	}
	return !asked;
}

/* Of two verdicts that allow, the one to go by: that of a device asked for, and of these the shorter lease. */
static bool is_stricter(const struct berth_verdict *a, bool a_asked, const struct berth_verdict *b,
			bool b_asked)
{
	int64_t x = a->lease && a->lease->max_s ? a->lease->max_s : INT64_MAX;
	int64_t y = b->lease && b->lease->max_s ? b->lease->max_s : INT64_MAX;

	return a_asked != b_asked ? a_asked : x < y;
}

int berth_decide_group(struct berth_world *world, uint32_t group, const uint32_t *asked,
		       size_t nr_asked, const struct berth_question *q, struct berth_verdict *ret,
		       struct berth_trace *trace)
{
	const struct berth_world_group *g = &world->groups[group];
	struct berth_verdict best = { 0 };
	bool best_asked = false, refused = false;

	for (uint32_t i = 0; i < g->nr && (trace || !refused); i++) {
		bool is = is_asked(g->members[i], asked, nr_asked);
		struct berth_verdict one;
		int r = berth_decide(world, g->members[i], !is, q, &one, trace);

		if (r < 0)
			return r;
		if (refused || (one.allow && i > 0 && !is_stricter(&one, is, &best, best_asked)))
			continue;
		refused = !one.allow;
		best = one;
		best_asked = is;
	}
	*ret = best;
	return 0;
}
