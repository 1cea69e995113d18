/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdint.h>

#include "base/cleanup.h"
#include "policy/tally.h"

static void keys_get_numbers_in_order_of_their_appearance(void **state)
{
	static const int64_t keys[] = { 7, -1, 7, 0, INT64_MIN, -1, INT64_MAX, 7 };
	static const uint32_t want[] = { 0, 1, 0, 2, 3, 1, 4, 0 };
	struct berth_tally t;

	(void)state;
	assert_int_equal(berth_tally_init(&t, 5), 0);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(keys); i++)
		assert_int_equal(berth_tally_add(&t, keys[i]), want[i]);
	assert_int_equal(t.nr, 5);
	berth_tally_done(&t);
}

static void finding_adds_nothing(void **state)
{
	struct berth_tally t;

	(void)state;
	assert_int_equal(berth_tally_init(&t, 4), 0);
	assert_int_equal(berth_tally_find(&t, 0), BERTH_TALLY_NONE);
	assert_int_equal(berth_tally_add(&t, 5), 0);
	assert_int_equal(berth_tally_find(&t, 5), 0);
	assert_int_equal(berth_tally_find(&t, 6), BERTH_TALLY_NONE);
	assert_int_equal(t.nr, 1);
	berth_tally_done(&t);
}

static void cleared_it_counts_anew(void **state)
{
	struct berth_tally t;

	(void)state;
	assert_int_equal(berth_tally_init(&t, 4), 0);
	berth_tally_add(&t, 1);
	berth_tally_add(&t, 2);
	berth_tally_clear(&t);
	assert_int_equal(t.nr, 0);
	assert_int_equal(berth_tally_find(&t, 1), BERTH_TALLY_NONE);
	assert_int_equal(berth_tally_add(&t, 2), 0);
	assert_int_equal(berth_tally_add(&t, 1), 1);
	berth_tally_done(&t);
}

/* Filled to the last place that was asked for, with keys that a poor hash would put on one heap. */
static void as_many_keys_as_asked_for_have_room(void **state)
{
	static const int64_t steps[] = { 1, 16, 4096, INT64_C(1) << 32, INT64_C(1) << 40 };
	static const size_t sizes[] = { 0, 1, 8, 9, 16, 1024 };

	(void)state;
	for (size_t s = 0; s < BERTH_ARRAY_SIZE(steps); s++) {
		for (size_t k = 0; k < BERTH_ARRAY_SIZE(sizes); k++) {
			struct berth_tally t;

			assert_int_equal(berth_tally_init(&t, sizes[k]), 0);
			/* never full: looking for what is not there ends */
			assert_true(t.mask + 1 > sizes[k]);
			for (size_t i = 0; i < sizes[k]; i++)
				assert_int_equal(berth_tally_add(&t, (int64_t)i * steps[s]), i);
			for (size_t i = 0; i < sizes[k]; i++)
				assert_int_equal(berth_tally_find(&t, (int64_t)i * steps[s]), i);
			assert_int_equal(berth_tally_find(&t, -3), BERTH_TALLY_NONE);
			berth_tally_done(&t);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_get_numbers_in_order_of_their_appearance),
		cmocka_unit_test(finding_adds_nothing),
		cmocka_unit_test(cleared_it_counts_anew),
		cmocka_unit_test(as_many_keys_as_asked_for_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
