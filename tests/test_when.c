/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "policy/when.h"

static void spans_are_one_number_and_one_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "0s", 0 },
		{ "90s", 90 },
		{ "15m", 900 },
		{ "2h", 7200 },
		{ "3d", 259200 },
		{ "1w", 604800 },
		{ "007s", 7 },
		{ "3650d", BERTH_SPAN_MAX_S },
		{ "3651d", -1 },
		{ "522w", -1 },
		{ "87600h", BERTH_SPAN_MAX_S },
		{ "87601h", -1 },
		{ "", -1 },
		{ "s", -1 },
		{ "90", -1 },
		{ "90x", -1 },
		{ "-1s", -1 },
		{ "+1s", -1 },
		{ " 1s", -1 },
		{ "1s ", -1 },
		{ "1h30m", -1 },
		{ "1.5h", -1 },
		{ "1S", -1 },
		{ "1ss", -1 },
		{ "9999999999s", -1 },
		{ "99999999999999999999s", -1 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		int64_t got = -1;
		int r = berth_span_parse(rows[i].text, &got);

		if (r != (rows[i].want < 0 ? -EINVAL : 0) || got != rows[i].want)
			fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)got);
	}
}

static void moments_have_an_offset_and_need_no_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:01Z", 1 },
		{ "1970-01-02T00:00Z", 86400 },
		{ "2026-10-01T08:00Z", 1790841600 },
		{ "2026-10-01t08:00z", 1790841600 },
		{ "2026-10-01T08:00:00Z", 1790841600 },
		{ "2026-10-01T10:00+02:00", 1790841600 },
		{ "2026-10-01T02:30:59-05:30", 1790841659 },
		{ "2024-02-29T00:00Z", 1709164800 },
		{ "2000-03-01T00:00Z", 951868800 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "1970-01-01T00:00Z", -1 },
		{ "1970-01-01T01:00+02:00", -1 },
		{ "1969-12-31T23:59Z", -1 },
		{ "2023-02-29T00:00Z", -1 },
		{ "2100-02-29T00:00Z", -1 },
		{ "2026-04-31T00:00Z", -1 },
		{ "2026-00-01T00:00Z", -1 },
		{ "2026-13-01T00:00Z", -1 },
		{ "2026-10-00T00:00Z", -1 },
		{ "2026-10-01T24:00Z", -1 },
		{ "2026-10-01T08:60Z", -1 },
		{ "2026-10-01T08:00:60Z", -1 },
		{ "2026-10-01T08:00:00.5Z", -1 },
		{ "2026-10-01T08:00", -1 },
		{ "2026-10-01 08:00Z", -1 },
		{ "2026-10-01T08:00 Z", -1 },
		{ "2026-10-01T08:00Zx", -1 },
		{ "2026-10-01T08:00+2:00", -1 },
		{ "2026-10-01T08:00+24:00", -1 },
		{ "2026-10-01T08:00+02:60", -1 },
		{ "2026-10-01T08:00+0200", -1 },
		{ "2026-10-01", -1 },
		{ "26-10-01T08:00Z", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		int64_t got = -1;
		int r = berth_moment_parse(rows[i].text, &got);

		if (r != (rows[i].want < 0 ? -EINVAL : 0) || got != rows[i].want)
			fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)got);
	}
}

/* The calendar of the C library is a second opinion: every day of four hundred years. */
static void every_day_is_where_the_c_library_has_it(void **state)
{
	(void)state;
	for (time_t t = 86400; t < (time_t)146097 * 86400; t += 86400) {
		struct tm tm;
		char text[64];
		int64_t got = -1;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		if (berth_moment_parse(text, &got) || got != t)
			fail_msg("%s: %lld, not %lld", text, (long long)got, (long long)t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_one_number_and_one_unit),
		cmocka_unit_test(moments_have_an_offset_and_need_no_seconds),
		cmocka_unit_test(every_day_is_where_the_c_library_has_it),
	};

	return cmocka_run_group_tests_name("policy/when", tests, NULL, NULL);
}
