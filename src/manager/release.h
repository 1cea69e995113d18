/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth release: devices back to the host, reset and as they were found.
 */
#ifndef BERTH_MANAGER_RELEASE_H
#define BERTH_MANAGER_RELEASE_H

#include <stdbool.h>
#include <stddef.h>

struct berth_assignment;
struct berth_err;
struct berth_manager;
struct berth_report;
struct berth_vm_claim;

struct berth_release_how {
	bool dry_run; /* only report what would be done */
	bool unclean; /* give back also what cannot be reset: the person says that they know */
};

/**
 * berth_manager_release() - give devices back
 * @names: devices, @nr of them; their whole groups go back. With @nr 0: everything that @vm owns
 * @vm: may be NULL when there are names; else what is named must be owned by it
 *
 * Released by their owner's VM or by `berth bind`; also what is faulted, quarantined, or half-way.
 *
 * Return: 0; BERTH_REFUSED in use by a live process, not owned, or used and its reset is not proven (it is quarantined);
 *         -EINVAL, -ENODEV as for assign; -ENOENT @vm owns nothing; -errno of a step that failed, the rest is released.
 */
int berth_manager_release(struct berth_manager *m, const char *vm, const char *const *names,
			  size_t nr, struct berth_release_how how, struct berth_report *report,
			  struct berth_err *err);

/**
 * berth_release_idle() - give one assigned group back that nobody uses, as `berth release` does
 * @why: for the ledger and the audit record
 *
 * Return: 0; BERTH_REFUSED some process has it open; -errno of a step that failed.
 */
int berth_release_idle(struct berth_manager *m, const struct berth_assignment *a, const char *why,
		       struct berth_report *report, struct berth_err *err);

/**
 * berth_release_used() - what happens to a group whose user has ended
 * @c: what its holder found when it reset it, or NULL
 *
 * Resets it if need be. One that was assigned goes on being assigned, one that was claimed for a run goes back to the host,
 * one whose reset is not proven stays with its VM, quarantined.
 *
 * Return: 0; BERTH_REFUSED some process still has it open; -EUCLEAN no reset is proven: it is quarantined, @err says why;
 *         -errno.
 */
int berth_release_used(struct berth_manager *m, const struct berth_assignment *a,
		       const struct berth_vm_claim *c, const char *verb,
		       struct berth_report *report, struct berth_err *err);

#endif
