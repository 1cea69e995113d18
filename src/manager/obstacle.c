/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/obstacle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager/ask.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/peers.h"
#include "manager/safety.h"
#include "manager/unit.h"
#include "manager/wait.h"
#include "policy/ledger.h"
#include "policy/queue.h"
#include "policy/taint.h"

void berth_obstacles_done(struct berth_obstacles *list)
{
	free(list->items);
	*list = (struct berth_obstacles){ 0 };
}

static int add(struct berth_obstacles *list, const char *code, struct berth_bdf at,
	       const char *sentence)
{
	struct berth_obstacle *bigger =
		reallocarray(list->items, list->nr + 1, sizeof(*list->items));

	if (!bigger)
		return -ENOMEM;
	list->items = bigger;
	bigger[list->nr] = (struct berth_obstacle){ .code = code, .at = at };
	snprintf(bigger[list->nr].sentence, sizeof(bigger->sentence), "%s", sentence);
	list->nr++;
	return 0;
}

/* What one of the questions answered. @why: its words, when it was refused. */
static int note(struct berth_obstacles *list, int r, const char *code, struct berth_bdf at,
		const struct berth_err *why, struct berth_err *err)
{
	if (r == BERTH_REFUSED)
		r = add(list, code, at, why->text);
	else if (r < 0)
		return berth_err_set(err, r, "%s", why->text);
	return r < 0 ? berth_err_set(err, r, "out of memory") : 0;
}

static int ask_owner(struct berth_manager *m, const struct berth_unit *unit,
		     const struct berth_assignment *owner, const char *vm,
		     struct berth_obstacles *list, struct berth_err *err)
{
	bool own = vm && strcmp(owner->vm, vm) == 0 && owner->kind != BERTH_OWNED_BY_BIND;
	struct berth_err why = BERTH_ERR_INIT;
	int r = 0;

	/* Its own may still be nothing that can be used as it is. */
	if (!own || owner->state == BERTH_OWNED_FAULTED ||
	    owner->state == BERTH_OWNED_IDENTITY_CHANGED)
		r = berth_owner_refuse(m, owner, unit, &why);
	return note(list, r, own ? "STATE" : "OWNED", unit->members[0].dev->bdf, &why, err);
}

static int ask_policy(struct berth_manager *m, const struct berth_unit *unit,
		      const struct berth_obstacle_query *q, struct berth_obstacles *list,
		      struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int r = berth_ask_unit(m, unit, q->with, q->vm, &why);

	return note(list, r, "POLICY", unit->members[0].dev->bdf, &why, err);
}

static int ask_safety(struct berth_manager *m, const struct berth_unit *unit,
		      struct berth_obstacles *list, struct berth_err *err)
{
	struct berth_safety_finding *found = NULL;
	size_t nr = 0;
	int r = berth_safety_check(m, unit, BERTH_SAFETY_GROUP, &found, &nr, err);

	for (size_t i = 0; i < nr && r == 0; i++) {
		const char *code = berth_safety_name(found[i].code);
		struct berth_err why = BERTH_ERR_INIT;

		berth_err_set(&why, BERTH_REFUSED, "%s: %s", code, found[i].sentence);
		r = note(list, BERTH_REFUSED, code, found[i].at, &why, err);
	}
	free(found);
	return r;
}

static int ask_neighbours(struct berth_manager *m, const struct berth_unit *unit,
			  const struct berth_obstacle_query *q, struct berth_obstacles *list,
			  struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int r = berth_peers_require(m->inv, unit, q->with, q->live, q->vm ? q->vm : "", &why);

	return note(list, r, "NEIGHBOUR", unit->members[0].dev->bdf, &why, err);
}

static int note_taint(const struct berth_device *dev, const struct berth_taint *t,
		      struct berth_obstacles *list, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(dev->bdf);
	struct berth_err why = BERTH_ERR_INIT;

	berth_err_set(&why, BERTH_REFUSED,
		      "TAINTED: %s is tainted '%s' (%s)%s%s; 'berth untaint %s %s' takes that away",
		      bdf, t->taint, berth_taint_effect_name(t->effect), t->reason ? ": " : "",
		      t->reason ? t->reason : "", bdf, t->taint);
	return note(list, BERTH_REFUSED, "TAINTED", dev->bdf, &why, err);
}

/* What somebody has put on it by hand. */
static int ask_taints(struct berth_manager *m, const struct berth_unit *unit,
		      struct berth_obstacles *list, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; m->ledger && i < unit->nr && r == 0; i++) {
		const struct berth_device *dev = unit->members[i].dev;
		struct berth_taint_list taints = { 0 };

		r = berth_taint_find(m->ledger, dev->path, &taints, err);
		for (size_t j = 0; j < taints.nr && r == 0; j++) {
			if (taints.items[j].effect != BERTH_TAINT_REPORT)
				r = note_taint(dev, &taints.items[j], list, err);
		}
		berth_taint_list_free(&taints);
	}
	return r;
}

/* Who waits for it, and comes before us. */
static int ask_queue(struct berth_manager *m, const struct berth_unit *unit,
		     struct berth_obstacles *list, struct berth_err *err)
{
	const struct berth_bdf at = unit->members[0].dev->bdf;
	const struct berth_queue_entry *first;
	struct berth_err why = BERTH_ERR_INIT;
	struct berth_queue queue = { 0 };
	char words[32];
	int r = berth_wait_queue(m, &queue, err);

	if (r < 0)
		return r;
	first = berth_wait_before(m, &queue, unit->key);
	if (first)
		r = berth_err_set(
			&why, BERTH_REFUSED,
			"QUEUED: %s (%s) is waited for by %s (process %d, priority %d), who "
			"comes first; wait with --wait, or ask with a larger --priority",
			BERTH_BDF_STR(at), berth_unit_words(unit, words), first->vm,
			(int)first->pid, first->priority);
	berth_queue_free(&queue);
	return note(list, r, "QUEUED", at, &why, err);
}

int berth_obstacles_find(struct berth_manager *m, const struct berth_unit *unit,
			 const struct berth_obstacle_query *q, struct berth_obstacles *ret,
			 const struct berth_assignment **ret_own, struct berth_err *err)
{
	const struct berth_assignment *owner = berth_owner_of(q->live, unit);
	struct berth_obstacles list = { 0 };
	int r = owner ? ask_owner(m, unit, owner, q->vm, &list, err) : 0;

	/* What belongs to somebody else is not a matter of policy. */
	if (r == 0 && q->vm && !list.nr)
		r = ask_policy(m, unit, q, &list, err);
	/* For a VM the policy is asked, whose claims may tolerate one. */
	if (r == 0 && !owner && !q->vm)
		r = ask_taints(m, unit, &list, err);
	if (r == 0 && !owner)
		r = ask_safety(m, unit, &list, err);
	if (r == 0 && !owner)
		r = ask_neighbours(m, unit, q, &list, err);
	/* The last: what cannot be had anyway is not waited for. */
	if (r == 0 && !owner && q->vm)
		r = ask_queue(m, unit, &list, err);
	if (r < 0) {
		berth_obstacles_done(&list);
		return r;
	}
	*ret = list;
	*ret_own = owner;
	return 0;
}

int berth_manager_obstacles(struct berth_manager *m, struct berth_bdf at,
			    struct berth_obstacles *ret, struct berth_err *err)
{
	const struct berth_device *dev = berth_inventory_find(m->inv, at);
	const struct berth_assignment *own;
	struct berth_assignment_list live = { 0 };
	struct berth_units units = { 0 };
	struct berth_obstacle_query q = { .with = &units, .live = &live };
	struct berth_err why = BERTH_ERR_INIT;
	int r;

	*ret = (struct berth_obstacles){ 0 };
	if (!dev)
		return berth_err_set(err, -ENODEV, "%s is not there", BERTH_BDF_STR(at));
	r = berth_units_build(m->inv, &dev, 1, &units, &why);
	if (r != 0)
		return note(ret, r, "BRIDGE", dev->bdf, &why, err);
	r = berth_owner_all(m, &live, err);
	if (r == 0)
		r = berth_obstacles_find(m, &units.items[0], &q, ret, &own, err);
	berth_assignment_list_free(&live);
	berth_units_done(&units);
	return r;
}
