/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth assign, berth plan: devices for a VM, kept for it until they are released.
 */
#ifndef BERTH_MANAGER_ASSIGN_H
#define BERTH_MANAGER_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>

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

/**
 * berth_manager_assign() - give devices to @vm: their whole groups on vfio-pci, in the ledger, nobody else's
 * @m: opened for change, or with @dry_run for reading
 * @names: BDF, stable path, name from policy, pool:NAME
 * @dry_run: only report the steps
 *
 * What @vm has already it keeps; that is no error. All or nothing.
 *
 * Return: 0; -EINVAL malformed BDF or VM name; -ENODEV no such device; BERTH_REFUSED owned by another, or by safety or
 *         policy; -errno of a step that failed, after everything was taken back.
 */
int berth_manager_assign(struct berth_manager *m, const char *vm, const char *const *names,
			 size_t nr, bool dry_run, struct berth_report *report,
			 struct berth_err *err);

#endif
