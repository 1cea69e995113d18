/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decision: may this VM have this device, this group?
 *
 * Pure: a world in (policy/world.h), a verdict out, and on request the trace of every check on the way, written by the
 * decision itself. What decides, strongest first; the first that refuses is the verdict:
 *
 *   1. Identity: a named device whose "expect" does not hold, or is not known to hold, goes to nobody.
 *   2. Protection: what safety keeps for the host goes to nobody. What a "protect" of the policy matches or may match,
 *      neither, unless an allow of the named device says "override_protect" and the question says force.
 *   3. A deny that matches beats every other rule, whatever the numbers. One that may match (a fact is unknown) counts.
 *   4. Allow, pin and reserve vote: allow for their subject when the device fits; pin and reserve deny for everybody else,
 *      also when the device only may fit. A reserve of a number denies only what would be missing from it. The largest
 *      priority wins; among equals the more specific resource (berth_rule_specificity()). Allow and deny left over: a
 *      conflict, refused. No vote: refused, unless the device only comes along, or there is no policy at all.
 *   5. What is so now: it has an owner; its PF or a VF of it has; a taint that is not tolerated; isolation below the
 *      policy's least; the tenant's quota; what a pool keeps free.
 *
 * Nothing depends on the order of files or entries, but which of several equal rules is named.
 */
#ifndef BERTH_POLICY_DECIDE_H
#define BERTH_POLICY_DECIDE_H

#include "policy/trace.h"
#include "policy/world.h"

/* "allow", "deny", "pin", "reserve" */
struct berth_question {
	const char *vm; /* NULL only to fill a trace: rules about certain VMs are unknown then */
	char *const *tolerate; /* taints, NULL-terminated, or NULL */
	bool force; /* the user insists: overrides configured protection where a rule lets it */
};

/* Nobody insists; tolerates what the VM's claim in the policy tolerates. @vm may be NULL. Borrowed. */
struct berth_question berth_question_for(const struct berth_policy *policy, const char *vm);

/* Small, so that thousands can be asked for; berth_explain_verdict() puts it into words. All borrowed. */
struct berth_verdict {
	bool allow;
	enum berth_reason reason;
	uint32_t device; /* that it is about; of a group: the member that decided */
	const char *vm;
	const struct berth_origin *origin;     /* NULL when no single place decided */
	const struct berth_origin *other;      /* of a conflict: the other place */
	const struct berth_rule *rule;	       /* that decided, or NULL */
	const struct berth_rule *rival;	       /* of a conflict between rules: the other one */
	const struct berth_lease_terms *lease; /* when allowed: the rule's, or NULL */
	/* of what decided: device entry, protect, safety's code, owner, taint, tenant, pool */
	const char *name;
	const char *term;    /* the attribute that is unknown, or not as expected */
	uint32_t have, want; /* of counts: what there would be, and the limit */
	bool unknown;	     /* it is refused because something is not known */
	bool forceable;	     /* force would do */
};

/**
 * berth_decide() - may the VM have this device?
 * @device: not a bridge
 * @companion: it only comes along with a device that was asked for (same group, same slot): it needs no allow, but
 *             everything else stops it all the same
 * @trace: NULL, or gets every check (starts as { 0 } but for .all_rules)
 *
 * What the VM owns already counts as asked for again: owner, quota and pools do not stand in the way.
 *
 * Return: 0; -ENOMEM.
 */
int berth_decide(struct berth_world *world, uint32_t device, bool companion,
		 const struct berth_question *q, struct berth_verdict *ret,
		 struct berth_trace *trace);

/**
 * berth_decide_group() - may the VM have this group, of which it asks for some members?
 * @asked: members that were asked for; the others come along. NULL: all of them
 *
 * The verdict is the first refusal among its members; if there is none, that of the member asked for with the shortest
 * lease.
 *
 * Return: 0; -ENOMEM.
 */
int berth_decide_group(struct berth_world *world, uint32_t group, const uint32_t *asked,
		       size_t nr_asked, const struct berth_question *q, struct berth_verdict *ret,
		       struct berth_trace *trace);

#endif
