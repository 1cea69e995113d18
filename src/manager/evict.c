/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/evict.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/release.h"
#include "manager/report.h"
#include "policy/audit.h"
#include "policy/ledger.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

int berth_evict_ask(struct berth_manager *m, const struct berth_assignment *a, const char *verb,
		    const char *why, struct berth_err *err)
{
	const char *state = berth_owned_state_name(a->state);
	int r = berth_ledger_set_evict(m->ledger, a->id, why, err);

	for (size_t i = 0; i < a->nr_members && r == 0; i++) {
		const struct berth_audit row = {
			.uid = berth_audit_actor(),
			.verb = text(verb),
			.vm = a->vm,
			.device = a->members[i].bdf,
			.before = text(why ? state : "asked to let go"),
			.after = text(why ? "asked to let go" : state),
			.reason = text(why ? why : a->evict),
		};

		r = berth_audit_append(m->ledger, &row, err);
	}
	return r > 0 ? -ENOENT : r;
}

bool berth_evict_is_idle(const struct berth_assignment *a)
{
	return a->state == BERTH_OWNED_ASSIGNED && a->kind != BERTH_OWNED_BY_BIND &&
	       a->nr_members > 0;
}

int berth_evict_idle(struct berth_manager *m, struct berth_report *report, bool *changed,
		     struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		const struct berth_assignment *a = &live.items[i];
		struct berth_err why = BERTH_ERR_INIT;

		if (!a->evict || !berth_evict_is_idle(a))
			continue;
		berth_report_add(report, "%s: %s lets go of it: given back to the host: %s",
				 a->members[0].bdf, a->vm, a->evict);
		*changed = true;
		if (berth_release_idle(m, a, a->evict, report, &why) != 0)
			berth_report_add(report, "that failed: %s", why.text);
	}
	berth_assignment_list_free(&live);
	return 0;
}

int berth_evict_look(struct berth_manager *m, struct berth_report *report, struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		const struct berth_assignment *a = &live.items[i];

		if (a->evict && berth_evict_is_idle(a))
			berth_report_add(report,
					 "%s: %s is asked to let go of it (%s): give it back to "
					 "the host",
					 a->members[0].bdf, a->vm, a->evict);
	}
	berth_assignment_list_free(&live);
	return 0;
}

static bool is_running(const struct berth_assignment *a)
{
	return a->evict && a->state == BERTH_OWNED_IN_USE;
}

int berth_evict_running(struct berth_manager *m, struct berth_assignment_list *ret,
			struct berth_err *err)
{
	struct berth_assignment_list live, rest = { 0 };
	size_t nr = 0;
	int r = berth_owner_all(m, &live, err);

	if (r < 0)
		return r;
	rest.items = calloc(live.nr + 1, sizeof(*rest.items));
	if (!rest.items) {
		berth_assignment_list_free(&live);
		return berth_err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < live.nr; i++) {
		if (is_running(&live.items[i]))
			live.items[nr++] = live.items[i];
		else
			rest.items[rest.nr++] = live.items[i];
	}
	live.nr = nr;
	berth_assignment_list_free(&rest);
	*ret = live;
	return 0;
}
