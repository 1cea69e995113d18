/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules' part of a decision: which of them speak about a VM and a device, and which prevail.
 */
#ifndef BERTH_POLICY_VOTE_H
#define BERTH_POLICY_VOTE_H

#include "policy/trace.h"
#include "policy/world.h"

/* Of each kind the strongest, NULL: none. All borrowed from the policy. */
struct berth_ballot {
	const struct berth_rule *forbid, *may_forbid;
	const struct berth_rule *allow, *deny;
	const char *term; /* the fact that may_forbid lacks, or NULL */
};

/**
 * berth_vote() - hear every rule about a device
 * @subject: berth_world_subject()
 * @trace: NULL, or gets a check for each rule about the device (all rules with .all_rules)
 */
void berth_vote(const struct berth_world *world, uint32_t device,
		const struct berth_subject *subject, struct berth_ballot *ret,
		struct berth_trace *trace);

/* "allow", "deny", "pin", "reserve" */
const char *berth_effect_name(enum berth_effect effect);

/* Which rule is heavier: > 0 @a, < 0 @b, 0 neither. Priority first, then berth_rule_specificity(). */
int berth_rule_weigh(const struct berth_rule *a, const struct berth_rule *b);

/* How exactly a rule says which devices it means: 6 named devices, 5 path and ids, 4 path, 3 serial, 2 classes and pools,
 * 1 any other match. */
int berth_rule_specificity(const struct berth_rule *rule);

/**
 * berth_vote_withheld() - how many devices must stay free of what a reserve of a number speaks of, so that all who are
 *                         as heavy and reserve the same for others than @subject get theirs
 */
uint32_t berth_vote_withheld(const struct berth_world *world, uint32_t rule,
			     const struct berth_subject *subject);

/* Members of the device's group that leave a set when the group is taken: free ones. *ret_maybe: those that may be in it. */
uint32_t berth_world_taken(const struct berth_world *world, uint32_t device, uint32_t set,
			   uint32_t *ret_maybe);

#endif
