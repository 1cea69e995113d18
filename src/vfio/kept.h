/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial numbers that only a host driver can read, kept for the time in which the device has another driver.
 *
 * $BERTH_RUN/.serials/BDF, one small text for each device, holds for one boot and for one device object of the kernel: the inode of
 * its folder in sysfs is in the text, and another card in the same slot is another object with another inode (fs/kernfs
 * counts them up). What does not fit is not known, which for policy is never the same as fitting.
 */
#ifndef BERTH_VFIO_KEPT_H
#define BERTH_VFIO_KEPT_H

#include "base/bdf.h"

struct berth_host;
struct berth_serials;

/* Replaces what was kept of @at. Only nvme and mac. Return: 0; -errno, and what was kept before is there or not. */
int berth_kept_put(const struct berth_host *host, struct berth_bdf at,
		   const struct berth_serials *serials);

/* Fills nvme and mac of @serials where they are "" and something was kept of this very device object. */
void berth_kept_get(const struct berth_host *host, struct berth_bdf at,
		    struct berth_serials *serials);

#endif
