/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void berth_report_add(struct berth_report *report, const char *fmt, ...)
{
	char **bigger;
	va_list ap;
	char *line;
	int n;

	if (!report)
		return;
	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	bigger = n < 0 ? NULL : realloc(report->lines, (report->nr + 1) * sizeof(*bigger));
	if (!bigger) {
		if (n >= 0)
			free(line);
		report->lost++;
		return;
	}
	report->lines = bigger;
	report->lines[report->nr++] = line;
}

void berth_report_cut(struct berth_report *report, size_t nr)
{
	while (report && report->nr > nr)
		free(report->lines[--report->nr]);
}

void berth_report_done(struct berth_report *report)
{
	for (size_t i = 0; i < report->nr; i++)
		free(report->lines[i]);
	free(report->lines);
	memset(report, 0, sizeof(*report));
}
