/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/expire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/evict.h"
#include "manager/lease.h"
#include "manager/owner.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/reserve.h"
#include "policy/ledger.h"

/* It ended: said once, whoever notices. */
static int tell(struct berth_manager *m, const struct berth_lease *l, struct berth_report *report,
		struct berth_err *err)
{
	char words[BERTH_LEASE_WORDS], moment[32];
	int r;

	if (l->told == BERTH_LEASE_ENDED)
		return 0;
	berth_report_add(report, "the lease of %s %s", l->vm,
			 berth_lease_words(l->end, (int64_t)time(NULL), words));
	snprintf(words, sizeof(words), "ended %s", berth_lease_moment(l->end, moment));
	r = berth_ledger_begin(m->ledger, err);
	if (r < 0)
		return r;
	r = berth_lease_set_told(m->ledger, l->claim, BERTH_LEASE_ENDED, err);
	if (r == 0)
		r = berth_lease_audit(m, l->claim, "lease", l->end, words,
				      berth_expiry_name(l->on_expiry), err);
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r > 0 ? 0 : r; /* released meanwhile: nothing to tell any more */
}

static bool is_idle(const struct berth_assignment *a, const struct berth_lease *l)
{
	return a->claim == l->claim && berth_evict_is_idle(a);
}

static bool is_over(const struct berth_lease *l)
{
	int64_t over = berth_lease_over(l);

	return over && over <= (int64_t)time(NULL);
}

static void give_back(struct berth_manager *m, const struct berth_assignment_list *live,
		      const struct berth_lease *l, struct berth_report *report, bool *changed)
{
	for (size_t i = 0; i < live->nr; i++) {
		struct berth_err why = BERTH_ERR_INIT;

		if (!is_idle(&live->items[i], l))
			continue;
		berth_report_add(report, "%s: the lease of %s is over: given back to the host",
				 live->items[i].members[0].bdf, l->vm);
		*changed = true;
		if (berth_release_idle(m, &live->items[i], "lease is over", report, &why) != 0)
			berth_report_add(report, "that failed: %s", why.text);
	}
}

static int expire(struct berth_manager *m, const struct berth_lease_list *leases,
		  const struct berth_assignment_list *live, struct berth_report *report,
		  bool *changed, struct berth_err *err)
{
	int r = 0;

	/* The soonest end is the first. */
	for (size_t i = 0; i < leases->nr && r == 0; i++) {
		const struct berth_lease *l = &leases->items[i];

		if (l->end > (int64_t)time(NULL))
			break;
		r = tell(m, l, report, err);
		if (r == 0 && is_over(l))
			give_back(m, live, l, report, changed);
	}
	return r;
}

static int expire_leases(struct berth_manager *m, struct berth_report *report, bool *changed,
			 struct berth_err *err)
{
	struct berth_assignment_list live;
	struct berth_lease_list leases;
	int r = berth_lease_all(m->ledger, &leases, err);

	if (r < 0)
		return r;
	if (leases.nr == 0)
		return 0;
	r = berth_owner_all(m, &live, err);
	if (r == 0) {
		r = expire(m, &leases, &live, report, changed, err);
		berth_assignment_list_free(&live);
	}
	berth_lease_list_free(&leases);
	return r;
}

int berth_expire(struct berth_manager *m, struct berth_report *report, bool *changed,
		 struct berth_err *err)
{
	int r = expire_leases(m, report, changed, err);

	if (r == 0)
		r = berth_evict_idle(m, report, changed, err);
	return r == 0 ? berth_reserve_tidy(m, report, err) : r;
}

static void look(const struct berth_lease *l, const struct berth_assignment_list *live,
		 struct berth_report *report)
{
	char words[BERTH_LEASE_WORDS];

	if (l->told != BERTH_LEASE_ENDED)
		berth_report_add(report, "the lease of %s %s", l->vm,
				 berth_lease_words(l->end, (int64_t)time(NULL), words));
	for (size_t i = 0; i < live->nr; i++) {
		if (is_over(l) && is_idle(&live->items[i], l))
			berth_report_add(report,
					 "%s: the lease of %s is over: give it back to the host",
					 live->items[i].members[0].bdf, l->vm);
	}
}

int berth_expire_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	struct berth_lease_list leases = { 0 };
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	r = m->ledger ? berth_lease_all(m->ledger, &leases, err) : 0;
	for (size_t i = 0; i < leases.nr && r == 0; i++) {
		if (leases.items[i].end <= (int64_t)time(NULL))
			look(&leases.items[i], &live, report);
	}
	berth_lease_list_free(&leases);
	berth_assignment_list_free(&live);
	return r == 0 ? berth_evict_look(m, report, err) : r;
}
