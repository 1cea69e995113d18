/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM together with the devices it was given: from a launch message to something that can run.
 *
 * Made in this order and taken apart in the reverse one: address space from the container and its groups, the VM, guest RAM
 * mapped for DMA, each device in its slot, then kernel, tables and vCPUs.
 */
#ifndef BERTH_VMM_GUEST_H
#define BERTH_VMM_GUEST_H

#include "base/cleanup.h"
#include "vmm/vm.h"

struct berth_early_ram;
struct berth_err;
struct berth_guest; /* opaque */
struct berth_launch;

/**
 * berth_guest_new() - make the VM that @launch describes, ready for berth_vm_run()
 * @launch: borrowed, outlives the guest; its VFIO descriptors are taken out of it
 * @ram: borrowed, outlives the guest; the memory that @launch asks for. With devices; else NULL
 * @ram_ready: told how much RAM is ready for DMA, as of vm.h; may be NULL
 *
 * Return: 0; what berth_vm_new(), berth_vm_load(), berth_dma_new() and berth_passthru_new() return.
 */
int berth_guest_new(struct berth_guest **ret, struct berth_launch *launch,
		    struct berth_early_ram *ram, berth_vm_ram_fn ram_ready, struct berth_err *err);
/* After berth_vm_run(). Takes NULL. */
void berth_guest_free(struct berth_guest *g);
BERTH_DEFINE_CLEANUP(struct berth_guest *, berth_guest_free);

struct berth_vm *berth_guest_vm(struct berth_guest *g);
/* The descriptor into which BARs are mapped for peer-to-peer DMA while the guest runs, borrowed; -1: none is. */
int berth_guest_p2p_fd(const struct berth_guest *g);

#endif
