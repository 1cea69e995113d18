/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One owner's hold on one group, as the ledger has it, and how to find it there. Changing it: policy/ledger.h.
 */
#ifndef BERTH_POLICY_ASSIGNMENT_H
#define BERTH_POLICY_ASSIGNMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bdf.h"

struct berth_db;
struct berth_err;

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

const char *berth_owned_state_name(enum berth_owned_state state);
int berth_owned_state_from_name(const char *name); /* -1: there is none of that name */

/* What moves an assignment from one state to another; policy/transitions.h has the table and the names. */
enum berth_owned_event {
	BERTH_ON_CLAIM,
	BERTH_ON_VF_CLAIM,
	BERTH_ON_BOUND,
	BERTH_ON_START,
	BERTH_ON_REBIND,
	BERTH_ON_REBOUND,
	BERTH_ON_USER_GONE,
	BERTH_ON_CLOSED,
	BERTH_ON_STILL_OPEN,
	BERTH_ON_PROVEN,
	BERTH_ON_UNPROVEN,
	BERTH_ON_GIVE,
	BERTH_ON_GIVEN,
	BERTH_ON_UNDONE,
	BERTH_ON_FAULT,
	BERTH_ON_IDENTITY,
	BERTH_ON_VFS_ENDED,
};
#define BERTH_OWNED_NR_EVENTS (BERTH_ON_VFS_ENDED + 1)

/* Why a group is held; names "assign", "run", "bind", "children". */
enum berth_owned_kind {
	BERTH_OWNED_BY_ASSIGN, /* `berth assign`: kept until `berth release` */
	BERTH_OWNED_BY_RUN,    /* `berth run`: ends with the VM */
	BERTH_OWNED_BY_BIND, /* `berth bind`: low level, no VM; the VM name is BERTH_LEDGER_VM_BIND */
	BERTH_OWNED_BY_CHILDREN, /* held by this ledger for a parent whose VFs are owned; see berth_claim_group */
};

const char *berth_owned_kind_name(enum berth_owned_kind kind);
int berth_owned_kind_from_name(const char *name); /* -1: there is none of that name */

/* Stand-ins for a VM's name; no VM may have a name that starts with '@'. */
#define BERTH_LEDGER_VM_BIND	 "@bind"
#define BERTH_LEDGER_VM_CHILDREN "@children"

/* One device of an owned group, as it was found. NULL text: there was none (no driver, no override, …). */
struct berth_member {
	char bdf[BERTH_BDF_LEN]; /* where it was then */
	char *path; /* stable PCI path: the identity; at most one live assignment has it */
	uint16_t vendor, device;
	char *serial; /* its Device Serial Number in words, or NULL: it had none, or nobody could read it */
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
	int priority;	  /* of the claim that it was given for, 0 … 999; 0 when there was none */
	bool preemptible; /* that claim may be displaced by one of higher priority */
	char *evict; /* why its VM is asked to let go of it, for people; NULL: it is not asked to */
	struct berth_member *members;
	size_t nr_members;
};

struct berth_assignment_list {
	struct berth_assignment *items;
	size_t nr;
};
void berth_assignment_list_free(struct berth_assignment_list *list);

/* All that are given must hold; an empty query finds every live assignment. */
struct berth_ledger_query {
	int64_t id;	   /* 0: any */
	const char *group; /* NULL: any, here and below */
	const char *vm;
	const char *bdf;  /* one of its members was found there */
	const char *path; /* one of its members has this path */
	bool with_ended;  /* history too */
};

/* For berth_ledger_find(), which see: the same on the ledger's file. */
int berth_assignment_find(struct berth_db *db, const struct berth_ledger_query *query,
			  struct berth_assignment_list *ret, struct berth_err *err);

#endif
