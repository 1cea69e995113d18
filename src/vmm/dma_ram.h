/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All guest RAM in the I/O address space of the devices, at its guest-physical addresses.
 *
 * Done in pieces, in the order of addresses: threads fault RAM in (early_ram.h) while the pieces before are pinned and entered
 * into the IOMMU's tables, which the kernel does for one caller at a time (vfio_iommu_type1 holds one lock).
 */
#ifndef BERTH_VMM_DMA_RAM_H
#define BERTH_VMM_DMA_RAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_err;
struct berth_ioas;
struct berth_mem;
struct berth_prefault;

#define BERTH_DMA_RAM_PIECE                                                                        \
	(UINT64_C(1) << 30)	     /* bytes, the largest page of an IOMMU; or a multiple */
#define BERTH_DMA_RAM_MAX_PIECES 128 /* beside a VM's BARs, far below BERTH_IOAS_MAX_MAPS */

/* Called as each piece is ready: bytes so far and in all. */
typedef void (*berth_dma_ram_progress_fn)(void *opaque, uint64_t done, uint64_t total);

struct berth_dma_ram {
	struct berth_ioas *io; /* borrowed; NULL when nothing is mapped */
	struct berth_range maps[BERTH_DMA_RAM_MAX_PIECES];
	size_t nr;
};

/**
 * berth_dma_ram_map() - make all of @mem reachable
 * @ret: kept by the caller until berth_dma_ram_unmap(), also after a failure
 * @prefault: of all RAM, one range after the other: each piece is waited for; NULL: nobody faults it in, mapping does
 * @progress: may be NULL
 *
 * Return: 0; what berth_ioas_map() and berth_prefault_wait() return.
 */
int berth_dma_ram_map(struct berth_dma_ram *ret, struct berth_ioas *io, const struct berth_mem *mem,
		      struct berth_prefault *prefault, berth_dma_ram_progress_fn progress,
		      void *opaque, struct berth_err *err);

/* Take back what was mapped, last first. A failure is logged: the kernel ends what is left with the address space. */
void berth_dma_ram_unmap(struct berth_dma_ram *ram);

#endif
