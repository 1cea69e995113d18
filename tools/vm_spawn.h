/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting berth-vmm: a process of its own session and pid namespace, with nothing of ours but one socket and one pipe.
 */
#ifndef BERTH_TOOLS_VM_SPAWN_H
#define BERTH_TOOLS_VM_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

struct berth_err;

/* Descriptors of berth-vmm at its start: 0 and 1 are /dev/null, 2 is a pipe to us. */
#define BERTH_VMM_CONTROL_FD 3

struct berth_vm_process {
	pid_t pid;
	int pidfd;	/* owned */
	int control_fd; /* owned; SOCK_SEQPACKET, the other end is its descriptor 3 */
	int stderr_fd;	/* owned; what it says in distress */
};

#define BERTH_VM_PROCESS_INIT                                                                      \
	{                                                                                          \
		.pid = 0, .pidfd = -1, .control_fd = -1, .stderr_fd = -1                           \
	}

struct berth_vm_limits {
	uint64_t memlock; /* bytes that it may pin */
	uint64_t nofile;  /* descriptors */
};

/**
 * berth_vm_spawn() - fork and exec
 * @name: of the VM; shown by ps
 *
 * The program is $BERTH_VMM, else `berth-vmm` beside our own program file, else the installed one. It gets an empty
 * environment, our limits, and SIGKILL when we die.
 *
 * Return: 0; -ENOENT no such program; -errno. That exec failed is found out by the first receive on control_fd.
 */
int berth_vm_spawn(struct berth_vm_process *ret, const char *name,
		   const struct berth_vm_limits *limits, struct berth_err *err);

/* Let it have @nofile descriptors, of which we hand over more. Return: 0; -errno. */
int berth_vm_process_allow(const struct berth_vm_process *p, uint64_t nofile,
			   struct berth_err *err);

/* SIGKILL; the process is still to be waited for. */
void berth_vm_process_kill(const struct berth_vm_process *p);

/* SIGKILL, and wait for it, @ms at most: the kernel frees its memory. For one that never had anything of ours. */
void berth_vm_process_end(struct berth_vm_process *p, unsigned int ms);

/* Close what is owned; the process must have been waited for. */
void berth_vm_process_done(struct berth_vm_process *p);

#endif
