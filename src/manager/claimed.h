/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that a VM's claim in the policy gets now: what `--claim` stands for.
 */
#ifndef BERTH_MANAGER_CLAIMED_H
#define BERTH_MANAGER_CLAIMED_H

#include <stddef.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_manager;

struct berth_claimed {
	char **names; /* owned; BDFs, as a user would type them; by request */
	size_t nr;
	int priority;	/* of the claim */
	char **victims; /* owned, each owned; VMs that would have to end for it */
	size_t nr_victims;
};
void berth_claimed_done(struct berth_claimed *claimed);

/**
 * berth_manager_claimed() - decide about the claim of @vm, after those of higher priority
 * @m: opened for reading is enough; opened for change nobody can come in between
 *
 * What the VM has already is preferred. Nobody is displaced: a claim that is met only if other VMs end is refused.
 *
 * Return: 0; -ENOENT the policy has no claim of @vm; BERTH_REFUSED it is not met, @err says what is missing and what would
 *         help; -E2BIG; -ENOMEM; -errno of ledger, policy or host.
 */
int berth_manager_claimed(struct berth_manager *m, const char *vm, struct berth_claimed *ret,
			  struct berth_err *err);

/* The same, also when other VMs have to end for it: @ret->victims. */
int berth_manager_claimed_at_cost(struct berth_manager *m, const char *vm,
				  struct berth_claimed *ret, struct berth_err *err);

#endif
