/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct berth_candidates_scratch {
	uint32_t epoch;	      /* of the claim: what is marked with another one is from before */
	uint32_t *seen;	      /* owned; of each device: the epoch in which it was looked at … */
	uint32_t *item;	      /* owned; … and its item, or BERTH_WORLD_NONE */
	uint32_t *judged;     /* owned; of each kind: the epoch in which it was decided upon … */
	bool *allowed;	      /* owned; … and how */
	uint32_t *counted;    /* owned; of each pile: the epoch … */
	uint32_t *piled;      /* owned; … and how many of it are items */
	struct ranked *order; /* owned */
};

struct ranked {
	uint32_t rank, item;
};

/* What is being filled in. */
struct filling {
	struct berth_candidates *c;
	const struct berth_candidates_ask *ask;
	const struct berth_claim_entry *claim;
	struct berth_question q;
	uint32_t per_pile; /* no more of a pile than this */
};

void berth_candidates_free(struct berth_candidates *c)
{
	if (!c)
		return;
	if (c->scratch) {
		free(c->scratch->seen);
		free(c->scratch->item);
		free(c->scratch->judged);
		free(c->scratch->allowed);
		free(c->scratch->counted);
		free(c->scratch->piled);
		free(c->scratch->order);
	}
	free(c->scratch);
	free(c->items);
	free(c->devices);
	free(c);
}

int berth_candidates_new(struct berth_candidates **ret, struct berth_layout *layout)
{
	BERTH_CLEANUP(berth_candidates_freep) struct berth_candidates *c = calloc(1, sizeof(*c));
	struct berth_candidates_scratch *s = calloc(1, sizeof(*s));
	size_t nr = layout->world->nr + 1;

	if (!c || !s) {
		free(s);
		return -ENOMEM;
	}
	c->layout = layout;
	c->scratch = s;
	c->items = malloc(nr * sizeof(*c->items));
	c->devices = malloc(nr * sizeof(*c->devices));
	s->seen = calloc(nr, sizeof(*s->seen));
	s->item = calloc(nr, sizeof(*s->item));
	s->judged = calloc(nr, sizeof(*s->judged));
	s->allowed = calloc(nr, sizeof(*s->allowed));
	s->counted = calloc(nr, sizeof(*s->counted));
	s->piled = calloc(nr, sizeof(*s->piled));
	s->order = malloc(nr * sizeof(*s->order));
	if (!c->items || !c->devices || !s->seen || !s->item || !s->judged || !s->allowed ||
	    !s->counted || !s->piled || !s->order)
		return -ENOMEM;
	*ret = BERTH_TAKE_PTR(c);
	return 0;
}

enum berth_order berth_candidates_order(const struct berth_policy *policy,
					const struct berth_request_entry *request)
{
	const struct berth_pool_entry *pool = NULL;

	if (request->resource.kind == BERTH_RESOURCE_POOL && request->resource.names[0])
		pool = berth_policy_pool(policy, request->resource.names[0]);
	return pool ? pool->order : BERTH_ORDER_LISTED;
}

/* --- one device --- */

/* May it be asked for, its owner aside? Return: 1 yes, 0 no; -ENOMEM. */
static int ask(struct filling *f, uint32_t device)
{
	struct berth_world *w = f->c->layout->world;
	struct berth_verdict verdict;
	int r = berth_decide_group(w, w->group_of[device], &device, 1, &f->q, &verdict, NULL);

	if (r < 0)
		return r;
	if (f->ask->freed && f->ask->freed[device])
		return verdict.allow && verdict.rule && verdict.rule->preempt_lower;
	return verdict.allow;
}

/* Its VFs or its PF may have an owner, or it is the VM's already: not like others of its kind. */
static bool is_usual(const struct filling *f, uint32_t device)
{
	const struct berth_layout *l = f->c->layout;
	uint32_t pf = l->world->pf_of[device];

	return l->kind[device] != BERTH_WORLD_NONE && !l->world->usage[device].vm &&
	       !l->world->owned_vfs[device] &&
	       (pf == BERTH_WORLD_NONE || !l->world->usage[pf].vm) &&
	       !(f->ask->freed && f->ask->freed[device]);
}

/* Return: 1 yes, 0 no; -ENOMEM. */
static int may_have(struct filling *f, uint32_t device)
{
	struct berth_candidates_scratch *s = f->c->scratch;
	const char *owner = f->c->layout->world->usage[device].vm;
	uint32_t kind = f->c->layout->kind[device];
	int r;

	if (owner && strcmp(owner, f->claim->vm) != 0)
		return 0;
	if (!is_usual(f, device))
		return ask(f, device);
	if (s->judged[kind] != s->epoch) {
		r = ask(f, device);
		if (r < 0)
			return r;
		s->judged[kind] = s->epoch;
		s->allowed[kind] = r;
	}
	return s->allowed[kind];
}

/* Is there enough of what it is like? */
static bool pile_is_full(struct filling *f, uint32_t device)
{
	struct berth_candidates_scratch *s = f->c->scratch;
	uint32_t pile = f->c->layout->pile[device];

	if (pile == BERTH_WORLD_NONE || !is_usual(f, device))
		return false;
	if (s->counted[pile] != s->epoch) {
		s->counted[pile] = s->epoch;
		s->piled[pile] = 0;
	}
	return s->piled[pile] >= f->per_pile;
}

static void add(struct filling *f, uint32_t device)
{
	const struct berth_layout *l = f->c->layout;
	const struct berth_place *place = &l->places[device];
	uint32_t group = l->world->group_of[device], sw = place->sets[BERTH_DISTANCE_PIX];

	f->c->scratch->item[device] = (uint32_t)f->c->nr;
	f->c->devices[f->c->nr] = device;
	f->c->items[f->c->nr++] = (struct berth_solve_item){
		.group = group,
		.group_size = l->world->groups[group].nr,
		.load = l->load[sw],
		.room = l->room[sw],
		.numa_node = l->world->facts[device].numa_node,
		.own = l->world->usage[device].vm != NULL,
		.used_at = l->world->usage[device].last_use,
		.place = *place,
	};
	if (l->pile[device] != BERTH_WORLD_NONE && is_usual(f, device))
		f->c->scratch->piled[l->pile[device]]++;
}

static int look_at(struct filling *f, uint32_t device, uint32_t request)
{
	struct berth_candidates_scratch *s = f->c->scratch;
	int r;

	if (s->seen[device] != s->epoch) {
		s->seen[device] = s->epoch;
		s->item[device] = BERTH_WORLD_NONE;
		if (f->c->layout->world->group_of[device] == BERTH_WORLD_NONE ||
		    pile_is_full(f, device) ||
		    (f->ask->numa_required && f->claim->numa_node != BERTH_FACT_UNKNOWN &&
		     f->c->layout->world->facts[device].numa_node != f->claim->numa_node))
			return 0;
		r = may_have(f, device);
		if (r <= 0)
			return r;
		add(f, device);
	}
	if (s->item[device] != BERTH_WORLD_NONE)
		f->c->items[s->item[device]].requests |= 1U << request;
	return 0;
}

/* --- all of them --- */

static int by_rank(const void *va, const void *vb)
{
	const struct ranked *a = va, *b = vb;

	return (a->rank > b->rank) - (a->rank < b->rank);
}

/* As the solver wants them: in an order that does not depend on how they were found. */
static int sort_items(struct berth_candidates *c)
{
	struct ranked *order = c->scratch->order;
	struct berth_solve_item *items;
	uint32_t *devices;

	for (uint32_t i = 0; i < c->nr; i++)
		order[i] = (struct ranked){ c->layout->rank[c->devices[i]], i };
	qsort(order, c->nr, sizeof(*order), by_rank);
	items = malloc((c->nr + 1) * sizeof(*items));
	devices = malloc((c->nr + 1) * sizeof(*devices));
	if (!items || !devices) {
		free(items);
		free(devices);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->nr; i++) {
		items[i] = c->items[order[i].item];
		devices[i] = c->devices[order[i].item];
	}
	memcpy(c->items, items, c->nr * sizeof(*items));
	memcpy(c->devices, devices, c->nr * sizeof(*devices));
	free(items);
	free(devices);
	return 0;
}

/* A constraint on something that devices of a pile need not share? */
static bool tells_apart(const char *attribute)
{
	static const char *const shared[] = { "numa.node",	"pf",	      "pf.pci.path",
					      "pf.pci.bdf",	"pf.pci.id",  "pf.pci.subsystem",
					      "pf.serial",	"isolation",  "pcie.root_complex",
					      "pcie.root_port", "pcie.switch" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(shared); i++) {
		if (strcmp(shared[i], attribute) == 0)
			return false;
	}
	return true;
}

/* How many of a pile may matter: as many as the claim wants, as long as it cannot prefer one for another reason than age. */
static uint32_t count_per_pile(const struct filling *f)
{
	const struct berth_policy *policy = f->c->layout->world->policy;
	enum berth_order order = berth_candidates_order(policy, &f->claim->requests[0]);
	uint32_t sum = 0;

	for (size_t r = 0; r < f->claim->nr_requests; r++) {
		sum += f->claim->requests[r].count;
		if (berth_candidates_order(policy, &f->claim->requests[r]) != order)
			return UINT32_MAX;
	}
	for (size_t k = 0; k < f->claim->nr_constraints; k++) {
		if (f->claim->constraints[k].attribute &&
		    tells_apart(f->claim->constraints[k].attribute))
			return UINT32_MAX;
	}
	return sum;
}

int berth_candidates_fill(struct berth_candidates *c, const struct berth_candidates_ask *ask_,
			  const bool *ban)
{
	struct berth_world *w = c->layout->world;
	struct filling f = { .c = c, .ask = ask_, .claim = &w->policy->claims[ask_->claim] };

	c->nr = 0;
	c->scratch->epoch++;
	f.q = (struct berth_question){ .vm = f.claim->vm, .tolerate = f.claim->tolerate };
	f.per_pile = count_per_pile(&f);
	for (uint32_t r = 0; r < f.claim->nr_requests; r++) {
		uint32_t set = berth_world_request_set(w, ask_->claim, r);
		bool age = berth_candidates_order(w->policy, &f.claim->requests[r]) !=
			   BERTH_ORDER_LISTED;
		const uint32_t *devices = berth_layout_sorted(c->layout, set, age);

		if (!devices)
			return -ENOMEM;
		for (uint32_t i = 0; i < w->sets[set].nr_yes; i++) {
			if ((!ban || !ban[devices[i]]) && look_at(&f, devices[i], r) < 0)
				return -ENOMEM;
		}
	}
	return sort_items(c);
}
