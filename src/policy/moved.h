/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of the policy that is no longer where its match looks, while its serial number is elsewhere on this host.
 *
 * For reports, and for whoever asks to have the policy changed. Nothing follows a device by itself.
 */
#ifndef BERTH_POLICY_MOVED_H
#define BERTH_POLICY_MOVED_H

#include "policy/rule.h"

struct berth_moved {
	size_t nr; /* devices that it may be now, but for their place; 0: it has not moved, or nobody can tell */
	size_t now; /* index of the first of them */
	/* borrowed from the policy */
	const char *attribute,
		*serial; /* what it was recognized by: "serial.vpd", "MT2012X04567" */
	const char *was; /* the one pci.path that the match asks for; NULL: it asks otherwise */
};

/**
 * berth_moved_find() - where is it now?
 * @entry: of a device
 * @facts: every device of the host
 *
 * It has moved when no device that @entry->match fits is what @entry->expect asks for, and others are all of that except
 * for attributes that tell a place (pci.path, pci.bdf, group.key …), a serial number among it that is given as one text
 * without wildcards. Functions of one card may share a number: of these it is the one with the same function number.
 */
void berth_moved_find(const struct berth_group_entry *entry, const struct berth_facts *facts,
		      size_t nr, struct berth_moved *ret);

#endif
