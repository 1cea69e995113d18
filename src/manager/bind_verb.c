/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/bind_verb.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "manager/safety.h"
#include "manager/steps.h"
#include "manager/take.h"
#include "manager/unit.h"
#include "vfio/inventory.h"

/* What `berth bind` is about to do to one function. */
struct job {
	const struct berth_device *dev;
	const char *driver;
	struct berth_bind_state now;
	struct berth_steps steps;
};

static int prepare(struct berth_manager *m, const struct berth_units *units,
		   const struct berth_assignment *owner, struct job *job, struct berth_err *err)
{
	int r;

	if (owner && owner->kind != BERTH_OWNED_BY_BIND)
		return berth_owner_refuse(m, owner, &units->items[0], err);
	r = berth_safety_require(m, &units->items[0], BERTH_SAFETY_DEVICE, err);
	if (r == 0)
		r = berth_bind_read(m->host, job->dev->bdf, &job->now, err);
	if (r == 0)
		r = berth_steps_bind(job->dev, &job->now, job->driver, &job->steps, err);
	return r;
}

static bool is_member(const struct berth_assignment *a, const struct berth_device *dev)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		if (strcmp(a->members[i].path, dev->path) == 0)
			return true;
	}
	return false;
}

/*
 * Run the steps. When one fails, the function is put back as this call met it. When we die, recovery meets "preparing" and
 * puts it back as it was first found.
 */
static int execute(struct berth_manager *m, const struct job *job, int64_t id, bool fresh,
		   struct berth_err *err)
{
	struct berth_assignment_list list;
	const struct berth_assignment *a;
	int r = berth_take_reread(m, id, &list, err), back = 0;

	if (r != 0)
		return r;
	a = &list.items[0];
	r = berth_busy_begin(m, a, err);
	if (r == 0 && !fresh)
		r = berth_take_mark(m, a, BERTH_ON_REBIND, "bind", NULL, err);
	if (r == 0)
		r = berth_steps_run(m, &job->steps, a, err);
	if (r != 0 && berth_busy_is_left(m, id)) {
		back = 0; /* whoever comes when the kernel has finished takes it back */
	} else if (r != 0 && fresh) {
		berth_untake(m, a, err ? err->text : NULL, NULL);
	} else {
		if (r < 0)
			back = berth_bind_restore(m->host, job->dev->bdf, &job->now, NULL);
		if (back == 0)
			back = berth_take_mark(m, a, BERTH_ON_BOUND, "bind", NULL, err);
	}
	berth_assignment_list_free(&list);
	return r ? r : back;
}

static int bind(struct berth_manager *m, const struct berth_units *units,
		const struct berth_assignment *owner, const struct job *job, struct berth_err *err)
{
	int64_t id = owner ? owner->id : 0;
	int r = 0;

	if (!owner)
		r = berth_take_record(m, &units->items[0], job->dev, &job->now, &id, err);
	else if (!is_member(owner, job->dev))
		r = berth_take_record_more(m, id, job->dev, &job->now, err);
	return r != 0 ? r : execute(m, job, id, !owner, err);
}

int berth_manager_bind(struct berth_manager *m, const char *name, const char *driver, bool dry_run,
		       struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	struct berth_assignment_list live = { 0 };
	const struct berth_assignment *owner;
	struct berth_units units = { 0 };
	struct job job = { .driver = driver };
	size_t nr = 0;
	int r = berth_resolve(m, NULL, &name, 1, &devs, &nr, err);

	if (r == 0)
		r = berth_units_build(m->inv, devs, nr, &units, err);
	if (r == 0)
		r = berth_owner_all(m, &live, err);
	if (r == 0) {
		owner = berth_owner_of(&live, &units.items[0]);
		job.dev = devs[0];
		r = prepare(m, &units, owner, &job, err);
		if (r == 0 && dry_run)
			berth_steps_report(&job.steps, report);
		else if (r == 0)
			r = bind(m, &units, owner, &job, err);
	}
	if (r == 0 && !dry_run)
		berth_report_add(report, "%s %s → %s; 'berth release %s' gives it back as it was",
				 BERTH_BDF_STR(job.dev->bdf),
				 *job.now.driver ? job.now.driver : "no driver",
				 *driver ? driver : "no driver", BERTH_BDF_STR(job.dev->bdf));
	berth_steps_done(&job.steps);
	berth_assignment_list_free(&live);
	berth_units_done(&units);
	return r;
}
