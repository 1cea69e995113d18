/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `berth sriov set`: so many virtual functions, each with the driver that policy gives it.
 *
 * The VFs are made with sriov_drivers_autoprobe off, so that nobody probes them. Those with "bind": "auto" then go to
 * vfio-pci; after that autoprobe is put back as it was, and, when it was on, the others are offered to the host's drivers.
 */
#ifndef BERTH_MANAGER_SRIOV_VERB_H
#define BERTH_MANAGER_SRIOV_VERB_H

#include <stdbool.h>

struct berth_err;
struct berth_intent;
struct berth_manager;
struct berth_report;

/**
 * berth_manager_sriov_set() - have @num VFs
 * @m: opened for change; for reading when @dry_run
 * @pf: as on the command line
 * @dry_run: change nothing, only report what would be done
 * @report: may be NULL; one line per step
 *
 * A VF count that is right already is left alone, but VFs that policy wants on vfio-pci are brought there. A VF that
 * cannot be bound does not undo the others: they are finished, and the first such error is returned.
 *
 * The driver may take its time, or for ever: meanwhile others may change other devices (manager/sriov_work.h). When it does
 * not answer in time nothing is taken back; the verb after its answer finishes it.
 *
 * Return: 0; BERTH_REFUSED the PF or a VF to be removed is owned, in use or needed by the host (named); BERTH_ABSENT no
 *         SR-IOV; -EINVAL a malformed BDF; -ENODEV no such device; -ERANGE more than the device allows; -ETIMEDOUT no answer yet; -errno.
 */
int berth_manager_sriov_set(struct berth_manager *m, const char *pf, unsigned int num, bool dry_run,
			    struct berth_report *report, struct berth_err *err);

/**
 * berth_manager_sriov_apply() - have the numbers that policy wishes ("sriov")
 * @pf: as on the command line: only this one; NULL: all of them
 *
 * Each is berth_manager_sriov_set(). One that cannot be done does not keep the others from it; the first such error is
 * returned, the others are in @report. A PF that is not there now is reported and is no error: policy may be for several hosts.
 *
 * Return: 0; BERTH_ABSENT policy wishes nothing (of @pf); else as above.
 */
int berth_manager_sriov_apply(struct berth_manager *m, const char *pf, bool dry_run,
			      struct berth_report *report, struct berth_err *err);

/**
 * berth_manager_sriov_recover() - finish what a crash interrupted
 * @step: an open intent with op BERTH_SRIOV_OP
 *
 * The verb is done again, which is what it needs at any point of it. When it cannot be, autoprobe at least is put back and
 * the step recorded as failed.
 *
 * Return: 0; BERTH_REFUSED, -errno: as above, the outcome is in the journal all the same.
 */
int berth_manager_sriov_recover(struct berth_manager *m, const struct berth_intent *step,
				struct berth_report *report, struct berth_err *err);

#endif
