/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth bind, berth unbind: one function to another driver, by hand. Recorded like an assignment, so that `berth release`
 * puts it back as it was first found, and refused where the host stands on it.
 */
#ifndef BERTH_MANAGER_BIND_VERB_H
#define BERTH_MANAGER_BIND_VERB_H

#include <stdbool.h>

struct berth_err;
struct berth_manager;
struct berth_report;

/**
 * berth_manager_bind() - give one function, and not the rest of its group, to a driver
 * @driver: "" for none: unbind
 *
 * The first time for a group it is recorded as owned by 'berth bind' until it is released; a VM cannot get it meanwhile.
 *
 * Return: 0; -EINVAL, -ENODEV as for assign; BERTH_REFUSED owned by a VM, or the host stands on it; -ENOENT no such driver;
 *         -errno of a step that failed, after it was taken back.
 */
int berth_manager_bind(struct berth_manager *m, const char *name, const char *driver, bool dry_run,
		       struct berth_report *report, struct berth_err *err);

#endif
