/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/solve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/solve_space.h"
#include "policy/tally.h"

struct search {
	struct berth_space space;
	const struct berth_solve_problem *p;
	int64_t anchored[BERTH_SOLVE_MAX_CONSTRAINTS]; /* by anchor: the key that was chosen */
	/* where the devices of a request begin in @chosen */
	uint32_t first[BERTH_SOLVE_MAX_REQUESTS];
	/* borrowed from the space, here and below but for best; items, BERTH_SPACE_NONE where none is yet */
	uint32_t *chosen;
	uint32_t *best;	      /* owned; the same of the best solution so far */
	uint32_t *at;	      /* of chosen[]: its place in the list of the request */
	bool *used;	      /* by item */
	uint32_t *group_used; /* by number of the group: chosen devices in it */
	/* by number of the switch: chosen devices on it, for requests that pack */
	uint32_t *packed;
	uint32_t *spread; /* the same for requests that spread */
	struct berth_score score, best_score;
	size_t nodes, max_nodes;
	bool found, stop;
};

/* --- what a choice costs --- */

static uint32_t chosen_in(const struct search *s, uint32_t r, uint32_t n)
{
	return n < s->p->requests[r].count ? s->chosen[s->first[r] + n] : BERTH_SPACE_NONE;
}

static enum berth_distance between(const struct search *s, uint32_t i, uint32_t j)
{
	return berth_distance_between(&s->p->items[i].place, &s->p->items[j].place);
}

/* To all devices of request @r that are chosen so far. */
static int64_t distance_to_all(const struct search *s, uint32_t i, uint32_t r)
{
	int64_t sum = 0;

	for (uint32_t n = 0; n < s->p->requests[r].count; n++) {
		uint32_t other = chosen_in(s, r, n);

		if (other != BERTH_SPACE_NONE)
			sum += between(s, i, other);
	}
	return sum;
}

/* Added by item @i as the @n-th of @r; -1: too far away. */
static int64_t distance_cost(const struct search *s, uint32_t i, uint32_t r, uint32_t n)
{
	int64_t sum = 0;

	for (size_t k = 0; k < s->p->nr_constraints; k++) {
		const struct berth_solve_constraint *c = &s->p->constraints[k];
		uint32_t other, partner = r == c->a ? c->b : c->a;

		if (c->kind != BERTH_CONSTRAINT_DISTANCE || (r != c->a && r != c->b))
			continue;
		if (!c->each || c->a == c->b) {
			sum += distance_to_all(s, i, partner); /* near enough: by the anchor */
			continue;
		}
		other = chosen_in(s, partner, n);
		if (other == BERTH_SPACE_NONE)
			continue;
		if (between(s, i, other) > c->max_distance)
			return -1;
		sum += between(s, i, other);
	}
	return sum;
}

/* Without a certain node: is this one more than what is chosen so far? A node that is not known is one of its own. */
static bool is_another_node(const struct search *s, int32_t node)
{
	bool any = false;

	for (size_t k = 0; k < s->space.nr_slots; k++) {
		if (s->chosen[k] == BERTH_SPACE_NONE)
			continue;
		any = true;
		if (node != BERTH_FACT_UNKNOWN && s->p->items[s->chosen[k]].numa_node == node)
			return false;
	}
	return any;
}

/* What is certain of item @i, and what depends on the others. */
static struct berth_score cost(const struct search *s, uint32_t i, uint32_t r, int64_t distance)
{
	const struct berth_solve_item *item = &s->p->items[i];
	struct berth_score c = berth_space_cost(&s->space, i, r);
	uint32_t sw = s->space.switch_no[i];

	c.part[BERTH_SCORE_DISTANCE] = distance;
	if (s->p->numa != BERTH_NUMA_NONE && s->p->numa_node == BERTH_FACT_UNKNOWN)
		c.part[BERTH_SCORE_NUMA] = is_another_node(s, item->numa_node);
	if (!s->group_used[s->space.group_no[i]])
		c.part[BERTH_SCORE_DEVICES] = item->group_size;
	if (s->p->requests[r].order == BERTH_ORDER_PACK)
		c.part[BERTH_SCORE_IDLE] = item->load == 0 && !s->packed[sw];
	if (s->p->requests[r].order == BERTH_ORDER_SPREAD)
		c.part[BERTH_SCORE_CROWD] += s->spread[sw];
	return c;
}

static void mark(struct search *s, uint32_t i, uint32_t r, int by)
{
	uint32_t sw = s->space.switch_no[i];

	s->used[i] = by > 0;
	s->group_used[s->space.group_no[i]] += (uint32_t)by;
	if (s->p->requests[r].order == BERTH_ORDER_PACK)
		s->packed[sw] += (uint32_t)by;
	if (s->p->requests[r].order == BERTH_ORDER_SPREAD)
		s->spread[sw] += (uint32_t)by;
}

/* --- the least that is still to come --- */

/* After item at @place of its list was put into @slot. */
static struct berth_score bound(const struct search *s, const struct berth_space_slot *slot,
				uint32_t place)
{
	const struct berth_space_list *list = &s->space.lists[slot->request];
	const struct berth_space_list *leader = &s->space.lists[list->leader];
	struct berth_score sum = slot->rest;
	uint32_t led = place;

	if (leader->ordered && list != leader)
		led = s->at[s->first[list->leader] + slot->n];
	for (uint32_t q = slot->request + 1; leader->ordered && q < s->p->nr_requests; q++) {
		const struct berth_space_list *other = &s->space.lists[q];

		if (other->leader == list->leader && other->follows)
			berth_score_add(&sum, &other->with_leader[led]);
	}
	for (uint32_t k = 0; k < slot->leader_left; k++)
		berth_score_add(&sum, &leader->floor[leader->ordered ? led + 1 : 0]);
	return sum;
}

static bool can_win(const struct search *s, const struct berth_space_slot *slot, uint32_t place)
{
	struct berth_score least;

	if (!s->found)
		return true;
	least = bound(s, slot, place);
	berth_score_add(&least, &s->score);
	return berth_score_cmp(&least, &s->best_score) < 0;
}

/* --- the search --- */

static bool fits_anchors(const struct search *s, uint32_t i, uint32_t r, size_t nr_anchors)
{
	for (size_t k = 0; k < nr_anchors; k++) {
		const struct berth_space_anchor *anchor = &s->space.anchors[k];

		if (anchor->of & 1U << r && anchor->keys[i] != s->anchored[k])
			return false;
	}
	return true;
}

static bool is_distinct(const struct search *s, uint32_t i, uint32_t r)
{
	for (size_t k = 0; k < s->p->nr_constraints; k++) {
		const struct berth_solve_constraint *c = &s->p->constraints[k];

		if (c->kind != BERTH_CONSTRAINT_DISTINCT || !(c->of & 1U << r))
			continue;
		for (uint32_t m = c->of; m; m &= m - 1) {
			uint32_t q = (uint32_t)__builtin_ctz(m);

			for (uint32_t n = 0; n < s->p->requests[q].count; n++) {
				uint32_t other = chosen_in(s, q, n);

				if (other != BERTH_SPACE_NONE && c->values[other] == c->values[i])
					return false;
			}
		}
	}
	return true;
}

static bool may_take(const struct search *s, uint32_t i, uint32_t r)
{
	uint32_t twin = s->space.twin[i];

	return !s->used[i] && (twin == BERTH_SPACE_NONE || s->used[twin]) &&
	       fits_anchors(s, i, r, s->space.nr_anchors) && is_distinct(s, i, r);
}

static void keep_best(struct search *s)
{
	s->found = true;
	s->best_score = s->score;
	memcpy(s->best, s->chosen, s->space.nr_slots * sizeof(*s->best));
	/* nothing can be better: no need to look */
	if (berth_score_cmp(&s->score, &s->space.least) <= 0)
		s->stop = true;
}

static void fill_slot(struct search *s, size_t k);

/* Item at @place of its list into slot @k, and everything after it. */
static void try_item(struct search *s, size_t k, uint32_t place)
{
	const struct berth_space_slot *slot = &s->space.slots[k];
	uint32_t r = slot->request, i = s->space.lists[r].items[place];
	size_t where = s->first[r] + slot->n;
	struct berth_score before = s->score, added;
	int64_t distance = distance_cost(s, i, r, slot->n);

	if (distance < 0)
		return;
	added = cost(s, i, r, distance);
	berth_score_add(&s->score, &added);
	if (can_win(s, slot, place)) {
		s->chosen[where] = i;
		s->at[where] = place;
		mark(s, i, r, 1);
		fill_slot(s, k + 1);
		mark(s, i, r, -1);
		s->chosen[where] = BERTH_SPACE_NONE;
	}
	s->score = before;
}

static void fill_slot(struct search *s, size_t k)
{
	const struct berth_space_slot *slot = &s->space.slots[k];
	const struct berth_space_list *list;
	uint32_t place = 0;

	if (k == s->space.nr_slots) {
		keep_best(s);
		return;
	}
	list = &s->space.lists[slot->request];
	if (list->leader == slot->request && list->ordered && slot->n)
		place = s->at[s->first[slot->request] + slot->n - 1] + 1;
	for (; place < list->nr && !s->stop; place++) {
		if (++s->nodes > s->max_nodes) {
			s->stop = true;
			return;
		}
		if (may_take(s, list->items[place], slot->request))
			try_item(s, k, place);
	}
}

/* --- what several devices have in common is chosen first --- */

/* How many candidates each request of anchor @k has for each key, of those that fit the anchors before it. */
static void count_keys(const struct search *s, size_t k, struct berth_tally *tally,
		       uint32_t (*counts)[BERTH_SOLVE_MAX_REQUESTS], uint32_t shortest)
{
	const struct berth_space_anchor *anchor = &s->space.anchors[k];
	const struct berth_space_list *list = &s->space.lists[shortest];

	for (size_t place = 0; place < list->nr; place++) {
		if (fits_anchors(s, list->items[place], shortest, k))
			berth_tally_add(tally, anchor->keys[list->items[place]]);
	}
	for (uint32_t m = anchor->of; m; m &= m - 1) {
		uint32_t r = (uint32_t)__builtin_ctz(m), key;

		list = &s->space.lists[r];
		for (size_t place = 0; place < list->nr; place++) {
			if (!fits_anchors(s, list->items[place], r, k))
				continue;
			key = berth_tally_find(tally, anchor->keys[list->items[place]]);
			if (key != BERTH_TALLY_NONE)
				counts[key][r]++;
		}
	}
}

static bool enough(const struct search *s, uint32_t of, const uint32_t *counts)
{
	for (; of; of &= of - 1) {
		uint32_t r = (uint32_t)__builtin_ctz(of);

		if (counts[r] < s->p->requests[r].count)
			return false;
	}
	return true;
}

static uint32_t shortest_of(const struct search *s, uint32_t of)
{
	uint32_t best = (uint32_t)__builtin_ctz(of);

	for (; of; of &= of - 1) {
		uint32_t r = (uint32_t)__builtin_ctz(of);

		if (s->space.lists[r].nr < s->space.lists[best].nr)
			best = r;
	}
	return best;
}

static int choose_anchor(struct search *s, size_t k);

/* Each key that enough candidates have, in the order in which the shortest list has them. */
static int try_keys(struct search *s, size_t k, struct berth_tally *tally,
		    uint32_t (*counts)[BERTH_SOLVE_MAX_REQUESTS], uint32_t shortest)
{
	const struct berth_space_anchor *anchor = &s->space.anchors[k];
	const struct berth_space_list *list = &s->space.lists[shortest];
	uint32_t next = 0; /* keys are numbered by first appearance */
	int r = 0;

	for (size_t place = 0; place < list->nr && r == 0 && !s->stop; place++) {
		uint32_t key;

		if (!fits_anchors(s, list->items[place], shortest, k))
			continue;
		key = berth_tally_find(tally, anchor->keys[list->items[place]]);
		if (key < next)
			continue;
		next = key + 1;
		s->anchored[k] = anchor->keys[list->items[place]];
		if (enough(s, anchor->of, counts[key]))
			r = choose_anchor(s, k + 1);
	}
	return r;
}

static int choose_anchor(struct search *s, size_t k)
{
	uint32_t(*counts)[BERTH_SOLVE_MAX_REQUESTS];
	struct berth_tally tally;
	uint32_t shortest;
	int r;

	if (k == s->space.nr_anchors) {
		fill_slot(s, 0);
		return 0;
	}
	shortest = shortest_of(s, s->space.anchors[k].of);
	r = berth_tally_init(&tally, s->space.lists[shortest].nr + 1);
	if (r < 0)
		return r;
	counts = calloc(s->space.lists[shortest].nr + 1, sizeof(*counts));
	if (counts) {
		count_keys(s, k, &tally, counts, shortest);
		r = try_keys(s, k, &tally, counts, shortest);
	} else {
		r = -ENOMEM;
	}
	free(counts);
	berth_tally_done(&tally);
	return r;
}

/* --- from beginning to end --- */

static int search_init(struct search *s)
{
	size_t slots = s->space.nr_slots, items = s->p->nr_items;
	uint32_t next = 0;

	for (size_t r = 0; r < s->p->nr_requests; r++) {
		s->first[r] = next;
		next += s->p->requests[r].count;
	}
	s->chosen = berth_space_grab(&s->space, slots, sizeof(*s->chosen));
	s->best = malloc((slots + 1) * sizeof(*s->best));
	s->at = berth_space_grab(&s->space, slots, sizeof(*s->at));
	s->used = berth_space_grab(&s->space, items, sizeof(*s->used));
	s->group_used = berth_space_grab(&s->space, items, sizeof(*s->group_used));
	s->packed = berth_space_grab(&s->space, items, sizeof(*s->packed));
	s->spread = berth_space_grab(&s->space, items, sizeof(*s->spread));
	if (!s->chosen || !s->best || !s->at || !s->used || !s->group_used || !s->packed ||
	    !s->spread)
		return -ENOMEM;
	memset(s->chosen, 0xff, slots * sizeof(*s->chosen));
	return 0;
}

static void report(struct search *s, struct berth_solution *ret)
{
	bool whole = s->nodes <= s->max_nodes;

	*ret = (struct berth_solution){
		.outcome = s->found ? BERTH_SOLVE_DONE :
			   whole    ? BERTH_SOLVE_IMPOSSIBLE :
				      BERTH_SOLVE_GAVE_UP,
		.best = s->found && whole,
		.nodes = s->nodes,
		.score = s->best_score,
	};
	if (s->found) {
		ret->chosen = BERTH_TAKE_PTR(s->best);
		ret->nr_chosen = s->space.nr_slots;
	}
}

int berth_solve(const struct berth_solve_problem *problem, struct berth_solution *ret)
{
	struct search s = { .p = problem };
	int r = berth_space_init(&s.space, problem);

	s.max_nodes = problem->max_nodes ? problem->max_nodes : BERTH_SOLVE_DEFAULT_NODES;
	if (r == 0)
		r = search_init(&s);
	if (r == 0 && !s.space.hopeless)
		r = choose_anchor(&s, 0);
	if (r == 0)
		report(&s, ret);
	free(s.best);
	berth_space_done(&s.space);
	return r;
}
