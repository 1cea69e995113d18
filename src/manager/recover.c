/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/recover"
#include "manager/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/expire.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/retake.h"
#include "manager/safety.h"
#include "manager/sriov_verb.h"
#include "manager/sriov_work.h"
#include "manager/steps.h"
#include "manager/take.h"
#include "policy/journal.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

/* The members of an assignment, counted by what became of them. */
struct tally {
	size_t gone, changed, off_vfio;
	const struct berth_member *example; /* of the worst of these */
	const struct berth_device *dev;	    /* what is at its place */
};

static struct tally count(struct berth_manager *m, const struct berth_assignment *a)
{
	struct tally t = { 0 };

	for (size_t i = 0; i < a->nr_members; i++) {
		bool same;
		const struct berth_device *dev =
			berth_owner_find_member(m->inv, &a->members[i], &same);

		if (!dev) {
			t.gone++;
		} else if (!same) {
			t.changed++;
			t.example = &a->members[i];
			t.dev = dev;
		} else if (strcmp(dev->driver, BERTH_BIND_VFIO) != 0) {
			t.off_vfio++;
			if (!t.changed) {
				t.example = &a->members[i];
				t.dev = dev;
			}
		}
	}
	return t;
}

static bool other_boot(const struct berth_manager *m, const struct berth_assignment *a)
{
	return !a->boot_id || strcmp(a->boot_id, m->host->boot_id) != 0;
}

static enum berth_seen seen_of(const struct berth_assignment *a, const struct tally *t)
{
	if (t->changed)
		return BERTH_SEEN_CHANGED;
	if (a->nr_members && t->gone == a->nr_members)
		return BERTH_SEEN_GONE;
	return t->off_vfio ? BERTH_SEEN_OFF : BERTH_SEEN_VFIO;
}

static struct berth_remedy_facts facts_of(struct berth_manager *m, const struct berth_assignment *a,
					  const struct tally *t)
{
	struct berth_busy_look look;
	struct berth_remedy_facts f = {
		.other_boot = other_boot(m, a),
		.state = a->state,
		.kind = a->kind,
		.seen = seen_of(a, t),
		.behind = BERTH_BEHIND_NOBODY,
	};

	if (berth_busy_look(m, a->id, &look))
		f.behind = BERTH_BEHIND_WORKER;
	else if (a->pid && !f.other_boot && berth_process_lives(m->host, a->pid, a->pid_start))
		f.behind = BERTH_BEHIND_USER;
	return f;
}

/* The other device that is there, and the one that was. */
static void say_changed(const struct tally *t, char *buf, size_t size)
{
	char text[BERTH_SERIAL_LEN];
	const char *serial = berth_caps_serial(&t->dev->caps, text);

	if (t->dev->vendor_id == t->example->vendor && t->dev->device_id == t->example->device)
		snprintf(buf, size, ": serial number %s, was %s", serial ? serial : "unknown",
			 t->example->serial);
	else
		snprintf(buf, size, ": %04x:%04x, was %04x:%04x", t->dev->vendor_id,
			 t->dev->device_id, t->example->vendor, t->example->device);
}

/* Off vfio-pci and left there, since it is unproven: what is it doing? */
static bool is_off_unproven(const struct berth_remedy_facts *f)
{
	return f->state == BERTH_OWNED_QUARANTINED && f->seen == BERTH_SEEN_OFF;
}

static void say_off(const struct tally *t, char *buf, size_t size)
{
	if (*t->dev->driver)
		snprintf(buf, size, " (it runs on %s unproven)", t->dev->driver);
	else
		snprintf(buf, size, " (it has no driver)");
}

/* "0000:01:00.0 of t1: its user is dead (process 812)". Nothing when all is well. */
static void say(const struct berth_assignment *a, const struct tally *t,
		const struct berth_remedy_facts *f, const struct berth_remedy_row *row, char *why,
		size_t size)
{
	const char *bdf = t->dev	? BERTH_BDF_STR(t->dev->bdf) :
			  a->nr_members ? a->members[0].bdf :
					  a->group;
	char more[160] = "";

	why[0] = '\0';
	/* Nothing to do is nothing to say, but for a device that is not where it should be. */
	if (row->remedy == BERTH_REMEDY_NONE && row->seen != 1u << BERTH_SEEN_GONE &&
	    row->seen != 1u << BERTH_SEEN_OFF)
		return;
	if (f->seen == BERTH_SEEN_CHANGED)
		say_changed(t, more, sizeof(more));
	else if (is_off_unproven(f))
		say_off(t, more, sizeof(more));
	else if (row->remedy == BERTH_REMEDY_USED && a->pid)
		snprintf(more, sizeof(more), " (process %d)", (int)a->pid);
	snprintf(why, size, "%s of %s (%s): %s%s", bdf,
		 a->kind == BERTH_OWNED_BY_BIND ? "'berth bind'" : a->vm,
		 berth_owned_state_name(a->state), row->finding, more);
}

enum berth_remedy berth_recover_judge(struct berth_manager *m, const struct berth_assignment *a,
				      char *why, size_t size)
{
	const struct tally t = count(m, a);
	const struct berth_remedy_facts f = facts_of(m, a, &t);
	const struct berth_remedy_row *row = berth_remedy_find(&f);

	say(a, &t, &f, row, why, size);
	return row->remedy;
}

static int rebind(struct berth_manager *m, const struct berth_assignment *a,
		  struct berth_report *report, struct berth_err *err)
{
	bool used = a->state != BERTH_OWNED_ASSIGNED;
	int r = berth_retake(m, a, err);

	if (r == 0 && used)
		return berth_release_used(m, a, NULL, "recover", report, err);
	if (r == 0)
		r = berth_ledger_set_holder(m->ledger, a->id, m->host->boot_id, 0, 0, err);
	if (r == 0)
		r = berth_take_mark(m, a, BERTH_ON_REBOUND, "recover", NULL, err);
	return r > 0 ? -ENOENT : r;
}

/* The dead process's group is still open in another one: nobody may have it until a person has looked. */
static int still_open(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_err *why, struct berth_report *report)
{
	struct berth_err err = BERTH_ERR_INIT;

	berth_report_add(report, "%s stays with %s, quarantined: %s", a->members[0].bdf, a->vm,
			 why->text);
	return berth_take_mark(m, a, BERTH_ON_STILL_OPEN, "recover", why->text, &err);
}

/* A device that went into quarantine is where it belongs, and the report says so. */
static int without_quarantine(int r)
{
	return r == -EUCLEAN ? 0 : r;
}

static int apply(struct berth_manager *m, const struct berth_assignment *a,
		 enum berth_remedy remedy, const char *why, struct berth_report *report,
		 struct berth_err *err)
{
	int r;

	switch (remedy) {
	case BERTH_REMEDY_NONE:
		return 0;
	case BERTH_REMEDY_UNTAKE:
		return berth_untake(m, a, why, err);
	case BERTH_REMEDY_USED:
		r = berth_release_used(m, a, NULL, "recover", report, err);
		return r > 0 ? still_open(m, a, err, report) : without_quarantine(r);
	case BERTH_REMEDY_GIVE:
		return berth_give(m, a, why, report, err);
	case BERTH_REMEDY_REBIND:
		r = rebind(m, a, report, err);
		return r > 0 ? still_open(m, a, err, report) : without_quarantine(r);
	case BERTH_REMEDY_IDENTITY:
		return berth_take_mark(m, a, BERTH_ON_IDENTITY, "recover", why, err);
	}
	return 0;
}

/* Judged and repaired, as its row is now. The mark is ours. */
static bool repair(struct berth_manager *m, const struct berth_assignment *a,
		   struct berth_report *report)
{
	struct berth_err err = BERTH_ERR_INIT;
	char why[512];
	enum berth_remedy remedy = berth_recover_judge(m, a, why, sizeof(why));

	if (remedy == BERTH_REMEDY_NONE)
		return false;
	berth_report_add(report, "%s: %s", why, berth_remedy_words(remedy));
	log_info("%s: %s", why, berth_remedy_words(remedy));
	if (apply(m, a, remedy, why, report, &err) < 0)
		berth_report_add(report, "that failed: %s", err.text);
	return true;
}

/* While a write to another group was waited for, others may have changed ledger and host. */
static int look_again(struct berth_manager *m, struct berth_err *err)
{
	if (!m->busy.paused)
		return 0;
	m->busy.paused = false;
	return berth_manager_refresh(m, err);
}

static bool recover_one(struct berth_manager *m, const struct berth_assignment *seen,
			struct berth_report *report)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_assignment_list now;
	struct berth_busy_look look;
	char why[512];
	bool changed = false;
	int r = look_again(m, &err);

	if (r == 0 && !(berth_busy_look(m, seen->id, &look) && berth_busy_ends_soon(&look)) &&
	    berth_recover_judge(m, seen, why, sizeof(why)) == BERTH_REMEDY_NONE)
		return false;
	if (r == 0)
		r = berth_busy_begin(m, seen, &err);
	if (r == 0)
		r = look_again(m, &err);
	if (r == 0)
		r = berth_take_reread(m, seen->id, &now, &err);
	if (r == 0) {
		changed = repair(m, &now.items[0], report);
		berth_assignment_list_free(&now);
	} else if (r != -ENOENT) {
		berth_report_add(report, "%s", err.text);
	}
	berth_busy_end(m, seen->id);
	return changed;
}

/* Return: true, it was dealt with; false, somebody else is at it. */
static bool recover_vfs(struct berth_manager *m, const struct berth_intent *step,
			struct berth_report *report)
{
	struct berth_err why = BERTH_ERR_INIT;
	struct berth_busy_look look;
	char words[BERTH_BUSY_WORDS];

	if (berth_sriov_work_look(m, step, &look) && !berth_busy_ends_soon(&look)) {
		if (look.stuck)
			berth_report_add(report, "virtual functions of %s: %s", step->bdf,
					 berth_busy_words(&look, words));
		return false;
	}
	if (look_again(m, &why) < 0 || berth_manager_sriov_recover(m, step, report, &why))
		berth_report_add(report, "%s", why.text);
	return true;
}

/* VF counts under way. They are no part of an assignment: the device stays with the host. */
static int recover_sriov(struct berth_manager *m, struct berth_report *report, bool *changed,
			 struct berth_err *err)
{
	struct berth_intent_list open;
	int r = berth_sriov_work_find(m, &open, err);

	for (size_t i = 0; r == 0 && i < open.nr; i++) {
		if (strcmp(open.items[i].op, BERTH_SRIOV_OP) == 0)
			*changed |= recover_vfs(m, &open.items[i], report);
	}
	berth_intent_list_free(&open);
	return r;
}

int berth_recover(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	bool changed = false;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++)
		changed |= recover_one(m, &live.items[i], report);
	berth_assignment_list_free(&live);
	r = recover_sriov(m, report, &changed, err);
	if (r == 0)
		r = berth_expire(m, report, &changed, err);
	if (r < 0)
		return r;
	return changed ? berth_manager_refresh(m, err) : 0;
}

/* On its way in or back, and stuck there; or that cannot be known. From "assigned" on no pid is recorded. */
static bool is_half_way(struct berth_manager *m, const struct berth_assignment *a)
{
	return a->state == BERTH_OWNED_FAULTED && (a->pid || berth_steps_gave_any(m, a) != 0);
}

static void try_again(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_report *report)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (recover_one(m, a, report) || !is_half_way(m, a))
		return;
	berth_report_add(report, "%s of %s could not be given back before: once more",
			 a->members[0].bdf, a->vm);
	if (berth_give(m, a, "recover", report, &err) < 0)
		berth_report_add(report, "that failed: %s", err.text);
}

static bool is_left(struct berth_manager *m, const struct berth_assignment *a)
{
	char why[512];

	return berth_recover_judge(m, a, why, sizeof(why)) != BERTH_REMEDY_NONE ||
	       is_half_way(m, a);
}

/* What no remedy is for, but a person who asks should hear of. */
static void report_resting(struct berth_manager *m, const struct berth_assignment *a,
			   struct berth_report *report)
{
	char why[512];

	if (berth_recover_judge(m, a, why, sizeof(why)) == BERTH_REMEDY_NONE && *why)
		berth_report_add(report, "%s", why);
}

int berth_recover_again(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	size_t left = 0;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		report_resting(m, &live.items[i], report);
		if (is_left(m, &live.items[i])) {
			try_again(m, &live.items[i], report);
			left++;
		}
	}
	berth_assignment_list_free(&live);
	if (left == 0)
		return 0;
	r = berth_manager_refresh(m, err);
	if (r == 0)
		r = berth_owner_all(m, &live, err);
	if (r < 0)
		return r;
	left = 0;
	for (size_t i = 0; i < live.nr; i++)
		left += is_left(m, &live.items[i]);
	berth_assignment_list_free(&live);
	return left ? berth_err_set(err, -EUCLEAN,
				    "%zu of the groups could not be repaired; 'berth status' says "
				    "why, 'berth recover' tries again",
				    left) :
		      0;
}

int berth_recover_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	char why[512];
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		enum berth_remedy remedy = berth_recover_judge(m, &live.items[i], why, sizeof(why));

		if (remedy == BERTH_REMEDY_NONE)
			report_resting(m, &live.items[i], report);
		else
			berth_report_add(report, "%s: %s", why, berth_remedy_words(remedy));
	}
	berth_assignment_list_free(&live);
	return berth_expire_look(m, report, err);
}
