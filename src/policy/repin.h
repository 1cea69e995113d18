/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing into a policy file where a device that has moved (policy/moved.h) is now: one text, and nothing else.
 */
#ifndef BERTH_POLICY_REPIN_H
#define BERTH_POLICY_REPIN_H

#include <limits.h>

#include "policy/moved.h"

struct berth_err;

struct berth_repin {
	char file[PATH_MAX];	   /* without symbolic links */
	unsigned int line, column; /* of the old path, from 1; the column counts characters */
	const char *was, *now;	   /* paths; borrowed from policy and facts */
	const struct berth_group_entry *entry; /* borrowed from the policy */
	size_t device;			       /* index into the facts */
	struct berth_moved moved;	       /* what it was recognized by */
};

/**
 * berth_repin_find() - what would be written
 * @name: of a device of the policy
 * @facts: every device of the host
 *
 * Return: 0; BERTH_ABSENT the policy has no such device; BERTH_REFUSED it has not moved, nobody can tell to where, or its
 *         match does not ask for one path; -EINVAL the file is not what the policy was read from; -errno.
 */
int berth_repin_find(const struct berth_policy *policy, const char *name,
		     const struct berth_facts *facts, size_t nr, struct berth_repin *ret,
		     struct berth_err *err);

/**
 * berth_repin_write() - replace the old path by the new one
 *
 * The whole file is written beside itself, synced, and takes the file's place, with mode and owner as they were. On error
 * the file is as it was.
 *
 * Return: 0; -EBUSY somebody else has changed the file meanwhile; -EINVAL the old path is no longer there; -errno.
 */
int berth_repin_write(const struct berth_repin *repin, struct berth_err *err);

#endif
