/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the BARs of a function are: from register values to mappings, so that the two can never disagree.
 *
 * The value of a BAR register is not where the BAR is mapped. It is mapped while decoding is on and its address is one
 * that it may have; it follows the guest's moves; an address that it may not have (0, RAM, outside the windows) leaves it
 * unmapped, and is no error.
 *   - Sizing: from a write of all-ones to a register until the next write to it, the mapping stays where it was. What the
 *     register then holds cannot tell: for a 2 GiB BAR it looks like a regular address.
 *   - The two halves of a 64-bit BAR are one register: when a guest writes one half with decoding on, nothing moves until
 *     it has written the other one, or accesses any other register of the function (berth_bars_settle()).
 *
 * Pure: what mapping means is the owner's, by operations. Not thread-safe.
 */
#ifndef BERTH_VMM_BARS_H
#define BERTH_VMM_BARS_H

#include <stdbool.h>
#include <stdint.h>

#define BERTH_BARS_NR  7 /* BAR 0 … 5, and the ROM */
#define BERTH_BARS_ROM 6

struct berth_bars_ops {
	/* May this BAR be at @addr? The address is not 0 and a multiple of the size. */
	bool (*ok)(void *opaque, unsigned int bar, uint64_t addr);
	void (*map)(void *opaque, unsigned int bar, uint64_t addr);
	void (*unmap)(void *opaque, unsigned int bar);
};

struct berth_bars {
	const struct berth_bars_ops *ops; /* borrowed */
	void *opaque;
	bool mem_on, io_on;
	uint32_t reg[BERTH_BARS_NR];
	unsigned int sizing; /* bit per register: the last write to it was all-ones */
	struct {
		uint64_t size; /* 0: none, or an upper half */
		bool is64, io;
		bool half[2]; /* written, and the other half not yet */
		bool mapped;
		uint64_t at; /* where, while mapped */
	} bar[BERTH_BARS_NR];
};

/* Nothing mapped, decoding off. */
void berth_bars_init(struct berth_bars *bars, const struct berth_bars_ops *ops, void *opaque);
/* @size: a power of two, at least 4; @bar + 1 stays empty for a 64-bit one. */
void berth_bars_define(struct berth_bars *bars, unsigned int bar, uint64_t size, bool is64,
		       bool io);

/**
 * berth_bars_update() - the guest wrote config space
 * @mem_on, @io_on: decoding now
 * @reg: the registers now; that of the ROM has its own enable bit (7.5.1.2.4)
 * @written: bit per register that this access wrote; 0 for a write elsewhere, which settles half-written pairs
 * @ones: of these, the ones that got all-ones (all address bits at least) in one dword write
 */
void berth_bars_update(struct berth_bars *bars, bool mem_on, bool io_on,
		       const uint32_t reg[BERTH_BARS_NR], unsigned int written, unsigned int ones);
/* The guest read config space: a half-written pair counts as it is. */
void berth_bars_settle(struct berth_bars *bars);

#endif
