/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A passed-through function: the guest's PCI function that a VFIO device stands behind.
 *
 * BARs are KVM memory slots on the device's own pages (vmm/bar.h), interrupts go from VFIO to KVM by irqfd
 *, config space is answered as the table in vfio/config.c says. User space sees a guest's access only
 * while it sets things up, at the MSI-X table, and at BARs that cannot be mapped.
 *
 * When the host wants the device back (REQ), or the device reports an uncorrectable error (ERR), the VM is asked to stop
 * with a sentence that says so.
 */
#ifndef BERTH_VMM_PASSTHRU_H
#define BERTH_VMM_PASSTHRU_H

#include "base/cleanup.h"

struct berth_err;
struct berth_passthru; /* opaque */
struct berth_vfio_device;
struct berth_vm;

/**
 * berth_passthru_new() - give a device to the guest
 * @vm: borrowed, outlives the result; its vCPUs have not started, and berth_dma_new() has been called for it
 * @slot: the guest's PCIe slot, that is the root port; functions that share a slot in the host share one here
 * @fn: function number in the guest, 0 … 7; keep the host's
 * @dev: consumed on success only
 *
 * Return: 0; -EPROTO the device's config space or regions contradict themselves; -EEXIST the place is taken; -ENOMEM;
 *         -errno of the kernel.
 */
int berth_passthru_new(struct berth_passthru **ret, struct berth_vm *vm, unsigned int slot,
		       unsigned int fn, struct berth_vfio_device *dev, struct berth_err *err);

/* After the vCPUs have ended: interrupts off, bus mastering off, memory slots gone, device closed. Takes NULL. */
void berth_passthru_free(struct berth_passthru *pt);
BERTH_DEFINE_CLEANUP(struct berth_passthru *, berth_passthru_free);

#endif
