/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct berth_layout_set {
	uint32_t *by_path, *by_age; /* owned; NULL until asked for */
};

void berth_layout_free(struct berth_layout *layout)
{
	if (!layout)
		return;
	for (uint32_t i = 0; layout->sets && i < layout->world->nr_sets; i++) {
		free(layout->sets[i].by_path);
		free(layout->sets[i].by_age);
	}
	free(layout->sets);
	free(layout->places);
	free(layout->rank);
	free(layout->kind);
	free(layout->pile);
	free(layout->load);
	free(layout->room);
	free(layout);
}

/* --- order of paths --- */

struct named {
	const char *path;
	uint32_t device;
};

static int by_path(const void *va, const void *vb)
{
	const struct named *a = va, *b = vb;
	int c = strcmp(a->path, b->path);

	return c ? c : (a->device > b->device) - (a->device < b->device);
}

static int rank_all(struct berth_layout *l)
{
	struct named *names = malloc((l->world->nr + 1) * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->world->nr; i++) {
		const struct berth_facts *f = &l->world->facts[i];

		names[i] = (struct named){ f->path ? f->path : f->bdf ? f->bdf : "", i };
	}
	qsort(names, l->world->nr, sizeof(*names), by_path);
	for (uint32_t i = 0; i < l->world->nr; i++)
		l->rank[names[i].device] = i;
	free(names);
	return 0;
}

static int place_all(struct berth_layout *l)
{
	struct berth_location *at = malloc((l->world->nr + 1) * sizeof(*at));
	int r;

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < l->world->nr; i++)
		at[i] = (struct berth_location){ l->world->facts[i].path,
						 l->world->facts[i].numa_node };
	r = berth_distance_places(at, l->world->nr, &l->places);
	free(at);
	return r;
}

/* --- kinds and piles --- */

/* What the policy can see of it that does not change while a plan is made, besides its sets: nothing special. */
static bool is_plain(const struct berth_world *w, uint32_t device)
{
	const struct berth_usage *u = &w->usage[device];

	return w->group_of[device] != BERTH_WORLD_NONE && w->groups[w->group_of[device]].nr == 1 &&
	       !u->safety && !u->nr_taints;
}

static uint64_t mix(uint64_t h, uint64_t by)
{
	h = (h ^ by) * 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	for (; text && *text; text++)
		h = mix(h, (unsigned char)*text);
	return h;
}

static uint64_t hash_kind(const struct berth_world *w, uint32_t device)
{
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(w, device, &nr);
	uint64_t h = mix_text(nr, w->facts[device].isolation);

	for (uint32_t i = 0; i < nr; i++)
		h = mix(h, (uint64_t)in[i].set << 2 | (uint32_t)(in[i].in + 1));
	return h;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_kind(const struct berth_world *w, uint32_t a, uint32_t b)
{
	uint32_t nr_a, nr_b;
	const struct berth_world_member *in_a = berth_world_sets_of(w, a, &nr_a),
					*in_b = berth_world_sets_of(w, b, &nr_b);

	if (nr_a != nr_b || !same_text(w->facts[a].isolation, w->facts[b].isolation) ||
	    berth_world_identity(w, a, NULL) != berth_world_identity(w, b, NULL))
		return false;
	for (uint32_t i = 0; i < nr_a; i++) {
		if (in_a[i].set != in_b[i].set || in_a[i].in != in_b[i].in)
			return false;
	}
	return true;
}

/* A slot with several functions is a place of its own: they are closer to each other than to others. */
static bool same_pile(const struct berth_layout *l, const bool *shared, uint32_t a, uint32_t b)
{
	const struct berth_place *x = &l->places[a], *y = &l->places[b];
	bool alone = !shared[x->sets[BERTH_DISTANCE_SELF]] && !shared[y->sets[BERTH_DISTANCE_SELF]];

	return l->kind[a] == l->kind[b] &&
	       x->sets[BERTH_DISTANCE_PIX] == y->sets[BERTH_DISTANCE_PIX] &&
	       (alone || x->sets[BERTH_DISTANCE_SELF] == y->sets[BERTH_DISTANCE_SELF]) &&
	       l->world->facts[a].numa_node == l->world->facts[b].numa_node &&
	       l->world->pf_of[a] == l->world->pf_of[b];
}

/* The first device that is like @device, or itself; @table: of first devices, + 1. */
static uint32_t find_first(const struct berth_layout *l, const bool *shared, uint32_t *table,
			   size_t mask, uint64_t h, uint32_t device)
{
	size_t at = h & mask;

	while (table[at] && !(shared ? same_pile(l, shared, table[at] - 1, device) :
				       same_kind(l->world, table[at] - 1, device)))
		at = (at + 1) & mask;
	if (!table[at])
		table[at] = device + 1;
	return table[at] - 1;
}

static void sort_out(struct berth_layout *l, const bool *shared, uint32_t *table, size_t mask)
{
	memset(table, 0, (mask + 1) * sizeof(*table));
	for (uint32_t i = 0; i < l->world->nr; i++) {
		uint32_t first;

		l->kind[i] = BERTH_WORLD_NONE;
		if (!is_plain(l->world, i))
			continue;
		first = find_first(l, NULL, table, mask, hash_kind(l->world, i), i);
		l->kind[i] = first == i ? l->nr_kinds++ : l->kind[first];
	}
	memset(table, 0, (mask + 1) * sizeof(*table));
	for (uint32_t i = 0; i < l->world->nr; i++) {
		uint32_t first;

		l->pile[i] = BERTH_WORLD_NONE;
		if (l->kind[i] == BERTH_WORLD_NONE)
			continue;
		first = find_first(l, shared, table, mask,
				   mix(l->kind[i], l->places[i].sets[BERTH_DISTANCE_PIX]), i);
		l->pile[i] = first == i ? l->nr_piles++ : l->pile[first];
	}
}

static int sort_all(struct berth_layout *l)
{
	size_t size = 16;
	uint32_t *table, *count;
	bool *shared, ok;

	while (size < l->world->nr * 2)
		size *= 2;
	table = malloc(size * sizeof(*table));
	count = calloc(l->world->nr + 1, sizeof(*count));
	shared = calloc(l->world->nr + 1, sizeof(*shared));
	ok = table && count && shared;
	if (ok) {
		for (uint32_t i = 0; i < l->world->nr; i++)
			count[l->places[i].sets[BERTH_DISTANCE_SELF]]++;
		for (uint32_t i = 0; i < l->world->nr; i++)
			shared[i] = count[i] > 1;
		sort_out(l, shared, table, size - 1);
	}
	free(table);
	free(count);
	free(shared);
	return ok ? 0 : -ENOMEM;
}

/* --- what is taken --- */

static void count_device(struct berth_layout *l, uint32_t device, int by)
{
	uint32_t *count = l->world->usage[device].vm ? l->load : l->room;

	count[l->places[device].sets[BERTH_DISTANCE_PIX]] += (uint32_t)by;
}

void berth_layout_give(struct berth_layout *l, uint32_t group, const char *vm)
{
	const struct berth_world_group *g = &l->world->groups[group];

	for (uint32_t i = 0; i < g->nr; i++) {
		count_device(l, g->members[i], -1);
		berth_world_set_owner(l->world, g->members[i], vm);
		count_device(l, g->members[i], 1);
	}
}

/* --- sorted sets --- */

struct sortable {
	int64_t age;
	uint32_t rank, device;
};

static int by_age(const void *va, const void *vb)
{
	const struct sortable *a = va, *b = vb;

	if (a->age != b->age)
		return a->age < b->age ? -1 : 1;
	return (a->rank > b->rank) - (a->rank < b->rank);
}

static uint32_t *sort_set(const struct berth_layout *l, const struct berth_devset *set, bool age)
{
	struct sortable *all = malloc((set->nr_yes + 1) * sizeof(*all));
	uint32_t *sorted = malloc((set->nr_yes + 1) * sizeof(*sorted));

	if (!all || !sorted) {
		free(all);
		free(sorted);
		return NULL;
	}
	for (uint32_t i = 0; i < set->nr_yes; i++)
		all[i] = (struct sortable){ age ? l->world->usage[set->yes[i]].last_use : 0,
					    l->rank[set->yes[i]], set->yes[i] };
	qsort(all, set->nr_yes, sizeof(*all), by_age);
	for (uint32_t i = 0; i < set->nr_yes; i++)
		sorted[i] = all[i].device;
	free(all);
	return sorted;
}

const uint32_t *berth_layout_sorted(struct berth_layout *l, uint32_t set, bool age)
{
	uint32_t **sorted = age ? &l->sets[set].by_age : &l->sets[set].by_path;

	if (!*sorted)
		*sorted = sort_set(l, &l->world->sets[set], age);
	return *sorted;
}

/* --- all of it --- */

int berth_layout_new(struct berth_layout **ret, struct berth_world *world)
{
	BERTH_CLEANUP(berth_layout_freep) struct berth_layout *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->world = world;
	l->rank = calloc(world->nr + 1, sizeof(*l->rank));
	l->kind = calloc(world->nr + 1, sizeof(*l->kind));
	l->pile = calloc(world->nr + 1, sizeof(*l->pile));
	l->load = calloc(world->nr + 1, sizeof(*l->load));
	l->room = calloc(world->nr + 1, sizeof(*l->room));
	l->sets = calloc(world->nr_sets + 1, sizeof(*l->sets));
	if (!l->rank || !l->kind || !l->pile || !l->load || !l->room || !l->sets)
		return -ENOMEM;
	r = place_all(l);
	if (r == 0)
		r = rank_all(l);
	if (r == 0)
		r = sort_all(l);
	for (uint32_t i = 0; r == 0 && i < world->nr; i++) {
		if (world->group_of[i] != BERTH_WORLD_NONE)
			count_device(l, i, 1);
	}
	if (r == 0)
		*ret = BERTH_TAKE_PTR(l);
	return r;
}
