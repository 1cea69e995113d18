/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/factindex.h"
#include "tests/lib/made_world.h"

struct fixture {
	struct made_world *made;
	struct berth_factindex *index;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->made = made_world_new(64);
	made_world_add_switches(f->made, 4, 2, 2, 1);
	f->made->facts[3].serial = "s3";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_factindex_free(f->index);
	made_world_free(f->made);
	free(f);
	return 0;
}

/* The match of the first class. Return: as berth_factindex_suspects(). */
static int suspects(struct fixture *f, const char *match, const uint32_t **ret, uint32_t *ret_nr)
{
	char policy[512];

	snprintf(policy, sizeof(policy), "'classes': [ { 'name': 'c', 'match': %s } ]", match);
	made_world_see(f->made, policy);
	assert_int_equal(berth_factindex_new(&f->index, f->made->facts, f->made->nr), 0);
	return berth_factindex_suspects(f->index, f->made->policy->classes[0].match, ret, ret_nr);
}

static void a_certain_text_leaves_those_that_have_it(void **state)
{
	const uint32_t *got;
	uint32_t nr;

	assert_int_equal(
		suspects(*state,
			 "{ 'pci.id': '*:*', 'pcie.switch': ['R0/01.0/00.0', 'R1/02.0/00.0'] }",
			 &got, &nr),
		0);
	assert_int_equal(nr, 6);
	for (uint32_t i = 0; i < nr; i++)
		assert_int_equal(got[i], 3 + i);
}

static void those_whose_fact_is_not_known_stay_suspect(void **state)
{
	const uint32_t *got;
	uint32_t nr;

	assert_int_equal(suspects(*state, "{ 'serial': 's3' }", &got, &nr), 0);
	assert_int_equal(nr, 12); /* the others' serials are not known */
	assert_int_equal(got[3], 3);
}

static void wildcards_and_alternatives_may_fit_any_device(void **state)
{
	static const char *const matches[] = {
		"{ 'pci.path': 'R0/*' }",
		"{ 'numa.node': 0 }",
		"{ 'any': [ { 'pci.path': 'x' }, { 'numa.node': 0 } ] }",
		"{ 'not': { 'pci.path': 'x' } }",
		"{ 'any_device': true }",
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(matches); i++) {
		const uint32_t *got;
		uint32_t nr;

		teardown(state);
		setup(state);
		if (suspects(*state, matches[i], &got, &nr) != BERTH_ABSENT)
			fail_msg("%s", matches[i]);
	}
}

/* Sets made with the index are those made without. */
static void no_device_that_fits_is_left_out(void **state)
{
	static const char *const matches[] = {
		"{ 'pcie.switch': 'R0/01.0/00.0', 'pci.class': '03*' }",
		"{ 'all': [ { 'numa.node': 1 }, { 'pcie.root_complex': ['R1', 'R0'] } ] }",
		"{ 'serial': ['s3', 's4'] }",
		"{ 'pci.path': 'R0/00.0/00.0/01.0/00.0' }",
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(matches); i++) {
		struct fixture *f;
		struct berth_devset with, without;
		const uint32_t *got;
		uint32_t nr;

		teardown(state);
		setup(state);
		f = *state;
		assert_int_equal(suspects(f, matches[i], &got, &nr), 0);
		berth_devset_match(&with, f->made->policy->classes[0].match, f->made->facts,
				   f->made->nr, f->index);
		berth_devset_match(&without, f->made->policy->classes[0].match, f->made->facts,
				   f->made->nr, NULL);
		assert_true(without.nr_yes > 0);
		assert_int_equal(with.nr_yes, without.nr_yes);
		assert_memory_equal(with.yes, without.yes, with.nr_yes * sizeof(*with.yes));
		assert_int_equal(with.nr_maybe, without.nr_maybe);
		berth_devset_done(&with);
		berth_devset_done(&without);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_certain_text_leaves_those_that_have_it),
		T(those_whose_fact_is_not_known_stay_suspect),
		T(wildcards_and_alternatives_may_fit_any_device),
		T(no_device_that_fits_is_left_out),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
