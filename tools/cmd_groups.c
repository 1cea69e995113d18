/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth groups: IOMMU groups and their members, as a tree. */
#include <getopt.h>
#include <stdio.h>

#include "iommu/group.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/out_view.h"

static const char help[] =
	"Usage: berth groups [--json]\n\n"
	"IOMMU groups with their members. A group is what can be owned apart from everything else:\n"
	"assigning one member takes all of them that are not bridges.\n\n"
	"      --json   {\"groups\":[{\"group\":1,\"type\":…,\"reserved\":…,\"children\":[…]}]}; the\n"
	"               children are its devices\n\n"
	"RESERVED  direct: firmware keeps doing DMA here, so the group cannot be assigned\n";

static const struct berth_out_col cols[] = {
	{ "group", NULL, BERTH_OUT_NUMBER, BERTH_OUT_TREE },
	{ "bdf", NULL, BERTH_OUT_STRING, 0 },
	{ "type", NULL, BERTH_OUT_STRING, 0 },
	{ "reserved", NULL, BERTH_OUT_STRING, 0 },
	{ "driver", NULL, BERTH_OUT_STRING, 0 },
	{ "isolation", NULL, BERTH_OUT_STRING, 0 },
	{ "state", NULL, BERTH_OUT_STRING, 0 },
	{ "owner", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, BERTH_OUT_TRUNC },
};

/* The one kind of region that says something about assignment, first; "msi" is everywhere and is left out. */
static const char *reserved_word(const struct berth_group *g)
{
	static const char *const words[] = { "direct", "direct-relaxable", "reserved" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(words); i++) {
		if (berth_group_resv_of_type(g, words[i]))
			return words[i];
	}
	return NULL;
}

static void add_member(struct berth_out *out, struct berth_out_row *parent,
		       const struct berth_view *view, const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_view_owner(view, dev);
	struct berth_out_row *row = berth_out_add(out, parent);

	berth_out_num(row, "group", dev->iommu_group);
	berth_out_str(row, "bdf", BERTH_BDF_STR(dev->bdf));
	berth_out_str(row, "driver", *dev->driver ? dev->driver : NULL);
	berth_out_str(row, "isolation", berth_isolation_name(dev->isolation));
	berth_out_str(row, "state", berth_view_state(view, dev));
	berth_out_str(row, "owner", a ? a->vm : NULL);
	berth_out_str(row, "name", dev->name);
}

static int add_group(struct berth_out *out, const struct berth_view *view,
		     const struct berth_host *host, int id, struct berth_err *err)
{
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;
	struct berth_out_row *row;
	int r = berth_group_read(&g, host, id, err);

	if (r < 0)
		return r;
	row = berth_out_add(out, NULL);
	berth_out_num(row, "group", id);
	berth_out_str(row, "type", g->noiommu ? "no-iommu" : *g->type ? g->type : NULL);
	berth_out_str(row, "reserved", reserved_word(g));
	for (size_t i = 0; i < g->nr_members; i++) {
		const struct berth_device *dev = berth_inventory_find(view->inv, g->members[i]);

		if (dev)
			add_member(out, row, view, dev);
	}
	return 0;
}

static int print(const struct berth_cmd *cmd, const struct berth_host *host,
		 enum berth_out_mode mode)
{
	BERTH_CLEANUP(berth_view_closep) struct berth_view *view = NULL;
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	BERTH_CLEANUP(berth_freep) int *ids = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	size_t nr = 0;
	int r;

	r = berth_view_open(&view, host, &err);
	if (r == 0)
		r = berth_out_new(&out, "groups", cols, BERTH_ARRAY_SIZE(cols), mode, &err);
	if (r == 0 && (r = berth_group_list(host, &ids, &nr)) < 0)
		berth_err_set(&err, r, "listing IOMMU groups failed");
	for (size_t i = 0; r == 0 && i < nr; i++)
		r = add_group(out, view, host, ids[i], &err);
	if (r == 0) {
		berth_view_notes(view, cmd->name);
		r = berth_out_print(out, stdout, &err);
	}
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	enum berth_out_mode mode = BERTH_OUT_TABLE;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		mode = BERTH_OUT_JSON;
	}
	if (optind < argc)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind]);
	return print(cmd, host, mode);
}

const struct berth_cmd berth_cmd_groups = {
	.name = "groups",
	.summary = "IOMMU groups and their members",
	.help = help,
	.run = run,
};
