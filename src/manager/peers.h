/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbours below a switch that does not redirect: a device can reach their BARs without passing the IOMMU, although the
 * kernel puts each port of the switch into a group of its own.
 *
 * A downstream port without ACS is in the group of what hangs below it. The kernel looks no further; but what is not sent up
 * by that port may go down another port of the same switch (PCIe Base 6.0, 6.12.1.1). So these neighbours belong together as
 * the members of one group do: to one VM, or to nobody.
 */
#ifndef BERTH_MANAGER_PEERS_H
#define BERTH_MANAGER_PEERS_H

#include <stdbool.h>
#include <stddef.h>

struct berth_assignment_list;
struct berth_device;
struct berth_err;
struct berth_inventory;
struct berth_unit;
struct berth_units;

/* Can @from reach @to past the IOMMU, below a switch? False for members of one group: that is the group's affair. */
bool berth_peers_reach(const struct berth_inventory *inv, const struct berth_device *from,
		       const struct berth_device *to);

/**
 * berth_peers_require() - may @unit go to @vm, as far as its neighbours are concerned?
 * @units: all that is asked for together
 * @live: who owns what
 *
 * Return: 0; BERTH_REFUSED a neighbour works for the host, or belongs to somebody else; it and its driver or owner are named.
 */
int berth_peers_require(const struct berth_inventory *inv, const struct berth_unit *unit,
			const struct berth_units *units, const struct berth_assignment_list *live,
			const char *vm, struct berth_err *err);

#endif
