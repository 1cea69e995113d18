/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/release.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "manager/retake.h"
#include "manager/sanitise.h"
#include "manager/steps.h"
#include "manager/take.h"
#include "manager/unit.h"
#include "vfio/inventory.h"

/* Is it certain that no guest has touched it since its last proven reset? */
static bool never_used(const struct berth_assignment *a)
{
	switch (a->state) {
	case BERTH_OWNED_PREPARING:
	case BERTH_OWNED_ASSIGNED:
	case BERTH_OWNED_RETURNING:
	case BERTH_OWNED_FAULTED:
	case BERTH_OWNED_IDENTITY_CHANGED:
		return true;
	case BERTH_OWNED_IN_USE:
	case BERTH_OWNED_RELEASING:
	case BERTH_OWNED_SANITISING:
	case BERTH_OWNED_QUARANTINED:
		return false;
	}
	return false;
}

static int quarantine(struct berth_manager *m, const struct berth_assignment *a, const char *why,
		      struct berth_report *report, struct berth_err *err)
{
	char reason[400];
	int r;

	snprintf(reason, sizeof(reason), "used by %s, and its reset is not proven: %s", a->vm, why);
	r = berth_ledger_set_holder(m->ledger, a->id, m->host->boot_id, 0, 0, err);
	if (r == 0)
		r = berth_take_mark(m, a, BERTH_ON_UNPROVEN, "quarantine", reason, err);
	if (r == 0)
		berth_report_add(report, "%s stays with %s, quarantined: %s", a->members[0].bdf,
				 a->vm, reason);
	return r > 0 ? -ENOENT : r;
}

/* From in use to being reset, from wherever an earlier call has left it. Return: 0; BERTH_REFUSED still open; -errno. */
static int stop_using(struct berth_manager *m, const struct berth_assignment *a, const char *verb,
		      unsigned int deadline_ms, struct berth_err *err)
{
	int r = berth_busy_begin(m, a, err);

	if (r == 0 && a->state == BERTH_OWNED_IN_USE)
		r = berth_take_mark(m, a, BERTH_ON_USER_GONE, verb, NULL, err);
	if (r == 0)
		r = berth_sanitise_wait_closed(m, a, deadline_ms, err);
	if (r == 0 && (a->state == BERTH_OWNED_IN_USE || a->state == BERTH_OWNED_RELEASING))
		r = berth_take_mark(m, a, BERTH_ON_CLOSED, verb, NULL, err);
	return r;
}

int berth_release_used(struct berth_manager *m, const struct berth_assignment *a,
		       const struct berth_vm_claim *c, const char *verb,
		       struct berth_report *report, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	char how[400];
	int r = stop_using(m, a, verb, BERTH_SANITISE_CLOSE_MS, err);

	if (r != 0)
		return r;
	if (!c || berth_sanitise_accept(m, a, c, NULL) != 0) {
		r = berth_sanitise(m, a, how, sizeof(how), &why);
		if (r != 0 && berth_busy_is_left(m, a->id))
			return berth_err_set(err, -ETIMEDOUT, "%s", why.text);
		if (r != 0) {
			r = quarantine(m, a, why.text, report, err);
			return r != 0 ? r :
					berth_err_set(err, -EUCLEAN, "%s; it is quarantined",
						      why.text);
		}
		berth_report_add(report, "%s", how);
	}
	if (a->kind != BERTH_OWNED_BY_ASSIGN)
		return berth_give(m, a, verb, report, err);
	r = berth_ledger_set_holder(m->ledger, a->id, m->host->boot_id, 0, 0, err);
	if (r == 0)
		r = berth_take_mark(m, a, BERTH_ON_PROVEN, verb, NULL, err);
	if (r == 0)
		berth_report_add(report, "%s stays assigned to %s", a->members[0].bdf, a->vm);
	return r > 0 ? -ENOENT : r;
}

/* The groups to be released: the rows of @live that are marked. */
struct picks {
	struct berth_assignment_list live;
	bool *marked; /* owned; by row */
};

static void picks_done(struct picks *p)
{
	free(p->marked);
	berth_assignment_list_free(&p->live);
}

static int not_owned(struct berth_manager *m, const struct berth_device *dev,
		     const struct berth_assignment *owner, const char *vm, struct berth_err *err)
{
	if (!m->ledger)
		return berth_err_set(err, -EACCES,
				     "%s: who owns it is known to root only; use sudo",
				     BERTH_BDF_STR(dev->bdf));
	if (!owner)
		return berth_err_set(err, BERTH_REFUSED,
				     "%s is not owned by any VM: it is with %s, and stays there",
				     BERTH_BDF_STR(dev->bdf),
				     *dev->driver ? dev->driver : "no driver");
	return berth_err_set(err, BERTH_REFUSED, "%s is owned by %s, not by %s",
			     BERTH_BDF_STR(dev->bdf), owner->vm, vm);
}

/* A device that is gone is still in the ledger, by the address that it had. */
static int pick_absent(struct picks *p, const char *name, struct berth_err *err)
{
	char text[BERTH_BDF_LEN];
	struct berth_bdf at;

	if (berth_bdf_parse(name, &at) == 0)
		name = berth_bdf_format(at, text);
	for (size_t i = 0; i < p->live.nr; i++) {
		const struct berth_assignment *a = &p->live.items[i];

		for (size_t j = 0; j < a->nr_members; j++) {
			if (strcmp(a->members[j].bdf, name) && strcmp(a->members[j].path, name))
				continue;
			p->marked[i] = true;
			berth_err_clear(err);
			return 0;
		}
	}
	return -ENODEV;
}

static int pick_name(struct berth_manager *m, struct picks *p, const char *name, const char *vm,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	const struct berth_assignment *owner;
	size_t nr;
	int r = berth_resolve(m, NULL, &name, 1, &devs, &nr, err);

	if (r == -ENODEV)
		return pick_absent(p, name, err);
	if (r != 0)
		return r;
	owner = berth_owner_of_device(&p->live, devs[0]);
	if (!owner || (vm && strcmp(owner->vm, vm) != 0))
		return not_owned(m, devs[0], owner, vm, err);
	p->marked[owner - p->live.items] = true;
	return 0;
}

static int pick(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		struct picks *p, struct berth_err *err)
{
	bool any = false;
	int r = berth_owner_all(m, &p->live, err);

	if (r < 0)
		return r;
	p->marked = calloc(p->live.nr + 1, sizeof(*p->marked));
	if (!p->marked)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && r == 0; i++)
		r = pick_name(m, p, names[i], vm, err);
	for (size_t i = 0; nr == 0 && i < p->live.nr; i++) {
		p->marked[i] = strcmp(p->live.items[i].vm, vm) == 0;
		any |= p->marked[i];
	}
	if (nr == 0 && !any)
		return m->ledger ?
			       berth_err_set(
				       err, -ENOENT,
				       "VM %s owns no device; 'berth status' says who owns what",
				       vm) :
			       berth_err_set(err, -EACCES,
					     "what %s owns is known to root only; use sudo", vm);
	return r;
}

/* May it be released at all? */
static int check(struct berth_manager *m, const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_busy_look look;
	char name[32], words[BERTH_BUSY_WORDS];

	if (berth_busy_look(m, a->id, &look))
		return berth_err_set(err, BERTH_REFUSED, "%s of %s: %s", a->members[0].bdf, a->vm,
				     berth_busy_words(&look, words));
	if (a->pid && berth_process_lives(m->host, a->pid, a->pid_start) &&
	    a->state != BERTH_OWNED_PREPARING)
		return berth_err_set(err, BERTH_REFUSED,
				     "%s is in use by VM %s, process %d (%s); stop it first with "
				     "'berth vm stop %s'",
				     a->members[0].bdf, a->vm, (int)a->pid,
				     berth_process_name(m->host, a->pid, name), a->vm);
	return berth_sanitise_wait_closed(m, a, 0, err);
}

/* Quarantined, and not where it can be reset with proof. Who waives the proof leaves it where it is. */
static bool is_to_be_retaken(struct berth_manager *m, const struct berth_assignment *a,
			     struct berth_release_how how)
{
	return a->state == BERTH_OWNED_QUARANTINED && !how.unclean && berth_retake_is_needed(m, a);
}

/* Return: 0; BERTH_REFUSED; -errno. */
static int plan_one(struct berth_manager *m, const struct berth_assignment *a,
		    struct berth_release_how how, struct berth_report *report,
		    struct berth_err *err)
{
	struct berth_steps steps = { 0 };
	int r = is_to_be_retaken(m, a, how) ? berth_retake_unproven(m, a, true, report, err) : 0;

	if (r != 0)
		return r;
	berth_report_add(report, "%s: reset it", a->members[0].bdf);
	if (berth_steps_give(m, a, &steps, NULL) == 0)
		berth_steps_report(&steps, report);
	berth_steps_done(&steps);
	return 0;
}

static int release_one(struct berth_manager *m, const struct berth_assignment *a,
		       struct berth_release_how how, const char *verb, struct berth_report *report,
		       struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	char words[400];
	int r;

	/* Taking it has failed, and taking that back too: there is nothing of a VM's to clean. */
	if (a->state == BERTH_OWNED_PREPARING)
		return berth_untake(m, a, "release", err);
	r = stop_using(m, a, "release", 0, err);
	if (r == 0 && is_to_be_retaken(m, a, how))
		r = berth_retake_unproven(m, a, false, report, err);
	if (r != 0)
		return r;
	/* Also what no VM of ours has used: somebody may have run a VMM of their own on it. */
	r = a->kind == BERTH_OWNED_BY_BIND ? 0 : berth_sanitise(m, a, words, sizeof(words), &why);
	if (r != 0 && berth_busy_is_left(m, a->id))
		return berth_err_set(err, -ETIMEDOUT, "%s", why.text);
	if (r != 0 && !never_used(a) && !how.unclean) {
		r = quarantine(m, a, why.text, report, err);
		return r < 0 ? r :
			       berth_err_set(err, BERTH_REFUSED,
					     "%s was used by %s and its reset is not proven (%s); "
					     "'berth release --unclean' gives it back all the same",
					     a->members[0].bdf, a->vm, why.text);
	}
	if (r != 0)
		berth_report_add(report, "%s: not reset: %s", a->members[0].bdf, why.text);
	return berth_give(m, a, verb, report, err);
}

int berth_release_idle(struct berth_manager *m, const struct berth_assignment *a, const char *why,
		       struct berth_report *report, struct berth_err *err)
{
	const struct berth_release_how how = { 0 };
	int r = check(m, a, err);

	return r == 0 ? release_one(m, a, how, why, report, err) : r;
}

int berth_manager_release(struct berth_manager *m, const char *vm, const char *const *names,
			  size_t nr, struct berth_release_how how, struct berth_report *report,
			  struct berth_err *err)
{
	struct picks p = { 0 };
	int r = pick(m, vm, names, nr, &p, err), first = 0;

	/* All of them may go, or none goes. */
	for (size_t i = 0; i < p.live.nr && r == 0; i++) {
		if (p.marked[i])
			r = check(m, &p.live.items[i], err);
	}
	for (size_t i = 0; i < p.live.nr && r == 0; i++) {
		if (!p.marked[i])
			continue;
		if (how.dry_run) {
			first = plan_one(m, &p.live.items[i], how, report, err) ?: first;
			continue;
		}
		first = release_one(m, &p.live.items[i], how, "release", report, err) ?: first;
	}
	picks_done(&p);
	return r ? r : first;
}
