/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "policy/glob.h"

static void matches_like_a_shell(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool want;
	} rows[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "anything/at.all", true },
		{ "ml-*", "ml-7", true },
		{ "ml-*", "xml-7", false },
		{ "*-gpu", "a-gpu-gpu", true },
		{ "*-gpu", "a-gpu-", false },
		{ "a*b*c", "aXXbYYc", true },
		{ "a*b*c", "aXXcYYb", false },
		{ "0?00", "0300", true },
		{ "0?00", "000", false },
		{ "t[123]", "t2", true },
		{ "t[123]", "t4", false },
		{ "t[1-3]x", "t3x", true },
		{ "t[!1-3]", "t3", false },
		{ "t[!1-3]", "t9", true },
		{ "[]x]", "]", true },
		{ "[!]]", "]", false },
		{ "[a-]", "-", true },
		{ "a\\*", "a\\b", true },
		{ "**", "x", true },
		{ "*[0-9]", "vm10", true },
		{ "Vm", "vm", false },
		{ "[\x80-\xff]", "\xe4", true },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		assert_true(berth_glob_valid(rows[i].pattern));
		if (berth_glob(rows[i].pattern, rows[i].text) != rows[i].want)
			fail_msg("\"%s\" on \"%s\"", rows[i].pattern, rows[i].text);
	}
}

static void an_open_bracket_is_not_a_pattern(void **state)
{
	(void)state;
	assert_false(berth_glob_valid("["));
	assert_false(berth_glob_valid("a[b"));
	assert_false(berth_glob_valid("[]"));
	assert_false(berth_glob_valid("[!]"));
	assert_true(berth_glob_valid("[a][b]"));
	assert_true(berth_glob_is("a*"));
	assert_true(berth_glob_is("[a]"));
	assert_false(berth_glob_is("a.b-c"));
}

static void many_stars_cost_no_more_than_pattern_times_text(void **state)
{
	char pattern[129], text[257];
	clock_t start = clock();

	(void)state;
	for (int i = 0; i < 128; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[127] = 'b';
	pattern[128] = '\0';
	memset(text, 'a', 256);
	text[256] = '\0';
	for (int i = 0; i < 100; i++)
		assert_false(berth_glob(pattern, text));
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_like_a_shell),
		cmocka_unit_test(an_open_bracket_is_not_a_pattern),
		cmocka_unit_test(many_stars_cost_no_more_than_pattern_times_text),
	};

	return cmocka_run_group_tests_name("policy/glob", tests, NULL, NULL);
}
