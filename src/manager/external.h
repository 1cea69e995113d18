/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else holds a device: libvirt, QEMU, DPDK, SPDK, driverctl, told by what the host shows of them. Looks only; what
 * others hold is never touched by any verb.
 */
#ifndef BERTH_MANAGER_EXTERNAL_H
#define BERTH_MANAGER_EXTERNAL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/bdf.h"

struct berth_host;

/**
 * berth_external_process() - what kind of program a process is, from its command line
 * @buf: "libvirt domain web1", "QEMU web1", "QEMU", "DPDK (file prefix vpp)", "DPDK", "SPDK"; "" not known
 *
 * libvirt starts QEMU with -name guest=NAME and a secret object of its own; DPDK's EAL takes --file-prefix and --huge-dir, and
 * maps files named rtemap_N. Command lines are the process's own words: shown, never believed.
 */
void berth_external_process(const struct berth_host *host, pid_t pid, char *buf, size_t size);

/* driverctl's word for the function ("/etc/driverctl.d"): the driver that it sets at every boot; "" none. */
void berth_external_driverctl(const struct berth_host *host, struct berth_bdf at, char *buf,
			      size_t size);

#endif
