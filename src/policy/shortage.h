/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a claim is not met: how many devices of each request the VM may have, what keeps the others, and which constraint is
 * in the way. Found in the world in which the claim was decided, by the same decisions and the same search.
 */
#ifndef BERTH_POLICY_SHORTAGE_H
#define BERTH_POLICY_SHORTAGE_H

#include "policy/claim.h"

struct berth_shortage_request {
	uint32_t wanted, fit,
		allowed; /* devices: asked for, that the request names, that the VM may have */
	uint32_t refused[BERTH_REASON_KEEP_FREE + 1]; /* how many for each reason */
	bool has_nearest;
	/* of those refused, the one that came farthest in the decision */
	struct berth_verdict nearest;
};

struct berth_shortage {
	struct berth_shortage_request *requests; /* owned; of the claim */
	size_t nr_requests;
	size_t short_of; /* the first request with fewer allowed than wanted; SIZE_MAX: none */
	size_t culprit; /* the constraint without which the claim would be met; SIZE_MAX: none is by itself */
};

/**
 * berth_shortage_find() - of a claim that is not met
 * @ret: berth_shortage_done()
 *
 * Return: 0; -ENOMEM. The world is as before.
 */
int berth_shortage_find(struct berth_candidates *candidates,
			const struct berth_claim_answer *answer, struct berth_shortage *ret);
void berth_shortage_done(struct berth_shortage *shortage);

/* A sentence without a full stop: what is missing, and of what is refused the nearest miss. Returns @buf. */
char *berth_shortage_text(const struct berth_world *world, const struct berth_claim_answer *answer,
			  const struct berth_shortage *shortage, char *buf, size_t size);

/* What would make it succeed, likewise; "" when nobody knows. */
char *berth_shortage_remedy(const struct berth_world *world,
			    const struct berth_claim_answer *answer,
			    const struct berth_shortage *shortage, char *buf, size_t size);

#endif
