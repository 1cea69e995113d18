/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/renew.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "manager/unit.h"
#include "policy/ledger.h"

struct renewal {
	int64_t claim;
	const struct berth_assignment *first; /* borrowed; any one of the claim */
	bool has;			      /* it had a lease: */
	struct berth_lease was, lease;	      /* owned */
};

struct renewals {
	struct berth_assignment_list live; /* owned */
	struct renewal *items;		   /* owned */
	size_t nr;
};

static void renewals_done(struct renewals *w)
{
	for (size_t i = 0; i < w->nr; i++) {
		berth_lease_done(&w->items[i].was);
		berth_lease_done(&w->items[i].lease);
	}
	free(w->items);
	berth_assignment_list_free(&w->live);
}

static int add(struct renewals *w, const struct berth_assignment *a, struct berth_err *err)
{
	struct renewal *bigger;

	for (size_t i = 0; i < w->nr; i++) {
		if (w->items[i].claim == a->claim)
			return 0;
	}
	bigger = reallocarray(w->items, w->nr + 1, sizeof(*bigger));
	if (!bigger)
		return berth_err_set(err, -ENOMEM, "out of memory");
	w->items = bigger;
	bigger[w->nr++] = (struct renewal){ .claim = a->claim, .first = a };
	return 0;
}

static int not_owned(struct berth_manager *m, const struct berth_device *dev,
		     const struct berth_assignment *owner, const char *vm, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(dev->bdf);

	if (!m->ledger)
		return berth_err_set(err, -EACCES,
				     "%s: who owns it is known to root only; use sudo", bdf);
	if (!owner)
		return berth_err_set(
			err, BERTH_REFUSED,
			"%s is not owned by any VM; 'berth assign %s --vm VM --for …' leases it",
			bdf, bdf);
	if (owner->kind == BERTH_OWNED_BY_BIND)
		return berth_err_set(err, BERTH_REFUSED,
				     "%s is recorded for 'berth bind', which knows no leases", bdf);
	return berth_err_set(err, BERTH_REFUSED, "%s is owned by %s, not by %s", bdf, owner->vm,
			     vm);
}

static int pick(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		struct renewals *w, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr_devs = 0;
	int r = nr ? berth_resolve(m, NULL, names, nr, &devs, &nr_devs, err) : 0;

	for (size_t i = 0; i < nr_devs && r == 0; i++) {
		const struct berth_assignment *a = berth_owner_of_device(&w->live, devs[i]);

		if (!a || a->kind == BERTH_OWNED_BY_BIND || (vm && strcmp(a->vm, vm)))
			return not_owned(m, devs[i], a, vm, err);
		r = add(w, a, err);
	}
	for (size_t i = 0; nr == 0 && i < w->live.nr && r == 0; i++) {
		if (strcmp(w->live.items[i].vm, vm) == 0)
			r = add(w, &w->live.items[i], err);
	}
	if (r == 0 && w->nr == 0)
		r = m->ledger ?
			    berth_err_set(err, -ENOENT,
					  "VM %s owns no device; 'berth status' says who owns what",
					  vm) :
			    berth_err_set(err, -EACCES,
					  "what %s owns is known to root only; use sudo", vm);
	return r;
}

/* The rules for everything that was claimed together. Devices that are gone have none. */
static int limits_of(struct berth_manager *m, const struct renewals *w, const struct renewal *what,
		     struct berth_lease_limits *limits, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < w->live.nr && r == 0; i++) {
		const struct berth_assignment *a = &w->live.items[i];

		for (size_t j = 0; a->claim == what->claim && j < a->nr_members && r == 0; j++) {
			const struct berth_device *dev;
			struct berth_units units = { 0 };
			bool same;

			dev = berth_owner_find_member(m->inv, &a->members[j], &same);
			if (!dev || !same || a->members[j].companion)
				continue;
			r = berth_units_build(m->inv, &dev, 1, &units, err);
			if (r == 0)
				r = berth_lease_limits_add(m, &units.items[0], a->vm, limits, err);
			berth_units_done(&units);
		}
	}
	return r;
}

/* Later than before: does the rule let it? */
static int may_prolong(const struct renewal *what, const struct berth_lease_limits *limits,
		       struct berth_err *err)
{
	const struct berth_rule *rule = limits->rule;
	char words[BERTH_LEASE_WORDS];

	if (!what->has || !rule || what->lease.end <= what->was.end)
		return 0;
	if (!limits->may_renew)
		return berth_err_set(err, BERTH_REFUSED,
				     "rule '%s' (%s: %s) does not let %s prolong its lease",
				     rule->name ? rule->name : "?", rule->origin.file,
				     rule->origin.pointer, what->lease.vm);
	if (what->was.end <= what->lease.start)
		return berth_err_set(
			err, BERTH_REFUSED,
			"the lease of %s %s: after its end it cannot be prolonged; 'berth release', "
			"then 'berth assign'",
			what->lease.vm, berth_lease_words(what->was.end, what->lease.start, words));
	return 0;
}

static int plan(struct berth_manager *m, const struct renewals *w, struct renewal *what,
		struct berth_lease_wish wish, struct berth_err *err)
{
	struct berth_lease_limits limits = BERTH_LEASE_LIMITS_INIT;
	int r = berth_lease_of(m->ledger, what->claim, &what->was, err);

	if (r < 0)
		return r;
	what->has = r == 0;
	/* What was said when it was given holds on. */
	if (what->has && !wish.has_on_expiry) {
		wish.has_on_expiry = true;
		wish.on_expiry = what->was.on_expiry;
	}
	r = limits_of(m, w, what, &limits, err);
	if (r == 0)
		r = berth_lease_make(&limits, &wish, what->first->vm, (int64_t)time(NULL),
				     &what->lease, err);
	if (r != 0)
		return r;
	if (!what->lease.end)
		return berth_err_set(err, -EINVAL,
				     "until when? no rule says how long %s may have it",
				     what->first->vm);
	what->lease.claim = what->claim;
	return may_prolong(what, &limits, err);
}

static void report_one(const struct renewal *what, struct berth_report *report)
{
	char words[BERTH_LEASE_WORDS], moment[32];

	berth_report_add(report, "%s: lease for %s %s, then %s%s%s%s",
			 what->first->nr_members ? what->first->members[0].bdf : what->first->group,
			 what->lease.vm,
			 berth_lease_words(what->lease.end, what->lease.start, words),
			 berth_expiry_name(what->lease.on_expiry), what->has ? "; was until " : "",
			 what->has ? berth_lease_moment(what->was.end, moment) : "",
			 what->has ? "" : "; it had none");
}

static int write_one(struct berth_manager *m, const struct renewal *what, struct berth_err *err)
{
	char after[BERTH_LEASE_WORDS];
	int r = what->has ? berth_lease_renew(m->ledger, &what->lease, err) :
			    berth_lease_grant(m->ledger, &what->lease, err);

	berth_lease_after_words(&what->lease, after);
	if (r == 0)
		r = berth_lease_audit(m, what->claim, "renew", what->has ? what->was.end : 0, after,
				      what->lease.rule, err);
	return r > 0 ? -ENOENT : r;
}

static int write_all(struct berth_manager *m, const struct renewals *w, struct berth_err *err)
{
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < w->nr && r == 0; i++)
		r = write_one(m, &w->items[i], err);
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r;
}

int berth_manager_renew(struct berth_manager *m, const char *vm, const char *const *names,
			size_t nr, const struct berth_renew_how *how, struct berth_report *report,
			struct berth_err *err)
{
	struct renewals w = { 0 };
	int r = berth_owner_all(m, &w.live, err);

	if (r < 0)
		return r;
	r = pick(m, vm, names, nr, &w, err);
	for (size_t i = 0; i < w.nr && r == 0; i++)
		r = plan(m, &w, &w.items[i], how->wish, err);
	if (r == 0 && !how->dry_run)
		r = write_all(m, &w, err);
	for (size_t i = 0; i < w.nr && r == 0; i++)
		report_one(&w.items[i], report);
	renewals_done(&w);
	return r;
}
