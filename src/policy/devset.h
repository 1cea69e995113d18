/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of devices: which of a host's devices fit an entry of the policy, worked out once.
 *
 * Devices are numbers here: indexes into the facts that a world was built from (policy/world.h).
 */
#ifndef BERTH_POLICY_DEVSET_H
#define BERTH_POLICY_DEVSET_H

#include <stddef.h>
#include <stdint.h>

#include "policy/rule.h"

struct berth_devset {
	uint32_t *yes;	 /* owned; devices that fit, ascending */
	uint32_t *maybe; /* owned; those that may fit: a fact is unknown; ascending */
	uint32_t nr_yes, nr_maybe;
	uint32_t nr_free; /* of @yes: usable and owned by nobody; kept by the world */
};

struct berth_factindex;

/* Each fills @ret, which the caller empties with berth_devset_done(). @index: NULL, or of @facts. Return: 0; -ENOMEM. */
int berth_devset_match(struct berth_devset *ret, const struct berth_match *match,
		       const struct berth_facts *facts, size_t nr, struct berth_factindex *index);
/* Devices of any of @sets and, unless it is NULL, of @filter as well. */
int berth_devset_join(struct berth_devset *ret, const struct berth_devset *const *sets, size_t nr,
		      const struct berth_devset *filter);
void berth_devset_done(struct berth_devset *set);

enum berth_tri berth_devset_has(const struct berth_devset *set, uint32_t device);

#endif
