/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth taint, berth untaint: what a person knows about a device. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "manager/resolve.h"
#include "manager/taint.h"
#include "policy/taint.h"
#include "tools/devargs.h"
#include "tools/ending.h"
#include "tools/vm_nudge.h"

static const char taint_help[] =
	"Usage: berth taint DEV TAINT [--effect EFFECT] [--reason TEXT] [--dry-run] [--json]\n\n"
	"Note down that something is wrong with a device, and keep it from being handed out. The taint\n"
	"belongs to the device's stable path and stays until 'berth untaint' takes it away. TAINT is a\n"
	"word such as hw-fault.\n\n"
	"      --effect EFFECT  report: only told; no-new: nobody gets it who does not have it; evict: and\n"
	"                       who has it lets go of it: a running VM is stopped, then it goes back\n"
	"                       to the host, unless the VM's claim tolerates the taint (no-new)\n"
	"      --reason TEXT    why, for people\n"
	"  -n, --dry-run        say what would be done; change nothing\n"
	"  -j, --json           how it ended, and the taints there are now: OUTCOMES in berth(1)\n";

static const char untaint_help[] =
	"Usage: berth untaint DEV [TAINT] [--dry-run] [--json]\n\n"
	"Take a taint away from a device, or all of them. DEV may be gone: its path, or the address it had.\n\n"
	"  -n, --dry-run   say what would be done; change nothing\n"
	"  -j, --json      how it ended, and the taints there are now: OUTCOMES in berth(1)\n";

static int take_effect(const struct berth_cmd *cmd, const char *word, struct berth_taint_how *how)
{
	if (berth_taint_effect_parse(word, &how->effect) < 0)
		return berth_usage(cmd, "--effect '%s' is not report, no-new or evict", word);
	return 0;
}

static int take_option(const struct berth_cmd *cmd, int c, char **argv, struct berth_devargs *args,
		       struct berth_taint_how *how)
{
	bool taints = cmd == &berth_cmd_taint;

	if (c == 'n') {
		args->dry_run = how->dry_run = true;
		return 0;
	}
	if (c == 'j') {
		args->json = true;
		return 0;
	}
	if (c == 'e' && taints)
		return take_effect(cmd, optarg, how);
	if (c == 'r' && taints) {
		how->reason = optarg;
		return 0;
	}
	return c == ':' ? berth_usage(cmd, "option %s needs a value", argv[optind - 1]) :
			  berth_usage(cmd, "there is no option %s", argv[optind - 1]);
}

static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct berth_devargs *ret,
		 struct berth_taint_how *how)
{
	static const struct option longs[] = { { "effect", required_argument, NULL, 'e' },
					       { "reason", required_argument, NULL, 'r' },
					       { "dry-run", no_argument, NULL, 'n' },
					       { "json", no_argument, NULL, 'j' },
					       { 0 } };
	struct berth_err err = BERTH_ERR_INIT;
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":jn", longs, NULL)) != -1)
		r = take_option(cmd, c, argv, ret, how);
	if (r)
		return r;
	if (optind >= argc)
		return berth_usage(cmd, "which device? 'berth list' shows them");
	if (argc - optind > 2)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind + 2]);
	ret->devs = (const char *const *)argv + optind;
	ret->nr = 1;
	how->taint = argv[optind + 1]; /* or the NULL at the end */
	if (cmd == &berth_cmd_taint && !how->taint)
		return berth_usage(cmd, "with which taint? a word such as hw-fault");
	if ((how->taint && berth_taint_name_check(how->taint, &err) < 0) ||
	    berth_resolve_check_form(ret->devs, 1, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	return 0;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_taint_how how = { .effect = BERTH_TAINT_NO_NEW };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_devargs args = { 0 };
	struct berth_ending ending;
	int r = parse(cmd, argc, argv, &args, &how);

	if (r)
		return r;
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, how.dry_run, &m, &err);
	if (r == 0)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = cmd == &berth_cmd_taint ?
			    berth_manager_taint(m, args.devs[0], &how, &report, &err) :
			    berth_manager_untaint(m, args.devs[0], &how, &report, &err);
	/* A supervisor that stops its VM needs the lock. */
	berth_manager_close(BERTH_TAKE_PTR(m));
	if (r == 0 && how.effect == BERTH_TAINT_EVICT && !how.dry_run)
		berth_vm_nudge_all(host);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_taint = {
	.name = "taint",
	.summary = "note that something is wrong with a device, and hand it out no more",
	.help = taint_help,
	.run = run,
	.needs_root = true,
};

const struct berth_cmd berth_cmd_untaint = {
	.name = "untaint",
	.summary = "take a taint away from a device",
	.help = untaint_help,
	.run = run,
	.needs_root = true,
};
