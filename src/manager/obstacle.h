/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in the way of giving a group to a VM: one list, from which `berth show` prints all and `berth plan`, `assign`
 * and `run` refuse for the first.
 */
#ifndef BERTH_MANAGER_OBSTACLE_H
#define BERTH_MANAGER_OBSTACLE_H

#include <stddef.h>

#include "base/bdf.h"
#include "base/err.h"

struct berth_assignment;
struct berth_assignment_list;
struct berth_manager;
struct berth_unit;
struct berth_units;

struct berth_obstacle {
	/*
	 * Stable, for scripts: a name of manager/safety.h, or "BRIDGE", "OWNED" by another VM or `berth bind`, "STATE" its own
	 * but faulted or changed, "POLICY", "NEIGHBOUR" a device that can reach it past the IOMMU,
	 * "TAINTED" by hand with no-new or evict, "QUEUED" somebody who waits for it comes first.
	 */
	const char *code;
	struct berth_bdf at;	       /* the function that it is about */
	char sentence[BERTH_ERR_TEXT]; /* what assign prints: reason and remedy */
};

struct berth_obstacles {
	struct berth_obstacle *items; /* owned; the first is the one to name */
	size_t nr;
};
void berth_obstacles_done(struct berth_obstacles *list);

/* Who asks, and for what else. */
struct berth_obstacle_query {
	const char *vm;			/* NULL: any VM; policy is not asked then */
	const struct berth_units *with; /* all that is asked for together */
	const struct berth_assignment_list *live;
};

/**
 * berth_obstacles_find() - everything that keeps @unit from @query's VM
 * @ret: owned by the caller, berth_obstacles_done()
 * @ret_own: the assignment by which the VM has it already, which then is no obstacle; or NULL. Borrowed from query->live
 *
 * What the VM has already has left the host before: safety and neighbours are not asked again.
 *
 * Return: 0, also when there is none; -ENOMEM; -errno when policy or host cannot be read.
 */
int berth_obstacles_find(struct berth_manager *m, const struct berth_unit *unit,
			 const struct berth_obstacle_query *query, struct berth_obstacles *ret,
			 const struct berth_assignment **ret_own, struct berth_err *err);

/* The same for one device and any VM, with its whole group. Return: also -ENODEV there is no such device. */
int berth_manager_obstacles(struct berth_manager *m, struct berth_bdf at,
			    struct berth_obstacles *ret, struct berth_err *err);

#endif
