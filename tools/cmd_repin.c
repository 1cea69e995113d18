/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth repin: write into the policy where a device has moved to. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "policy/repin.h"
#include "tools/policy_scene.h"

static const char help[] =
	"Usage: berth repin NAME [--dry-run]\n\n"
	"Write into the policy where the device NAME is now: its card was put into another slot, or the\n"
	"slots got other names ('berth policy check' calls it MOVED). Only the text of \"pci.path\" in its\n"
	"match changes. Refused when nothing on this host has its serial number, or several devices\n"
	"have, and when its match does not ask for one \"pci.path\".\n\n"
	"  -n, --dry-run  print the change; write nothing\n";

static void print_change(const struct berth_repin *repin, const struct berth_facts *facts)
{
	printf("device \"%s\" is now at %s, by its %s %s\n", repin->entry->name,
	       facts[repin->device].bdf, repin->moved.attribute, repin->moved.serial);
	printf("%s:%u:%u: %s/match/pci.path\n", repin->file, repin->line, repin->column,
	       repin->entry->origin.pointer);
	printf("- \"%s\"\n+ \"%s\"\n", repin->was, repin->now);
}

static int repin_device(const struct berth_cmd *cmd, struct berth_host *host, const char *name,
			bool dry_run)
{
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_repin repin;
	int r = policy_scene_read(&s, host, NULL, &err);

	if (r == 0)
		r = berth_repin_find(s.policy, name, s.view->world->facts, s.view->world->nr,
				     &repin, &err);
	if (r == 0 && !dry_run)
		r = berth_repin_write(&repin, &err);
	/* a name that is not there is a mistake, no refusal */
	if (r != 0)
		return berth_fail(cmd, r == BERTH_ABSENT ? -ENOENT : r, &err);
	print_change(&repin, s.view->world->facts);
	puts(dry_run ? "nothing was written" : "written");
	return BERTH_EXIT_OK;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "dry-run", no_argument, NULL, 'n' }, { 0 } };
	bool dry_run = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "n", longs, NULL)) != -1) {
		if (c != 'n')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		dry_run = true;
	}
	if (optind + 1 != argc)
		return berth_usage(cmd, "one name of a device, please");
	return repin_device(cmd, host, argv[optind], dry_run);
}

const struct berth_cmd berth_cmd_repin = {
	.name = "repin",
	.summary = "write into the policy where a device has moved to",
	.help = help,
	.run = run,
};
