/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/world_inside.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/factindex.h"

uint32_t berth_world_device_set(const struct berth_world *world, size_t entry)
{
	(void)world;
	return (uint32_t)entry;
}

uint32_t berth_world_class_set(const struct berth_world *world, size_t entry)
{
	return world->index->first_class + (uint32_t)entry;
}

uint32_t berth_world_pool_set(const struct berth_world *world, size_t entry)
{
	return world->index->first_pool + (uint32_t)entry;
}

uint32_t berth_world_rule_set(const struct berth_world *world, size_t rule)
{
	return world->index->rule_set[rule];
}

uint32_t berth_world_protect_set(const struct berth_world *world, size_t protect)
{
	return world->index->first_protect + (uint32_t)protect;
}

uint32_t berth_world_taint_set(const struct berth_world *world, size_t taint)
{
	return world->index->taint_set[taint];
}

uint32_t berth_world_request_set(const struct berth_world *world, size_t claim, size_t request)
{
	return world->index->request_set[world->index->first_request[claim] + request];
}

/* The set of a name. */
uint32_t berth_world_named_set(const struct berth_world *w, enum berth_resource kind,
			       const char *name)
{
	const struct berth_policy *p = w->policy;

	switch (kind) {
	case BERTH_RESOURCE_DEVICE:
		return (uint32_t)(berth_policy_device(p, name) - p->devices);
	case BERTH_RESOURCE_CLASS:
		return w->index->first_class + (uint32_t)(berth_policy_class(p, name) - p->classes);
	case BERTH_RESOURCE_POOL:
		return w->index->first_pool + (uint32_t)(berth_policy_pool(p, name) - p->pools);
	case BERTH_RESOURCE_MATCH:
		break;
	}
	return BERTH_WORLD_NONE; /* a match has no names */
}

static size_t count_names(char **names)
{
	size_t nr = 0;

	while (names && names[nr])
		nr++;
	return nr;
}

static int add_match(struct berth_world *w, const struct berth_match *match)
{
	int r = berth_devset_match(&w->sets[w->nr_sets], match, w->facts, w->nr, w->index->facts);

	w->nr_sets += r == 0;
	return r;
}

/* The devices of any of @names and of @more, as a set of its own. */
static int add_join(struct berth_world *w, enum berth_resource kind, char **names, char **classes,
		    const struct berth_devset *filter)
{
	size_t nr_names = count_names(names), nr_classes = count_names(classes);
	const struct berth_devset **sets = calloc(nr_names + nr_classes + 1, sizeof(*sets));
	int r;

	if (!sets)
		return -ENOMEM;
	for (size_t i = 0; i < nr_names; i++)
		sets[i] = &w->sets[berth_world_named_set(w, kind, names[i])];
	for (size_t i = 0; i < nr_classes; i++)
		sets[nr_names + i] =
			&w->sets[berth_world_named_set(w, BERTH_RESOURCE_CLASS, classes[i])];
	r = berth_devset_join(&w->sets[w->nr_sets], sets, nr_names + nr_classes, filter);
	free(sets);
	w->nr_sets += r == 0;
	return r;
}

static int add_pool(struct berth_world *w, const struct berth_pool_entry *pool)
{
	struct berth_devset filter = { 0 };
	int r = 0;

	if (pool->match)
		r = berth_devset_match(&filter, pool->match, w->facts, w->nr, w->index->facts);
	if (r == 0)
		r = add_join(w, BERTH_RESOURCE_DEVICE, pool->devices, pool->classes,
			     pool->match ? &filter : NULL);
	berth_devset_done(&filter);
	return r;
}

/* A single name shares the set of what it names. */
static int add_selector(struct berth_world *w, const struct berth_selector *s, uint32_t *ret)
{
	if (s->kind != BERTH_RESOURCE_MATCH && count_names(s->names) == 1) {
		*ret = berth_world_named_set(w, s->kind, s->names[0]);
		return 0;
	}
	*ret = w->nr_sets;
	return s->kind == BERTH_RESOURCE_MATCH ? add_match(w, s->match) :
						 add_join(w, s->kind, s->names, NULL, NULL);
}

size_t berth_world_count_requests(const struct berth_policy *p)
{
	size_t nr = 0;

	for (size_t i = 0; i < p->nr_claims; i++)
		nr += p->claims[i].nr_requests;
	return nr;
}

static int add_requests(struct berth_world *w)
{
	const struct berth_policy *p = w->policy;
	uint32_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < p->nr_claims; i++) {
		const struct berth_claim_entry *claim = &p->claims[i];

		w->index->first_request[i] = nr;
		for (size_t j = 0; j < claim->nr_requests && r == 0; j++)
			r = add_selector(w, &claim->requests[j].resource,
					 &w->index->request_set[nr++]);
	}
	return r;
}

static int build_sets(struct berth_world *w)
{
	const struct berth_policy *p = w->policy;
	struct berth_world_index *x = w->index;
	int r = 0;

	x->first_class = (uint32_t)p->nr_devices;
	x->first_pool = x->first_class + (uint32_t)p->nr_classes;
	x->first_protect = x->first_pool + (uint32_t)p->nr_pools;
	for (size_t i = 0; i < p->nr_devices && r == 0; i++)
		r = add_match(w, p->devices[i].match);
	for (size_t i = 0; i < p->nr_classes && r == 0; i++)
		r = add_match(w, p->classes[i].match);
	for (size_t i = 0; i < p->nr_pools && r == 0; i++)
		r = add_pool(w, &p->pools[i]);
	for (size_t i = 0; i < p->nr_protects && r == 0; i++)
		r = add_match(w, p->protects[i].match);
	for (size_t i = 0; i < p->nr_rules && r == 0; i++)
		r = add_selector(w, &p->rules[i].resource, &x->rule_set[i]);
	for (size_t i = 0; i < p->nr_taints && r == 0; i++)
		r = add_selector(w, &p->taints[i].resource, &x->taint_set[i]);
	return r == 0 ? add_requests(w) : r;
}

/* The entries by their sets: @set_of has @nr elements. */
static int build_speakers(struct speakers *s, const uint32_t *set_of, size_t nr, uint32_t nr_sets)
{
	uint32_t sum = 0;

	s->first = calloc((size_t)nr_sets + 2, sizeof(*s->first));
	s->items = calloc(nr + 1, sizeof(*s->items));
	if (!s->first || !s->items)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		s->first[set_of[i] + 2]++;
	for (uint32_t set = 0; set < nr_sets + 2; set++) {
		sum += s->first[set];
		s->first[set] = sum;
	}
	/* filling moves first[set + 1] from the beginning of its entries to their end */
	for (size_t i = 0; i < nr; i++)
		s->items[s->first[set_of[i] + 1]++] = (uint32_t)i;
	return 0;
}

static const uint32_t *speakers_on(const struct speakers *s, uint32_t set, uint32_t *ret_nr)
{
	*ret_nr = s->first[set + 1] - s->first[set];
	return &s->items[s->first[set]];
}

const uint32_t *berth_world_rules_on(const struct berth_world *world, uint32_t set,
				     uint32_t *ret_nr)
{
	return speakers_on(&world->index->rules, set, ret_nr);
}

const uint32_t *berth_world_taints_on(const struct berth_world *world, uint32_t set,
				      uint32_t *ret_nr)
{
	return speakers_on(&world->index->taints, set, ret_nr);
}

const struct berth_pool_entry *berth_world_pool_of(const struct berth_world *world, uint32_t set)
{
	uint32_t first = world->index->first_pool;

	return set >= first && set - first < world->policy->nr_pools ?
		       &world->policy->pools[set - first] :
		       NULL;
}

const struct berth_protect_entry *berth_world_protect_of(const struct berth_world *world,
							 uint32_t set)
{
	uint32_t first = world->index->first_protect;

	return set >= first && set - first < world->policy->nr_protects ?
		       &world->policy->protects[set - first] :
		       NULL;
}

/* The other way round: of each device the sets. */
static int build_memberships(struct berth_world *w)
{
	struct berth_world_index *x = w->index;
	uint32_t *at = calloc(w->nr + 1, sizeof(*at));
	size_t total = 0;

	x->first_of = calloc(w->nr + 1, sizeof(*x->first_of));
	if (!at || !x->first_of) {
		free(at);
		return -ENOMEM;
	}
	for (uint32_t s = 0; s < w->nr_sets; s++) {
		for (uint32_t i = 0; i < w->sets[s].nr_yes; i++)
			x->first_of[w->sets[s].yes[i] + 1]++;
		for (uint32_t i = 0; i < w->sets[s].nr_maybe; i++)
			x->first_of[w->sets[s].maybe[i] + 1]++;
	}
	for (size_t i = 0; i < w->nr; i++) {
		x->first_of[i + 1] += x->first_of[i];
		at[i] = x->first_of[i];
	}
	total = x->first_of[w->nr];
	x->memberships = calloc(total + 1, sizeof(*x->memberships));
	for (uint32_t s = 0; x->memberships && s < w->nr_sets; s++) {
		for (uint32_t i = 0; i < w->sets[s].nr_yes; i++)
			x->memberships[at[w->sets[s].yes[i]]++] =
				(struct berth_world_member){ s, BERTH_YES };
		for (uint32_t i = 0; i < w->sets[s].nr_maybe; i++)
			x->memberships[at[w->sets[s].maybe[i]]++] =
				(struct berth_world_member){ s, BERTH_UNKNOWN };
	}
	free(at);
	return x->memberships ? 0 : -ENOMEM;
}

const struct berth_world_member *berth_world_sets_of(const struct berth_world *world,
						     uint32_t device, uint32_t *ret_nr)
{
	const uint32_t *first = &world->index->first_of[device];

	*ret_nr = first[1] - first[0];
	return &world->index->memberships[first[0]];
}

int berth_world_build_sets(struct berth_world *world)
{
	struct berth_world_index *x = world->index;
	const struct berth_policy *p = world->policy;
	int r = berth_factindex_new(&x->facts, world->facts, world->nr);

	if (r == 0)
		r = build_sets(world);
	berth_factindex_free(x->facts);
	x->facts = NULL;
	if (r == 0)
		r = build_memberships(world);
	if (r == 0)
		r = build_speakers(&x->rules, x->rule_set, p->nr_rules, world->nr_sets);
	return r == 0 ? build_speakers(&x->taints, x->taint_set, p->nr_taints, world->nr_sets) : r;
}
