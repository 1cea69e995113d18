/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How policy files write spans and moments of time. Moments have an offset always: no clock's local time means anything here.
 */
#ifndef BERTH_POLICY_WHEN_H
#define BERTH_POLICY_WHEN_H

#include <stdint.h>

#define BERTH_SPAN_MAX_S ((int64_t)3650 * 24 * 3600)

/* What is wrong with a text that the functions below refuse. */
#define BERTH_SPAN_WANT                                                                            \
	"must be a duration such as \"90s\", \"15m\", \"2h\", \"3d\" or \"1w\", up to 3650 days"
#define BERTH_MOMENT_WANT                                                                          \
	"must be a time with an offset such as \"2026-10-01T08:00Z\" or \"2026-10-01T10:00:00+02:00\""

/* One number and one unit, "90s" "15m" "2h" "3d" "1w". @ret_s: seconds, 0 … BERTH_SPAN_MAX_S. Return: 0; -EINVAL. */
int berth_span_parse(const char *text, int64_t *ret_s);

/**
 * berth_moment_parse() - a date and time after RFC 3339, 5.6, with the seconds optional and no fractions of them
 * @ret: seconds since 1970, > 0
 *
 * Return: 0; -EINVAL malformed, no such day, a leap second, not after 1970-01-01T00:00Z.
 */
int berth_moment_parse(const char *text, int64_t *ret);

#endif
