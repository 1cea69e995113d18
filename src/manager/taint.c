/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/taint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "policy/audit.h"
#include "policy/ledger.h"
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
	if (!how->dry_run) {
		r = berth_ledger_begin(m->ledger, err);
		if (r < 0)
			return r;
		r = berth_taint_set(m->ledger, &t, err);
		if (r == 0)
			r = audit(m, "taint", &t, true, err);
		r = finish(m, r, err);
	}
	if (r == 0)
		berth_report_add(report, "%s: tainted '%s': %s", bdf, t.taint,
				 t.effect == BERTH_TAINT_REPORT ? "told, nothing else" :
								  "given to nobody new");
	return r;
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
	return r;
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
