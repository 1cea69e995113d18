/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spans and moments of time on the command line: policy/when.h, and what people write who mean their own clock.
 */
#ifndef BERTH_TOOLS_TIMEARG_H
#define BERTH_TOOLS_TIMEARG_H

#include <stdint.h>

/**
 * berth_timearg_moment() - "2026-12-01T18:00Z", or "2026-12-01T18:00" and "2026-12-01 18:00:30" in local time
 * @ret: seconds since 1970
 *
 * Return: 0; -EINVAL.
 */
int berth_timearg_moment(const char *text, int64_t *ret);

/* The same, or "2h": so long ago. Return: 0; -EINVAL. */
int berth_timearg_since(const char *text, int64_t *ret);

/* By the local clock: "18:00" of today, "2026-12-01 18:00" of another day. Returns @buf. */
char *berth_timearg_show(int64_t moment, char buf[static 32]);

#endif
