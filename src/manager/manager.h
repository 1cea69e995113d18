/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource manager of one host, as one verb sees it: host, inventory, policy and ledger, opened together and
 * agreeing with each other.
 *
 * Opened for change, it holds the host's lock ($BERTH_STATE/lock) until it is closed, and has repaired what an earlier
 * crash left behind (manager/recover.h) before berth_manager_open() returns. Opened for reading, it writes nothing, takes no
 * lock and works for any user. Short-lived: open, one verb, close; a supervisor opens it twice, once to claim and once to
 * give back, never for the life of its VM. Not thread-safe.
 *
 * The verbs are functions, one file each: manager/assign.h, release.h, bind_verb.h, claim.h, plan.h, status.h, recover.h.
 */
#ifndef BERTH_MANAGER_MANAGER_H
#define BERTH_MANAGER_MANAGER_H

#include "base/cleanup.h"

struct berth_err;
struct berth_host;
struct berth_manager;
struct berth_report;

enum berth_manager_mode {
	BERTH_MANAGER_READ,   /* list, show, status, plan, --dry-run */
	BERTH_MANAGER_CHANGE, /* assign, release, bind, unbind, claim, recover */
};

/* How long a changing verb waits for another one to finish: one stuck sysfs write and what follows it. */
#define BERTH_MANAGER_LOCK_MS 60000

/**
 * berth_manager_open() - everything that a verb needs to know, read once
 * @host: borrowed, must outlive the manager
 * @report: may be NULL; BERTH_MANAGER_CHANGE: one line per repair that was made on the way
 *
 * Return: 0; -EBUSY another verb has held the lock for BERTH_MANAGER_LOCK_MS; -EACCES state folder not writable; -errno.
 */
int berth_manager_open(struct berth_manager **ret, struct berth_host *host,
		       enum berth_manager_mode mode, struct berth_report *report,
		       struct berth_err *err);

/* The user insists (--force): what the policy protects may be given where a rule of it says so. Overrides nothing of safety. */
void berth_manager_force(struct berth_manager *m);

/* How much what is asked for matters: who waits for it with less is passed (0 … BERTH_QUEUE_PRIORITY_MAX, 0 unless said). */
void berth_manager_priority(struct berth_manager *m, int priority);

void berth_manager_close(struct berth_manager *m);
BERTH_DEFINE_CLEANUP(struct berth_manager *, berth_manager_close);

#endif
