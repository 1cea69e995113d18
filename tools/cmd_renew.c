/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth renew: another end for a lease. */
#include <errno.h>

#include "manager/renew.h"
#include "tools/devargs.h"
#include "tools/ending.h"

static const char help[] =
	"Usage: berth renew DEV… [--vm VM] [--for TIME | --until MOMENT] [--on-expiry WHAT] [--json]\n"
	"       berth renew --vm VM [--for TIME | --until MOMENT] [--on-expiry WHAT] [--json]\n\n"
	"Set another end for what VM was given together with DEV, or for all that VM has. The time\n"
	"counts from now. Without --for and --until it is the time that the policy's rule gives. What\n"
	"has no lease gets one. An earlier end is always allowed, a later one unless the rule says\n"
	"otherwise. A VM that runs notices within a minute.\n\n"
	"      --vm VM           the owner\n" BERTH_DEVARGS_LEASE_HELP
	"  -n, --dry-run         say what would be done; change nothing\n" BERTH_DEVARGS_JSON_HELP;

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_renew_how how = { 0 };
	struct berth_ending ending;
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv,
				    BERTH_DEVARGS_VM | BERTH_DEVARGS_DRY_RUN | BERTH_DEVARGS_LEASE |
					    BERTH_DEVARGS_JSON,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (!args.nr && !args.vm)
		return berth_usage(
			cmd,
			"of what? name devices, or a VM with --vm; 'berth status' shows the leases");
	how.dry_run = args.dry_run;
	how.wish = args.lease;
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, args.dry_run, &m, &err);
	if (r == 0)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = berth_manager_renew(m, args.vm, args.devs, args.nr, &how, &report, &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_renew = {
	.name = "renew",
	.summary = "set another end for a lease",
	.help = help,
	.run = run,
	.needs_root = true,
};
