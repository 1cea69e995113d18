/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/report.h"
#include "manager/request.h"
#include "manager/resolve.h"
#include "manager/view.h"
#include "policy/audit.h"
#include "policy/booking.h"
#include "policy/lease.h"
#include "policy/ledger.h"
#include "vfio/inventory.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int hidden(const struct berth_manager *m, struct berth_err *err)
{
	return m->ledger ?
		       0 :
		       berth_err_set(err, -EACCES, "reservations are known to root only; use sudo");
}

int berth_reserve_list(struct berth_manager *m, struct berth_reservation_list *ret,
		       struct berth_err *err)
{
	int r = hidden(m, err);

	return r == 0 ? berth_reservation_all(m->ledger, ret, err) : r;
}

int berth_reserve_enter(struct berth_manager *m, struct berth_policy *policy, struct berth_err *err)
{
	struct berth_reservation_list list = { 0 };
	int r = m->ledger ? berth_reservation_all(m->ledger, &list, err) : 0;

	for (size_t i = 0; i < list.nr && r == 0; i++)
		r = berth_reservation_enter(policy, &list.items[i], (int64_t)time(NULL), err);
	berth_reservation_list_free(&list);
	return r;
}

/* "2 of pool train for VM t1 from 2026-12-01T08:00:00Z until 2026-12-01T18:00:00Z" */
#define WORDS 400
static char *words(const struct berth_reservation *r, char buf[static WORDS])
{
	char what[200], from[32], until[32];

	snprintf(buf, WORDS, "%s for %s %s from %s until %s",
		 berth_reservation_words(r, what, sizeof(what)), r->vm ? "VM" : "tenant",
		 r->vm ? r->vm : r->tenant, berth_lease_moment(r->from, from),
		 berth_lease_moment(r->until, until));
	return buf;
}

static int audit(struct berth_manager *m, const struct berth_reservation *r, const char *verb,
		 bool made, struct berth_err *err)
{
	char buf[WORDS];
	const struct berth_audit row = {
		.uid = berth_audit_actor(),
		.verb = text(verb),
		.vm = r->vm,
		.before = made ? NULL : words(r, buf),
		.after = made ? words(r, buf) : NULL,
		.reason = r->name,
	};

	return berth_audit_append(m->ledger, &row, err);
}

static int finish(struct berth_manager *m, int r, struct berth_err *err)
{
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r == BERTH_ABSENT ? -ENOENT : r;
}

/* --- making one --- */

static int check_names(struct berth_manager *m, struct berth_reservation *r, struct berth_err *err)
{
	int ret = r->vm ? berth_vm_name_check(r->vm, err) : 0;

	if (ret == 0 && r->until <= (int64_t)time(NULL))
		ret = berth_err_set(err, -EINVAL, "the reservation would be over already");
	if (ret == 0 && r->until <= r->from)
		ret = berth_err_set(err, -EINVAL, "the reservation would end before it begins");
	if (ret == 0 && r->tenant && !berth_policy_tenant(m->policy, r->tenant))
		ret = berth_err_set(err, -EINVAL, "there is no tenant \"%s\" in the policy",
				    r->tenant);
	if (ret == 0 && berth_reservation_is_void(m->policy, r))
		ret = berth_err_set(err, -EINVAL, "there is no %s \"%s\" in the policy",
				    berth_reservation_kind_name(r->kind), r->what);
	return ret;
}

/* The path of the device that is meant. */
static int find_device(struct berth_manager *m, struct berth_reservation *r, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	const char *name = r->what;
	size_t nr;
	int ret = berth_resolve(m, NULL, &name, 1, &devs, &nr, err);

	if (ret == 0)
		r->what = devs[0]->path;
	return ret;
}

static bool is_used(const struct berth_reservation_list *list, const char *name)
{
	for (size_t i = 0; i < list->nr; i++) {
		if (strcmp(list->items[i].name, name) == 0)
			return true;
	}
	return false;
}

static int find_name(struct berth_manager *m, char buf[static 32], struct berth_err *err)
{
	struct berth_reservation_list list;
	int r = berth_reservation_all(m->ledger, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 1; i <= list.nr + 1; i++) {
		snprintf(buf, 32, "r%zu", i);
		if (!is_used(&list, buf))
			break;
	}
	berth_reservation_list_free(&list);
	return 0;
}

/* Who has what it wants now, and no lease that ends before? Nobody takes it from him. */
static uint32_t count_held(const struct berth_world *w, size_t rule)
{
	const struct berth_devset *set = &w->sets[berth_world_rule_set(w, rule)];
	const struct berth_rule *r = &w->policy->rules[rule];
	uint32_t nr = 0;

	for (uint32_t i = 0; i < set->nr_yes; i++) {
		const struct berth_usage *u = &w->usage[set->yes[i]];
		bool own = u->vm && r->vms && strcmp(u->vm, *r->vms) == 0;

		nr += u->vm && !own && (!u->lease_end || u->lease_end > r->from);
	}
	return nr;
}

/* Would it be kept, beside all others? */
static int book(struct berth_manager *m, const struct berth_reservation *r, uint32_t *ret_held,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_view_freep) struct berth_view *view = NULL;
	size_t rule = m->policy->nr_rules;
	int ret;

	berth_view_drop(m); /* it borrows from the policy */
	ret = berth_reservation_enter(m->policy, r, (int64_t)time(NULL), err);
	if (ret == 0)
		ret = berth_view_new(&view, m, m->policy, err);
	if (ret == 0)
		ret = berth_booking_check(view->world, rule, err);
	if (ret == 0)
		*ret_held = count_held(view->world, rule);
	return ret;
}

static int write_down(struct berth_manager *m, const struct berth_reservation *r,
		      struct berth_err *err)
{
	int ret = berth_ledger_begin(m->ledger, err);

	if (ret < 0)
		return ret;
	ret = berth_reservation_add(m->ledger, r, err);
	if (ret == 0)
		ret = audit(m, r, "reserve", true, err);
	return finish(m, ret, err);
}

int berth_manager_reserve(struct berth_manager *m, const struct berth_reservation *wish,
			  bool dry_run, struct berth_report *report, struct berth_err *err)
{
	struct berth_reservation r = *wish;
	const struct berth_policy *policy;
	char name[32], buf[WORDS];
	uint32_t held = 0;
	int ret = hidden(m, err);

	if (ret == 0)
		ret = berth_manager_policy(m, &policy, err);
	if (ret == 0 && r.kind == BERTH_RESOURCE_DEVICE)
		ret = find_device(m, &r, err);
	if (ret == 0 && !r.name) {
		ret = find_name(m, name, err);
		r.name = name;
	}
	if (ret == 0)
		ret = berth_reservation_name_check(r.name, err);
	if (ret == 0)
		ret = check_names(m, &r, err);
	if (ret != 0)
		return ret;
	r.uid = berth_audit_actor();
	ret = book(m, &r, &held, err);
	if (ret == 0 && !dry_run)
		ret = write_down(m, &r, err);
	if (ret != 0)
		return ret;
	berth_report_add(report, "reservation %s: %s", r.name, words(&r, buf));
	if (held)
		berth_report_add(report,
				 "%u of these devices %s others' now, without a lease that ends "
				 "before it begins: what they do not let go of is not there",
				 held, held == 1 ? "is" : "are");
	return 0;
}

/* --- ending them --- */

static int end(struct berth_manager *m, const struct berth_reservation *r, const char *verb,
	       struct berth_err *err)
{
	int ret = berth_ledger_begin(m->ledger, err);

	if (ret < 0)
		return ret;
	ret = berth_reservation_remove(m->ledger, r->name, err);
	if (ret == 0)
		ret = audit(m, r, verb, false, err);
	return finish(m, ret, err);
}

int berth_manager_unreserve(struct berth_manager *m, const char *name, bool dry_run,
			    struct berth_report *report, struct berth_err *err)
{
	const struct berth_reservation *found = NULL;
	struct berth_reservation_list list = { 0 };
	char buf[WORDS];
	int r = berth_reserve_list(m, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.nr; i++) {
		if (strcmp(list.items[i].name, name) == 0)
			found = &list.items[i];
	}
	if (!found)
		r = berth_err_set(err, -ENOENT,
				  "there is no reservation '%.80s'; 'berth reserve --list' lists "
				  "them",
				  name);
	if (found && !dry_run)
		r = end(m, found, "unreserve", err);
	if (r == 0)
		berth_report_add(report, "no longer reserved: %s", words(found, buf));
	berth_reservation_list_free(&list);
	return r;
}

int berth_reserve_tidy(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_reservation_list list;
	char buf[WORDS];
	int r = berth_reservation_all(m->ledger, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.nr && r == 0; i++) {
		if (list.items[i].until > (int64_t)time(NULL))
			continue;
		r = end(m, &list.items[i], "reserve", err);
		if (r == 0)
			berth_report_add(report, "reservation %s is over: %s", list.items[i].name,
					 words(&list.items[i], buf));
	}
	berth_reservation_list_free(&list);
	return r;
}
