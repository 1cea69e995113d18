/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define POLL_MS 20

/* mkdir -p: each missing folder with 0755, the last one with 0700. */
static int make_dir(const char *dir)
{
	char path[PATH_MAX];

	if (strlen(dir) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, dir);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_lock(const char *dir, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* flock(2) has no deadline of its own. Return: 0; -EBUSY; -errno. */
static int wait_for(int fd, unsigned int deadline_ms)
{
	for (unsigned int waited = 0;; waited += POLL_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= deadline_ms)
			return -EBUSY;
		sleep_ms(POLL_MS);
	}
}

static long read_pid(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

int berth_lock_take(struct berth_lock *lock, const char *dir, unsigned int deadline_ms,
		    struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	int r = make_dir(dir);

	if (r == 0)
		r = fd = open_lock(dir, O_RDWR | O_CREAT);
	if (r < 0)
		return berth_err_set(err, r, "%s/lock: %s", dir, strerror(-r));
	r = wait_for(fd, deadline_ms);
	if (r == -EBUSY)
		return berth_err_set(err, r,
				     "another berth (process %ld) has been changing this host for "
				     "more than %u s; wait for it, or see what it waits for",
				     read_pid(fd), deadline_ms / 1000);
	if (r < 0)
		return berth_err_set(err, r, "locking %s/lock: %s", dir, strerror(-r));
	/* For the sentence above only: a short or failed write is no reason to stop. */
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%ld\n", (long)getpid());
	lock->fd = BERTH_TAKE_FD(fd);
	return 0;
}

void berth_lock_drop(struct berth_lock *lock)
{
	if (lock->fd < 0)
		return;
	flock(lock->fd, LOCK_UN);
	close(lock->fd);
	lock->fd = -1;
}

void berth_lock_pause(struct berth_lock *lock)
{
	if (lock->fd >= 0)
		flock(lock->fd, LOCK_UN);
}

int berth_lock_resume(struct berth_lock *lock, unsigned int deadline_ms)
{
	return lock->fd < 0 ? 0 : wait_for(lock->fd, deadline_ms);
}

bool berth_lock_is_held(const char *dir)
{
	BERTH_CLEANUP(berth_closep) int fd = open_lock(dir, O_RDONLY);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
