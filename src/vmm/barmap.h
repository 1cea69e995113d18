/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One BAR of a passed-through function in the guest: memory slots on the device's own pages where they can be mapped, a
 * trapped bus region under them for the rest (I/O ports, BARs below a page, pages around the MSI-X table).
 *
 * Some parts may be answered by the owner instead of the device. Not thread-safe, except that accesses by vCPUs may come
 * at any time while it is mapped.
 */
#ifndef BERTH_VMM_BARMAP_H
#define BERTH_VMM_BARMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"

struct berth_barmap; /* opaque */
struct berth_bus;
struct berth_err;
struct berth_mem;
struct berth_vfio_device;

#define BERTH_BARMAP_MAX_EMULATED 2 /* MSI-X table and pending bits */

struct berth_barmap_config {
	struct berth_vfio_device *dev; /* borrowed */
	unsigned int bar;	       /* 0 … 5, which @dev has */
	uint64_t size;		       /* of the BAR, a power of two */
	bool io;		       /* ports: never mapped */
	struct berth_bus *bus;	       /* borrowed; for ports or memory, as @io says */
	struct berth_mem *mem;	       /* borrowed */
	/* Parts that @read and @write answer; what touches one but is not inside it reads all-ones. Empty ones are skipped. */
	struct berth_range emulated[BERTH_BARMAP_MAX_EMULATED];
	void (*read)(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		     void *data);
	void (*write)(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		      const void *data);
	void *opaque;
};

/**
 * berth_barmap_new() - map what can be mapped here; the guest sees nothing yet
 * Return: 0; -ENOMEM; -errno of mmap.
 */
int berth_barmap_new(struct berth_barmap **ret, const struct berth_barmap_config *config,
		     struct berth_err *err);
/* Takes it out of the guest first. No vCPU may be in an access to it. Takes NULL. */
void berth_barmap_free(struct berth_barmap *map);
BERTH_DEFINE_CLEANUP(struct berth_barmap *, berth_barmap_free);

/* Put it at @addr; it is nowhere now. Slots that find their place taken are trapped instead. Return: 0; -ENOMEM. */
int berth_barmap_place(struct berth_barmap *map, uint64_t addr, struct berth_err *err);
/* Try slots again that found their place taken: something may have moved away. */
void berth_barmap_retry(struct berth_barmap *map);
void berth_barmap_remove(struct berth_barmap *map);

/* How many bytes of the BAR a guest reaches without an exit, where it is now. */
uint64_t berth_barmap_direct_bytes(const struct berth_barmap *map);

#endif
