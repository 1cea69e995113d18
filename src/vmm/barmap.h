/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One BAR of a passed-through function in the guest: the device's own pages where they can be mapped (vmm/barspace.h makes
 * memory slots of them), a trapped bus region under them for the rest (I/O ports, BARs that share a page, pages around the
 * MSI-X table). The guest's BAR may be larger than the device's, and may be one that the device does not have at all: what
 * the device does not have reads all-ones.
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
struct berth_barspace;
struct berth_bus;
struct berth_err;
struct berth_vfio_device;

#define BERTH_BARMAP_MAX_EMULATED 2 /* MSI-X table and pending bits */

struct berth_barmap_config {
	struct berth_vfio_device *dev; /* borrowed */
	/* region of @dev; if it has no such one, nothing but @emulated is in the BAR */
	unsigned int bar;
	uint64_t size;		      /* of the BAR, a power of two */
	bool io;		      /* ports: never mapped */
	struct berth_bus *bus;	      /* borrowed; for ports or memory, as @io says */
	struct berth_barspace *space; /* borrowed; for a memory BAR */
	unsigned int owner;	      /* the function's number there */
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
 * What the kernel does not let us map, although it said so, is trapped, with a warning.
 *
 * Return: 0; -ENOMEM.
 */
int berth_barmap_new(struct berth_barmap **ret, const struct berth_barmap_config *config,
		     struct berth_err *err);
/* Takes it out of the guest first. No vCPU may be in an access to it. Takes NULL. */
void berth_barmap_free(struct berth_barmap *map);
BERTH_DEFINE_CLEANUP(struct berth_barmap *, berth_barmap_free);

/* Put it at @addr; it is nowhere now. Return: 0; -ENOMEM, then it still is nowhere. */
int berth_barmap_place(struct berth_barmap *map, uint64_t addr, struct berth_err *err);
void berth_barmap_remove(struct berth_barmap *map);

/* How many bytes of the BAR a guest reaches without an exit, where it is now. */
uint64_t berth_barmap_direct_bytes(const struct berth_barmap *map);

#endif
