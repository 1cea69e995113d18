/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth bind: one function to another driver. */
#include "manager/bind_verb.h"
#include "tools/devargs.h"
#include "tools/ending.h"
#include "vfio/bind.h"

static const char help[] =
	"Usage: berth bind DEV [--driver DRIVER] [--dry-run] [--json]\n\n"
	"Give one function another driver. Low level: no VM owns it then, and the rest of its group\n"
	"stays where it is; but it is recorded, and 'berth release' gives it back as it was.\n\n"
	"      --driver DRIVER   vfio-pci unless told otherwise\n"
	"  -n, --dry-run         say what would be done; change nothing\n" BERTH_DEVARGS_JSON_HELP;

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ending ending;
	struct berth_devargs args;
	const char *driver;
	int r = berth_devargs_parse(
		cmd, argc, argv, BERTH_DEVARGS_DRIVER | BERTH_DEVARGS_DRY_RUN | BERTH_DEVARGS_JSON,
		&args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.nr != 1)
		return berth_usage(cmd,
				   "it takes one device, not %zu; 'berth list --all' shows them",
				   args.nr);
	driver = args.driver ? args.driver : BERTH_BIND_VFIO;
	if (!berth_bind_driver_name_ok(driver))
		return berth_usage(cmd, "'%s' is no driver's name", driver);
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, args.dry_run, &m, &err);
	if (r == 0)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = berth_manager_bind(m, args.devs[0], driver, args.dry_run, &report, &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_bind = {
	.name = "bind",
	.summary = "give one function another driver; recorded",
	.help = help,
	.run = run,
	.needs_root = true,
};
