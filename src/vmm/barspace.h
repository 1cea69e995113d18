/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory BARs of all passed-through functions of a VM, where the guest has them now: one object per VM that owns guest
 * address, memory slot and IOMMU mapping of each, so that these can never disagree.
 *
 * A BAR that the guest has put somewhere is a placement; the pieces of it that are mapped here become memory slots, and
 * with peer-to-peer DMA also IOMMU mappings, so that the other devices of the VM reach it at the same address.
 *   - Placements may overlap. The one that was there first keeps the place, the others are without slots until it goes;
 *     the bus, on which accesses without a slot arrive, decides the same way (bus.h).
 *   - A BAR smaller than a page, on a page of the host that is its own, gets that whole page as long as it has the page to
 *     itself in the guest, too.
 *   - A piece is in the IOMMU only while it has a slot: mapped after the slot is set, unmapped before it is deleted. Where
 *     the guest's processors cannot go, no device goes.
 *   - Mapped for the others it is not before one of them may use it, that is, has bus mastering on for the first time: a
 *     guest that looks for devices switches decoding off and on for each BAR, and none of that then costs a mapping.
 *   - An IOMMU mapping that fails is a feature lost, not a device: one warning per BAR.
 *
 * Under the PCI host's config lock, but for the faults that arrive from a vCPU through berth_mem_drop_faulting(): these
 * take slot and mapping of a piece away until the BAR is placed anew.
 */
#ifndef BERTH_VMM_BARSPACE_H
#define BERTH_VMM_BARSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"

struct berth_barspace; /* opaque; one per VM */
struct berth_err;
struct berth_ioas;
struct berth_mem;
struct berth_placement; /* opaque */

/* A part of a BAR that is mapped here: whole pages of 4 KiB, also when the BAR is smaller than one. */
struct berth_bar_piece {
	struct berth_range in_bar;
	void *hva; /* borrowed; stays mapped while the BAR is placed */
};

struct berth_placement_config {
	unsigned int owner;    /* as berth_barspace_join() called the function */
	unsigned int bar;      /* for messages */
	struct berth_range at; /* guest-physical, of the whole BAR */
	/* copied; ascending, disjoint; none: only to keep others out */
	const struct berth_bar_piece *pieces;
	size_t nr_pieces;
};

/**
 * berth_barspace_new()
 * @mem: borrowed, outlives the result
 * @io: borrowed, outlives the result; NULL: no peer-to-peer DMA
 * Return: 0; -ENOMEM.
 */
int berth_barspace_new(struct berth_barspace **ret, struct berth_mem *mem, struct berth_ioas *io,
		       struct berth_err *err);
/* When all placements are gone. Takes NULL. */
void berth_barspace_free(struct berth_barspace *space);
BERTH_DEFINE_CLEANUP(struct berth_barspace *, berth_barspace_free);

/* A function that has BARs. @name: borrowed, for messages. Return: its number, 0 and up; -ENOMEM. */
int berth_barspace_join(struct berth_barspace *space, const char *name);

/* The guest lets this function do DMA from now on: it must reach the others. Call before the device sees it. */
void berth_barspace_bus_master(struct berth_barspace *space, unsigned int owner);

/**
 * berth_barspace_place() - a BAR is in the guest from now on
 * @config: @at is not empty, does not wrap, and lies outside of RAM
 *
 * What keeps a piece from being mapped (another BAR has the place, KVM is out of slots) is no error.
 *
 * Return: 0; -ENOMEM.
 */
int berth_barspace_place(struct berth_barspace *space, const struct berth_placement_config *config,
			 struct berth_placement **ret, struct berth_err *err);
/* It is gone; who waited for its place gets it. Takes NULL. */
void berth_barspace_remove(struct berth_placement *placement);

/* How many bytes of it the guest reaches without an exit, and how many other devices reach. */
uint64_t berth_placement_direct_bytes(struct berth_placement *placement);
uint64_t berth_placement_peer_bytes(struct berth_placement *placement);

#endif
