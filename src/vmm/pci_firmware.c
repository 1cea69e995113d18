/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vmm/pci"
#include "vmm/pci_firmware.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/pci_slot.h"
#include "vmm/window.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum kind { IO, MEM32, MEM64, NR_KINDS };

static const struct {
	uint64_t bar;	 /* a BAR takes at least this */
	uint64_t bridge; /* granularity of a bridge's window */
} grain[NR_KINDS] = {
	[IO] = { 4, 4096 },
	[MEM32] = { 4096, MIB },
	[MEM64] = { 4096, MIB },
};

/* A BAR to be placed. */
struct want {
	struct berth_pci_function *function;
	unsigned int index;
	uint64_t size;
};

/* All BARs of one kind in one slot. */
struct block {
	struct berth_pci_slot *slot;
	struct want wants[BERTH_PCI_NR_FUNCTIONS * BERTH_PCI_NR_BARS];
	size_t nr;
	uint64_t size, align;
	/*
	 * The smaller ones may lie behind the largest or before it, in a lead of so many bytes. Next to a neighbour of the
	 * same size that is the difference between a gap as large as that, and none.
	 */
	uint64_t lead;
	uint64_t start;
};

static enum kind kind_of(const struct berth_pci_bar *bar)
{
	if (bar->io)
		return IO;
	return bar->is64 && bar->prefetch ? MEM64 : MEM32;
}

static int by_size(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return x->size < y->size ? 1 : x->size > y->size ? -1 : 0;
}

static int by_align(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->align != y->align)
		return x->align < y->align ? 1 : -1;
	return x->size < y->size ? 1 : x->size > y->size ? -1 : 0;
}

static void collect(struct block *block, struct berth_pci_slot *slot, enum kind kind)
{
	*block = (struct block){ .slot = slot, .align = grain[kind].bridge };
	for (unsigned int fn = 0; fn < BERTH_PCI_NR_FUNCTIONS; fn++) {
		struct berth_pci_function *function = slot->functions[fn];

		for (unsigned int i = 0; function && i < BERTH_PCI_NR_BARS; i++) {
			const struct berth_pci_bar *bar = &function->bars[i];
			uint64_t size = bar->size > grain[kind].bar ? bar->size : grain[kind].bar;

			if (!bar->size || kind_of(bar) != kind)
				continue;
			block->wants[block->nr++] = (struct want){ function, i, size };
			block->size += size;
			if (size > block->align)
				block->align = size;
		}
	}
	qsort(block->wants, block->nr, sizeof(block->wants[0]), by_size);
	/* Sizes are limited to 2^51 at berth_pci_slot_add(), so no sum can wrap. */
	(void)berth_align_up(block->size, grain[kind].bridge, &block->size);
}

static void write_bar(const struct want *want, uint64_t addr)
{
	struct berth_pci_function *function = want->function;
	unsigned int reg = want->index == BERTH_PCI_ROM_BAR ? PCI_ROM_ADDRESS :
							      PCI_BASE_ADDRESS_0 + 4 * want->index;

	function->bars[want->index].addr = addr;
	function->ops->config_write(function, reg, 4, (uint32_t)addr);
	if (function->bars[want->index].is64)
		function->ops->config_write(function, reg + 4, 4, (uint32_t)(addr >> 32));
	log_debug("%s: BAR %u, 0x%llx bytes, at 0x%llx", function->name, want->index,
		  (unsigned long long)want->size, (unsigned long long)addr);
}

static void write_block(const struct block *block, enum kind kind)
{
	struct berth_range at = { block->start, block->size };
	uint64_t addr = block->start + block->lead;

	for (size_t i = 0; i < block->nr; i++) {
		uint64_t size = block->wants[i].size;

		if (block->lead && i > 0)
			addr -= size; /* each has a multiple of its size above it */
		write_bar(&block->wants[i], addr);
		if (!block->lead)
			addr += size;
	}
	switch (kind) {
	case IO:
		berth_root_port_set_io(&block->slot->port, at);
		break;
	case MEM32:
		berth_root_port_set_memory(&block->slot->port, at);
		break;
	case MEM64:
		berth_root_port_set_prefetch(&block->slot->port, at);
		break;
	case NR_KINDS:
		break;
	}
}

static int no_room(enum kind kind, const struct block *block, const struct berth_window *window,
		   struct berth_err *err)
{
	const struct want *largest = &block->wants[0];

	if (kind == MEM64)
		return berth_err_set(
			err, -ENOSPC,
			"%s: BAR %u needs %llu MiB above guest memory, and below 0x%llx, "
			"the end of this processor's %d physical address bits, there is no room; "
			"give the VM fewer devices or less memory",
			largest->function->name, largest->index,
			(unsigned long long)(largest->size / MIB),
			(unsigned long long)berth_range_last(window->area) + 1,
			64 - __builtin_clzll(berth_range_last(window->area)));
	return berth_err_set(
		err, -ENOSPC,
		"%s: BAR %u needs %llu KiB below 4 GiB, where the window of %llu MiB for "
		"all devices is full; give the VM fewer devices",
		largest->function->name, largest->index, (unsigned long long)(largest->size / 1024),
		(unsigned long long)(window->area.size / MIB));
}

/* The small ones before or behind the large one: whichever ends lower. */
static int place_block(struct block *block, uint64_t bridge, struct berth_window *window)
{
	uint64_t largest = block->wants[0].size, rest = 0, size, before;
	int r, r2 = -ENOSPC;

	for (size_t i = 1; i < block->nr; i++)
		rest += block->wants[i].size;
	(void)berth_align_up(rest, bridge, &rest);
	r = berth_window_find(window, block->size, block->align, 0, &block->start);
	if (rest && largest >= bridge) {
		size = rest + largest;
		r2 = berth_window_find(window, size, block->align, rest, &before);
	}
	if (r2 == 0 && (r < 0 || before + size < block->start + block->size)) {
		block->start = before;
		block->size = size;
		block->lead = rest;
		r = 0;
	}
	return r < 0 ? r :
		       berth_window_take(window, (struct berth_range){ block->start, block->size });
}

/* All slots' BARs of one kind. */
static int assign_kind(struct berth_pci_slot *const *slots, size_t nr, enum kind kind,
		       struct berth_window *window, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct block *blocks = calloc(nr + 1, sizeof(*blocks));

	if (!blocks)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++)
		collect(&blocks[i], slots[i], kind);
	qsort(blocks, nr, sizeof(*blocks), by_align);
	for (size_t i = 0; i < nr; i++) {
		int r;

		if (!blocks[i].nr)
			continue;
		r = place_block(&blocks[i], grain[kind].bridge, window);
		if (r == -ENOSPC && kind == IO) {
			log_info("%s: no I/O ports left, its I/O BARs stay unset",
				 blocks[i].wants[0].function->name);
			continue;
		}
		if (r == -ENOSPC)
			return no_room(kind, &blocks[i], window, err);
		if (r < 0)
			return berth_err_set(err, r, "out of memory");
		write_block(&blocks[i], kind);
	}
	return 0;
}

/* What lies between the first and the last block, rounded up so that the guest can shuffle a little. */
static struct berth_range used_span(const struct berth_window *window, size_t first)
{
	uint64_t start = UINT64_MAX, end = 0;

	if (first == window->nr)
		return (struct berth_range){ 0, 0 };
	for (size_t i = first; i < window->nr; i++) {
		if (window->taken[i].start < start)
			start = window->taken[i].start;
		if (berth_range_last(window->taken[i]) + 1 > end)
			end = berth_range_last(window->taken[i]) + 1;
	}
	if (!berth_align_up(end, GIB, &end) || end > berth_range_last(window->area))
		end = berth_range_last(window->area) + 1;
	return (struct berth_range){ start, end - start };
}

static int assign_mem64(struct berth_pci_slot *const *slots, size_t nr,
			const struct berth_pci_plan *plan, struct berth_range *ret_window64,
			struct berth_err *err)
{
	struct berth_window window;
	int r = 0;

	berth_window_init(&window, plan->area64);
	for (size_t i = 0; r == 0 && i < plan->nr_reserved; i++)
		r = berth_window_take(&window, plan->reserved[i]);
	if (r < 0)
		berth_err_set(err, r, "out of memory");
	else
		r = assign_kind(slots, nr, MEM64, &window, err);
	if (r == 0)
		*ret_window64 = used_span(&window, plan->nr_reserved);
	berth_window_done(&window);
	return r;
}

int berth_pci_firmware_assign(struct berth_pci_slot *const *slots, size_t nr,
			      const struct berth_pci_plan *plan, struct berth_range *ret_window64,
			      struct berth_err *err)
{
	static const struct {
		enum kind kind;
		uint64_t start, end;
	} below[] = {
		{ IO, BERTH_PCI_IO_START, BERTH_PCI_IO_END },
		{ MEM32, BERTH_PCI_MMIO32_START, BERTH_PCI_MMIO32_END },
	};

	for (size_t i = 0; i < nr; i++)
		berth_root_port_set_bus(&slots[i]->port, slots[i]->bus);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(below); i++) {
		struct berth_window window;
		int r;

		berth_window_init(&window, (struct berth_range){ below[i].start,
								 below[i].end - below[i].start });
		r = assign_kind(slots, nr, below[i].kind, &window, err);
		berth_window_done(&window);
		if (r < 0)
			return r;
	}
	return assign_mem64(slots, nr, plan, ret_window64, err);
}
