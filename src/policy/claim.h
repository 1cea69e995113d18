/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a claim of the policy gets: which devices for which request, in this world.
 *
 * Candidates are what the decision lets the VM have (policy/candidates.h); the solver picks among them (policy/solve.h); what
 * counts limit (quotas, what pools keep, reservations) is decided again for each group in turn, as if the former were taken.
 * When that does not work out, the claim's alternatives are tried in their order, each for itself. Only then, and only where
 * a rule says "preempt": "lower", other VMs may have to go (policy/preempt.h): that is proposed, not done.
 */
#ifndef BERTH_POLICY_CLAIM_H
#define BERTH_POLICY_CLAIM_H

#include "policy/candidates.h"

enum berth_claim_outcome {
	BERTH_CLAIM_MET,
	BERTH_CLAIM_UNMET,   /* there is no way, and that is proven */
	BERTH_CLAIM_GAVE_UP, /* none was found; nobody knows whether there is one */
};

struct berth_claim_device {
	uint32_t request, n; /* the n-th of the request; pairs have the same n */
	uint32_t device;
};

#define BERTH_CLAIM_AS_IT_STANDS SIZE_MAX

struct berth_claim_answer {
	const struct berth_claim_entry *claim;
	size_t index; /* of the claim in the policy */
	enum berth_claim_outcome outcome;
	size_t alternative; /* which one did; BERTH_CLAIM_AS_IT_STANDS: none was needed */
	struct berth_claim_device *devices; /* owned; when met; by request and n */
	size_t nr_devices;
	bool best; /* nothing better exists, by the score */
	struct berth_score score;
	size_t nodes; /* candidates that the search looked at, in all tries */
	bool limited; /* a count stood in the way; @limit says which, for the device that was one too many */
	struct berth_verdict limit;
	const char **
		victims; /* owned, NULL-terminated, or NULL; VMs that would have to end for it; names borrowed */
};
void berth_claim_answer_done(struct berth_claim_answer *answer);

/* "met", "unmet", "gave-up" */
const char *berth_claim_outcome_name(enum berth_claim_outcome outcome);

/* How to look at a claim; all zero is usual. */
struct berth_claim_options {
	const bool *freed; /* as in berth_candidates_ask */
	size_t without; /* 0, or 1 + a constraint that is left out: what if it were not for that one? */
	bool as_it_stands; /* no alternatives */
	size_t max_nodes;  /* per search; 0: the solver's own bound */
};

/**
 * berth_claim_decide() - which devices the claim gets
 * @index: of the claim in the world's policy
 * @options: NULL: usual
 *
 * The world is as before afterwards; berth_claim_take() makes it so. Preemption is left to berth_preempt().
 *
 * Return: 0; -E2BIG the claim is larger than the solver's limits; -ENOMEM.
 */
int berth_claim_decide(struct berth_candidates *candidates, size_t index,
		       const struct berth_claim_options *options, struct berth_claim_answer *ret);

/* As if the VM had what the answer gives it, and the victims nothing. */
void berth_claim_take(struct berth_layout *layout, const struct berth_claim_answer *answer);

/* The claim of a VM; its place in the policy, or SIZE_MAX. */
size_t berth_claim_of(const struct berth_policy *policy, const char *vm);

/* The request that a name in a constraint means. */
uint32_t berth_claim_request(const struct berth_claim_entry *claim, const char *name);

#endif
