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
struct berth_host;

#define BERTH_POLICY_MAX_FILES	    256
#define BERTH_POLICY_MAX_ENTRIES    4096 /* of each kind: devices, classes, pools, rules, … */
#define BERTH_POLICY_MAX_FILE_BYTES (1024 * 1024)
#define BERTH_POLICY_MAX_BYTES	    (4 * 1024 * 1024) /* of all files together */
#define BERTH_POLICY_MAX_DEPTH	    32

/**
 * berth_policy_load() - read the folders policy.d and claims.d of a host
 * @host: berth_host.lib, .etc and .run have such folders, each stronger than the one before
 *
 * Names that start with '.' or end in anything but ".json" are not looked at. A file replaces the file of the same name in
 * weaker folders whole; one that is empty or a link to /dev/null only hides it. A file of claims.d holds the claim of
 * the VM that it is named after, and nothing else. No folder, or no such file in any: a policy without files. A file that
 * group or others may write to, or that belongs to neither root nor the caller, is refused, and so is such a folder.
 *
 * Return: 0; -EINVAL bad content; -EFBIG; -E2BIG too many files; -EPERM writable by strangers; -EACCES or another -errno.
 */
int berth_policy_load(const struct berth_host *host, struct berth_policy **ret,
		      struct berth_err *err);

/* The same for files by path, owner and mode aside; @nr > 0. */
int berth_policy_load_files(const char *const *paths, size_t nr, struct berth_policy **ret,
			    struct berth_err *err);

#endif
