/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One changing verb at a time on a host: a lock on $BERTH_STATE/lock.
 *
 * The lock belongs to the open file, which the children that do the sysfs writes inherit. When a verb is killed while a
 * driver is being unbound, its child holds the lock until the kernel has finished: the next verb never looks at a device
 * that is still on the move. A verb that ends in order unlocks for all of them, so a stuck child blocks nobody after it.
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

/* Is a verb at work just now? False also when the lock cannot be looked at. */
bool berth_lock_is_held(const char *dir);

#endif
