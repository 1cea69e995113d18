/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One PCI function as libpci and sysfs describe it, before it is seen together with the others. For vfio/inventory.c.
 */
#ifndef BERTH_VFIO_FUNCTION_H
#define BERTH_VFIO_FUNCTION_H

#include "base/bdf.h"
#include "base/quiet.h"

struct berth_device;
struct berth_err;
struct berth_host;
struct berth_pcilib;

struct berth_function_reader {
	const struct berth_host *host; /* borrowed */
	struct berth_pcilib *lib;      /* borrowed */
	struct berth_quiet quiet;      /* whom not to ask what may hang */
	/* Nearly all functions hang on one host bridge: its name is read once. Start with "". */
	char last_bridge[192];
	char last_bridge_name[96];
};

/**
 * berth_function_read() - fill in a device, all but what needs the other functions: a VF's path and index, the verdict
 * @dev: zeroed; berth_function_done() also after an error
 *
 * Facts that others decide by (driver, place, group, override, VFs) are read or the call fails; what is there and cannot be
 * read is not taken for "no".
 *
 * Return: 0; -ENODEV the function went away; -ENOMEM; -EIO libpci gave up; -errno.
 */
int berth_function_read(struct berth_device *dev, struct berth_function_reader *rd,
			struct berth_bdf at, struct berth_err *err);
void berth_function_done(struct berth_device *dev);

#endif
