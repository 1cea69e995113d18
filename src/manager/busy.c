/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/busy"
#include "manager/busy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/quiet.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "vfio/holders.h"
#include "vfio/inventory.h"

/* Whoever only looks (berth_busy_look) holds the lock for a moment. */
#define LOOKERS_MS 200
#define POLL_MS	   5

/* How long to wait for the child of a verb that was killed: most unbinds take less. */
#define ORPHAN_MS      2000
#define ORPHAN_POLL_MS 20

static void sleep_ms(unsigned int ms)
{
	const struct timespec t = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&t, NULL);
}

static void path_of(const struct berth_host *host, int64_t id, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" BERTH_QUIET_DIR "/%" PRId64, host->state, id);
}

/* Return: the descriptor; -errno. */
static int open_mark(const struct berth_host *host, int64_t id)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR, host->state);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	path_of(host, id, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

/* Return: 0; -EWOULDBLOCK; -errno. */
static int lock_mark(int fd)
{
	for (unsigned int waited = 0;; waited += POLL_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || waited >= LOOKERS_MS)
			return -errno;
		sleep_ms(POLL_MS);
	}
}

static struct berth_busy_mark *find(struct berth_busy *b, int64_t id)
{
	for (size_t i = 0; i < b->nr; i++) {
		if (b->marks[i].id == id)
			return &b->marks[i];
	}
	return NULL;
}

/* --- what the writes do with it --- */

static void waiting(void *data)
{
	struct berth_manager *m = data;

	m->busy.paused = true;
	berth_lock_pause(&m->lock);
}

static void answered(void *data)
{
	struct berth_manager *m = data;

	/* Our own group stays ours by its mark; what the lock is for, deciding about others, is over for this verb. */
	if (berth_lock_resume(&m->lock, BERTH_MANAGER_LOCK_MS) < 0)
		log_warn("the host's lock was not to be had again, going on without");
}

/* The writes from now on are the mark's at @at. */
static void select_mark(struct berth_manager *m, size_t at)
{
	struct berth_busy *b = &m->busy;
	size_t nr = 0;

	if (m->lock.fd >= 0)
		b->drop[nr++] = m->lock.fd;
	for (size_t i = 0; i < b->nr; i++) {
		if (i != at)
			b->drop[nr++] = b->marks[i].fd;
	}
	b->now = at;
	b->slow = (struct berth_slow_write){ .note_fd = b->marks[at].fd,
					     .drop = b->drop,
					     .nr_drop = nr,
					     .waiting = waiting,
					     .answered = answered,
					     .data = m };
	m->host->slow_write = &b->slow;
}

/* Remember a child left behind with the mark that it belongs to. */
static void note_left(struct berth_manager *m)
{
	struct berth_busy *b = &m->busy;

	if (m->host->slow_write != &b->slow || !b->slow.left)
		return;
	b->marks[b->now].left = b->slow.left;
	b->slow.left = 0;
}

/* --- marking --- */

static int refuse(struct berth_manager *m, const struct berth_assignment *a, struct berth_err *err)
{
	struct berth_busy_look look = { 0 };
	char words[BERTH_BUSY_WORDS];

	berth_busy_look(m, a->id, &look);
	return berth_err_set(err, BERTH_REFUSED, "%s, owned by %s: %s",
			     a->nr_members ? a->members[0].bdf : a->group, a->vm,
			     berth_busy_words(&look, words));
}

bool berth_busy_ends_soon(const struct berth_busy_look *look)
{
	return look->child && look->stuck && time(NULL) - look->since <= ORPHAN_MS / 1000;
}

/* The verb is dead, its child is in the kernel, probably not for long. Others may have the lock meanwhile. */
static bool wait_for_orphan(struct berth_manager *m, int64_t id, int fd)
{
	struct berth_busy_look look;
	bool done = false;

	if (!berth_busy_look(m, id, &look) || !berth_busy_ends_soon(&look))
		return false;
	waiting(m);
	for (unsigned int waited = 0; waited < ORPHAN_MS && !done; waited += ORPHAN_POLL_MS) {
		sleep_ms(ORPHAN_POLL_MS);
		done = flock(fd, LOCK_EX | LOCK_NB) == 0;
	}
	answered(m);
	return done;
}

int berth_busy_begin(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_err *err)
{
	struct berth_busy_mark *mark = find(&m->busy, a->id);
	BERTH_CLEANUP(berth_closep) int fd = -1;
	int r;

	note_left(m);
	if (mark) {
		select_mark(m, (size_t)(mark - m->busy.marks));
		return 0;
	}
	if (m->busy.nr == BERTH_BUSY_MAX)
		return berth_err_set(err, -E2BIG, "more than %d groups at once", BERTH_BUSY_MAX);
	r = fd = open_mark(m->host, a->id);
	if (r >= 0)
		r = lock_mark(fd);
	if (r == -EWOULDBLOCK)
		r = wait_for_orphan(m, a->id, fd) ? 0 : refuse(m, a, err);
	if (r < 0)
		return berth_err_set(err, r, "%s/busy/%" PRId64 ": %s", m->host->state, a->id,
				     strerror(-r));
	if (r > 0)
		return r;
	m->busy.marks[m->busy.nr++] =
		(struct berth_busy_mark){ .id = a->id, .fd = BERTH_TAKE_FD(fd) };
	select_mark(m, m->busy.nr - 1);
	return 0;
}

void berth_busy_end(struct berth_manager *m, int64_t id)
{
	struct berth_busy_mark *mark = find(&m->busy, id);

	note_left(m);
	if (!mark)
		return;
	/* Closed, never unlocked: a child that still waits in the kernel keeps it. */
	close(mark->fd);
	*mark = m->busy.marks[--m->busy.nr];
	m->host->slow_write = NULL;
}

void berth_busy_end_all(struct berth_manager *m)
{
	while (m->busy.nr)
		berth_busy_end(m, m->busy.marks[0].id);
}

void berth_busy_forget(struct berth_manager *m, int64_t id)
{
	char path[PATH_MAX];

	path_of(m->host, id, path);
	unlink(path);
}

bool berth_busy_is_left(struct berth_manager *m, int64_t id)
{
	struct berth_busy_mark *mark = find(&m->busy, id);

	note_left(m);
	if (!mark || !mark->left)
		return false;
	if (waitpid(mark->left, NULL, WNOHANG) == 0)
		return true;
	mark->left = 0;
	return false;
}

/* --- without a manager --- */

void berth_busy_guard_begin(struct berth_busy_guard *guard, struct berth_host *host,
			    const int64_t *ids, size_t nr)
{
	*guard = (struct berth_busy_guard){ .slow = { .note_fd = -1 } };
	for (size_t i = 0; i < nr && guard->nr < BERTH_BUSY_MAX; i++) {
		int fd = open_mark(host, ids[i]);

		if (fd >= 0 && lock_mark(fd) == 0)
			guard->fds[guard->nr++] = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (!guard->nr)
		return;
	guard->slow.note_fd = guard->fds[0];
	guard->slow.also = guard->fds + 1;
	guard->slow.nr_also = guard->nr - 1;
	host->slow_write = &guard->slow;
}

void berth_busy_guard_end(struct berth_busy_guard *guard, struct berth_host *host)
{
	host->slow_write = NULL;
	while (guard->nr)
		close(guard->fds[--guard->nr]);
}

/* --- looking --- */

/* "PARENT CHILD SECONDS VALUE PATH" (base/sysfs.h). */
static void parse(const char *text, struct berth_busy_look *ret)
{
	int verb, child, n = 0;
	int64_t since;

	if (sscanf(text, "%d %d %" SCNd64 " %n", &verb, &child, &since, &n) != 3 || !n)
		return;
	ret->verb = verb;
	ret->child = child;
	ret->since = since;
	snprintf(ret->value, sizeof(ret->value), "%.*s", (int)strcspn(text + n, " "), text + n);
	text += n + strcspn(text + n, " ");
	text += *text == ' ';
	snprintf(ret->path, sizeof(ret->path), "%.*s", (int)strcspn(text, "\n"), text);
}

/* Pids are judged by existing alone: the lock says that somebody lives, and who else should it be. */
static bool lives(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

bool berth_busy_look_at(const struct berth_host *host, int64_t id, struct berth_busy_look *ret)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	char path[PATH_MAX], text[PATH_MAX + 128];
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	path_of(host, id, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return false;
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	parse(text, ret);
	ret->stuck = ret->child && (!lives(ret->verb) ||
				    time(NULL) - ret->since > BERTH_SYSFS_DEADLINE_MS / 1000);
	return true;
}

bool berth_busy_look(struct berth_manager *m, int64_t id, struct berth_busy_look *ret)
{
	return !find(&m->busy, id) && berth_busy_look_at(m->host, id, ret);
}

char *berth_busy_words(const struct berth_busy_look *look, char buf[static BERTH_BUSY_WORDS])
{
	time_t since = (time_t)look->since;
	const char *state;
	char when[24] = "?";
	struct tm tm;

	if (!look->child) {
		strcpy(buf, "another berth is at work on it");
		return buf;
	}
	if (gmtime_r(&since, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	state = look->stuck ? "stuck since " : "another berth is at work on it since ";
	if (*look->path == ':') /* in words already */
		snprintf(buf, BERTH_BUSY_WORDS, "%s%s: %.180s (process %d)", state, when,
			 look->path + 1, (int)look->child);
	else
		snprintf(buf, BERTH_BUSY_WORDS,
			 "%s%s: writing \"%.40s\" to /sys/%.120s (process %d)", state, when,
			 look->value, look->path, (int)look->child);
	return buf;
}

struct listing {
	const struct berth_assignment *a;
	const struct berth_inventory *inv;
	const struct berth_host *host;
	char *buf;
	size_t size, len;
};

static bool is_of(const struct listing *l, struct berth_bdf at)
{
	bool same;

	for (size_t i = 0; i < l->a->nr_members; i++) {
		const struct berth_device *dev =
			berth_owner_find_member(l->inv, &l->a->members[i], &same);

		if (dev && same && berth_bdf_eq(dev->bdf, at))
			return true;
	}
	return false;
}

static int add_holder(const struct berth_holder *h, void *data)
{
	struct listing *l = data;

	char name[32];

	if (is_of(l, h->at) && l->len < l->size)
		l->len += (size_t)snprintf(l->buf + l->len, l->size - l->len, "%s%s (%d, %s)",
					   l->len ? ", " : "",
					   berth_process_name(l->host, h->pid, name), (int)h->pid,
					   h->node);
	return 0;
}

void berth_busy_holders(struct berth_manager *m, const struct berth_assignment *a, char *buf,
			size_t size)
{
	struct listing l = { .a = a, .inv = m->inv, .host = m->host, .buf = buf, .size = size };

	buf[0] = '\0';
	berth_holders_scan(m->host, add_holder, &l);
}
