/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Onto vfio-pci again: what is owned, and was taken off it by a reboot, a rescan of the bus, or somebody's hand.
 */
#ifndef BERTH_MANAGER_RETAKE_H
#define BERTH_MANAGER_RETAKE_H

#include <stdbool.h>

struct berth_assignment;
struct berth_err;
struct berth_manager;
struct berth_report;

/**
 * berth_retake() - for an assignment that should be on vfio-pci
 *
 * Asks safety again: the host may stand on it by now. How it was found stays as recorded.
 *
 * Return: 0; -EPERM not safe any more, -errno of a step: the assignment is "faulted", with the reason.
 */
int berth_retake(struct berth_manager *m, const struct berth_assignment *a, struct berth_err *err);

/* Is one of its functions there, and not on vfio-pci? As m->inv shows it. */
bool berth_retake_is_needed(struct berth_manager *m, const struct berth_assignment *a);

/**
 * berth_retake_unproven() - for a quarantined one, so that it can be reset with proof
 * @dry_run: only ask whether it may be, and report it
 * @report: one line for each function that moves
 *
 * Safety is asked as above. m->inv is read again afterwards. The row stays "quarantined" in any case, until somebody has the
 * proof.
 *
 * Return: 0; BERTH_REFUSED the host uses it, nothing was changed; -ETIMEDOUT the kernel is still at it; -errno of a step: the
 *         row says so, and the driver it ran on has let go.
 */
int berth_retake_unproven(struct berth_manager *m, const struct berth_assignment *a, bool dry_run,
			  struct berth_report *report, struct berth_err *err);

#endif
