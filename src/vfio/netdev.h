/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing the network settings of virtual functions (vfio/vf_net.h) at the physical function's network
 * interface, through rtnetlink (linux/if_link.h, IFLA_VFINFO_LIST).
 *
 * rtnetlink runs driver code under one lock for the whole host, so every call here runs in a child with a deadline.
 */
#ifndef BERTH_VFIO_NETDEV_H
#define BERTH_VFIO_NETDEV_H

#include <net/if.h>

#include "base/bdf.h"
#include "vfio/vf_net.h"

struct berth_err;
struct berth_host;

/**
 * berth_netdev_of() - the network interface of a function, from sysfs
 *
 * With several (ports; in switchdev mode also one for each VF) the function's own first port.
 *
 * Return: 0; BERTH_ABSENT it has none: no driver, a driver that is no network driver, or vfio-pci (no sentence).
 */
int berth_netdev_of(const struct berth_host *host, struct berth_bdf at, char ret[static IFNAMSIZ]);

/**
 * berth_netdev_vf_read() - the settings of VF @index of @pf
 * @ret: has only the fields which the driver reports
 *
 * Return: 0; BERTH_ABSENT the PF has no network interface, or the interface no such VF (with a sentence);
 *         -ETIMEDOUT; -errno.
 */
int berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
			 struct berth_vf_net *ret, struct berth_err *err);

/**
 * berth_netdev_vf_apply() - set the fields in @want->has, one by one, then read back and compare
 *
 * A field that already has its value is not written. Drivers ignore some settings silently: what does not read back as
 * wanted is an error, too. On failure earlier fields stay changed: the caller holds the snapshot of
 * berth_netdev_vf_read(), and applying that is the undo.
 *
 * Return: 0; BERTH_ABSENT as above; -EINVAL a value no device can take; -EOPNOTSUPP the driver has no such setting;
 *         -EIO it did not read back; -ETIMEDOUT; -errno as the driver answered. The text names setting, VF and interface.
 */
int berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
			  const struct berth_vf_net *want, struct berth_err *err);

#endif
