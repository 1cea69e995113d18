/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Picks devices for requests, so that constraints hold and the score is best: backtracking with a bound.
 *
 * Pure numbers, no policy: what may serve at all has been found out before (policy/claim.h). Deterministic: the same items
 * give the same answer, and it does not depend on anything but their order, which the caller makes a stable one.
 *
 * What keeps it fast: devices that nothing tells apart are tried once, in order of their age; a choice that is common to
 * several devices ("same", "all within one switch") is made first, and only where there are enough of each; pairs are
 * filled pair by pair; counts that cannot work out are refused before any search; and whatever cannot beat the best
 * solution so far is not looked at.
 */
#ifndef BERTH_POLICY_SOLVE_H
#define BERTH_POLICY_SOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/distance.h"
#include "policy/rule.h"
#include "policy/score.h"

struct berth_err;

#define BERTH_SOLVE_MAX_REQUESTS    32
#define BERTH_SOLVE_MAX_CONSTRAINTS 72
#define BERTH_SOLVE_MAX_SLOTS	    256	    /* devices of a claim */
#define BERTH_SOLVE_DEFAULT_NODES   2000000 /* some 20 ms */

/* A device that may serve. */
struct berth_solve_item {
	uint32_t requests;   /* bit r: it may serve request r */
	uint32_t group;	     /* its IOMMU group: taken with it as a whole */
	uint32_t group_size; /* devices of the group, without bridges */
	uint32_t load;	     /* devices of its switch (its set at PIX) that are in use */
	uint32_t room;	     /* and that are free */
	int32_t numa_node;   /* or BERTH_FACT_UNKNOWN */
	bool own;	     /* the VM has it already */
	int64_t used_at;     /* last use, seconds since 1970; 0: never */
	struct berth_place place;
};

struct berth_solve_request {
	uint32_t count; /* >= 1 */
	enum berth_order order;
};

struct berth_solve_constraint {
	enum berth_constraint_kind kind;
	uint32_t of; /* same, distinct: bit r: request r */
	uint32_t a,
		b; /* distance: requests; the same one twice: all of its devices with each other */
	enum berth_distance max_distance;
	bool each; /* the n-th of @a with the n-th of @b, as many as the shorter one has; not looked at with a == b */
	/* same, distinct: borrowed; of each item, equal numbers for equal values; < 0: unknown */
	const int32_t *values;
};

struct berth_solve_problem {
	/* borrowed, here and below; in order of their paths */
	const struct berth_solve_item *items;
	size_t nr_items;
	const struct berth_solve_request *requests;
	size_t nr_requests;
	const struct berth_solve_constraint *constraints;
	size_t nr_constraints;
	/* required counts as preferred here: filter the items, or add a "same" */
	enum berth_numa_wish numa;
	int32_t numa_node; /* where the VM's memory is; BERTH_FACT_UNKNOWN: any, but one */
	size_t max_nodes;  /* candidates that the search looks at; 0: BERTH_SOLVE_DEFAULT_NODES */
};

enum berth_solve_outcome {
	BERTH_SOLVE_DONE,
	BERTH_SOLVE_IMPOSSIBLE, /* proven */
	BERTH_SOLVE_GAVE_UP,	/* nothing found within max_nodes, and nothing proven */
};

struct berth_solution {
	enum berth_solve_outcome outcome;
	bool best; /* no other has a better score; false: the best one seen within max_nodes */
	size_t nodes;
	/* owned (free); with DONE: items, those of request 0 first, pairs in the same order; else NULL */
	uint32_t *chosen;
	size_t nr_chosen;
	struct berth_score score;
};

/**
 * berth_solve() - the best way to serve all requests
 *
 * Return: 0, *ret filled; -E2BIG more requests, constraints or devices than the limits above; -ENOMEM.
 */
int berth_solve(const struct berth_solve_problem *problem, struct berth_solution *ret);

#endif
