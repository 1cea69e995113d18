/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers things by what they are called: keys to 0, 1, 2, … in order of their first appearance.
 */
#ifndef BERTH_POLICY_TALLY_H
#define BERTH_POLICY_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define BERTH_TALLY_NONE UINT32_MAX

struct berth_tally {
	struct berth_tally_slot *slots; /* owned */
	size_t mask;
	uint32_t nr; /* different keys so far */
};

/* Room for @max different keys. Return: 0; -ENOMEM. */
int berth_tally_init(struct berth_tally *tally, size_t max);
void berth_tally_done(struct berth_tally *tally);

/* Forget all keys. */
void berth_tally_clear(struct berth_tally *tally);

/* The number of a key, a new one if need be. */
uint32_t berth_tally_add(struct berth_tally *tally, int64_t key);

/* BERTH_TALLY_NONE: it has none. */
uint32_t berth_tally_find(const struct berth_tally *tally, int64_t key);

#endif
