/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/host.h"

/* Format a path into @path (PATH_MAX bytes). Return: 0, -ENAMETOOLONG, -ENOENT when the host has no /sys. */
static int make_path(const struct berth_host *host, char *path, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
static int make_path(const struct berth_host *host, char *path, const char *fmt, va_list ap)
{
	int n = vsnprintf(path, PATH_MAX, fmt, ap);

	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	return host->sys_fd < 0 ? -ENOENT : 0;
}

static int read_at(const struct berth_host *host, char *buf, size_t size, const char *path)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	ssize_t n;

	buf[0] = '\0';
	fd = openat(host->sys_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = berth_read_all(fd, buf, size - 1);
	if (n < 0) {
		buf[0] = '\0';
		return (int)n;
	}
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (int)n;
}

int berth_sysfs_read(const struct berth_host *host, char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r < 0) {
		buf[0] = '\0';
		return r;
	}
	return read_at(host, buf, size, path);
}

int berth_sysfs_read_u64(const struct berth_host *host, uint64_t *ret, const char *fmt, ...)
{
	char path[PATH_MAX], text[64], *end;
	unsigned long long value;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r >= 0)
		r = read_at(host, text, sizeof(text), path);
	if (r < 0)
		return r;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno)
		return -errno;
	if (*end)
		return -EINVAL;
	*ret = value;
	return 0;
}

int berth_sysfs_read_i64(const struct berth_host *host, int64_t *ret, const char *fmt, ...)
{
	char path[PATH_MAX], text[64], *end;
	long long value;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r >= 0)
		r = read_at(host, text, sizeof(text), path);
	if (r < 0)
		return r;
	errno = 0;
	value = strtoll(text, &end, 0);
	if (errno)
		return -errno;
	if (*end || end == text)
		return -EINVAL;
	*ret = value;
	return 0;
}

int berth_sysfs_link_name(const struct berth_host *host, char *buf, size_t size, const char *fmt,
			  ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	va_list ap;
	ssize_t n;
	int r;

	buf[0] = '\0';
	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r < 0)
		return r;
	n = readlinkat(host->sys_fd, path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, name);
	return (int)strlen(name);
}

bool berth_sysfs_exists(const struct berth_host *host, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	return r >= 0 && faccessat(host->sys_fd, path, F_OK, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names as one block "a\0b\0…", grown as needed. */
struct names {
	char *text; /* owned */
	size_t len, size, nr;
};

static int names_add(struct names *names, const char *name)
{
	size_t need = strlen(name) + 1;

	if (names->size - names->len < need) {
		size_t size = 2 * names->size + need + 256;
		char *bigger = realloc(names->text, size);

		if (!bigger)
			return -ENOMEM;
		names->text = bigger;
		names->size = size;
	}
	memcpy(names->text + names->len, name, need);
	names->len += need;
	names->nr++;
	return 0;
}

/* One allocation: the vector, then the text it points into. */
static int names_to_vector(const struct names *names, char ***ret)
{
	size_t head = (names->nr + 1) * sizeof(char *);
	char **vector = malloc(head + names->len);
	char *p;

	if (!vector)
		return -ENOMEM;
	p = (char *)vector + head;
	if (names->len)
		memcpy(p, names->text, names->len);
	for (size_t i = 0; i < names->nr; i++) {
		vector[i] = p;
		p += strlen(p) + 1;
	}
	vector[names->nr] = NULL;
	qsort(vector, names->nr, sizeof(*vector), by_name);
	*ret = vector;
	return 0;
}

int berth_sysfs_list(const struct berth_host *host, char ***ret, size_t *ret_nr, const char *fmt,
		     ...)
{
	struct names names = { 0 };
	char path[PATH_MAX];
	struct dirent *e;
	va_list ap;
	DIR *dir;
	int fd, r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r < 0)
		return r;
	fd = openat(host->sys_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (r = 0; r == 0 && (errno = 0, e = readdir(dir));) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = names_add(&names, e->d_name);
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	if (r == 0)
		r = names_to_vector(&names, ret);
	if (r == 0 && ret_nr)
		*ret_nr = names.nr;
	free(names.text);
	return r;
}

/* Write a number at the end of what is in @buf. Returns the new length; async-signal-safe. */
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

static void put_note(const struct berth_slow_write *slow, pid_t parent, const char *path,
		     const char *value)
{
	char line[PATH_MAX + 128];
	struct timespec now;
	size_t len = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	len = put_number(line, len, (unsigned long long)parent);
	len = put_number(line, len, (unsigned long long)getpid());
	len = put_number(line, len, (unsigned long long)now.tv_sec);
	len = put_text(line, len, len + 64, value, ' ');
	len = put_text(line, len, sizeof(line), path, '\n');
	/* For people and for judging how long it lasts: what cannot be written down is done all the same. */
	if (ftruncate(slow->note_fd, 0) == 0 && pwrite(slow->note_fd, line, len, 0) < 0)
		return;
}

/* The child's whole life: write, tell the parent how it went through @report_fd. Only async-signal-safe calls. */
static void write_in_child(const struct berth_host *host, const char *path, const char *value,
			   pid_t parent, int report_fd) __attribute__((noreturn));
static void write_in_child(const struct berth_host *host, const char *path, const char *value,
			   pid_t parent, int report_fd)
{
	const struct berth_slow_write *slow = host->slow_write;
	int fd, result;

	for (size_t i = 0; slow && i < slow->nr_drop; i++)
		close(slow->drop[i]);
	if (slow)
		put_note(slow, parent, path, value);
	fd = openat(host->sys_fd, path, O_WRONLY | O_CLOEXEC);
	result = fd < 0 ? errno : -berth_failpoint_before("sysfs-child", "write", NULL);
	if (result == 0 && write(fd, value, strlen(value)) < 0)
		result = errno;
	if (result == 0)
		result = -berth_failpoint_after("sysfs-child", "write", NULL);
	if (slow && ftruncate(slow->note_fd, 0) < 0)
		_exit(1);
	if (write(report_fd, &result, sizeof(result)) != (ssize_t)sizeof(result))
		_exit(1);
	_exit(0);
}

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

/* Wait for the child's report. Return: 0 … errno of the write, or -ETIMEDOUT, or -EIO when it died without a report. */
static int await_report(const struct berth_slow_write *slow, int fd, unsigned int deadline_ms)
{
	long long start = now_ms();
	bool told = false;
	int result, r = 0;

	if (slow && slow->waiting && deadline_ms > BERTH_SYSFS_SLOW_MS) {
		r = wait_readable(fd, start + BERTH_SYSFS_SLOW_MS);
		told = r == 0;
		if (told)
			slow->waiting(slow->data);
	}
	if (r == 0)
		r = wait_readable(fd, start + deadline_ms);
	if (told)
		slow->answered(slow->data);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	return berth_read_all(fd, &result, sizeof(result)) == (ssize_t)sizeof(result) ? result :
											-EIO;
}

/* @path is below /sys. Return: 0; -ETIMEDOUT; -errno. */
static int write_attribute(const struct berth_host *host, const char *path, const char *value,
			   unsigned int deadline_ms, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int report = -1;
	pid_t pid, self = getpid();
	int pipefd[2], r;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return berth_err_set(err, -errno, "/sys/%s: pipe: %s", path, strerror(errno));
	report = pipefd[0];
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(pipefd[1]);
		return berth_err_set(err, r, "/sys/%s: fork: %s", path, strerror(-r));
	}
	if (pid == 0)
		write_in_child(host, path, value, self, pipefd[1]);
	close(pipefd[1]);
	r = await_report(host->slow_write, report, deadline_ms);
	if (r == -ETIMEDOUT && host->slow_write)
		host->slow_write->left = pid;
	if (r == -ETIMEDOUT)
		return berth_err_set(
			err, r,
			"writing \"%s\" to /sys/%s: no answer from the kernel within %u ms; process %d waits for it",
			value, path, deadline_ms, (int)pid);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return berth_err_set(err, r, "writing \"%s\" to /sys/%s: %s", value, path,
				     strerror(-r));
	if (r > 0)
		return berth_err_set(err, -r, "writing \"%s\" to /sys/%s: %s", value, path,
				     strerror(r));
	return 0;
}

int berth_sysfs_write(const struct berth_host *host, const char *value, unsigned int deadline_ms,
		      struct berth_err *err, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = make_path(host, path, fmt, ap);
	va_end(ap);
	if (r < 0)
		return berth_err_set(err, r, "/sys/%s: %s", path, strerror(-r));
	r = berth_failpoint_before("sysfs", "write", err);
	if (r == 0)
		r = write_attribute(host, path, value, deadline_ms, err);
	return r == 0 ? berth_failpoint_after("sysfs", "write", err) : r;
}
