/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth recover: ledger and kernel agree again. */
#include <stdio.h>

#include "manager/recover.h"
#include "tools/devargs.h"

static const char help[] =
	"Usage: berth recover [--dry-run]\n\n"
	"Make the ledger and the kernel agree: finish or undo what a crash interrupted, reset what a\n"
	"dead VM has used, bind again what a reboot unbound. Every verb that changes something does\n"
	"so first; at boot it is done once for all. What could not be given back before (\"faulted\") is\n"
	"tried once more.\n\n"
	"  -n, --dry-run   say what was found and what would be done; change nothing\n\n"
	"Exit status: 0 nothing is left to repair, 1 something is, or it failed\n";

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv, BERTH_DEVARGS_DRY_RUN, &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.nr)
		return berth_usage(cmd, "it takes no device: everything is looked at");
	if (args.dry_run) {
		r = berth_devargs_open(cmd, host, true, &m, &err);
		if (r == 0)
			r = berth_recover_look(m, &report, &err);
	} else if (!berth_host_is_real(host)) {
		r = berth_devargs_open(cmd, host, false, &m, &err);
	} else {
		/* Opening it is the repair. */
		r = berth_manager_open(&m, host, BERTH_MANAGER_CHANGE, &report, &err);
		if (r == 0)
			r = berth_recover_again(m, &report, &err);
	}
	if (r == 0 && report.nr == 0)
		berth_report_add(&report, "ledger and kernel agree");
	return berth_devargs_end(cmd, r, &report, &err);
}

const struct berth_cmd berth_cmd_recover = {
	.name = "recover",
	.summary = "make ledger and kernel agree after a crash or a reboot",
	.help = help,
	.run = run,
	.needs_root = true,
};
