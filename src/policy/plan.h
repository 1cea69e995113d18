/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All claims of the policy decided together: what each gets when they are served by priority, then by the name of the VM.
 */
#ifndef BERTH_POLICY_PLAN_H
#define BERTH_POLICY_PLAN_H

#include "policy/claim.h"
#include "policy/shortage.h"

struct berth_plan {
	struct berth_layout *layout;	     /* owned */
	struct berth_candidates *candidates; /* owned */
	struct berth_claim_answer *answers;  /* owned; in the order in which claims were served */
	struct berth_shortage *shortages;    /* owned; of each that is not met; else empty */
	size_t nr;
};

/**
 * berth_plan_new() - decide about every claim
 * @world: borrowed, outlives the plan; afterwards everything that the plan gives has its owner there
 * @only: NULL, or a VM: stop after its claim, with the world as its claim finds it
 *
 * Without @only every claim is there. With it the last one is that VM's; BERTH_ABSENT when it has none.
 *
 * Return: 0; BERTH_ABSENT; -E2BIG a claim is larger than the solver's limits; -ENOMEM.
 */
int berth_plan_new(struct berth_plan **ret, struct berth_world *world, const char *only,
		   struct berth_err *err);
void berth_plan_free(struct berth_plan *plan);
BERTH_DEFINE_CLEANUP(struct berth_plan *, berth_plan_free);

#endif
