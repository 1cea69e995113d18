/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inventory as policy sees it: one berth_facts for each device, in the same order, with everything they point to.
 */
#ifndef BERTH_MANAGER_FACTS_H
#define BERTH_MANAGER_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "policy/facts.h"

struct berth_device;
struct berth_err;
struct berth_host;
struct berth_inventory;
struct berth_fact_text; /* opaque: the texts made for one device */

struct berth_fact_sheet {
	struct berth_facts *items; /* owned; items[i] is about inv->devices[i] */
	size_t nr;
	struct berth_fact_text *texts;	   /* owned; as many */
	const struct berth_inventory *inv; /* borrowed: texts point into it */
};

/**
 * berth_facts_build() - the facts of all devices
 * @host: for the network interfaces they have now
 * @inv: must outlive the sheet
 * @vpd: read serial.vpd too: a second or more with some cards, so only for a policy that asks (berth_policy_asks())
 * @ret: owned by the caller, berth_fact_sheet_free()
 *
 * berth_facts.state is NULL: the caller, who has the ledger, fills it in.
 *
 * Return: 0; -ENOMEM.
 */
int berth_facts_build(struct berth_fact_sheet **ret, const struct berth_host *host,
		      const struct berth_inventory *inv, bool vpd, struct berth_err *err);
void berth_fact_sheet_free(struct berth_fact_sheet *sheet);
BERTH_DEFINE_CLEANUP(struct berth_fact_sheet *, berth_fact_sheet_free);

/* The facts about @dev, which must be a device of the sheet's inventory. Borrowed. */
const struct berth_facts *berth_facts_of(const struct berth_fact_sheet *sheet,
					 const struct berth_device *dev);

#endif
