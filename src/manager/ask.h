/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the policy, in the terms of the manager.
 */
#ifndef BERTH_MANAGER_ASK_H
#define BERTH_MANAGER_ASK_H

#include <stddef.h>

struct berth_device;
struct berth_err;
struct berth_manager;
struct berth_rule;
struct berth_unit;
struct berth_units;
struct berth_vf_net;

/**
 * berth_ask_unit() - may @vm have this group?
 * @with: NULL, or everything that is asked for together, of which @unit is one: what comes before it counts as given
 *
 * Companions need no allow of their own. Owners and what the host stands on are left to manager/owner.h and safety.h.
 *
 * Return: 0; BERTH_REFUSED with rule, place and remedy; -ENOMEM; -errno of ledger or host.
 */
int berth_ask_unit(struct berth_manager *m, const struct berth_unit *unit,
		   const struct berth_units *with, const char *vm, struct berth_err *err);

/**
 * berth_ask_lease() - the rule that gives @vm this group, if it says how long
 * @ret: borrowed from the policy, with has_lease; NULL: it says nothing, or there is no policy
 *
 * Return: 0; BERTH_REFUSED @vm may not have it; -ENOMEM.
 */
int berth_ask_lease(struct berth_manager *m, const struct berth_unit *unit, const char *vm,
		    const struct berth_rule **ret, struct berth_err *err);

/**
 * berth_ask_name() - the device that a name from policy means
 *
 * Return: 0; -ENODEV the policy has no such name, or no device matches it; BERTH_REFUSED it is not the one expected; -ENOMEM.
 */
int berth_ask_name(struct berth_manager *m, const char *name, const struct berth_device **ret,
		   struct berth_err *err);

/* The devices of a pool, by BDF. @ret: owned by the caller (free). Return: 0; -ENODEV no such pool; -ENOMEM. */
int berth_ask_pool(struct berth_manager *m, const char *name, const struct berth_device ***ret,
		   size_t *ret_nr, struct berth_err *err);

/* How the policy wants a VF set up; ret->has is 0 for no wishes. Return: 0; BERTH_REFUSED contradicting entries; -ENOMEM. */
int berth_ask_net(struct berth_manager *m, const struct berth_device *dev, struct berth_vf_net *ret,
		  struct berth_err *err);

#endif
