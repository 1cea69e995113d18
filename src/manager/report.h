/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a verb did, line by line, in words for the person who typed it. Filled as the verb goes along, so that after a
 * failure it still says what had happened by then.
 */
#ifndef BERTH_MANAGER_REPORT_H
#define BERTH_MANAGER_REPORT_H

#include <stddef.h>

struct berth_report {
	char **lines; /* owned, each owned; without newline */
	size_t nr;
	size_t lost; /* lines that memory did not suffice for */
};

#define BERTH_REPORT_INIT                                                                          \
	{                                                                                          \
		.lines = NULL, .nr = 0, .lost = 0                                                  \
	}

/* Add a line. @report may be NULL. Never fails: what does not fit in memory is counted in @lost. */
void berth_report_add(struct berth_report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Forget all lines but the first @nr: what they tell has been taken back. @report may be NULL. */
void berth_report_cut(struct berth_report *report, size_t nr);

/* Free the lines; the struct itself is the caller's and can be used again. */
void berth_report_done(struct berth_report *report);

#endif
