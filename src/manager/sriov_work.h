/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of a PF's number of VFs that are under way: the journal knows them, a mark (manager/busy.h) says whether anybody is
 * at work on one. No assignment is behind them, so the mark's number is that of the journal's row, negative.
 */
#ifndef BERTH_MANAGER_SRIOV_WORK_H
#define BERTH_MANAGER_SRIOV_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"

struct berth_busy_look;
struct berth_device;
struct berth_err;
struct berth_intent;
struct berth_intent_list;
struct berth_manager;

/* berth_intent.op of the step. */
#define BERTH_SRIOV_OP "sriov-vfs"

/*
 * The journal's open steps outside any assignment: those with op BERTH_SRIOV_OP are meant. @ret: owned by the caller,
 * berth_intent_list_free(). Return: 0, none where the ledger is hidden; -errno.
 */
int berth_sriov_work_find(struct berth_manager *m, struct berth_intent_list *ret,
			  struct berth_err *err);

/* Is somebody else at work on it? */
bool berth_sriov_work_look(struct berth_manager *m, const struct berth_intent *step,
			   struct berth_busy_look *ret);
/* Is somebody else at work on @dev's VFs, or on those of its PF? */
bool berth_sriov_work_on(struct berth_manager *m, const struct berth_device *dev,
			 struct berth_busy_look *ret);

/**
 * berth_sriov_work_begin() - the writes that follow are those of the journal's row @seq
 * @pf: for the sentence
 *
 * Return: 0; BERTH_REFUSED somebody else is at work on it; -ENOENT it was finished meanwhile; -errno.
 */
int berth_sriov_work_begin(struct berth_manager *m, int64_t seq, const char *pf,
			   struct berth_err *err);

/* Has a write of ours missed its deadline, and is the kernel still at it? Then the row stays open for who comes after that. */
bool berth_sriov_work_is_left(struct berth_manager *m, int64_t seq);

/* @over: its outcome is in the journal. */
void berth_sriov_work_end(struct berth_manager *m, int64_t seq, bool over);

#endif
