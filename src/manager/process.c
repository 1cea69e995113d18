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

	int r = read_stat(host, pid, &state, &now);

	/* Only a process that is certainly gone may lose its devices. */
	if (r < 0)
		return r != -ESRCH;
	return now == start && state != 'Z' && state != 'X';
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

/* Return: 0; -errno. */
static int find_cdevs(const struct berth_host *host, const char *function,
		      char *nodes[static MAX_NODES + 1], size_t *nr)
{
	BERTH_CLEANUP(berth_freep) char **cdevs = NULL;
	int r = berth_sysfs_list(host, &cdevs, NULL, "bus/pci/devices/%s/vfio-dev", function);

	if (r < 0)
		return berth_sysfs_is_absent(r) ? 0 : r;
	for (char **c = cdevs; *c && *nr < MAX_NODES; c++, (*nr)++) {
		if (asprintf(&nodes[*nr], "%s/dev/vfio/devices/%s", host->root, *c) < 0) {
			nodes[*nr] = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

static int find_nodes(const struct berth_host *host, int group, char *nodes[static MAX_NODES + 1])
{
	BERTH_CLEANUP(berth_freep) char **functions = NULL;
	size_t nr = 1;
	int r;

	memset(nodes, 0, (MAX_NODES + 1) * sizeof(*nodes));
	if (asprintf(&nodes[0], "%s/dev/vfio/%d", host->root, group) < 0) {
		nodes[0] = NULL;
		return -ENOMEM;
	}
	r = berth_sysfs_list(host, &functions, NULL, "kernel/iommu_groups/%d/devices", group);
	if (r < 0)
		return berth_sysfs_is_absent(r) ? 0 : r;
	for (char **f = functions; *f && r == 0; f++)
		r = find_cdevs(host, *f, nodes, &nr);
	return r;
}

static bool is_one_of(const char *target, char *const *nodes)
{
	for (; *nodes; nodes++)
		if (strcmp(target, *nodes) == 0)
			return true;
	return false;
}

/* It ended meanwhile, or is none of this user's business. */
static int not_ours(int error)
{
	return error == ENOENT || error == ESRCH || error == EACCES || error == EPERM ? 0 : -error;
}

/* Is one of the descriptors in @dir one of @nodes? Return: 1; 0; -errno. */
static int search(DIR *dir, char *const *nodes)
{
	char target[PATH_MAX];
	struct dirent *e;

	while ((errno = 0, e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n < 0 && errno != EINVAL && not_ours(errno)) /* EINVAL: "." and ".." */
			return -errno;
		if (n < 0)
			continue;
		target[n] = '\0';
		if (is_one_of(target, nodes))
			return 1;
	}
	return errno ? not_ours(errno) : 0;
}

/* Is one of the process's descriptors one of @nodes? Return: 1; 0; -errno. */
static int has_open(int proc_fd, const char *pid, char *const *nodes)
{
	char path[32 + NAME_MAX];
	DIR *dir;
	int fd, r;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return not_ours(errno);
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	r = search(dir, nodes);
	closedir(dir);
	return r;
}

/* The first process of @proc that holds one of @nodes. Return: its pid; 0; -errno. */
static pid_t find_holder(DIR *proc, char *const *nodes, pid_t except)
{
	struct dirent *e;

	while ((errno = 0, e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		int r = pid > 0 && pid != except ? has_open(dirfd(proc), e->d_name, nodes) : 0;

		if (r)
			return r < 0 ? r : pid;
	}
	return -errno;
}

pid_t berth_process_holding(const struct berth_host *host, int group, pid_t except)
{
	char *nodes[MAX_NODES + 1];
	pid_t found;
	DIR *dir;
	int fd;

	if (host->proc_fd < 0)
		return 0;
	fd = openat(host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		found = -errno;
		close(fd);
		return found;
	}
	found = find_nodes(host, group, nodes);
	if (found == 0)
		found = find_holder(dir, nodes, except);
	closedir(dir);
	free_nodes(nodes);
	return found;
}
