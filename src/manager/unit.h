/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What moves together: an IOMMU group with its functions, and of these the ones that were asked for.
 *
 * The members of a unit are the group's functions except bridges, which stay with pcieport. A function without a group makes
 * a unit of its own, with group -1: safety refuses it, but can name it.
 */
#ifndef BERTH_MANAGER_UNIT_H
#define BERTH_MANAGER_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "vfio/inventory.h"

struct berth_err;

struct berth_unit_member {
	const struct berth_device *dev; /* borrowed from the inventory */
	bool asked;			/* named in the request */
	size_t asked_as;		/* if so: the first of the functions asked for that it is */
	bool companion; /* not asked for, but a function of a slot that was: comes along as a matter of course */
};

struct berth_unit {
	int group;
	/*
	 * How the ledger calls the group. Group numbers change from boot to boot, so it is the stable path of the first
	 * member, and how many more there are: "PNP0A08:00/01.0/00.0+1".
	 */
	char *key;    /* owned */
	char *parent; /* owned; key of the PF's group when the unit is a VF, or NULL */
	struct berth_unit_member *members; /* owned; by BDF */
	size_t nr;
};

struct berth_units {
	struct berth_unit *items; /* owned; in the order in which they were asked for */
	size_t nr;
};

/**
 * berth_units_build() - the groups of some functions
 * @asked: borrowed from @inv, which the result borrows from, too
 *
 * Return: 0; BERTH_REFUSED a bridge was asked for; -ENOMEM.
 */
int berth_units_build(const struct berth_inventory *inv, const struct berth_device *const *asked,
		      size_t nr, struct berth_units *ret, struct berth_err *err);
void berth_units_done(struct berth_units *units);

/* The key of one group of @inv (a function's own, when @dev has none). Owned by the caller; NULL: out of memory. */
char *berth_unit_key(const struct berth_inventory *inv, const struct berth_device *dev);

/* "group 14", or "no IOMMU group". Returns @buf. */
char *berth_unit_words(const struct berth_unit *unit, char buf[static 32]);

#endif
