/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"

static const char *const words[] = { "devices", "classes", "pools", "rules", "vm", NULL };

static void finds_the_word_that_was_meant(void **state)
{
	static const struct {
		const char *typed, *meant;
	} rows[] = {
		{ "device", "devices" }, { "devcies", "devices" }, { "Devices", "devices" },
		{ "clases", "classes" }, { "rule", "rules" },	   { "pool", "pools" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const char *got = berth_nearest(rows[i].typed, words);

		assert_non_null(got);
		assert_string_equal(got, rows[i].meant);
	}
}

static void keeps_quiet_when_nothing_is_close(void **state)
{
	char endless[4096];

	(void)state;
	memset(endless, 'd', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	assert_null(berth_nearest("", words));
	assert_null(berth_nearest("bananas", words));
	assert_null(berth_nearest("x", words));
	assert_null(berth_nearest(endless, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_word_that_was_meant),
		cmocka_unit_test(keeps_quiet_when_nothing_is_close),
	};

	return cmocka_run_group_tests_name("base/nearest", tests, NULL, NULL);
}
