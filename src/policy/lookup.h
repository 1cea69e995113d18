/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the policy says of devices besides who may have them: which one a name means, how it is bound, how a VF is set up.
 */
#ifndef BERTH_POLICY_LOOKUP_H
#define BERTH_POLICY_LOOKUP_H

#include "policy/rule.h"

struct berth_err;

/**
 * berth_policy_find_device() - the device that a name from policy means
 * @name: of a device of the policy
 * @facts: every device of the host
 *
 * Return: 0, *ret_index into @facts; BERTH_ABSENT the policy has no such name (text with the nearest one), or no device
 *         matches it (text says so); BERTH_REFUSED several devices match it, or its identity changed.
 */
int berth_policy_find_device(const struct berth_policy *policy, const char *name,
			     const struct berth_facts *facts, size_t nr, size_t *ret_index,
			     struct berth_err *err);

/**
 * berth_policy_find_pool() - the devices of a pool, in the order of @facts
 * @ret: @nr elements of room, gets indexes into @facts
 *
 * The caller picks a free one. Devices whose identity changed are left out.
 *
 * Return: 0, *ret_nr may be 0; BERTH_ABSENT the policy has no such pool (text with the nearest one).
 */
int berth_policy_find_pool(const struct berth_policy *policy, const char *name,
			   const struct berth_facts *facts, size_t nr, size_t *ret, size_t *ret_nr,
			   struct berth_err *err);

/* The policy's name for this device (a device entry that matches it), or NULL. Borrowed from the policy. */
const char *berth_policy_name_of(const struct berth_policy *policy,
				 const struct berth_facts *facts);

/**
 * berth_policy_bind_mode() - what happens to it when it appears
 * @ret_origin: NULL, or gets the place that said so (NULL for the default)
 *
 * A device entry that says it beats the classes. The default is BERTH_BIND_ON_ASSIGN.
 *
 * Return: 0; BERTH_REFUSED entries of the same kind contradict each other, or its identity changed: leave it alone.
 */
int berth_policy_bind_mode(const struct berth_policy *policy, const struct berth_facts *facts,
			   enum berth_bind_mode *ret, const struct berth_origin **ret_origin,
			   struct berth_err *err);

/**
 * berth_policy_net() - how the policy wants this VF set up
 *
 * A device entry with "net" beats the classes, these beat the "vf_defaults" of the wish for its PF; the one that counts
 * is taken whole. Without any, no has_… is set.
 *
 * Return: 0; BERTH_REFUSED entries of the same kind contradict each other, or its identity changed.
 */
int berth_policy_net(const struct berth_policy *policy, const struct berth_facts *facts,
		     struct berth_net_policy *ret, struct berth_err *err);

#endif
