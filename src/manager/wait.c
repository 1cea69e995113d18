/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/blocked.h"
#include "manager/context.h"
#include "manager/process.h"
#include "manager/report.h"
#include "policy/ledger.h"
#include "policy/queue.h"

/* Should every sign be missed, we look all the same. */
#define LOOK_AT_LEAST_MS 60000

/* --- the queue --- */

static bool lives(const struct berth_manager *m, const struct berth_queue_entry *e)
{
	return strcmp(e->boot_id, m->host->boot_id) == 0 &&
	       berth_process_lives(m->host, e->pid, e->pid_start);
}

int berth_wait_queue(struct berth_manager *m, struct berth_queue *ret, struct berth_err *err)
{
	struct berth_queue all = { 0 }, dead = { 0 };
	int r = m->ledger ? berth_queue_read(m->ledger, &all, err) : 0;
	size_t nr = 0;

	if (r < 0)
		return r;
	dead.items = calloc(all.nr + 1, sizeof(*dead.items));
	if (!dead.items) {
		berth_queue_free(&all);
		return berth_err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < all.nr; i++) {
		if (lives(m, &all.items[i]))
			all.items[nr++] = all.items[i];
		else
			dead.items[dead.nr++] = all.items[i];
	}
	all.nr = nr;
	berth_queue_free(&dead);
	*ret = all;
	return 0;
}

int berth_wait_tidy(struct berth_manager *m, struct berth_err *err)
{
	struct berth_queue all;
	int r = berth_queue_read(m->ledger, &all, err);

	for (size_t i = 0; r == 0 && i < all.nr; i++) {
		if (!lives(m, &all.items[i]))
			r = berth_queue_remove(m->ledger, all.items[i].id, err);
	}
	if (r == 0)
		berth_queue_free(&all);
	return r;
}

const struct berth_queue_entry *
berth_wait_before(const struct berth_manager *m, const struct berth_queue *queue, const char *group)
{
	const struct berth_queue_entry us = { .id = m->turn.entry, .priority = m->turn.priority };

	for (size_t i = 0; i < queue->nr; i++) {
		const struct berth_queue_entry *e = &queue->items[i];

		if (e->id != us.id && berth_queue_before(e, &us) && berth_queue_wants(e, group))
			return e;
	}
	return NULL;
}

/* --- waiting --- */

struct wait {
	struct berth_host *host; /* borrowed */
	const char *vm;		 /* borrowed */
	const char *const *names;
	size_t nr;
	const struct berth_wait_how *how; /* borrowed */
	int64_t entry;			  /* our place in the queue; 0: not in it */
	int64_t deadline_ms;		  /* of the monotonic clock; INT64_MAX: none */
	int notify_fd;			  /* owned; -1 */
	struct berth_blocked blocked;	  /* owned; by what, when we last looked */
	int64_t due_tried;		  /* blocked.due that an attempt of ours has seen */
	char told[sizeof(((struct berth_blocked *)NULL)->words)];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int open_notify(struct wait *w, struct berth_err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/lock", w->host->state) >= (int)sizeof(path))
		return berth_err_set(err, -ENAMETOOLONG, "%s/lock", w->host->state);
	w->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->notify_fd < 0)
		return berth_err_set(err, -errno, "inotify: %s", strerror(errno));
	/* The very file: others of the folder are closed by everybody who only reads. */
	if (inotify_add_watch(w->notify_fd, path, IN_CLOSE_WRITE) < 0)
		return berth_err_set(err, -errno, "watching %s: %s", path, strerror(errno));
	return 0;
}

/* What they say is always the same: a changing verb has ended. */
static void forget_events(struct wait *w)
{
	char buf[4096];

	while (read(w->notify_fd, buf, sizeof(buf)) > 0)
		;
}

static char *join(const char *const *names, size_t nr)
{
	char *all = strdup("");

	for (size_t i = 0; i < nr && all; i++) {
		char *longer = NULL;

		if (asprintf(&longer, "%s%s%s", all, i ? " " : "", names[i]) < 0)
			longer = NULL;
		free(all);
		all = longer;
	}
	return all;
}

/* Into the queue, or our new wishes. */
static int stand_in_line(struct wait *w, struct berth_manager *m, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *request = join(w->names, w->nr);
	BERTH_CLEANUP(berth_freep) char *vm = strdup(w->vm);
	struct berth_queue_entry e = {
		.id = w->entry,
		.vm = vm,
		.priority = w->how->assign.priority,
		.request = request,
		.boot_id = m->host->boot_id,
		.pid = getpid(),
		.groups = w->blocked.groups,
		.nr_groups = w->blocked.nr_groups,
	};

	if (!request || !vm)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (berth_process_start(m->host, e.pid, &e.pid_start) < 0)
		return berth_err_set(
			err, -ESRCH,
			"%s: waiting for devices: process %d, which is this one, is not "
			"in /proc; mount it",
			w->vm, (int)e.pid);
	return berth_queue_put(m->ledger, &e, &w->entry, err);
}

static void tell(struct wait *w)
{
	if (strcmp(w->told, w->blocked.words) == 0)
		return;
	memcpy(w->told, w->blocked.words, sizeof(w->told));
	if (w->how->waiting)
		w->how->waiting(w->how->arg, w->blocked.words);
}

/*
 * One attempt. Return: 0 they are ours; BERTH_WAIT_ON we stand in line, and w->blocked says for what; else as
 * berth_manager_assign_how(), final.
 */
#define BERTH_WAIT_ON 100
static int try_it(struct wait *w, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_assign_how how = w->how->assign;
	struct berth_err why = BERTH_ERR_INIT;
	int r = berth_manager_open(&m, w->host, BERTH_MANAGER_CHANGE, report, err);

	if (r != 0)
		return r;
	m->force = w->how->force;
	m->turn.entry = how.entry = w->entry;
	m->turn.priority = how.priority;
	r = w->how->attempt ?
		    w->how->attempt(w->how->arg, m, report, &why) :
		    berth_manager_assign_how(m, w->vm, w->names, w->nr, &how, report, &why);
	if (r == BERTH_REFUSED) {
		int r2 = berth_blocked_read(m, w->vm, w->names, w->nr, &w->blocked, err);

		if (r2 < 0)
			return r2;
		if (r2 == 0) {
			r2 = stand_in_line(w, m, err);
			return r2 == 0 ? BERTH_WAIT_ON : r2;
		}
	}
	if (r == 0 && w->entry) {
		r = berth_queue_remove(m->ledger, w->entry, err);
		w->entry = 0;
	}
	return why.code ? berth_err_set(err, r, "%s", why.text) : r;
}

/* Without the lock, and without changing anything. Return: 0 they seem to be free; BERTH_WAIT_ON; -errno. */
static int look(struct wait *w, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, w->host, BERTH_MANAGER_READ, NULL, err);

	if (r != 0)
		return r;
	m->force = w->how->force;
	m->turn.entry = w->entry;
	m->turn.priority = w->how->assign.priority;
	r = berth_blocked_read(m, w->vm, w->names, w->nr, &w->blocked, err);
	if (r < 0)
		return r;
	/* Once: what cannot be given back stays, however often one tries. */
	if (r == 0 && w->blocked.due && w->blocked.due != w->due_tried) {
		w->due_tried = w->blocked.due;
		return 0;
	}
	/* forbidden by now, or free: the attempt tells */
	return r == BERTH_ABSENT ? 0 : BERTH_WAIT_ON;
}

#define MAX_POLLS (2 + BERTH_BLOCKED_HOLDERS)

/*
 * Sleep until something has happened. Return: 0 look; BERTH_ABSENT try at once: a holder died or a lease is over, which nobody
 * has dealt with yet; -ETIMEDOUT; -EINTR.
 */
static int sleep_on(struct wait *w, struct berth_err *err)
{
	struct pollfd polls[MAX_POLLS] = { { .fd = w->notify_fd, .events = POLLIN },
					   { .fd = w->how->stop_fd, .events = POLLIN } };
	int64_t left = w->deadline_ms - now_ms(), lease;
	int nr = 2, r = 0, timeout = LOOK_AT_LEAST_MS;

	for (size_t i = 0; i < w->blocked.nr_holders; i++)
		polls[nr++] = (struct pollfd){ .fd = (int)syscall(SYS_pidfd_open,
								  w->blocked.holders[i], 0),
					       .events = POLLIN };
	if (left < timeout)
		timeout = left > 0 ? (int)left : 0;
	lease = w->blocked.over ? (w->blocked.over - (int64_t)time(NULL)) * 1000 : INT64_MAX;
	if (lease < timeout)
		timeout = lease > 0 ? (int)lease : 0;
	if (poll(polls, (nfds_t)nr, timeout) == 0)
		r = lease <= timeout ? BERTH_ABSENT : 0;
	for (int i = 2; i < nr; i++) {
		if (polls[i].fd >= 0 && polls[i].revents)
			r = BERTH_ABSENT;
		berth_closep(&polls[i].fd);
	}
	forget_events(w);
	if (polls[1].revents)
		return berth_err_set(err, -EINTR,
				     "interrupted while waiting: %s; nothing was taken",
				     w->blocked.words);
	if (w->how->wait_s && now_ms() >= w->deadline_ms)
		return berth_err_set(err, -ETIMEDOUT, "gave up waiting: %s; nothing was taken",
				     w->blocked.words);
	return r;
}

/* Whatever happened, nobody shall wait for us. */
static void leave(struct wait *w)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;

	if (w->entry && berth_ledger_open(&ledger, w->host->state, BERTH_LEDGER_WRITE, NULL) == 0)
		berth_queue_remove(ledger, w->entry, NULL);
}

/* What ends from now on is noticed; what has ended since our first attempt is looked at. */
static int wait_on(struct wait *w, struct berth_report *report, struct berth_err *err)
{
	int r = open_notify(w, err);

	if (r == 0)
		r = look(w, err);
	if (r == 0)
		r = try_it(w, report, err);
	while (r == BERTH_WAIT_ON) {
		tell(w);
		r = sleep_on(w, err);
		if (r == 0)
			r = look(w, err);
		if (r == 0 || r == BERTH_ABSENT) {
			berth_report_done(report);
			r = try_it(w, report, err);
		}
	}
	return r;
}

int berth_wait_assign(struct berth_host *host, const char *vm, const char *const *names, size_t nr,
		      const struct berth_wait_how *how, struct berth_report *report,
		      struct berth_err *err)
{
	struct wait w = {
		.host = host,
		.vm = vm,
		.names = names,
		.nr = nr,
		.how = how,
		.deadline_ms = how->wait_s ? now_ms() + how->wait_s * 1000 : INT64_MAX,
		.notify_fd = -1,
	};
	int r = try_it(&w, report, err);

	if (r == BERTH_WAIT_ON)
		r = wait_on(&w, report, err);
	leave(&w);
	berth_blocked_done(&w.blocked);
	berth_closep(&w.notify_fd);
	return r;
}
