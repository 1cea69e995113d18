/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a decision looked at, written down by the decision itself.
 */
#ifndef BERTH_POLICY_TRACE_H
#define BERTH_POLICY_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tri.h"
#include "policy/reason.h"

struct berth_origin;

enum berth_check_result {
	BERTH_CHECK_PASS,
	BERTH_CHECK_FAIL,
	BERTH_CHECK_UNKNOWN, /* not known, which counts as a fail unless the code is about an allow */
	BERTH_CHECK_NONE,    /* does not bear on it: a rule about other devices or VMs */
};

/* What a rule has to say. */
enum berth_vote {
	BERTH_VOTE_NONE,
	BERTH_VOTE_ALLOW,
	BERTH_VOTE_DENY,       /* a pin or reserve for others, at its weight */
	BERTH_VOTE_FORBID,     /* a deny: beats every other rule */
	BERTH_VOTE_MAY_FORBID, /* a deny that may match: as well */
};

/* One step of a decision. Borrowed from policy and world. */
struct berth_check {
	/* that it is about: RULE_ALLOWS "does it allow", TAINTED "is it tainted", … */
	enum berth_reason code;
	enum berth_check_result result;
	/* "device", "class", "safety", "protect", "rule", "tenant", "pool", "taint", "owner", "group", "pf", "defaults" */
	const char *what;
	const char *name;   /* or NULL */
	const char *effect; /* of a rule; "expect" for the second line of a device; else NULL */
	const struct berth_origin *origin; /* NULL: not from the policy */
	enum berth_tri vm;		   /* rule: does the VM fit (BERTH_YES for others) */
	enum berth_tri device;		   /* does the device fit; of an "expect": does it hold */
	const char *term;		   /* the attribute that decided against it, or NULL */
	enum berth_vote vote;		   /* of rules, here and below */
	int priority, specificity;
	uint32_t at;	   /* the device */
	char observed[96]; /* "" where there is nothing to say */
	char wanted[96];
};

/*
 * For people who ask why, in the order in which the decision looked: device entries that fit or may fit, each followed by
 * its "expect"; classes that fit or may fit; protection; rules; what is so now.
 */
struct berth_trace {
	bool all_rules;		   /* set by the caller: also those about other devices */
	bool incomplete;	   /* memory ran out */
	struct berth_check *items; /* owned; berth_trace_done() */
	size_t nr, room;
};
void berth_trace_done(struct berth_trace *trace);

/* Add a check; nothing for a NULL @trace. Return: the one in the trace, for its texts; NULL: there is none. */
struct berth_check *berth_trace_add(struct berth_trace *trace, const struct berth_check *check);

/* "pass", "fail", "unknown"; NULL for BERTH_CHECK_NONE. */
const char *berth_check_result_name(enum berth_check_result result);
/* "allow", "deny", "forbid", "may-forbid"; NULL for BERTH_VOTE_NONE. */
const char *berth_vote_name(enum berth_vote vote);

#endif
