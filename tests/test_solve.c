/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/solve.h"

/* --- a host that is put together by paths --- */

#define MAX_ITEMS 1024

struct bench {
	struct berth_location at[MAX_ITEMS];
	struct berth_solve_item items[MAX_ITEMS];
	size_t nr;
	struct berth_solution got;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct bench));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < b->nr; i++)
		free((char *)b->at[i].path);
	free(b->got.chosen);
	free(b);
	return 0;
}

__attribute__((format(printf, 4, 5))) static void add(struct bench *b, uint32_t requests,
						      int32_t node, const char *fmt, ...)
{
	va_list ap;
	char *path;

	va_start(ap, fmt);
	assert_true(vasprintf(&path, fmt, ap) > 0);
	va_end(ap);
	assert_true(b->nr < MAX_ITEMS);
	b->at[b->nr] = (struct berth_location){ path, node };
	b->items[b->nr] = (struct berth_solve_item){
		.requests = requests, .group = (uint32_t)b->nr, .group_size = 1, .numa_node = node
	};
	b->nr++;
}

static void place(struct bench *b)
{
	struct berth_place *places;

	assert_int_equal(berth_distance_places(b->at, b->nr, &places), 0);
	for (size_t i = 0; i < b->nr; i++)
		b->items[i].place = places[i];
	free(places);
}

static void solve(struct bench *b, struct berth_solve_problem *p)
{
	place(b);
	p->items = b->items;
	p->nr_items = b->nr;
	free(b->got.chosen);
	assert_int_equal(berth_solve(p, &b->got), 0);
}

static const struct berth_solve_constraint near_pairs = { .kind = BERTH_CONSTRAINT_DISTANCE,
							  .a = 0,
							  .b = 1,
							  .max_distance = BERTH_DISTANCE_PIX,
							  .each = true };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- by hand --- */

/* Four switches, two GPUs and two NICs behind each, in the least helpful order of ages. */
static void eight_gpus_and_eight_nics_pair_at_once(void **state)
{
	const struct berth_solve_request requests[] = { { 8, BERTH_ORDER_PACK },
							{ 8, BERTH_ORDER_PACK } };
	struct berth_solve_problem p = { .requests = requests,
					 .nr_requests = 2,
					 .constraints = &near_pairs,
					 .nr_constraints = 1 };
	struct bench *b = *state;

	for (int sw = 0; sw < 4; sw++) {
		for (int port = 0; port < 4; port++) {
			add(b, port < 2 ? 1 : 2, sw / 2, "R%d/01.0/00.0/%02x.0/00.0", sw / 2,
			    port + 4 * (sw % 2));
			b->items[b->nr - 1].used_at = port < 2 ? 100 - sw : sw * 7 + port;
		}
	}
	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_DONE);
	assert_true(b->got.best);
	assert_int_equal(b->got.score.part[BERTH_SCORE_DISTANCE], 8);
	assert_true(b->got.nodes < 1000);
	for (int n = 0; n < 8; n++)
		assert_int_equal(berth_distance_between(&b->items[b->got.chosen[n]].place,
							&b->items[b->got.chosen[8 + n]].place),
				 BERTH_DISTANCE_PIX);
}

/* One NIC is behind the wrong switch: said at once, not after eight factorial tries. */
static void a_pair_that_is_missing_is_noticed_at_once(void **state)
{
	const struct berth_solve_request requests[] = { { 8, BERTH_ORDER_LISTED },
							{ 8, BERTH_ORDER_LISTED } };
	struct berth_solve_problem p = { .requests = requests,
					 .nr_requests = 2,
					 .constraints = &near_pairs,
					 .nr_constraints = 1 };
	struct bench *b = *state;

	for (int sw = 0; sw < 8; sw++) {
		add(b, 1, 0, "R/%02x.0/00.0/00.0/00.0", sw);
		add(b, 2, 0, "R/%02x.0/00.0/01.0/00.0", sw == 7 ? 6 : sw);
	}
	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_IMPOSSIBLE);
	assert_int_equal(b->got.nodes, 0);
}

/* A thousand free devices that nothing tells apart but their age, and one claim for 64 of them. */
static void devices_that_are_alike_do_not_multiply(void **state)
{
	const struct berth_solve_request requests[] = { { 64, BERTH_ORDER_PACK } };
	struct berth_solve_problem p = { .requests = requests, .nr_requests = 1 };
	struct bench *b = *state;
	double start;

	for (int i = 0; i < 1000; i++) {
		add(b, 1, 0, "R%d/01.0/00.0", i);
		b->items[i].used_at = 1000 - i;
	}
	start = now();
	solve(b, &p);
	assert_true(now() - start < 0.5);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_DONE);
	assert_true(b->got.best);
	/* the 64 that have rested longest */
	assert_int_equal(b->got.score.part[BERTH_SCORE_AGE], 64 * 65 / 2);
}

/* Twelve devices of twelve colours and twelve shapes, where two of the colours come in one shape only. */
static void a_search_without_end_says_that_it_gave_up(void **state)
{
	const struct berth_solve_request requests[] = { { 6, BERTH_ORDER_LISTED },
							{ 6, BERTH_ORDER_LISTED } };
	static int32_t colours[60], shapes[60];
	const struct berth_solve_constraint constraints[] = {
		near_pairs,
		{ .kind = BERTH_CONSTRAINT_DISTINCT, .of = 1 | 2, .values = colours },
		{ .kind = BERTH_CONSTRAINT_DISTINCT, .of = 1 | 2, .values = shapes },
	};
	struct berth_solve_problem p = { .requests = requests,
					 .nr_requests = 2,
					 .constraints = constraints,
					 .nr_constraints = 3,
					 .max_nodes = 5000 };
	struct bench *b = *state;

	for (int i = 0; i < 60; i++) {
		add(b, i % 2 ? 1 : 2, 0, "R/%02x.0/00.0/%02x.0/00.0", i / 4, i % 4);
		/* 12 of either in all, so that no count shows it; but the last two colours have one shape */
		colours[i] = i % 12;
		shapes[i] = i % 12 == 11 ? 10 : i % 12 == 0 && i >= 12 ? 11 : i % 12;
	}
	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_GAVE_UP);
	assert_null(b->got.chosen);
	assert_false(b->got.best);
}

static void pack_fills_a_switch_in_use_and_spread_goes_to_the_emptiest(void **state)
{
	struct berth_solve_request requests[] = { { 2, BERTH_ORDER_PACK } };
	struct berth_solve_problem p = { .requests = requests, .nr_requests = 1 };
	struct bench *b = *state;

	for (int i = 0; i < 6; i++) {
		add(b, 1, 0, "R/%02x.0/00.0/%02x.0/00.0", i / 2, i % 2);
		b->items[i].load = i / 2 == 1 ? 2 : 0;
		b->items[i].room = 2;
	}
	solve(b, &p);
	assert_int_equal(b->got.chosen[0], 2);
	assert_int_equal(b->got.chosen[1], 3);
	requests[0].order = BERTH_ORDER_SPREAD;
	solve(b, &p);
	assert_int_equal(b->got.chosen[0], 0);
	assert_int_equal(b->got.chosen[1], 4);
	requests[0].order = BERTH_ORDER_LISTED;
	solve(b, &p);
	assert_int_equal(b->got.chosen[0], 0);
	assert_int_equal(b->got.chosen[1], 1);
}

/* Two GPUs of one group are fewer devices than two of two groups with a sound function each. */
static void devices_of_one_group_count_together(void **state)
{
	const struct berth_solve_request requests[] = { { 2, BERTH_ORDER_LISTED } };
	struct berth_solve_problem p = { .requests = requests, .nr_requests = 1 };
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		add(b, 1, 0, "R/%02x.0/00.0", i);
		b->items[i].group_size = 2;
	}
	b->items[3].group = b->items[2].group;
	solve(b, &p);
	assert_int_equal(b->got.chosen[0], 2);
	assert_int_equal(b->got.chosen[1], 3);
	assert_int_equal(b->got.score.part[BERTH_SCORE_DEVICES], 2);
}

static void a_value_that_is_not_known_is_not_the_same_as_anything(void **state)
{
	static const int32_t nodes[] = { -1, -1, 0 };
	struct berth_solve_request requests[] = { { 2, BERTH_ORDER_LISTED } };
	const struct berth_solve_constraint same = { .kind = BERTH_CONSTRAINT_SAME,
						     .of = 1,
						     .values = nodes };
	struct berth_solve_problem p = {
		.requests = requests, .nr_requests = 1, .constraints = &same, .nr_constraints = 1
	};
	struct bench *b = *state;

	for (int i = 0; i < 3; i++)
		add(b, 1, nodes[i], "R/%02x.0/00.0", i);
	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_IMPOSSIBLE);
	requests[0].count = 1;
	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_DONE);
	assert_int_equal(b->got.chosen[0], 2);
}

static void more_than_the_limits_is_refused(void **state)
{
	struct berth_solve_request requests[33];
	struct berth_solve_problem p = { .requests = requests, .nr_requests = 33 };
	struct berth_solution got;

	(void)state;
	for (int i = 0; i < 33; i++)
		requests[i] = (struct berth_solve_request){ 1, BERTH_ORDER_LISTED };
	assert_int_equal(berth_solve(&p, &got), -E2BIG);
	p.nr_requests = 1;
	requests[0].count = BERTH_SOLVE_MAX_SLOTS + 1;
	assert_int_equal(berth_solve(&p, &got), -E2BIG);
	requests[0].count = UINT32_MAX;
	assert_int_equal(berth_solve(&p, &got), -E2BIG);
}

static void nothing_wanted_is_nothing_given(void **state)
{
	struct berth_solve_problem p = { 0 };
	struct bench *b = *state;

	solve(b, &p);
	assert_int_equal(b->got.outcome, BERTH_SOLVE_DONE);
	assert_int_equal(b->got.nr_chosen, 0);
}

/* --- against trying everything --- */

struct brute {
	const struct berth_solve_problem *p;
	uint32_t slots[8]; /* request of each slot */
	uint32_t nth[8];
	uint32_t chosen[8];
	size_t nr;
	bool found;
	struct berth_score best;
};

static bool holds(const struct brute *b, const struct berth_solve_constraint *c, size_t x, size_t y)
{
	uint32_t rx = b->slots[x], ry = b->slots[y], i = b->chosen[x], j = b->chosen[y];
	bool pair = (rx == c->a && ry == c->b) || (rx == c->b && ry == c->a);

	if (c->kind != BERTH_CONSTRAINT_DISTANCE) {
		if (!(c->of >> rx & 1) || !(c->of >> ry & 1))
			return true;
		return (c->values[i] == c->values[j]) == (c->kind == BERTH_CONSTRAINT_SAME);
	}
	if (!pair || (c->each && c->a != c->b && b->nth[x] != b->nth[y]))
		return true;
	return berth_distance_between(&b->p->items[i].place, &b->p->items[j].place) <=
	       c->max_distance;
}

static bool is_solution(const struct brute *b)
{
	for (size_t x = 0; x < b->nr; x++) {
		for (size_t k = 0; k < b->p->nr_constraints; k++) {
			const struct berth_solve_constraint *c = &b->p->constraints[k];

			if (c->kind != BERTH_CONSTRAINT_DISTANCE && c->of >> b->slots[x] & 1 &&
			    c->values[b->chosen[x]] < 0)
				return false;
			for (size_t y = x + 1; y < b->nr; y++) {
				if (!holds(b, c, x, y))
					return false;
			}
		}
	}
	return true;
}

/* Has any of the slots before @x a device for which the same holds? */
static bool seen(const struct brute *b, size_t x, char what)
{
	const struct berth_solve_item *i = &b->p->items[b->chosen[x]];

	for (size_t y = 0; y < x; y++) {
		const struct berth_solve_item *j = &b->p->items[b->chosen[y]];
		enum berth_order order = b->p->requests[b->slots[y]].order;
		bool sw = i->place.sets[BERTH_DISTANCE_PIX] == j->place.sets[BERTH_DISTANCE_PIX];

		if ((what == 'g' && i->group == j->group) ||
		    (what == 'n' && i->numa_node == j->numa_node && i->numa_node >= 0) ||
		    (what == 'p' && sw && order == BERTH_ORDER_PACK))
			return true;
	}
	return false;
}

static int64_t crowd(const struct brute *b, size_t x)
{
	const struct berth_solve_item *i = &b->p->items[b->chosen[x]];
	int64_t load = i->load;

	for (size_t y = 0; y < x; y++)
		load += b->p->requests[b->slots[y]].order == BERTH_ORDER_SPREAD &&
			b->p->items[b->chosen[y]].place.sets[BERTH_DISTANCE_PIX] ==
				i->place.sets[BERTH_DISTANCE_PIX];
	return load;
}

static struct berth_score score_of(const struct brute *b)
{
	struct berth_score s = { 0 };

	for (size_t x = 0; x < b->nr; x++) {
		const struct berth_solve_item *i = &b->p->items[b->chosen[x]];
		enum berth_order order = b->p->requests[b->slots[x]].order;

		if (b->p->numa != BERTH_NUMA_NONE)
			s.part[BERTH_SCORE_NUMA] += b->p->numa_node < 0 ?
							    x && !seen(b, x, 'n') :
							    i->numa_node != b->p->numa_node;
		s.part[BERTH_SCORE_NEW] += !i->own;
		s.part[BERTH_SCORE_DEVICES] += seen(b, x, 'g') ? 0 : i->group_size;
		if (order == BERTH_ORDER_PACK) {
			s.part[BERTH_SCORE_IDLE] += i->load == 0 && !seen(b, x, 'p');
			s.part[BERTH_SCORE_CROWD] += i->room;
		} else if (order == BERTH_ORDER_SPREAD) {
			s.part[BERTH_SCORE_CROWD] += crowd(b, x);
		}
		s.part[BERTH_SCORE_AGE] += order == BERTH_ORDER_LISTED ? 0 : i->used_at;
		for (size_t k = 0; k < b->p->nr_constraints; k++) {
			const struct berth_solve_constraint *c = &b->p->constraints[k];

			for (size_t y = 0; c->kind == BERTH_CONSTRAINT_DISTANCE && y < x; y++) {
				bool pair = (b->slots[x] == c->a && b->slots[y] == c->b) ||
					    (b->slots[x] == c->b && b->slots[y] == c->a);

				if (pair && (!c->each || c->a == c->b || b->nth[x] == b->nth[y]))
					s.part[BERTH_SCORE_DISTANCE] += berth_distance_between(
						&i->place, &b->p->items[b->chosen[y]].place);
			}
		}
	}
	return s;
}

static void try_all(struct brute *b, size_t x)
{
	struct berth_score score;

	if (x == b->nr) {
		if (!is_solution(b))
			return;
		score = score_of(b);
		if (!b->found || berth_score_cmp(&score, &b->best) < 0)
			b->best = score;
		b->found = true;
		return;
	}
	for (uint32_t i = 0; i < b->p->nr_items; i++) {
		bool used = !(b->p->items[i].requests >> b->slots[x] & 1);

		for (size_t y = 0; y < x; y++)
			used = used || b->chosen[y] == i;
		b->chosen[x] = i;
		if (!used)
			try_all(b, x + 1);
	}
}

static void brute_init(struct brute *b, const struct berth_solve_problem *p)
{
	*b = (struct brute){ .p = p };
	for (uint32_t r = 0; r < p->nr_requests; r++) {
		for (uint32_t n = 0; n < p->requests[r].count; n++) {
			b->slots[b->nr] = r;
			b->nth[b->nr++] = n;
		}
	}
}

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(*seed >> 8) * n) >> 24);
}

/* Few roots, ports and switches, so that devices meet at every level. */
static void random_items(struct bench *b, uint32_t *seed, uint32_t requests)
{
	uint32_t nr = 2 + random_below(seed, 6);

	for (size_t i = 0; i < b->nr; i++)
		free((char *)b->at[i].path);
	b->nr = 0;
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t root = random_below(seed, 3),
			 mask = 1 + random_below(seed, (1U << requests) - 1);
		int32_t node = (int32_t)root % 2 - (random_below(seed, 12) == 0);

		if (random_below(seed, 3))
			mask = 1U << random_below(seed, requests);
		if (random_below(seed, 2))
			add(b, mask, node, "R%u/%02x.0/00.%u", root, random_below(seed, 3), i % 3);
		else
			add(b, mask, node, "R%u/%02x.0/00.0/%02x.0/00.%u", root,
			    random_below(seed, 2), random_below(seed, 3), random_below(seed, 2));
		if (i && random_below(seed, 4) == 0)
			b->items[i].group = b->items[i - 1].group;
		b->items[i].group_size = 1 + b->items[i].group % 2;
		b->items[i].own = random_below(seed, 8) == 0;
		b->items[i].used_at = random_below(seed, 3) ? random_below(seed, 4) : 0;
	}
	place(b);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t sw = b->items[i].place.sets[BERTH_DISTANCE_PIX];

		b->items[i].load = (sw * 5 + *seed % 7) % 3;
		b->items[i].room = 1 + (sw * 3 + *seed % 5) % 3;
	}
}

static void random_constraint(struct berth_solve_constraint *c, uint32_t *seed, uint32_t requests,
			      const int32_t *values)
{
	*c = (struct berth_solve_constraint){
		.kind = (enum berth_constraint_kind)random_below(seed, 3),
		.a = random_below(seed, requests),
		.b = random_below(seed, requests),
		.max_distance = (enum berth_distance)(1 + random_below(seed, 5)),
		.each = random_below(seed, 2),
		.of = 1 + random_below(seed, (1U << requests) - 1),
		.values = values,
	};
}

static void compare(struct bench *b, struct berth_solve_problem *p, uint32_t seed, size_t *solved)
{
	struct brute brute;

	brute_init(&brute, p);
	try_all(&brute, 0);
	free(b->got.chosen);
	assert_int_equal(berth_solve(p, &b->got), 0);
	if (b->got.outcome != (brute.found ? BERTH_SOLVE_DONE : BERTH_SOLVE_IMPOSSIBLE))
		fail_msg("seed %u: outcome %d, but %s", seed, b->got.outcome,
			 brute.found ? "there is a solution" : "there is none");
	if (!brute.found)
		return;
	++*solved;
	assert_true(b->got.best);
	assert_int_equal(b->got.nr_chosen, brute.nr);
	if (berth_score_cmp(&b->got.score, &brute.best) != 0)
		fail_msg("seed %u: not the best", seed);
	/* and it is what it says it is */
	memcpy(brute.chosen, b->got.chosen, brute.nr * sizeof(*brute.chosen));
	assert_true(is_solution(&brute));
	brute.best = score_of(&brute);
	assert_int_equal(berth_score_cmp(&b->got.score, &brute.best), 0);
	for (size_t x = 0; x < brute.nr; x++) {
		assert_true(p->items[brute.chosen[x]].requests >> brute.slots[x] & 1);
		for (size_t y = 0; y < x; y++)
			assert_int_not_equal(brute.chosen[x], brute.chosen[y]);
	}
}

static void whatever_the_problem_it_finds_what_trying_everything_finds(void **state)
{
	struct bench *b = *state;
	size_t solved = 0, rounds = 20000;

	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t seed = round * 2654435761U + 12345, nr = 1 + random_below(&seed, 3);
		struct berth_solve_request requests[3];
		struct berth_solve_constraint constraints[3];
		int32_t values[3][8];
		struct berth_solve_problem p = { .requests = requests,
						 .nr_requests = nr,
						 .constraints = constraints,
						 .nr_constraints = random_below(&seed, 4),
						 .items = b->items };

		random_items(b, &seed, nr);
		p.nr_items = b->nr;
		p.numa = (enum berth_numa_wish)random_below(&seed, 2);
		p.numa_node = (int32_t)random_below(&seed, 3) - 1;
		for (uint32_t r = 0; r < nr; r++)
			requests[r] = (struct berth_solve_request){
				1 + random_below(&seed, nr == 1 ? 4 : 2),
				(enum berth_order)random_below(&seed, 3)
			};
		for (size_t k = 0; k < p.nr_constraints; k++) {
			for (size_t i = 0; i < b->nr; i++)
				values[k][i] = (int32_t)random_below(&seed, 4) -
					       (random_below(&seed, 8) == 0);
			random_constraint(&constraints[k], &seed, nr, values[k]);
		}
		compare(b, &p, round, &solved);
	}
	/* neither nearly always nor nearly never: else the test would not say much */
	assert_true(solved > rounds / 5 && solved < rounds * 4 / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(eight_gpus_and_eight_nics_pair_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_pair_that_is_missing_is_noticed_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(devices_that_are_alike_do_not_multiply, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_search_without_end_says_that_it_gave_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			pack_fills_a_switch_in_use_and_spread_goes_to_the_emptiest, setup,
			teardown),
		cmocka_unit_test_setup_teardown(devices_of_one_group_count_together, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_value_that_is_not_known_is_not_the_same_as_anything, setup, teardown),
		cmocka_unit_test(more_than_the_limits_is_refused),
		cmocka_unit_test_setup_teardown(nothing_wanted_is_nothing_given, setup, teardown),
		cmocka_unit_test_setup_teardown(
			whatever_the_problem_it_finds_what_trying_everything_finds, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
