/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases of the manager's verbs: how long a VM may have what it asks for, prolonging it, and what is done when it is over.
 *
 * There is no daemon: the end of a lease is acted on by whoever opens the manager for change next, and while its VM runs by
 * the VM's supervisor. Both act after end + grace, on devices that nobody has open:
 *   notify     says so, once; nobody takes anything
 *   detach     gives back what is assigned; what a running VM uses goes back when the VM has ended
 *   shutdown   the same, and the supervisor stops the VM
 */
#ifndef BERTH_MANAGER_LEASE_H
#define BERTH_MANAGER_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/lease.h"

struct berth_assignment;
struct berth_err;
struct berth_manager;
struct berth_report;
struct berth_request;
struct berth_unit;

/* What was asked for; all 0: nothing, which is what the policy's rule gives, and for ever without one. */
struct berth_lease_wish {
	int64_t for_s; /* seconds from now; 0: not said */
	int64_t until; /* a moment; 0: not said */
	bool has_on_expiry;
	enum berth_expiry on_expiry; /* else the rule's, else detach */
};

/* What the rules of several groups say together: the shortest time, the strongest end. */
struct berth_lease_limits {
	/* borrowed from the policy; of the shortest time; NULL: none says anything */
	const struct berth_rule *rule;
	int64_t max_s; /* 0: no limit */
	int64_t grace_s;
	bool may_renew;
	bool has_on_expiry;
	enum berth_expiry on_expiry;
};

#define BERTH_LEASE_LIMITS_INIT                                                                    \
	{                                                                                          \
		.rule = NULL, .may_renew = true                                                    \
	}

/* Return: 0; BERTH_REFUSED @vm may not have @unit at all; -errno. */
int berth_lease_limits_add(struct berth_manager *m, const struct berth_unit *unit, const char *vm,
			   struct berth_lease_limits *limits, struct berth_err *err);

/**
 * berth_lease_make() - the lease that a wish and the limits make, from @start on
 * @ret: berth_lease_done(); end 0: none
 *
 * Return: as berth_lease_plan().
 */
int berth_lease_make(const struct berth_lease_limits *limits, const struct berth_lease_wish *wish,
		     const char *vm, int64_t start, struct berth_lease *ret, struct berth_err *err);

/**
 * berth_lease_plan() - the lease that a request would get
 * @ret: berth_lease_done(); end 0: none, it is kept until it is released
 *
 * Only what the VM has not yet gets one.
 *
 * Return: 0; BERTH_REFUSED longer, or with a weaker end, than the rule allows, which the sentence names; -EINVAL it would be
 *         over already; -errno.
 */
int berth_lease_plan(struct berth_manager *m, const struct berth_request *q,
		     const struct berth_lease_wish *wish, struct berth_lease *ret,
		     struct berth_err *err);

/* Write it down for what was taken: @ids as berth_take() gave them. Nothing for an end of 0. Return: 0; -errno. */
int berth_lease_start(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      const struct berth_lease *lease, const char *verb, struct berth_err *err);

/* The line for people: "0000:01:00.0: lease until … (in 2 h 0 min), then detach". Nothing for an end of 0. */
void berth_lease_report(const struct berth_request *q, const struct berth_lease *lease,
			struct berth_report *report);

/* A line of the audit record for each device of a claim. @was: the end before, 0 for no lease; @after, @reason: words. */
int berth_lease_audit(struct berth_manager *m, int64_t claim, const char *verb, int64_t was,
		      const char *after, const char *reason, struct berth_err *err);
/* "until 2026-12-01T18:00:00Z, then detach" */
void berth_lease_after_words(const struct berth_lease *lease, char buf[static BERTH_LEASE_WORDS]);

#endif
