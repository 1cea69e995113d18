/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/decide.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/vote.h"

/* What is being decided. */
struct decision {
	const struct berth_world *world;
	const struct berth_policy *policy;
	const struct berth_facts *facts;
	const struct berth_usage *usage;
	const struct berth_subject *subject;
	const struct berth_question *q;
	uint32_t device;
	bool companion, own;
	bool settled; /* a refusal was found: what follows only goes into the trace */
	struct berth_verdict *verdict;
	struct berth_trace *trace;
};

/* The first one decides. */
static void refuse(struct decision *d, const struct berth_verdict *why)
{
	if (d->settled)
		return;
	d->settled = true;
	*d->verdict = *why;
	d->verdict->device = d->device;
	d->verdict->vm = d->q->vm;
}

/* A check that is not about a rule. Return: it in the trace, or NULL. */
static struct berth_check *note(struct decision *d, enum berth_reason code,
				enum berth_check_result result, const char *what, const char *name,
				const struct berth_origin *origin)
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

__attribute__((format(printf, 3, 4))) static void say(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, size, fmt, ap);
	va_end(ap);
}
#define OBSERVED(c, ...)                                                                           \
	do {                                                                                       \
		if (c)                                                                             \
			say((c)->observed, sizeof((c)->observed), __VA_ARGS__);                    \
	} while (0)
#define WANTED(c, ...)                                                                             \
	do {                                                                                       \
		if (c)                                                                             \
			say((c)->wanted, sizeof((c)->wanted), __VA_ARGS__);                        \
	} while (0)

/* --- identity --- */

static void note_fit(struct decision *d, const char *what, const struct berth_group_entry *entry,
		     enum berth_tri in)
{
	const char *term = NULL;
	struct berth_check *c;

	if (in != BERTH_YES)
		berth_match_eval(entry->match, d->facts, &term);
	c = note(d, BERTH_REASON_IDENTITY_CHANGED, BERTH_CHECK_NONE, what, entry->name,
		 &entry->origin);
	if (!c)
		return;
	c->device = in;
	c->term = term;
	if (term)
		berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
}

static void check_expect(struct decision *d, const struct berth_group_entry *entry)
{
	const char *term;
	enum berth_tri holds = berth_match_eval(entry->expect, d->facts, &term);
	enum berth_reason code = holds == BERTH_UNKNOWN ? BERTH_REASON_IDENTITY_UNKNOWN :
							  BERTH_REASON_IDENTITY_CHANGED;
	struct berth_check *c = note(d, code,
				     holds == BERTH_YES ? BERTH_CHECK_PASS :
				     holds == BERTH_NO	? BERTH_CHECK_FAIL :
							  BERTH_CHECK_UNKNOWN,
				     "device", entry->name, &entry->origin);

	if (!c)
		return;
	c->effect = "expect";
	c->device = holds;
	c->term = term;
	if (term)
		berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
	WANTED(c, "as expected of \"%s\"", entry->name);
}

static void check_identity(struct decision *d)
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
	refuse(d,
	       &(struct berth_verdict){ .reason = is == BERTH_NO ? BERTH_REASON_IDENTITY_CHANGED :
								   BERTH_REASON_IDENTITY_UNKNOWN,
					.origin = &entry->origin,
					.name = entry->name,
					.term = term,
					.unknown = is == BERTH_UNKNOWN });
}

/* --- protection --- */

/* The allow that names this device and may override its protection, or NULL. */
static const struct berth_rule *find_override(const struct decision *d)
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

static void check_protect(struct decision *d, const struct berth_protect_entry *entry,
			  enum berth_tri in, const struct berth_rule *override)
{
	bool lifted = override && d->q->force;
	const char *term = NULL;
	struct berth_check *c;

	berth_match_eval(entry->match, d->facts, &term);
	c = note(d, BERTH_REASON_PROTECTED,
		 lifted		 ? BERTH_CHECK_PASS :
		 in == BERTH_YES ? BERTH_CHECK_FAIL :
				   BERTH_CHECK_UNKNOWN,
		 "protect", entry->name, &entry->origin);
	if (c) {
		c->device = in;
		c->term = term;
		if (term)
			berth_match_observed(d->facts, term, c->observed, sizeof(c->observed));
		else
			OBSERVED(c, "protected");
		WANTED(c, "%s", override ? "--force" : "not protected");
	}
	if (!lifted)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PROTECTED,
						   .origin = &entry->origin,
						   .rule = override,
						   .name = entry->name,
						   .term = term,
						   .unknown = in == BERTH_UNKNOWN,
						   .forceable = override != NULL });
}

static void check_protects(struct decision *d)
{
	const struct berth_rule *override = NULL;
	bool looked = false;
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	if (d->usage->safety) {
		struct berth_check *c = note(d, BERTH_REASON_PROTECTED, BERTH_CHECK_FAIL, "safety",
					     d->usage->safety, NULL);

		OBSERVED(c, "%s", d->usage->safety);
		WANTED(c, "nothing of the host's stands on it");
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PROTECTED,
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

static void refuse_by(struct decision *d, enum berth_reason reason, const struct berth_rule *rule)
{
	refuse(d,
	       &(struct berth_verdict){ .reason = reason, .origin = &rule->origin, .rule = rule });
}

static void check_tenants(struct decision *d)
{
	const struct berth_tenant_entry *tenants = d->policy->tenants;
	const struct berth_subject *s = d->subject;
	struct berth_check *c;

	if (s->tenant_2 == BERTH_WORLD_NONE)
		return;
	c = note(d, BERTH_REASON_CONFLICT, BERTH_CHECK_FAIL, "tenant", tenants[s->tenant].name,
		 &tenants[s->tenant].origin);
	OBSERVED(c, "also of tenant %s", tenants[s->tenant_2].name);
	WANTED(c, "one tenant");
	refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_CONFLICT,
					   .origin = &tenants[s->tenant].origin,
					   .other = &tenants[s->tenant_2].origin,
					   .name = tenants[s->tenant].name });
}

static void allow_by(struct decision *d, enum berth_reason reason, const struct berth_rule *rule)
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
static void check_unnamed(struct decision *d)
{
	struct berth_check *c = note(d, BERTH_REASON_NO_RULE_ALLOWS,
				     d->companion ? BERTH_CHECK_PASS : BERTH_CHECK_FAIL, "rules",
				     NULL, NULL);

	OBSERVED(c, "none allows it");
	WANTED(c, "%s", d->companion ? "none: it only comes along" : "one that allows it");
	if (d->companion)
		allow_by(d, BERTH_REASON_COMPANION, NULL);
	else
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_NO_RULE_ALLOWS });
}

static void check_ballot(struct decision *d, const struct berth_ballot *b)
{
	const struct berth_rule *allow = b->allow, *deny = b->deny;
	int weight = allow && deny ? berth_rule_weigh(allow, deny) : 0;

	if (b->forbid)
		refuse_by(d, BERTH_REASON_RULE_DENIES, b->forbid);
	else if (b->may_forbid)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_RULE_MAY_DENY,
						   .origin = &b->may_forbid->origin,
						   .rule = b->may_forbid,
						   .term = b->term,
						   .unknown = true });
	else if (allow && deny && weight == 0)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_CONFLICT,
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

static void check_rules(struct decision *d)
{
	struct berth_ballot ballot;

	if (d->policy->nr_files == 0) {
		allow_by(d, BERTH_REASON_NO_POLICY, NULL);
		return;
	}
	check_tenants(d);
	berth_vote(d->world, d->device, d->subject, &ballot, d->trace);
	check_ballot(d, &ballot);
}

/* --- what is so now --- */

static void check_owner(struct decision *d)
{
	const char *owner = d->usage->vm;
	struct berth_check *c = note(d, BERTH_REASON_OWNED,
				     owner && !d->own ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS,
				     "owner", owner, NULL);

	OBSERVED(c, "%s%s", owner ? "VM " : "nobody's", owner ? owner : "");
	WANTED(c, "nobody's%s%s", d->q->vm ? ", or VM " : "", d->q->vm ? d->q->vm : "");
	if (owner && !d->own)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_OWNED, .name = owner });
}

/* A group goes as a whole: nobody else may have any of it. */
static void check_group(struct decision *d)
{
	const struct berth_world_group *group = &d->world->groups[d->world->group_of[d->device]];
	const char *other = NULL;
	struct berth_check *c;

	for (uint32_t i = 0; i < group->nr && !other; i++) {
		const char *owner = d->world->usage[group->members[i]].vm;

		if (group->members[i] != d->device && owner &&
		    (!d->q->vm || strcmp(owner, d->q->vm) != 0))
			other = owner;
	}
	if (group->nr == 1)
		return;
	c = note(d, BERTH_REASON_GROUP_SPLIT, other ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS, "group",
		 group->key, NULL);
	OBSERVED(c, "%s%s", other ? "part of it is VM " : "one owner at most", other ? other : "");
	WANTED(c, "one owner at most");
	if (other)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_GROUP_SPLIT,
						   .name = other });
}

/* A PF or its VFs, never both. */
static void check_pf(struct decision *d)
{
	uint32_t pf = d->world->pf_of[d->device], vfs = d->world->owned_vfs[d->device];
	const char *owner = pf != BERTH_WORLD_NONE ? d->world->usage[pf].vm : NULL;
	struct berth_check *c;

	if (vfs && !d->own) {
		c = note(d, BERTH_REASON_PF_HAS_VFS, BERTH_CHECK_FAIL, "pf", d->facts->bdf, NULL);
		OBSERVED(c, "%u VFs owned", vfs);
		WANTED(c, "none");
		refuse(d,
		       &(struct berth_verdict){ .reason = BERTH_REASON_PF_HAS_VFS, .have = vfs });
	}
	if (owner && !d->own) {
		c = note(d, BERTH_REASON_PF_OWNED, BERTH_CHECK_FAIL, "pf", d->world->facts[pf].bdf,
			 NULL);
		OBSERVED(c, "VM %s", owner);
		WANTED(c, "nobody's");
		refuse(d,
		       &(struct berth_verdict){ .reason = BERTH_REASON_PF_OWNED, .name = owner });
	}
}

static bool tolerates(const struct berth_question *q, const char *taint)
{
	for (char *const *t = q->tolerate; t && *t; t++) {
		if (strcmp(*t, taint) == 0)
			return true;
	}
	return false;
}

/* @in: BERTH_UNKNOWN when the device only may fit what the taint is about. */
static void check_taint(struct decision *d, const char *taint, enum berth_taint_effect effect,
			enum berth_tri in, const struct berth_origin *origin)
{
	bool bad = effect != BERTH_TAINT_REPORT && !tolerates(d->q, taint) &&
		   !(effect == BERTH_TAINT_NO_NEW && d->own);
	struct berth_check *c = note(d, BERTH_REASON_TAINTED,
				     !bad	     ? BERTH_CHECK_PASS :
				     in == BERTH_YES ? BERTH_CHECK_FAIL :
						       BERTH_CHECK_UNKNOWN,
				     "taint", taint, origin);

	if (c) {
		c->device = in;
		OBSERVED(c, "%s%s", taint, in == BERTH_YES ? "" : " (perhaps)");
		WANTED(c, "%s",
		       effect == BERTH_TAINT_REPORT ? "(only reported)" : "none, or tolerated");
	}
	if (bad)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_TAINTED,
						   .origin = origin,
						   .name = taint,
						   .unknown = in != BERTH_YES });
}

static void check_taints(struct decision *d)
{
	uint32_t nr, nr_taints;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	for (size_t i = 0; i < d->usage->nr_taints; i++)
		check_taint(d, d->usage->taints[i].taint, d->usage->taints[i].effect, BERTH_YES,
			    NULL);
	for (uint32_t i = 0; i < nr; i++) {
		const uint32_t *taints = berth_world_taints_on(d->world, in[i].set, &nr_taints);

		for (uint32_t j = 0; j < nr_taints; j++) {
			const struct berth_taint_entry *t = &d->policy->taints[taints[j]];

			check_taint(d, t->taint, t->effect, in[i].in, &t->origin);
		}
	}
}

/* The better, the larger; -1 for what is not known. */
static int isolation_rank(const char *name)
{
	static const char *const scale[] = { "no-iommu", "acs-override", "shared", "multifunction",
					     "isolated" };

	for (size_t i = 0; name && i < BERTH_ARRAY_SIZE(scale); i++) {
		if (strcmp(name, scale[i]) == 0)
			return (int)i;
	}
	return -1;
}

static void check_isolation(struct decision *d)
{
	const struct berth_policy_defaults *defaults = &d->policy->defaults;
	int have = isolation_rank(d->facts->isolation);
	struct berth_check *c;
	bool bad;

	if (!defaults->has_min_isolation)
		return;
	bad = have < isolation_rank(defaults->min_isolation);
	c = note(d, BERTH_REASON_ISOLATION_BELOW_MIN,
		 !bad	  ? BERTH_CHECK_PASS :
		 have < 0 ? BERTH_CHECK_UNKNOWN :
			    BERTH_CHECK_FAIL,
		 "defaults", "min_isolation", &defaults->origin);
	OBSERVED(c, "%s", d->facts->isolation ? d->facts->isolation : "unknown");
	WANTED(c, "%s or better", defaults->min_isolation);
	if (bad)
		refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_ISOLATION_BELOW_MIN,
						   .origin = &defaults->origin,
						   .name = defaults->min_isolation,
						   .unknown = have < 0 });
}

/* How many more devices of a set the VM's tenant would own with the device's group. */
static uint32_t count_more(const struct decision *d, uint32_t set)
{
	const struct berth_world_group *group = &d->world->groups[d->world->group_of[d->device]];
	uint32_t more = 0;

	for (uint32_t i = 0; i < group->nr; i++)
		more += !d->world->usage[group->members[i]].vm &&
			berth_devset_has(&d->world->sets[set], group->members[i]) != BERTH_NO;
	return more;
}

static void check_quotas(struct decision *d)
{
	uint32_t tenant = d->subject->tenant;
	const struct berth_tenant_entry *t;

	if (tenant == BERTH_WORLD_NONE)
		return;
	t = &d->policy->tenants[tenant];
	for (size_t i = 0; i < t->nr_quotas; i++) {
		const struct berth_quota *quota = &t->quotas[i];
		uint32_t set = berth_world_quota_set(d->world, tenant, i);
		uint32_t used = berth_world_quota_used(d->world, tenant, i);
		struct berth_check *c;
		bool over;

		if (berth_devset_has(&d->world->sets[set], d->device) == BERTH_NO)
			continue;
		used += count_more(d, set);
		over = !d->own && used > quota->hard;
		c = note(d, BERTH_REASON_QUOTA, over ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS,
			 "tenant", t->name, &quota->origin);
		OBSERVED(c, "%u of %s %s with this", used, quota->pool ? "pool" : "class",
			 quota->of);
		WANTED(c, "at most %u", quota->hard);
		if (over)
			refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_QUOTA,
							   .origin = &quota->origin,
							   .name = quota->of,
							   .have = used,
							   .want = quota->hard });
	}
}

static void check_pools(struct decision *d)
{
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_pool_entry *pool = berth_world_pool_of(d->world, in[i].set);
		uint32_t taken, maybe, left;
		struct berth_check *c;
		bool low;

		if (!pool || !pool->keep_free)
			continue;
		taken = berth_world_taken(d->world, d->device, in[i].set, &maybe);
		left = d->world->sets[in[i].set].nr_free - taken;
		low = !d->own && (taken || maybe) && left < pool->keep_free;
		c = note(d, BERTH_REASON_KEEP_FREE, low ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS,
			 "pool", pool->name, &pool->origin);
		OBSERVED(c, "%u left", left);
		WANTED(c, "at least %u", pool->keep_free);
		if (low)
			refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_KEEP_FREE,
							   .origin = &pool->origin,
							   .name = pool->name,
							   .have = left,
							   .want = pool->keep_free });
	}
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
	static void (*const checks[])(struct decision * d) = {
		check_identity, check_protects, check_rules,	 check_owner,  check_group,
		check_pf,	check_taints,	check_isolation, check_quotas, check_pools,
	};
	const char *owner = world->usage[device].vm;
	struct decision d = {
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
