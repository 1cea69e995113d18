/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a policy on this host: what its files cannot tell, because it takes the devices to see it.
 *
 * Nothing here stops a verb by itself: the decision (policy/decide.h) refuses what a conflict touches, and only that. An error
 * is what cannot have been meant, as both sides lose by it; a warning is what may be.
 */
#ifndef BERTH_POLICY_CONFLICT_H
#define BERTH_POLICY_CONFLICT_H

#include "policy/world.h"

/* A closed list; the names are stable. */
enum berth_conflict_code {
	BERTH_CONFLICT_EQUAL_WEIGHT, /* "EQUAL_WEIGHT" error: two rules of equal weight give a device to one VM and not to it */
	BERTH_CONFLICT_PINS_SPLIT_GROUP, /* "PINS_SPLIT_GROUP" error: pins give one IOMMU group to different VMs */
	BERTH_CONFLICT_TWO_TENANTS, /* "TWO_TENANTS" error: a VM belongs to both */
	BERTH_CONFLICT_OVER_RESERVED, /* "OVER_RESERVED" error: reserves that overlap in time want more than there is */
	BERTH_CONFLICT_TWO_POOLS,    /* "TWO_POOLS" warning: a device is in two pools */
	BERTH_CONFLICT_PF_AND_VFS,   /* "PF_AND_VFS" warning: rules give a PF and VFs of it */
	BERTH_CONFLICT_SHADOWED,     /* "SHADOWED" warning: heavier rules always decide instead */
	BERTH_CONFLICT_FITS_NOTHING, /* "FITS_NOTHING" warning: no device of this host fits */
	BERTH_CONFLICT_PROTECTED,    /* "PROTECTED" warning: a rule gives what is protected */
	BERTH_CONFLICT_MOVED, /* "MOVED" warning: the serial number of a device is elsewhere */
	BERTH_CONFLICT_LARGE_QUOTA, /* "LARGE_QUOTA" warning: it allows more than there is */
};

const char *berth_conflict_name(enum berth_conflict_code code);
bool berth_conflict_is_error(enum berth_conflict_code code);

struct berth_conflict {
	enum berth_conflict_code code;
	const struct berth_origin *origin; /* borrowed from the policy */
	const struct berth_origin *other;  /* the second place, or NULL */
	uint32_t device;		   /* the first that it is about; BERTH_WORLD_NONE: none */
	char text[512];			   /* "FILE:LINE:COLUMN: POINTER: sentence" */
};

struct berth_conflicts {
	struct berth_conflict *items; /* owned; errors first */
	size_t nr;
	bool more; /* there are more than BERTH_CONFLICTS_MAX */
};

#define BERTH_CONFLICTS_MAX 256

/**
 * berth_conflicts_find() - everything, as of the world's time
 * @ret: owned by the caller, berth_conflicts_done()
 *
 * VMs are many; they are stood for by the names that the policy mentions, and for each pattern by one that fits it.
 *
 * Return: 0; -ENOMEM.
 */
int berth_conflicts_find(struct berth_world *world, struct berth_conflicts *ret,
			 struct berth_err *err);
void berth_conflicts_done(struct berth_conflicts *conflicts);

#endif
