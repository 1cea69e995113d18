/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"

/* --- the child --- */

/* Write a number at the end of what is in @buf. Returns the new length. */
static size_t put_number(char *buf, size_t len, unsigned long long n)
{
	char digits[24];
	size_t nr = 0;

	do
		digits[nr++] = (char)('0' + n % 10);
	while (n /= 10);
	while (nr)
		buf[len++] = digits[--nr];
	buf[len++] = ' ';
	return len;
}

/* As much of @text as fits; lines end it. */
static size_t put_text(char *buf, size_t len, size_t size, const char *text, char end)
{
	for (; *text && *text != '\n' && len < size - 1; text++)
		buf[len++] = *text;
	buf[len++] = end;
	return len;
}

/* For people and for judging how long it lasts: what cannot be written down is done all the same. */
static void put_line(int fd, const char *line, size_t len)
{
	if (ftruncate(fd, 0) == 0 && pwrite(fd, line, len, 0) < 0)
		return;
}

static void put_note(const struct berth_slow_write *slow, pid_t parent,
		     const struct berth_child_work *work)
{
	char line[PATH_MAX + 128];
	struct timespec now;
	size_t len = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	len = put_number(line, len, (unsigned long long)parent);
	len = put_number(line, len, (unsigned long long)getpid());
	len = put_number(line, len, (unsigned long long)now.tv_sec);
	len = put_text(line, len, len + 64, work->value, ' ');
	len = put_text(line, len, sizeof(line), work->path, '\n');
	put_line(slow->note_fd, line, len);
	for (size_t i = 0; i < slow->nr_also; i++)
		put_line(slow->also[i], line, len);
}

/* Return: 0; -errno. */
static int drop_note(const struct berth_slow_write *slow)
{
	for (size_t i = 0; i < slow->nr_also; i++) {
		if (ftruncate(slow->also[i], 0) < 0)
			return -errno;
	}
	return ftruncate(slow->note_fd, 0) < 0 ? -errno : 0;
}

static bool is_in(const int *fds, size_t nr, int fd)
{
	for (size_t i = 0; i < nr; i++) {
		if (fds[i] == fd)
			return true;
	}
	return false;
}

static int highest_of(const int *fds, size_t nr, int highest)
{
	for (size_t i = 0; i < nr; i++)
		highest = fds[i] > highest ? fds[i] : highest;
	return highest;
}

/* Close all that @work does not need. */
static void keep_only(const struct berth_slow_write *slow, const struct berth_child_work *work,
		      int report_fd)
{
	const int own[] = { report_fd, slow ? slow->note_fd : -1 };
	const int *also = slow ? slow->also : NULL;
	size_t nr_also = slow ? slow->nr_also : 0;
	int highest = highest_of(own, 2, STDERR_FILENO);

	highest = highest_of(also, nr_also, highest_of(work->keep, work->nr_keep, highest));
	for (int fd = STDERR_FILENO + 1; fd <= highest; fd++) {
		if (!is_in(own, 2, fd) && !is_in(also, nr_also, fd) &&
		    !is_in(work->keep, work->nr_keep, fd))
			close(fd);
	}
	close_range((unsigned int)highest + 1, ~0u, 0);
}

/* A stuck child holds on to what it has: locks, sockets, and with its output whoever reads that. */
static void let_go(const struct berth_slow_write *slow, const struct berth_child_work *work,
		   int report_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; slow && i < slow->nr_drop; i++)
		close(slow->drop[i]);
	if (null > STDERR_FILENO) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (work->keep)
		keep_only(slow, work, report_fd);
}

/* The child's whole life: work, tell the parent how it went through @report_fd. */
static void live(const struct berth_slow_write *slow, const struct berth_child_work *work,
		 pid_t parent, int report_fd) __attribute__((noreturn));
static void live(const struct berth_slow_write *slow, const struct berth_child_work *work,
		 pid_t parent, int report_fd)
{
	int result;

	let_go(slow, work, report_fd);
	if (slow)
		put_note(slow, parent, work);
	result = work->run(work->data);
	if (slow && drop_note(slow) < 0)
		_exit(1);
	if (berth_write_all(report_fd, &result, sizeof(result)) < 0 ||
	    (work->size && berth_write_all(report_fd, work->result, work->size) < 0))
		_exit(1);
	_exit(0);
}

/* --- the parent --- */

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Return: 1 there is something to read; 0 the deadline has passed; -errno. */
static int wait_readable(int fd, long long end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		long long left = end - now_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n >= 0)
			return n > 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Return: 1 the child has an answer, or is dead; 0 the deadline has passed; -errno. */
static int await(const struct berth_slow_write *slow, int fd, unsigned int deadline_ms)
{
	long long start = now_ms();
	bool told = false;
	int r = 0;

	if (slow && slow->waiting && deadline_ms > BERTH_CHILD_SLOW_MS) {
		r = wait_readable(fd, start + BERTH_CHILD_SLOW_MS);
		told = r == 0;
		if (told)
			slow->waiting(slow->data);
	}
	if (r == 0)
		r = wait_readable(fd, start + deadline_ms);
	if (told)
		slow->answered(slow->data);
	return r;
}

/* What run() returned, and its result. A child that died in between has told nothing. */
static int read_report(const struct berth_child_work *work, int fd)
{
	int r;

	if (berth_read_all(fd, &r, sizeof(r)) != (ssize_t)sizeof(r) ||
	    (work->size && berth_read_all(fd, work->result, work->size) != (ssize_t)work->size))
		return -EIO;
	return r;
}

int berth_child_run(const struct berth_host *host, const struct berth_child_work *work,
		    unsigned int deadline_ms, pid_t *ret_left)
{
	struct berth_slow_write *slow = host->slow_write;
	BERTH_CLEANUP(berth_closep) int report = -1;
	pid_t pid, self = getpid();
	int pipefd[2], r;

	*ret_left = 0;
	assert(work->size <= BERTH_CHILD_RESULT);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	report = pipefd[0];
	pid = fork();
	if (pid == 0)
		live(slow, work, self, pipefd[1]);
	r = pid < 0 ? -errno : 0;
	close(pipefd[1]);
	if (r < 0)
		return r;
	r = await(slow, report, deadline_ms);
	if (r == 0) {
		*ret_left = pid;
		if (slow)
			slow->left = pid;
		return -ETIMEDOUT;
	}
	if (r > 0)
		r = read_report(work, report);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
