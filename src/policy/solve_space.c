/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/solve_space.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/solve_space_inside.h"
#include "policy/tally.h"

/* --- memory --- */

struct berth_space_chunk {
	struct berth_space_chunk *next;
	size_t used, size;
	max_align_t data[];
};

/* What most claims need fits into one. */
#define CHUNK 32768

void *berth_space_grab(struct berth_space *space, size_t nr, size_t size)
{
	size_t need = ((nr + 1) * size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	struct berth_space_chunk *chunk = space->memory;
	void *got;

	if (!chunk || chunk->size - chunk->used < need) {
		size_t room = need > CHUNK ? need : CHUNK;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct berth_space_chunk){ .next = space->memory, .size = room };
		space->memory = chunk;
	}
	got = (char *)chunk->data + chunk->used;
	chunk->used += need;
	return memset(got, 0, need);
}

void berth_space_done(struct berth_space *space)
{
	for (struct berth_space_chunk *chunk = space->memory, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	space->memory = NULL;
}

/* --- what items are like --- */

/* Numbers from 0 for the groups or switches of items, and which of them have several. */
static int number(struct berth_space *s, struct berth_tally *tally, bool groups, uint32_t **ret_no,
		  bool **ret_shared)
{
	size_t nr = s->p->nr_items;
	uint32_t *no = berth_space_grab(s, nr, sizeof(*no));
	uint32_t *count = berth_space_grab(s, nr, sizeof(*count));
	bool *shared = berth_space_grab(s, nr, sizeof(*shared));

	if (!no || !count || !shared)
		return -ENOMEM;
	berth_tally_clear(tally);
	for (size_t i = 0; i < nr; i++) {
		no[i] = berth_tally_add(tally,
					groups ? s->p->items[i].group :
						 s->p->items[i].place.sets[BERTH_DISTANCE_PIX]);
		count[no[i]]++;
	}
	for (size_t i = 0; i < nr; i++)
		shared[i] = count[no[i]] > 1;
	*ret_no = no;
	*ret_shared = shared;
	return 0;
}

struct berth_score berth_space_cost(const struct berth_space *s, uint32_t i, uint32_t r)
{
	const struct berth_solve_item *item = &s->p->items[i];
	enum berth_order order = s->p->requests[r].order;
	struct berth_score cost = { 0 };

	cost.part[BERTH_SCORE_NEW] = !item->own;
	cost.part[BERTH_SCORE_NUMA] = s->p->numa != BERTH_NUMA_NONE &&
				      s->p->numa_node != BERTH_FACT_UNKNOWN &&
				      item->numa_node != s->p->numa_node;
	if (!s->group_shared[i])
		cost.part[BERTH_SCORE_DEVICES] = item->group_size;
	if (order == BERTH_ORDER_PACK) {
		cost.part[BERTH_SCORE_IDLE] = !s->switch_shared[i] && item->load == 0;
		cost.part[BERTH_SCORE_CROWD] = item->room;
	} else if (order == BERTH_ORDER_SPREAD) {
		cost.part[BERTH_SCORE_CROWD] = item->load;
	}
	if (order != BERTH_ORDER_LISTED)
		cost.part[BERTH_SCORE_AGE] = item->used_at;
	return cost;
}

/* --- constraints --- */

/* A constraint on values: an item whose value is not known cannot serve its requests. */
static uint32_t requests_of(const struct berth_solve_problem *p, size_t i)
{
	uint32_t mask = p->items[i].requests;

	for (size_t c = 0; c < p->nr_constraints; c++) {
		if (p->constraints[c].kind != BERTH_CONSTRAINT_DISTANCE &&
		    p->constraints[c].values[i] < 0)
			mask &= ~p->constraints[c].of;
	}
	return mask;
}

static int make_anchors(struct berth_space *s)
{
	for (size_t k = 0; k < s->p->nr_constraints; k++) {
		const struct berth_solve_constraint *c = &s->p->constraints[k];
		int64_t *keys;

		if (berth_space_is_tie(c) || c->kind == BERTH_CONSTRAINT_DISTINCT ||
		    (c->kind == BERTH_CONSTRAINT_DISTANCE && c->max_distance >= BERTH_DISTANCE_SYS))
			continue;
		keys = berth_space_grab(s, s->p->nr_items, sizeof(*keys));
		if (!keys)
			return -ENOMEM;
		for (size_t i = 0; i < s->p->nr_items; i++)
			keys[i] = c->kind == BERTH_CONSTRAINT_SAME ?
					  c->values[i] :
					  berth_space_key(&s->p->items[i], c->max_distance);
		s->anchors[s->nr_anchors++] = (struct berth_space_anchor){
			.of = c->kind == BERTH_CONSTRAINT_SAME ? c->of : 1U << c->a | 1U << c->b,
			.keys = keys,
		};
	}
	return 0;
}

/* --- lists --- */

struct ranked {
	struct berth_score cost;
	uint32_t item;
};

static int by_cost(const void *va, const void *vb)
{
	const struct ranked *a = va, *b = vb;
	int c = berth_score_cmp(&a->cost, &b->cost);

	return c ? c : (a->item > b->item) - (a->item < b->item);
}

/* As berth_space_cost(), with what is likely to come on top: only an order to try them in. */
static struct berth_score likely_cost(const struct berth_space *s, uint32_t i, uint32_t r)
{
	struct berth_score cost = berth_space_cost(s, i, r);

	cost.part[BERTH_SCORE_DEVICES] = s->p->items[i].group_size;
	cost.part[BERTH_SCORE_IDLE] = s->p->requests[r].order == BERTH_ORDER_PACK &&
				      s->p->items[i].load == 0;
	return cost;
}

static int make_list(struct berth_space *s, uint32_t r, const uint32_t *masks,
		     struct ranked *ranked)
{
	struct berth_space_list *list = &s->lists[r];
	bool sorted = true;

	for (size_t i = 0; i < s->p->nr_items; i++) {
		if (!(masks[i] & 1U << r))
			continue;
		ranked[list->nr] = (struct ranked){ likely_cost(s, (uint32_t)i, r), (uint32_t)i };
		sorted = sorted &&
			 (!list->nr || by_cost(&ranked[list->nr - 1], &ranked[list->nr]) < 0);
		list->nr++;
	}
	if (!sorted)
		qsort(ranked, list->nr, sizeof(*ranked), by_cost);
	list->items = berth_space_grab(s, list->nr, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	for (size_t k = 0; k < list->nr; k++)
		list->items[k] = ranked[k].item;
	s->hopeless = s->hopeless || list->nr < s->p->requests[r].count;
	return 0;
}

/* --- slots --- */

static uint32_t rank_of(const struct berth_space *s, uint32_t leader)
{
	return (uint32_t)s->lists[leader].nr;
}

/* Requests tied to @leader, the n-th of each after the other. */
static void add_slots(struct berth_space *s, uint32_t leader)
{
	uint32_t most = 0;

	for (uint32_t r = 0; r < s->p->nr_requests; r++) {
		if (s->lists[r].leader == leader && s->p->requests[r].count > most)
			most = s->p->requests[r].count;
	}
	for (uint32_t n = 0; n < most; n++) {
		for (uint32_t r = leader; r < s->p->nr_requests; r++) {
			if (s->lists[r].leader == leader && n < s->p->requests[r].count)
				s->slots[s->nr_slots++] =
					(struct berth_space_slot){ .request = r, .n = n };
		}
	}
}

/* Backwards: what comes after each slot, but for the leader of its own and those that follow it. */
static void sum_rests(struct berth_space *s)
{
	struct berth_score others = { 0 }, own = { 0 };
	uint32_t left = 0;

	for (size_t k = s->nr_slots; k-- > 0;) {
		struct berth_space_slot *slot = &s->slots[k];
		const struct berth_space_list *list = &s->lists[slot->request];
		const struct berth_space_list *leader = &s->lists[list->leader];

		if (k + 1 < s->nr_slots &&
		    s->lists[s->slots[k + 1].request].leader != list->leader) {
			berth_score_add(&others, &own);
			for (; left; left--)
				berth_score_add(&others,
						&s->lists[s->lists[s->slots[k + 1].request].leader]
							 .floor[0]);
			own = (struct berth_score){ 0 };
		}
		slot->rest = others;
		berth_score_add(&slot->rest, &own);
		slot->leader_left = left;
		if (list == leader)
			left++;
		else if (!list->follows)
			berth_score_add(&own, &list->floor[0]);
	}
	s->least = others;
	berth_score_add(&s->least, &own);
	for (; left; left--)
		berth_score_add(&s->least,
				&s->lists[s->lists[s->slots[0].request].leader].floor[0]);
}

/* The leaders with the fewest candidates first. */
static int make_slots(struct berth_space *s)
{
	bool done[BERTH_SOLVE_MAX_REQUESTS] = { false };
	size_t nr = 0;

	for (uint32_t r = 0; r < s->p->nr_requests; r++)
		nr += s->p->requests[r].count;
	s->slots = berth_space_grab(s, nr, sizeof(*s->slots));
	if (!s->slots)
		return -ENOMEM;
	for (;;) {
		uint32_t next = BERTH_SPACE_NONE;

		for (uint32_t r = 0; r < s->p->nr_requests; r++) {
			if (s->lists[r].leader == r && !done[r] &&
			    (next == BERTH_SPACE_NONE || rank_of(s, r) < rank_of(s, next)))
				next = r;
		}
		if (next == BERTH_SPACE_NONE)
			break;
		done[next] = true;
		add_slots(s, next);
	}
	assert(s->nr_slots == nr);
	return 0;
}

/* --- all of it --- */

static int check_size(const struct berth_solve_problem *p)
{
	size_t slots = 0;

	if (p->nr_requests > BERTH_SOLVE_MAX_REQUESTS ||
	    p->nr_constraints > BERTH_SOLVE_MAX_CONSTRAINTS || p->nr_items >= UINT32_MAX / 2)
		return -E2BIG;
	for (size_t r = 0; r < p->nr_requests; r++) {
		assert(p->requests[r].count);
		slots += p->requests[r].count;
		if (slots > BERTH_SOLVE_MAX_SLOTS)
			return -E2BIG;
	}
	return 0;
}

static int make_lists(struct berth_space *s, const uint32_t *masks)
{
	struct ranked *ranked = malloc((s->p->nr_items + 1) * sizeof(*ranked));
	int r = ranked ? 0 : -ENOMEM;

	for (uint32_t q = 0; q < s->p->nr_requests && r == 0; q++)
		r = make_list(s, q, masks, ranked);
	free(ranked);
	return r;
}

static int fill(struct berth_space *s, struct berth_tally *tally)
{
	uint32_t *masks = berth_space_grab(s, s->p->nr_items, sizeof(*masks));
	int r;

	if (!masks)
		return -ENOMEM;
	for (size_t i = 0; i < s->p->nr_items; i++)
		masks[i] = requests_of(s->p, i);
	r = number(s, tally, true, &s->group_no, &s->group_shared);
	if (r == 0)
		r = number(s, tally, false, &s->switch_no, &s->switch_shared);
	if (r == 0)
		r = make_anchors(s);
	if (r == 0)
		r = make_lists(s, masks);
	if (r == 0 && !s->hopeless)
		r = berth_space_check_counts(s, tally, masks);
	if (r < 0 || s->hopeless)
		return r;
	r = berth_space_find_twins(s, tally, masks);
	berth_space_find_leaders(s);
	if (r == 0)
		r = berth_space_follow(s, tally);
	for (uint32_t q = 0; q < s->p->nr_requests && r == 0; q++)
		r = berth_space_make_floors(s, q);
	if (r == 0)
		r = make_slots(s);
	if (r == 0 && s->nr_slots)
		sum_rests(s);
	return r;
}

int berth_space_init(struct berth_space *space, const struct berth_solve_problem *problem)
{
	struct berth_tally tally;
	int r = check_size(problem);

	*space = (struct berth_space){ .p = problem };
	if (r == 0)
		r = berth_tally_init(&tally, problem->nr_items + 1);
	if (r < 0)
		return r;
	r = fill(space, &tally);
	berth_tally_done(&tally);
	return r;
}
