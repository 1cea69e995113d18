/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One changing verb at a time decides on a host: a lock on $BERTH_STATE/lock.
 *
 * It is held for looking and deciding, not for waiting: while the kernel takes its time over a write to one device, the verb
 * gives it up (berth_lock_pause()) and only that group stays marked (manager/busy.h). The children that do the writes do
 * not keep it. A write that belongs to no assignment (VF counts) is waited for with the lock held.
 */
#ifndef BERTH_MANAGER_LOCK_H
#define BERTH_MANAGER_LOCK_H

#include <stdbool.h>

struct berth_err;

struct berth_lock {
	int fd; /* owned, -1 when not held */
};

#define BERTH_LOCK_INIT                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/**
 * berth_lock_take() - wait for the lock
 * @dir: berth_host.state; created (mode 0700) when missing
 *
 * Return: 0; -EBUSY still held after @deadline_ms, the sentence names the process that wrote itself down; -EACCES; -errno.
 */
int berth_lock_take(struct berth_lock *lock, const char *dir, unsigned int deadline_ms,
		    struct berth_err *err);

/* Give it up, also in the name of children. Does nothing when not held. */
void berth_lock_drop(struct berth_lock *lock);

/*
 * Let others have it for a while; and take it back. Both do nothing when it is not held.
 * Return: 0; -EBUSY somebody else has kept it for @deadline_ms, -errno: it is not held any more.
 */
void berth_lock_pause(struct berth_lock *lock);
int berth_lock_resume(struct berth_lock *lock, unsigned int deadline_ms);

/* Is a verb at work just now? False also when the lock cannot be looked at. */
bool berth_lock_is_held(const char *dir);

#endif
