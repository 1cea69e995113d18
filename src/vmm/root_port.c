/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/root_port.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "vfio/atomics.h"

/*
 * There is no id of our own; the ids of QEMU's generic root port stand for exactly this device (a root port without
 * vendor registers) and no guest has a quirk for them.
 */
#define VENDOR_REDHAT	       0x1b36
#define DEVICE_ROOT_PORT       0x000c
#define CLASS_PCI_BRIDGE       0x060400
#define PM_CAP		       0x40
#define EXP_CAP		       0x50
#define LINK_SPEED_32GT	       5 /* PCIe Base 6.0, 7.5.3.6: the port is never the slowest link of a path */
#define LINK_WIDTH_16	       16
#define LINK_SPEEDS_TO_32GT    0x3e  /* Link Capabilities 2, bits 1 … 5 */
#define DEVCAP2_ATOMIC_COMP128 0x200 /* PCIe Base 6.0, 7.5.3.15 */
#define SLOT_NUMBER_SHIFT      19

static void set(struct berth_root_port *port, unsigned int offset, unsigned int len, uint32_t value,
		uint32_t writable)
{
	berth_pci_config_set(&port->config, offset, len, value, writable);
}

static void init_header(struct berth_root_port *port, bool multifunction)
{
	set(port, PCI_VENDOR_ID, 2, VENDOR_REDHAT, 0);
	set(port, PCI_DEVICE_ID, 2, DEVICE_ROOT_PORT, 0);
	set(port, PCI_COMMAND, 2, 0,
	    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		    PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	set(port, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	set(port, PCI_CLASS_REVISION, 4, CLASS_PCI_BRIDGE << 8, 0);
	set(port, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	set(port, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE | (multifunction ? 0x80 : 0), 0);
	set(port, PCI_PRIMARY_BUS, 4, 0, 0x00ffffff);
	set(port, PCI_CAPABILITY_LIST, 1, PM_CAP, 0);
	set(port, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	set(port, PCI_BRIDGE_CONTROL, 2, 0,
	    PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_ISA | PCI_BRIDGE_CTL_VGA |
		    PCI_BRIDGE_CTL_BUS_RESET);
	berth_root_port_set_io(port, (struct berth_range){ 0, 0 });
	berth_root_port_set_memory(port, (struct berth_range){ 0, 0 });
	berth_root_port_set_prefetch(port, (struct berth_range){ 0, 0 });
}

static void init_pm(struct berth_root_port *port)
{
	set(port, PM_CAP + PCI_CAP_LIST_ID, 1, PCI_CAP_ID_PM, 0);
	set(port, PM_CAP + PCI_CAP_LIST_NEXT, 1, EXP_CAP, 0);
	set(port, PM_CAP + PCI_PM_PMC, 2, 3, 0); /* version 1.2; no D1, D2, no PME */
	set(port, PM_CAP + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);
}

static void init_exp(struct berth_root_port *port, unsigned int number)
{
	uint32_t link = LINK_SPEED_32GT | LINK_WIDTH_16 << 4;

	set(port, EXP_CAP + PCI_CAP_LIST_ID, 1, PCI_CAP_ID_EXP, 0);
	set(port, EXP_CAP + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ROOT_PORT << 4 | PCI_EXP_FLAGS_SLOT,
	    0);
	set(port, EXP_CAP + PCI_EXP_DEVCAP, 4, 2 | PCI_EXP_DEVCAP_EXT_TAG | PCI_EXP_DEVCAP_RBER,
	    0); /* payload up to 512 bytes */
	set(port, EXP_CAP + PCI_EXP_DEVCTL, 2, 0x2810, 0x7fff);
	set(port, EXP_CAP + PCI_EXP_LNKCAP, 4, link | number << 24 | PCI_EXP_LNKCAP_DLLLARC, 0);
	set(port, EXP_CAP + PCI_EXP_LNKCTL, 2, 0,
	    PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_LD | PCI_EXP_LNKCTL_CCC |
		    PCI_EXP_LNKCTL_ES);
	set(port, EXP_CAP + PCI_EXP_LNKSTA, 2, link | PCI_EXP_LNKSTA_DLLLA, 0);
	set(port, EXP_CAP + PCI_EXP_SLTCAP, 4, number << SLOT_NUMBER_SHIFT, 0);
	set(port, EXP_CAP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_PDS, 0);
	set(port, EXP_CAP + PCI_EXP_RTCTL, 2, 0, 0x1f);
	set(port, EXP_CAP + PCI_EXP_LNKCAP2, 4, LINK_SPEEDS_TO_32GT, 0);
	set(port, EXP_CAP + PCI_EXP_LNKCTL2, 2, LINK_SPEED_32GT, 0x0f);
}

void berth_root_port_init(struct berth_root_port *port, unsigned int number, bool multifunction)
{
	memset(port, 0, sizeof(*port));
	init_header(port, multifunction);
	init_pm(port);
	init_exp(port, number);
}

void berth_root_port_set_bus(struct berth_root_port *port, uint8_t secondary)
{
	set(port, PCI_SECONDARY_BUS, 1, secondary, 0xff);
	set(port, PCI_SUBORDINATE_BUS, 1, secondary, 0xff);
}

/* A closed window has its base above its limit (PCI-to-PCI Bridge 1.2, 3.2.5.6). */
void berth_root_port_set_io(struct berth_root_port *port, struct berth_range at)
{
	uint32_t base = 0xf0, limit = 0x00;

	if (at.size) {
		base = at.start >> 8 & 0xf0;
		limit = berth_range_last(at) >> 8 & 0xf0;
	}
	set(port, PCI_IO_BASE, 1, base, 0xf0);
	set(port, PCI_IO_LIMIT, 1, limit, 0xf0);
}

void berth_root_port_set_memory(struct berth_root_port *port, struct berth_range at)
{
	uint32_t base = 0xfff0, limit = 0x0000;

	if (at.size) {
		base = at.start >> 16 & 0xfff0;
		limit = berth_range_last(at) >> 16 & 0xfff0;
	}
	set(port, PCI_MEMORY_BASE, 2, base, 0xfff0);
	set(port, PCI_MEMORY_LIMIT, 2, limit, 0xfff0);
}

void berth_root_port_set_prefetch(struct berth_root_port *port, struct berth_range at)
{
	uint64_t base = 0xfff00000, limit = 0;

	if (at.size) {
		base = at.start;
		limit = berth_range_last(at);
	}
	set(port, PCI_PREF_MEMORY_BASE, 2, (base >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64, 0xfff0);
	set(port, PCI_PREF_MEMORY_LIMIT, 2, (limit >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64,
	    0xfff0);
	set(port, PCI_PREF_BASE_UPPER32, 4, (uint32_t)(base >> 32), UINT32_MAX);
	set(port, PCI_PREF_LIMIT_UPPER32, 4, (uint32_t)(limit >> 32), UINT32_MAX);
}

/* 7.5.3.15. Routing is for switches: behind this port there is one device. */
void berth_root_port_set_atomics(struct berth_root_port *port, unsigned int atomics)
{
	set(port, EXP_CAP + PCI_EXP_DEVCAP2, 4,
	    (atomics & BERTH_ATOMICS_32 ? PCI_EXP_DEVCAP2_ATOMIC_COMP32 : 0) |
		    (atomics & BERTH_ATOMICS_64 ? PCI_EXP_DEVCAP2_ATOMIC_COMP64 : 0) |
		    (atomics & BERTH_ATOMICS_128 ? DEVCAP2_ATOMIC_COMP128 : 0),
	    0);
}

uint8_t berth_root_port_bus(const struct berth_root_port *port)
{
	return port->config.data[PCI_SECONDARY_BUS];
}
