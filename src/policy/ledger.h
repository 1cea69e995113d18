/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ownership ledger: who owns which IOMMU group, and how each device was found.
 *
 * One SQLite file, DIR/ledger.db, shared by every berth process of the host; there is no daemon. It is the memory of our
 * intent; the kernel is the truth about devices, and the manager reconciles the two. An assignment is one owner's hold on
 * one group; ended ones stay as history. What was found on each device before we touched it is kept with the assignment,
 * so that any later process can give it back. See also policy/journal.h (steps under way) and policy/audit.h (who did it).
 *
 * Every function that writes is atomic: inside berth_ledger_begin() … _commit() it joins that transaction, otherwise it
 * makes its own. What was committed is on the disk (WAL, synchronous=FULL). Keep transactions short: never hold one over a
 * kernel write, other verbs wait for it. After BERTH_REFUSED or an error inside a transaction, roll back.
 *
 * Common returns besides those listed:
 *   -ETIMEDOUT  another process held the ledger longer than the deadline
 *   -EROFS      a write on a ledger that was opened for reading
 *   -ENOSPC, -EIO, -ENOMEM
 *   -EUCLEAN    the file is damaged; the text says what to do
 *   -EBADMSG    a commit failed and it could not be found out whether it holds: treat every fact as unknown and start again
 *
 * Not thread-safe. A child made by fork() must not touch the parent's ledger: exec, _exit, or open its own.
 */
#ifndef BERTH_POLICY_LEDGER_H
#define BERTH_POLICY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "policy/assignment.h"

struct berth_db;
struct berth_err;
struct berth_ledger; /* opaque */

#define BERTH_LEDGER_DEADLINE_MS 10000

enum berth_ledger_mode {
	BERTH_LEDGER_READ, /* a missing ledger is an empty one and is not created */
	BERTH_LEDGER_WRITE, /* DIR (mode 0700) and the file are created when missing, old schemas brought up to date */
};

/**
 * berth_ledger_open() - open DIR/ledger.db
 * @dir: berth_host.state
 *
 * Return: 0; -EACCES no right to read (or, for writing, write) it: ownership is unknown to this user; -EUCLEAN damaged, or
 *         not a ledger of ours; -EPROTO written by a newer berth; else see above.
 */
int berth_ledger_open(struct berth_ledger **ret, const char *dir, enum berth_ledger_mode mode,
		      struct berth_err *err);
void berth_ledger_close(struct berth_ledger *ledger); /* rolls an open transaction back */
BERTH_DEFINE_CLEANUP(struct berth_ledger *, berth_ledger_close);

/* How long to wait for other processes; BERTH_LEDGER_DEADLINE_MS at first. */
void berth_ledger_set_deadline(struct berth_ledger *ledger, unsigned int deadline_ms);

/**
 * berth_ledger_begin(), _commit(), _rollback() - several changes as one
 *
 * begin takes the write lock at once, so what is read after it stays true until commit. Not nested (-EBUSY).
 * A commit that fails is looked up in the reopened file before it answers: 0 means that the changes are there for good,
 * -EIO and -ENOSPC that they are not, -EBADMSG that nobody can tell.
 * rollback without a transaction does nothing.
 */
int berth_ledger_begin(struct berth_ledger *ledger, struct berth_err *err);
int berth_ledger_commit(struct berth_ledger *ledger, struct berth_err *err);
void berth_ledger_rollback(struct berth_ledger *ledger);

/* --- assignments: policy/assignment.h is what they look like --- */

struct berth_claim {
	const char *vm;
	enum berth_owned_kind kind;
	const char *boot_id;
	pid_t pid; /* who is going to work on it; 0 for nobody */
	uint64_t pid_start;
	int priority;	  /* 0 … 999: what its VM needs it for, against other claims */
	bool preemptible; /* a claim of higher priority may displace it */
};

/*
 * @parent: NULL, or for a VF the group key of its PF. A parent cannot be owned itself while a VF of it is, nor the other way
 *          round: the ledger holds it for BERTH_LEDGER_VM_CHILDREN, without members, until the last VF's assignment ends.
 *          Such rows never show up in berth_ledger_find().
 */
struct berth_claim_group {
	const char *group;
	const char *parent;
};

/**
 * berth_ledger_claim() - become the owner of groups, all or none
 * @ret_ids: @nr assignment ids in the order of @groups, each in state "preparing"
 *
 * Return: 0; BERTH_REFUSED a group is taken (or named twice), the sentence names it, its owner and the owner's state;
 *         -EINVAL empty name, or a VM name with '@' in front that is not the one of its kind.
 */
int berth_ledger_claim(struct berth_ledger *ledger, const struct berth_claim *claim,
		       const struct berth_claim_group *groups, size_t nr, int64_t *ret_ids,
		       struct berth_err *err);

/**
 * berth_ledger_add_member() - record a device of a live assignment as found, before it is touched
 * @member: borrowed; bdf and path must be given
 *
 * Return: 0; BERTH_REFUSED a live assignment already has this path; BERTH_ABSENT @id is not live.
 */
int berth_ledger_add_member(struct berth_ledger *ledger, int64_t id,
			    const struct berth_member *member, struct berth_err *err);

/* The device at @bdf of assignment @id is as it was found. Return: 0; BERTH_ABSENT no such member. */
int berth_ledger_set_restored(struct berth_ledger *ledger, int64_t id, const char *bdf,
			      struct berth_err *err);

/**
 * berth_ledger_move() - let an event move a live assignment to its next state
 * @reason: NULL, or why, for people; replaces the former reason
 * @ret_state: may be NULL; the state it is in now
 *
 * Where it goes is what the table of transitions (policy/transitions.h) says for the state it is in now, so that of two
 * processes only one makes a move. Ending one is berth_ledger_end().
 *
 * Return: 0; -EPROTO the table has no such move, the text names state and event; BERTH_ABSENT @id is not live.
 */
int berth_ledger_move(struct berth_ledger *ledger, int64_t id, enum berth_owned_event event,
		      const char *reason, enum berth_owned_state *ret_state, struct berth_err *err);

/* Record who uses it or works on it; @pid 0 for nobody. Return: 0; BERTH_ABSENT @id is not live. */
int berth_ledger_set_holder(struct berth_ledger *ledger, int64_t id, const char *boot_id, pid_t pid,
			    uint64_t pid_start, struct berth_err *err);

/* An assignment by `run` becomes one that is kept, or the other way round. Return: 0; BERTH_ABSENT @id is not live. */
int berth_ledger_set_kind(struct berth_ledger *ledger, int64_t id, enum berth_owned_kind kind,
			  struct berth_err *err);

/*
 * Its VM is asked to let go of it, for @why; NULL: no longer. Whoever opens the manager for change next gives it back when no
 * VM uses it, a running VM is stopped by its supervisor (manager/evict.h). Return: 0; BERTH_ABSENT @id is not live.
 */
int berth_ledger_set_evict(struct berth_ledger *ledger, int64_t id, const char *why,
			   struct berth_err *err);

/*
 * It is over; the group is free. @reason may be NULL. Return: 0; -EPROTO it cannot end in the state that it is in (only
 * "preparing" and "returning" have such a move); BERTH_ABSENT @id is not live (any more).
 */
int berth_ledger_end(struct berth_ledger *ledger, int64_t id, const char *reason,
		     struct berth_err *err);

/**
 * berth_ledger_find() - assignments with their members
 * @ret: owned by the caller, berth_assignment_list_free(); ordered by id, members by bdf
 *
 * Return: 0 (also for none).
 */
int berth_ledger_find(struct berth_ledger *ledger, const struct berth_ledger_query *query,
		      struct berth_assignment_list *ret, struct berth_err *err);

/* For the other tables of the file: policy/journal.c, audit.c, …. */
struct berth_db *berth_ledger_db(struct berth_ledger *ledger);

#endif
