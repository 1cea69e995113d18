/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy drift: what a VM owns by rules that have changed since. It keeps it; it is only said.
 */
#ifndef BERTH_MANAGER_DRIFT_H
#define BERTH_MANAGER_DRIFT_H

#include <stddef.h>

struct berth_assignment;
struct berth_manager;

/* "RULE_DENIES: sentence" of why the VM would not get it today; "" when it would, or nobody can tell. Returns @buf. */
char *berth_drift_of(struct berth_manager *m, const struct berth_assignment *a, char *buf,
		     size_t size);

#endif
