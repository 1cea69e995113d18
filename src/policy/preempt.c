/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/preempt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Searches for one claim; a smaller set of victims than was found by then may exist. */
#define MAX_TRIES 300

struct victim {
	const char *vm; /* borrowed */
	int priority;	/* the largest of what it has */
	bool stays;	/* some of what it has is nobody's to take */
};

struct hunt {
	struct berth_candidates *c;
	struct berth_world *world;
	size_t index;
	const struct berth_claim_entry *claim;
	struct victim *victims; /* owned; who may have to go, in the order in which they would */
	size_t nr_victims;
	const char **owner; /* owned; of each device: before anybody went */
	uint32_t *owned;    /* owned; devices with an owner that may have to go */
	size_t nr_owned;
	bool *freed, *gone, *best; /* owned; of each device; of each victim; of each victim */
	size_t nr_best;
	struct berth_claim_answer answer; /* with @best */
	bool found;
	int tries;
};

static void hunt_done(struct hunt *h)
{
	free(h->victims);
	free(h->owner);
	free(h->owned);
	free(h->freed);
	free(h->gone);
	free(h->best);
	berth_claim_answer_done(&h->answer);
}

static int by_worth(const void *va, const void *vb)
{
	const struct victim *a = va, *b = vb;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return strcmp(a->vm, b->vm);
}

/* It would be free when its VM ends: what is faulted or quarantined stays with it. */
static bool is_sound(const struct berth_usage *u)
{
	return !u->state || strcmp(u->state, "assigned") == 0 || strcmp(u->state, "in-use") == 0;
}

static bool may_go(const struct hunt *h, const struct berth_usage *u)
{
	return u->preemptible && u->priority < h->claim->priority && is_sound(u) &&
	       strcmp(u->vm, h->claim->vm) != 0;
}

static struct victim *listed(const struct hunt *h, const char *vm)
{
	for (size_t i = 0; i < h->nr_victims; i++) {
		if (strcmp(h->victims[i].vm, vm) == 0)
			return &h->victims[i];
	}
	return NULL;
}

/* Does this VM have anything that a request names? Others need not go. */
static bool has_wanted(const struct hunt *h, uint32_t device)
{
	for (size_t r = 0; r < h->claim->nr_requests; r++) {
		uint32_t set = berth_world_request_set(h->world, h->index, r);

		if (berth_devset_has(&h->world->sets[set], device) == BERTH_YES)
			return true;
	}
	return false;
}

/* Who has something that is wanted and may be taken. */
static void list_victims(struct hunt *h)
{
	for (uint32_t i = 0; i < h->world->nr; i++) {
		const struct berth_usage *u = &h->world->usage[i];

		if (u->vm && h->world->group_of[i] != BERTH_WORLD_NONE && may_go(h, u) &&
		    has_wanted(h, i) && !listed(h, u->vm))
			h->victims[h->nr_victims++] = (struct victim){ .vm = u->vm };
	}
}

/* A VM ends as a whole: it is worth what the dearest of its devices is, and stays when one of them is not to be taken. */
static void weigh_victims(struct hunt *h)
{
	size_t nr = 0;

	for (uint32_t i = 0; i < h->world->nr; i++) {
		const struct berth_usage *u = &h->world->usage[i];
		struct victim *v = u->vm ? listed(h, u->vm) : NULL;

		if (!v || h->world->group_of[i] == BERTH_WORLD_NONE)
			continue;
		v->stays |= !may_go(h, u);
		if (u->priority > v->priority)
			v->priority = u->priority;
	}
	for (size_t i = 0; i < h->nr_victims; i++) {
		if (!h->victims[i].stays)
			h->victims[nr++] = h->victims[i];
	}
	h->nr_victims = nr;
	qsort(h->victims, h->nr_victims, sizeof(*h->victims), by_worth);
}

static int find_victims(struct hunt *h)
{
	size_t nr = h->world->nr + 1;

	h->victims = calloc(nr, sizeof(*h->victims));
	h->owner = calloc(nr, sizeof(*h->owner));
	h->owned = calloc(nr, sizeof(*h->owned));
	h->freed = calloc(nr, sizeof(*h->freed));
	if (!h->victims || !h->owner || !h->owned || !h->freed)
		return -ENOMEM;
	list_victims(h);
	weigh_victims(h);
	for (uint32_t i = 0; i < h->world->nr; i++) {
		const char *vm = h->world->usage[i].vm;

		if (!vm || h->world->group_of[i] == BERTH_WORLD_NONE || !listed(h, vm))
			continue;
		h->owner[i] = vm;
		h->owned[h->nr_owned++] = i;
	}
	h->gone = calloc(h->nr_victims + 1, sizeof(*h->gone));
	h->best = calloc(h->nr_victims + 1, sizeof(*h->best));
	return h->gone && h->best ? 0 : -ENOMEM;
}

static bool goes(const struct hunt *h, const char *vm)
{
	for (size_t i = 0; i < h->nr_victims; i++) {
		if (h->gone[i] && strcmp(h->victims[i].vm, vm) == 0)
			return true;
	}
	return false;
}

static void let_go(struct hunt *h, bool back)
{
	for (size_t k = 0; k < h->nr_owned; k++) {
		uint32_t i = h->owned[k];
		bool first = h->world->groups[h->world->group_of[i]].members[0] == i;

		h->freed[i] = !back && goes(h, h->owner[i]);
		if (first && goes(h, h->owner[i]))
			berth_layout_give(h->c->layout, h->world->group_of[i],
					  back ? h->owner[i] : NULL);
	}
}

/* Is the claim met when those in @gone go? Keeps the answer if so. Return: 1, 0; -errno. */
static int try_gone(struct hunt *h)
{
	struct berth_claim_options options = { .freed = h->freed };
	struct berth_claim_answer answer;
	int r;

	h->tries++;
	let_go(h, false);
	r = berth_claim_decide(h->c, h->index, &options, &answer);
	let_go(h, true);
	if (r < 0)
		return r;
	if (answer.outcome != BERTH_CLAIM_MET) {
		berth_claim_answer_done(&answer);
		return 0;
	}
	berth_claim_answer_done(&h->answer);
	h->answer = answer;
	h->found = true;
	h->nr_best = 0;
	for (size_t i = 0; i < h->nr_victims; i++) {
		h->best[i] = h->gone[i];
		h->nr_best += h->gone[i];
	}
	return 1;
}

/* All go, then one after the other stays, the dearest first, if it can: nobody goes in vain. */
static int thin_out(struct hunt *h)
{
	int r;

	memset(h->gone, 1, h->nr_victims * sizeof(*h->gone));
	r = try_gone(h);
	for (size_t i = h->nr_victims; r >= 0 && h->found && i-- > 0 && h->tries < MAX_TRIES;) {
		h->gone[i] = false;
		r = try_gone(h);
		if (r == 0)
			h->gone[i] = true;
	}
	return r < 0 ? r : 0;
}

/* @left victims from place @from on, the cheapest first. Return: 1 found, 0 not; -errno. */
static int try_sets(struct hunt *h, size_t from, size_t left)
{
	int r = 0;

	if (left == 0)
		return try_gone(h);
	for (size_t i = from; i + left <= h->nr_victims && r == 0 && h->tries < MAX_TRIES; i++) {
		h->gone[i] = true;
		r = try_sets(h, i + 1, left - 1);
		h->gone[i] = false;
	}
	return r;
}

/* Fewer are better than those found; and as many, but of lower priority. */
static int find_fewest(struct hunt *h)
{
	size_t most = h->nr_best;
	int r = 0;

	memset(h->gone, 0, h->nr_victims * sizeof(*h->gone));
	for (size_t k = 1; k <= most && r == 0; k++)
		r = try_sets(h, 0, k);
	return r < 0 ? r : 0;
}

static int report(struct hunt *h, struct berth_claim_answer *ret)
{
	const char **names = calloc(h->nr_best + 1, sizeof(*names));
	size_t nr = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < h->nr_victims; i++) {
		if (h->best[i])
			names[nr++] = h->victims[i].vm;
	}
	*ret = h->answer;
	ret->victims = names;
	h->answer = (struct berth_claim_answer){ 0 };
	return 0;
}

/* Without such a rule nobody goes, and there is nothing to look for. */
static bool any_rule_lets(const struct berth_policy *policy)
{
	for (size_t i = 0; i < policy->nr_rules; i++) {
		if (policy->rules[i].preempt_lower)
			return true;
	}
	return false;
}

int berth_preempt(struct berth_candidates *c, size_t index, struct berth_claim_answer *ret)
{
	struct hunt h = { .c = c,
			  .world = c->layout->world,
			  .index = index,
			  .claim = &c->layout->world->policy->claims[index] };
	int r;

	if (!any_rule_lets(h.world->policy))
		return BERTH_ABSENT;
	r = find_victims(&h);
	if (r == 0 && h.nr_victims)
		r = thin_out(&h);
	if (r == 0 && h.found)
		r = find_fewest(&h);
	if (r == 0)
		r = h.found ? report(&h, ret) : BERTH_ABSENT;
	hunt_done(&h);
	return r;
}
