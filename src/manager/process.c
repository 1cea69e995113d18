/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/process.h"

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

/* State letter and start time. The name in field 2 may hold anything, blanks and ')' too: fields count from its last ')'. */
static int read_stat(const struct berth_host *host, pid_t pid, char *ret_state, uint64_t *ret_start)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[32], *p, *save;
	int r;

	if (pid <= 0 || host->proc_fd < 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	r = berth_read_file(host->proc_fd, path, 8192, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p = strrchr(text, ')');
	if (!p)
		return -EINVAL;
	p = strtok_r(p + 1, " ", &save);
	if (!p)
		return -EINVAL;
	*ret_state = *p; /* field 3 */
	for (int field = 4; p && field <= 22; field++)
		p = strtok_r(NULL, " ", &save);
	if (!p)
		return -EINVAL;
	*ret_start = strtoull(p, NULL, 10);
	return 0;
}

int berth_process_start(const struct berth_host *host, pid_t pid, uint64_t *ret)
{
	char state;

	return read_stat(host, pid, &state, ret);
}

bool berth_process_lives(const struct berth_host *host, pid_t pid, uint64_t start)
{
	uint64_t now;
	char state;

	return read_stat(host, pid, &state, &now) == 0 && now == start && state != 'Z' &&
	       state != 'X';
}

char *berth_process_name(const struct berth_host *host, pid_t pid, char buf[static 32])
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[32];

	snprintf(path, sizeof(path), "%d/comm", (int)pid);
	if (host->proc_fd < 0 || berth_read_file(host->proc_fd, path, 256, &text, NULL) < 0) {
		strcpy(buf, "?");
		return buf;
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(buf, 32, "%.31s", text);
	for (char *p = buf; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return buf;
}

/* The device nodes through which a group can be held. One string each; NULL-terminated. */
#define MAX_NODES 256

static void free_nodes(char **nodes)
{
	for (size_t i = 0; nodes[i]; i++)
		free(nodes[i]);
}

static void find_nodes(const struct berth_host *host, int group, char *nodes[static MAX_NODES + 1])
{
	BERTH_CLEANUP(berth_freep) char **functions = NULL;
	size_t nr = 0;

	memset(nodes, 0, (MAX_NODES + 1) * sizeof(*nodes));
	if (asprintf(&nodes[nr], "%s/dev/vfio/%d", host->root, group) > 0)
		nr++;
	if (berth_sysfs_list(host, &functions, NULL, "kernel/iommu_groups/%d/devices", group) < 0)
		return;
	for (char **f = functions; *f; f++) {
		BERTH_CLEANUP(berth_freep) char **cdevs = NULL;

		if (berth_sysfs_list(host, &cdevs, NULL, "bus/pci/devices/%s/vfio-dev", *f) < 0)
			continue;
		for (char **c = cdevs; *c && nr < MAX_NODES; c++)
			if (asprintf(&nodes[nr], "%s/dev/vfio/devices/%s", host->root, *c) > 0)
				nr++;
	}
	nodes[nr] = NULL;
}

static bool is_one_of(const char *target, char *const *nodes)
{
	for (; *nodes; nodes++)
		if (strcmp(target, *nodes) == 0)
			return true;
	return false;
}

/* Is one of the process's descriptors one of @nodes? */
static bool has_open(int proc_fd, const char *pid, char *const *nodes)
{
	char path[32 + NAME_MAX], target[PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		berth_closep(&fd);
		return false;
	}
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(fd, e->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		found = is_one_of(target, nodes);
	}
	closedir(dir);
	return found;
}

pid_t berth_process_holding(const struct berth_host *host, int group, pid_t except)
{
	char *nodes[MAX_NODES + 1];
	struct dirent *e;
	pid_t found = 0;
	DIR *dir;
	int fd;

	fd = host->proc_fd < 0 ? -1 :
				 openat(host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		berth_closep(&fd);
		return 0;
	}
	find_nodes(host, group, nodes);
	while (!found && (e = readdir(dir))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && pid != except && has_open(fd, e->d_name, nodes))
			found = pid;
	}
	closedir(dir);
	free_nodes(nodes);
	return found;
}
