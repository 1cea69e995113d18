/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as a policy decision sees it: inventory and ledger together as a world (policy/world.h).
 */
#ifndef BERTH_MANAGER_VIEW_H
#define BERTH_MANAGER_VIEW_H

#include "base/cleanup.h"
#include "base/err.h"
#include "policy/last_use.h"
#include "policy/lease.h"
#include "policy/ledger.h"
#include "policy/taint.h"
#include "policy/world.h"

struct berth_device;
struct berth_inventory;
struct berth_manager;

struct berth_view {
	struct berth_world *world;		/* owned; device i is inventory.devices[i] */
	const struct berth_inventory *inv;	/* borrowed from the manager */
	struct berth_assignment_list live;	/* owned; what the ledger says */
	struct berth_lease_list leases;		/* owned; likewise */
	struct berth_taint_list taints;		/* owned; likewise, by path */
	struct berth_last_use_list last_uses;	/* owned; likewise, by path */
	struct berth_usage_taint *usage_taints; /* owned; the same as the world wants them */
	/* why nobody can tell what the host stands on; then all of it is taken to be needed */
	struct berth_err blind;
};

/**
 * berth_view_new() - look at host and ledger now
 * @m: outlives the view, which is void after berth_manager_refresh()
 * @policy: usually the manager's own
 * @ret: owned by the caller, berth_view_free()
 *
 * usage.safety says what the host itself stands on (vfio/inuse.h); what else safety asks for (manager/safety.h) is left to it.
 *
 * Return: 0; -ENOMEM; -errno of the ledger.
 */
int berth_view_new(struct berth_view **ret, struct berth_manager *m,
		   const struct berth_policy *policy, struct berth_err *err);
void berth_view_free(struct berth_view *view);
BERTH_DEFINE_CLEANUP(struct berth_view *, berth_view_free);

/* The manager's own view, made when first asked for; it lasts until the manager looks at the host again or a claim is made. */
int berth_view_of(struct berth_manager *m, struct berth_view **ret, struct berth_err *err);
void berth_view_drop(struct berth_manager *m);

/* The world's number of a device of the inventory. */
uint32_t berth_view_number(const struct berth_view *view, const struct berth_device *dev);

#endif
