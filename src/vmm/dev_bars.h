/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All BARs of one passed-through function: what the guest writes to BAR registers and COMMAND, turned into places in the
 * guest (vmm/bars.h decides where, vmm/barmap.h puts each one there, vmm/barspace.h settles what overlaps).
 *
 * Called under the PCI host's config lock.
 */
#ifndef BERTH_VMM_DEV_BARS_H
#define BERTH_VMM_DEV_BARS_H

#include <stdint.h>

#include "base/cleanup.h"

struct berth_barspace;
struct berth_bus;
struct berth_dev_bars; /* opaque */
struct berth_dev_irqs;
struct berth_err;
struct berth_pci_function;
struct berth_pci_host;
struct berth_vfio_config;
struct berth_vfio_device;

/* All borrowed; they outlive the result. */
struct berth_dev_bars_config {
	struct berth_vfio_device *dev;
	struct berth_vfio_config *cfg;
	struct berth_dev_irqs *irqs;  /* answers the MSI-X table */
	struct berth_pci_host *host;  /* says where BARs may be */
	struct berth_bus *mmio, *pio; /* where accesses arrive that are trapped */
	struct berth_barspace *space; /* where the others are */
};

/**
 * berth_dev_bars_new() - find out what can be mapped; the guest sees nothing yet
 * @function: its bars[] are filled in, for berth_pci_slot_add()
 *
 * Return: 0; -ENOMEM.
 */
int berth_dev_bars_new(struct berth_dev_bars **ret, const struct berth_dev_bars_config *config,
		       struct berth_pci_function *function, struct berth_err *err);
/* Takes everything out of the guest first. Takes NULL. */
void berth_dev_bars_free(struct berth_dev_bars *bars);
BERTH_DEFINE_CLEANUP(struct berth_dev_bars *, berth_dev_bars_free);

/* The guest is about to switch bus mastering on. Before the device gets to know it. */
void berth_dev_bars_bus_master(struct berth_dev_bars *bars);
/* The guest wrote @value to config space, which has it by now. */
void berth_dev_bars_update(struct berth_dev_bars *bars, unsigned int offset, unsigned int len,
			   uint32_t value);
/* The guest reset the function: its registers are 0, decoding is off, whatever was begun is forgotten. */
void berth_dev_bars_reset(struct berth_dev_bars *bars);
/* The guest read config space: see berth_bars_settle(). */
void berth_dev_bars_settle(struct berth_dev_bars *bars);

#endif
