/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Twins: items that nothing but their age tells apart. */
#include "policy/solve_space_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/tally.h"

struct likeness {
	int64_t what[8 + BERTH_DISTANCE_LEVELS];
};

/* Do the requests it may serve all rank devices in the same way? */
static bool one_order(const struct berth_space *s, uint32_t mask)
{
	enum berth_order order = s->p->requests[__builtin_ctz(mask)].order;

	for (uint32_t m = mask; m; m &= m - 1) {
		if (s->p->requests[__builtin_ctz(m)].order != order)
			return false;
	}
	return true;
}

/* At a level where it is with nobody, which set that is does not matter: then it is as good as any other lonely one. */
static int find_likenesses(struct berth_space *s, struct berth_tally *tally, const uint32_t *masks,
			   struct likeness *like)
{
	uint32_t *count = calloc(s->p->nr_items + 1, sizeof(*count));

	if (!count)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->p->nr_items; i++) {
		const struct berth_solve_item *item = &s->p->items[i];

		like[i] = (struct likeness){
			.what = { masks[i], s->group_shared[i] ? (int64_t)s->group_no[i] : -1,
				  item->group_size, item->load, item->room, item->numa_node,
				  item->own, !masks[i] || one_order(s, masks[i]) ? -1 : (int64_t)i }
		};
	}
	for (int level = 0; level < BERTH_DISTANCE_LEVELS; level++) {
		berth_tally_clear(tally);
		memset(count, 0, s->p->nr_items * sizeof(*count));
		for (uint32_t i = 0; i < s->p->nr_items; i++)
			count[berth_tally_add(tally, s->p->items[i].place.sets[level])]++;
		for (uint32_t i = 0; i < s->p->nr_items; i++) {
			uint32_t set = s->p->items[i].place.sets[level];

			like[i].what[8 + level] =
				count[berth_tally_find(tally, set)] > 1 ? (int64_t)set : -1;
		}
	}
	free(count);
	return 0;
}

static bool same_values(const struct berth_space *s, uint32_t i, uint32_t j)
{
	for (size_t c = 0; c < s->p->nr_constraints; c++) {
		const int32_t *values = s->p->constraints[c].values;

		if (s->p->constraints[c].kind != BERTH_CONSTRAINT_DISTANCE &&
		    values[i] != values[j])
			return false;
	}
	for (size_t k = 0; k < s->nr_anchors; k++) {
		if (s->anchors[k].keys[i] != s->anchors[k].keys[j])
			return false;
	}
	return true;
}

static uint64_t hash_likeness(const struct likeness *like)
{
	uint64_t h = 0;

	for (size_t k = 0; k < BERTH_ARRAY_SIZE(like->what); k++)
		h = (h ^ (uint64_t)like->what[k]) * 0x9e3779b97f4a7c15, h ^= h >> 29;
	return h;
}

/* The last item seen that is like @i, which becomes it. */
static uint32_t replace_twin(const struct berth_space *s, uint32_t *table, size_t mask,
			     const struct likeness *like, uint32_t i)
{
	size_t at = hash_likeness(&like[i]) & mask;
	uint32_t before;

	while (table[at] && (memcmp(&like[table[at] - 1], &like[i], sizeof(*like)) != 0 ||
			     !same_values(s, table[at] - 1, i)))
		at = (at + 1) & mask;
	before = table[at] - 1; /* NONE for an empty place */
	table[at] = i + 1;
	return before;
}

/* Within a list twins stand in the order in which they are to be taken, whichever list that is. */
int berth_space_find_twins(struct berth_space *s, struct berth_tally *tally, const uint32_t *masks)
{
	BERTH_CLEANUP(berth_freep)
	struct likeness *like = malloc((s->p->nr_items + 1) * sizeof(*like));
	BERTH_CLEANUP(berth_freep) uint32_t *table = NULL;
	size_t size = 16;

	while (size < s->p->nr_items * 2)
		size *= 2;
	table = calloc(size, sizeof(*table));
	s->twin = berth_space_grab(s, s->p->nr_items, sizeof(*s->twin));
	if (!like || !table || !s->twin || find_likenesses(s, tally, masks, like) < 0)
		return -ENOMEM;
	for (uint32_t r = 0; r < s->p->nr_requests; r++) {
		for (size_t k = 0; k < s->lists[r].nr; k++) {
			uint32_t i = s->lists[r].items[k];

			if (!(masks[i] & ((1U << r) - 1)))
				s->twin[i] = replace_twin(s, table, size - 1, like, i);
		}
	}
	return 0;
}
