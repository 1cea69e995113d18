/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/expire.h"
#include "manager/lease.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/take.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

void berth_vm_claim_free(struct berth_vm_claim *claim)
{
	if (!claim)
		return;
	free(claim->vm);
	free(claim->devs);
	free(claim->assignments);
	free(claim);
}

static bool is_on_vfio(const struct berth_unit *unit)
{
	for (size_t i = 0; i < unit->nr; i++) {
		if (strcmp(unit->members[i].dev->driver, BERTH_BIND_VFIO) != 0)
			return false;
	}
	return true;
}

/* What the VM has already: can it be used now? */
static int check_own(struct berth_manager *m, const struct berth_request *q, struct berth_err *err)
{
	for (size_t i = 0; i < q->units.nr; i++) {
		const struct berth_assignment *a = q->own[i];

		/* A quarantined one is not clean for others; it is as this VM left it. */
		if (a && a->state != BERTH_OWNED_ASSIGNED && a->state != BERTH_OWNED_QUARANTINED)
			return berth_owner_refuse(m, a, &q->units.items[i], err);
		/* Nobody binds a quarantined one again after a restart of the host. */
		if (a && !is_on_vfio(&q->units.items[i]))
			return berth_err_set(err, BERTH_REFUSED,
					     "%s of %s (%s) is not on vfio-pci; 'berth release %s' "
					     "resets it and gives it back",
					     a->members[0].bdf, a->vm,
					     berth_owned_state_name(a->state), a->members[0].bdf);
	}
	return 0;
}

static int describe(const struct berth_request *q, const int64_t *ids, struct berth_vm_claim **ret)
{
	BERTH_CLEANUP(berth_vm_claim_freep) struct berth_vm_claim *c = calloc(1, sizeof(*c));
	size_t nr = 0;

	for (size_t i = 0; i < q->units.nr; i++)
		nr += q->units.items[i].nr;
	if (!c)
		return -ENOMEM;
	c->vm = strdup(q->vm);
	c->devs = calloc(nr + 1, sizeof(*c->devs));
	c->assignments = calloc(q->units.nr + 1, sizeof(*c->assignments));
	if (!c->vm || !c->devs || !c->assignments)
		return -ENOMEM;
	for (size_t i = 0; i < q->units.nr; i++) {
		const struct berth_unit *unit = &q->units.items[i];

		c->assignments[c->nr_groups++] = ids[i];
		for (size_t j = 0; j < unit->nr; j++) {
			struct berth_vm_claim_dev *d = &c->devs[c->nr_devs++];

			d->at = unit->members[j].dev->bdf;
			d->group = (unsigned int)unit->group;
			d->asked = unit->members[j].asked;
			d->asked_as = unit->members[j].asked_as;
			snprintf(d->path, sizeof(d->path), "%s", unit->members[j].dev->path);
		}
	}
	*ret = BERTH_TAKE_PTR(c);
	return 0;
}

static int claim(struct berth_manager *m, const struct berth_request *q, pid_t holder,
		 const struct berth_lease *lease, struct berth_vm_claim **ret,
		 struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) int64_t *ids = calloc(q->units.nr + 1, sizeof(*ids));
	struct berth_take_holder who = { .pid = holder };
	int r = ids ? 0 : -ENOMEM;

	if (r == 0)
		r = berth_process_start(m->host, holder, &who.start);
	if (r < 0)
		return berth_err_set(err, r, "process %d, that shall hold the devices: %s",
				     (int)holder, strerror(-r));
	r = check_own(m, q, err);
	if (r == 0)
		r = berth_take(m, q, BERTH_OWNED_BY_RUN, ids, report, err);
	if (r != 0)
		return r;
	r = describe(q, ids, ret);
	if (r < 0)
		berth_err_set(err, r, "%s", strerror(-r));
	else
		r = berth_lease_start(m, q, ids, lease, "run", err);
	if (r == 0) /* from this moment the holder answers for the devices */
		r = berth_take_settle(m, q, ids, true, BERTH_ON_START, who, "run", err);
	if (r < 0) {
		berth_untake_all(m, q, ids, err);
		berth_vm_claim_free(*ret);
		*ret = NULL;
	}
	return r;
}

int berth_manager_claim_leased(struct berth_manager *m, const char *vm, const char *const *devs,
			       size_t nr, pid_t holder, const struct berth_lease_wish *wish,
			       struct berth_vm_claim **ret, struct berth_report *report,
			       struct berth_err *err)
{
	struct berth_vm_claim *made = NULL;
	struct berth_lease lease = { 0 };
	struct berth_request q;
	int r = berth_request_make(m, vm, devs, nr, &q, err);

	if (r != 0)
		return r;
	r = berth_lease_plan(m, &q, wish, &lease, err);
	if (r == 0)
		r = claim(m, &q, holder, &lease, &made, report, err);
	if (r == 0) {
		berth_lease_report(&q, &lease, report);
		*ret = made;
	}
	berth_lease_done(&lease);
	berth_request_done(&q);
	return r;
}

int berth_manager_claim(struct berth_manager *m, const char *vm, const char *const *devs, size_t nr,
			pid_t holder, struct berth_vm_claim **ret, struct berth_report *report,
			struct berth_err *err)
{
	const struct berth_lease_wish nothing = { 0 };

	return berth_manager_claim_leased(m, vm, devs, nr, holder, &nothing, ret, report, err);
}

static int unclaim_one(struct berth_manager *m, const struct berth_vm_claim *c, int64_t id,
		       struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list list;
	const struct berth_assignment *a;
	int r = berth_ledger_find(m->ledger, &(struct berth_ledger_query){ .id = id }, &list, err);

	if (r < 0)
		return r;
	a = list.nr == 1 ? &list.items[0] : NULL;
	if (a)
		r = berth_busy_begin(m, a, err);
	/* The holder's own end may have been noticed, and its groups dealt with, by another verb before. */
	if (a && r == 0 && a->state == BERTH_OWNED_IN_USE)
		r = berth_release_used(m, a, c, "run-end", report, err);
	berth_assignment_list_free(&list);
	return r;
}

int berth_manager_unclaim(struct berth_manager *m, const struct berth_vm_claim *c,
			  struct berth_report *report, struct berth_err *err)
{
	int first = 0;

	for (size_t i = 0; i < c->nr_groups; i++) {
		int r = unclaim_one(m, c, c->assignments[i], report, first ? NULL : err);

		first = first ? first : r;
	}
	/* What was lent for so long only does not stay assigned. */
	if (first == 0) {
		bool changed = false;

		first = berth_expire(m, report, &changed, err);
	}
	return first;
}
