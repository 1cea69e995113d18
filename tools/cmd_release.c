/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth release: devices back to the host. */
#include "manager/release.h"
#include "tools/devargs.h"
#include "tools/ending.h"

static const char help[] =
	"Usage: berth release DEV… | --vm VM [--unclean] [--dry-run] [--json]\n\n"
	"Reset the devices and give them back to the host as they were found: driver,\n"
	"driver_override, power control, network settings of virtual functions. Whole IOMMU groups\n"
	"go back. Refused while a process uses them. A quarantined device that is off vfio-pci is bound to\n"
	"it first, to be reset with proof; refused when the host uses it.\n\n"
	"      --vm VM     everything that VM owns; with DEV: only if VM owns it\n"
	"      --unclean   give back also what a VM has used and no reset is proven for;\n"
	"                  what runs on its host driver again is left on it\n"
	"  -n, --dry-run   say what would be done; change nothing\n"
	"  -j, --json      how it ended, and what became of the devices: OUTCOMES in berth(1)\n";

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_release_how how;
	struct berth_ending ending;
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv,
				    BERTH_DEVARGS_VM | BERTH_DEVARGS_DRY_RUN |
					    BERTH_DEVARGS_UNCLEAN | BERTH_DEVARGS_JSON,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (!args.nr && !args.vm)
		return berth_usage(
			cmd,
			"which device, or --vm VM? 'berth status' shows what can be given back");
	how = (struct berth_release_how){ .dry_run = args.dry_run, .unclean = args.unclean };
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, args.dry_run, &m, &err);
	if (r == 0)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = berth_manager_release(m, args.vm, args.devs, args.nr, how, &report, &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_release = {
	.name = "release",
	.summary = "reset devices and give them back to the driver they had",
	.help = help,
	.run = run,
	.needs_root = true,
};
