/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sticks to a card besides the serial number of its configuration space (berth_caps_serial()).
 */
#ifndef BERTH_VFIO_SERIALS_H
#define BERTH_VFIO_SERIALS_H

#include "base/bdf.h"
#include "vfio/vpd.h"

struct berth_device;
struct berth_host;

#define BERTH_SERIALS_MAC_LEN  18 /* of "02:00:5e:00:53:01"; other links have other addresses */
#define BERTH_SERIALS_NVME_LEN 64 /* 20 characters are used (NVMe Base 2.0, Identify Controller) */

/* "": not known, which the driver that the device has now may be the reason for. */
struct berth_serials {
	char vpd[BERTH_VPD_SERIAL_LEN]; /* only looked for when asked, and without a berth_caps_serial() */
	/* while the nvme driver has it, and what was kept (vfio/kept.h) when it was taken from that */
	char nvme[BERTH_SERIALS_NVME_LEN];
	/* burnt in; while there is an interface that has it, and what was kept; not of VFs */
	char mac[BERTH_SERIALS_MAC_LEN];
};

/**
 * berth_serials_keep() - before @at is taken from its driver: keep what only that can read
 *
 * What cannot be kept is not known until a host driver has the device again.
 */
void berth_serials_keep(const struct berth_host *host, struct berth_bdf at);

/* Reads what it can; every error is "not known". @vpd: also what some cards take a second for. */
void berth_serials_read(struct berth_serials *ret, const struct berth_host *host,
			const struct berth_device *dev, bool vpd);

#endif
