/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI and PCIe capabilities, read out of a copy of configuration space. Pure; the bytes come from a device and are not
 * trusted: lists that loop or point outside the copy end the search.
 *
 * How much was copied decides what can be known: 64 bytes without privilege, 256 for conventional PCI, 4096 for PCIe.
 * What lies beyond the copy is BERTH_UNKNOWN, never "no".
 */
#ifndef BERTH_VFIO_CAPS_H
#define BERTH_VFIO_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tri.h"
#include "iommu/isolation.h"

#define BERTH_CONFIG_HEADER 64 /* readable by anyone in Linux's sysfs */
#define BERTH_CONFIG_PCI    256
#define BERTH_CONFIG_PCIE   4096

struct berth_caps {
	size_t len;			/* bytes of configuration space that were readable */
	bool dead;			/* every byte reads 0xff: the function does not answer */
	int header_type;		/* 0 device, 1 bridge, 2 CardBus; -1 unknown */
	bool multifunction;		/* bit 7 of the header type */
	int revision;			/* -1 unknown */
	int intx_pin;			/* 1 … 4 = INTA … INTD, 0 none, -1 unknown */
	uint8_t secondary, subordinate; /* bus numbers; header type 1 only */
	enum berth_tri msi, msix, pm, pcie, af;
	unsigned int msi_vectors, msix_vectors; /* as the device offers, 0 none or unknown */
	unsigned int msix_table_bar, msix_pba_bar;
	uint32_t msix_table_offset, msix_pba_offset;
	/* port type; BERTH_PCIE_UNKNOWN when the capability is out of reach */
	enum berth_pcie_type type;
	/* Function Level Reset: PCIe device capability bit 28, or Advanced Features */
	enum berth_tri flr;
	enum berth_tri slot_hotplug; /* Slot Capabilities: Hot-Plug Capable */
	unsigned int link_speed_max,
		link_speed; /* 1 = 2.5 GT/s, 2 = 5, 3 = 8, 4 = 16, 5 = 32, 6 = 64; 0 unknown */
	unsigned int link_width_max, link_width; /* lanes, 0 unknown */
	enum berth_tri acs;
	uint16_t acs_offset, acs_cap, acs_ctrl;
	enum berth_tri ats;
	bool ats_enabled;
	enum berth_tri sriov, pasid, resizable_bar, ari;
	enum berth_tri has_serial;
	uint64_t serial; /* Device Serial Number (EUI-64); valid with has_serial == BERTH_YES */
};

/**
 * berth_caps_parse() - everything above out of @len bytes of configuration space
 * @config: borrowed; may be NULL when @len is 0
 */
void berth_caps_parse(struct berth_caps *ret, const uint8_t *config, size_t len);

/* One capability of a list. */
struct berth_cap {
	uint16_t at; /* offset in configuration space */
	uint16_t id;
	uint8_t version; /* extended capabilities only */
};

#define BERTH_CAPS_MAX	   48  /* in 192 bytes, 4 bytes each */
#define BERTH_CAPS_EXT_MAX 480 /* in 3840 bytes, 8 bytes each */

/* The whole list in its order, each place once; ends where it loops or leaves the copy. Return: how many. */
size_t berth_caps_list(const uint8_t *config, size_t len,
		       struct berth_cap ret[static BERTH_CAPS_MAX]);
size_t berth_caps_list_ext(const uint8_t *config, size_t len,
			   struct berth_cap ret[static BERTH_CAPS_EXT_MAX]);

/* Offset of a capability (PCI Local Bus 3.0, 6.7). Return: 0 when absent or not inside the @len bytes. */
uint16_t berth_caps_find(const uint8_t *config, size_t len, uint8_t id);
/* Offset of an extended capability (PCIe Base 6.0, 7.6.3), 0x100 or above; 0 when absent. */
uint16_t berth_caps_find_ext(const uint8_t *config, size_t len, uint16_t id);

/* "2.5", "5", "8", "16", "32", "64" (GT/s), or "" */
const char *berth_caps_speed_name(unsigned int speed);
/* "endpoint", "root port", "upstream port", …, "conventional PCI", "unknown" */
const char *berth_caps_type_name(enum berth_pcie_type type);

#define BERTH_SERIAL_LEN 24 /* bytes, with NUL */
/* The Device Serial Number as lspci writes it, "00-1b-21-ff-ff-01-02-03"; NULL: there is none, or the device did not answer. */
const char *berth_caps_serial(const struct berth_caps *c, char buf[static BERTH_SERIAL_LEN]);

#endif
