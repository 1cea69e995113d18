/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct berth_tally_slot {
	int64_t key;
	uint32_t number; /* from 1; 0: empty */
};

int berth_tally_init(struct berth_tally *tally, size_t max)
{
	size_t size = 16;

	while (size < max * 2)
		size *= 2;
	*tally = (struct berth_tally){ .mask = size - 1,
				       .slots = calloc(size, sizeof(*tally->slots)) };
	return tally->slots ? 0 : -ENOMEM;
}

void berth_tally_done(struct berth_tally *tally)
{
	free(tally->slots);
	tally->slots = NULL;
}

void berth_tally_clear(struct berth_tally *tally)
{
	memset(tally->slots, 0, (tally->mask + 1) * sizeof(*tally->slots));
	tally->nr = 0;
}

static struct berth_tally_slot *place(const struct berth_tally *tally, int64_t key)
{
	/* Fibonacci hashing: numbers that follow each other fall far apart */
	size_t i = ((uint64_t)key * 0x9e3779b97f4a7c15) >> 32 & tally->mask;

	while (tally->slots[i].number && tally->slots[i].key != key)
		i = (i + 1) & tally->mask;
	return &tally->slots[i];
}

uint32_t berth_tally_add(struct berth_tally *tally, int64_t key)
{
	struct berth_tally_slot *slot = place(tally, key);

	if (!slot->number)
		*slot = (struct berth_tally_slot){ key, ++tally->nr };
	return slot->number - 1;
}

uint32_t berth_tally_find(const struct berth_tally *tally, int64_t key)
{
	return place(tally, key)->number - 1;
}
