/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One policy document: its entries are checked, compiled and appended to a policy that is being built.
 *
 * For policy/load.c, which looks at the whole afterwards (names that occur twice, names that nothing has).
 */
#ifndef BERTH_POLICY_READ_H
#define BERTH_POLICY_READ_H

#include "base/json.h"
#include "policy/rule.h"

/* @file: how origins call it; must live as long as @policy. Return: 0; -EINVAL with place and reason; -ENOMEM. */
int berth_policy_read(struct berth_policy *policy, const char *file, const struct berth_json *doc,
		      struct berth_err *err);

#endif
