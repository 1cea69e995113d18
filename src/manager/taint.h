/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth taint, berth untaint: what a person knows about a device, and whether it may still be handed out.
 */
#ifndef BERTH_MANAGER_TAINT_H
#define BERTH_MANAGER_TAINT_H

#include <stdbool.h>

#include "policy/rule.h"

struct berth_err;
struct berth_manager;
struct berth_report;

struct berth_taint_how {
	const char *taint; /* untaint: NULL for all of them */
	enum berth_taint_effect effect;
	const char *reason; /* for people, or NULL */
	bool dry_run;
};

/**
 * berth_manager_taint() - put a taint on a device; one of the same name is replaced
 * @m: opened for change, or with how->dry_run for reading
 * @name: BDF, stable path or name from policy
 *
 * Who has the device keeps it, but for the effect evict: then its VM is asked to let go (manager/evict.h) unless its claim tolerates
 * the taint; what no VM uses goes back to the host at once. Return: 0; -EINVAL a bad name; -ENODEV; -errno.
 */
int berth_manager_taint(struct berth_manager *m, const char *name,
			const struct berth_taint_how *how, struct berth_report *report,
			struct berth_err *err);

/* Take it away; also from a device that is gone, by path or the address it had. Return: 0; -ENOENT there is none; -errno. */
int berth_manager_untaint(struct berth_manager *m, const char *name,
			  const struct berth_taint_how *how, struct berth_report *report,
			  struct berth_err *err);

#endif
