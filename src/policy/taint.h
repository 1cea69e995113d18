/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taints that a person has put on a device: what is wrong with it, and whether it may still be handed out.
 *
 * They belong to a place, the stable path: they survive releases, reboots and new owners until somebody takes them away.
 * Those of the policy are policy/rule.h's. The common returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_TAINT_H
#define BERTH_POLICY_TAINT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/rule.h"

struct berth_err;
struct berth_ledger;

#define BERTH_TAINT_NAME_MAX 64

/* Texts are borrowed when it is set, owned (berth_taint_list_free()) when it was read. */
struct berth_taint {
	char *path;  /* of the device */
	char *taint; /* a word such as "hw-fault" */
	enum berth_taint_effect effect;
	char *bdf;     /* where the device was then */
	int64_t since; /* seconds since 1970; set by the ledger */
	uid_t uid;     /* who put it there */
	char *reason;  /* for people, or NULL */
};

struct berth_taint_list {
	struct berth_taint *items;
	size_t nr;
};
void berth_taint_list_free(struct berth_taint_list *list);

/* "report", "no-new", "evict" */
const char *berth_taint_effect_name(enum berth_taint_effect effect);
/* Return: 0; -EINVAL no such word. */
int berth_taint_effect_parse(const char *word, enum berth_taint_effect *ret);

/* Lower-case letters, digits, '-' and '.', starting with a letter, at most BERTH_TAINT_NAME_MAX. Return: 0; -EINVAL. */
int berth_taint_name_check(const char *taint, struct berth_err *err);

/* One of the same name there is replaced. Return: 0; -EINVAL a bad name, or no path. */
int berth_taint_set(struct berth_ledger *ledger, const struct berth_taint *taint,
		    struct berth_err *err);

/* @taint: NULL for all of them. Return: 0; BERTH_ABSENT there is none. */
int berth_taint_clear(struct berth_ledger *ledger, const char *path, const char *taint,
		      struct berth_err *err);

/* Of one device (@path NULL: of all), by path and name. Return: 0 (also for none). */
int berth_taint_find(struct berth_ledger *ledger, const char *path, struct berth_taint_list *ret,
		     struct berth_err *err);

#endif
