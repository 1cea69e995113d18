/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only the whole policy shows: names that occur twice, names that nothing has, VMs of two tenants, claims above what
 * their tenant may ask for. Brings the entries into the order that rule.h promises, whatever the order of the files.
 */
#ifndef BERTH_POLICY_WHOLE_H
#define BERTH_POLICY_WHOLE_H

struct berth_err;
struct berth_policy;

#define BERTH_POLICY_MAX_TENANT_VMS 4096 /* names and patterns of all tenants together */

/* Return: 0; -EINVAL with both places or the nearest name; -ENOMEM. */
int berth_policy_check_whole(struct berth_policy *policy, struct berth_err *err);

#endif
