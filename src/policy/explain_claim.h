/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims in words and as JSON: what was decided, the checks on every candidate in order, the scores, the nearest misses.
 *
 * The checks are those that berth_decide_group() and berth_claim_decide() made, asked for again in the same world with a
 * trace; besides the codes of policy/reason.h there are "DISTANCE", "SAME", "DISTINCT" and "NUMA" for what a claim itself asks.
 */
#ifndef BERTH_POLICY_EXPLAIN_CLAIM_H
#define BERTH_POLICY_EXPLAIN_CLAIM_H

#include "base/json.h"
#include "policy/plan.h"

#define BERTH_EXPLAIN_CLAIM_TEXT 2048

/* One sentence without a full stop about the @i-th answer of a plan, cut to @size. Returns @buf. */
char *berth_explain_claim(const struct berth_plan *plan, size_t i, char *buf, size_t size);

/* What would make it succeed; "" when it is met, or nobody knows. Returns @buf. */
char *berth_explain_claim_remedy(const struct berth_plan *plan, size_t i, char *buf, size_t size);

/*
 * { "vm", "priority", "outcome", "alternative", "best", "text", "remedy", "file", "line", "pointer", "devices": [ { "request",
 *   "n", "bdf", "path", "group" } ], "victims": [ … ], "score": { … } }. New reference.
 */
json_t *berth_explain_claim_json(const struct berth_plan *plan, size_t i);

/*
 * Of the last answer of a plan that stopped at its claim: [ { "name", "wanted", "fit", "allowed", "candidates": [ { "bdf",
 * "path", "group", "members", "allowed", "chosen", "reason", "text", "remedy", "passed", "failed", "checks" } ] } ]; checks as
 * of berth_explain_check(). New reference; NULL: no memory.
 */
json_t *berth_explain_claim_requests(struct berth_plan *plan);

#endif
