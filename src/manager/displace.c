/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/displace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/context.h"
#include "manager/evict.h"
#include "manager/obstacle.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "manager/unit.h"
#include "manager/wait.h"
#include "policy/queue.h"

#define MAX_HOLDERS 64
/* Should the end of a supervisor be missed, we look all the same. */
#define LOOK_MS 5000

struct displacing {
	struct berth_host *host;	      /* borrowed */
	const char *vm;			      /* borrowed */
	const struct berth_displace_how *how; /* borrowed */
	struct berth_claimed *room;	      /* borrowed; NULL: to be assigned */
	struct berth_claimed victims;	      /* owned; what was found when they were asked */
	bool asked;
	int64_t entry; /* our place in the queue; 0: none */
	int64_t deadline_ms;
	struct {		/* supervisors of victims that still run */
		const char *vm; /* borrowed from @victims */
		pid_t pid;
	} holders[MAX_HOLDERS];
	size_t nr_holders;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The victim whose it is, or NULL. */
static const char *victim(const struct berth_claimed *c, const struct berth_assignment *a)
{
	for (size_t i = 0; i < c->nr_victims; i++) {
		if (a->kind != BERTH_OWNED_BY_BIND && strcmp(c->victims[i], a->vm) == 0)
			return c->victims[i];
	}
	return NULL;
}

/* --- would it be served, were they gone? --- */

static int units_of(struct berth_manager *m, const struct berth_claimed *c, struct berth_units *ret,
		    struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr = 0;
	int r = berth_resolve(m, NULL, (const char *const *)c->names, c->nr, &devs, &nr, err);

	return r == 0 ? berth_units_build(m->inv, devs, nr, ret, err) : r;
}

/* What a victim has is no obstacle, but for who waits for it and comes before us. */
static int check_unit(struct berth_manager *m, const struct berth_unit *unit,
		      const struct berth_obstacle_query *q, const struct berth_claimed *c,
		      struct berth_err *err)
{
	struct berth_obstacles list = { 0 };
	const struct berth_queue_entry *first;
	const struct berth_assignment *owner;
	struct berth_queue queue = { 0 };
	int r;

	owner = berth_owner_of(q->live, unit);
	if (!owner || !victim(c, owner)) {
		r = berth_obstacles_find(m, unit, q, &list, &owner, err);
		if (r == 0 && list.nr)
			r = berth_err_set(err, BERTH_REFUSED, "%s", list.items[0].sentence);
		berth_obstacles_done(&list);
		return r;
	}
	r = berth_wait_queue(m, &queue, err);
	first = r == 0 ? berth_wait_before(m, &queue, unit->key) : NULL;
	if (first)
		r = berth_err_set(err, BERTH_REFUSED,
				  "%s: VM %s waits for it with priority %d and comes before %s; "
				  "nobody was displaced",
				  BERTH_BDF_STR(unit->members[0].dev->bdf), first->vm,
				  first->priority, q->vm);
	berth_queue_free(&queue);
	return r;
}

static int check(struct berth_manager *m, const char *vm, const struct berth_claimed *c,
		 struct berth_units *units, const struct berth_assignment_list *live,
		 struct berth_err *err)
{
	const struct berth_obstacle_query q = { .vm = vm, .with = units, .live = live };
	int r = 0;

	for (size_t i = 0; i < units->nr && r == 0; i++)
		r = check_unit(m, &units->items[i], &q, c, err);
	return r;
}

/* --- the first phase --- */

static int stand_in_line(struct displacing *d, struct berth_manager *m,
			 const struct berth_units *units, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char **groups = calloc(units->nr + 1, sizeof(*groups));
	struct berth_queue_entry e = {
		.vm = (char *)(uintptr_t)d->vm,
		.priority = m->turn.priority,
		.request = (char[]){ "its claim" },
		.boot_id = m->host->boot_id,
		.pid = getpid(),
		.groups = groups,
		.nr_groups = units->nr,
	};

	if (!groups)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < units->nr; i++)
		groups[i] = units->items[i].key;
	if (berth_process_start(m->host, e.pid, &e.pid_start) < 0)
		return berth_err_set(err, -ESRCH, "this process is not in /proc");
	return berth_queue_put(m->ledger, &e, &d->entry, err);
}

static int write_down(struct displacing *d, struct berth_manager *m,
		      const struct berth_units *units, const struct berth_assignment_list *live,
		      struct berth_err *err)
{
	char why[160];
	int r = berth_ledger_begin(m->ledger, err);

	if (r < 0)
		return r;
	snprintf(why, sizeof(why), "VM %s (priority %d) needs it", d->vm, m->turn.priority);
	r = stand_in_line(d, m, units, err);
	for (size_t i = 0; i < live->nr && r == 0; i++) {
		if (victim(&d->victims, &live->items[i]) && !live->items[i].evict)
			r = berth_evict_ask(m, &live->items[i], "preempt", why, err);
	}
	if (r == 0)
		return berth_ledger_commit(m->ledger, err);
	berth_ledger_rollback(m->ledger);
	d->entry = 0;
	return r > 0 ? -ENOENT : r;
}

static int ask(struct displacing *d, struct berth_manager *m, struct berth_report *report,
	       struct berth_err *err)
{
	struct berth_assignment_list live = { 0 };
	struct berth_units units = { 0 };
	bool changed = false;
	int r = units_of(m, &d->victims, &units, err);

	if (r == 0)
		r = berth_owner_all(m, &live, err);
	if (r == 0)
		r = check(m, d->vm, &d->victims, &units, &live, err);
	if (r == 0)
		r = write_down(d, m, &units, &live, err);
	if (r == 0) {
		d->asked = true;
		for (size_t i = 0; i < d->victims.nr_victims; i++)
			berth_report_add(report,
					 "VM %s is asked to let go: VM %s (priority %d) "
					 "needs what it has",
					 d->victims.victims[i], d->vm, m->turn.priority);
		r = berth_evict_idle(m, report, &changed, err);
	}
	berth_assignment_list_free(&live);
	berth_units_done(&units);
	return r;
}

/* --- between the two --- */

static void add_holder(struct displacing *d, const char *vm, pid_t pid)
{
	for (size_t i = 0; i < d->nr_holders; i++) {
		if (d->holders[i].pid == pid)
			return;
	}
	if (d->nr_holders < MAX_HOLDERS) {
		d->holders[d->nr_holders].vm = vm;
		d->holders[d->nr_holders++].pid = pid;
	}
}

/* Supervisors that still have something of a victim's. */
static int find_holders(struct displacing *d, struct berth_manager *m, struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	d->nr_holders = 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < live.nr; i++) {
		const struct berth_assignment *a = &live.items[i];
		const char *vm = victim(&d->victims, a);

		if (vm && a->evict && a->pid &&
		    strcmp(a->boot_id ? a->boot_id : "", m->host->boot_id) == 0 &&
		    berth_process_lives(m->host, a->pid, a->pid_start))
			add_holder(d, vm, a->pid);
	}
	berth_assignment_list_free(&live);
	return 0;
}

static int sleep_on(const struct displacing *d, struct berth_err *err)
{
	struct pollfd polls[MAX_HOLDERS];
	int64_t left = d->deadline_ms - now_ms();

	if (left <= 0)
		return berth_err_set(err, -ETIMEDOUT,
				     "VM %s was asked to let go for %s and has not ended; what it "
				     "lets go of goes back to the host; see 'berth status'",
				     d->holders[0].vm, d->vm);
	for (size_t i = 0; i < d->nr_holders; i++)
		polls[i] =
			(struct pollfd){ .fd = (int)syscall(SYS_pidfd_open, d->holders[i].pid, 0),
					 .events = POLLIN };
	/* One that could not be opened is dead, and the next look finds it so. */
	poll(polls, d->nr_holders, left < LOOK_MS ? (int)left : LOOK_MS);
	for (size_t i = 0; i < d->nr_holders; i++)
		berth_closep(&polls[i].fd);
	return 0;
}

/* --- the second phase --- */

static int serve(struct displacing *d, struct berth_manager *m, struct berth_claimed *got,
		 struct berth_report *report, struct berth_err *err)
{
	struct berth_assign_how how = d->how->assign;
	int r = 0;

	how.priority = m->turn.priority;
	how.entry = d->entry;
	if (d->room) {
		*d->room = *got;
		*got = (struct berth_claimed){ 0 };
	} else {
		r = berth_manager_assign_how(m, d->vm, (const char *const *)got->names, got->nr,
					     &how, report, err);
	}
	if (r == 0 && d->entry) {
		r = berth_queue_remove(m->ledger, d->entry, err);
		d->entry = 0;
	}
	return r;
}

static int still_taken(const struct displacing *d, const struct berth_claimed *got,
		       struct berth_err *err)
{
	return berth_err_set(err, -EBUSY,
			     "VM %s was asked to let go for %s, and that is not enough: VM %s has "
			     "what is missing; 'berth status' says more",
			     d->victims.victims[0], d->vm, got->victims[0]);
}

#define WAIT_ON 100

/* Return: 0 done; WAIT_ON d->holders still have something, or look again when there are none; else final. */
static int try_it(struct displacing *d, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_claimed got = { 0 };
	int r = berth_manager_open(&m, d->host, BERTH_MANAGER_CHANGE, report, err);

	if (r == 0 && d->asked)
		r = find_holders(d, m, err);
	if (r == 0 && d->nr_holders)
		return WAIT_ON;
	if (r == 0)
		r = berth_manager_claimed_at_cost(m, d->vm, &got, err);
	if (r != 0)
		return r;
	m->turn.priority = d->how->assign.priority ? d->how->assign.priority : got.priority;
	m->turn.entry = d->entry;
	if (got.nr_victims == 0) {
		r = serve(d, m, &got, report, err);
	} else if (d->asked) {
		r = still_taken(d, &got, err);
	} else {
		d->victims = got;
		got = (struct berth_claimed){ 0 };
		r = ask(d, m, report, err);
		if (r == 0)
			r = find_holders(d, m, err);
		r = r == 0 ? WAIT_ON : r;
	}
	berth_claimed_done(&got);
	return r;
}

static void nudge(const struct displacing *d)
{
	for (size_t i = 0; d->how->asked && i < d->nr_holders; i++)
		d->how->asked(d->how->arg, d->holders[i].vm);
}

/* Whatever happened, nobody shall wait for us. */
static void leave(struct displacing *d)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;

	if (d->entry && berth_ledger_open(&ledger, d->host->state, BERTH_LEDGER_WRITE, NULL) == 0)
		berth_queue_remove(ledger, d->entry, NULL);
	berth_claimed_done(&d->victims);
}

static int displace(struct displacing *d, struct berth_report *report, struct berth_err *err)
{
	int r = try_it(d, report, err);

	d->deadline_ms = now_ms() + (d->how->wait_ms ? d->how->wait_ms : BERTH_DISPLACE_MS);
	if (r == WAIT_ON)
		nudge(d);
	while (r == WAIT_ON) {
		r = d->nr_holders ? sleep_on(d, err) : 0;
		if (r == 0)
			r = try_it(d, report, err);
	}
	leave(d);
	return r;
}

int berth_displace_assign(struct berth_host *host, const char *vm,
			  const struct berth_displace_how *how, struct berth_report *report,
			  struct berth_err *err)
{
	struct displacing d = { .host = host, .vm = vm, .how = how };

	return displace(&d, report, err);
}

int berth_displace_make_room(struct berth_host *host, const char *vm,
			     const struct berth_displace_how *how, struct berth_claimed *ret,
			     struct berth_report *report, struct berth_err *err)
{
	struct displacing d = { .host = host, .vm = vm, .how = how, .room = ret };

	return displace(&d, report, err);
}

/* --- only looking --- */

static void say_victim(const struct berth_claimed *c, const struct berth_assignment *a,
		       const char *vm, struct berth_report *report)
{
	if (!victim(c, a))
		return;
	for (size_t i = 0; i < a->nr_members; i++)
		berth_report_add(report, "%s: VM %s (priority %d) lets go of it for VM %s%s",
				 a->members[i].bdf, a->vm, a->priority, vm,
				 a->state == BERTH_OWNED_IN_USE ? ": the VM is stopped" : "");
}

int berth_displace_look(struct berth_manager *m, const char *vm, struct berth_report *report,
			struct berth_err *err)
{
	struct berth_assignment_list live = { 0 };
	struct berth_units units = { 0 };
	struct berth_claimed c = { 0 };
	int r = berth_manager_claimed_at_cost(m, vm, &c, err);

	if (r != 0 || c.nr_victims == 0) {
		berth_claimed_done(&c);
		return r;
	}
	m->turn.priority = c.priority;
	r = units_of(m, &c, &units, err);
	if (r == 0)
		r = berth_owner_all(m, &live, err);
	if (r == 0)
		r = check(m, vm, &c, &units, &live, err);
	for (size_t i = 0; i < live.nr && r == 0; i++)
		say_victim(&c, &live.items[i], vm, report);
	for (size_t i = 0; i < c.nr && r == 0; i++)
		berth_report_add(report, "%s: then it is VM %s's", c.names[i], vm);
	berth_assignment_list_free(&live);
	berth_units_done(&units);
	berth_claimed_done(&c);
	return r;
}
