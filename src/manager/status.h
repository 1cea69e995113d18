/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth status: who owns what, as ledger and kernel say it together. Looks only.
 */
#ifndef BERTH_MANAGER_STATUS_H
#define BERTH_MANAGER_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bdf.h"
#include "manager/drift.h"
#include "policy/queue.h"
#include "policy/reservation.h"
#include "policy/taint.h"

struct berth_err;
struct berth_manager;

struct berth_status_row {
	int group;     /* the kernel's number; -1: its devices are gone */
	char *devices; /* owned; BDFs, separated by blanks */
	char *vm;      /* owned; NULL: nobody's, or not known to this user */
	/* the ledger's, or "stuck": a kernel write to it does not return; "external": on vfio-pci, but not by us; "unknown": hidden from this user; "lost": its devices are gone */
	const char *state;
	const char *
		kind; /* "assign", "run", "bind"; "sriov": a stuck change of the number of VFs; NULL for external and unknown */
	int64_t since;	   /* seconds since 1970; 0 unknown */
	int64_t lease_end; /* seconds since 1970; 0: it has no lease */
	int64_t free_at;   /* when its lease is over and it is taken from its VM; 0: not known */
	pid_t holder;	   /* 0: none that lives */
	char holder_name[32];
	/* why policy would not give it to its VM today; "": it would, or nobody can tell */
	char drift[512];
	char reset[32]; /* "flr": how it was last reset; "unproven"; "" never, as far as we know */
	/* what the next changing verb will repair, or why it is in its state; "" nothing */
	char note[512];
};

struct berth_status {
	struct berth_status_row *rows; /* owned; ours by age, then external ones by group */
	size_t nr;
	/* owned; who waits, the next one first; nobody for whom the ledger is hidden */
	struct berth_queue queue;
	struct berth_taint_list taints; /* owned; by path; none for whom the ledger is hidden */
	struct berth_reservation_list reservations; /* owned; likewise, by beginning */
};

/* @ret: owned by the caller, berth_status_done(). Return: 0; -ENOMEM; -errno. */
int berth_status_read(struct berth_manager *m, struct berth_status *ret, struct berth_err *err);
void berth_status_done(struct berth_status *status);

/* The row of a device; NULL: there is none, it is the host's. Borrowed. */
const struct berth_status_row *berth_status_of(const struct berth_status *s, struct berth_bdf at);

#endif
