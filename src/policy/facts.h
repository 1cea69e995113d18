/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy decision may see of a device. Filled by the manager from the inventory; plain data, no sysfs, no fd.
 *
 * NULL text and the "unknown" values below mean that the fact is not known: such a fact never matches anything.
 */
#ifndef BERTH_POLICY_FACTS_H
#define BERTH_POLICY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BERTH_FACT_UNKNOWN (-1)

struct berth_facts {
	const char *bdf;	/* "0000:03:00.0" */
	const char *path;	/* stable PCI path */
	uint32_t class;		/* 24 bits: base class, subclass, interface, as in sysfs "class" */
	int32_t vendor, device; /* 16 bits each, or BERTH_FACT_UNKNOWN; here and below */
	int32_t subsystem_vendor, subsystem_device;
	const char *driver; /* bound now; "" for none, NULL for unknown */
	const char *serial; /* PCIe device serial number or another that sticks to the hardware */
	const char *group_key; /* NULL: in no IOMMU group */
	const char
		*isolation; /* "isolated", "multifunction", "shared", "acs-override", "no-iommu" */
	const char *
		reset; /* reset methods, blank-separated ("flr bus"); "" for none, NULL for unknown */
	int32_t numa_node; /* or BERTH_FACT_UNKNOWN (the kernel's -1) */
	bool is_bridge;	   /* belongs to a group, but is nobody's to have */
	bool is_vf;
	int32_t vf_index;	      /* of a VF, from 0; else BERTH_FACT_UNKNOWN */
	const struct berth_facts *pf; /* borrowed; of a VF its PF when known, else NULL */
	const char *netdev;	      /* network interface it has on the host now, or NULL */
	const char *state;	      /* the ledger's or "host"; for explain */
};

#endif
