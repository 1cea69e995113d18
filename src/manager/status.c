/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "iommu/group.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/external.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/recover.h"
#include "manager/sriov_work.h"
#include "manager/wait.h"
#include "policy/evidence.h"
#include "policy/journal.h"
#include "policy/lease.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

static struct berth_status_row *add_row(struct berth_status *s)
{
	struct berth_status_row *bigger = realloc(s->rows, (s->nr + 1) * sizeof(*bigger));

	if (!bigger)
		return NULL;
	s->rows = bigger;
	memset(&bigger[s->nr], 0, sizeof(*bigger));
	return &bigger[s->nr++];
}

static int add_name(char **list, const char *name)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? " " : "", name) < 0)
		return -ENOMEM;
	free(*list);
	*list = longer;
	return 0;
}

/* What a row's state will become is said in words: the ledger's own state stays what scripts see. */
static void add_note(struct berth_manager *m, const struct berth_assignment *a, bool busy,
		     struct berth_status_row *row)
{
	char why[400];
	enum berth_remedy remedy = berth_recover_judge(m, a, why, sizeof(why));

	if (remedy == BERTH_REMEDY_NONE && a->evict)
		snprintf(row->note, sizeof(row->note), "asked to let go: %s", a->evict);
	else if (remedy == BERTH_REMEDY_NONE)
		snprintf(row->note, sizeof(row->note), "%s%s%s", why, *why && a->reason ? "; " : "",
			 a->reason ? a->reason : "");
	else if (busy)
		snprintf(row->note, sizeof(row->note), "another berth is at work on this host");
	else
		snprintf(row->note, sizeof(row->note), "%s; the next verb, or 'berth recover': %s",
			 why, berth_remedy_words(remedy));
}

/* Somebody is at work on it, or its kernel write hangs: which, since when, and who has it open. */
static bool add_busy(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_status_row *row)
{
	struct berth_busy_look look;
	char words[BERTH_BUSY_WORDS], by[150];

	if (!berth_busy_look(m, a->id, &look))
		return false;
	berth_busy_words(&look, words);
	if (look.stuck) {
		row->state = "stuck";
		berth_busy_holders(m, a, by, sizeof(by));
		snprintf(row->note, sizeof(row->note), "%s; %s%s", words,
			 *by ? "held open by " : "no process is seen to have it open", by);
	} else {
		snprintf(row->note, sizeof(row->note), "%s", words);
	}
	return true;
}

static bool is_lost(struct berth_manager *m, const struct berth_assignment *a)
{
	bool same;

	for (size_t i = 0; i < a->nr_members; i++) {
		if (berth_owner_find_member(m->inv, &a->members[i], &same))
			return false;
	}
	return a->nr_members > 0;
}

/* How the functions were last reset; the worst of them counts. */
static void add_reset(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_status_row *row)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		struct berth_evidence e;

		if (berth_evidence_last(m->ledger, a->members[i].path, &e, NULL) != 0)
			continue;
		if (!e.proven || !*row->reset)
			snprintf(row->reset, sizeof(row->reset), "%s",
				 e.proven ? e.method : "unproven");
		berth_evidence_done(&e);
	}
}

static void add_lease(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_status_row *row)
{
	struct berth_lease lease;

	if (berth_lease_of(m->ledger, a->claim, &lease, NULL) != 0)
		return;
	row->lease_end = lease.end;
	/* A VM that runs may go on after the end of a lease with "detach": nobody knows how long. */
	if (lease.on_expiry == BERTH_EXPIRY_SHUTDOWN || a->state != BERTH_OWNED_IN_USE)
		row->free_at = berth_lease_over(&lease);
	berth_lease_done(&lease);
}

static int add_owned(struct berth_manager *m, const struct berth_assignment *a, bool busy,
		     struct berth_status *s)
{
	struct berth_status_row *row = add_row(s);
	int r = 0;

	if (!row)
		return -ENOMEM;
	row->group = berth_owner_group(m->inv, a);
	row->state = is_lost(m, a) ? "lost" : berth_owned_state_name(a->state);
	row->kind = berth_owned_kind_name(a->kind);
	row->since = a->created;
	row->vm = strdup(a->vm);
	berth_drift_of(m, a, row->drift, sizeof(row->drift));
	if (a->pid && strcmp(a->boot_id ? a->boot_id : "", m->host->boot_id) == 0 &&
	    berth_process_lives(m->host, a->pid, a->pid_start)) {
		row->holder = a->pid;
		berth_process_name(m->host, a->pid, row->holder_name);
	}
	for (size_t i = 0; i < a->nr_members && r == 0; i++) {
		bool same;
		const struct berth_device *dev =
			berth_owner_find_member(m->inv, &a->members[i], &same);

		r = add_name(&row->devices, dev ? BERTH_BDF_STR(dev->bdf) : a->members[i].bdf);
	}
	add_reset(m, a, row);
	add_lease(m, a, row);
	if (!add_busy(m, a, row))
		add_note(m, a, busy, row);
	return row->vm ? r : -ENOMEM;
}

/* PFs whose driver does not answer to a change of the number of VFs: no assignment is behind that. */
static int add_stuck_pfs(struct berth_manager *m, struct berth_status *s, struct berth_err *err)
{
	struct berth_intent_list open;
	int r = berth_sriov_work_find(m, &open, err);

	for (size_t i = 0; i < open.nr && r == 0; i++) {
		struct berth_busy_look look;
		struct berth_status_row *row;
		struct berth_bdf at;

		if (!open.items[i].bdf || berth_bdf_parse(open.items[i].bdf, &at) < 0 ||
		    !berth_sriov_work_look(m, &open.items[i], &look) || !look.stuck)
			continue;
		row = add_row(s);
		r = row ? add_name(&row->devices, open.items[i].bdf) : -ENOMEM;
		if (r < 0)
			break;
		row->group = berth_group_of(m->host, at);
		row->state = "stuck";
		row->kind = "sriov";
		row->since = look.since;
		berth_busy_words(&look, row->note);
	}
	berth_intent_list_free(&open);
	return r;
}

static struct berth_status_row *find_row(struct berth_status *s, size_t from, int group)
{
	for (size_t i = from; i < s->nr; i++) {
		if (s->rows[i].group == group)
			return &s->rows[i];
	}
	return NULL;
}

/* Who it is, as far as the host shows. */
static void name_external(struct berth_manager *m, const struct berth_device *dev,
			  struct berth_status_row *row)
{
	char who[100] = "", driver[64];

	if (!m->ledger) {
		snprintf(row->note, sizeof(row->note), "who owns it is known to root only");
		return;
	}
	berth_external_driverctl(m->host, dev->bdf, driver, sizeof(driver));
	if (row->holder)
		berth_external_process(m->host, row->holder, who, sizeof(who));
	snprintf(row->note, sizeof(row->note), "on vfio-pci, but not by berth%s%s%s%s%s",
		 *driver ? "; driverctl gives it " : "", driver, *driver ? " at every boot" : "",
		 *who ? "; held by " : "", who);
}

/* On vfio-pci, but not in our ledger: libvirt's, DPDK's, driverctl's, or not for this user to know. */
static int add_external(struct berth_manager *m, const struct berth_assignment_list *live,
			struct berth_status *s)
{
	size_t ours = s->nr;
	int r = 0;

	for (size_t i = 0; i < m->inv->nr && r == 0; i++) {
		const struct berth_device *dev = &m->inv->devices[i];
		struct berth_status_row *row;

		if (strcmp(dev->driver, BERTH_BIND_VFIO) || berth_owner_of_device(live, dev))
			continue;
		row = find_row(s, ours, dev->iommu_group);
		if (!row) {
			row = add_row(s);
			if (!row)
				return -ENOMEM;
			row->group = dev->iommu_group;
			row->state = m->ledger ? "external" : "unknown";
			row->holder = dev->iommu_group < 0 ?
					      0 :
					      berth_process_holding(m->host, dev->iommu_group, 0);
			if (row->holder < 0) /* who it is remains open */
				row->holder = 0;
			if (row->holder)
				berth_process_name(m->host, row->holder, row->holder_name);
			name_external(m, dev, row);
		}
		r = add_name(&row->devices, BERTH_BDF_STR(dev->bdf));
	}
	return r;
}

int berth_status_read(struct berth_manager *m, struct berth_status *ret, struct berth_err *err)
{
	/* Before the ledger is read: a verb that starts after this leaves rows that are just as right. */
	bool busy = m->mode == BERTH_MANAGER_READ && berth_lock_is_held(m->host->state);
	struct berth_assignment_list live;
	struct berth_status s = { 0 };
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr && r == 0; i++)
		r = add_owned(m, &live.items[i], busy, &s);
	if (r == 0)
		r = add_external(m, &live, &s);
	if (r == 0)
		r = add_stuck_pfs(m, &s, err);
	if (r == 0)
		r = berth_wait_queue(m, &s.queue, err);
	if (r == 0 && m->ledger)
		r = berth_taint_find(m->ledger, NULL, &s.taints, err);
	if (r == 0 && m->ledger)
		r = berth_reservation_all(m->ledger, &s.reservations, err);
	berth_assignment_list_free(&live);
	if (r < 0) {
		berth_status_done(&s);
		return berth_err_set(err, r, "out of memory");
	}
	*ret = s;
	return 0;
}

const struct berth_status_row *berth_status_of(const struct berth_status *s, struct berth_bdf at)
{
	const struct berth_status_row *found = NULL;

	for (size_t i = 0; i < s->nr; i++) {
		/* What is stuck matters more than who owns it. */
		if (strstr(s->rows[i].devices, BERTH_BDF_STR(at)) &&
		    (!found || strcmp(s->rows[i].state, "stuck") == 0))
			found = &s->rows[i];
	}
	return found;
}

void berth_status_done(struct berth_status *s)
{
	for (size_t i = 0; i < s->nr; i++) {
		free(s->rows[i].devices);
		free(s->rows[i].vm);
	}
	free(s->rows);
	berth_queue_free(&s->queue);
	berth_taint_list_free(&s->taints);
	berth_reservation_list_free(&s->reservations);
	memset(s, 0, sizeof(*s));
}
