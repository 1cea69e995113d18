/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "manager/ask.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/report.h"
#include "manager/request.h"
#include "policy/audit.h"
#include "policy/ledger.h"

static int64_t now(void)
{
	return (int64_t)time(NULL);
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* --- what the policy allows --- */

int berth_lease_limits_add(struct berth_manager *m, const struct berth_unit *unit, const char *vm,
			   struct berth_lease_limits *t, struct berth_err *err)
{
	const struct berth_rule *rule = NULL;
	const struct berth_lease_terms *l;
	int r = berth_ask_lease(m, unit, vm, &rule, err);

	if (r != 0 || !rule)
		return r;
	l = &rule->lease;
	if (!t->rule || (l->max_s && (!t->max_s || l->max_s < t->max_s))) {
		t->rule = rule;
		t->max_s = l->max_s;
		t->grace_s = l->grace_s;
	}
	t->may_renew &= l->renew;
	if (l->has_on_expiry && (!t->has_on_expiry || l->on_expiry > t->on_expiry)) {
		t->has_on_expiry = true;
		t->on_expiry = l->on_expiry;
	}
	return 0;
}

static int too_long(const struct berth_lease_limits *t, const char *vm, struct berth_err *err)
{
	char span[32];

	return berth_err_set(err, BERTH_REFUSED,
			     "rule '%s' (%s: %s) lets %s have this for %s at most; ask for less "
			     "with --for or --until",
			     t->rule->name ? t->rule->name : "?", t->rule->origin.file,
			     t->rule->origin.pointer, vm, berth_lease_span(t->max_s, span));
}

int berth_lease_make(const struct berth_lease_limits *t, const struct berth_lease_wish *wish,
		     const char *vm, int64_t start, struct berth_lease *ret, struct berth_err *err)
{
	struct berth_lease l = { .start = start, .grace = t->grace_s };
	char moment[32];

	l.end = wish->until ? wish->until : wish->for_s ? start + wish->for_s : 0;
	if (!l.end && t->max_s)
		l.end = start + t->max_s;
	if (l.end && l.end <= start)
		return berth_err_set(
			err, -EINVAL,
			"%s is no end for a lease: it has passed; name a moment to come",
			berth_lease_moment(l.end, moment));
	if (t->max_s && l.end - start > t->max_s)
		return too_long(t, vm, err);
	l.on_expiry = wish->has_on_expiry ? wish->on_expiry :
		      t->has_on_expiry	  ? t->on_expiry :
					    BERTH_EXPIRY_DETACH;
	if (t->has_on_expiry && l.on_expiry < t->on_expiry)
		return berth_err_set(err, BERTH_REFUSED,
				     "rule '%s' (%s: %s) wants %s when the lease is over, not %s",
				     t->rule->name ? t->rule->name : "?", t->rule->origin.file,
				     t->rule->origin.pointer, berth_expiry_name(t->on_expiry),
				     berth_expiry_name(l.on_expiry));
	l.vm = strdup(vm);
	l.rule = t->rule && t->rule->name ? strdup(t->rule->name) : NULL;
	if (!l.vm || (t->rule && t->rule->name && !l.rule)) {
		berth_lease_done(&l);
		return berth_err_set(err, -ENOMEM, "out of memory");
	}
	*ret = l;
	return 0;
}

int berth_lease_plan(struct berth_manager *m, const struct berth_request *q,
		     const struct berth_lease_wish *wish, struct berth_lease *ret,
		     struct berth_err *err)
{
	struct berth_lease_limits t = BERTH_LEASE_LIMITS_INIT;
	size_t nr = 0;
	int r = 0;

	*ret = (struct berth_lease){ 0 };
	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (q->own[i])
			continue;
		r = berth_lease_limits_add(m, &q->units.items[i], q->vm, &t, err);
		nr++;
	}
	return r == 0 && nr ? berth_lease_make(&t, wish, q->vm, now(), ret, err) : r;
}

/* --- writing --- */

int berth_lease_audit(struct berth_manager *m, int64_t claim, const char *verb, int64_t was,
		      const char *after, const char *reason, struct berth_err *err)
{
	struct berth_assignment_list live;
	char before[48] = "no lease", moment[32];
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	if (was)
		snprintf(before, sizeof(before), "until %s", berth_lease_moment(was, moment));
	for (size_t i = 0; i < live.nr && r == 0; i++) {
		const struct berth_assignment *a = &live.items[i];

		for (size_t j = 0; a->claim == claim && j < a->nr_members && r == 0; j++) {
			const struct berth_audit row = {
				.uid = berth_audit_actor(),
				.verb = text(verb),
				.vm = a->vm,
				.device = a->members[j].bdf,
				.before = before,
				.after = text(after),
				.reason = text(reason),
			};

			r = berth_audit_append(m->ledger, &row, err);
		}
	}
	berth_assignment_list_free(&live);
	return r;
}

void berth_lease_after_words(const struct berth_lease *l, char buf[static BERTH_LEASE_WORDS])
{
	char moment[32];

	snprintf(buf, BERTH_LEASE_WORDS, "until %s, then %s", berth_lease_moment(l->end, moment),
		 berth_expiry_name(l->on_expiry));
}

static int finish(struct berth_manager *m, int r, struct berth_err *err)
{
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r > 0 ? -ENOENT : r;
}

int berth_lease_start(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      const struct berth_lease *lease, const char *verb, struct berth_err *err)
{
	struct berth_lease l = *lease;
	char after[BERTH_LEASE_WORDS];
	int r;

	/* The first that was newly taken names the claim. */
	for (size_t i = 0; i < q->units.nr && !l.claim; i++)
		l.claim = q->own[i] ? 0 : ids[i];
	if (!l.end || !l.claim)
		return 0;
	berth_lease_after_words(&l, after);
	r = berth_ledger_begin(m->ledger, err);
	if (r < 0)
		return r;
	r = berth_lease_grant(m->ledger, &l, err);
	if (r == 0)
		r = berth_lease_audit(m, l.claim, verb, 0, after, l.rule, err);
	return finish(m, r, err);
}

void berth_lease_report(const struct berth_request *q, const struct berth_lease *lease,
			struct berth_report *report)
{
	char words[BERTH_LEASE_WORDS];

	if (!lease->end)
		return;
	berth_report_add(report, "lease for %s %s, then %s", q->vm,
			 berth_lease_words(lease->end, lease->start, words),
			 berth_expiry_name(lease->on_expiry));
}
