/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/steps"
#include "manager/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "manager/ask.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/unit.h"
#include "policy/journal.h"
#include "vfio/inventory.h"
#include "vfio/vf_net.h"

void berth_steps_done(struct berth_steps *steps)
{
	free(steps->items);
	memset(steps, 0, sizeof(*steps));
}

static int add(struct berth_steps *steps, enum berth_step_op op, struct berth_bdf at, int group,
	       const char *arg, const char *undo)
{
	struct berth_step *bigger = realloc(steps->items, (steps->nr + 1) * sizeof(*bigger));
	struct berth_step *s;

	if (!bigger)
		return -ENOMEM;
	steps->items = bigger;
	s = &bigger[steps->nr++];
	*s = (struct berth_step){ .op = op, .at = at, .group = group };
	snprintf(s->arg, sizeof(s->arg), "%s", arg ? arg : "");
	snprintf(s->undo, sizeof(s->undo), "%s", undo ? undo : "");
	return 0;
}

static int let_go(struct berth_steps *steps, const struct berth_device *dev,
		  const struct berth_bind_state *found)
{
	int group = dev->iommu_group, r = 0;

	if (strcmp(found->override, BERTH_BIND_VFIO) != 0)
		r = add(steps, BERTH_STEP_OVERRIDE, dev->bdf, group, BERTH_BIND_VFIO, NULL);
	if (strcmp(found->driver, BERTH_BIND_VFIO) == 0)
		return r;
	if (r == 0 && *found->driver)
		r = add(steps, BERTH_STEP_UNBIND, dev->bdf, group, found->driver, NULL);
	if (r == 0)
		r = add(steps, BERTH_STEP_DMA_OFF, dev->bdf, group, NULL, NULL);
	return r;
}

static int bind(struct berth_manager *m, struct berth_steps *steps, const struct berth_device *dev,
		const struct berth_bind_state *found, const char *net, struct berth_err *err)
{
	char text[BERTH_VF_NET_TEXT];
	int group = dev->iommu_group, r = 0;
	struct berth_vf_net want;

	if (strcmp(found->driver, BERTH_BIND_VFIO) != 0)
		r = add(steps, BERTH_STEP_PROBE, dev->bdf, group, BERTH_BIND_VFIO, NULL);
	/* Kept awake while it is away from its driver: not every device comes back from D3cold. */
	if (r == 0 && strcmp(found->power_control, "auto") == 0)
		r = add(steps, BERTH_STEP_POWER, dev->bdf, group, "on", NULL);
	if (r == 0)
		r = berth_ask_net(m, dev, &want, err);
	if (r == 0 && want.has)
		r = add(steps, BERTH_STEP_VF_NET, dev->bdf, group, berth_vf_net_format(&want, text),
			net);
	return r;
}

int berth_steps_take(struct berth_manager *m, const struct berth_unit *unit,
		     const struct berth_bind_state *found, char *const *net,
		     struct berth_steps *steps, struct berth_err *err)
{
	struct berth_bdf first = unit->members[0].dev->bdf;
	int r = add(steps, BERTH_STEP_DRIVER, first, unit->group, BERTH_BIND_VFIO, NULL);

	for (size_t i = 0; i < unit->nr && r == 0; i++)
		r = let_go(steps, unit->members[i].dev, &found[i]);
	for (size_t i = 0; i < unit->nr && r == 0; i++)
		r = bind(m, steps, unit->members[i].dev, &found[i], net[i], err);
	if (r == 0)
		r = add(steps, BERTH_STEP_NODE, first, unit->group, NULL, NULL);
	return r < 0 ? berth_err_set(err, r, "%s", strerror(-r)) : r;
}

int berth_steps_bind(const struct berth_device *dev, const struct berth_bind_state *now,
		     const char *driver, struct berth_steps *steps, struct berth_err *err)
{
	int group = dev->iommu_group, r = 0;

	if (*driver)
		r = add(steps, BERTH_STEP_DRIVER, dev->bdf, group, driver, NULL);
	if (r == 0 && strcmp(now->override, driver) != 0)
		r = add(steps, BERTH_STEP_OVERRIDE, dev->bdf, group, driver, NULL);
	if (r == 0 && *now->driver && strcmp(now->driver, driver) != 0) {
		r = add(steps, BERTH_STEP_UNBIND, dev->bdf, group, now->driver, NULL);
		if (r == 0)
			r = add(steps, BERTH_STEP_DMA_OFF, dev->bdf, group, NULL, NULL);
	}
	if (r == 0 && *driver && strcmp(now->driver, driver) != 0)
		r = add(steps, BERTH_STEP_PROBE, dev->bdf, group, driver, NULL);
	return r < 0 ? berth_err_set(err, r, "%s", strerror(-r)) : 0;
}

static int give_member(struct berth_manager *m, const struct berth_member *member,
		       struct berth_steps *steps)
{
	bool same;
	const struct berth_device *dev = berth_owner_find_member(m->inv, member, &same);
	int r = 0;

	if (member->restored || !dev || !same)
		return 0;
	/* Before the driver: the next user of the VF must not meet the settings of the last one. */
	if (member->found_net)
		r = add(steps, BERTH_STEP_VF_NET, dev->bdf, dev->iommu_group, member->found_net,
			NULL);
	if (r == 0)
		r = add(steps, BERTH_STEP_RESTORE, dev->bdf, dev->iommu_group, member->found_driver,
			NULL);
	return r;
}

int berth_steps_give(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_steps *steps, struct berth_err *err)
{
	int r = 0;

	for (size_t i = a->nr_members; i > 0 && r == 0; i--)
		r = give_member(m, &a->members[i - 1], steps);
	return r < 0 ? berth_err_set(err, r, "%s", strerror(-r)) : 0;
}

int berth_steps_gave_any(struct berth_manager *m, const struct berth_assignment *a)
{
	struct berth_intent_list rows = { 0 };
	bool any = false;
	int r = berth_journal_find(m->ledger, a->id,
				   BERTH_STEP_OPEN | BERTH_STEP_DONE | BERTH_STEP_FAILED, &rows,
				   NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.nr; i++) {
		const struct berth_intent *row = &rows.items[i];
		bool no_undo = !row->undo || !*row->undo;

		any |= strcmp(row->op, berth_step_op_name(BERTH_STEP_RESTORE)) == 0 ||
		       (strcmp(row->op, berth_step_op_name(BERTH_STEP_VF_NET)) == 0 && no_undo);
	}
	berth_intent_list_free(&rows);
	return any;
}

/* How the function at @at was found; by its path, since its address may have changed since. */
static int found_at(struct berth_manager *m, const struct berth_assignment *a, struct berth_bdf at,
		    struct berth_bind_state *ret)
{
	const struct berth_device *dev = berth_inventory_find(m->inv, at);

	for (size_t i = 0; dev && i < a->nr_members; i++) {
		if (strcmp(a->members[i].path, dev->path) == 0) {
			berth_owner_found(&a->members[i], ret);
			return 0;
		}
	}
	return -ENODEV;
}

static bool can_be_undone(enum berth_step_op op)
{
	switch (op) {
	case BERTH_STEP_OVERRIDE:
	case BERTH_STEP_UNBIND:
	case BERTH_STEP_PROBE:
	case BERTH_STEP_POWER:
	case BERTH_STEP_VF_NET:
		return true;
	case BERTH_STEP_DRIVER:
	case BERTH_STEP_DMA_OFF:
	case BERTH_STEP_NODE:
	case BERTH_STEP_RESTORE:
		return false;
	}
	return false;
}

static int run_one(struct berth_manager *m, const struct berth_step *s,
		   const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_bind_state found = { 0 };
	char words[BERTH_STEP_WORDS], group[16];
	struct berth_intent intent = {
		.assignment = a->id,
		.bdf = BERTH_BDF_STR(s->at),
		.op = (char *)(uintptr_t)berth_step_op_name(s->op),
		.arg = (char *)(uintptr_t)s->arg,
		.undo = (char *)(uintptr_t)s->undo,
	};
	int64_t seq = 0;
	int r;

	snprintf(group, sizeof(group), "%d", s->group);
	if (s->op == BERTH_STEP_NODE)
		intent.arg = group;
	found_at(m, a, s->at, &found);
	r = berth_journal_intent(m->ledger, &intent, &seq, err);
	if (r < 0)
		return r;
	log_info("%s", berth_step_words(s, words));
	r = berth_step_do(m, s, &found, err);
	/* One that failed stays open where there is an undo: what it did before it failed is for the undo to see. */
	if (r < 0 && !can_be_undone(s->op))
		berth_journal_outcome(m->ledger, seq, BERTH_STEP_FAILED, err ? err->text : NULL,
				      NULL);
	if (r < 0)
		return r;
	r = berth_journal_outcome(m->ledger, seq, BERTH_STEP_DONE, NULL, err);
	return r > 0 ? -EUCLEAN : r;
}

int berth_steps_run(struct berth_manager *m, const struct berth_steps *steps,
		    const struct berth_assignment *a, struct berth_err *err)
{
	int r = steps->nr ? berth_busy_begin(m, a, err) : 0;

	for (size_t i = 0; i < steps->nr && r == 0; i++)
		r = run_one(m, &steps->items[i], a, err);
	return r > 0 ? -EBUSY : r;
}

static int undo_one(struct berth_manager *m, const struct berth_intent *row,
		    const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_bind_state found = { 0 };
	struct berth_step s = { .op = BERTH_STEP_NODE };
	char words[BERTH_STEP_WORDS];
	int r = 0;

	if (!row->bdf || berth_bdf_parse(row->bdf, &s.at) < 0 ||
	    berth_step_op_from_name(row->op, &s.op) < 0)
		return berth_err_set(err, -EINVAL, "journal row %lld cannot be understood",
				     (long long)row->seq);
	snprintf(s.arg, sizeof(s.arg), "%s", row->arg ? row->arg : "");
	snprintf(s.undo, sizeof(s.undo), "%s", row->undo ? row->undo : "");
	/* A device that has gone took its state along. */
	if (found_at(m, a, s.at, &found) == 0) {
		log_info("undo: %s", berth_step_words(&s, words));
		r = berth_step_undo(m, &s, &found, err);
	}
	if (r == 0)
		r = berth_journal_outcome(m->ledger, row->seq, BERTH_STEP_UNDONE, NULL, err);
	return r > 0 ? 0 : r;
}

/* Has an earlier undo of this device hung? */
static bool is_stuck(const struct berth_intent_list *rows, const bool *stuck, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (stuck[j] && rows->items[j].bdf && rows->items[i].bdf &&
		    strcmp(rows->items[j].bdf, rows->items[i].bdf) == 0)
			return true;
	}
	return false;
}

int berth_steps_undo(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) bool *stuck = NULL;
	struct berth_intent_list rows = { 0 };
	int r, first = 0;

	r = berth_busy_begin(m, a, err);
	if (r != 0)
		return r > 0 ? -EBUSY : r;
	r = berth_journal_find(m->ledger, a->id, BERTH_STEP_OPEN | BERTH_STEP_DONE, &rows, err);
	if (r < 0)
		return r;
	stuck = calloc(rows.nr + 1, sizeof(*stuck));
	if (!stuck)
		first = berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; stuck && i < rows.nr; i++) {
		if (is_stuck(&rows, stuck, i))
			continue;
		r = undo_one(m, &rows.items[i], a, first ? NULL : err);
		stuck[i] = r == -ETIMEDOUT;
		if (r < 0 && !first)
			first = r;
	}
	berth_intent_list_free(&rows);
	return first;
}

void berth_steps_report(const struct berth_steps *steps, struct berth_report *report)
{
	char words[BERTH_STEP_WORDS];

	for (size_t i = 0; i < steps->nr; i++)
		berth_report_add(report, "%zu. %s", i + 1,
				 berth_step_words(&steps->items[i], words));
}
