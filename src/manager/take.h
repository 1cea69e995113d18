/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking groups from the host and giving them back: the moves that assign, run, release and recover are made of.
 * Ledger first, then the kernel, then the ledger again.
 */
#ifndef BERTH_MANAGER_TAKE_H
#define BERTH_MANAGER_TAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "manager/request.h"
#include "policy/ledger.h"

struct berth_bind_state;
struct berth_report;
struct berth_steps;
struct berth_unit;

/**
 * berth_take_plan() - the steps for every group of a request that is still with the host
 * @steps: added to
 */
int berth_take_plan(struct berth_manager *m, const struct berth_request *q,
		    struct berth_steps *steps, struct berth_err *err);

/* The same for one unit, as it is now. */
int berth_take_plan_unit(struct berth_manager *m, const struct berth_unit *unit,
			 struct berth_steps *steps, struct berth_err *err);

/**
 * berth_take() - own them: claimed in the ledger, all functions on vfio-pci
 * @q: groups that the VM has already are left as they are
 * @ret_ids: one per unit of @q, also of those it had; those newly taken are in state "preparing"
 *
 * All or nothing: when a step fails, everything is taken back and the claim ends. What cannot be taken back is left
 * "faulted", and @err says so.
 *
 * Return: 0; BERTH_REFUSED; -errno.
 */
int berth_take(struct berth_manager *m, const struct berth_request *q, enum berth_owned_kind kind,
	       int64_t *ret_ids, struct berth_report *report, struct berth_err *err);

/* Take back an unfinished berth_take() of one assignment, and end it. @why: for the ledger. Return: 0; -errno, "faulted". */
int berth_untake(struct berth_manager *m, const struct berth_assignment *a, const char *why,
		 struct berth_err *err);

/**
 * berth_give() - back to the host as found, and the assignment ends
 * @why: for the ledger and the audit record: "release", "VM ended", …
 *
 * Continues where an earlier one stopped. Devices that are gone are noted and count as given back.
 *
 * Return: 0; -errno: the assignment is "faulted", with the reason.
 */
int berth_give(struct berth_manager *m, const struct berth_assignment *a, const char *why,
	       struct berth_report *report, struct berth_err *err);

/**
 * berth_take_record() - for `berth bind`: one function of a group, in state "preparing"; nothing is moved
 * @now: how it is found
 *
 * Return: 0; BERTH_REFUSED the group is taken; -errno.
 */
int berth_take_record(struct berth_manager *m, const struct berth_unit *unit,
		      const struct berth_device *dev, const struct berth_bind_state *now,
		      int64_t *ret_id, struct berth_err *err);
/* The same for another function of a group that is recorded already. */
int berth_take_record_more(struct berth_manager *m, int64_t id, const struct berth_device *dev,
			   const struct berth_bind_state *now, struct berth_err *err);

/* One assignment as it is now. Return: 0; -ENOENT no longer live; -errno. */
int berth_take_reread(struct berth_manager *m, int64_t id, struct berth_assignment_list *ret,
		      struct berth_err *err);

/**
 * berth_take_mark() - on to its next state, with an audit record for each member, in a transaction of its own
 *
 * Return: 0; -ENOENT not live; -EPROTO no such move from its state (policy/transitions.h); -errno.
 */
int berth_take_mark(struct berth_manager *m, const struct berth_assignment *a,
		    enum berth_owned_event event, const char *verb, const char *reason,
		    struct berth_err *err);

/*
 * What we could not put right: the row stays, nobody else gets the group: "faulted", or "quarantined" when a guest has used it
 * and it was not reset since, which "faulted" would forget. While the kernel is still at it (manager/busy.h), nothing.
 */
void berth_take_fault(struct berth_manager *m, const struct berth_assignment *a,
		      const struct berth_err *err);

/* Who answers for the groups from now on; pid 0: nobody needs to. */
struct berth_take_holder {
	pid_t pid;
	uint64_t start;
};

/**
 * berth_take_settle() - the end of a berth_take(): @event for all groups at once
 * @ids: what berth_take() gave
 * @with_own: also those that the VM had before
 *
 * Return: 0; -ENOENT one is not live any more; -errno.
 */
int berth_take_settle(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      bool with_own, enum berth_owned_event event, struct berth_take_holder holder,
		      const char *verb, struct berth_err *err);

/* Take back all groups of a request that berth_take() has newly taken, the last first; what cannot be is added to @err. */
void berth_untake_all(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      struct berth_err *err);

#endif
