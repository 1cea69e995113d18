/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside src/policy/world*.c only: what a world keeps besides what everybody sees.
 */
#ifndef BERTH_POLICY_WORLD_INSIDE_H
#define BERTH_POLICY_WORLD_INSIDE_H

#include "policy/world.h"

struct berth_factindex;

/* Which of some entries speak of a set: those of set s are items[first[s]] … items[first[s + 1]]. */
struct speakers {
	uint32_t *first, *items; /* owned */
};

/* Sets are numbered: device entries, classes, pools, protects, then what rules, taints and requests need of their own. */
struct berth_world_index {
	uint32_t first_class, first_pool, first_protect;
	uint32_t *rule_set, *taint_set; /* owned */
	struct speakers rules, taints;
	struct berth_factindex *facts;	  /* owned; only while sets are built */
	uint32_t *request_set;		  /* owned; of all claims in a row */
	uint32_t *first_request;	  /* owned; of each claim, in request_set */
	uint32_t *first_quota;		  /* owned; of each tenant, in the arrays below */
	uint32_t *quota_set, *quota_used; /* owned */
	uint32_t *counted;		  /* owned; rules that reserve a number of devices */
	uint32_t nr_counted;
	uint32_t *held;	    /* owned; of each rule: what its subjects own, when it is counted */
	uint32_t *members;  /* owned; what groups[].members points into */
	uint32_t *first_of; /* owned; of each device, and one more: in memberships */
	struct berth_world_member *memberships; /* owned */
	/* owned; of each device: the entry that it belies, or NULL */
	const struct berth_group_entry **stranger;
	int8_t *identity;	      /* owned; enum berth_tri of each device */
	struct berth_subject subject; /* the last that was asked for */
	bool has_subject;
};

/* Every set, who is in it, who speaks of it. Return: 0; -ENOMEM: what is there so far is freed with the world. */
int berth_world_build_sets(struct berth_world *world);

/* The set of a name; a match has none. */
uint32_t berth_world_named_set(const struct berth_world *world, enum berth_resource kind,
			       const char *name);

size_t berth_world_count_requests(const struct berth_policy *policy);

#endif
