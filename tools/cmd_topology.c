/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth topology: the PCIe tree with NUMA nodes, groups and owners. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/berth.h"
#include "tools/out.h"
#include "tools/out_view.h"
#include "tools/topology_p2p.h"

static const char help[] =
	"Usage: berth topology [--dot] [--json]\n"
	"       berth topology --p2p [--json] [DEV…]\n\n"
	"The PCIe tree: host bridges, root ports, switches and what is plugged into them. Devices below\n"
	"one switch reach each other without passing the root complex.\n\n"
	"      --dot    for Graphviz: berth topology --dot | dot -Tsvg > tree.svg\n"
	"      --p2p    for each pair of devices, which way peer-to-peer requests of the first to the second take:\n"
	"               root (through the IOMMU: usable in a VM), direct (past it), none, unknown; and why\n"
	"      --json   {\"topology\":[…]}, devices as in 'berth list --json' with their children inside;\n"
	"               with --p2p {\"p2p\":[…]} with keys from, to, path, reason\n";

static const struct berth_out_col cols[] = {
	{ "device", NULL, BERTH_OUT_STRING, BERTH_OUT_TREE },
	{ "group", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "numa", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "link", NULL, BERTH_OUT_STRING, 0 },
	{ "driver", NULL, BERTH_OUT_STRING, 0 },
	{ "owner", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, BERTH_OUT_TRUNC },
};

/* The first part of the path, "PNP0A08:00". */
static int root_name(const struct berth_device *dev, char *buf, size_t size)
{
	return snprintf(buf, size, "%.*s", (int)strcspn(dev->path, "/"), dev->path);
}

static bool is_child_of(const struct berth_device *dev, const struct berth_device *parent)
{
	return dev->has_parent && berth_bdf_eq(dev->parent, parent->bdf);
}

static bool is_root_of(const struct berth_inventory *inv, const struct berth_device *dev,
		       const char *root)
{
	char name[128];

	if (dev->has_parent && berth_inventory_find(inv, dev->parent))
		return false;
	root_name(dev, name, sizeof(name));
	return strcmp(name, root) == 0;
}

/* Is there an earlier function with the same root? */
static bool is_first_of_root(const struct berth_inventory *inv, size_t i)
{
	char name[128];

	root_name(&inv->devices[i], name, sizeof(name));
	for (size_t k = 0; k < i; k++) {
		if (is_root_of(inv, &inv->devices[k], name))
			return false;
	}
	return is_root_of(inv, &inv->devices[i], name);
}

/* "8 GT/s x4 of 16 GT/s x8"; "" unknown */
static void link_text(const struct berth_caps *c, char *buf, size_t size)
{
	buf[0] = '\0';
	if (!c->link_width || !*berth_caps_speed_name(c->link_speed))
		return;
	if (c->link_width == c->link_width_max && c->link_speed == c->link_speed_max)
		snprintf(buf, size, "%s GT/s x%u", berth_caps_speed_name(c->link_speed),
			 c->link_width);
	else
		snprintf(buf, size, "%s GT/s x%u of %s GT/s x%u",
			 berth_caps_speed_name(c->link_speed), c->link_width,
			 berth_caps_speed_name(c->link_speed_max), c->link_width_max);
}

/* --- as a table --- */

static struct berth_out_row *add_row(struct berth_out *out, struct berth_out_row *parent,
				     const struct berth_out_view *view,
				     const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	struct berth_out_row *row = berth_out_add(out, parent);
	char link[64];

	link_text(&dev->caps, link, sizeof(link));
	berth_out_str(row, "device", BERTH_BDF_STR(dev->bdf));
	if (dev->iommu_group >= 0)
		berth_out_num(row, "group", dev->iommu_group);
	if (dev->numa_node >= 0)
		berth_out_num(row, "numa", dev->numa_node);
	berth_out_str(row, "link", *link ? link : NULL);
	berth_out_str(row, "driver", *dev->driver ? dev->driver : NULL);
	berth_out_str(row, "owner", a ? a->vm : NULL);
	berth_out_view_set_name(row, view, dev);
	return row;
}

/* sysfs nests no deeper than buses there are: 256 in a domain. The kernel's tree has no loops. */
static void add_children(struct berth_out *out, struct berth_out_row *row,
			 const struct berth_out_view *view, const struct berth_device *parent)
{
	const struct berth_inventory *inv = view->inv;

	for (size_t i = 0; i < inv->nr; i++) {
		if (is_child_of(&inv->devices[i], parent))
			add_children(out, add_row(out, row, view, &inv->devices[i]), view,
				     &inv->devices[i]);
	}
}

static int print_tree(const struct berth_out_view *view, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	const struct berth_inventory *inv = view->inv;
	int r = berth_out_new(&out, "topology", cols, BERTH_ARRAY_SIZE(cols), BERTH_OUT_TABLE, err);

	for (size_t i = 0; r == 0 && i < inv->nr; i++) {
		struct berth_out_row *root;
		char name[128];

		if (!is_first_of_root(inv, i))
			continue;
		root = berth_out_add(out, NULL);
		root_name(&inv->devices[i], name, sizeof(name));
		berth_out_str(root, "device", name);
		for (size_t k = 0; k < inv->nr; k++) {
			if (is_root_of(inv, &inv->devices[k], name))
				add_children(out, add_row(out, root, view, &inv->devices[k]), view,
					     &inv->devices[k]);
		}
	}
	return r == 0 ? berth_out_print(out, stdout, err) : r;
}

/* --- as JSON --- */

static json_t *device_json(const struct berth_out_view *view, const struct berth_device *dev)
{
	json_t *o = berth_out_view_json(view, dev), *children = json_array();
	const struct berth_inventory *inv = view->inv;
	char link[64];

	link_text(&dev->caps, link, sizeof(link));
	berth_out_view_json_text(o, "type", berth_caps_type_name(dev->caps.type));
	berth_out_view_json_text(o, "link", link);
	json_object_set_new(o, "children", children);
	for (size_t i = 0; i < inv->nr; i++) {
		if (is_child_of(&inv->devices[i], dev))
			json_array_append_new(children, device_json(view, &inv->devices[i]));
	}
	return o;
}

static json_t *root_json(const struct berth_out_view *view, const char *name)
{
	json_t *o = json_object(), *children = json_array();
	const struct berth_inventory *inv = view->inv;

	berth_out_view_json_text(o, "path", name);
	json_object_set_new(o, "children", children);
	for (size_t i = 0; i < inv->nr; i++) {
		if (is_root_of(inv, &inv->devices[i], name))
			json_array_append_new(children, device_json(view, &inv->devices[i]));
	}
	return o;
}

static int print_json(const struct berth_out_view *view)
{
	json_t *root = json_object(), *array = json_array();
	int r;

	json_object_set_new(root, "topology", array);
	for (size_t i = 0; i < view->inv->nr; i++) {
		char name[128];

		if (!is_first_of_root(view->inv, i))
			continue;
		root_name(&view->inv->devices[i], name, sizeof(name));
		json_array_append_new(array, root_json(view, name));
	}
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

/* --- for Graphviz --- */

/* A quoted string of the DOT language: only '"' and '\' need care. */
static void print_quoted(const char *text)
{
	BERTH_CLEANUP(berth_freep) char *printable = berth_out_printable(text);

	for (const char *p = printable ? printable : ""; *p; p++) {
		if (*p == '"' || *p == '\\')
			putchar('\\');
		putchar(*p);
	}
}

static void print_node(const struct berth_out_view *view, const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	char root[128], name[BERTH_DEVICE_NAME];

	printf("\t\"%s\" [label=\"%s\\n", BERTH_BDF_STR(dev->bdf), BERTH_BDF_STR(dev->bdf));
	print_quoted(berth_device_name(view->inv, dev, name));
	if (dev->iommu_group >= 0)
		printf("\\ngroup %d", dev->iommu_group);
	if (dev->numa_node >= 0)
		printf(", node %d", dev->numa_node);
	if (a) {
		printf("\\n");
		print_quoted(a->vm);
	}
	printf("\"%s];\n", a			       ? ", style=filled" :
			   berth_device_is_bridge(dev) ? ", shape=ellipse" :
							 "");
	if (dev->has_parent) {
		printf("\t\"%s\" -- \"%s\";\n", BERTH_BDF_STR(dev->parent),
		       BERTH_BDF_STR(dev->bdf));
		return;
	}
	root_name(dev, root, sizeof(root));
	printf("\t\"");
	print_quoted(root);
	printf("\" -- \"%s\";\n", BERTH_BDF_STR(dev->bdf));
}

static void print_dot(const struct berth_out_view *view)
{
	printf("graph pcie {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (size_t i = 0; i < view->inv->nr; i++)
		print_node(view, &view->inv->devices[i]);
	printf("}\n");
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' },
					       { "dot", no_argument, NULL, 'd' },
					       { "p2p", no_argument, NULL, 'p' },
					       { 0 } };
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *view = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	bool p2p = false;
	int c, form = 't', r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == '?')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		if (c == 'p') {
			p2p = true;
			continue;
		}
		if (form != 't' && form != c)
			return berth_usage(cmd, "--dot and --json exclude each other");
		form = c;
	}
	if (p2p && form == 'd')
		return berth_usage(cmd, "--dot and --p2p exclude each other");
	if (optind < argc && !p2p)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind]);
	r = berth_out_view_open(&view, host, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	berth_out_view_notes(view, cmd->name);
	if (p2p)
		r = berth_topology_p2p(view, argv + optind, form == 'j', &err);
	else if (form == 'd')
		print_dot(view);
	else
		r = form == 'j' ? print_json(view) : print_tree(view, &err);
	if (r == -EINVAL && p2p)
		return berth_usage(cmd, "%s", err.text);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_topology = {
	.name = "topology",
	.summary = "the PCIe tree with NUMA nodes, groups and owners",
	.help = help,
	.run = run,
};
