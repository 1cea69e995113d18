/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A passed-through function: the guest's PCI function that a VFIO device stands behind.
 *
 * BARs are KVM memory slots on the device's own pages (vmm/dev_bars.h), interrupts go from VFIO to KVM by irqfd
 * (vmm/dev_irqs.h), config space is answered as the table in vfio/config.c says. User space sees a guest's access only
 * while it sets things up, at the MSI-X table, and at BARs that cannot be mapped.
 *
 * What the host and the device report meanwhile (it is wanted back, an uncorrectable error) is the supervisor's to hear:
 * vfio/watch.h.
 *
 * After berth_vm_load() this needs, besides what vm.h lists: pread64, pwrite64 and ioctl VFIO_DEVICE_SET_IRQS on the
 * device, poll and read on eventfds; berth_dma_free() needs ioctl VFIO_IOMMU_UNMAP_DMA on the container.
 */
#ifndef BERTH_VMM_PASSTHRU_H
#define BERTH_VMM_PASSTHRU_H

#include <stdbool.h>

#include "base/cleanup.h"

struct berth_barspace;
struct berth_err;
struct berth_passthru; /* opaque */
struct berth_pci_slot;
struct berth_vfio_device;
struct berth_vm;

struct berth_passthru_config {
	struct berth_barspace *space; /* borrowed, outlives the result; the VM's one */
	/* borrowed; the guest's slot; functions that share a slot in the host, and a group, share one here */
	struct berth_pci_slot *slot;
	unsigned int fn;    /* function number in the guest, 0 … 7; 0 must exist in each slot */
	bool multifunction; /* @slot will hold more than one function */
	bool no_rom;	    /* the guest gets no option ROM */
	bool move_msix;	    /* see berth_vfio_config_move_msix() */
	/* see berth_vfio_config_add_clique() */
	bool in_clique, p2p_clique_force;
	unsigned int p2p_clique;
};

/**
 * berth_passthru_new() - give a device to the guest
 * @vm: borrowed, outlives the result; not yet loaded, and berth_dma_new() has been called for it
 * @dev: consumed on success only; reset, interrupts off
 *
 * Opens one descriptor per interrupt vector now, so that nothing is opened later: RLIMIT_NOFILE must allow
 * berth_passthru_nr_fds() more.
 *
 * Return: 0; -EPROTO the device's config space or regions contradict themselves; -EEXIST the place is taken; -EMFILE;
 *         -ENOMEM; -errno of the kernel.
 */
int berth_passthru_new(struct berth_passthru **ret, struct berth_vm *vm,
		       const struct berth_passthru_config *config, struct berth_vfio_device *dev,
		       struct berth_err *err);

/* Descriptors that berth_passthru_new() will open for this device. */
unsigned int berth_passthru_nr_fds(struct berth_vfio_device *dev);

/*
 * After the vCPUs have ended: bus mastering and decoding off. For all functions of a VM before the first one is freed: what
 * one of them still writes must not find the BAR of another one gone.
 */
void berth_passthru_stop(struct berth_passthru *pt);
/* After the vCPUs have ended: interrupts off, bus mastering off, memory slots gone, device closed. Takes NULL. */
void berth_passthru_free(struct berth_passthru *pt);
BERTH_DEFINE_CLEANUP(struct berth_passthru *, berth_passthru_free);

#endif
