/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth groups: IOMMU groups and their members, as a tree. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/group.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/out_view.h"

static const char help[] =
	"Usage: berth groups [--json]\n\n"
	"IOMMU groups with their members. A group is what can be owned apart from everything else:\n"
	"assigning one member takes all of them that are not bridges.\n\n"
	"      --json   {\"groups\":[{\"group\":1,\"type\":…,\"reserved\":[…],\"devices\":[…]}]}; devices as\n"
	"               in 'berth list --json'\n\n"
	"RESERVED  direct: firmware keeps doing DMA here, so the group cannot be assigned\n";

static const struct berth_out_col cols[] = {
	{ "group", NULL, BERTH_OUT_STRING, BERTH_OUT_TREE }, /* its number, or a member's BDF */
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
		       const struct berth_out_view *view, const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	struct berth_out_row *row = berth_out_add(out, parent);

	berth_out_str(row, "group", BERTH_BDF_STR(dev->bdf));
	berth_out_str(row, "driver", *dev->driver ? dev->driver : NULL);
	berth_out_str(row, "isolation", berth_isolation_name(dev->isolation));
	berth_out_str(row, "state", berth_out_view_state(view, dev));
	berth_out_str(row, "owner", a ? a->vm : NULL);
	berth_out_view_set_name(row, view, dev);
}

static void add_group(struct berth_out *out, const struct berth_out_view *view,
		      const struct berth_group *g)
{
	struct berth_out_row *row = berth_out_add(out, NULL);

	berth_out_fmt(row, "group", "%d", g->id);
	berth_out_str(row, "type", g->noiommu ? "no-iommu" : *g->type ? g->type : NULL);
	berth_out_str(row, "reserved", reserved_word(g));
	for (size_t i = 0; i < g->nr_members; i++) {
		const struct berth_device *dev = berth_inventory_find(view->inv, g->members[i]);

		if (dev)
			add_member(out, row, view, dev);
	}
}

static json_t *group_json(const struct berth_out_view *view, const struct berth_group *g)
{
	json_t *o = json_object(), *reserved = json_array(), *devices = json_array();

	json_object_set_new(o, "group", json_integer(g->id));
	berth_out_view_json_text(o, "type", g->noiommu ? "no-iommu" : g->type);
	json_object_set_new(o, "reserved", reserved);
	for (size_t i = 0; i < g->nr_resv; i++) {
		json_t *r = json_object();

		json_object_set_new(r, "start",
				    json_sprintf("0x%llx", (unsigned long long)g->resv[i].start));
		json_object_set_new(r, "last",
				    json_sprintf("0x%llx", (unsigned long long)g->resv[i].last));
		berth_out_view_json_text(r, "type", g->resv[i].type);
		json_array_append_new(reserved, r);
	}
	json_object_set_new(o, "devices", devices);
	for (size_t i = 0; i < g->nr_members; i++) {
		const struct berth_device *dev = berth_inventory_find(view->inv, g->members[i]);

		if (dev)
			json_array_append_new(devices, berth_out_view_json(view, dev));
	}
	return o;
}

struct groups {
	struct berth_group **items; /* owned, each owned */
	size_t nr;
};

static void groups_done(struct groups *all)
{
	for (size_t i = 0; i < all->nr; i++)
		berth_group_free(all->items[i]);
	free(all->items);
}

/* A group that goes away meanwhile is left out. */
static int groups_read(struct groups *all, const struct berth_host *host, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) int *ids = NULL;
	size_t nr = 0;
	int r = berth_group_list(host, &ids, &nr);

	if (r < 0)
		return berth_err_set(err, r, "listing IOMMU groups: %s", strerror(-r));
	all->items = calloc(nr + 1, sizeof(*all->items));
	if (!all->items)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		r = berth_group_read(&all->items[all->nr], host, ids[i], NULL);
		if (r == 0)
			all->nr++;
		else if (r != -ENOENT)
			return berth_err_set(err, r, "reading IOMMU group %d: %s", ids[i],
					     strerror(-r));
	}
	return 0;
}

static int print_json(const struct berth_out_view *view, const struct groups *all)
{
	json_t *root = json_object(), *array = json_array();
	int r;

	json_object_set_new(root, "groups", array);
	for (size_t i = 0; i < all->nr; i++)
		json_array_append_new(array, group_json(view, all->items[i]));
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

static int print_tree(const struct berth_out_view *view, const struct groups *all,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "groups", cols, BERTH_ARRAY_SIZE(cols), BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all->nr; i++)
		add_group(out, view, all->items[i]);
	return berth_out_print(out, stdout, err);
}

static int print(const struct berth_cmd *cmd, const struct berth_host *host, bool json)
{
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *view = NULL;
	BERTH_CLEANUP(groups_done) struct groups all = { .nr = 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	r = berth_out_view_open(&view, host, &err);
	if (r == 0)
		r = groups_read(&all, host, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	berth_out_view_notes(view, cmd->name);
	r = json ? print_json(view, &all) : print_tree(view, &all, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		json = true;
	}
	if (optind < argc)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind]);
	return print(cmd, host, json);
}

const struct berth_cmd berth_cmd_groups = {
	.name = "groups",
	.summary = "IOMMU groups and their members",
	.help = help,
	.run = run,
};
