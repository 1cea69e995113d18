/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions that the kernel is at work on for a child of berth's (base/child.h), and that had better not be asked.
 *
 * While a driver binds, unbinds, is reset or changes its number of VFs the kernel holds locks that reading an attribute
 * takes, too: driver_override and sriov_numvfs (device_lock()), config and vpd (pci_cfg_access_lock()). Reading one of
 * these of a device that is stuck would make the reader stuck. What the children have noted down says which they are.
 * Source: drivers/pci/pci-sysfs.c, iov.c, access.c, pci.c (pci_dev_lock()).
 */
#ifndef BERTH_BASE_QUIET_H
#define BERTH_BASE_QUIET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"

struct berth_host;

/* Below $BERTH_STATE: one file for each note; manager/busy.h has what else they mean. */
#define BERTH_QUIET_DIR "busy"

/* More than that at once are not the work of drivers that hang now and then. */
#define BERTH_QUIET_MAX 64

struct berth_quiet {
	struct berth_bdf at[BERTH_QUIET_MAX];
	size_t nr;
};

/* Notes that this user may not read, and those of processes that are dead, name nobody. */
void berth_quiet_read(struct berth_quiet *ret, const struct berth_host *host);

bool berth_quiet_has(const struct berth_quiet *quiet, struct berth_bdf at);

#endif
