/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"
#include "vfio/serials.h"

#define FOLDER	 ".serials" /* no VM's: their names do not start with a dot */
#define TEXT_MAX 512

/* The first line: what the rest is about. */
static int make_head(const struct berth_host *host, struct berth_bdf at, char *buf, size_t size)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "bus/pci/devices/%s", BERTH_BDF_STR(at));
	if (fstatat(host->sys_fd, path, &st, 0) < 0)
		return -errno;
	snprintf(buf, size, "%s %jx %ju\n", host->boot_id, (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return 0;
}

static int open_folder(const struct berth_host *host)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" FOLDER, host->run) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if ((mkdir(host->run, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0755) < 0 && errno != EEXIST))
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Written beside, so that who reads meanwhile sees the old text or the new one. */
static int replace(int folder, const char *name, const char *text)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	char next[BERTH_BDF_LEN + 8];
	int r;

	snprintf(next, sizeof(next), "%s.new", name);
	fd = openat(folder, next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = berth_write_all(fd, text, strlen(text));
	if (r == 0 && renameat(folder, next, folder, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, next, 0);
	return r;
}

int berth_kept_put(const struct berth_host *host, struct berth_bdf at,
		   const struct berth_serials *serials)
{
	BERTH_CLEANUP(berth_closep) int folder = -1;
	char head[128], text[TEXT_MAX];
	int r = make_head(host, at, head, sizeof(head));

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s%s\n%s\n", head, serials->nvme, serials->mac);
	folder = open_folder(host);
	return folder < 0 ? folder : replace(folder, BERTH_BDF_STR(at), text);
}

/* Takes the line at *@at, which then is the next one. False: there is none, or it is too long for @buf. */
static bool take_line(const char **at, char *buf, size_t size)
{
	const char *end = strchr(*at, '\n');
	size_t len = end ? (size_t)(end - *at) : size;

	if (len >= size)
		return false;
	memcpy(buf, *at, len);
	buf[len] = '\0';
	*at = end + 1;
	return true;
}

void berth_kept_get(const struct berth_host *host, struct berth_bdf at,
		    struct berth_serials *serials)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[PATH_MAX], head[128];
	struct berth_serials kept;
	const char *line;

	if (snprintf(path, sizeof(path), "%s/" FOLDER "/%s", host->run, BERTH_BDF_STR(at)) >=
		    (int)sizeof(path) ||
	    berth_read_file(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0 ||
	    make_head(host, at, head, sizeof(head)) < 0 || strncmp(text, head, strlen(head)) != 0)
		return;
	line = text + strlen(head);
	if (!take_line(&line, kept.nvme, sizeof(kept.nvme)) ||
	    !take_line(&line, kept.mac, sizeof(kept.mac)))
		return;
	if (!*serials->nvme)
		memcpy(serials->nvme, kept.nvme, sizeof(kept.nvme));
	if (!*serials->mac)
		memcpy(serials->mac, kept.mac, sizeof(kept.mac));
}
