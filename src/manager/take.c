/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/take"
#include "manager/take.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "manager/ask.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/report.h"
#include "manager/steps.h"
#include "policy/audit.h"
#include "policy/journal.h"
#include "vfio/bind.h"
#include "vfio/netdev.h"

/* --- how things are before we touch them --- */

struct unit_found {
	struct berth_bind_state *state; /* owned; by member */
	char **net;			/* owned, each owned; NULL: nothing to be kept */
	size_t nr;
};

static void unit_found_done(struct unit_found *f)
{
	for (size_t i = 0; f->net && i < f->nr; i++)
		free(f->net[i]);
	free(f->net);
	free(f->state);
}

/* The VF's network settings, if policy is going to change any. */
static int read_net(struct berth_manager *m, const struct berth_device *dev, char **ret,
		    struct berth_err *err)
{
	char text[BERTH_VF_NET_TEXT];
	struct berth_vf_net want, now;
	int r = berth_ask_net(m, dev, &want, err);

	if (r != 0 || !want.has)
		return r;
	r = berth_netdev_vf_read(m->host, dev->pf, (unsigned int)dev->vf_index, &now, err);
	if (r == BERTH_ABSENT)
		return berth_err_prefix(err, -ENODEV, "%s: policy sets its network, but",
					BERTH_BDF_STR(dev->bdf));
	if (r < 0)
		return r;
	*ret = strdup(berth_vf_net_format(&now, text));
	return *ret ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

static int unit_found_read(struct berth_manager *m, const struct berth_unit *unit,
			   struct unit_found *ret, struct berth_err *err)
{
	struct unit_found f = { .nr = unit->nr };
	int r = 0;

	f.state = calloc(unit->nr + 1, sizeof(*f.state));
	f.net = calloc(unit->nr + 1, sizeof(*f.net));
	if (!f.state || !f.net)
		r = berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < unit->nr && r == 0; i++) {
		r = berth_bind_read(m->host, unit->members[i].dev->bdf, &f.state[i], err);
		if (r == 0)
			r = read_net(m, unit->members[i].dev, &f.net[i], err);
	}
	if (r != 0)
		unit_found_done(&f);
	else
		*ret = f;
	return r;
}

int berth_take_plan_unit(struct berth_manager *m, const struct berth_unit *unit,
			 struct berth_steps *steps, struct berth_err *err)
{
	struct unit_found found;
	int r = unit_found_read(m, unit, &found, err);

	if (r != 0)
		return r;
	r = berth_steps_take(m, unit, found.state, found.net, steps, err);
	unit_found_done(&found);
	return r;
}

int berth_take_plan(struct berth_manager *m, const struct berth_request *q,
		    struct berth_steps *steps, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (!q->own[i])
			r = berth_take_plan_unit(m, &q->units.items[i], steps, err);
	}
	return r;
}

/* --- the ledger --- */

int berth_take_reread(struct berth_manager *m, int64_t id, struct berth_assignment_list *ret,
		      struct berth_err *err)
{
	int r = berth_ledger_find(m->ledger, &(struct berth_ledger_query){ .id = id }, ret, err);

	if (r == 0 && ret->nr != 1) {
		berth_assignment_list_free(ret);
		r = berth_err_set(err, -ENOENT, "assignment %lld has ended meanwhile",
				  (long long)id);
	}
	return r;
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int audit(struct berth_manager *m, const struct berth_assignment *a, const char *before,
		 const char *after, const char *verb, const char *reason, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < a->nr_members && r == 0; i++) {
		const struct berth_audit row = {
			.uid = berth_audit_actor(),
			.verb = text(verb),
			.vm = a->vm,
			.device = a->members[i].bdf,
			.before = text(before),
			.after = text(after),
			.reason = text(reason),
		};

		r = berth_audit_append(m->ledger, &row, err);
	}
	return r;
}

/* Run @r's transaction to its end. Return: 0; what made it fail. */
static int finish(struct berth_manager *m, int r, struct berth_err *err)
{
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	return r == BERTH_ABSENT ? -ENOENT : r;
}

static int mark(struct berth_manager *m, const struct berth_assignment *a,
		enum berth_owned_event event, const char *verb, const char *reason,
		struct berth_err *err)
{
	enum berth_owned_state now;
	int r = berth_ledger_move(m->ledger, a->id, event, reason, &now, err);

	if (r != 0)
		return r;
	return audit(m, a, berth_owned_state_name(a->state), berth_owned_state_name(now), verb,
		     reason, err);
}

int berth_take_mark(struct berth_manager *m, const struct berth_assignment *a,
		    enum berth_owned_event event, const char *verb, const char *reason,
		    struct berth_err *err)
{
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	return finish(m, mark(m, a, event, verb, reason, err), err);
}

static int settle_one(struct berth_manager *m, int64_t id, enum berth_owned_event event,
		      struct berth_take_holder holder, const char *verb, struct berth_err *err)
{
	struct berth_assignment_list list;
	int r = berth_take_reread(m, id, &list, err);

	if (r != 0)
		return r;
	r = berth_ledger_set_holder(m->ledger, id, m->host->boot_id, holder.pid, holder.start, err);
	if (r == 0)
		r = mark(m, &list.items[0], event, verb, NULL, err);
	berth_assignment_list_free(&list);
	return r;
}

int berth_take_settle(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      bool with_own, enum berth_owned_event event, struct berth_take_holder holder,
		      const char *verb, struct berth_err *err)
{
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (with_own || !q->own[i])
			r = settle_one(m, ids[i], event, holder, verb, err);
	}
	return finish(m, r, err);
}

static int end(struct berth_manager *m, const struct berth_assignment *a,
	       enum berth_owned_state from, const char *why, struct berth_err *err)
{
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	/* All is as it was found: whether a step that was interrupted had happened is of no interest any more. */
	r = berth_journal_close(m->ledger, a->id, BERTH_STEP_UNDONE, "interrupted", err);
	if (r >= 0)
		r = berth_ledger_end(m->ledger, a->id, why, err);
	if (r == 0)
		r = audit(m, a, berth_owned_state_name(from), "host", "release", why, err);
	r = finish(m, r, err);
	if (r == 0)
		berth_busy_forget(m, a->id);
	return r;
}

void berth_take_fault(struct berth_manager *m, const struct berth_assignment *a,
		      const struct berth_err *err)
{
	struct berth_err err2 = BERTH_ERR_INIT;

	/* The kernel is still at it: the row stays as it is, and whoever comes when it has finished goes on from there. */
	if (berth_busy_is_left(m, a->id))
		return;
	if (berth_take_mark(m, a, BERTH_ON_FAULT, "fault", err ? err->text : NULL, &err2) < 0)
		log_err("%s: cannot be marked faulted: %s", a->group, err2.text);
}

static int add_member(struct berth_manager *m, int64_t id, const struct berth_device *dev,
		      const struct berth_bind_state *s, char *net, bool companion,
		      struct berth_err *err)
{
	char serial[BERTH_SERIAL_LEN];
	struct berth_member row = {
		.path = dev->path,
		.vendor = dev->vendor_id,
		.device = dev->device_id,
		.serial = text(berth_caps_serial(&dev->caps, serial)),
		.companion = companion,
		.found_driver = *s->driver ? text(s->driver) : NULL,
		.found_override = *s->override ? text(s->override) : NULL,
		.found_power = *s->power_control ? text(s->power_control) : NULL,
		.found_net = net,
	};

	berth_bdf_format(dev->bdf, row.bdf);
	return berth_ledger_add_member(m->ledger, id, &row, err);
}

static int add_members(struct berth_manager *m, int64_t id, const struct berth_unit *unit,
		       const struct unit_found *found, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < unit->nr && r == 0; i++)
		r = add_member(m, id, unit->members[i].dev, &found->state[i], found->net[i],
			       !unit->members[i].asked, err);
	return r;
}

int berth_take_record_more(struct berth_manager *m, int64_t id, const struct berth_device *dev,
			   const struct berth_bind_state *now, struct berth_err *err)
{
	int r = add_member(m, id, dev, now, NULL, false, err);

	return r == BERTH_ABSENT ? -ENOENT : r;
}

int berth_take_record(struct berth_manager *m, const struct berth_unit *unit,
		      const struct berth_device *dev, const struct berth_bind_state *now,
		      int64_t *ret_id, struct berth_err *err)
{
	const struct berth_claim_group group = { unit->key, unit->parent };
	struct berth_claim claim = {
		.vm = BERTH_LEDGER_VM_BIND,
		.kind = BERTH_OWNED_BY_BIND,
		.boot_id = m->host->boot_id,
	};
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	r = berth_ledger_claim(m->ledger, &claim, &group, 1, ret_id, err);
	if (r == 0)
		r = add_member(m, *ret_id, dev, now, NULL, false, err);
	return finish(m, r, err);
}

/* Who asked for a group, and how each of its functions was found. */
static int audit_taken(struct berth_manager *m, const struct berth_request *q, size_t i,
		       enum berth_owned_kind kind, const struct unit_found *found,
		       struct berth_err *err)
{
	const struct berth_unit *unit = &q->units.items[i];
	char bdf[BERTH_BDF_LEN], before[80];
	int r = 0;

	for (size_t j = 0; j < unit->nr && r == 0; j++) {
		const char *driver = found->state[j].driver;
		const struct berth_audit row = {
			.uid = berth_audit_actor(),
			.verb = text(berth_owned_kind_name(kind)),
			.vm = q->vm,
			.device = berth_bdf_format(unit->members[j].dev->bdf, bdf),
			.before = before,
			.after = text(berth_owned_state_name(BERTH_OWNED_PREPARING)),
			.reason = text(unit->members[j].asked ? "asked for" :
								"came along with its group"),
		};

		snprintf(before, sizeof(before), "host:%.60s", *driver ? driver : "none");
		r = berth_audit_append(m->ledger, &row, err);
	}
	return r;
}

/* Claim all groups that are still with the host, with how their members were found. @ret_ids by unit; 0: had it already. */
static int claim_rows(struct berth_manager *m, const struct berth_request *q,
		      enum berth_owned_kind kind, const struct unit_found *found, int64_t *ret_ids,
		      struct berth_err *err)
{
	struct berth_claim claim = { .vm = q->vm,
				     .kind = kind,
				     .boot_id = m->host->boot_id,
				     .pid = getpid(),
				     .priority = q->priority,
				     .preemptible = q->preemptible };
	BERTH_CLEANUP(berth_freep) struct berth_claim_group *groups =
		calloc(q->units.nr + 1, sizeof(*groups));
	BERTH_CLEANUP(berth_freep) int64_t *ids = calloc(q->units.nr + 1, sizeof(*ids));
	size_t nr = 0, at = 0;
	int r;

	if (!groups || !ids)
		return berth_err_set(err, -ENOMEM, "out of memory");
	berth_process_start(m->host, claim.pid, &claim.pid_start);
	for (size_t i = 0; i < q->units.nr; i++) {
		if (!q->own[i])
			groups[nr++] = (struct berth_claim_group){ q->units.items[i].key,
								   q->units.items[i].parent };
	}
	if (nr == 0)
		return 0;
	r = berth_ledger_begin(m->ledger, err);
	if (r < 0)
		return r;
	r = berth_ledger_claim(m->ledger, &claim, groups, nr, ids, err);
	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (q->own[i])
			continue;
		ret_ids[i] = ids[at++];
		r = add_members(m, ret_ids[i], &q->units.items[i], &found[i], err);
		if (r == 0)
			r = audit_taken(m, q, i, kind, &found[i], err);
	}
	return finish(m, r, err);
}

/* --- the moves --- */

int berth_untake(struct berth_manager *m, const struct berth_assignment *a, const char *why,
		 struct berth_err *err)
{
	struct berth_err undo_err = BERTH_ERR_INIT;
	int r;

	if (berth_busy_is_left(m, a->id))
		return berth_err_set(err, -ETIMEDOUT,
				     "the kernel is still at it; the next verb after that puts it "
				     "back");
	r = berth_steps_undo(m, a, &undo_err);
	if (r == 0)
		return end(m, a, a->state, why, err);
	berth_take_fault(m, a, &undo_err);
	return berth_err_set(err, r, "%s", undo_err.text);
}

void berth_untake_all(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		      struct berth_err *err)
{
	for (size_t i = q->units.nr; i > 0; i--) {
		struct berth_assignment_list list;
		struct berth_err why = BERTH_ERR_INIT;

		if (q->own[i - 1] || !ids[i - 1] ||
		    berth_take_reread(m, ids[i - 1], &list, NULL) < 0)
			continue;
		if (berth_untake(m, &list.items[0], err ? err->text : NULL, &why) < 0 && err)
			berth_err_prefix(err, err->code,
					 "%s could not be put back as it was (%s), after this",
					 BERTH_BDF_STR(q->units.items[i - 1].members[0].dev->bdf),
					 why.text);
		berth_assignment_list_free(&list);
	}
}

static int take_unit(struct berth_manager *m, const struct berth_unit *unit,
		     const struct unit_found *found, int64_t id, struct berth_err *err)
{
	struct berth_assignment_list list = { 0 };
	struct berth_steps steps = { 0 };
	int r = berth_take_reread(m, id, &list, err);

	if (r == 0)
		r = berth_steps_take(m, unit, found->state, found->net, &steps, err);
	if (r == 0)
		r = berth_steps_run(m, &steps, &list.items[0], err);
	berth_steps_done(&steps);
	berth_assignment_list_free(&list);
	return r;
}

static void report_unit(const struct berth_unit *unit, const struct unit_found *found,
			const char *vm, struct berth_report *report)
{
	char words[32];

	for (size_t i = 0; i < unit->nr; i++)
		berth_report_add(report, "%s %s → %s (%s), owned by %s%s",
				 BERTH_BDF_STR(unit->members[i].dev->bdf),
				 *found->state[i].driver ? found->state[i].driver : "no driver",
				 BERTH_BIND_VFIO, berth_unit_words(unit, words), vm,
				 unit->members[i].asked ? "" : ", came along with its group");
}

/* All of them, before the first is moved: while we wait for one, others may look at the rest. */
static int mark_busy(struct berth_manager *m, const struct berth_request *q, const int64_t *ids,
		     struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < q->units.nr && r == 0; i++)
		r = berth_busy_begin(m,
				     &(struct berth_assignment){ .id = ids[i],
								 .group = q->units.items[i].key,
								 .vm = text(q->vm) },
				     err);
	return r;
}

static int take_found(struct berth_manager *m, const struct berth_request *q,
		      enum berth_owned_kind kind, const struct unit_found *found, int64_t *ids,
		      struct berth_report *report, struct berth_err *err)
{
	int r = claim_rows(m, q, kind, found, ids, err);

	if (r != 0)
		return r;
	r = mark_busy(m, q, ids, err);
	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		if (!q->own[i])
			r = take_unit(m, &q->units.items[i], &found[i], ids[i], err);
	}
	if (r != 0) {
		berth_untake_all(m, q, ids, err);
		return r;
	}
	for (size_t i = 0; i < q->units.nr; i++) {
		if (!q->own[i])
			report_unit(&q->units.items[i], &found[i], q->vm, report);
	}
	return 0;
}

int berth_take(struct berth_manager *m, const struct berth_request *q, enum berth_owned_kind kind,
	       int64_t *ret_ids, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct unit_found *found =
		calloc(q->units.nr + 1, sizeof(*found));
	int r = 0;

	if (!found)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < q->units.nr && r == 0; i++) {
		ret_ids[i] = q->own[i] ? q->own[i]->id : 0;
		if (!q->own[i])
			r = unit_found_read(m, &q->units.items[i], &found[i], err);
	}
	if (r == 0)
		r = take_found(m, q, kind, found, ret_ids, report, err);
	for (size_t i = 0; i < q->units.nr; i++)
		unit_found_done(&found[i]);
	return r;
}

/* --- and back --- */

static void report_given(struct berth_manager *m, const struct berth_assignment *a,
			 struct berth_report *report)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_member *member = &a->members[i];
		bool same;
		const struct berth_device *dev = berth_owner_find_member(m->inv, member, &same);

		if (!dev || !same)
			berth_report_add(report,
					 "%s is %s: nothing to give back, no longer owned by %s",
					 member->bdf, dev ? "another device now" : "gone", a->vm);
		else
			berth_report_add(report, "%s %s → %s, no longer owned by %s",
					 BERTH_BDF_STR(dev->bdf),
					 dev->driver[0] ? dev->driver : "no driver",
					 member->found_driver ? member->found_driver : "no driver",
					 a->vm);
	}
}

static int give_all(struct berth_manager *m, const struct berth_assignment *a,
		    struct berth_err *err)
{
	struct berth_steps steps = { 0 };
	int r = berth_steps_give(m, a, &steps, err);

	if (r == 0)
		r = berth_steps_run(m, &steps, a, err);
	berth_steps_done(&steps);
	return r;
}

int berth_give(struct berth_manager *m, const struct berth_assignment *a, const char *why,
	       struct berth_report *report, struct berth_err *err)
{
	int r = berth_take_mark(m, a, BERTH_ON_GIVE, "release", why, err);

	if (r != 0)
		return r;
	r = give_all(m, a, err);
	if (r < 0 && berth_steps_gave_any(m, a) == 0)
		return r; /* not begun: it stays "returning" */
	if (r < 0) {
		berth_take_fault(m, a, err);
		return r;
	}
	r = end(m, a, BERTH_OWNED_RETURNING, why, err);
	if (r == 0)
		report_given(m, a, report);
	return r;
}
