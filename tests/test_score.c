/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdint.h>

#include "base/cleanup.h"
#include "policy/score.h"

static void the_first_part_that_differs_decides(void **state)
{
	(void)state;
	for (int part = 0; part < BERTH_SCORE_PARTS; part++) {
		struct berth_score a = { 0 }, b = { 0 };

		/* all that comes after says the opposite, as loudly as it can */
		for (int i = part; i < BERTH_SCORE_PARTS; i++) {
			a.part[i] = i == part ? 7 : INT64_MAX;
			b.part[i] = i == part ? 8 : INT64_MIN;
		}
		assert_true(berth_score_cmp(&a, &b) < 0);
		assert_true(berth_score_cmp(&b, &a) > 0);
		assert_int_equal(berth_score_cmp(&a, &a), 0);
	}
}

static void negative_numbers_are_smaller(void **state)
{
	const struct berth_score a = { { -1 } }, b = { { 0 } };

	(void)state;
	assert_true(berth_score_cmp(&a, &b) < 0);
}

static void parts_are_added_each_to_its_own(void **state)
{
	struct berth_score sum = { { 1, 2, 3, 4, 5, 6, 7 } };
	const struct berth_score what = { { 10, 20, 30, 40, 50, 60, -7 } };

	(void)state;
	_Static_assert(BERTH_SCORE_PARTS == 7, "a number for each part");
	berth_score_add(&sum, &what);
	for (int i = 0; i < 6; i++)
		assert_int_equal(sum.part[i], 11 * (i + 1));
	assert_int_equal(sum.part[6], 0);
	assert_int_equal(what.part[0], 10);
}

/* They are keys of JSON: scripts know them. */
static void each_part_has_its_name(void **state)
{
	static const char *const names[] = { "new",	      "numa",  "distance", "devices",
					     "idle_switches", "crowd", "last_used" };

	(void)state;
	assert_int_equal(BERTH_ARRAY_SIZE(names), BERTH_SCORE_PARTS);
	for (int i = 0; i < BERTH_SCORE_PARTS; i++)
		assert_string_equal(berth_score_part_name((enum berth_score_part)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_part_that_differs_decides),
		cmocka_unit_test(negative_numbers_are_smaller),
		cmocka_unit_test(parts_are_added_each_to_its_own),
		cmocka_unit_test(each_part_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
