/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth list: the devices of this host, one line each. */
#include <getopt.h>
#include <stdio.h>

#include "tools/berth.h"
#include "tools/out.h"
#include "tools/out_view.h"

static const char help[] =
	"Usage: berth list [--all] [--json] [-o COLUMN,…]\n\n"
	"Devices worth passing through: graphics and what shares their slot, network, storage,\n"
	"accelerators, USB controllers, anything in a slot, and SR-IOV virtual functions.\n\n"
	"  -a, --all         every PCI function, also bridges and pieces of the chipset\n"
	"      --json        {\"devices\":[…]}\n"
	"  -o, --columns L   these columns, in this order: bdf,path,class,vendor_id,device_id,name,\n"
	"                    driver,iommu_group,isolation,reset,numa_node,state,owner,holder,class_name,\n"
	"                    isolation_reason\n\n"
	"ISOLATION  isolated       alone, and every port up to the root sends its DMA to the IOMMU\n"
	"           multifunction  only functions of its own slot share the group\n"
	"           shared         other slots share the group, or a port lets DMA past the IOMMU\n"
	"           acs-override   the kernel was told to pretend isolation\n"
	"           no-iommu       nothing stands between the device and memory\n"
	"           unknown        some register can be read by root only\n"
	"STATE      host, none (no driver), vfio (bound, not by berth), external (and held by the process that\n"
	"           OWNER names), stuck (a kernel write to it hangs), or what the ledger says\n\n"
	"Without a PCI bus or an IOMMU a note on stderr says so, and the exit status is 0.\n";

struct options {
	bool all;
	enum berth_out_mode mode;
	const char *columns;
};

static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "all", no_argument, NULL, 'a' },
					       { "json", no_argument, NULL, 'j' },
					       { "columns", required_argument, NULL, 'o' },
					       { 0 } };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":ao:", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			o->all = true;
			break;
		case 'j':
			o->mode = BERTH_OUT_JSON;
			break;
		case 'o':
			o->columns = optarg;
			break;
		case ':':
			return berth_usage(cmd, "%s wants a value", argv[optind - 1]);
		default:
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return berth_usage(
			cmd, "'%s' is one argument too many; 'berth show %s' shows one device",
			argv[optind], argv[optind]);
	return 0;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *view = NULL;
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct options o = { .mode = BERTH_OUT_TABLE };
	struct berth_err err = BERTH_ERR_INIT;
	int r = parse(cmd, argc, argv, &o);

	if (r)
		return r;
	r = berth_out_new(&out, "devices", berth_out_view_cols, berth_out_view_nr_cols, o.mode,
			  &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	if (berth_out_select(out, o.columns, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	r = berth_out_view_open(&view, host, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	view->people = o.mode == BERTH_OUT_TABLE;
	for (size_t i = 0; i < view->inv->nr; i++) {
		const struct berth_device *dev = &view->inv->devices[i];

		if (o.all || berth_device_is_worth_passing(view->inv, dev))
			berth_out_view_set_row(berth_out_add(out, NULL), view, dev);
	}
	berth_out_view_notes(view, cmd->name);
	r = berth_out_print(out, stdout, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_list = {
	.name = "list",
	.summary = "devices worth passing through, with verdict and owner",
	.help = help,
	.run = run,
};
