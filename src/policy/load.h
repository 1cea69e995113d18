/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the policy: all of its files or nothing.
 *
 * Files are joined into one set whose meaning does not depend on their order; nothing is merged and nothing overrides:
 * the same name twice is an error that names both places. Errors are "FILE:LINE:COLUMN: POINTER: reason".
 */
#ifndef BERTH_POLICY_LOAD_H
#define BERTH_POLICY_LOAD_H

#include "policy/rule.h"

struct berth_err;

#define BERTH_POLICY_MAX_FILES	 256
#define BERTH_POLICY_MAX_ENTRIES 4096 /* devices, classes, pools and rules, each */

/**
 * berth_policy_load() - read ETC/policy.d/\*.json
 * @etc: berth_host.etc
 *
 * Names that start with '.' or end in anything but ".json" are not looked at. No folder, or no such file in it: a policy
 * without files. A file that group or others may write to, or that belongs to neither root nor the caller, is refused.
 *
 * Return: 0; -EINVAL bad content; -EFBIG; -E2BIG too many files; -EPERM writable by strangers; -EACCES or another -errno.
 */
int berth_policy_load(const char *etc, struct berth_policy **ret, struct berth_err *err);

/* The same for files by path, owner and mode aside; @nr > 0. */
int berth_policy_load_files(const char *const *paths, size_t nr, struct berth_policy **ret,
			    struct berth_err *err);

#endif
