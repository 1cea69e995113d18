/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the search for conflicts only (policy/conflict.h): what has been found so far, and the parts of the search.
 */
#ifndef BERTH_POLICY_CONFLICT_INSIDE_H
#define BERTH_POLICY_CONFLICT_INSIDE_H

#include "policy/conflict.h"
#include "policy/world.h"

#define BERTH_SAMPLE_MAX 160 /* of a VM's name made from a pattern */

/* What the search is about. */
struct berth_search {
	struct berth_world *w;
	const struct berth_policy *p;
	struct berth_conflicts found;
	int r; /* of memory */
};

/* Once for each pair of places. */
void berth_search_report(struct berth_search *s, enum berth_conflict_code code,
			 const struct berth_origin *origin, const struct berth_origin *other,
			 uint32_t device, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* Rules about a device, in @ret (room for all). Return: how many. */
uint32_t berth_search_rules(const struct berth_search *s, uint32_t device, uint32_t *ret);

/* A name that the pattern fits, with what no VM has in its name where the pattern leaves it open. */
void berth_search_sample(const char *glob, char buf[static BERTH_SAMPLE_MAX]);

/* conflict_rules.c: EQUAL_WEIGHT, PINS_SPLIT_GROUP, and SHADOWED for one rule */
void berth_search_clashes(struct berth_search *s);
void berth_search_split_groups(struct berth_search *s);
void berth_search_shadow(struct berth_search *s, uint32_t rule);

static inline const char *berth_search_bdf(const struct berth_search *s, uint32_t device)
{
	const struct berth_facts *f = &s->w->facts[device];

	return f->bdf ? f->bdf : f->path ? f->path : "a device";
}

static inline const struct berth_devset *berth_search_set(const struct berth_search *s,
							  uint32_t set)
{
	return &s->w->sets[set];
}

#endif
