/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/booking.h"
#include "tests/lib/made_world.h"

#define CLASSES                                                                                    \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"                         \
	" { 'name': 'left', 'match': { 'pci.class': '03*', 'numa.node': 0 } } ], "
#define RESERVE(name, class, count, from, until)                                                   \
	"{ 'name': '" name "', 'effect': 'reserve', 'subject': { 'vm': '" name "' }, 'resource':"  \
	" { 'class': '" class "', 'count': " #count " }, 'from': '2030-01-" from "T00:00Z',"       \
			      " 'until': '2030-01-" until "T00:00Z' }"

struct fixture {
	struct made_world *made;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* four GPUs, two of them on node 0 */
	f->made = made_world_new(4);
	for (uint32_t i = 0; i < 4; i++)
		made_world_add(f->made, MADE_GPU, i / 2, "R%u/0%u.0/00.0", i / 2, i + 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	made_world_free(f->made);
	free(f);
	return 0;
}

/* Can the rule called "new" be kept? */
static int check(struct fixture *f, const char *rules)
{
	char policy[2048];
	size_t rule = 0;

	snprintf(policy, sizeof(policy), CLASSES "'rules': [ %s ]", rules);
	made_world_see(f->made, policy);
	while (strcmp(f->made->policy->rules[rule].name, "new") != 0)
		rule++;
	berth_err_clear(&f->err);
	return berth_booking_check(f->made->world, rule, &f->err);
}

static void as_many_as_there_are_and_no_more(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, RESERVE("new", "gpu", 4, "02", "03")), 0);
}

static void numbers_say_what_is_missing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, RESERVE("a", "gpu", 2, "01", "05") ", " RESERVE("new", "gpu", 3,
										  "02", "03")),
			 BERTH_REFUSED);
	assert_string_equal(f->err.text,
			    "3 cannot be reserved: of 4 that could be given 2 are left at "
			    "2030-01-02T00:00:00Z (a: 2)");
}

/* What others promise at other times is not in the way; what begins within its time is. */
static void only_the_same_time_counts(void **state)
{
	static const struct {
		const char *rules;
		int want;
	} rows[] = {
		{ RESERVE("a", "gpu", 3, "01", "02") ", " RESERVE("new", "gpu", 3, "02", "03"), 0 },
		{ RESERVE("a", "gpu", 3, "03", "04") ", " RESERVE("new", "gpu", 3, "02", "03"), 0 },
		{ RESERVE("a", "gpu", 3, "04", "05") ", " RESERVE("new", "gpu", 3, "02", "06"),
		  BERTH_REFUSED },
		{ RESERVE("a", "gpu", 1, "02", "04") ", " RESERVE(
			  "b", "gpu", 1, "04", "06") ", " RESERVE("new", "gpu", 3, "02", "06"),
		  0 },
		{ RESERVE("a", "gpu", 1, "02", "05") ", " RESERVE(
			  "b", "gpu", 1, "04", "06") ", " RESERVE("new", "gpu", 3, "02", "06"),
		  BERTH_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		void *f;

		setup(&f);
		assert_int_equal(check(f, rows[i].rules), rows[i].want);
		teardown(&f);
	}
}

/* Sets that overlap: the one on the left must leave, and can. */
static void others_move_for_it_when_they_can(void **state)
{
	static const struct {
		const char *rules;
		int want;
	} rows[] = {
		{ RESERVE("a", "gpu", 2, "01", "09") ", " RESERVE("new", "left", 2, "02", "03"),
		  0 },
		{ RESERVE("a", "gpu", 3, "01", "09") ", " RESERVE("new", "left", 1, "02", "03"),
		  0 },
		{ RESERVE("a", "gpu", 3, "01", "09") ", " RESERVE("new", "left", 2, "02", "03"),
		  BERTH_REFUSED },
		{ RESERVE("a", "left", 2, "01", "09") ", " RESERVE("new", "gpu", 2, "02", "03"),
		  0 },
		{ RESERVE("a", "left", 2, "01", "09") ", " RESERVE("new", "gpu", 3, "02", "03"),
		  BERTH_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		void *f;

		setup(&f);
		assert_int_equal(check(f, rows[i].rules), rows[i].want);
		teardown(&f);
	}
}

/* He may be gone by then; a taint stays. */
static void who_has_it_now_is_not_in_the_way_but_a_taint_is(void **state)
{
	static const struct berth_usage_taint hot = { "hot", BERTH_TAINT_NO_NEW, NULL };
	struct fixture *f = *state;

	f->made->usage[0].vm = "x";
	assert_int_equal(check(f, RESERVE("new", "gpu", 4, "02", "03")), 0);
	teardown(state);
	setup(state);
	f = *state;
	f->made->usage[0].taints = &hot;
	f->made->usage[0].nr_taints = 1;
	assert_int_equal(check(f, RESERVE("new", "gpu", 4, "02", "03")), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "of 3 that could be given 3 are left"));
}

static void all_of_nothing_is_nothing(void **state)
{
	struct fixture *f = *state;
	static const char none[] =
		"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '07*' } } ], 'rules': [ { 'name':"
		" 'new', 'effect': 'reserve', 'subject': { 'vm': 'a' }, 'resource': { 'class': 'gpu' } } ]";

	made_world_see(f->made, none);
	assert_int_equal(berth_booking_check(f->made->world, 0, &f->err), BERTH_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(as_many_as_there_are_and_no_more),
		T(numbers_say_what_is_missing),
		cmocka_unit_test(only_the_same_time_counts),
		cmocka_unit_test(others_move_for_it_when_they_can),
		T(who_has_it_now_is_not_in_the_way_but_a_taint_is),
		T(all_of_nothing_is_nothing),
#undef T
	};

	return cmocka_run_group_tests_name("policy/booking", tests, NULL, NULL);
}
