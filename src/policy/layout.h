/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the devices of a world are, and what tells them apart: worked out once, for the decisions on many claims.
 *
 * Devices, groups and sets have the numbers of the world (policy/world.h).
 */
#ifndef BERTH_POLICY_LAYOUT_H
#define BERTH_POLICY_LAYOUT_H

#include "policy/distance.h"
#include "policy/world.h"

struct berth_layout {
	struct berth_world *world;  /* borrowed, outlives us; berth_layout_give() writes to it */
	struct berth_place *places; /* owned, here and below; of each device */
	uint32_t *rank;		    /* its place in the order of stable paths */
	/*
	 * A kind: devices about which the policy says the same to everybody, as long as nobody owns them. A pile: devices of
	 * a kind in the same place. BERTH_WORLD_NONE: it is like no other.
	 */
	uint32_t *kind, *pile;
	uint32_t nr_kinds, nr_piles;
	uint32_t *load, *room; /* of each set at PIX: devices that are owned, and that are free */
	struct berth_layout_set *sets; /* of each set of the world */
};

/* Return: 0, *ret owned by the caller, berth_layout_free(); -ENOMEM. */
int berth_layout_new(struct berth_layout **ret, struct berth_world *world);
void berth_layout_free(struct berth_layout *layout);
BERTH_DEFINE_CLEANUP(struct berth_layout *, berth_layout_free);

/* As if @vm had the group from now on; NULL: nobody. @vm must outlive the world. */
void berth_layout_give(struct berth_layout *layout, uint32_t group, const char *vm);

/* The devices of a set that fit, in order of their paths, or (@by_age) those first that have rested longest. Borrowed.
 * NULL: -ENOMEM. */
const uint32_t *berth_layout_sorted(struct berth_layout *layout, uint32_t set, bool by_age);

#endif
