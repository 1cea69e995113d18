/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a board's firmware does to PCI before the operating system starts: bus numbers, bridge windows, BARs.
 *
 * Per slot and kind of memory the BARs lie packed next to the largest, which is aligned, behind one bridge window.
 * Which kind: I/O; 64-bit prefetchable above 4 GiB; all the rest below, because a bridge has no non-prefetchable window
 * above 4 GiB (PCI-to-PCI Bridge 1.2, 3.2.5.8). A memory BAR takes at least a page of its own, so that it can be mapped
 * into the guest without its neighbours.
 */
#ifndef BERTH_VMM_PCI_FIRMWARE_H
#define BERTH_VMM_PCI_FIRMWARE_H

#include <stddef.h>

#include "base/range.h"

struct berth_err;
struct berth_pci_slot;

struct berth_pci_plan {
	struct berth_range area64; /* where the 64-bit window may go: from the end of RAM on */
	const struct berth_range *reserved; /* borrowed; to be kept free in it */
	size_t nr_reserved;
};

/**
 * berth_pci_firmware_assign() - give addresses to every slot and write them
 * @slots: borrowed; @nr of them
 * @ret_window64: the 64-bit window that the BARs made necessary, size 0 when none did
 *
 * I/O ports are few and drivers do without: when they run out, an I/O BAR stays 0 (addr 0) and that is no error.
 *
 * Return: 0; -ENOSPC, the sentence says what is too small for whom; -ENOMEM.
 */
int berth_pci_firmware_assign(struct berth_pci_slot *const *slots, size_t nr,
			      const struct berth_pci_plan *plan, struct berth_range *ret_window64,
			      struct berth_err *err);

#endif
