/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/vpd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"

/* Resource tags (appendix I.1): a large one has the length in the next two bytes, a small one in its lowest three bits. */
enum {
	TAG_LARGE = 0x80,
	TAG_READ_ONLY = 0x90,
	TAG_END = 0x78, /* small; without its length */
	SMALL_LEN = 0x07,
};

#define CHUNK 256 /* bytes read before looking again: most cards tell within the first */

static int take_serial(const uint8_t *at, size_t len, char *ret)
{
	while (len && (at[len - 1] == ' ' || at[len - 1] == '\0'))
		len--;
	for (; len && *at == ' '; len--)
		at++;
	if (!len || len >= BERTH_VPD_SERIAL_LEN)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (at[i] < 0x20 || at[i] > 0x7e)
			return -EBADMSG;
	}
	memcpy(ret, at, len);
	ret[len] = '\0';
	return 0;
}

/* The sum of everything up to and with the first byte of RV is zero (appendix I.3.1.1). */
static bool sum_is_zero(const uint8_t *vpd, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + vpd[i]);
	return sum == 0;
}

/* The keywords of the read-only resource, all of which is there: two letters, a length, that many bytes. */
static int look_inside(const uint8_t *vpd, size_t at, size_t end, char *ret)
{
	bool found = false;

	while (end - at >= 3) {
		const uint8_t *key = vpd + at;
		size_t len = key[2];

		at += 3;
		if (len > end - at)
			return -EBADMSG;
		if (memcmp(key, "RV", 2) == 0) {
			if (!len || !sum_is_zero(vpd, at + 1))
				return -EBADMSG;
			return found ? 0 : -ENOENT;
		}
		if (memcmp(key, "SN", 2) == 0) {
			if (found || take_serial(vpd + at, len, ret) < 0)
				return -EBADMSG;
			found = true;
		}
		at += len;
	}
	return -EBADMSG;
}

static int find_serial(const uint8_t *vpd, size_t len, char *ret)
{
	size_t at = 0, size;

	while (at < len) {
		uint8_t tag = vpd[at++];

		if ((tag & ~SMALL_LEN) == TAG_END)
			return -ENOENT;
		/* what an empty memory reads as */
		if (tag == 0 || tag == 0xff)
			return -EBADMSG;
		if (!(tag & TAG_LARGE)) {
			at += tag & SMALL_LEN;
			continue;
		}
		if (len - at < 2)
			return -EAGAIN;
		size = (size_t)(vpd[at] | vpd[at + 1] << 8);
		at += 2;
		if (tag != TAG_READ_ONLY)
			at += size;
		else
			return size > len - at ? -EAGAIN : look_inside(vpd, at, at + size, ret);
	}
	return -EAGAIN;
}

int berth_vpd_serial(const uint8_t *vpd, size_t len, char ret[static BERTH_VPD_SERIAL_LEN])
{
	int r = find_serial(vpd, len, ret);

	if (r < 0)
		ret[0] = '\0';
	return r;
}

int berth_vpd_read_serial(const struct berth_host *host, struct berth_bdf at,
			  char ret[static BERTH_VPD_SERIAL_LEN])
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	uint8_t vpd[BERTH_VPD_MAX];
	char path[64];
	size_t len = 0;
	int r = -EAGAIN;

	ret[0] = '\0';
	snprintf(path, sizeof(path), "bus/pci/devices/%s/vpd", BERTH_BDF_STR(at));
	fd = openat(host->sys_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (r == -EAGAIN && len < sizeof(vpd)) {
		ssize_t n = berth_read_all(fd, vpd + len, CHUNK);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
		r = berth_vpd_serial(vpd, len, ret);
	}
	return r == -EAGAIN ? -EBADMSG : r;
}
