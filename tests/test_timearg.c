/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "tools/timearg.h"

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC-2", 1); /* two hours east of Greenwich, all year */
	tzset();
	return 0;
}

static void moments_are_utc_with_an_offset_and_local_without(void **state)
{
	static const struct {
		const char *text;
		int64_t moment;
	} cases[] = {
		{ "2026-12-01T18:00Z", 1796148000 },
		{ "2026-12-01T18:00:00Z", 1796148000 },
		{ "2026-12-01T19:00+01:00", 1796148000 },
		{ "2026-12-01T20:00", 1796148000 },
		{ "2026-12-01T20:00:00", 1796148000 },
		{ "2026-12-01 20:00", 1796148000 },
		{ "2026-12-01", 1796076000 },
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(berth_timearg_moment(cases[i].text, &t), 0);
		if (t != cases[i].moment)
			fail_msg("%s: %lld", cases[i].text, (long long)t);
	}
}

static void what_is_no_moment_is_refused(void **state)
{
	static const char *const bad[] = { "",		 "18:00",	    "tomorrow",
					   "2026-13-01", "2026-12-01T18",   "2026-12-01T18:00X",
					   "2h",	 "1969-01-01T00:00" };
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (berth_timearg_moment(bad[i], &t) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	}
}

static void since_is_a_moment_or_so_long_ago(void **state)
{
	int64_t t, now = (int64_t)time(NULL);

	(void)state;
	assert_int_equal(berth_timearg_since("2h", &t), 0);
	assert_in_range(now - t, 7198, 7202);
	assert_int_equal(berth_timearg_since("2026-12-01T18:00Z", &t), 0);
	assert_int_equal(t, 1796148000);
	assert_int_equal(berth_timearg_since("2 hours", &t), -EINVAL);
}

static void the_day_is_shown_when_it_is_not_today(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(berth_timearg_show(1796148000 + 366 * 86400, buf), "2027-12-02 20:00");
	berth_timearg_show((int64_t)time(NULL), buf);
	assert_int_equal(buf[2], ':');
	assert_int_equal(buf[5], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_utc_with_an_offset_and_local_without),
		cmocka_unit_test(what_is_no_moment_is_refused),
		cmocka_unit_test(since_is_a_moment_or_so_long_ago),
		cmocka_unit_test(the_day_is_shown_when_it_is_not_today),
	};

	return cmocka_run_group_tests_name("tools/timearg", tests, setup, NULL);
}
