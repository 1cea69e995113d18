/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth assign, berth plan: devices for a VM, kept for it until they are released.
 */
#ifndef BERTH_MANAGER_ASSIGN_H
#define BERTH_MANAGER_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "manager/lease.h"
#include "manager/steps.h"

struct berth_err;
struct berth_manager;
struct berth_report;

/**
 * berth_manager_plan() - the steps that berth_manager_assign() would take now
 * @m: opened for reading is enough
 * @ret: owned by the caller, berth_steps_done(); no steps when the VM has all of it already
 *
 * Return: as berth_manager_assign().
 */
int berth_manager_plan(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_steps *ret, struct berth_err *err);

struct berth_assign_how {
	bool dry_run; /* only report the steps */
	struct berth_lease_wish lease;
	int priority;  /* 0 … BERTH_QUEUE_PRIORITY_MAX: who waits with this or more comes first */
	int64_t entry; /* our place in the queue; 0: none. For manager/wait.c */
};

/**
 * berth_manager_assign_how() - give devices to @vm: their whole groups on vfio-pci, in the ledger, nobody else's
 * @m: opened for change, or with how->dry_run for reading
 * @names: BDF, stable path, name from policy, pool:NAME
 *
 * What @vm has already it keeps, with the lease that it has; that is no error. All or nothing.
 *
 * Return: 0; -EINVAL malformed BDF or VM name, a lease that would be over; -ENODEV no such device; BERTH_REFUSED owned by another, or by safety or
 *         policy; -errno of a step that failed, after everything was taken back.
 */
int berth_manager_assign_how(struct berth_manager *m, const char *vm, const char *const *names,
			     size_t nr, const struct berth_assign_how *how,
			     struct berth_report *report, struct berth_err *err);

/* The same without any wish. */
int berth_manager_assign(struct berth_manager *m, const char *vm, const char *const *names,
			 size_t nr, bool dry_run, struct berth_report *report,
			 struct berth_err *err);

#endif
