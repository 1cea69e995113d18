/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reservations in the ledger: what a person has promised a VM or a tenant from one moment to another.
 *
 * They enter the policy as rules with the effect reserve of the largest priority, written "in the file" BERTH_RESERVATION_ORIGIN, so
 * that they are decided, explained and checked for conflicts like those of policy files. Common returns are those of
 * policy/ledger.h.
 */
#ifndef BERTH_POLICY_RESERVATION_H
#define BERTH_POLICY_RESERVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/rule.h"

struct berth_err;
struct berth_ledger;

#define BERTH_RESERVATION_NAME_MAX 64
#define BERTH_RESERVATION_ORIGIN   "the ledger ('berth reserve --list')"

/* Texts are borrowed when it is added, owned (berth_reservation_list_free()) when it was read. */
struct berth_reservation {
	char *name;
	char *vm, *tenant; /* for whom: one of them, the other one NULL */
	enum berth_resource
		kind; /* BERTH_RESOURCE_DEVICE: @what is a stable path; a class or pool: its name in the policy */
	char *what;
	unsigned int count;  /* of a class or pool; 0: all of them */
	int64_t from, until; /* seconds since 1970 */
	int64_t since;	     /* when it was made; set by the ledger */
	uid_t uid;	     /* who made it */
};

struct berth_reservation_list {
	struct berth_reservation *items;
	size_t nr;
};
void berth_reservation_list_free(struct berth_reservation_list *list);

/* Letters, digits, '.', '_' and '-', starting with a letter or digit. Return: 0; -EINVAL. */
int berth_reservation_name_check(const char *name, struct berth_err *err);

/* Return: 0; BERTH_REFUSED there is one of that name; -EINVAL a bad name, an end that is not after the beginning. */
int berth_reservation_add(struct berth_ledger *ledger, const struct berth_reservation *r,
			  struct berth_err *err);
/* Return: 0; BERTH_ABSENT there is none. */
int berth_reservation_remove(struct berth_ledger *ledger, const char *name, struct berth_err *err);
/* By beginning and name. Return: 0 (also for none). */
int berth_reservation_all(struct berth_ledger *ledger, struct berth_reservation_list *ret,
			  struct berth_err *err);

/* Does it speak of a class, pool or tenant that the policy does not know (any more)? Then it keeps nothing from anybody. */
bool berth_reservation_is_void(const struct berth_policy *policy,
			       const struct berth_reservation *r);

/**
 * berth_reservation_enter() - as a rule of @policy, the last one
 *
 * One that is void, or over at @now, is left out. Return: 0; -ENOMEM.
 */
int berth_reservation_enter(struct berth_policy *policy, const struct berth_reservation *r,
			    int64_t now, struct berth_err *err);

/* Is the rule one of these? */
bool berth_reservation_is_rule(const struct berth_rule *rule);

/* "2 of pool train", "all of class gpu", "0000:…": what it is about. Returns @buf. */
char *berth_reservation_words(const struct berth_reservation *r, char *buf, size_t size);

/* "device", "class", "pool" */
const char *berth_reservation_kind_name(enum berth_resource kind);

#endif
