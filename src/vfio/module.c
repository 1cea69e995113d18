/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/module.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/host.h"

static const char *const places[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe" };

static const char *find_modprobe(void)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return NULL;
}

static void exec_modprobe(const char *path, const char *name, int out) __attribute__((noreturn));
static void exec_modprobe(const char *path, const char *name, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	dup2(out, 2);
	execl(path, path, "--", name, (char *)NULL);
	_exit(127);
}

/* What modprobe says, until it closes its stderr. Return: 0 or -ETIMEDOUT. */
static int collect(int fd, char *text, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec start, now;
	size_t len = 0;
	char drop[256];

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		char *to = len < size - 1 ? text + len : drop;
		size_t room = len < size - 1 ? size - 1 - len : sizeof(drop);
		long spent;
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		spent = (now.tv_sec - start.tv_sec) * 1000 +
			(now.tv_nsec - start.tv_nsec) / 1000000;
		if (spent >= BERTH_MODULE_DEADLINE_MS)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(BERTH_MODULE_DEADLINE_MS - spent)) <= 0)
			continue;
		n = read(fd, to, room);
		if (n <= 0)
			break;
		if (to != drop)
			len += (size_t)n;
	}
	text[len] = '\0';
	return 0;
}

/* The first line, for one sentence. */
static const char *first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
	return *text ? text : "no reason given";
}

static int load(const struct berth_host *host, const char *name, struct berth_err *err)
{
	const char *path = find_modprobe();
	int pipefd[2], status = 0, r;
	char said[256] = "";
	pid_t pid;

	if (!berth_host_is_real(host))
		return berth_err_set(err, -EPERM, "module %s: %s is not the running machine", name,
				     host->root);
	if (!path)
		return berth_err_set(
			err, -ENOENT,
			"module %s: this host has no modprobe; install kmod, or load the module yourself",
			name);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return berth_err_set(err, -errno, "module %s: pipe: %s", name, strerror(errno));
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(pipefd[0]);
		close(pipefd[1]);
		return berth_err_set(err, r, "module %s: fork: %s", name, strerror(-r));
	}
	if (pid == 0)
		exec_modprobe(path, name, pipefd[1]);
	close(pipefd[1]);
	r = collect(pipefd[0], said, sizeof(said));
	close(pipefd[0]);
	if (r == -ETIMEDOUT) {
		/* Loading may hang in the kernel, where no signal reaches: left behind, like a stuck sysfs write. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
		return berth_err_set(err, r, "module %s: modprobe did not end within %d s", name,
				     BERTH_MODULE_DEADLINE_MS / 1000);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return berth_err_set(err, -ENOEXEC, "module %s: %s", name, first_line(said));
	return 0;
}

int berth_module_load(const struct berth_host *host, const char *name, struct berth_err *err)
{
	int r = berth_failpoint_before("module", "load", err);

	if (r == 0)
		r = load(host, name, err);
	return r == 0 ? berth_failpoint_after("module", "load", err) : r;
}
