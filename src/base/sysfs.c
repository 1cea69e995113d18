/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
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

/* What a child writes, and where. */
struct job {
	const struct berth_host *host;
	const char *path, *value;
};

/* In the child; only async-signal-safe calls. */
static int write_in_child(void *data)
{
	const struct job *job = data;
	int fd = openat(job->host->sys_fd, job->path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : berth_failpoint_before("sysfs-child", "write", NULL);

	if (r == 0 && write(fd, job->value, strlen(job->value)) < 0)
		r = -errno;
	return r == 0 ? berth_failpoint_after("sysfs-child", "write", NULL) : r;
}

/* @path is below /sys. Return: 0; -ETIMEDOUT; -errno. */
static int write_attribute(const struct berth_host *host, const char *path, const char *value,
			   unsigned int deadline_ms, struct berth_err *err)
{
	struct job job = { host, path, value };
	const struct berth_child_work work = {
		.value = value, .path = path, .run = write_in_child, .data = &job
	};
	pid_t left;
	int r = berth_child_run(host, &work, deadline_ms, &left);

	if (left)
		return berth_err_set(
			err, r,
			"writing \"%s\" to /sys/%s: no answer from the kernel within %u ms; process %d waits for it",
			value, path, deadline_ms, (int)left);
	return r < 0 ? berth_err_set(err, r, "writing \"%s\" to /sys/%s: %s", value, path,
				     strerror(-r)) :
		       0;
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
