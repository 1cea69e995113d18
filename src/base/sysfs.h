/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing sysfs attributes below a host's /sys.
 *
 * Paths are printf formats relative to /sys ("bus/pci/devices/%s/class"). An attribute that is missing is a regular
 * answer (-ENOENT), so the readers take no berth_err; the writer does, because a failed write is somebody's error.
 */
#ifndef BERTH_BASE_SYSFS_H
#define BERTH_BASE_SYSFS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct berth_err;
struct berth_host;

/* How long a write to a driver may take before its device is called stuck. igb's unbind takes half a second. */
#define BERTH_SYSFS_DEADLINE_MS 10000

/**
 * berth_sysfs_read() - an attribute as text
 * @buf: gets the first @size - 1 bytes, without trailing newlines, NUL-terminated; "" on error
 *
 * Return: length of the text; -ENOENT, or another -errno.
 */
int berth_sysfs_read(const struct berth_host *host, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* An attribute that is one number, decimal or 0x…; Return: 0, -EINVAL not a number, -ERANGE, -errno. */
int berth_sysfs_read_u64(const struct berth_host *host, uint64_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for attributes that may be negative (numa_node: -1). */
int berth_sysfs_read_i64(const struct berth_host *host, int64_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Last component of a symbolic link's target ("…/driver" → "igb"). Return: length, -ENOENT, -errno. */
int berth_sysfs_link_name(const struct berth_host *host, char *buf, size_t size, const char *fmt,
			  ...) __attribute__((format(printf, 4, 5)));

/*
 * Does @r say that the attribute or its device is not there, which is an answer? Every other error (-EIO, -ENOMEM, -EINTR …)
 * says that nobody knows, and must not be taken for "no".
 */
static inline bool berth_sysfs_is_absent(int r)
{
	return r == -ENOENT || r == -ENODEV || r == -ENOTDIR;
}

bool berth_sysfs_exists(const struct berth_host *host, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * berth_sysfs_list() - the names in a directory, sorted, without "." and ".."
 * @ret: owned by the caller: one allocation, a NULL-terminated vector; free() it
 * @ret_nr: may be NULL
 *
 * Return: 0; -ENOENT; -errno.
 */
int berth_sysfs_list(const struct berth_host *host, char ***ret, size_t *ret_nr, const char *fmt,
		     ...) __attribute__((format(printf, 4, 5)));

/**
 * berth_sysfs_write() - write an attribute, in a child process with a deadline (base/child.h)
 *
 * Binding, unbinding, resetting and changing VF counts run driver code that can block for ever in the kernel; the child
 * takes that risk. A child that misses the deadline is left behind (it cannot be killed in D state) and the caller told.
 *
 * @value: written in one write(2), as is
 * @deadline_ms: usually BERTH_SYSFS_DEADLINE_MS
 *
 * Return: 0; -ETIMEDOUT the kernel did not answer in time; -errno as the kernel answered.
 */
int berth_sysfs_write(const struct berth_host *host, const char *value, unsigned int deadline_ms,
		      struct berth_err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
