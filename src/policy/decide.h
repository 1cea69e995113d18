/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decisions: may this VM have this device, which device is meant, how is it bound, how is a VF set up.
 *
 * Pure: policy and facts in, answer out. The rules, strongest first:
 *   1. A named device whose "expect" does not hold, or is not known to hold, goes to nobody.
 *   2. A deny that matches beats every allow. One that may match (a fact is unknown) counts as matching.
 *   3. An allow that matches. The one with the largest priority is named, among equals the first by file and place.
 *   4. Without any policy file everything is allowed (safety is checked elsewhere); with one, nothing else is.
 */
#ifndef BERTH_POLICY_DECIDE_H
#define BERTH_POLICY_DECIDE_H

#include "base/bdf.h"
#include "policy/rule.h"

struct berth_err;

/* A closed list; the names (berth_reason_name()) are stable. */
enum berth_reason {
	BERTH_REASON_NO_POLICY,	  /* "NO_POLICY": allowed */
	BERTH_REASON_RULE_ALLOWS, /* "RULE_ALLOWS": allowed */
	BERTH_REASON_COMPANION, /* "COMPANION": allowed, nothing denies it and it was not asked for by itself */
	BERTH_REASON_NO_RULE_ALLOWS, /* "NO_RULE_ALLOWS" */
	BERTH_REASON_RULE_DENIES,    /* "RULE_DENIES" */
	BERTH_REASON_RULE_MAY_DENY,  /* "RULE_MAY_DENY": a fact that the deny asks for is unknown */
	BERTH_REASON_IDENTITY_CHANGED, /* "IDENTITY_CHANGED": found, but it is not what "expect" says */
	BERTH_REASON_IDENTITY_UNKNOWN, /* "IDENTITY_UNKNOWN": a fact that "expect" asks for is unknown */
};

const char *berth_reason_name(enum berth_reason reason);

/* "allow", "deny" */
const char *berth_effect_name(enum berth_effect effect);

struct berth_verdict {
	bool allow;
	enum berth_reason reason;
	const struct berth_origin
		*origin; /* borrowed from the policy; NULL when no single place decided */
	char text
		[512]; /* a sentence without a full stop that names device, VM, rule, file and pointer */
};

/*
 * One step of a decision, for people who ask why. Borrowed from the policy. In the trace are: the device entries that fit or may
 * fit, each followed by its "expect"; the classes that fit or may fit; every rule.
 */
struct berth_check {
	const char *what; /* "device", "class", "rule" */
	const char *name; /* or NULL */
	const char *
		effect; /* of a rule "allow" or "deny"; "expect" for the second line of a device; else NULL */
	const struct berth_origin *origin;
	enum berth_tri vm;     /* rule: does the VM fit (BERTH_YES for others) */
	enum berth_tri device; /* does the device fit; of an "expect": does it hold */
	const char *term;      /* the attribute that decided against it, or NULL */
};

struct berth_trace {
	struct berth_check *items; /* owned; berth_trace_done() */
	size_t nr, room;
};
void berth_trace_done(struct berth_trace *trace);

/**
 * berth_policy_decide() - may @vm have this device?
 * @vm: its name; NULL only to fill @trace, where it makes rules about certain VMs unknown
 * @companion: it only comes along with a device that was asked for (same group, same slot): it needs no allow, but a deny
 *             and a changed identity stop it all the same
 * @trace: NULL, or gets every check in the order it was made (starts as { 0 }); incomplete when memory runs out
 */
void berth_policy_decide(const struct berth_policy *policy, const struct berth_facts *facts,
			 const char *vm, bool companion, struct berth_verdict *ret,
			 struct berth_trace *trace);

/**
 * berth_policy_find_device() - the device that a name from policy means
 * @name: of a device of the policy
 * @facts: every device of the host
 *
 * Return: 0, *ret_index into @facts; BERTH_ABSENT the policy has no such name (text with the nearest one), or no device
 *         matches it (text says so); BERTH_REFUSED several devices match it, or its identity changed.
 */
int berth_policy_find_device(const struct berth_policy *policy, const char *name,
			     const struct berth_facts *facts, size_t nr, size_t *ret_index,
			     struct berth_err *err);

/**
 * berth_policy_find_pool() - the devices of a pool, in the order of @facts
 * @ret: @nr elements of room, gets indexes into @facts
 *
 * The caller picks a free one. Devices whose identity changed are left out.
 *
 * Return: 0, *ret_nr may be 0; BERTH_ABSENT the policy has no such pool (text with the nearest one).
 */
int berth_policy_find_pool(const struct berth_policy *policy, const char *name,
			   const struct berth_facts *facts, size_t nr, size_t *ret, size_t *ret_nr,
			   struct berth_err *err);

/* The policy's name for this device (a device entry that matches it), or NULL. Borrowed from the policy. */
const char *berth_policy_name_of(const struct berth_policy *policy,
				 const struct berth_facts *facts);

/**
 * berth_policy_bind_mode() - what happens to it when it appears
 * @ret_origin: NULL, or gets the place that said so (NULL for the default)
 *
 * A device entry that says it beats the classes. The default is BERTH_BIND_ON_ASSIGN.
 *
 * Return: 0; BERTH_REFUSED entries of the same kind contradict each other, or its identity changed: leave it alone.
 */
int berth_policy_bind_mode(const struct berth_policy *policy, const struct berth_facts *facts,
			   enum berth_bind_mode *ret, const struct berth_origin **ret_origin,
			   struct berth_err *err);

/**
 * berth_policy_net() - how the policy wants this VF set up
 *
 * A device entry with "net" beats the classes and is taken whole. Without any, no has_… is set.
 *
 * Return: 0; BERTH_REFUSED entries of the same kind contradict each other, or its identity changed.
 */
int berth_policy_net(const struct berth_policy *policy, const struct berth_facts *facts,
		     struct berth_net_policy *ret, struct berth_err *err);

#endif
