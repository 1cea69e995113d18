/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/recover"
#include "manager/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/safety.h"
#include "manager/sriov_verb.h"
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

static enum berth_remedy judge_assigned(struct berth_manager *m, const struct berth_assignment *a,
					const struct tally *t, char *why, size_t size)
{
	if (t->gone == a->nr_members) {
		snprintf(why, size, "%s is gone from this host; %s keeps it for when it comes back",
			 a->members[0].bdf, a->vm);
		return BERTH_REMEDY_NONE;
	}
	if (t->off_vfio == 0 && !other_boot(m, a))
		return BERTH_REMEDY_NONE;
	snprintf(why, size, "%s is assigned to %s, but %s",
		 t->example ? BERTH_BDF_STR(t->dev->bdf) : a->members[0].bdf, a->vm,
		 other_boot(m, a) ? "the host was restarted" : "somebody took it from vfio-pci");
	return BERTH_REMEDY_REBIND;
}

static enum berth_remedy judge_used(struct berth_manager *m, const struct berth_assignment *a,
				    char *why, size_t size)
{
	if (other_boot(m, a)) {
		snprintf(why, size, "%s was in use by %s when the host was restarted",
			 a->members[0].bdf, a->vm);
		return a->kind == BERTH_OWNED_BY_ASSIGN ? BERTH_REMEDY_REBIND : BERTH_REMEDY_GIVE;
	}
	if (a->state == BERTH_OWNED_IN_USE && a->pid &&
	    berth_process_lives(m->host, a->pid, a->pid_start))
		return BERTH_REMEDY_NONE;
	snprintf(why, size, "%s was in use by %s, whose process %d is gone", a->members[0].bdf,
		 a->vm, (int)a->pid);
	return BERTH_REMEDY_USED;
}

enum berth_remedy berth_recover_judge(struct berth_manager *m, const struct berth_assignment *a,
				      char *why, size_t size)
{
	const struct tally t = count(m, a);

	why[0] = '\0';
	if (a->nr_members && t.changed) {
		snprintf(why, size,
			 "%s (path %s) of %s is another device now: %04x:%04x, was %04x:%04x",
			 t.example->bdf, t.example->path, a->vm, t.dev->vendor_id, t.dev->device_id,
			 t.example->vendor, t.example->device);
		return a->state == BERTH_OWNED_IDENTITY_CHANGED ? BERTH_REMEDY_NONE :
								  BERTH_REMEDY_IDENTITY;
	}
	switch (a->state) {
	case BERTH_OWNED_PREPARING:
		snprintf(why, size, "taking %s for %s was interrupted",
			 a->nr_members ? a->members[0].bdf : a->group, a->vm);
		return BERTH_REMEDY_UNTAKE;
	case BERTH_OWNED_RETURNING:
		snprintf(why, size, "giving %s back from %s was interrupted", a->members[0].bdf,
			 a->vm);
		return BERTH_REMEDY_GIVE;
	case BERTH_OWNED_ASSIGNED:
		if (a->kind != BERTH_OWNED_BY_BIND)
			return judge_assigned(m, a, &t, why, size);
		if (!other_boot(m, a))
			return BERTH_REMEDY_NONE;
		snprintf(why, size, "the driver that 'berth bind' gave %s was for one boot",
			 a->members[0].bdf);
		return BERTH_REMEDY_GIVE;
	case BERTH_OWNED_IN_USE:
	case BERTH_OWNED_RELEASING:
	case BERTH_OWNED_SANITISING:
		return judge_used(m, a, why, size);
	case BERTH_OWNED_FAULTED:
	case BERTH_OWNED_QUARANTINED:
	case BERTH_OWNED_IDENTITY_CHANGED:
		return BERTH_REMEDY_NONE;
	}
	return BERTH_REMEDY_NONE;
}

const char *berth_remedy_words(enum berth_remedy remedy)
{
	switch (remedy) {
	case BERTH_REMEDY_NONE:
		return "nothing to be done";
	case BERTH_REMEDY_UNTAKE:
		return "put back as it was found";
	case BERTH_REMEDY_USED:
		return "reset it";
	case BERTH_REMEDY_GIVE:
		return "give it back to the host";
	case BERTH_REMEDY_REBIND:
		return "bind it to vfio-pci again";
	case BERTH_REMEDY_IDENTITY:
		return "keep it from everybody";
	}
	return "?";
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
	return r > 0 ? -ENOENT : r;
}

/* The dead process's group is still open in another one: nobody may have it until a person has looked. */
static int still_open(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_err *why, struct berth_report *report)
{
	struct berth_err err = BERTH_ERR_INIT;

	berth_report_add(report, "%s stays with %s, quarantined: %s", a->members[0].bdf, a->vm,
			 why->text);
	return berth_take_mark(m, a, BERTH_OWNED_QUARANTINED, "recover", why->text, &err);
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
		return berth_take_mark(m, a, BERTH_OWNED_IDENTITY_CHANGED, "recover", why, err);
	}
	return 0;
}

static bool recover_one(struct berth_manager *m, const struct berth_assignment *a,
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

/* VF counts under way. They are no part of an assignment: the device stays with the host. */
static int recover_sriov(struct berth_manager *m, struct berth_report *report, bool *changed,
			 struct berth_err *err)
{
	struct berth_intent_list open = { 0 };
	int r = berth_journal_find(m->ledger, -1, BERTH_STEP_OPEN, &open, err);

	for (size_t i = 0; r == 0 && i < open.nr; i++) {
		struct berth_err why = BERTH_ERR_INIT;

		if (strcmp(open.items[i].op, BERTH_SRIOV_OP))
			continue;
		*changed = true;
		if (berth_manager_sriov_recover(m, &open.items[i], report, &why))
			berth_report_add(report, "%s", why.text);
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
	if (r < 0)
		return r;
	return changed ? berth_manager_refresh(m, err) : 0;
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

		if (*why)
			berth_report_add(report, "%s: %s", why, berth_remedy_words(remedy));
	}
	berth_assignment_list_free(&live);
	return 0;
}
