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

#include "base/tri.h"

#define BERTH_FACT_UNKNOWN (-1)

struct berth_facts {
	const char *bdf;	/* "0000:03:00.0" */
	const char *path;	/* stable PCI path */
	uint32_t class;		/* 24 bits: base class, subclass, interface, as in sysfs "class" */
	int32_t vendor, device; /* 16 bits each, or BERTH_FACT_UNKNOWN; here and below */
	int32_t subsystem_vendor, subsystem_device;
	const char *driver; /* bound now; "" for none, NULL for unknown */
	const char *serial; /* PCIe device serial number (DSN), or NULL */
	/* what else sticks to the hardware; NULL: not known, which the driver it has now may be the reason for */
	const char *serial_vpd;	 /* of its vital product data; only looked for without @serial */
	const char *serial_nvme; /* of an NVMe controller, while the nvme driver has it */
	const char *serial_mac;	 /* the address burnt into a NIC, while it has an interface */
	const char *group_key;	 /* NULL: in no IOMMU group */
	/* "isolated", "multifunction", "shared", "acs-override", "no-iommu" */
	const char *isolation;
	/* reset methods, blank-separated ("flr bus"); "" for none, NULL for unknown */
	const char *reset;
	int32_t numa_node; /* or BERTH_FACT_UNKNOWN (the kernel's -1) */
	bool is_bridge;	   /* belongs to a group, but is nobody's to have */
	bool is_vf;
	int32_t vf_index;	      /* of a VF, from 0; else BERTH_FACT_UNKNOWN */
	const struct berth_facts *pf; /* borrowed; of a VF its PF when known, else NULL */
	const char *netdev;	      /* network interface it has on the host now, or NULL */
	const char *mac;	      /* of that interface, "02:00:5e:00:53:01", or NULL */
	const char *slot;	      /* name of the physical slot it sits in, or NULL */
	const char *label;	      /* what firmware calls it ("Onboard LAN 1"), or NULL */
	int32_t acpi_index;	      /* firmware's number for it, from 1; 0: none */
	int32_t revision;	      /* or BERTH_FACT_UNKNOWN */
	uint32_t group_size; /* functions in its group that are no bridges; 0 when in no group */
	uint32_t vfs_total;  /* of a PF with SR-IOV, else 0 */
	uint64_t bar_total;  /* bytes of memory in all of its BARs */
	uint32_t link_speed, link_speed_max; /* MT/s a lane: 2500, 5000, 8000, …; 0 unknown */
	uint32_t link_width, link_width_max; /* lanes; 0 unknown */
	enum berth_tri default_route;	     /* the host's way to the world goes through it */
	enum berth_tri block_in_use;	     /* the host has mounted it, swaps to it or holds it */
	enum berth_tri boot_vga; /* the firmware's screen; unknown for what is no display */
	const char *state;	 /* the ledger's or "host"; for explain */
};

#endif
