/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI functions beneath a block device or a network interface, through whatever is stacked on them: partitions, device
 * mapper, md, bcache and NVMe multipath; bonds, bridges, VLANs, MACVLANs, teams and Open vSwitch.
 */
#ifndef BERTH_VFIO_BENEATH_H
#define BERTH_VFIO_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"

struct berth_host;

#define BERTH_BENEATH_MAX   64 /* functions under one thing */
#define BERTH_BENEATH_DEPTH 12 /* stories of a stack */

struct berth_beneath {
	struct berth_bdf at[BERTH_BENEATH_MAX];
	size_t nr;
};

/*
 * The last PCI function in a sysfs device path ("…/0000:04:00.0/nvme/nvme0/nvme0n1" → 0000:04:00.0). Pure.
 * Return: false when there is none.
 */
bool berth_beneath_path(const char *path, struct berth_bdf *ret);

/**
 * berth_beneath_block() - functions that a block device lives on
 * @link: a link to it below /sys: "dev/block/259:2" or "class/block/nvme0n1p2"
 * @ret: added to, without duplicates; a device that lives on no PCI function (zram, a loop) adds nothing
 *
 * A loop device ends the search: what its file lies on is mounted, and found there.
 *
 * Return: 0; -ENOENT no such device; -E2BIG more than this can hold or follow; -errno.
 */
int berth_beneath_block(const struct berth_host *host, const char *link, struct berth_beneath *ret);

/* The same for the network interface @name. */
int berth_beneath_net(const struct berth_host *host, const char *name, struct berth_beneath *ret);

/* The function that a device of a class is part of: "class/drm/card0". Return: 0; -ENOENT none; -errno. */
int berth_beneath_class(const struct berth_host *host, const char *link, struct berth_bdf *ret);

#endif
