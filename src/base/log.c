/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum berth_log_level berth_log_max = BERTH_LOG_WARN;

void berth_log_line(enum berth_log_level level, const char *area, const char *fmt, ...)
{
	/* syslog priorities, as sd-daemon(3) wants them in front of a line */
	static const int priority[] = { 3, 4, 6, 7 };
	static const char *const word[] = { "error: ", "warning: ", "", "" };
	int saved = errno;
	char text[1024], clean[4 * sizeof(text)];
	size_t out = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		/* UTF-8 may pass; C0, DEL and the escape that starts a terminal sequence may not */
		if (c >= 0x20 && c != 0x7f)
			clean[out++] = (char)c;
		else
			out += (size_t)snprintf(clean + out, 5, "\\x%02x", c);
	}
	clean[out] = '\0';
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>", priority[level]);
	fprintf(stderr, "%s: %s%s\n", area, word[level], clean);
	errno = saved;
}
