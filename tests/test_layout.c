/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "policy/layout.h"
#include "tests/lib/made_world.h"

struct fixture {
	struct made_world *made;
	struct berth_layout *layout;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->made = made_world_new(16);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_layout_free(f->layout);
	made_world_free(f->made);
	free(f);
	return 0;
}

#define CLASSES                                                                                    \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"                         \
	" { 'name': 'nic', 'match': { 'pci.class': '0200' } } ]"

static void see(struct fixture *f, const char *policy)
{
	made_world_see(f->made, policy);
	assert_int_equal(berth_layout_new(&f->layout, f->made->world), 0);
}

static uint32_t switch_of(const struct fixture *f, uint32_t device)
{
	return f->layout->places[device].sets[BERTH_DISTANCE_PIX];
}

/* Two switches with two GPUs and a NIC each. */
static void devices_that_nothing_tells_apart_are_of_a_kind(void **state)
{
	struct fixture *f = *state;
	const uint32_t *kind, *pile;

	made_world_add_switches(f->made, 2, 1, 2, 1);
	see(f, CLASSES);
	kind = f->layout->kind;
	pile = f->layout->pile;
	assert_int_equal(f->layout->nr_kinds, 2);
	assert_int_equal(kind[0], kind[1]);
	assert_int_equal(kind[0], kind[3]);
	assert_int_equal(kind[2], kind[5]);
	assert_int_not_equal(kind[0], kind[2]);
	/* GPUs of two switches lie on two piles */
	assert_int_equal(f->layout->nr_piles, 4);
	assert_int_equal(pile[0], pile[1]);
	assert_int_equal(pile[3], pile[4]);
	assert_int_not_equal(pile[0], pile[3]);
	assert_int_not_equal(pile[0], pile[2]);
}

static void what_is_special_is_like_no_other(void **state)
{
	static const struct berth_usage_taint taint = { "smells", BERTH_TAINT_REPORT, NULL };
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 6, 0);
	f->made->usage[0].safety = "root-disk";
	f->made->usage[1].taints = &taint;
	f->made->usage[1].nr_taints = 1;
	free((char *)f->made->facts[3].group_key);
	f->made->facts[3].group_key = strdup(f->made->facts[2].group_key);
	f->made->facts[4].isolation = "shared";
	see(f, CLASSES);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(f->layout->kind[i], BERTH_WORLD_NONE);
		assert_int_equal(f->layout->pile[i], BERTH_WORLD_NONE);
	}
	assert_int_equal(f->layout->nr_kinds, 2);
	assert_int_not_equal(f->layout->kind[4], f->layout->kind[5]);
}

static void who_owns_it_is_no_matter_of_kind(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	f->made->usage[1].vm = "a";
	see(f, CLASSES);
	assert_int_equal(f->layout->kind[0], f->layout->kind[1]);
	assert_int_equal(f->layout->pile[0], f->layout->pile[1]);
}

/* One expects another card in its slot: nobody gets it. */
static void a_wrong_identity_is_a_kind_of_its_own(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	see(f, CLASSES ", 'devices': [ { 'name': 'g', 'match': { 'pci.class': '03*' },"
		       " 'expect': { 'pci.path': 'R0/00.0/00.0/01.0/00.0' } } ]");
	assert_int_not_equal(f->layout->kind[0], f->layout->kind[1]);
}

/* Same kind, same switch, but: another node; functions of one slot; VFs of two PFs. */
static void a_pile_is_in_one_place(void **state)
{
	struct fixture *f = *state;
	uint32_t a, b, c, d, pf1, pf2, v1, v2, v3;

	a = made_world_add(f->made, MADE_GPU, 0, "R0/00.0/00.0/00.0/00.0");
	b = made_world_add(f->made, MADE_GPU, 1, "R0/00.0/00.0/01.0/00.0");
	c = made_world_add(f->made, MADE_GPU, 0, "R0/00.0/00.0/02.0/00.0");
	d = made_world_add(f->made, MADE_GPU, 0, "R0/00.0/00.0/02.0/00.1");
	pf1 = made_world_add(f->made, MADE_NIC, 0, "R1/00.0/00.0/00.0/00.0");
	pf2 = made_world_add(f->made, MADE_NIC, 0, "R1/00.0/00.0/01.0/00.0");
	v1 = made_world_add_vf(f->made, pf1, 0);
	v2 = made_world_add_vf(f->made, pf1, 1);
	v3 = made_world_add_vf(f->made, pf2, 0);
	see(f, CLASSES);
	assert_int_equal(f->layout->kind[a], f->layout->kind[b]);
	assert_int_not_equal(f->layout->pile[a], f->layout->pile[b]);
	assert_int_not_equal(f->layout->pile[a], f->layout->pile[c]);
	assert_int_equal(f->layout->pile[c], f->layout->pile[d]);
	assert_int_equal(f->layout->kind[v1], f->layout->kind[v3]);
	assert_int_equal(f->layout->pile[v1], f->layout->pile[v2]);
	assert_int_not_equal(f->layout->pile[v1], f->layout->pile[v3]);
}

/* So many that some fall on one place of the table by which they are sorted out. */
static void many_kinds_and_piles_are_kept_apart(void **state)
{
	static const char *const isolations[] = { "isolated", "multifunction", "shared" };
	char policy[64 * 96] = "'classes': [ { 'name': 'none', 'match': { 'pci.class': 'ff*' } }";
	struct fixture *f = *state;

	made_world_free(f->made);
	f->made = made_world_new(60);
	for (uint32_t i = 0; i < 60; i++) {
		made_world_add(f->made, MADE_GPU, 0, "R0/%02x.0/00.0/00.0/00.0", i);
		f->made->facts[i].isolation = isolations[i % 3];
	}
	/* a class for each path that ends in the same two digits: 20 of them, each with all kinds of isolation */
	for (uint32_t c = 0; c < 20; c++)
		snprintf(
			policy + strlen(policy), sizeof(policy) - strlen(policy),
			", { 'name': 'c%u', 'match': { 'pci.path': [ 'R0/%02x.0/*', 'R0/%02x.0/*', "
			"'R0/%02x.0/*' ] } }",
			c, 3 * c, 3 * c + 1, 3 * c + 2);
	strcat(policy, " ]");
	see(f, policy);
	assert_int_equal(f->layout->nr_kinds, 60);
	assert_int_equal(f->layout->nr_piles, 60);
}

static void each_switch_is_a_pile_of_its_own(void **state)
{
	struct fixture *f = *state;

	made_world_free(f->made);
	f->made = made_world_new(120);
	made_world_add_switches(f->made, 60, 1, 2, 0);
	see(f, CLASSES);
	assert_int_equal(f->layout->nr_kinds, 1);
	assert_int_equal(f->layout->nr_piles, 60);
	for (uint32_t i = 0; i < 120; i += 2)
		assert_int_equal(f->layout->pile[i], f->layout->pile[i + 1]);
}

static void ranks_are_in_order_of_paths(void **state)
{
	struct fixture *f = *state;

	made_world_add(f->made, MADE_GPU, 0, "R2");
	made_world_add(f->made, MADE_GPU, 0, "R0");
	made_world_add(f->made, MADE_GPU, 0, "R1");
	made_world_add(f->made, MADE_GPU, 0, "R0");
	see(f, CLASSES);
	assert_int_equal(f->layout->rank[1], 0);
	assert_int_equal(f->layout->rank[3], 1); /* the same path: in their own order */
	assert_int_equal(f->layout->rank[2], 2);
	assert_int_equal(f->layout->rank[0], 3);
}

static void each_switch_knows_what_is_free_and_what_is_not(void **state)
{
	struct fixture *f = *state;
	const uint32_t *load, *room;
	uint32_t one, two;

	made_world_add_switches(f->made, 2, 1, 3, 0);
	f->made->usage[4].vm = "a";
	see(f, CLASSES);
	load = f->layout->load;
	room = f->layout->room;
	one = switch_of(f, 0);
	two = switch_of(f, 3);
	assert_int_not_equal(one, two);
	assert_int_equal(load[one], 0);
	assert_int_equal(room[one], 3);
	assert_int_equal(load[two], 1);
	assert_int_equal(room[two], 2);
	berth_layout_give(f->layout, f->made->world->group_of[0], "b");
	assert_string_equal(f->made->world->usage[0].vm, "b");
	assert_int_equal(load[one], 1);
	assert_int_equal(room[one], 2);
	/* from one to another nothing becomes free */
	berth_layout_give(f->layout, f->made->world->group_of[4], "b");
	assert_int_equal(load[two], 1);
	assert_int_equal(room[two], 2);
	berth_layout_give(f->layout, f->made->world->group_of[4], NULL);
	assert_null(f->made->world->usage[4].vm);
	assert_int_equal(load[two], 0);
	assert_int_equal(room[two], 3);
}

static void a_bridge_is_nobody_s_to_have_and_does_not_count(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	f->made->facts[1].is_bridge = true;
	see(f, CLASSES);
	assert_int_equal(f->layout->room[switch_of(f, 0)], 1);
	assert_int_equal(f->layout->kind[1], BERTH_WORLD_NONE);
}

static void a_group_is_given_as_a_whole(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	free((char *)f->made->facts[1].group_key);
	f->made->facts[1].group_key = strdup(f->made->facts[0].group_key);
	see(f, CLASSES);
	berth_layout_give(f->layout, f->made->world->group_of[0], "b");
	assert_string_equal(f->made->world->usage[1].vm, "b");
	assert_int_equal(f->layout->load[switch_of(f, 0)], 2);
	assert_int_equal(f->layout->room[switch_of(f, 0)], 0);
}

static void sets_are_sorted_by_path_or_by_rest(void **state)
{
	static const uint32_t by_path[] = { 2, 0, 1 }, by_age[] = { 0, 2, 1 };
	struct fixture *f = *state;
	const uint32_t *sorted;
	uint32_t set;

	made_world_add(f->made, MADE_GPU, 0, "R1");
	made_world_add(f->made, MADE_GPU, 0, "R2");
	made_world_add(f->made, MADE_GPU, 0, "R0");
	made_world_add(f->made, MADE_NIC, 0, "R3");
	f->made->usage[0].last_use = 10;
	f->made->usage[1].last_use = 30;
	f->made->usage[2].last_use = 20;
	see(f, CLASSES
	    ", 'claims': [ { 'vm': 'v', 'requests': [ { 'name': 'g', 'class': 'gpu' } ] } ]");
	set = berth_world_request_set(f->made->world, 0, 0);
	assert_int_equal(f->made->world->sets[set].nr_yes, 3);
	sorted = berth_layout_sorted(f->layout, set, false);
	assert_non_null(sorted);
	assert_memory_equal(sorted, by_path, sizeof(by_path));
	assert_memory_equal(berth_layout_sorted(f->layout, set, true), by_age, sizeof(by_age));
	assert_ptr_equal(berth_layout_sorted(f->layout, set, false), sorted);
}

/* Never used, or all at the same moment: then by their paths. */
static void of_those_that_rested_as_long_the_path_decides(void **state)
{
	static const uint32_t want[] = { 2, 0, 1 };
	struct fixture *f = *state;
	uint32_t set;

	made_world_add(f->made, MADE_GPU, 0, "R1");
	made_world_add(f->made, MADE_GPU, 0, "R2");
	made_world_add(f->made, MADE_GPU, 0, "R0");
	see(f, CLASSES
	    ", 'claims': [ { 'vm': 'v', 'requests': [ { 'name': 'g', 'class': 'gpu' } ] } ]");
	set = berth_world_request_set(f->made->world, 0, 0);
	assert_memory_equal(berth_layout_sorted(f->layout, set, true), want, sizeof(want));
}

#define with_world(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(devices_that_nothing_tells_apart_are_of_a_kind),
		with_world(what_is_special_is_like_no_other),
		with_world(who_owns_it_is_no_matter_of_kind),
		with_world(a_wrong_identity_is_a_kind_of_its_own),
		with_world(a_pile_is_in_one_place),
		with_world(many_kinds_and_piles_are_kept_apart),
		with_world(each_switch_is_a_pile_of_its_own),
		with_world(ranks_are_in_order_of_paths),
		with_world(each_switch_knows_what_is_free_and_what_is_not),
		with_world(a_bridge_is_nobody_s_to_have_and_does_not_count),
		with_world(a_group_is_given_as_a_whole),
		with_world(sets_are_sorted_by_path_or_by_rest),
		with_world(of_those_that_rested_as_long_the_path_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
