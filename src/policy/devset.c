/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/devset.h"

#include <errno.h>
#include <stdlib.h>

void berth_devset_done(struct berth_devset *set)
{
	free(set->yes);
	free(set->maybe);
	*set = (struct berth_devset){ 0 };
}

/* A list that is filled once: doubles its room. */
static int append(uint32_t **list, uint32_t *nr, uint32_t device)
{
	/* full whenever it holds a power of two, or nothing */
	if ((*nr & (*nr - 1)) == 0) {
		uint32_t *bigger = reallocarray(*list, *nr ? 2 * (size_t)*nr : 1, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		*list = bigger;
	}
	(*list)[(*nr)++] = device;
	return 0;
}

static int put(struct berth_devset *set, uint32_t device, enum berth_tri in)
{
	switch (in) {
	case BERTH_YES:
		return append(&set->yes, &set->nr_yes, device);
	case BERTH_UNKNOWN:
		return append(&set->maybe, &set->nr_maybe, device);
	case BERTH_NO:
		break;
	}
	return 0;
}

int berth_devset_match(struct berth_devset *ret, const struct berth_match *match,
		       const struct berth_facts *facts, size_t nr)
{
	struct berth_devset set = { 0 };
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = put(&set, (uint32_t)i, berth_match_eval(match, &facts[i], NULL));
	if (r < 0)
		berth_devset_done(&set);
	else
		*ret = set;
	return r;
}

/* "any of": a yes stays, an unknown beats a no. */
static void mark(int8_t *in, const struct berth_devset *set)
{
	for (uint32_t i = 0; i < set->nr_yes; i++)
		in[set->yes[i]] = BERTH_YES;
	for (uint32_t i = 0; i < set->nr_maybe; i++) {
		if (in[set->maybe[i]] == BERTH_NO)
			in[set->maybe[i]] = BERTH_UNKNOWN;
	}
}

static enum berth_tri both(enum berth_tri a, enum berth_tri b)
{
	if (a == BERTH_NO || b == BERTH_NO)
		return BERTH_NO;
	return a == BERTH_UNKNOWN || b == BERTH_UNKNOWN ? BERTH_UNKNOWN : BERTH_YES;
}

int berth_devset_join(struct berth_devset *ret, const struct berth_devset *const *sets, size_t nr,
		      const struct berth_devset *filter, size_t nr_devices)
{
	BERTH_CLEANUP(berth_freep) int8_t *in = calloc(nr_devices + 1, sizeof(*in));
	struct berth_devset set = { 0 };
	int r = in ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr && r == 0; i++)
		mark(in, sets[i]);
	for (size_t i = 0; i < nr_devices && r == 0; i++) {
		enum berth_tri is = (enum berth_tri)in[i];

		if (is != BERTH_NO && filter)
			is = both(is, berth_devset_has(filter, (uint32_t)i));
		r = put(&set, (uint32_t)i, is);
	}
	if (r < 0)
		berth_devset_done(&set);
	else
		*ret = set;
	return r;
}

static bool contains(const uint32_t *list, uint32_t nr, uint32_t device)
{
	uint32_t low = 0, high = nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (list[middle] == device)
			return true;
		if (list[middle] < device)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

enum berth_tri berth_devset_has(const struct berth_devset *set, uint32_t device)
{
	if (contains(set->yes, set->nr_yes, device))
		return BERTH_YES;
	return contains(set->maybe, set->nr_maybe, device) ? BERTH_UNKNOWN : BERTH_NO;
}
