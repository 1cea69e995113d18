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

/* Is one of the process's descriptors the node @want or (when given) @want2? */
static bool has_open(int proc_fd, const char *pid, const char *want, const char *want2)
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
		found = strcmp(target, want) == 0 || (want2 && strcmp(target, want2) == 0);
	}
	closedir(dir);
	return found;
}

pid_t berth_process_holding(const struct berth_host *host, int group, const char *cdev,
			    pid_t except)
{
	char node[PATH_MAX], node2[PATH_MAX];
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
	snprintf(node, sizeof(node), "%s/dev/vfio/%d", host->root, group);
	snprintf(node2, sizeof(node2), "%s/dev/vfio/devices/%s", host->root, cdev ? cdev : "");
	while (!found && (e = readdir(dir))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && pid != except && has_open(fd, e->d_name, node, cdev ? node2 : NULL))
			found = pid;
	}
	closedir(dir);
	return found;
}
