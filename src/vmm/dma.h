/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What binds a VM to the I/O address space of its devices: all guest RAM mapped for DMA at its guest-physical address, and
 * the VFIO groups or devices made known to KVM (so that it honours the cache attributes that non-coherent DMA needs;
 * Documentation/virt/kvm/devices/vfio.rst).
 */
#ifndef BERTH_VMM_DMA_H
#define BERTH_VMM_DMA_H

#include "base/cleanup.h"

struct berth_dma; /* opaque */
struct berth_err;
struct berth_ioas;
struct berth_prefault;
struct berth_vm;

/**
 * berth_dma_new() - let the devices of @io reach the guest's RAM
 * @vm: borrowed, outlives the result; its RAM is complete, its vCPUs have not started
 * @io: borrowed, outlives the result; every group attached
 * @prefault: what faults RAM in, for the length of the call; NULL: nobody does
 *
 * Pins all guest RAM (dma_ram.h), and says how far it is (berth_vm_ram_ready()). Once per VM, before the
 * first berth_passthru_new().
 *
 * Return: 0; -ERANGE guest RAM lies across addresses that the platform reserves; -ENOMEM RLIMIT_MEMLOCK (need and limit in
 *         the sentence); -errno of the kernel.
 */
int berth_dma_new(struct berth_dma **ret, struct berth_vm *vm, struct berth_ioas *io,
		  struct berth_prefault *prefault, struct berth_err *err);

/* After every berth_passthru_free() of the VM. Takes NULL. */
void berth_dma_free(struct berth_dma *dma);
BERTH_DEFINE_CLEANUP(struct berth_dma *, berth_dma_free);

#endif
