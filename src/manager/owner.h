/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ledger rows against the host of today: who owns a unit, and where an owned device is now.
 */
#ifndef BERTH_MANAGER_OWNER_H
#define BERTH_MANAGER_OWNER_H

#include <stdbool.h>

#include "policy/ledger.h"
#include "vfio/bind.h"

struct berth_device;
struct berth_inventory;
struct berth_manager;
struct berth_unit;

/* Every live assignment. With a ledger that is hidden from this user: none. Return: 0; -errno. */
int berth_owner_all(struct berth_manager *m, struct berth_assignment_list *ret,
		    struct berth_err *err);

/* The live assignment of @live that has this group, or any of its members; NULL: nobody. */
const struct berth_assignment *berth_owner_of(const struct berth_assignment_list *live,
					      const struct berth_unit *unit);
/* The one that has this device; NULL: nobody. */
const struct berth_assignment *berth_owner_of_device(const struct berth_assignment_list *live,
						     const struct berth_device *dev);

/* Where a member is now: the function at its path. NULL: gone. *ret_same: it is of the kind that was recorded. */
const struct berth_device *berth_owner_find_member(const struct berth_inventory *inv,
						   const struct berth_member *member,
						   bool *ret_same);

/* The kernel's number of an assignment's group today; -1 when all its members are gone. */
int berth_owner_group(const struct berth_inventory *inv, const struct berth_assignment *a);

/* How it was found, in the form that vfio/bind.h restores. */
void berth_owner_found(const struct berth_member *member, struct berth_bind_state *ret);

/* Refuse because of @owner: "0000:01:00.0 (group 14) is owned by t1, in use by process 812 (berth); …". Return: BERTH_REFUSED. */
int berth_owner_refuse(struct berth_manager *m, const struct berth_assignment *owner,
		       const struct berth_unit *unit, struct berth_err *err);

#endif
