/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the solver only (policy/solve.h): a problem, made ready to be searched. What can be known before the search is in
 * here: who may serve which request, in which order to try them, who is like whom, and what the rest will cost at least.
 */
#ifndef BERTH_POLICY_SOLVE_SPACE_H
#define BERTH_POLICY_SOLVE_SPACE_H

#include "policy/solve.h"

#define BERTH_SPACE_NONE UINT32_MAX

struct berth_space_chunk;

/* A request and its candidates. */
struct berth_space_list {
	uint32_t *items; /* borrowed from the space; the most promising first */
	size_t nr;
	/* borrowed; [p]: what one of items[p …] adds at least, part by part; nr + 1 */
	struct berth_score *floor;
	/*
	 * Requests that pairs tie together are filled together, the n-th of each after the other. The first of them leads:
	 * its floors include what its partners add at least.
	 */
	uint32_t leader; /* a request; itself when nothing ties it */
	bool ordered; /* of a leader: all have the same count, so that the order of n means nothing: items ascend */
	bool follows; /* tied directly to its leader, with the same count: with_leader is there */
	/* borrowed; by the leader's place in its list: what the partner adds at least */
	struct berth_score *with_leader;
	/* borrowed; of a leader, by place: the sum of its followers' with_leader */
	struct berth_score *rest;
};

/* A choice that is common to several requests: of what is "same", of where "all" are. */
struct berth_space_anchor {
	uint32_t of;
	const int64_t *keys; /* borrowed; of each item */
};

/* One device to be picked. */
struct berth_space_slot {
	uint32_t request, n;
	uint32_t leader_left; /* slots of the same leader that come after this one */
	/* what later slots add at least that neither leader nor partners of this n account for */
	struct berth_score rest;
};

struct berth_space {
	const struct berth_solve_problem *p; /* borrowed */
	struct berth_space_list lists[BERTH_SOLVE_MAX_REQUESTS];
	struct berth_space_anchor anchors[BERTH_SOLVE_MAX_CONSTRAINTS];
	size_t nr_anchors;
	struct berth_space_slot *slots; /* borrowed; in the order in which they are filled */
	size_t nr_slots;
	/* borrowed; of each item: the one like it that is to be taken before it, or BERTH_SPACE_NONE */
	uint32_t *twin;
	uint32_t *group_no,
		*switch_no; /* borrowed; of each item: its group and switch, counted from 0 */
	bool *group_shared,
		*switch_shared;	  /* borrowed; of each item: another item is in it as well */
	struct berth_score least; /* of any solution */
	bool hopeless;		  /* counts alone show that there is none */
	struct berth_space_chunk *memory; /* owned; what is borrowed above */
};

/* Return: 0; -E2BIG; -ENOMEM. Either way berth_space_done(). */
int berth_space_init(struct berth_space *space, const struct berth_solve_problem *problem);
void berth_space_done(struct berth_space *space);

/* Zeroed memory that lives as long as the space. NULL: -ENOMEM. */
void *berth_space_grab(struct berth_space *space, size_t nr, size_t size);

/* What item @i in request @r costs by itself, however the rest is chosen. */
struct berth_score berth_space_cost(const struct berth_space *space, uint32_t i, uint32_t r);

/* The set that an item is in at a level; at SYS all are in one. */
static inline int64_t berth_space_key(const struct berth_solve_item *item,
				      enum berth_distance level)
{
	return level < BERTH_DISTANCE_LEVELS ? (int64_t)item->place.sets[level] : 0;
}

#endif
