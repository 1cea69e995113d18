/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/timearg.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "policy/when.h"

/* By the local clock; of an hour that comes twice in autumn the one that mktime() takes. */
static int local_moment(const char *text, int64_t *ret)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
					     "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		time_t t;

		if (!end || *end)
			continue;
		t = mktime(&tm);
		if (t <= 0)
			return -EINVAL;
		*ret = (int64_t)t;
		return 0;
	}
	return -EINVAL;
}

int berth_timearg_moment(const char *text, int64_t *ret)
{
	return berth_moment_parse(text, ret) == 0 ? 0 : local_moment(text, ret);
}

int berth_timearg_since(const char *text, int64_t *ret)
{
	int64_t span;

	if (berth_span_parse(text, &span) < 0)
		return berth_timearg_moment(text, ret);
	*ret = (int64_t)time(NULL) - span;
	return 0;
}

char *berth_timearg_show(int64_t moment, char buf[static 32])
{
	time_t now = time(NULL), then = (time_t)moment;
	struct tm today, tm;

	buf[0] = '\0';
	if (!localtime_r(&now, &today) || !localtime_r(&then, &tm))
		return buf;
	strftime(buf, 32,
		 tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday ? "%H:%M" :
									      "%Y-%m-%d %H:%M",
		 &tm);
	return buf;
}
