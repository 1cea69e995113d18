/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit record: who changed the ownership of what, and why. Rows are added, never changed, and each is chained to the
 * one before (policy/chain.h).
 *
 * Append in the same transaction as the change itself, so that neither is there without the other.
 * The common returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_AUDIT_H
#define BERTH_POLICY_AUDIT_H

#include "policy/chain.h"
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

/* All that are given must hold. */
struct berth_audit_query {
	int64_t after; /* seq is larger */
	int64_t since; /* time is not before; 0: any */
	const char *vm, *device;
	size_t last; /* of these the newest so many; 0: all */
};

/* Rows that @query finds, oldest first. @ret: owned by the caller, berth_audit_list_free(). */
int berth_audit_find(struct berth_ledger *ledger, const struct berth_audit_query *query,
		     struct berth_audit_list *ret, struct berth_err *err);

struct berth_audit_check {
	int64_t rows;		     /* that are as they were written */
	char head[BERTH_CHAIN_HASH]; /* the hash of the last row, to be noted elsewhere */
	int64_t broken; /* seq of the first row that is not, or is not there; 0: none */
	char why[200];	/* what is wrong with it, as a sentence; "" */
};

/**
 * berth_audit_verify() - follow the chain from the first row to the last
 *
 * Finds rows that were changed, removed, put in between, moved or cut off at the end since they were written.
 *
 * Return: 0, whatever was found; < 0 it could not be read.
 */
int berth_audit_verify(struct berth_ledger *ledger, struct berth_audit_check *ret,
		       struct berth_err *err);

/* For policy/schema.c: chain the rows that an older berth has written. Inside the caller's transaction. */
int berth_audit_chain_all(struct berth_db *db, struct berth_err *err);

#endif
