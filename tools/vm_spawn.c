/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/control.h"

static char *beside_us(void)
{
	char self[4096], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash || asprintf(&path, "%.*s/berth-vmm", (int)(slash - self), self) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *find_program(void)
{
	const char *env = getenv("BERTH_VMM");
	char *path;

	if (env && *env)
		return strdup(env);
	path = beside_us();
	return path ? path : strdup(BERTH_LIBEXECDIR "/berth-vmm");
}

static int set_limits(const struct berth_vm_limits *limits)
{
	struct rlimit memlock = { limits->memlock, limits->memlock };
	struct rlimit nofile = { limits->nofile, limits->nofile };

	return setrlimit(RLIMIT_MEMLOCK, &memlock) < 0 || setrlimit(RLIMIT_NOFILE, &nofile) < 0 ?
		       -errno :
		       0;
}

/* 0 and 1 to nowhere, 2 and 3 as documented, the rest closed. @err_fd and @control may be any numbers from 0 up. */
static int arrange_descriptors(int err_fd, int control)
{
	int null;

	/* first out of the way of 0 … 3 */
	err_fd = fcntl(err_fd, F_DUPFD, 10);
	control = fcntl(control, F_DUPFD, 10);
	null = open("/dev/null", O_RDWR);
	if (err_fd < 0 || control < 0 || null < 0)
		return -errno;
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(err_fd, 2) < 0 ||
	    dup2(control, BERTH_VMM_CONTROL_FD) < 0)
		return -errno;
	return syscall(SYS_close_range, BERTH_VMM_CONTROL_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* In the child. Only system calls: it is a fork of a process that may have locks. Does not return. */
static void become_vmm(const char *path, const char *name, const struct berth_vm_limits *limits,
		       int err_fd, int control)
{
	char *const argv[] = { (char *)"berth-vmm", (char *)name, NULL };
	char *const environment[] = { NULL };
	struct berth_control msg = { .type = BERTH_CONTROL_ENDED, .outcome = BERTH_ENDED_FAILED };
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A session of its own: Ctrl-C at our terminal is ours to handle. */
	setsid();
	r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
	if (r == 0)
		r = set_limits(limits);
	if (r == 0)
		r = arrange_descriptors(err_fd, control);
	if (r == 0) {
		control = BERTH_VMM_CONTROL_FD;
		execve(path, argv, environment);
		r = -errno;
	}
	snprintf(msg.text, sizeof(msg.text), "start %s: %s", path, strerror(-r));
	berth_control_send(control, &msg);
	_exit(127);
}

static pid_t clone_with_pidfd(int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int berth_vm_spawn(struct berth_vm_process *ret, const char *name,
		   const struct berth_vm_limits *limits, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *path = find_program();
	int sock[2] = { -1, -1 }, pipes[2] = { -1, -1 }, r = 0;

	*ret = (struct berth_vm_process)BERTH_VM_PROCESS_INIT;
	if (!path)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (access(path, X_OK) < 0)
		return berth_err_set(err, -errno, "start %s: %s; is Berth installed as a whole?",
				     path, strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0 ||
	    pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		r = berth_err_set(err, -errno, "socket to berth-vmm: %s", strerror(errno));
	if (r == 0) {
		ret->pid = clone_with_pidfd(&ret->pidfd);
		if (ret->pid == 0)
			become_vmm(path, name, limits, pipes[1], sock[1]);
		if (ret->pid < 0)
			r = berth_err_set(err, -errno, "start %s: clone: %s", path,
					  strerror(errno));
	}
	if (r == 0) {
		ret->control_fd = BERTH_TAKE_FD(sock[0]);
		ret->stderr_fd = BERTH_TAKE_FD(pipes[0]);
	}
	for (int i = 0; i < 2; i++) {
		berth_closep(&sock[i]);
		berth_closep(&pipes[i]);
	}
	return r;
}

void berth_vm_process_kill(const struct berth_vm_process *p)
{
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

int berth_vm_process_allow(const struct berth_vm_process *p, uint64_t nofile, struct berth_err *err)
{
	struct rlimit limit = { nofile, nofile };

	return prlimit(p->pid, RLIMIT_NOFILE, &limit, NULL) < 0 ?
		       berth_err_set(err, -errno, "descriptors for berth-vmm: %s",
				     strerror(errno)) :
		       0;
}

void berth_vm_process_end(struct berth_vm_process *p, unsigned int ms)
{
	struct pollfd poll_for = { .fd = p->pidfd, .events = POLLIN };
	siginfo_t info;

	if (p->pid <= 0)
		return;
	berth_vm_process_kill(p);
	if (poll(&poll_for, 1, (int)ms) == 1)
		waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED);
	berth_vm_process_done(p);
}

void berth_vm_process_done(struct berth_vm_process *p)
{
	berth_closep(&p->pidfd);
	berth_closep(&p->control_fd);
	berth_closep(&p->stderr_fd);
	*p = (struct berth_vm_process)BERTH_VM_PROCESS_INIT;
}
