/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decisions in words: why, what would make it succeed, and every check as JSON. Says what decide.h found, looks at nothing again.
 */
#ifndef BERTH_POLICY_EXPLAIN_H
#define BERTH_POLICY_EXPLAIN_H

#include "base/json.h"
#include "policy/decide.h"

/* A sentence without a full stop that names device, VM, rule, file and pointer, cut to @size. Returns @buf. */
char *berth_explain_verdict(const struct berth_world *world, const struct berth_verdict *verdict,
			    char *buf, size_t size);

/* What would make it succeed, as a sentence without a full stop; "" when it is allowed. Returns @buf. */
char *berth_explain_remedy(const struct berth_world *world, const struct berth_verdict *verdict,
			   char *buf, size_t size);

/*
 * { "code", "result", "observed", "wanted", "rule", "file", "line", "column", "pointer", "bdf", "what", "name", "effect", "vm",
 *   "device", "because", "vote", "priority", "specificity" }; null for what a check has not. New reference.
 */
json_t *berth_explain_check(const struct berth_world *world, const struct berth_check *check);

/* How many checks of a trace pass and fail (unknown: as fail); those that do not bear on it are not counted. */
void berth_explain_count(const struct berth_trace *trace, size_t *ret_passed, size_t *ret_failed);

#endif
