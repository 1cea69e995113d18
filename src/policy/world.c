/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/world_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/glob.h"

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

/* --- groups, functions of functions --- */

struct keyed {
	const char *key;
	uint32_t device;
};

static int cmp_keyed(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int c = !x->key || !y->key ? (x->key != NULL) - (y->key != NULL) : strcmp(x->key, y->key);

	return c ? c : (x->device > y->device) - (x->device < y->device);
}

static bool same_group(const struct keyed *a, const struct keyed *b)
{
	return a->key && b->key && strcmp(a->key, b->key) == 0;
}

static void number_groups(struct berth_world *w, const struct keyed *sorted, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		struct berth_world_group *group;

		if (i == 0 || !same_group(&sorted[i - 1], &sorted[i])) {
			group = &w->groups[w->nr_groups++];
			group->key = sorted[i].key;
			group->members = &w->index->members[i];
		}
		group = &w->groups[w->nr_groups - 1];
		w->index->members[i] = sorted[i].device;
		w->group_of[sorted[i].device] = w->nr_groups - 1;
		group->nr++;
	}
}

static int build_groups(struct berth_world *w)
{
	struct keyed *sorted = calloc(w->nr + 1, sizeof(*sorted));
	uint32_t nr = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < w->nr; i++) {
		w->group_of[i] = BERTH_WORLD_NONE;
		if (!w->facts[i].is_bridge)
			sorted[nr++] = (struct keyed){ w->facts[i].group_key, (uint32_t)i };
	}
	qsort(sorted, nr, sizeof(*sorted), cmp_keyed);
	number_groups(w, sorted, nr);
	free(sorted);
	return 0;
}

static void link_pfs(struct berth_world *w)
{
	for (size_t i = 0; i < w->nr; i++) {
		const struct berth_facts *pf = w->facts[i].pf;

		w->pf_of[i] = pf >= w->facts && pf < w->facts + w->nr ? (uint32_t)(pf - w->facts) :
									BERTH_WORLD_NONE;
	}
}

/* --- identity, and who could have it at all --- */

static void check_identity(struct berth_world *w, uint32_t device)
{
	const struct berth_policy *p = w->policy;
	struct berth_world_index *x = w->index;
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(w, device, &nr);

	x->identity[device] = BERTH_YES;
	/* device entries have the lowest numbers */
	for (uint32_t i = 0; i < nr && in[i].set < p->nr_devices; i++) {
		const struct berth_group_entry *entry = &p->devices[in[i].set];
		enum berth_tri holds = BERTH_YES;

		if (in[i].in == BERTH_YES && entry->expect)
			holds = berth_match_eval(entry->expect, &w->facts[device], NULL);
		/* a no is worse than an unknown */
		if (holds == BERTH_NO ?
			    x->identity[device] != BERTH_NO :
			    holds == BERTH_UNKNOWN && x->identity[device] == BERTH_YES) {
			x->identity[device] = (int8_t)holds;
			x->stranger[device] = entry;
		}
	}
}

enum berth_tri berth_world_identity(const struct berth_world *world, uint32_t device,
				    const struct berth_group_entry **ret_entry)
{
	if (ret_entry)
		*ret_entry = world->index->stranger[device];
	return (enum berth_tri)world->index->identity[device];
}

static bool has_strict_taint(const struct berth_world *w, uint32_t set)
{
	uint32_t nr;
	const uint32_t *taints = berth_world_taints_on(w, set, &nr);

	for (uint32_t i = 0; i < nr; i++) {
		if (w->policy->taints[taints[i]].effect != BERTH_TAINT_REPORT)
			return true;
	}
	return false;
}

/* Is there nothing that keeps it from everybody? */
static bool is_usable(const struct berth_world *w, uint32_t device)
{
	const struct berth_usage *u = &w->usage[device];
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(w, device, &nr);

	if (w->group_of[device] == BERTH_WORLD_NONE || u->safety ||
	    w->index->identity[device] != BERTH_YES)
		return false;
	for (size_t i = 0; i < u->nr_taints; i++) {
		if (u->taints[i].effect != BERTH_TAINT_REPORT)
			return false;
	}
	for (uint32_t i = 0; i < nr; i++) {
		if (berth_world_protect_of(w, in[i].set) || has_strict_taint(w, in[i].set))
			return false;
	}
	return true;
}

/* --- owners --- */

uint32_t berth_world_tenant_of(const struct berth_world *world, const char *vm)
{
	const struct berth_policy *p = world->policy;

	for (size_t i = 0; i < p->nr_tenants; i++) {
		for (char **glob = p->tenants[i].vms; glob && *glob; glob++) {
			if (berth_glob(*glob, vm))
				return (uint32_t)i;
		}
	}
	return BERTH_WORLD_NONE;
}

/* In berth_subject.fits: no value of enum berth_tri. */
#define NOT_ASKED 2

static enum berth_tri rule_fits(const struct berth_policy *p, const struct berth_rule *rule,
				const char *vm, uint32_t tenant)
{
	if (!rule->vms && !rule->tenants)
		return BERTH_YES;
	if (!vm)
		return BERTH_UNKNOWN;
	for (char **glob = rule->vms; glob && *glob; glob++) {
		if (berth_glob(*glob, vm))
			return BERTH_YES;
	}
	for (char **name = rule->tenants; name && *name && tenant != BERTH_WORLD_NONE; name++) {
		if (strcmp(*name, p->tenants[tenant].name) == 0)
			return BERTH_YES;
	}
	return BERTH_NO;
}

/* @by is 1 or -1: one more or one less that @vm owns. */
static void count_owned(struct berth_world *w, uint32_t device, const char *vm, int by)
{
	const struct berth_policy *p = w->policy;
	struct berth_world_index *x = w->index;
	uint32_t tenant = berth_world_tenant_of(w, vm);

	if (w->pf_of[device] != BERTH_WORLD_NONE)
		w->owned_vfs[w->pf_of[device]] += (uint32_t)by;
	for (size_t q = 0; tenant != BERTH_WORLD_NONE && q < p->tenants[tenant].nr_quotas; q++) {
		uint32_t at = x->first_quota[tenant] + (uint32_t)q;

		/* what may be one of them is counted as one */
		if (berth_devset_has(&w->sets[x->quota_set[at]], device) != BERTH_NO)
			x->quota_used[at] += (uint32_t)by;
	}
	for (uint32_t i = 0; i < x->nr_counted; i++) {
		uint32_t rule = x->counted[i];

		if (berth_devset_has(&w->sets[x->rule_set[rule]], device) == BERTH_YES &&
		    rule_fits(p, &p->rules[rule], vm, tenant) == BERTH_YES)
			x->held[rule] += (uint32_t)by;
	}
}

static void count_free(struct berth_world *w, uint32_t device, int by)
{
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(w, device, &nr);

	for (uint32_t i = 0; i < nr && w->usable[device]; i++) {
		if (in[i].in == BERTH_YES)
			w->sets[in[i].set].nr_free += (uint32_t)by;
	}
}

void berth_world_set_owner(struct berth_world *world, uint32_t device, const char *vm)
{
	const char *before = world->usage[device].vm;

	if (before)
		count_owned(world, device, before, -1);
	else
		count_free(world, device, -1);
	world->usage[device].vm = vm;
	if (vm)
		count_owned(world, device, vm, 1);
	else
		count_free(world, device, 1);
}

static void count_all(struct berth_world *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		check_identity(w, i);
		w->usable[i] = is_usable(w, i);
		if (w->usage[i].vm)
			count_owned(w, i, w->usage[i].vm, 1);
		else
			count_free(w, i, 1);
	}
}

uint32_t berth_world_quota_used(const struct berth_world *world, uint32_t tenant, size_t quota)
{
	return world->index->quota_used[world->index->first_quota[tenant] + quota];
}

uint32_t berth_world_quota_set(const struct berth_world *world, uint32_t tenant, size_t quota)
{
	return world->index->quota_set[world->index->first_quota[tenant] + quota];
}

bool berth_world_rule_speaks(const struct berth_world *world, const struct berth_rule *rule)
{
	return (!rule->from || world->now >= rule->from) &&
	       (!rule->until || world->now < rule->until);
}

uint32_t berth_world_withheld(const struct berth_world *world, size_t rule)
{
	const struct berth_rule *r = &world->policy->rules[rule];
	uint32_t held = world->index->held[rule];

	if (r->effect != BERTH_EFFECT_RESERVE || !berth_world_rule_speaks(world, r))
		return 0;
	return r->count > held ? r->count - held : 0;
}

/* --- VMs --- */

static void find_tenants(const struct berth_world *w, struct berth_subject *s)
{
	const struct berth_policy *p = w->policy;

	s->tenant = s->tenant_2 = BERTH_WORLD_NONE;
	for (size_t i = 0; s->vm && i < p->nr_tenants; i++) {
		bool in = false;

		for (char **glob = p->tenants[i].vms; glob && *glob && !in; glob++)
			in = berth_glob(*glob, s->vm);
		if (in && s->tenant == BERTH_WORLD_NONE)
			s->tenant = (uint32_t)i;
		else if (in && s->tenant_2 == BERTH_WORLD_NONE)
			s->tenant_2 = (uint32_t)i;
	}
}

const struct berth_subject *berth_world_subject(struct berth_world *world, const char *vm)
{
	struct berth_subject *s = &world->index->subject;
	char *name = NULL;

	if (world->index->has_subject && (vm ? s->vm && strcmp(s->vm, vm) == 0 : !s->vm))
		return s;
	if (vm) {
		name = strdup(vm);
		if (!name)
			return NULL;
	}
	free(s->vm);
	s->vm = name;
	world->index->has_subject = true;
	find_tenants(world, s);
	memset(s->fits, NOT_ASKED, world->policy->nr_rules);
	return s;
}

enum berth_tri berth_world_fits(const struct berth_world *world, const struct berth_subject *s,
				size_t rule)
{
	if (s->fits[rule] == NOT_ASKED)
		s->fits[rule] = (int8_t)rule_fits(world->policy, &world->policy->rules[rule], s->vm,
						  s->tenant);
	return (enum berth_tri)s->fits[rule];
}

/* --- life --- */

void berth_world_free(struct berth_world *world)
{
	struct berth_world_index *x;

	if (!world)
		return;
	x = world->index;
	if (x) {
		free(x->rules.first);
		free(x->rules.items);
		free(x->taints.first);
		free(x->taints.items);
		free(x->rule_set);
		free(x->taint_set);
		free(x->request_set);
		free(x->first_request);
		free(x->first_quota);
		free(x->quota_set);
		free(x->quota_used);
		free(x->counted);
		free(x->held);
		free(x->members);
		free(x->first_of);
		free(x->memberships);
		free(x->stranger);
		free(x->identity);
		free(x->subject.vm);
		free(x->subject.fits);
		free(x);
	}
	for (uint32_t i = 0; i < world->nr_sets; i++)
		berth_devset_done(&world->sets[i]);
	free(world->sets);
	free(world->usage);
	free(world->groups);
	free(world->group_of);
	free(world->pf_of);
	free(world->owned_vfs);
	free(world->usable);
	free(world);
}

static size_t count_quotas(const struct berth_policy *p)
{
	size_t nr = 0;

	for (size_t i = 0; i < p->nr_tenants; i++)
		nr += p->tenants[i].nr_quotas;
	return nr;
}

static int make_index(struct berth_world *w)
{
	const struct berth_policy *p = w->policy;
	struct berth_world_index *x = calloc(1, sizeof(*x));
	size_t nr_quotas = count_quotas(p);

	w->index = x;
	if (!x)
		return -ENOMEM;
	x->rule_set = calloc(p->nr_rules + 1, sizeof(*x->rule_set));
	x->taint_set = calloc(p->nr_taints + 1, sizeof(*x->taint_set));
	x->request_set = calloc(berth_world_count_requests(p) + 1, sizeof(*x->request_set));
	x->first_request = calloc(p->nr_claims + 1, sizeof(*x->first_request));
	x->first_quota = calloc(p->nr_tenants + 1, sizeof(*x->first_quota));
	x->quota_set = calloc(nr_quotas + 1, sizeof(*x->quota_set));
	x->quota_used = calloc(nr_quotas + 1, sizeof(*x->quota_used));
	x->counted = calloc(p->nr_rules + 1, sizeof(*x->counted));
	x->held = calloc(p->nr_rules + 1, sizeof(*x->held));
	x->members = calloc(w->nr + 1, sizeof(*x->members));
	x->stranger = calloc(w->nr + 1, sizeof(*x->stranger));
	x->identity = calloc(w->nr + 1, sizeof(*x->identity));
	x->subject.fits = calloc(p->nr_rules + 1, sizeof(*x->subject.fits));
	return x->rule_set && x->taint_set && x->request_set && x->first_request &&
			       x->first_quota && x->quota_set && x->quota_used && x->counted &&
			       x->held && x->members && x->stranger && x->identity &&
			       x->subject.fits ?
		       0 :
		       -ENOMEM;
}

static int make_arrays(struct berth_world *w)
{
	const struct berth_policy *p = w->policy;

	w->usage = calloc(w->nr + 1, sizeof(*w->usage));
	w->groups = calloc(w->nr + 1, sizeof(*w->groups));
	w->group_of = calloc(w->nr + 1, sizeof(*w->group_of));
	w->pf_of = calloc(w->nr + 1, sizeof(*w->pf_of));
	w->owned_vfs = calloc(w->nr + 1, sizeof(*w->owned_vfs));
	w->usable = calloc(w->nr + 1, sizeof(*w->usable));
	w->sets = calloc(p->nr_devices + p->nr_classes + p->nr_pools + p->nr_protects +
				 p->nr_rules + p->nr_taints + berth_world_count_requests(p) + 1,
			 sizeof(*w->sets));
	return w->usage && w->groups && w->group_of && w->pf_of && w->owned_vfs && w->usable &&
			       w->sets ?
		       0 :
		       -ENOMEM;
}

static void number_counts(struct berth_world *w)
{
	const struct berth_policy *p = w->policy;
	struct berth_world_index *x = w->index;
	uint32_t nr = 0;

	for (size_t i = 0; i < p->nr_tenants; i++) {
		x->first_quota[i] = nr;
		for (size_t q = 0; q < p->tenants[i].nr_quotas; q++) {
			const struct berth_quota *quota = &p->tenants[i].quotas[q];

			x->quota_set[nr++] = berth_world_named_set(
				w, quota->pool ? BERTH_RESOURCE_POOL : BERTH_RESOURCE_CLASS,
				quota->of);
		}
	}
	for (size_t i = 0; i < p->nr_rules; i++) {
		if (p->rules[i].effect == BERTH_EFFECT_RESERVE && p->rules[i].count)
			x->counted[x->nr_counted++] = (uint32_t)i;
	}
}

int berth_world_new(struct berth_world **ret, const struct berth_world_input *in,
		    struct berth_err *err)
{
	BERTH_CLEANUP(berth_world_freep) struct berth_world *w = calloc(1, sizeof(*w));

	if (!w)
		return no_memory(err);
	w->policy = in->policy;
	w->facts = in->facts;
	w->nr = in->nr;
	w->now = in->now;
	if (make_arrays(w) < 0 || make_index(w) < 0)
		return no_memory(err);
	if (in->usage)
		memcpy(w->usage, in->usage, in->nr * sizeof(*w->usage));
	link_pfs(w);
	if (build_groups(w) < 0 || berth_world_build_sets(w) < 0)
		return no_memory(err);
	number_counts(w);
	count_all(w);
	*ret = BERTH_TAKE_PTR(w);
	return 0;
}
