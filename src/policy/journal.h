/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of changes to the kernel's state: what was about to be done, and what came of it.
 *
 * Written before and after each step, so that whoever comes after a crash knows which step may or may not have happened
 * (no outcome: look at the kernel) and how to take it back. What op, arg and undo mean is the manager's affair.
 * The common returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_JOURNAL_H
#define BERTH_POLICY_JOURNAL_H

#include "policy/ledger.h"

/* Names in the file: "done", "failed", "undone"; NULL there while open. */
enum berth_outcome_of_step {
	BERTH_STEP_OPEN = 1 << 0,
	BERTH_STEP_DONE = 1 << 1,
	BERTH_STEP_FAILED = 1 << 2, /* seen not to have happened */
	BERTH_STEP_UNDONE = 1 << 3,
};

struct berth_intent {
	int64_t seq;
	int64_t assignment; /* 0: none (a change of the host outside any assignment) */
	char *bdf;	    /* or NULL */
	char *op;
	char *arg;  /* or NULL */
	char *undo; /* or NULL: nothing to undo */
	enum berth_outcome_of_step outcome;
	char *note;		/* or NULL */
	int64_t started, ended; /* seconds since 1970; ended 0 while open */
};

struct berth_intent_list {
	struct berth_intent *items;
	size_t nr;
};
void berth_intent_list_free(struct berth_intent_list *list);

/**
 * berth_journal_intent() - on the disk before the step is taken
 * @intent: borrowed; assignment, bdf, op, arg and undo are read
 *
 * Return: 0; -EINVAL no op, or an assignment that does not exist.
 */
int berth_journal_intent(struct berth_ledger *ledger, const struct berth_intent *intent,
			 int64_t *ret_seq, struct berth_err *err);

/**
 * berth_journal_outcome() - what came of it, after looking
 * @note: NULL, or more, for people
 *
 * Open steps can become done, failed or undone, done ones undone.
 *
 * Return: 0; BERTH_ABSENT no such step, or it already has this or another final outcome.
 */
int berth_journal_outcome(struct berth_ledger *ledger, int64_t seq,
			  enum berth_outcome_of_step outcome, const char *note,
			  struct berth_err *err);

/**
 * berth_journal_close() - an outcome for every step of @assignment that has none
 *
 * For steps that were interrupted, when what was done since has settled where the device is.
 *
 * Return: how many they were; < 0.
 */
int berth_journal_close(struct berth_ledger *ledger, int64_t assignment,
			enum berth_outcome_of_step outcome, const char *note,
			struct berth_err *err);

/**
 * berth_journal_find() - steps, the newest first: the order to undo them in
 * @assignment: or -1 for those of all and of none
 * @wanted: enum berth_outcome_of_step ored; recovery asks for OPEN | DONE
 * @ret: owned by the caller, berth_intent_list_free()
 */
int berth_journal_find(struct berth_ledger *ledger, int64_t assignment, unsigned int wanted,
		       struct berth_intent_list *ret, struct berth_err *err);

#endif
