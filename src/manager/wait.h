/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for devices that somebody has: berth assign --wait.
 *
 * Who waits stands in the ledger's queue (policy/queue.h). Nobody who comes later with the same or a lower priority gets any of
 * the groups that it could use, whether they wait, too, or not: manager/obstacle.h, "QUEUED". The waiting process sleeps
 * until another verb has ended (inotify on $BERTH_STATE/lock, which a changing verb closes last), a holder has died, or a
 * lease is over; then it looks, and only when the devices seem to be free it takes the lock and tries.
 */
#ifndef BERTH_MANAGER_WAIT_H
#define BERTH_MANAGER_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager/assign.h"

struct berth_err;
struct berth_host;
struct berth_manager;
struct berth_queue;
struct berth_queue_entry;
struct berth_report;

struct berth_wait_how {
	struct berth_assign_how assign;
	bool force; /* as berth_manager_force() */
	/*
	 * What is tried, and returns as berth_manager_assign_how(), which it is when NULL: the manager is opened for change and
	 * knows our priority. @report as for berth_wait_assign().
	 */
	int (*attempt)(void *arg, struct berth_manager *m, struct berth_report *report,
		       struct berth_err *err);
	int64_t wait_s; /* give up after so long; 0: never */
	int stop_fd;	/* borrowed; readable: give up; -1: none */
	/* Told when it begins to wait, and whenever what it waits for has changed. May be NULL. */
	void (*waiting)(void *arg, const char *words);
	void *arg; /* of attempt and waiting */
};

/**
 * berth_wait_assign() - berth_manager_assign_how(), and again when it may succeed
 * @host: of which the manager is opened and closed as needed
 * @report: of the last attempt, with what was repaired before it
 *
 * Only an owner and others who wait are waited for; what policy or safety forbid is refused at once.
 *
 * Return: as berth_manager_assign_how(); -ETIMEDOUT after how->wait_s; -EINTR stop_fd; nothing was taken then, and nobody
 *         waits any more.
 */
int berth_wait_assign(struct berth_host *host, const char *vm, const char *const *names, size_t nr,
		      const struct berth_wait_how *how, struct berth_report *report,
		      struct berth_err *err);

/* Those of the queue who are alive, in their order. @ret: berth_queue_free(). Return: 0; -errno. */
int berth_wait_queue(struct berth_manager *m, struct berth_queue *ret, struct berth_err *err);

/**
 * berth_wait_before() - who of @queue comes before us for @group
 *
 * Return: borrowed from @queue; NULL: nobody.
 */
const struct berth_queue_entry *berth_wait_before(const struct berth_manager *m,
						  const struct berth_queue *queue,
						  const char *group);

/* Take the dead out of the queue. Return: 0; -errno. */
int berth_wait_tidy(struct berth_manager *m, struct berth_err *err);

#endif
