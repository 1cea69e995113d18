/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/retake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/safety.h"
#include "manager/steps.h"
#include "manager/take.h"
#include "manager/unit.h"
#include "policy/journal.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

/* The group of an assignment, asked for as it was when it was taken. Return: 0; -ENODEV all of it is gone; -errno. */
static int unit_of(struct berth_manager *m, const struct berth_assignment *a,
		   struct berth_units *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const struct berth_device **asked = calloc(a->nr_members + 1, sizeof(*asked));
	size_t nr = 0;
	bool same;

	if (!asked)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < a->nr_members; i++) {
		asked[nr] = berth_owner_find_member(m->inv, &a->members[i], &same);
		if (asked[nr] && same)
			nr++;
	}
	if (nr == 0)
		return berth_err_set(err, -ENODEV, "%s: all its devices are gone", a->group);
	return berth_units_build(m->inv, asked, nr, ret, err);
}

/* May all of them be taken? Return: 0; BERTH_REFUSED; -errno. */
static int ask_safety(struct berth_manager *m, const struct berth_units *units,
		      struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < units->nr && r == 0; i++)
		r = berth_safety_require(m, &units->items[i], BERTH_SAFETY_GROUP, err);
	return r;
}

static int move(struct berth_manager *m, const struct berth_assignment *a,
		const struct berth_units *units, struct berth_err *err)
{
	struct berth_steps steps = { 0 };
	int r = 0;

	for (size_t i = 0; i < units->nr && r == 0; i++)
		r = berth_take_plan_unit(m, &units->items[i], &steps, err);
	if (r == 0)
		r = berth_steps_run(m, &steps, a, err);
	berth_steps_done(&steps);
	if (r == 0) /* an earlier attempt may have been interrupted */
		r = berth_journal_close(m->ledger, a->id, BERTH_STEP_DONE, "done again", err);
	return r > 0 ? 0 : r;
}

int berth_retake(struct berth_manager *m, const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_units units = { 0 };
	int r = unit_of(m, a, &units, err);

	if (r == 0)
		r = ask_safety(m, &units, err);
	if (r > 0)
		r = -EPERM;
	if (r == 0)
		r = move(m, a, &units, err);
	berth_units_done(&units);
	if (r != 0)
		berth_take_fault(m, a, err);
	return r;
}

static const struct berth_device *off_vfio(struct berth_manager *m, const struct berth_member *at)
{
	bool same;
	const struct berth_device *dev = berth_owner_find_member(m->inv, at, &same);

	return dev && same && strcmp(dev->driver, BERTH_BIND_VFIO) != 0 ? dev : NULL;
}

bool berth_retake_is_needed(struct berth_manager *m, const struct berth_assignment *a)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		if (off_vfio(m, &a->members[i]))
			return true;
	}
	return false;
}

static void report_moves(struct berth_manager *m, const struct berth_assignment *a,
			 struct berth_report *report)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_device *dev = off_vfio(m, &a->members[i]);

		if (dev)
			berth_report_add(report, "%s %s → %s, to be reset with proof",
					 BERTH_BDF_STR(dev->bdf),
					 *dev->driver ? dev->driver : "no driver", BERTH_BIND_VFIO);
	}
}

/* "nvme"; what the first function that is off vfio-pci runs on. */
static const char *runs_on(struct berth_manager *m, const struct berth_assignment *a)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_device *dev = off_vfio(m, &a->members[i]);

		if (dev)
			return *dev->driver ? dev->driver : "no driver";
	}
	return BERTH_BIND_VFIO;
}

static int refuse(struct berth_manager *m, const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_err why = err ? *err : (struct berth_err)BERTH_ERR_INIT;

	berth_err_clear(err);
	return berth_err_set(err, BERTH_REFUSED,
			     "%s was used by %s, is not proven clean, and runs on %s; to be reset "
			     "with proof it must go to vfio-pci, but: %s; free it, or "
			     "'berth release --unclean' gives it up as it is",
			     a->members[0].bdf, a->vm, runs_on(m, a), why.text);
}

/* It stays quarantined, now for this reason. Keeps @err. */
static int failed(struct berth_manager *m, const struct berth_assignment *a, int r,
		  struct berth_err *err)
{
	struct berth_err why = err ? *err : (struct berth_err)BERTH_ERR_INIT;

	if (!berth_busy_is_left(m, a->id))
		(void)berth_take_mark(m, a, BERTH_ON_UNPROVEN, "release", why.text, NULL);
	return r;
}

static int move_unproven(struct berth_manager *m, const struct berth_assignment *a,
			 const struct berth_units *units, struct berth_err *err)
{
	int r = move(m, a, units, err);

	if (r != 0)
		return failed(m, a, r, err);
	return berth_take_mark(m, a, BERTH_ON_REBOUND, "release", a->reason, err);
}

int berth_retake_unproven(struct berth_manager *m, const struct berth_assignment *a, bool dry_run,
			  struct berth_report *report, struct berth_err *err)
{
	struct berth_units units = { 0 };
	int r = unit_of(m, a, &units, err);

	if (r == 0)
		r = ask_safety(m, &units, err);
	if (r > 0)
		r = refuse(m, a, err);
	if (r == 0 && !dry_run)
		r = move_unproven(m, a, &units, err);
	berth_units_done(&units);
	if (r == 0)
		report_moves(m, a, report);
	return r == 0 && !dry_run ? berth_manager_refresh(m, err) : r;
}
