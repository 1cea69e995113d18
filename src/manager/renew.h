/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth renew: another end for the leases of what a VM has.
 */
#ifndef BERTH_MANAGER_RENEW_H
#define BERTH_MANAGER_RENEW_H

#include <stdbool.h>
#include <stddef.h>

#include "manager/lease.h"

struct berth_renew_how {
	bool dry_run;
	struct berth_lease_wish wish;
};

/**
 * berth_manager_renew() - another end for what a VM has
 * @m: opened for change, or with how->dry_run for reading
 * @names: devices, @nr of them: the leases of what was given together with them. With @nr 0: all that @vm owns
 * @vm: may be NULL when there are names; else what is named must be owned by it
 *
 * What has no lease gets one. An earlier end than before is always allowed. All of them or none.
 *
 * Return: 0; BERTH_REFUSED by the rule, or not owned by @vm; -EINVAL no end, neither wished nor by rule, or one that has
 *         passed; -ENODEV; -ENOENT @vm owns nothing; -errno.
 */
int berth_manager_renew(struct berth_manager *m, const char *vm, const char *const *names,
			size_t nr, const struct berth_renew_how *how, struct berth_report *report,
			struct berth_err *err);

#endif
