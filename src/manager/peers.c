/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/peers.h"

#include <string.h>

#include "base/err.h"
#include "manager/owner.h"
#include "manager/unit.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

static const struct berth_device *parent_of(const struct berth_inventory *inv,
					    const struct berth_device *dev)
{
	return dev->has_parent ? berth_inventory_find(inv, dev->parent) : NULL;
}

static bool same_parent(const struct berth_device *a, const struct berth_device *b)
{
	return a->has_parent && b->has_parent && berth_bdf_eq(a->parent, b->parent);
}

/* Is @dev, or something above it, another port beside @port? The steps are bounded by the depth of a tree of 256 buses. */
static bool below_sibling(const struct berth_inventory *inv, const struct berth_device *dev,
			  const struct berth_device *port)
{
	for (int depth = 0; dev && depth < 256; depth++, dev = parent_of(inv, dev)) {
		if (same_parent(dev, port))
			return dev != port;
	}
	return false;
}

bool berth_peers_reach(const struct berth_inventory *inv, const struct berth_device *from,
		       const struct berth_device *to)
{
	const struct berth_device *port = parent_of(inv, from);

	if (from->iommu_group < 0 || from->iommu_group == to->iommu_group)
		return false;
	/* A port that redirects is not in the group of what is below it: with its ACS, or by a quirk that the kernel knows. */
	for (int depth = 0; port && depth < 256 && port->iommu_group == from->iommu_group;
	     depth++, port = parent_of(inv, port)) {
		if (port->caps.type == BERTH_PCIE_DOWNSTREAM && below_sibling(inv, to, port))
			return true;
	}
	return false;
}

static bool asked_for(const struct berth_units *units, const struct berth_device *dev)
{
	for (size_t i = 0; i < units->nr; i++) {
		if (units->items[i].group == dev->iommu_group)
			return true;
	}
	return false;
}

/* Does anything keep @peer from being a neighbour of @vm's devices? @out: it can be reached, not only reach. */
static int check_peer(const struct berth_device *from, const struct berth_device *peer, bool out,
		      const struct berth_assignment_list *live, const char *vm,
		      struct berth_err *err)
{
	const struct berth_assignment *owner = berth_owner_of_device(live, peer);
	const char *bdf = BERTH_BDF_STR(peer->bdf);

	if (owner && strcmp(owner->vm, vm) != 0)
		return berth_err_set(
			err, BERTH_REFUSED,
			"PEER: %s can reach %s, which is owned by %s: both are below "
			"one switch without ACS, whose ports do not send everything up "
			"to the IOMMU",
			BERTH_BDF_STR(from->bdf), bdf, owner->vm);
	if (out && !owner && *peer->driver && strcmp(peer->driver, BERTH_BIND_VFIO) != 0)
		return berth_err_set(
			err, BERTH_REFUSED,
			"PEER: %s can reach %s, in use by the host with driver %s: both "
			"are below one switch without ACS, whose ports do not send "
			"everything up to the IOMMU; name %s too, or free it with "
			"'berth unbind %s'",
			BERTH_BDF_STR(from->bdf), bdf, peer->driver, bdf, bdf);
	return 0;
}

int berth_peers_require(const struct berth_inventory *inv, const struct berth_unit *unit,
			const struct berth_units *units, const struct berth_assignment_list *live,
			const char *vm, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < unit->nr; i++) {
		const struct berth_device *from = unit->members[i].dev;

		for (size_t j = 0; j < inv->nr && r == 0; j++) {
			const struct berth_device *peer = &inv->devices[j];

			bool out;

			if (berth_device_is_bridge(peer) || asked_for(units, peer))
				continue;
			out = berth_peers_reach(inv, from, peer);
			if (out || berth_peers_reach(inv, peer, from))
				r = check_peer(from, peer, out, live, vm, err);
		}
	}
	return r;
}
