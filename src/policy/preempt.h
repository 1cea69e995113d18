/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who would have to go, so that a claim is met that is not met by what is free?
 *
 * Victims are VMs all of whose devices were given for preemptible claims of a strictly lower priority (struct berth_usage), and
 * only for devices that a rule with "preempt": "lower" allows the claimant. As few as possible; among equally many those of the lowest priorities, then by
 * name. A claim that would not be met even then displaces nobody. A proposal: stop, sanitise, assign are for others to do.
 */
#ifndef BERTH_POLICY_PREEMPT_H
#define BERTH_POLICY_PREEMPT_H

#include "policy/claim.h"

/**
 * berth_preempt() - try to meet a claim at the cost of others
 * @index: of a claim that berth_claim_decide() did not meet, in the same world
 * @ret: empty; filled when it is met, with its victims
 *
 * Return: 0; BERTH_ABSENT that does not help either; -E2BIG; -ENOMEM. The world is as before.
 */
int berth_preempt(struct berth_candidates *candidates, size_t index,
		  struct berth_claim_answer *ret);

#endif
