/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sticks to a card besides the serial number of its configuration space (berth_caps_serial()).
 */
#ifndef BERTH_VFIO_SERIALS_H
#define BERTH_VFIO_SERIALS_H

#include "vfio/vpd.h"

struct berth_device;
struct berth_host;

#define BERTH_SERIALS_MAC_LEN  18 /* of "02:00:5e:00:53:01"; other links have other addresses */
#define BERTH_SERIALS_NVME_LEN 64 /* 20 characters are used (NVMe Base 2.0, Identify Controller) */

/* "": not known, which the driver that the device has now may be the reason for. */
struct berth_serials {
	char vpd[BERTH_VPD_SERIAL_LEN]; /* only looked for when asked, and without a berth_caps_serial() */
	char nvme[BERTH_SERIALS_NVME_LEN]; /* while the nvme driver has it */
	char mac[BERTH_SERIALS_MAC_LEN]; /* burnt in; while there is an interface that has it; not of VFs */
};

/* Reads what it can; every error is "not known". @vpd: also what some cards take a second for. */
void berth_serials_read(struct berth_serials *ret, const struct berth_host *host,
			const struct berth_device *dev, bool vpd);

#endif
