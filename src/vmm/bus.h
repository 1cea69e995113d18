/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answers a trapped guest access: one bus for MMIO, one for port I/O.
 *
 * Any vCPU thread may dispatch while another adds or removes a region, also from inside a region's own callback (a
 * config write that moves a BAR does that): callbacks run without the bus lock. Regions may overlap; the one added
 * first answers, the other takes over when it goes. An address that nobody answers reads all-ones, writes vanish.
 */
#ifndef BERTH_VMM_BUS_H
#define BERTH_VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"

struct berth_err;
struct berth_bus;	 /* opaque */
struct berth_bus_region; /* opaque */

struct berth_bus_ops {
	/*
	 * @offset: from the start of the region; offset + len is inside it
	 * @len: 1 … 8 (MMIO; any length, any alignment), 1, 2 or 4 (ports)
	 * @data: little-endian bytes; preset to all-ones for a read
	 * May be called by several vCPU threads at once. NULL: reads all-ones, write ignored.
	 */
	void (*read)(void *opaque, uint64_t offset, unsigned int len, void *data);
	void (*write)(void *opaque, uint64_t offset, unsigned int len, const void *data);
};

/* @name: for the log ("mmio", "pio"); borrowed. Return: 0, -ENOMEM. */
int berth_bus_new(struct berth_bus **ret, const char *name);
/* Frees the regions that are left too. Only when nobody dispatches any more. */
void berth_bus_free(struct berth_bus *bus);
BERTH_DEFINE_CLEANUP(struct berth_bus *, berth_bus_free);

/**
 * berth_bus_add() - answer for a range of addresses
 * @ops: borrowed, for ever (static const)
 * @opaque: borrowed; see berth_bus_remove()
 *
 * Return: 0; -EINVAL empty range or one that wraps; -ENOMEM.
 */
int berth_bus_add(struct berth_bus *bus, struct berth_range at, const struct berth_bus_ops *ops,
		  void *opaque, struct berth_bus_region **ret, struct berth_err *err);

/**
 * berth_bus_remove() - stop answering
 *
 * No new call starts once this returns, but one that another vCPU is in the middle of may still be running: @opaque
 * must live until the vCPUs have stopped. NULL is allowed.
 */
void berth_bus_remove(struct berth_bus *bus, struct berth_bus_region *region);

/* Dispatch. Return: false when nobody answered (@data is all-ones then). An access across a region's end is nobody's. */
bool berth_bus_read(struct berth_bus *bus, uint64_t addr, unsigned int len, void *data);
bool berth_bus_write(struct berth_bus *bus, uint64_t addr, unsigned int len, const void *data);

#endif
