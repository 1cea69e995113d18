/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/assign.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/take.h"

int berth_manager_plan(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_steps *ret, struct berth_err *err)
{
	struct berth_steps steps = { 0 };
	struct berth_request q;
	int r = berth_request_make(m, vm, names, nr, &q, err);

	if (r != 0)
		return r;
	r = berth_take_plan(m, &q, &steps, err);
	berth_request_done(&q);
	if (r != 0)
		berth_steps_done(&steps);
	else
		*ret = steps;
	return r;
}

static void report_own(const struct berth_request *q, struct berth_report *report)
{
	char words[32];

	for (size_t i = 0; i < q->units.nr; i++) {
		const struct berth_unit *unit = &q->units.items[i];

		for (size_t j = 0; q->own[i] && j < unit->nr; j++)
			berth_report_add(report, "%s (%s) is owned by %s already (%s)",
					 BERTH_BDF_STR(unit->members[j].dev->bdf),
					 berth_unit_words(unit, words), q->vm,
					 berth_owned_state_name(q->own[i]->state));
	}
}

/* What a running VM had for its run only stays with it from now on. */
static int keep_own(struct berth_manager *m, const struct berth_request *q, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (q->own[i] && q->own[i]->kind == BERTH_OWNED_BY_RUN)
			r = berth_ledger_set_kind(m->ledger, q->own[i]->id, BERTH_OWNED_BY_ASSIGN,
						  err);
	}
	return r > 0 ? -ENOENT : r;
}

static int assign(struct berth_manager *m, const struct berth_request *q,
		  const struct berth_lease *lease, struct berth_report *report,
		  struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) int64_t *ids = calloc(q->units.nr + 1, sizeof(*ids));
	size_t said;
	int r;

	if (!ids)
		return berth_err_set(err, -ENOMEM, "out of memory");
	report_own(q, report);
	said = report ? report->nr : 0;
	r = berth_take(m, q, BERTH_OWNED_BY_ASSIGN, ids, report, err);
	if (r != 0)
		return r;
	r = berth_lease_start(m, q, ids, lease, "assign", err);
	/* Everything is bound: from now on it is the VM's, whoever dies. */
	if (r == 0)
		r = berth_take_settle(m, q, ids, false, BERTH_ON_BOUND,
				      (struct berth_take_holder){ 0 }, "assign", err);
	if (r < 0) {
		berth_untake_all(m, q, ids, err);
		berth_report_cut(report, said); /* nobody owns it now */
	}
	if (r == 0)
		r = keep_own(m, q, err);
	if (r == 0)
		berth_lease_report(q, lease, report);
	return r;
}

int berth_manager_assign_how(struct berth_manager *m, const char *vm, const char *const *names,
			     size_t nr, const struct berth_assign_how *how,
			     struct berth_report *report, struct berth_err *err)
{
	struct berth_lease lease = { 0 };
	struct berth_steps steps = { 0 };
	struct berth_request q;
	int r;

	m->turn.priority = how->priority;
	m->turn.entry = how->entry;
	r = berth_request_make(m, vm, names, nr, &q, err);
	if (r != 0)
		return r;
	r = berth_lease_plan(m, &q, &how->lease, &lease, err);
	if (r == 0 && how->dry_run) {
		report_own(&q, report);
		r = berth_take_plan(m, &q, &steps, err);
		if (r == 0) {
			berth_steps_report(&steps, report);
			berth_lease_report(&q, &lease, report);
		}
		berth_steps_done(&steps);
	} else if (r == 0) {
		r = assign(m, &q, &lease, report, err);
	}
	berth_lease_done(&lease);
	berth_request_done(&q);
	return r;
}

int berth_manager_assign(struct berth_manager *m, const char *vm, const char *const *names,
			 size_t nr, bool dry_run, struct berth_report *report,
			 struct berth_err *err)
{
	const struct berth_assign_how how = { .dry_run = dry_run };

	return berth_manager_assign_how(m, vm, names, nr, &how, report, err);
}
