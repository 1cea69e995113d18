/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stable paths: where a function is plugged in, without bus numbers.
 *
 * Bus numbers are handed out again at every boot; adding a card or a firmware update moves them. What stays is the host
 * bridge, which firmware names, and the device and function numbers of the steps below it, which are wiring.
 */
#ifndef BERTH_VFIO_DEVPATH_H
#define BERTH_VFIO_DEVPATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"

struct berth_host;

#define BERTH_DEVPATH_MAX_DEPTH 32

/* Where sysfs keeps a function, taken apart. */
struct berth_devpath {
	char bridge[192]; /* directory of the host bridge below /sys: "devices/pci0000:00" */
	/* from the root bus down, the function itself last */
	struct berth_bdf steps[BERTH_DEVPATH_MAX_DEPTH];
	size_t nr_steps;
};

/* Pure: @link is the target of /sys/bus/pci/devices/BDF. Return: false when it is not of the kernel's form. */
bool berth_devpath_parse(const char *link, struct berth_devpath *ret);

/*
 * How firmware names a host bridge: ACPI "_HID:_UID" ("PNP0A08:00", a number as two hex digits), else the name of its
 * firmware node, else the kernel's "pciDDDD:BB". @bridge is berth_devpath.bridge.
 *
 * Return: 0; -errno one of them is there and cannot be read: no name rather than another one than yesterday's.
 */
int berth_devpath_bridge_name(const struct berth_host *host, const char *bridge, char *buf,
			      size_t size);

/* "PNP0A08:00/1c.0/00.0" into @buf. Return: false when it does not fit. */
bool berth_devpath_format(const struct berth_devpath *path, const char *bridge_name, char *buf,
			  size_t size);

#endif
