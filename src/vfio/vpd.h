/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vital product data: the serial number that its maker wrote into a card (PCI Local Bus 3.0, appendix I; PCIe Base 6.0, 6.27).
 *
 * The device is asked for four bytes at a time and may take milliseconds for them, so no more is read than the answer needs.
 */
#ifndef BERTH_VFIO_VPD_H
#define BERTH_VFIO_VPD_H

#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"

struct berth_host;

#define BERTH_VPD_MAX 4096 /* bytes; what comes behind is not looked at */
#define BERTH_VPD_SERIAL_LEN                                                                       \
	65 /* with the NUL; a longer number is no answer, as half of one could be another's */

/**
 * berth_vpd_serial() - the SN keyword of the read-only part
 * @vpd: the first @len bytes, from address 0
 * @ret: gets the number without the blanks around it; "" on error
 *
 * Return: 0; -EAGAIN @len bytes do not tell, more would; -ENOENT there is none; -EBADMSG malformed, the checksum is wrong
 *         or missing, there are two numbers, or it is empty, too long or not printable.
 */
int berth_vpd_serial(const uint8_t *vpd, size_t len, char ret[static BERTH_VPD_SERIAL_LEN]);

/**
 * berth_vpd_read_serial() - the same of a device, from sysfs, whatever driver it has
 *
 * Return: 0; -ENOENT it has no VPD or no number in it; -EBADMSG as above, or it does not end within BERTH_VPD_MAX bytes;
 *         -EACCES only root may read it; -errno.
 */
int berth_vpd_read_serial(const struct berth_host *host, struct berth_bdf at,
			  char ret[static BERTH_VPD_SERIAL_LEN]);

#endif
