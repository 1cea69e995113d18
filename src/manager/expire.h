/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done about leases that are over (manager/lease.h), and about what a VM was asked to let go of (manager/evict.h), by
 * every verb that changes something and by `berth recover`.
 */
#ifndef BERTH_MANAGER_EXPIRE_H
#define BERTH_MANAGER_EXPIRE_H

#include <stdbool.h>

struct berth_err;
struct berth_manager;
struct berth_report;

/**
 * berth_expire() - act on every lease that is over, and on what is to be let go of
 * @m: open for change; ledger and kernel agree (manager/recover.h)
 * @changed: set when something on the host was changed, else left as it is
 *
 * What cannot be given back is told in the report and keeps nobody from anything.
 *
 * Return: 0; -errno of the ledger.
 */
int berth_expire(struct berth_manager *m, struct berth_report *report, bool *changed,
		 struct berth_err *err);

/* Only say what berth_expire() would do. Return: 0; -errno. */
int berth_expire_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err);

#endif
