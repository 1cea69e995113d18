/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the decision only (policy/decide.h): what is being decided, and the checks, each of which looks at one thing, writes
 * into the trace what it saw, and may refuse.
 */
#ifndef BERTH_POLICY_DECIDE_INSIDE_H
#define BERTH_POLICY_DECIDE_INSIDE_H

#include "policy/decide.h"

/* What is being decided. */
struct berth_decision {
	const struct berth_world *world;
	const struct berth_policy *policy;
	const struct berth_facts *facts;
	const struct berth_usage *usage;
	const struct berth_subject *subject;
	const struct berth_question *q;
	uint32_t device;
	bool companion, own;
	bool settled; /* a refusal was found: what follows only goes into the trace */
	struct berth_verdict *verdict;
	struct berth_trace *trace;
};

/* The first one decides. */
void berth_decision_refuse(struct berth_decision *d, const struct berth_verdict *why);

/* A check that is not about a rule. Return: it in the trace, or NULL. */
struct berth_check *berth_decision_note(struct berth_decision *d, enum berth_reason code,
					enum berth_check_result result, const char *what,
					const char *name, const struct berth_origin *origin);

void berth_decision_say(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define BERTH_OBSERVED(c, ...)                                                                     \
	do {                                                                                       \
		if (c)                                                                             \
			berth_decision_say((c)->observed, sizeof((c)->observed), __VA_ARGS__);     \
	} while (0)
#define BERTH_WANTED(c, ...)                                                                       \
	do {                                                                                       \
		if (c)                                                                             \
			berth_decision_say((c)->wanted, sizeof((c)->wanted), __VA_ARGS__);         \
	} while (0)

/* decide_now.c */
void berth_decision_owner(struct berth_decision *d);
void berth_decision_group(struct berth_decision *d);
void berth_decision_pf(struct berth_decision *d);
void berth_decision_taints(struct berth_decision *d);

/* decide_limits.c */
void berth_decision_isolation(struct berth_decision *d);
void berth_decision_quotas(struct berth_decision *d);
void berth_decision_pools(struct berth_decision *d);

#endif
