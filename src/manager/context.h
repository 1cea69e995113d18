/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the manager only: what an open manager holds.
 */
#ifndef BERTH_MANAGER_CONTEXT_H
#define BERTH_MANAGER_CONTEXT_H

#include <stdint.h>

#include "base/err.h"
#include "iommu/platform.h"
#include "manager/busy.h"
#include "manager/lock.h"
#include "manager/manager.h"

struct berth_fact_sheet;
struct berth_inuse;
struct berth_inventory;
struct berth_ledger;
struct berth_policy;
struct berth_view;

struct berth_manager {
	struct berth_host *host; /* borrowed, outlives us */
	enum berth_manager_mode mode;
	struct berth_lock lock;	     /* held with BERTH_MANAGER_CHANGE */
	struct berth_busy busy;	     /* the assignments that this verb works on */
	struct berth_ledger *ledger; /* owned; NULL: hidden from this user (reading only) */
	/* owned; NULL: it cannot be read, see berth_manager_policy() */
	struct berth_policy *policy;
	struct berth_err policy_err;
	/* The host as it was when opened, or last refreshed. */
	struct berth_platform platform;
	struct berth_inventory *inv;	/* owned */
	struct berth_inuse *inuse;	/* owned; NULL until it is asked for */
	struct berth_fact_sheet *facts; /* owned; NULL until it is asked for */
	struct berth_view *view;	/* owned; NULL until it is asked for (manager/view.h) */
	unsigned int reset_ms; /* for a reset through VFIO; 0: berth_reset_deadline_ms() (tests) */
	bool force; /* the user insists: policy may let that override its own protection */
	struct {
		int priority;  /* of what is asked for; 0 unless somebody said so */
		int64_t entry; /* our place in the queue (policy/queue.h); 0: none */
	} turn;
};

/* Look at the host again, after changing it: everything borrowed from the inventory is void. Return: 0; -errno, the old
 * picture stays. */
int berth_manager_refresh(struct berth_manager *m, struct berth_err *err);

/**
 * berth_manager_policy() - the policy, by whoever asks it something
 *
 * A mistake in a file must stop what it could have forbidden, but not release or recover: giving back needs no leave.
 *
 * Return: 0; -errno of reading it, with place and reason.
 */
int berth_manager_policy(const struct berth_manager *m, const struct berth_policy **ret,
			 struct berth_err *err);

#endif
