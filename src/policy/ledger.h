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

#include "base/bdf.h"
#include "base/cleanup.h"

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

/* --- assignments --- */

/* Names are in the file and in --json: berth_owned_state_name(). The order is the usual course of life. */
enum berth_owned_state {
	BERTH_OWNED_PREPARING, /* "preparing": on its way from the host; undone when its holder died */
	BERTH_OWNED_ASSIGNED,	/* "assigned": on vfio-pci, kept for the VM, nobody has it open */
	BERTH_OWNED_IN_USE,	/* "in-use": the holder has its descriptors open */
	BERTH_OWNED_RELEASING,	/* "releasing": the VM is letting go */
	BERTH_OWNED_SANITISING, /* "sanitising": being reset and cleaned */
	BERTH_OWNED_RETURNING,	/* "returning": on its way to the driver it was found with */
	BERTH_OWNED_FAULTED, /* "faulted": a step failed and could not be undone; not offered to anyone */
	BERTH_OWNED_QUARANTINED, /* "quarantined": working, but not clean or not proven clean */
	BERTH_OWNED_IDENTITY_CHANGED, /* "identity-changed": another device sits at its place now */
};
#define BERTH_OWNED_ANY ((enum berth_owned_state) - 1) /* for berth_ledger_set_state() only */

const char *berth_owned_state_name(enum berth_owned_state state);

/* Why a group is held; names "assign", "run", "bind", "children". */
enum berth_owned_kind {
	BERTH_OWNED_BY_ASSIGN, /* `berth assign`: kept until `berth release` */
	BERTH_OWNED_BY_RUN,    /* `berth run`: ends with the VM */
	BERTH_OWNED_BY_BIND, /* `berth bind`: low level, no VM; the VM name is BERTH_LEDGER_VM_BIND */
	BERTH_OWNED_BY_CHILDREN, /* held by this ledger for a parent whose VFs are owned; see berth_claim_group */
};

const char *berth_owned_kind_name(enum berth_owned_kind kind);

/* Stand-ins for a VM's name; no VM may have a name that starts with '@'. */
#define BERTH_LEDGER_VM_BIND	 "@bind"
#define BERTH_LEDGER_VM_CHILDREN "@children"

/* One device of an owned group, as it was found. NULL text: there was none (no driver, no override, …). */
struct berth_member {
	char bdf[BERTH_BDF_LEN]; /* where it was then */
	char *path; /* stable PCI path: the identity; at most one live assignment has it */
	uint16_t vendor, device;
	bool companion;	      /* came along with its group or slot; nobody named it */
	bool restored;	      /* given back as found */
	char *found_driver;   /* driver it was bound to */
	char *found_override; /* driver_override */
	char *found_power;    /* power/control: "auto" or "on" */
	char *found_net;      /* VF network settings, JSON text */
	char *found_more;     /* anything else to be given back, JSON text */
};

struct berth_assignment {
	int64_t id;    /* never used again for another one */
	int64_t claim; /* id of the first assignment that was claimed together with this one */
	char *group;   /* group key */
	char *parent;  /* group key of the PF when this is a VF, or NULL */
	char *vm;
	enum berth_owned_kind kind;
	enum berth_owned_state state;
	int64_t generation; /* counts the owners of this group, from 1 */
	char *boot_id;	    /* boot in which the holder and the state were recorded */
	pid_t pid;	    /* the process that uses it or is working on it; 0 when there is none */
	uint64_t pid_start; /* its start time in clock ticks since boot (proc(5), stat, field 22) */
	int64_t created, changed, ended; /* seconds since 1970; ended 0 = live */
	char *reason;			 /* why it is in its state, for people; or NULL */
	struct berth_member *members;
	size_t nr_members;
};

struct berth_assignment_list {
	struct berth_assignment *items;
	size_t nr;
};
void berth_assignment_list_free(struct berth_assignment_list *list);

struct berth_claim {
	const char *vm;
	enum berth_owned_kind kind;
	const char *boot_id;
	pid_t pid; /* who is going to work on it; 0 for nobody */
	uint64_t pid_start;
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
 * berth_ledger_set_state() - move a live assignment from one state to another
 * @from: the state it must be in, so that of two processes only one makes the move; or BERTH_OWNED_ANY
 * @reason: NULL, or why, for people; replaces the former reason
 *
 * Return: 0; BERTH_REFUSED it is in another state, which the text names; BERTH_ABSENT @id is not live.
 */
int berth_ledger_set_state(struct berth_ledger *ledger, int64_t id, enum berth_owned_state from,
			   enum berth_owned_state to, const char *reason, struct berth_err *err);

/* Record who uses it or works on it; @pid 0 for nobody. Return: 0; BERTH_ABSENT @id is not live. */
int berth_ledger_set_holder(struct berth_ledger *ledger, int64_t id, const char *boot_id, pid_t pid,
			    uint64_t pid_start, struct berth_err *err);

/* An assignment by `run` becomes one that is kept, or the other way round. Return: 0; BERTH_ABSENT @id is not live. */
int berth_ledger_set_kind(struct berth_ledger *ledger, int64_t id, enum berth_owned_kind kind,
			  struct berth_err *err);

/* It is over; the group is free. @reason may be NULL. Return: 0; BERTH_ABSENT @id is not live (any more). */
int berth_ledger_end(struct berth_ledger *ledger, int64_t id, const char *reason,
		     struct berth_err *err);

/* All that are given must hold; an empty query finds every live assignment. */
struct berth_ledger_query {
	int64_t id;	   /* 0: any */
	const char *group; /* NULL: any, here and below */
	const char *vm;
	const char *bdf;  /* one of its members was found there */
	const char *path; /* one of its members has this path */
	bool with_ended;  /* history too */
};

/**
 * berth_ledger_find() - assignments with their members
 * @ret: owned by the caller, berth_assignment_list_free(); ordered by id, members by bdf
 *
 * Return: 0 (also for none).
 */
int berth_ledger_find(struct berth_ledger *ledger, const struct berth_ledger_query *query,
		      struct berth_assignment_list *ret, struct berth_err *err);

/* For policy/journal.c and policy/audit.c. */
struct berth_db *berth_ledger_db(struct berth_ledger *ledger);

#endif
