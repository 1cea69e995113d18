/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/bdf.h"
#include "base/cleanup.h"

static void parses_the_two_forms(void **state)
{
	static const struct {
		const char *text;
		struct berth_bdf want;
	} rows[] = {
		{ "0000:03:00.0", { 0, 3, 0, 0 } },
		{ "03:00.0", { 0, 3, 0, 0 } },
		{ "ff:1f.7", { 0, 0xff, 0x1f, 7 } },
		{ "FFFF:0A:10.1", { 0xffff, 0x0a, 0x10, 1 } },
		{ "10000:e1:00.0", { 0x10000, 0xe1, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_bdf got;

		assert_int_equal(berth_bdf_parse(rows[i].text, &got), 0);
		assert_true(berth_bdf_eq(got, rows[i].want));
	}
}

static void refuses_everything_else(void **state)
{
	static const char *const rows[] = {
		"",	     "03:00.0x", "-1:00.0",  " 03:00.0",       "03:00.0 ",
		"+3:00.0",   "3:00.0",	 "03:0.0",   "03:00",	       "03:20.0",
		"03:00.8",   "003:00.0", "03:00.0:", "0000:03:00.0.0", "123456789:03:00.0",
		"0x03:00.0", "03-00.0",	 ":03:00.0",
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_bdf got = { 1, 2, 3, 4 };

		if (berth_bdf_parse(rows[i], &got) != -EINVAL)
			fail_msg("\"%s\" was taken for a BDF", rows[i]);
		assert_true(berth_bdf_eq(got, ((struct berth_bdf){ 1, 2, 3, 4 })));
	}
}

static void formats_as_the_kernel_does(void **state)
{
	(void)state;
	assert_string_equal(BERTH_BDF_STR(((struct berth_bdf){ 0, 3, 0x1f, 7 })), "0000:03:1f.7");
	assert_string_equal(BERTH_BDF_STR(((struct berth_bdf){ 0x10000, 0xe1, 0, 0 })),
			    "10000:e1:00.0");
}

static void orders_by_place(void **state)
{
	struct berth_bdf a = { 0, 3, 0, 1 }, b = { 0, 3, 1, 0 }, c = { 1, 0, 0, 0 };

	(void)state;
	assert_true(berth_bdf_cmp(&a, &b) < 0);
	assert_true(berth_bdf_cmp(&c, &b) > 0);
	assert_int_equal(berth_bdf_cmp(&a, &a), 0);
	assert_true(berth_bdf_same_slot(a, (struct berth_bdf){ 0, 3, 0, 7 }));
	assert_false(berth_bdf_same_slot(a, b));
}

static void knows_when_a_bdf_was_meant(void **state)
{
	(void)state;
	assert_true(berth_bdf_looks_meant("03:00.0x"));
	assert_true(berth_bdf_looks_meant("3:0.0"));
	assert_false(berth_bdf_looks_meant("gpu0"));
	assert_false(berth_bdf_looks_meant("pool:gpus"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_the_two_forms),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(formats_as_the_kernel_does),
		cmocka_unit_test(orders_by_place),
		cmocka_unit_test(knows_when_a_bdf_was_meant),
	};

	return cmocka_run_group_tests_name("base/bdf", tests, NULL, NULL);
}
