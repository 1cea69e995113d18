/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When each device was last given back by an owner: what has rested longest is picked first (policy/score.h).
 *
 * Kept by stable path, and longer than the assignments that it comes from. Common returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_LAST_USE_H
#define BERTH_POLICY_LAST_USE_H

#include <stddef.h>
#include <stdint.h>

struct berth_db;
struct berth_err;
struct berth_ledger;

struct berth_last_use {
	char *path;   /* owned */
	int64_t time; /* seconds since 1970 */
};

struct berth_last_use_list {
	struct berth_last_use *items; /* by path, in the order of strcmp() */
	size_t nr;
};
void berth_last_use_list_free(struct berth_last_use_list *list);

/* Every device that was ever given back. Return: 0 (also for none). */
int berth_last_use_all(struct berth_ledger *ledger, struct berth_last_use_list *ret,
		       struct berth_err *err);

/* Of one of them. Return: seconds since 1970; 0: never, as far as anybody knows. */
int64_t berth_last_use_of(const struct berth_last_use_list *list, const char *path);

/* For berth_ledger_end(): the members of assignment @id were in use until @time. Return: rows, or < 0. */
int berth_last_use_note(struct berth_db *db, int64_t id, int64_t time, struct berth_err *err);

#endif
