/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/dma_ram.h"

#include <assert.h>
#include <errno.h>

#define BERTH_LOG "vmm/dma"
#include "base/err.h"
#include "base/log.h"
#include "iommu/ioas.h"
#include "vmm/mem.h"
#include "vmm/prefault.h"

/*
 * As few pieces as will do: 1 GiB each, or so much that BERTH_DMA_RAM_MAX_PIECES are enough for all ranges together, of which
 * each may begin and end with a piece that is not whole.
 */
static uint64_t piece_size(uint64_t total, size_t nr_ranges)
{
	uint64_t pieces = BERTH_DMA_RAM_MAX_PIECES - 2 * nr_ranges;
	uint64_t each = (total + pieces - 1) / pieces;

	return (each + BERTH_DMA_RAM_PIECE - 1) / BERTH_DMA_RAM_PIECE * BERTH_DMA_RAM_PIECE;
}

/* From @at to the next address that is a multiple of @piece, so that each but the first starts at one. */
static uint64_t piece_at(const struct berth_mem_range *r, uint64_t offset, uint64_t piece)
{
	uint64_t to_border = piece - (r->gpa + offset) % piece, left = r->size - offset;

	return left < to_border ? left : to_border;
}

static int map_range(struct berth_dma_ram *ram, const struct berth_mem_range *r, uint64_t piece,
		     struct berth_prefault *prefault, uint64_t *done, uint64_t total,
		     berth_dma_ram_progress_fn progress, void *opaque, struct berth_err *err)
{
	for (uint64_t offset = 0; offset < r->size;) {
		struct berth_range at = { r->gpa + offset, piece_at(r, offset, piece) };
		int e = prefault ? berth_prefault_wait(prefault, *done + at.size, err) : 0;

		if (e == 0)
			e = berth_ioas_map(ram->io, at, (char *)r->hva + offset,
					   BERTH_IOAS_READ | BERTH_IOAS_WRITE, err);
		if (e < 0)
			return berth_err_prefix(err, e, "guest RAM");
		assert(ram->nr < BERTH_DMA_RAM_MAX_PIECES);
		ram->maps[ram->nr++] = at;
		offset += at.size;
		*done += at.size;
		if (progress)
			progress(opaque, *done, total);
	}
	return 0;
}

int berth_dma_ram_map(struct berth_dma_ram *ret, struct berth_ioas *io, const struct berth_mem *mem,
		      struct berth_prefault *prefault, berth_dma_ram_progress_fn progress,
		      void *opaque, struct berth_err *err)
{
	uint64_t total = berth_mem_size(mem), done = 0, piece;
	size_t nr;
	const struct berth_mem_range *ram = berth_mem_ram_ranges(mem, &nr);
	int r = 0;

	*ret = (struct berth_dma_ram){ .io = io };
	assert(nr < BERTH_DMA_RAM_MAX_PIECES / 2);
	piece = piece_size(total, nr);
	for (size_t i = 0; r == 0 && i < nr; i++)
		r = map_range(ret, &ram[i], piece, prefault, &done, total, progress, opaque, err);
	return r;
}

void berth_dma_ram_unmap(struct berth_dma_ram *ram)
{
	while (ram->nr > 0) {
		struct berth_err err = BERTH_ERR_INIT;

		if (berth_ioas_unmap(ram->io, ram->maps[--ram->nr], &err) < 0)
			log_warn("%s; the memory stays pinned until the address space is closed",
				 err.text);
	}
}
