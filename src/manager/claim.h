/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices for a VM that is about to run: claimed and bound to vfio-pci before, given back after.
 *
 * What `berth assign` gave to the same VM is taken over and stays assigned afterwards; what was with the host is moved here
 * and goes back to the host. In between, the ledger says who uses them: process id, its start time and the boot id, so that
 * a holder that dies without giving back is noticed by the next verb.
 *
 * The supervisor's order:
 *   berth_manager_open(CHANGE) → berth_manager_claim() → berth_manager_close()
 *   open the fds, reset, berth_sanitise_before(), run, reset again with berth_vm_claim_dev.reset set, *close every vfio fd*
 *   berth_manager_open(CHANGE) → berth_manager_unclaim() → berth_manager_close()
 */
#ifndef BERTH_MANAGER_CLAIM_H
#define BERTH_MANAGER_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "vfio/reset.h"

struct berth_err;
struct berth_lease_wish;
struct berth_manager;
struct berth_report;

#define BERTH_CLAIM_PATH 256

struct berth_vm_claim_dev {
	struct berth_bdf at;
	unsigned int group;	     /* the /dev/vfio/N number of this boot */
	bool asked;		     /* named in the request; false: came along with its group */
	size_t asked_as;	     /* if so: the index of the (first) name that means it */
	char path[BERTH_CLAIM_PATH]; /* its stable path */
	struct berth_reset_result reset; /* set by the caller: its last reset */
};

/* Plain data: outlives the manager that made it. */
struct berth_vm_claim {
	char *vm; /* owned */
	/* owned; every function of every group but bridges, by BDF */
	struct berth_vm_claim_dev *devs;
	size_t nr_devs;
	int64_t *assignments; /* owned; ledger ids, one per group */
	size_t nr_groups;
};

/**
 * berth_manager_claim() - make devices @vm's own and ready to open
 * @m: opened for change
 * @devs: names as on the command line: BDF, stable path, policy name, pool:NAME
 * @holder: the process whose death means that the VM is gone; normally the supervisor itself
 * @report: may be NULL
 *
 * On any failure everything is back as it was before the call.
 *
 * Return: 0; BERTH_REFUSED by policy, by safety, owned by another VM, or in use by a live holder; -EINVAL a malformed BDF;
 *         -ENODEV no such device; -errno.
 */
int berth_manager_claim(struct berth_manager *m, const char *vm, const char *const *devs, size_t nr,
			pid_t holder, struct berth_vm_claim **ret, struct berth_report *report,
			struct berth_err *err);

/* The same with a lease for what it does not have yet, which manager/lease.h describes. Return: also -EINVAL it would be over. */
int berth_manager_claim_leased(struct berth_manager *m, const char *vm, const char *const *devs,
			       size_t nr, pid_t holder, const struct berth_lease_wish *wish,
			       struct berth_vm_claim **ret, struct berth_report *report,
			       struct berth_err *err);

/**
 * berth_manager_unclaim() - the VM has ended
 *
 * A group whose devices all have a proven reset, and a configuration as before, goes back to `assigned` or to the host, as it
 * came. Others are reset again; one that shows no proof even then stays with the VM, quarantined: no other VM gets it until
 * `berth release` has reset it.
 * A claim that is no longer the current one (released meanwhile, VM started again) is left alone.
 *
 * Return: 0; BERTH_REFUSED some vfio fd of a group is still open, @err says whose; -EUCLEAN one is quarantined, @err says why;
 *         -errno.
 */
int berth_manager_unclaim(struct berth_manager *m, const struct berth_vm_claim *claim,
			  struct berth_report *report, struct berth_err *err);

void berth_vm_claim_free(struct berth_vm_claim *claim);
BERTH_DEFINE_CLEANUP(struct berth_vm_claim *, berth_vm_claim_free);

#endif
