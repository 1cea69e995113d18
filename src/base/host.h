/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host that a verb works on: where /sys, /proc and /dev are, and where Berth keeps its own files.
 *
 * Everything below opens paths relative to the directory fds in here, never by absolute path, so that a captured tree
 * (tests/data/…) can stand in for a machine. Immutable after berth_host_open() but for slow_write; may be shared by threads
 * while that is NULL.
 */
#ifndef BERTH_BASE_HOST_H
#define BERTH_BASE_HOST_H

#include <stdbool.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_slow_write;

struct berth_host {
	char *root; /* owned; "" for the real machine, else the directory that holds sys/, proc/ and dev/ */
	int sys_fd;    /* owned; root/sys, -1 when there is none */
	int proc_fd;   /* owned; root/proc, -1 when there is none */
	int dev_fd;    /* owned; root/dev, -1 when there is none */
	char *lib;     /* owned; what packages bring, /usr/lib/berth (PREFIX/lib/berth) */
	char *etc;     /* owned; configuration, /etc/berth */
	char *state;   /* owned; the ledger, /var/lib/berth */
	char *run;     /* owned; sockets and locks of running VMs, /run/berth */
	char *boot_id; /* owned; /proc/sys/kernel/random/boot_id, "" when unreadable */
	/* borrowed; who hears of slow work (base/child.h), or NULL */
	struct berth_slow_write *slow_write;
};

/**
 * berth_host_open() - open the directories of a host
 * @root: NULL for $BERTH_ROOT, which is for tests and normally unset: the real machine. A captured tree reads like a
 *        host; verbs that change a host refuse to work on one (berth_host_is_real()).
 *
 * The files of Berth itself are at $BERTH_LIB, $BERTH_ETC, $BERTH_STATE and $BERTH_RUN, with the defaults named above; they are not
 * created here and not below @root.
 *
 * Return: 0; -ENOMEM; -ENOTDIR or -ENOENT when @root is not a directory; -errno one of the three folders or the boot id
 * is there and cannot be read.
 */
int berth_host_open(struct berth_host **ret, const char *root, struct berth_err *err);
void berth_host_close(struct berth_host *host);
BERTH_DEFINE_CLEANUP(struct berth_host *, berth_host_close);

bool berth_host_is_real(const struct berth_host *host);

#endif
