/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/trace.h"

#include <stdlib.h>

struct berth_check *berth_trace_add(struct berth_trace *trace, const struct berth_check *check)
{
	struct berth_check *bigger;
	size_t room;

	if (!trace)
		return NULL;
	if (trace->nr == trace->room) {
		room = trace->room ? 2 * trace->room : 16;
		bigger = reallocarray(trace->items, room, sizeof(*bigger));
		if (!bigger) {
			trace->incomplete = true;
			return NULL;
		}
		trace->items = bigger;
		trace->room = room;
	}
	trace->items[trace->nr] = *check;
	return &trace->items[trace->nr++];
}

void berth_trace_done(struct berth_trace *trace)
{
	free(trace->items);
	*trace = (struct berth_trace){ 0 };
}

const char *berth_check_result_name(enum berth_check_result result)
{
	static const char *const names[] = {
		[BERTH_CHECK_PASS] = "pass",
		[BERTH_CHECK_FAIL] = "fail",
		[BERTH_CHECK_UNKNOWN] = "unknown",
		[BERTH_CHECK_NONE] = NULL,
	};

	return names[result];
}

const char *berth_vote_name(enum berth_vote vote)
{
	static const char *const names[] = {
		[BERTH_VOTE_NONE] = NULL,
		[BERTH_VOTE_ALLOW] = "allow",
		[BERTH_VOTE_DENY] = "deny",
		[BERTH_VOTE_FORBID] = "forbid",
		[BERTH_VOTE_MAY_FORBID] = "may-forbid",
	};

	return names[vote];
}
