/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth reserve, berth unreserve: devices promised to a VM or a tenant from one moment to another (policy/reservation.h).
 */
#ifndef BERTH_MANAGER_RESERVE_H
#define BERTH_MANAGER_RESERVE_H

#include <stdbool.h>

#include "policy/reservation.h"

struct berth_err;
struct berth_manager;
struct berth_report;

/* The reservations in the ledger as rules of @policy. Nothing where the ledger is hidden from this user. Return: 0; -errno. */
int berth_reserve_enter(struct berth_manager *m, struct berth_policy *policy,
			struct berth_err *err);

/**
 * berth_manager_reserve() - promise it
 * @m: opened for change, or with @dry_run for reading; its policy has the new rule from then on
 * @wish: name NULL: one is found, "r1" and so on; what: of a device what a user would type
 *
 * Return: 0; BERTH_REFUSED there is not as much (policy/booking.h), or one of that name already; -ENODEV no such device; -EINVAL no
 *         such class, pool or tenant, a bad name, over already; -errno.
 */
int berth_manager_reserve(struct berth_manager *m, const struct berth_reservation *wish,
			  bool dry_run, struct berth_report *report, struct berth_err *err);

/* Return: 0; -ENOENT there is none of that name; -errno. */
int berth_manager_unreserve(struct berth_manager *m, const char *name, bool dry_run,
			    struct berth_report *report, struct berth_err *err);

/* All of them. Return: 0; -EACCES the ledger is hidden from this user; -errno. */
int berth_reserve_list(struct berth_manager *m, struct berth_reservation_list *ret,
		       struct berth_err *err);

/* Those that are over end, with a line in the audit record. For manager/expire.c. Return: 0; -errno. */
int berth_reserve_tidy(struct berth_manager *m, struct berth_report *report, struct berth_err *err);

#endif
