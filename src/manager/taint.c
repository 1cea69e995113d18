/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/taint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/evict.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "policy/audit.h"
#include "policy/ledger.h"
#include "policy/rule.h"
#include "policy/taint.h"
#include "vfio/inventory.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int hidden(const struct berth_manager *m, const char *name, struct berth_err *err)
{
	return m->ledger ? 0 :
			   berth_err_set(err, -EACCES,
					 "%s: its taints are known to root only; use sudo", name);
}

static int audit(struct berth_manager *m, const char *verb, const struct berth_taint *t,
		 bool tainted, struct berth_err *err)
{
	char words[BERTH_TAINT_NAME_MAX + 16];
	const struct berth_audit row = {
		.uid = berth_audit_actor(),
		.verb = text(verb),
		.device = t->bdf,
		.before = tainted ? NULL : words,
		.after = tainted ? words : NULL,
		.reason = t->reason,
	};

	snprintf(words, sizeof(words), "%s (%s)", t->taint, berth_taint_effect_name(t->effect));
	return berth_audit_append(m->ledger, &row, err);
}

static int finish(struct berth_manager *m, int r, struct berth_err *err)
{
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r > 0 ? -ENOENT : r;
}

/* --- evict --- */

/* What stands in struct berth_assignment.evict for a taint begins with this. */
#define EVICT_WORDS "tainted '"

/* The policy's claim of the VM may say that it bears with it. Without a policy that can be read nobody says so. */
static bool tolerates(const struct berth_manager *m, const char *vm, const char *taint)
{
	const struct berth_claim_entry *claim = m->policy ? berth_policy_claim(m->policy, vm) :
							    NULL;

	for (char **t = claim ? claim->tolerate : NULL; t && *t; t++) {
		if (strcmp(*t, taint) == 0)
			return true;
	}
	return false;
}

static bool is_member(const struct berth_assignment *a, const char *path)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		if (strcmp(a->members[i].path, path) == 0)
			return true;
	}
	return false;
}

/* The first taint that asks @a back, or NULL. */
static const struct berth_taint *evictor(const struct berth_manager *m,
					 const struct berth_taint_list *taints,
					 const struct berth_assignment *a)
{
	for (size_t i = 0; i < taints->nr; i++) {
		const struct berth_taint *t = &taints->items[i];

		if (t->effect == BERTH_TAINT_EVICT && is_member(a, t->path) &&
		    !tolerates(m, a->vm, t->taint))
			return t;
	}
	return NULL;
}

/* As the taints of now have it; what was asked for something else stays asked. Inside a transaction. */
static int settle(struct berth_manager *m, const struct berth_assignment *a, const char *verb,
		  struct berth_report *report, struct berth_err *err)
{
	bool asked = a->evict && strncmp(a->evict, EVICT_WORDS, strlen(EVICT_WORDS)) == 0;
	struct berth_taint_list taints;
	const struct berth_taint *t;
	char why[400];
	int r = berth_taint_find(m->ledger, NULL, &taints, err);

	if (r < 0)
		return r;
	t = evictor(m, &taints, a);
	if (t && !a->evict) {
		snprintf(why, sizeof(why), EVICT_WORDS "%s'%s%s", t->taint, t->reason ? ": " : "",
			 t->reason ? t->reason : "");
		r = berth_evict_ask(m, a, verb, why, err);
		berth_report_add(report, "%s: %s is asked to let go of it", t->bdf, a->vm);
	} else if (!t && asked) {
		r = berth_evict_ask(m, a, verb, NULL, err);
		berth_report_add(report, "%s: %s may keep it", a->members[0].bdf, a->vm);
	}
	berth_taint_list_free(&taints);
	return r;
}

/* Who has the device at @path: the taints may have changed what it is asked for. Inside a transaction. */
static int settle_owner(struct berth_manager *m, const char *path, const char *verb,
			struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr && r == 0; i++) {
		if (live.items[i].kind != BERTH_OWNED_BY_BIND && is_member(&live.items[i], path))
			r = settle(m, &live.items[i], verb, report, err);
	}
	berth_assignment_list_free(&live);
	return r;
}

/* --dry-run: who would be asked? */
static int say_evicted(struct berth_manager *m, const struct berth_taint *t,
		       struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		const struct berth_assignment *a = &live.items[i];

		if (a->kind != BERTH_OWNED_BY_BIND && !a->evict && is_member(a, t->path) &&
		    !tolerates(m, a->vm, t->taint))
			berth_report_add(report, "%s: %s is asked to let go of it%s", t->bdf, a->vm,
					 a->state == BERTH_OWNED_IN_USE ? ": it is stopped" : "");
	}
	berth_assignment_list_free(&live);
	return 0;
}

/* --- the verbs --- */

static int put(struct berth_manager *m, const struct berth_taint *t, struct berth_report *report,
	       struct berth_err *err)
{
	bool changed = false;
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	r = berth_taint_set(m->ledger, t, err);
	if (r == 0)
		r = audit(m, "taint", t, true, err);
	if (r == 0)
		r = settle_owner(m, t->path, "taint", report, err);
	r = finish(m, r, err);
	if (r == 0 && t->effect == BERTH_TAINT_EVICT)
		r = berth_evict_idle(m, report, &changed, err);
	return r;
}

int berth_manager_taint(struct berth_manager *m, const char *name,
			const struct berth_taint_how *how, struct berth_report *report,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	char bdf[BERTH_BDF_LEN];
	struct berth_taint t = { .taint = text(how->taint),
				 .effect = how->effect,
				 .bdf = bdf,
				 .uid = berth_audit_actor(),
				 .reason = text(how->reason) };
	size_t nr;
	int r = hidden(m, name, err);

	if (r == 0)
		r = berth_taint_name_check(how->taint, err);
	if (r == 0)
		r = berth_resolve(m, NULL, &name, 1, &devs, &nr, err);
	if (r != 0)
		return r;
	t.path = devs[0]->path;
	berth_bdf_format(devs[0]->bdf, bdf);
	berth_report_add(report, "%s: tainted '%s': %s", bdf, t.taint,
			 t.effect == BERTH_TAINT_REPORT ? "told, nothing else" :
							  "given to nobody new");
	if (!how->dry_run)
		return put(m, &t, report, err);
	return t.effect == BERTH_TAINT_EVICT ? say_evicted(m, &t, report, err) : 0;
}

/* The path that a name means; of a device that is gone the one in the list. NULL: neither. */
static const char *find_path(struct berth_manager *m, const char *name,
			     const struct berth_taint_list *all, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	char bdf[BERTH_BDF_LEN] = "";
	struct berth_bdf at;
	size_t nr;

	if (berth_resolve(m, NULL, &name, 1, &devs, &nr, err) == 0)
		return devs[0]->path;
	if (berth_bdf_parse(name, &at) == 0)
		berth_bdf_format(at, bdf);
	for (size_t i = 0; i < all->nr; i++) {
		if (strcmp(all->items[i].path, name) && strcmp(all->items[i].bdf, bdf))
			continue;
		berth_err_clear(err);
		return all->items[i].path;
	}
	return NULL;
}

static int clear(struct berth_manager *m, const char *path, const struct berth_taint_list *all,
		 const struct berth_taint_how *how, struct berth_report *report,
		 struct berth_err *err)
{
	size_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < all->nr && r == 0; i++) {
		const struct berth_taint *t = &all->items[i];

		if (strcmp(t->path, path) || (how->taint && strcmp(t->taint, how->taint)))
			continue;
		nr++;
		if (!how->dry_run)
			r = berth_taint_clear(m->ledger, path, t->taint, err);
		if (r == 0 && !how->dry_run)
			r = audit(m, "untaint", t, false, err);
		if (r == 0)
			berth_report_add(report, "%s: no longer tainted '%s'", t->bdf, t->taint);
	}
	if (r == 0 && nr == 0)
		return berth_err_set(err, -ENOENT, "%s has no taint%s%s", path,
				     how->taint ? " " : "", how->taint ? how->taint : "");
	return r == 0 && !how->dry_run ? settle_owner(m, path, "untaint", report, err) : r;
}

int berth_manager_untaint(struct berth_manager *m, const char *name,
			  const struct berth_taint_how *how, struct berth_report *report,
			  struct berth_err *err)
{
	struct berth_taint_list all = { 0 };
	const char *path;
	int r = hidden(m, name, err);

	if (r == 0)
		r = berth_taint_find(m->ledger, NULL, &all, err);
	if (r < 0)
		return r;
	path = find_path(m, name, &all, err);
	if (!path)
		r = -ENODEV;
	else if (how->dry_run)
		r = clear(m, path, &all, how, report, err);
	else
		r = berth_ledger_begin(m->ledger, err);
	if (r == 0 && !how->dry_run)
		r = finish(m, clear(m, path, &all, how, report, err), err);
	berth_taint_list_free(&all);
	return r;
}
