/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "policy/distance.h"

/*
 * Two host bridges on node 0, one on node 1, one whose node is not known. The first has a switch (01.0/00.0) with another
 * switch below its port 03.0, a root port with a card of two functions, and a device of its own; as sysfs nests them.
 */
#define SW "PNP0A08:00/01.0/00.0"
static const struct berth_location host[] = {
	{ SW "/01.0/00.0", 0 },				/* 0: GPU */
	{ SW "/02.0/00.0", 0 },				/* 1: NIC */
	{ SW "/02.0/00.1", 0 },				/* 2: its second port */
	{ SW "/02.0/00.1#vf7", 0 },			/* 3: VF of the second port */
	{ SW "/03.0/00.0/05.0/00.0", 0 },		/* 4: below the inner switch */
	{ SW "/03.0/00.0/06.0/00.0", 0 },		/* 5: likewise */
	{ "PNP0A08:00/02.0/00.0", 0 },			/* 6: below a root port */
	{ "PNP0A08:00/02.0/00.1", 0 },			/* 7 */
	{ "PNP0A08:00/1f.2", 0 },			/* 8: of the host bridge */
	{ "PNP0A08:00/1f.3", 0 },			/* 9 */
	{ "PNP0A08:01/01.0/00.0", 0 },			/* 10 */
	{ "PNP0A08:02/01.0/00.0", 1 },			/* 11 */
	{ "PNP0A08:03/01.0/00.0", BERTH_FACT_UNKNOWN }, /* 12 */
	{ "PNP0A08:04/01.0/00.0", BERTH_FACT_UNKNOWN }, /* 13 */
	{ NULL, 0 },					/* 14: nobody knows where */
	{ NULL, 0 },					/* 15 */
	{ "PNP0A08:00/1e.0/01.0", 0 },			/* 16: conventional PCI */
	{ "PNP0A08:00/1e.0/02.0", 0 },			/* 17 */
	{ "PNP0A08:00/01.1/00.0", 0 }, /* 18: another function of the slot of the first root port */
	{ SW "/01.0", 0 },	       /* 19: a port of the switch itself */
	{ SW "/02.0", 0 },	       /* 20: another one, devices of others between them */
};
#define NR BERTH_ARRAY_SIZE(host)

static int setup(void **state)
{
	struct berth_place *places;

	if (berth_distance_places(host, NR, &places) < 0)
		return -1;
	*state = places;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void the_way_between_two_devices_has_the_level_that_it_passes(void **state)
{
	static const struct {
		size_t a, b;
		const char *want;
	} rows[] = {
		{ 0, 0, "SELF" },   { 1, 2, "SELF" },  { 2, 3, "SELF" },  { 1, 3, "SELF" },
		{ 6, 7, "SELF" },   { 8, 9, "SELF" },  { 0, 1, "PIX" },	  { 0, 3, "PIX" },
		{ 4, 5, "PIX" },    { 16, 17, "PIX" }, { 19, 20, "PIX" }, { 0, 4, "PXB" },
		{ 3, 5, "PXB" },    { 0, 6, "PHB" },   { 0, 8, "PHB" },	  { 6, 8, "PHB" },
		{ 6, 16, "PHB" },   { 0, 18, "PHB" },  { 0, 10, "NODE" }, { 8, 10, "NODE" },
		{ 0, 11, "SYS" },   { 10, 11, "SYS" }, { 0, 12, "SYS" },  { 12, 13, "SYS" },
		{ 0, 14, "SYS" },   { 14, 15, "SYS" }, { 12, 14, "SYS" }, { 12, 12, "SELF" },
		{ 14, 14, "SELF" },
	};
	const struct berth_place *places = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const struct berth_place *a = &places[rows[i].a], *b = &places[rows[i].b];

		if (strcmp(berth_distance_name(berth_distance_between(a, b)), rows[i].want) != 0)
			fail_msg("%zu to %zu: %s instead of %s", rows[i].a, rows[i].b,
				 berth_distance_name(berth_distance_between(a, b)), rows[i].want);
		assert_int_equal(berth_distance_between(a, b), berth_distance_between(b, a));
	}
}

static void levels_are_nested(void **state)
{
	const struct berth_place *places = *state;

	for (size_t i = 0; i < NR; i++) {
		for (size_t j = 0; j < NR; j++) {
			for (int l = berth_distance_between(&places[i], &places[j]);
			     l < BERTH_DISTANCE_LEVELS; l++)
				assert_int_equal(places[i].sets[l], places[j].sets[l]);
		}
	}
}

static void the_order_of_the_devices_does_not_matter(void **state)
{
	const struct berth_place *places = *state;
	struct berth_location turned[NR];
	struct berth_place *others;

	for (size_t i = 0; i < NR; i++)
		turned[i] = host[NR - 1 - i];
	assert_int_equal(berth_distance_places(turned, NR, &others), 0);
	for (size_t i = 0; i < NR; i++) {
		for (size_t j = 0; j < NR; j++)
			assert_int_equal(berth_distance_between(&places[i], &places[j]),
					 berth_distance_between(&others[NR - 1 - i],
								&others[NR - 1 - j]));
	}
	free(others);
}

static void a_host_bridge_whose_devices_disagree_has_no_node(void **state)
{
	static const struct berth_location odd[] = {
		{ "A/01.0/00.0", 0 },
		{ "A/02.0/00.0", 1 },
		{ "B/01.0/00.0", 0 },
		{ "C/01.0/00.0", 0 },
	};
	struct berth_place *p;

	(void)state;
	assert_int_equal(berth_distance_places(odd, 4, &p), 0);
	assert_int_equal(berth_distance_between(&p[0], &p[1]), BERTH_DISTANCE_PHB);
	assert_int_equal(berth_distance_between(&p[0], &p[2]), BERTH_DISTANCE_SYS);
	assert_int_equal(berth_distance_between(&p[2], &p[3]), BERTH_DISTANCE_NODE);
	free(p);
}

static void no_devices_have_no_places(void **state)
{
	struct berth_place *p = NULL;

	(void)state;
	assert_int_equal(berth_distance_places(NULL, 0, &p), 0);
	assert_non_null(p);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_way_between_two_devices_has_the_level_that_it_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(levels_are_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(the_order_of_the_devices_does_not_matter, setup,
						teardown),
		cmocka_unit_test(a_host_bridge_whose_devices_disagree_has_no_node),
		cmocka_unit_test(no_devices_have_no_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
