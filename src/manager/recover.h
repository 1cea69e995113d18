/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making ledger and kernel agree again, after a crash, a reboot, or somebody's hand.
 *
 * The kernel is the truth about devices, the ledger about what was meant. For each live assignment the two are looked at
 * first, read-only, and judged; then the remedy is applied. Every changing verb does so before its own work.
 */
#ifndef BERTH_MANAGER_RECOVER_H
#define BERTH_MANAGER_RECOVER_H

#include <stddef.h>

#include "manager/remedy.h"
#include "policy/ledger.h"

struct berth_manager;
struct berth_report;

/**
 * berth_recover_judge() - what is to be done about one live assignment; changes nothing
 * @why: gets what was found, as a sentence; "" when there is nothing to say
 */
enum berth_remedy berth_recover_judge(struct berth_manager *m, const struct berth_assignment *a,
				      char *why, size_t size);

/**
 * berth_recover() - judge and repair all of them
 * @m: open for change, holds the lock
 * @report: may be NULL; one line for each finding that has a remedy, then what came of it
 *
 * One group that cannot be repaired does not keep the others from it: it is "faulted" or "quarantined" afterwards.
 *
 * Return: 0; -errno when the ledger or the host cannot be read.
 */
int berth_recover(struct berth_manager *m, struct berth_report *report, struct berth_err *err);

/**
 * berth_recover_again() - what `berth recover` does more than any other verb: a second attempt at what is left
 *
 * Besides what still has a remedy that is what is "faulted" since it could not be given back; a person who asks for it
 * knows that it may work now. After this the answer is final. What is only for a person to end, but not where it should be
 * (gone; off vfio-pci and not proven clean), is in @report, too.
 *
 * Return: 0 nothing is left to repair; -EUCLEAN something is; -errno.
 */
int berth_recover_again(struct berth_manager *m, struct berth_report *report,
			struct berth_err *err);

/* Only say what berth_recover() would do; opened for reading is enough. Return: 0; -errno. */
int berth_recover_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err);

#endif
