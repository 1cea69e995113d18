/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM before there is a VM: reserved and being faulted in while the supervisor opens and resets the devices that will
 * reach it. The reset of a device is waiting, and zeroing memory is work, so the two share even a single processor.
 *
 * No device can reach it yet: it is mapped for DMA (dma_ram.h) when the devices have come, and they come reset.
 */
#ifndef BERTH_VMM_EARLY_RAM_H
#define BERTH_VMM_EARLY_RAM_H

#include "base/cleanup.h"
#include "vmm/backing.h"

struct berth_early_ram; /* opaque */
struct berth_err;
struct berth_prefault;

/**
 * berth_early_ram_new() - reserve it all and begin
 * @config: its descriptor is borrowed for the call
 *
 * Return: 0; what berth_backing_map() and berth_prefault_start() return.
 */
int berth_early_ram_new(struct berth_early_ram **ret, const struct berth_backing_config *config,
			struct berth_err *err);
/* After every VM and mapping that uses it. Takes NULL. */
void berth_early_ram_free(struct berth_early_ram *ram);
BERTH_DEFINE_CLEANUP(struct berth_early_ram *, berth_early_ram_free);

/* The memory: all of it, contiguous, from the first byte of guest RAM to the last. */
void *berth_early_ram_start(const struct berth_early_ram *ram);

/**
 * berth_early_ram_rest() - the devices are there: who faults in the rest?
 *
 * On a single processor whoever maps it, since a thread would only be in the way: then the threads have ended, and the result
 * is NULL.
 *
 * Return: to be waited for while mapping, borrowed until berth_early_ram_settle(); or NULL.
 */
struct berth_prefault *berth_early_ram_rest(struct berth_early_ram *ram);

/* Wait until the threads are gone, wherever they are. Before vCPUs are made: the number of threads is limited. */
void berth_early_ram_settle(struct berth_early_ram *ram);

#endif
