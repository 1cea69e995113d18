/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that may serve a claim, as the solver wants them: filtered by the decision on each.
 *
 * Made once for a world and filled for one claim after the other. Devices that nothing tells apart are decided upon once,
 * and of a pile (policy/layout.h) only as many are offered as the claim could take.
 */
#ifndef BERTH_POLICY_CANDIDATES_H
#define BERTH_POLICY_CANDIDATES_H

#include "policy/decide.h"
#include "policy/layout.h"
#include "policy/solve.h"

struct berth_candidates {
	struct berth_layout *layout;	/* borrowed, outlives us */
	struct berth_solve_item *items; /* owned; in order of paths */
	uint32_t *devices;		/* owned; of each item */
	size_t nr;
	struct berth_candidates_scratch *scratch; /* owned */
};

struct berth_candidates_ask {
	size_t claim; /* its place in the policy */
	/* of each device, or NULL: whose owner would have to go for it, which a rule must let it */
	const bool *freed;
	bool numa_required; /* with a node: others do not count */
};

/* Return: 0; -ENOMEM. */
int berth_candidates_new(struct berth_candidates **ret, struct berth_layout *layout);
void berth_candidates_free(struct berth_candidates *candidates);
BERTH_DEFINE_CLEANUP(struct berth_candidates *, berth_candidates_free);

/* Forget the items of the last claim; @ban: NULL, or of each device: not this one. Return: 0; -ENOMEM. */
int berth_candidates_fill(struct berth_candidates *candidates,
			  const struct berth_candidates_ask *ask, const bool *ban);

/* How a claim's request ranks devices: as its pool says. */
enum berth_order berth_candidates_order(const struct berth_policy *policy,
					const struct berth_request_entry *request);

#endif
