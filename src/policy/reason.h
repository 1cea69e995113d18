/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a decision came out as it did.
 */
#ifndef BERTH_POLICY_REASON_H
#define BERTH_POLICY_REASON_H

/* A closed list; the names (berth_reason_name()) are stable. Also the codes of checks. */
enum berth_reason {
	BERTH_REASON_NO_POLICY,	  /* "NO_POLICY": allowed */
	BERTH_REASON_RULE_ALLOWS, /* "RULE_ALLOWS": allowed */
	BERTH_REASON_COMPANION, /* "COMPANION": allowed, nothing denies it and it was not asked for by itself */
	BERTH_REASON_IDENTITY_CHANGED, /* "IDENTITY_CHANGED": found, but it is not what "expect" says */
	BERTH_REASON_IDENTITY_UNKNOWN, /* "IDENTITY_UNKNOWN": a fact that "expect" asks for is unknown */
	BERTH_REASON_PROTECTED, /* "PROTECTED": by safety, or by a protect that matches or may match */
	BERTH_REASON_RULE_DENIES,    /* "RULE_DENIES" */
	BERTH_REASON_RULE_MAY_DENY,  /* "RULE_MAY_DENY": a fact that the deny asks for is unknown */
	BERTH_REASON_NO_RULE_ALLOWS, /* "NO_RULE_ALLOWS" */
	BERTH_REASON_RULE_PINS_ELSEWHERE, /* "RULE_PINS_ELSEWHERE": a pin gives it to others */
	BERTH_REASON_RESERVED,		  /* "RESERVED": it is withheld for others */
	BERTH_REASON_CONFLICT, /* "CONFLICT": two rules of equal weight, or two tenants, contradict each other */
	BERTH_REASON_OWNED,	  /* "OWNED": by another VM */
	BERTH_REASON_GROUP_SPLIT, /* "GROUP_SPLIT": another VM owns something of its group */
	BERTH_REASON_PF_HAS_VFS,  /* "PF_HAS_VFS": a VF of it is owned */
	BERTH_REASON_PF_OWNED,	  /* "PF_OWNED": it is a VF, and its PF is owned */
	BERTH_REASON_TAINTED,	  /* "TAINTED" */
	BERTH_REASON_ISOLATION_BELOW_MIN, /* "ISOLATION_BELOW_MIN": or not known */
	BERTH_REASON_QUOTA,		  /* "QUOTA": the tenant has as many as it may */
	BERTH_REASON_KEEP_FREE,		  /* "KEEP_FREE": the pool would fall below what it keeps */
};

const char *berth_reason_name(enum berth_reason reason);

#endif
