/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth unbind: take a function's driver away. */
#include "manager/bind_verb.h"
#include "tools/devargs.h"
#include "tools/ending.h"

static const char help[] =
	"Usage: berth unbind DEV [--dry-run] [--json]\n\n"
	"Take one function's driver away. Low level, but recorded: 'berth release' gives it back to\n"
	"the driver that it had. Refused where the host stands on it.\n\n"
	"  -n, --dry-run   say what would be done; change nothing\n"
	"  -j, --json      how it ended, and what became of the device: OUTCOMES in berth(1)\n";

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ending ending;
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv, BERTH_DEVARGS_DRY_RUN | BERTH_DEVARGS_JSON,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.nr != 1)
		return berth_usage(cmd,
				   "it takes one device, not %zu; 'berth list --all' shows them",
				   args.nr);
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, args.dry_run, &m, &err);
	if (r == 0)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = berth_manager_bind(m, args.devs[0], "", args.dry_run, &report, &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_unbind = {
	.name = "unbind",
	.summary = "take one function's driver away; recorded",
	.help = help,
	.run = run,
	.needs_root = true,
};
