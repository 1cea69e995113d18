/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "base/range.h"

#define R(s, n) ((struct berth_range){ (s), (n) })

static void the_last_byte_of_the_address_space_can_be_in_a_range(void **state)
{
	(void)state;
	assert_true(berth_range_valid(R(UINT64_MAX, 1)));
	assert_true(berth_range_contains(R(UINT64_MAX - 9, 10), R(UINT64_MAX, 1)));
	assert_int_equal(berth_range_last(R(UINT64_MAX, 1)), UINT64_MAX);
}

static void a_wrapping_range_is_invalid_and_meets_nothing(void **state)
{
	(void)state;
	assert_false(berth_range_valid(R(UINT64_MAX, 2)));
	assert_false(berth_range_contains(R(0, 100), R(UINT64_MAX, 2)));
	assert_false(berth_range_contains(R(UINT64_MAX, 2), R(0, 1)));
	assert_false(berth_range_overlaps(R(UINT64_MAX, 2), R(0, 100)));
}

static void contains_includes_both_edges(void **state)
{
	(void)state;
	assert_true(berth_range_contains(R(10, 10), R(10, 10)));
	assert_true(berth_range_contains(R(10, 10), R(19, 1)));
	assert_false(berth_range_contains(R(10, 10), R(19, 2)));
	assert_false(berth_range_contains(R(10, 10), R(9, 1)));
	assert_false(berth_range_contains(R(10, 10), R(12, 0)));
}

static void neighbours_do_not_overlap(void **state)
{
	(void)state;
	assert_false(berth_range_overlaps(R(0, 10), R(10, 10)));
	assert_true(berth_range_overlaps(R(0, 11), R(10, 10)));
	assert_false(berth_range_overlaps(R(0, 0), R(0, 10)));
}

static void an_intersection_is_in_both(void **state)
{
	struct berth_range r = berth_range_intersect(R(10, 10), R(15, 100));

	(void)state;
	assert_int_equal(r.start, 15);
	assert_int_equal(r.size, 5);
	r = berth_range_intersect(R(UINT64_MAX - 9, 10), R(UINT64_MAX, 1));
	assert_true(r.start == UINT64_MAX && r.size == 1);
	assert_int_equal(berth_range_intersect(R(0, 10), R(10, 10)).size, 0);
	assert_int_equal(berth_range_intersect(R(0, 0), R(0, 10)).size, 0);
}

static void fits_never_wraps(void **state)
{
	(void)state;
	assert_true(berth_range_fits(0, 16, 16));
	assert_true(berth_range_fits(12, 4, 16));
	assert_false(berth_range_fits(13, 4, 16));
	assert_false(berth_range_fits(UINT64_MAX, 2, 16));
	assert_false(berth_range_fits(1, UINT64_MAX, 16));
}

static void align_up_reports_the_wrap(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(berth_align_up(0x1001, 0x1000, &v));
	assert_int_equal(v, 0x2000);
	assert_false(berth_align_up(UINT64_MAX, 0x1000, &v));
	assert_int_equal(v, 0x2000);
	assert_int_equal(berth_align_down(0x1fff, 0x1000), 0x1000);
	assert_true(berth_is_pow2(64));
	assert_false(berth_is_pow2(0));
	assert_false(berth_is_pow2(48));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_byte_of_the_address_space_can_be_in_a_range),
		cmocka_unit_test(a_wrapping_range_is_invalid_and_meets_nothing),
		cmocka_unit_test(contains_includes_both_edges),
		cmocka_unit_test(neighbours_do_not_overlap),
		cmocka_unit_test(an_intersection_is_in_both),
		cmocka_unit_test(fits_never_wraps),
		cmocka_unit_test(align_up_reports_the_wrap),
	};

	return cmocka_run_group_tests_name("base/range", tests, NULL, NULL);
}
