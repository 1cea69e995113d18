/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May this group leave the host at all? Code, not policy: no file can allow what is refused here (design 4.4, 4.5).
 *
 * Whatever is not known to be safe is refused: interrupt remapping that cannot be seen counts as off, isolation that cannot
 * be read as absent.
 */
#ifndef BERTH_MANAGER_SAFETY_H
#define BERTH_MANAGER_SAFETY_H

#include <stddef.h>

#include "base/bdf.h"

struct berth_err;
struct berth_manager;
struct berth_unit;

/* In the order in which they are checked. A closed list; the names are stable. */
enum berth_safety_code {
	BERTH_SAFETY_NO_IOMMU,	    /* "NO_IOMMU": the host has none, or it is off */
	BERTH_SAFETY_NO_GROUP,	    /* "NO_GROUP": the function is behind none */
	BERTH_SAFETY_NO_IOMMU_MODE, /* "NO_IOMMU_MODE": vfio's no-IOMMU mode is enabled */
	BERTH_SAFETY_NO_INTREMAP, /* "NO_INTREMAP": a guest could send any interrupt to the host */
	BERTH_SAFETY_UNSAFE_INTERRUPTS, /* "UNSAFE_INTERRUPTS": the kernel was told not to mind that */
	BERTH_SAFETY_ISOLATION,		/* "ISOLATION": unknown, or only pretended (ACS override) */
	BERTH_SAFETY_RESERVED, /* "RESERVED": firmware keeps doing DMA through the group (RMRR) */
	BERTH_SAFETY_FOREIGN,  /* "FOREIGN": the group holds something that is no PCI function */
	BERTH_SAFETY_SIBLING, /* "SIBLING": another slot's function in the group works for the host */
	BERTH_SAFETY_HOST_USES, /* "HOST_USES": the host stands on it (vfio/inuse.h) */
	BERTH_SAFETY_OPEN,	/* "OPEN": a process has one of its device nodes open */
	BERTH_SAFETY_EXTERNAL,	/* "EXTERNAL": on vfio-pci and in use by somebody who is not us */
	BERTH_SAFETY_PF,	/* "PF": a VF whose PF is itself given away */
	BERTH_SAFETY_NO_RESET,	/* "NO_RESET": nothing would clear it between two users */
	BERTH_SAFETY_BUSY, /* "BUSY": the number of VFs of it, or of its PF, is being changed */
};

const char *berth_safety_name(enum berth_safety_code code);

struct berth_safety_finding {
	enum berth_safety_code code;
	/* the function that stands in the way; of the host as a whole: the unit's first */
	struct berth_bdf at;
	char sentence[512]; /* reason and remedy, without a full stop */
};

enum berth_safety_scope {
	BERTH_SAFETY_GROUP, /* the unit leaves the host for a VM */
	BERTH_SAFETY_DEVICE, /* only the members that were asked for change drivers: berth bind, unbind */
};

/**
 * berth_safety_check() - everything that stands in the way
 * @ret: owned by the caller (free); in order of checking, so the first is the one to name
 *
 * Return: 0, *ret_nr may be 0; -ENOMEM; -errno when the host cannot be looked at.
 */
int berth_safety_check(struct berth_manager *m, const struct berth_unit *unit,
		       enum berth_safety_scope scope, struct berth_safety_finding **ret,
		       size_t *ret_nr, struct berth_err *err);

/* The same as a verdict. Return: 0; BERTH_REFUSED, with "CODE: sentence" of the first finding; -errno. */
int berth_safety_require(struct berth_manager *m, const struct berth_unit *unit,
			 enum berth_safety_scope scope, struct berth_err *err);

#endif
