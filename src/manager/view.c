/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/facts.h"
#include "manager/owner.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"

void berth_view_free(struct berth_view *view)
{
	if (!view)
		return;
	berth_world_free(view->world);
	berth_assignment_list_free(&view->live);
	berth_lease_list_free(&view->leases);
	berth_taint_list_free(&view->taints);
	berth_last_use_list_free(&view->last_uses);
	free(view->usage_taints);
	free(view);
}

/* The assignment that has the device, by itself or with its group. */
static const struct berth_assignment *find_owner(const struct berth_assignment_list *live,
						 const struct berth_device *dev,
						 const struct berth_facts *facts)
{
	for (size_t i = 0; facts->group_key && i < live->nr; i++) {
		if (strcmp(live->items[i].group, facts->group_key) == 0)
			return &live->items[i];
	}
	return berth_owner_of_device(live, dev);
}

/* Those that have been put on it by hand: neighbours in the list, which is sorted by path. */
static void fill_taints(const struct berth_view *view, const struct berth_device *dev,
			struct berth_usage *usage)
{
	for (size_t i = 0; i < view->taints.nr; i++) {
		if (strcmp(view->taints.items[i].path, dev->path))
			continue;
		if (!usage->nr_taints)
			usage->taints = &view->usage_taints[i];
		usage->nr_taints++;
	}
}

static void fill_lease(const struct berth_view *view, const struct berth_assignment *owner,
		       struct berth_usage *usage)
{
	for (size_t i = 0; i < view->leases.nr; i++) {
		if (view->leases.items[i].claim == owner->claim)
			usage->lease_end = view->leases.items[i].end;
	}
}

static void fill(struct berth_manager *m, const struct berth_view *view, size_t i,
		 struct berth_usage *usage)
{
	const struct berth_device *dev = &m->inv->devices[i];
	const struct berth_assignment *owner = find_owner(&view->live, dev, &m->facts->items[i]);
	const struct berth_inuse_reason *why;

	if (berth_device_is_bridge(dev))
		return;
	fill_taints(view, dev, usage);
	usage->last_use = berth_last_use_of(&view->last_uses, dev->path);
	if (owner) {
		fill_lease(view, owner, usage);
		usage->vm = owner->vm;
		usage->state = berth_owned_state_name(owner->state);
		usage->priority = owner->priority;
		usage->preemptible = owner->preemptible;
		return;
	}
	why = m->inuse ? berth_inuse_hard(m->inuse, dev->bdf) : NULL;
	if (!m->inuse) {
		usage->safety = "unknown"; /* unknown means no */
		usage->safety_text = view->blind.text;
	} else if (why) {
		usage->safety = berth_inuse_code_name(why->code);
		usage->safety_text = why->sentence;
	}
}

static int read_ledger(struct berth_manager *m, struct berth_view *view, struct berth_err *err)
{
	int r = berth_owner_all(m, &view->live, err);

	if (r == 0 && m->ledger)
		r = berth_lease_all(m->ledger, &view->leases, err);
	if (r == 0 && m->ledger)
		r = berth_taint_find(m->ledger, NULL, &view->taints, err);
	if (r == 0 && m->ledger)
		r = berth_last_use_all(m->ledger, &view->last_uses, err);
	if (r < 0)
		return r;
	view->usage_taints = calloc(view->taints.nr + 1, sizeof(*view->usage_taints));
	if (!view->usage_taints)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < view->taints.nr; i++) {
		const struct berth_taint *t = &view->taints.items[i];

		view->usage_taints[i] =
			(struct berth_usage_taint){ t->taint, t->effect, t->reason };
	}
	return 0;
}

int berth_view_new(struct berth_view **ret, struct berth_manager *m,
		   const struct berth_policy *policy, struct berth_err *err)
{
	BERTH_CLEANUP(berth_view_freep) struct berth_view *view = calloc(1, sizeof(*view));
	BERTH_CLEANUP(berth_freep)
	struct berth_usage *usage = calloc(m->inv->nr + 1, sizeof(*usage));
	struct berth_world_input in = { .policy = policy, .usage = usage, .now = time(NULL) };
	int r;

	if (!view || !usage)
		return berth_err_set(err, -ENOMEM, "out of memory");
	view->inv = m->inv;
	if (!m->inuse)
		berth_inuse_read(&m->inuse, m->host, true, &view->blind);
	r = m->facts ? 0 :
		       berth_facts_build(&m->facts, m->host, m->inv,
					 berth_policy_asks(policy, "serial.vpd"), err);
	if (r == 0)
		r = read_ledger(m, view, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < m->inv->nr; i++)
		fill(m, view, i, &usage[i]);
	in.facts = m->facts->items;
	in.nr = m->facts->nr;
	r = berth_world_new(&view->world, &in, err);
	if (r == 0)
		*ret = BERTH_TAKE_PTR(view);
	return r;
}

int berth_view_of(struct berth_manager *m, struct berth_view **ret, struct berth_err *err)
{
	const struct berth_policy *policy;
	int r = berth_manager_policy(m, &policy, err);

	if (r == 0 && !m->view)
		r = berth_view_new(&m->view, m, policy, err);
	*ret = m->view;
	return r;
}

void berth_view_drop(struct berth_manager *m)
{
	berth_view_free(m->view);
	m->view = NULL;
}

uint32_t berth_view_number(const struct berth_view *view, const struct berth_device *dev)
{
	return (uint32_t)(dev - view->inv->devices);
}
