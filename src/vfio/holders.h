/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes have device nodes of PCI functions open: /proc/PID/fd, read.
 */
#ifndef BERTH_VFIO_HOLDERS_H
#define BERTH_VFIO_HOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bdf.h"

struct berth_host;

struct berth_holder {
	struct berth_bdf at;
	pid_t pid;
	char comm[32]; /* the process's name; as untrusted as any */
	char node[64]; /* "/dev/dri/card0" */
	bool hard; /* unbinding the driver under it hangs or breaks the process: GPU, accelerator, RDMA, disk */
};

/**
 * berth_holders_scan() - call @take for every open node of a PCI function
 *
 * Knows /dev/dri, /dev/nvidia, /dev/accel, /dev/infiniband, /dev/snd, /dev/video and block devices. Processes of other users
 * are invisible without root; processes that end while they are looked at are passed over.
 *
 * Return: 0; -errno; or what @take returned when not 0, which ends the scan.
 */
int berth_holders_scan(const struct berth_host *host,
		       int (*take)(const struct berth_holder *holder, void *data), void *data);

#endif
