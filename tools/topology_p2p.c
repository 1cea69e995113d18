/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/topology_p2p.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/p2p_path.h"
#include "tools/out.h"
#include "tools/out_view.h"

static const struct berth_out_col cols[] = {
	{ "from", NULL, BERTH_OUT_STRING, 0 },
	{ "to", NULL, BERTH_OUT_STRING, 0 },
	{ "path", NULL, BERTH_OUT_STRING, 0 },
	{ "reason", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

/* One device with the storage that its facts borrow. */
struct end {
	struct berth_p2p_end facts;
	struct berth_isolation_step steps[BERTH_DEVPATH_MAX_DEPTH];
	char root[128];
};

static void fill(struct end *e, const struct berth_inventory *inv, const struct berth_device *dev)
{
	snprintf(e->root, sizeof(e->root), "%.*s", (int)strcspn(dev->path, "/"), dev->path);
	e->facts = (struct berth_p2p_end){
		.at = dev->bdf,
		.group = dev->iommu_group,
		.root = e->root,
		.acs = dev->caps.acs,
		.acs_ctrl = dev->caps.acs_ctrl,
		.steps = e->steps,
		.nr_steps = berth_inventory_steps(inv, dev, e->steps),
	};
}

static int fill_named(struct end *ends, size_t *nr, const struct berth_inventory *inv,
		      char *const *names, struct berth_err *err)
{
	for (; *names; names++) {
		const struct berth_device *dev;
		int r = berth_inventory_resolve(inv, *names, &dev, err);

		if (r == BERTH_ABSENT)
			r = berth_err_set(err, -ENODEV, "there is no device %s", *names);
		if (r < 0)
			return r;
		fill(&ends[(*nr)++], inv, dev);
	}
	return 0;
}

static void add_pair(struct berth_out *out, const struct end *from, const struct end *to)
{
	struct berth_out_row *row = berth_out_add(out, NULL);
	char reason[BERTH_P2P_REASON];
	enum berth_p2p_path path = berth_p2p_judge(&from->facts, &to->facts, reason);

	berth_out_str(row, "from", BERTH_BDF_STR(from->facts.at));
	berth_out_str(row, "to", BERTH_BDF_STR(to->facts.at));
	berth_out_str(row, "path", berth_p2p_path_name(path));
	berth_out_str(row, "reason", reason);
}

int berth_topology_p2p(const struct berth_out_view *view, char *const *names, bool json,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	BERTH_CLEANUP(berth_freep) struct end *ends = NULL;
	const struct berth_inventory *inv = view->inv;
	size_t nr = 0, nr_names = 0;
	int r;

	while (names[nr_names])
		nr_names++;
	ends = calloc(nr_names + inv->nr + 1, sizeof(*ends));
	if (!ends)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = fill_named(ends, &nr, inv, names, err);
	for (size_t i = 0; r == 0 && !nr_names && i < inv->nr; i++)
		if (berth_device_is_worth_passing(inv, &inv->devices[i]))
			fill(&ends[nr++], inv, &inv->devices[i]);
	if (r == 0)
		r = berth_out_new(&out, "p2p", cols, BERTH_ARRAY_SIZE(cols),
				  json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, err);
	for (size_t i = 0; r == 0 && i < nr; i++)
		for (size_t k = 0; k < nr; k++)
			if (!berth_bdf_eq(ends[i].facts.at, ends[k].facts.at))
				add_pair(out, &ends[i], &ends[k]);
	return r == 0 ? berth_out_print(out, stdout, err) : r;
}
