/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/devset.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/factindex.h"

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
		       const struct berth_facts *facts, size_t nr, struct berth_factindex *index)
{
	struct berth_devset set = { 0 };
	const uint32_t *suspects = NULL;
	uint32_t nr_suspects = (uint32_t)nr;
	int r = index ? berth_factindex_suspects(index, match, &suspects, &nr_suspects) : 0;

	r = r > 0 ? 0 : r; /* without suspects: all of them */
	for (uint32_t i = 0; i < nr_suspects && r == 0; i++) {
		uint32_t device = suspects ? suspects[i] : i;

		r = put(&set, device, berth_match_eval(match, &facts[device], NULL));
	}
	if (r < 0)
		berth_devset_done(&set);
	else
		*ret = set;
	return r;
}

static enum berth_tri both(enum berth_tri a, enum berth_tri b)
{
	if (a == BERTH_NO || b == BERTH_NO)
		return BERTH_NO;
	return a == BERTH_UNKNOWN || b == BERTH_UNKNOWN ? BERTH_UNKNOWN : BERTH_YES;
}

struct place {
	uint32_t device;
	enum berth_tri in;
};

/* By device; of the same one a yes first. */
static int by_device(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return b->in - a->in;
}

/* All that is in any of the sets, each device once: a yes beats an unknown. Return: how many. */
static size_t unite(struct place *all, const struct berth_devset *const *sets, size_t nr_sets)
{
	size_t nr = 0, kept = 0;
	bool sorted = true;

	for (size_t s = 0; s < nr_sets; s++) {
		for (uint32_t i = 0; i < sets[s]->nr_yes; i++)
			all[nr++] = (struct place){ sets[s]->yes[i], BERTH_YES };
		for (uint32_t i = 0; i < sets[s]->nr_maybe; i++)
			all[nr++] = (struct place){ sets[s]->maybe[i], BERTH_UNKNOWN };
	}
	for (size_t i = 1; i < nr && sorted; i++)
		sorted = by_device(&all[i - 1], &all[i]) <= 0;
	if (!sorted)
		qsort(all, nr, sizeof(*all), by_device);
	for (size_t i = 0; i < nr; i++) {
		if (!kept || all[kept - 1].device != all[i].device)
			all[kept++] = all[i];
	}
	return kept;
}

/* Those of a filter, when it is the smaller one: what any of the sets says about each. */
static int join_filter(struct berth_devset *ret, const struct berth_devset *const *sets, size_t nr,
		       const struct berth_devset *filter)
{
	struct place *all = malloc(((size_t)filter->nr_yes + filter->nr_maybe + 1) * sizeof(*all));
	size_t count = all ? unite(all, &filter, 1) : 0;
	int r = all ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++) {
		enum berth_tri in = BERTH_NO;

		for (size_t s = 0; s < nr && in != BERTH_YES; s++) {
			enum berth_tri one = berth_devset_has(sets[s], all[i].device);

			in = one == BERTH_NO ? in : one;
		}
		r = put(ret, all[i].device, both(in, all[i].in));
	}
	free(all);
	return r;
}

int berth_devset_join(struct berth_devset *ret, const struct berth_devset *const *sets, size_t nr,
		      const struct berth_devset *filter)
{
	struct berth_devset set = { 0 };
	struct place *all;
	size_t count = 0;
	int r = 0;

	if (filter) {
		r = join_filter(&set, sets, nr, filter);
	} else {
		for (size_t s = 0; s < nr; s++)
			count += (size_t)sets[s]->nr_yes + sets[s]->nr_maybe;
		all = malloc((count + 1) * sizeof(*all));
		count = all ? unite(all, sets, nr) : 0;
		r = all ? 0 : -ENOMEM;
		for (size_t i = 0; i < count && r == 0; i++)
			r = put(&set, all[i].device, all[i].in);
		free(all);
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
