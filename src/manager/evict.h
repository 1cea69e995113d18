/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a VM to let go of what it has: a taint with the effect evict, or a claim of higher priority that needs it.
 *
 * What is asked for is written into the ledger with its assignment (struct berth_assignment.evict). From then on it is as if a lease
 * with "shutdown" had ended: the supervisor stops its VM (tools/vm_lease.h), and what no VM uses is given back by whoever opens
 * the manager for change next (manager/expire.h). So nothing depends on who asked: it may die at any moment.
 */
#ifndef BERTH_MANAGER_EVICT_H
#define BERTH_MANAGER_EVICT_H

#include <stdbool.h>

struct berth_assignment;
struct berth_assignment_list;
struct berth_err;
struct berth_manager;
struct berth_report;

/**
 * berth_evict_ask() - its VM shall let go of @a
 * @why: for people, "t2 (priority 5) needs it"; NULL: it need not any more
 * @verb: for the audit record
 *
 * Inside the caller's transaction. Return: 0; -ENOENT it is over; -errno.
 */
int berth_evict_ask(struct berth_manager *m, const struct berth_assignment *a, const char *verb,
		    const char *why, struct berth_err *err);

/* Can it be given back now? Not what a VM uses, and not what is faulted or quarantined: that was left to a person. */
bool berth_evict_is_idle(const struct berth_assignment *a);

/**
 * berth_evict_idle() - give back what was asked for and nobody uses
 * @changed: set when something on the host was changed, else left as it is
 *
 * What cannot be given back is told in the report and keeps nobody from anything. Return: 0; -errno of the ledger.
 */
int berth_evict_idle(struct berth_manager *m, struct berth_report *report, bool *changed,
		     struct berth_err *err);
/* Only say what berth_evict_idle() would do. Return: 0; -errno. */
int berth_evict_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err);

/*
 * What running VMs were asked to let go of: their supervisors look at the ledger each minute, or when somebody nudges them.
 * @ret: owned by the caller, berth_assignment_list_free(). Return: 0; -errno.
 */
int berth_evict_running(struct berth_manager *m, struct berth_assignment_list *ret,
			struct berth_err *err);

#endif
