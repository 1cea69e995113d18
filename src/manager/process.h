/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes as holders of devices: who they are, whether they still live, which of them has a VFIO group open.
 * Source: proc_pid_stat(5), field 22; Linux Documentation/driver-api/vfio.rst.
 */
#ifndef BERTH_MANAGER_PROCESS_H
#define BERTH_MANAGER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct berth_host;

/* Clock ticks after boot at which @pid started: with it a pid names one process for ever. Return: 0; -ESRCH; -errno. */
int berth_process_start(const struct berth_host *host, pid_t pid, uint64_t *ret);

/* Is it the very process that was recorded, and not a zombie? Where that cannot be read: yes. */
bool berth_process_lives(const struct berth_host *host, pid_t pid, uint64_t start);

/* "qemu-system-x86", "?" when gone. Non-printing characters become '?'. Returns @buf. */
char *berth_process_name(const struct berth_host *host, pid_t pid, char buf[static 32]);

/**
 * berth_process_holding() - a process that has /dev/vfio/@group open, or the character device of a function in it
 * @except: not this one; 0: any
 *
 * Return: its pid; 0 none (that this user can see); -errno it cannot be found out, and may be anybody.
 */
pid_t berth_process_holding(const struct berth_host *host, int group, pid_t except);

#endif
