/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured against a limit of the policy: isolation, quotas, what a pool keeps free. */
#include "policy/decide_inside.h"

#include <string.h>

#include "base/cleanup.h"
#include "policy/vote.h"

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

void berth_decision_isolation(struct berth_decision *d)
{
	const struct berth_policy_defaults *defaults = &d->policy->defaults;
	int have = isolation_rank(d->facts->isolation);
	struct berth_check *c;
	bool bad;

	if (!defaults->has_min_isolation)
		return;
	bad = have < isolation_rank(defaults->min_isolation);
	c = berth_decision_note(d, BERTH_REASON_ISOLATION_BELOW_MIN,
				!bad	 ? BERTH_CHECK_PASS :
				have < 0 ? BERTH_CHECK_UNKNOWN :
					   BERTH_CHECK_FAIL,
				"defaults", "min_isolation", &defaults->origin);
	BERTH_OBSERVED(c, "%s", d->facts->isolation ? d->facts->isolation : "unknown");
	BERTH_WANTED(c, "%s or better", defaults->min_isolation);
	if (bad)
		berth_decision_refuse(
			d, &(struct berth_verdict){ .reason = BERTH_REASON_ISOLATION_BELOW_MIN,
						    .origin = &defaults->origin,
						    .name = defaults->min_isolation,
						    .unknown = have < 0 });
}

/* How many more devices of a set the VM's tenant would own with the device's group. */
static uint32_t count_more(const struct berth_decision *d, uint32_t set)
{
	const struct berth_world_group *group = &d->world->groups[d->world->group_of[d->device]];
	uint32_t more = 0;

	for (uint32_t i = 0; i < group->nr; i++)
		more += !d->world->usage[group->members[i]].vm &&
			berth_devset_has(&d->world->sets[set], group->members[i]) != BERTH_NO;
	return more;
}

void berth_decision_quotas(struct berth_decision *d)
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
		c = berth_decision_note(d, BERTH_REASON_QUOTA,
					over ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS, "tenant",
					t->name, &quota->origin);
		BERTH_OBSERVED(c, "%u of %s %s with this", used, quota->pool ? "pool" : "class",
			       quota->of);
		BERTH_WANTED(c, "at most %u", quota->hard);
		if (over)
			berth_decision_refuse(d,
					      &(struct berth_verdict){ .reason = BERTH_REASON_QUOTA,
								       .origin = &quota->origin,
								       .name = quota->of,
								       .have = used,
								       .want = quota->hard });
	}
}

void berth_decision_pools(struct berth_decision *d)
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
		c = berth_decision_note(d, BERTH_REASON_KEEP_FREE,
					low ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS, "pool",
					pool->name, &pool->origin);
		BERTH_OBSERVED(c, "%u left", left);
		BERTH_WANTED(c, "at least %u", pool->keep_free);
		if (low)
			berth_decision_refuse(
				d, &(struct berth_verdict){ .reason = BERTH_REASON_KEEP_FREE,
							    .origin = &pool->origin,
							    .name = pool->name,
							    .have = left,
							    .want = pool->keep_free });
	}
}
