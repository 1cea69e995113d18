/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which groups are being worked on: one lock for each assignment, $BERTH_STATE/busy/ID.
 *
 * A verb marks an assignment before it changes anything about it; the child that writes to sysfs for it inherits the mark.
 * So the mark lasts as long as anybody works on the group, the kernel included: when a verb is killed, or gives up at its
 * deadline, a driver that does not let go keeps its own group marked and nothing else. Whoever comes when the kernel has
 * finished finds no mark, and repairs (manager/recover.h). Locks die with their processes: there is nothing to clean up
 * after a crash or a reboot.
 */
#ifndef BERTH_MANAGER_BUSY_H
#define BERTH_MANAGER_BUSY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/child.h"
#include "base/sysfs.h"

struct berth_assignment;
struct berth_device;
struct berth_err;
struct berth_host;
struct berth_manager;

#define BERTH_BUSY_MAX 64 /* groups that one verb works on */

struct berth_busy_mark {
	int64_t id;
	int fd;	    /* owned */
	pid_t left; /* a child of ours that is left behind in the kernel; 0 none */
};

/* Of one manager. */
struct berth_busy {
	struct berth_busy_mark marks[BERTH_BUSY_MAX];
	size_t nr, now; /* now: whose writes are made */
	int drop[BERTH_BUSY_MAX + 1];
	struct berth_slow_write slow;
	bool paused; /* the host's lock was given up meanwhile: others may have changed the host */
};

/**
 * berth_busy_begin() - mark an assignment; the writes that follow are its
 *
 * Marked already by this manager: only the latter. With the host's lock held.
 *
 * Return: 0; BERTH_REFUSED somebody else is at work on it, the sentence says who, or what hangs since when; -errno.
 */
int berth_busy_begin(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_err *err);

/* The work on it is over, as far as we are concerned. */
void berth_busy_end(struct berth_manager *m, int64_t id);
/* All of them. */
void berth_busy_end_all(struct berth_manager *m);
/* The assignment has ended: its mark will not be needed again. */
void berth_busy_forget(struct berth_manager *m, int64_t id);

/*
 * Has a write of ours for it missed its deadline, and is the kernel still at it? Then nothing may be taken back, and no
 * outcome is known: the assignment stays as it is for whoever comes when the kernel has finished.
 */
bool berth_busy_is_left(struct berth_manager *m, int64_t id);

/* The marks of a VM's groups, for a supervisor that resets them; it has no manager open. */
struct berth_busy_guard {
	int fds[BERTH_BUSY_MAX]; /* owned */
	size_t nr;
	struct berth_slow_write slow;
};

/**
 * berth_busy_guard_begin() - mark assignments while the kernel is asked something about all of them
 * @host: its slow_write is ours until berth_busy_guard_end()
 *
 * A child left behind (base/child.h) keeps them marked: they are stuck until the kernel answers. One that somebody else has
 * marked stays his.
 */
void berth_busy_guard_begin(struct berth_busy_guard *guard, struct berth_host *host,
			    const int64_t *ids, size_t nr);
void berth_busy_guard_end(struct berth_busy_guard *guard, struct berth_host *host);

/* What is known of the work on an assignment. */
struct berth_busy_look {
	pid_t verb;    /* whose work it is; 0 not known. It may have ended */
	pid_t child;   /* the process that waits in the kernel; 0: no write is under way */
	int64_t since; /* of the write; seconds since 1970 */
	char value[64];
	char path[PATH_MAX]; /* below /sys */
	bool stuck;	     /* the write is overdue, or nobody is left to wait for it */
};

/* Return: true, somebody (not this manager) is at work on it; *ret is filled. */
bool berth_busy_look(struct berth_manager *m, int64_t id, struct berth_busy_look *ret);
/* The same for whoever works on nothing. */
bool berth_busy_look_at(const struct berth_host *host, int64_t id, struct berth_busy_look *ret);

/* Its verb was killed a moment ago, and the kernel is about to finish what it began? berth_busy_begin() waits for that. */
bool berth_busy_ends_soon(const struct berth_busy_look *look);

/* "stuck since 12:03:11 UTC: writing "0000:01:00.0" to /sys/… (process 812)"; or who is at work. Returns @buf. */
#define BERTH_BUSY_WORDS 320
char *berth_busy_words(const struct berth_busy_look *look, char buf[static BERTH_BUSY_WORDS]);

/* Processes that have nodes of the assignment's functions open: "Xorg (900, /dev/dri/card0), …"; "" none seen. */
void berth_busy_holders(struct berth_manager *m, const struct berth_assignment *a, char *buf,
			size_t size);

#endif
