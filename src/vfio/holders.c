/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "vfio/beneath.h"

/* Device nodes by folder or name, and the class in sysfs where their function is found. */
static const struct {
	const char *prefix;
	const char *class;
	bool hard;
} kinds[] = {
	{ "/dev/dri/", "drm", true },
	{ "/dev/accel/", "accel", true },
	{ "/dev/infiniband/", "infiniband_verbs", true },
	{ "/dev/snd/", "sound", false },
	{ "/dev/video", "video4linux", false },
};

/* The NVIDIA driver keeps its own list: /proc/driver/nvidia/gpus/BDF/information, "Device Minor: 0". */
static int nvidia_function(const struct berth_host *host, const char *minor, struct berth_bdf *ret)
{
	BERTH_CLEANUP(berth_closep) int fd =
		openat(host->proc_fd, "driver/nvidia/gpus", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = -ENOENT;
	struct dirent *e;
	DIR *dir;

	if (fd < 0 || !(dir = fdopendir(fd)))
		return -ENOENT;
	BERTH_TAKE_FD(fd);
	while (r != 0 && (e = readdir(dir))) {
		BERTH_CLEANUP(berth_freep) char *text = NULL;
		char path[300];
		const char *at;

		snprintf(path, sizeof(path), "%s/information", e->d_name);
		if (berth_read_file(dirfd(dir), path, 64 * 1024, &text, NULL) < 0)
			continue;
		at = strstr(text, "Device Minor:");
		if (at && atoi(at + 13) == atoi(minor) && berth_bdf_parse(e->d_name, ret) == 0)
			r = 0;
	}
	closedir(dir);
	return r;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int one_function(int r, struct berth_bdf at, struct berth_beneath *ret)
{
	if (r == 0)
		ret->at[ret->nr++] = at;
	return r;
}

/* The functions behind the node of @holder, and how hard it holds them. Return: 0; -ENOENT no PCI function's; -errno. */
static int place_node(const struct berth_host *host, struct berth_holder *holder,
		      struct berth_beneath *ret)
{
	const char *node = holder->node, *name = strrchr(node, '/') + 1;
	struct berth_bdf at = { 0 };
	char link[128];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(kinds); i++) {
		if (strncmp(node, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		holder->hard = kinds[i].hard;
		snprintf(link, sizeof(link), "class/%s/%s", kinds[i].class, name);
		return one_function(berth_beneath_class(host, link, &at), at, ret);
	}
	holder->hard = true;
	if (strncmp(node, "/dev/nvidia", 11) == 0 && is_number(node + 11))
		return one_function(nvidia_function(host, node + 11, &at), at, ret);
	/* Not by its path alone: an NVMe namespace with multipath lies below no controller. */
	snprintf(link, sizeof(link), "class/block/%s", name);
	return berth_beneath_block(host, link, ret);
}

static void read_comm(int proc, struct berth_holder *holder)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;

	holder->comm[0] = '\0';
	if (berth_read_file(proc, "comm", 256, &text, NULL) < 0)
		return;
	snprintf(holder->comm, sizeof(holder->comm), "%.*s", (int)strcspn(text, "\n"), text);
}

/* @proc: /proc/PID */
static int scan_process(const struct berth_host *host, int proc, pid_t pid,
			int (*take)(const struct berth_holder *holder, void *data), void *data)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int r = 0;
	DIR *dir;

	/* Not ours to see, or gone. */
	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		struct berth_holder holder = { .pid = pid };
		struct berth_beneath under = { 0 };
		ssize_t n = readlinkat(fd, e->d_name, holder.node, sizeof(holder.node) - 1);

		if (n < 0 || strncmp(holder.node, "/dev/", 5) != 0 ||
		    place_node(host, &holder, &under) < 0)
			continue;
		read_comm(proc, &holder);
		for (size_t i = 0; i < under.nr && r == 0; i++) {
			holder.at = under.at[i];
			r = take(&holder, data);
		}
	}
	closedir(dir);
	return r;
}

int berth_holders_scan(const struct berth_host *host,
		       int (*take)(const struct berth_holder *holder, void *data), void *data)
{
	int fd = openat(host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int r = 0;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		BERTH_CLEANUP(berth_closep) int proc = -1;

		if (!is_number(e->d_name))
			continue;
		proc = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (proc >= 0)
			r = scan_process(host, proc, (pid_t)atoi(e->d_name), take, data);
	}
	closedir(dir);
	return r;
}
