/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit record: who changed the ownership of what, and why. Rows are added, never changed.
 *
 * Append in the same transaction as the change itself, so that neither is there without the other.
 * The common returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_AUDIT_H
#define BERTH_POLICY_AUDIT_H

#include "policy/ledger.h"

struct berth_audit {
	int64_t seq;  /* set by the ledger */
	int64_t time; /* set by the ledger; seconds since 1970 */
	uid_t uid;    /* who asked; see berth_audit_actor() */
	char *verb;   /* "assign", "release", "recover", … */
	char *vm;     /* or NULL, here and below */
	char *device; /* BDF or group key */
	char *before; /* state before, e.g. "host:igb" */
	char *after;  /* state after */
	char *reason;
};

struct berth_audit_list {
	struct berth_audit *items;
	size_t nr;
};
void berth_audit_list_free(struct berth_audit_list *list);

/* The user behind this process: $SUDO_UID when root runs under sudo, else the real uid. */
uid_t berth_audit_actor(void);

/* @row is borrowed. Return: 0; -EINVAL no verb. */
int berth_audit_append(struct berth_ledger *ledger, const struct berth_audit *row,
		       struct berth_err *err);

/* Rows with seq > @after, oldest first, at most @max (0: all). @ret: owned by the caller, berth_audit_list_free(). */
int berth_audit_find(struct berth_ledger *ledger, int64_t after, size_t max,
		     struct berth_audit_list *ret, struct berth_err *err);

#endif
