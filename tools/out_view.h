/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reading verbs look at: the inventory and who owns what, and the columns that several of them print.
 */
#ifndef BERTH_TOOLS_OUT_VIEW_H
#define BERTH_TOOLS_OUT_VIEW_H

#include "base/cleanup.h"
#include "base/json.h"
#include "policy/ledger.h"
#include "tools/out.h"
#include "vfio/inventory.h"

struct berth_err;
struct berth_host;

struct berth_out_view {
	struct berth_inventory *inv;	     /* owned */
	struct berth_assignment_list owners; /* owned; live ones */
	const struct berth_host *host;	     /* borrowed */
	bool people; /* rows are for people: where a device is external, "owner" is its holder */
	bool owners_hidden; /* the ledger is not readable for this user: owners are unknown */
};

/* Return: 0; -EACCES is no error: see owners_hidden; -errno with the words in @err. */
int berth_out_view_open(struct berth_out_view **ret, const struct berth_host *host,
			struct berth_err *err);
void berth_out_view_close(struct berth_out_view *view);
BERTH_DEFINE_CLEANUP(struct berth_out_view *, berth_out_view_close);

/* The live assignment that @dev is a member of, or NULL. Borrowed. */
const struct berth_assignment *berth_out_view_owner(const struct berth_out_view *view,
						    const struct berth_device *dev);

/*
 * The ledger's state of @dev, or "stuck"; else "external" (some process has its group open that did not get it from berth), or by
 * its driver: "host", "vfio" (bound, not by an assignment of ours), "none" (no driver).
 */
const char *berth_out_view_state(const struct berth_out_view *view, const struct berth_device *dev);

/* The columns of devices[] (docs: the JSON contract), plus some for -o; and a row of them. */
extern const struct berth_out_col berth_out_view_cols[];
extern const size_t berth_out_view_nr_cols;
void berth_out_view_set_row(struct berth_out_row *row, const struct berth_out_view *view,
			    const struct berth_device *dev);

/* Column "name" of any table, when it is printed: names are dear (vfio/inventory.h). */
void berth_out_view_set_name(struct berth_out_row *row, const struct berth_out_view *view,
			     const struct berth_device *dev);

/* The same facts as one JSON object with the keys of devices[]; new reference, NULL: out of memory. */
json_t *berth_out_view_json(const struct berth_out_view *view, const struct berth_device *dev);
/* Set @key to @text made printable, or to null for NULL and "". */
void berth_out_view_json_text(json_t *object, const char *key, const char *text);
/* Set @key to true, false, or null for unknown. */
void berth_out_view_json_tri(json_t *object, const char *key, enum berth_tri value);

/* One line on stderr when there is nothing to see, and why: no PCI bus, no IOMMU, not root. */
void berth_out_view_notes(const struct berth_out_view *view, const char *verb);

#endif
