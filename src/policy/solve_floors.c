/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounds before the search: counts that cannot work out, ties between requests, and what the rest costs at least. */
#include "policy/solve_space_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/tally.h"

/* --- counts that cannot work out --- */

/* Pairs within one set: as many as the scarcer kind has there. */
static bool pairs_suffice(const struct berth_space *s, struct berth_tally *tally,
			  const struct berth_solve_constraint *c, uint32_t *count)
{
	const struct berth_space_list *a = &s->lists[c->a], *b = &s->lists[c->b];
	uint32_t want = s->p->requests[c->a].count, pairs = 0;

	if (s->p->requests[c->b].count < want)
		want = s->p->requests[c->b].count;
	berth_tally_clear(tally);
	memset(count, 0, (a->nr + 1) * sizeof(*count));
	for (size_t k = 0; k < a->nr; k++)
		count[berth_tally_add(tally, berth_space_key(&s->p->items[a->items[k]],
							     c->max_distance))]++;
	for (size_t k = 0; k < b->nr && pairs < want; k++) {
		uint32_t set = berth_tally_find(tally, berth_space_key(&s->p->items[b->items[k]],
								       c->max_distance));

		if (set != BERTH_TALLY_NONE && count[set]) {
			count[set]--;
			pairs++;
		}
	}
	return pairs >= want;
}

static bool values_suffice(const struct berth_space *s, struct berth_tally *tally,
			   const struct berth_solve_constraint *c, const uint32_t *masks)
{
	uint32_t want = 0;

	for (uint32_t m = c->of; m; m &= m - 1)
		want += s->p->requests[__builtin_ctz(m)].count;
	berth_tally_clear(tally);
	for (size_t i = 0; i < s->p->nr_items && tally->nr < want; i++) {
		if (masks[i] & c->of)
			berth_tally_add(tally, c->values[i]);
	}
	return tally->nr >= want;
}

int berth_space_check_counts(struct berth_space *s, struct berth_tally *tally,
			     const uint32_t *masks)
{
	uint32_t *count = calloc(s->p->nr_items + 1, sizeof(*count));

	if (!count)
		return -ENOMEM;
	for (size_t k = 0; k < s->p->nr_constraints && !s->hopeless; k++) {
		const struct berth_solve_constraint *c = &s->p->constraints[k];

		if (berth_space_is_tie(c))
			s->hopeless = !pairs_suffice(s, tally, c, count);
		else if (c->kind == BERTH_CONSTRAINT_DISTINCT)
			s->hopeless = !values_suffice(s, tally, c, masks);
	}
	free(count);
	return 0;
}

/* --- ties, and what the rest costs at least --- */

#define DEAR (INT64_MAX / 1024)
static const struct berth_score dearest = { { DEAR, DEAR, DEAR, DEAR, DEAR, DEAR, DEAR } };
_Static_assert(BERTH_SCORE_PARTS == 7, "one for each part");

static void lower(struct berth_score *to, const struct berth_score *by)
{
	for (int i = 0; i < BERTH_SCORE_PARTS; i++) {
		if (by->part[i] < to->part[i])
			to->part[i] = by->part[i];
	}
}

void berth_space_find_leaders(struct berth_space *s)
{
	bool again = true;

	for (uint32_t r = 0; r < s->p->nr_requests; r++)
		s->lists[r].leader = r;
	while (again) {
		again = false;
		for (size_t k = 0; k < s->p->nr_constraints; k++) {
			const struct berth_solve_constraint *c = &s->p->constraints[k];
			uint32_t *a = &s->lists[c->a].leader, *b = &s->lists[c->b].leader;

			if (!berth_space_is_tie(c) || *a == *b)
				continue;
			*a = *b = *a < *b ? *a : *b;
			again = true;
		}
	}
	for (uint32_t r = 0; r < s->p->nr_requests; r++)
		s->lists[r].ordered = true;
	for (uint32_t r = 0; r < s->p->nr_requests; r++) {
		if (s->p->requests[r].count != s->p->requests[s->lists[r].leader].count)
			s->lists[s->lists[r].leader].ordered = false;
	}
}

/* What request @r adds at least next to each of its leader's items, by the tie @c; its distance included. */
static int follow(struct berth_space *s, struct berth_tally *tally,
		  const struct berth_solve_constraint *c, uint32_t r)
{
	struct berth_space_list *list = &s->lists[r], *leader = &s->lists[list->leader];
	struct berth_score *best = malloc((list->nr + 1) * sizeof(*best));

	list->with_leader = berth_space_grab(s, leader->nr, sizeof(*list->with_leader));
	if (!best || !list->with_leader) {
		free(best);
		return -ENOMEM;
	}
	for (size_t k = 0; k < leader->nr; k++)
		list->with_leader[k] = dearest;
	for (int level = 0; level <= (int)c->max_distance; level++) {
		berth_tally_clear(tally);
		for (size_t k = 0; k < list->nr; k++) {
			uint32_t i = list->items[k];
			struct berth_score cost = berth_space_cost(s, i, r);
			uint32_t nr = tally->nr;
			uint32_t set =
				berth_tally_add(tally, berth_space_key(&s->p->items[i],
								       (enum berth_distance)level));

			cost.part[BERTH_SCORE_DISTANCE] = level;
			if (set == nr)
				best[set] = cost;
			else
				lower(&best[set], &cost);
		}
		for (size_t k = 0; k < leader->nr; k++) {
			uint32_t set = berth_tally_find(
				tally, berth_space_key(&s->p->items[leader->items[k]],
						       (enum berth_distance)level));

			if (set != BERTH_TALLY_NONE)
				lower(&list->with_leader[k], &best[set]);
		}
	}
	free(best);
	list->follows = true;
	return 0;
}

int berth_space_follow(struct berth_space *s, struct berth_tally *tally)
{
	int r = 0;

	for (size_t k = 0; k < s->p->nr_constraints && r == 0; k++) {
		const struct berth_solve_constraint *c = &s->p->constraints[k];
		uint32_t leader, other;

		if (!berth_space_is_tie(c) || !s->lists[s->lists[c->a].leader].ordered)
			continue;
		leader = s->lists[c->a].leader;
		other = c->a == leader ? c->b : c->a;
		if ((c->a == leader || c->b == leader) && !s->lists[other].follows)
			r = follow(s, tally, c, other);
	}
	return r;
}

/* floor[p] covers the items from p on, floor[nr] nothing. */
int berth_space_make_floors(struct berth_space *s, uint32_t r)
{
	struct berth_space_list *list = &s->lists[r];

	list->floor = berth_space_grab(s, list->nr, sizeof(*list->floor));
	list->rest = berth_space_grab(s, list->nr, sizeof(*list->rest));
	if (!list->floor || !list->rest)
		return -ENOMEM;
	list->floor[list->nr] = dearest;
	for (size_t k = list->nr; k-- > 0;) {
		struct berth_score cost = berth_space_cost(s, list->items[k], r);

		for (uint32_t q = 0; q < s->p->nr_requests; q++) {
			if (s->lists[q].follows && s->lists[q].leader == r)
				berth_score_add(&list->rest[k], &s->lists[q].with_leader[k]);
		}
		berth_score_add(&cost, &list->rest[k]);
		list->floor[k] = list->floor[k + 1];
		lower(&list->floor[k], &cost);
	}
	return 0;
}
