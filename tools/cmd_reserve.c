/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth reserve, berth unreserve: devices promised from one moment to another. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "manager/request.h"
#include "manager/reserve.h"
#include "manager/resolve.h"
#include "tools/devargs.h"
#include "tools/ending.h"
#include "tools/out.h"
#include "tools/out_reservations.h"
#include "tools/timearg.h"

static const char reserve_help[] =
	"Usage: berth reserve DEV | --pool POOL [--count N] | --class CLASS [--count N]\n"
	"                     --vm VM | --tenant TENANT  [--from MOMENT] --until MOMENT [--name NAME]\n"
	"                     [--dry-run] [--json]\n"
	"       berth reserve --list [--json]\n\n"
	"Promise devices to a VM, or to the VMs of a tenant, from one moment to another: nobody else is\n"
	"given them then. It is decided like a rule of the policy with the effect reserve and the largest\n"
	"priority. More than there is, beside all other reservations, is refused. Nothing is taken from\n"
	"whoever has it when the time comes.\n\n"
	"      --pool POOL       devices of this pool of the policy; --class CLASS: of this class\n"
	"      --count N         so many of them; without it all\n"
	"      --vm VM           for this VM; --tenant TENANT: for its VMs\n"
	"      --from MOMENT     2026-12-01T18:00Z, or 2026-12-01T18:00 by the local clock (now)\n"
	"      --until MOMENT    the end\n"
	"      --name NAME       what it is called ('r1', 'r2', …)\n"
	"      --list            the reservations there are\n"
	"  -n, --dry-run         say what would be done; change nothing\n"
	"  -j, --json            how it ended: OUTCOMES in berth(1); with --list {\"reservations\":[{\"name\":…,\n"
	"                        \"vm\":…,\"tenant\":…,\"kind\":…,\"what\":…,\"count\":…,\"from\":…,\"until\":…,\n"
	"                        \"now\":…,\"uid\":…}]}, \"count\" null for all, times in UTC\n";

static const char unreserve_help[] = "Usage: berth unreserve NAME [--dry-run] [--json]\n\n"
				     "Take a reservation back. One that is over ends by itself.\n\n"
				     "  -n, --dry-run   say what would be done; change nothing\n"
				     "  -j, --json      how it ended: OUTCOMES in berth(1)\n";

enum {
	OPT_POOL = 256,
	OPT_CLASS,
	OPT_COUNT,
	OPT_VM,
	OPT_TENANT,
	OPT_FROM,
	OPT_UNTIL,
	OPT_NAME,
	OPT_LIST
};

static const struct option longs[] = {
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "vm", required_argument, NULL, OPT_VM },
	{ "tenant", required_argument, NULL, OPT_TENANT },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "until", required_argument, NULL, OPT_UNTIL },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ 0 },
};

struct args {
	struct berth_reservation wish; /* borrowed from argv */
	struct berth_devargs
		common; /* vm, json, dry_run; devs: what is reserved, or the name of what is ended */
	const char *pool, *class;
	bool list;
};

static int take_moment(const struct berth_cmd *cmd, const char *option, const char *value,
		       int64_t *ret)
{
	if (berth_timearg_moment(value, ret) == 0)
		return 0;
	return berth_usage(cmd,
			   "%s '%s' is no moment; write 2026-12-01T18:00Z, or 2026-12-01T18:00 for "
			   "local time",
			   option, value);
}

static int take_count(const struct berth_cmd *cmd, const char *value, unsigned int *ret)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < 1 || n > 65535)
		return berth_usage(cmd, "--count '%s' is not a number from 1 to 65535", value);
	*ret = (unsigned int)n;
	return 0;
}

static int take_option(const struct berth_cmd *cmd, int c, char **argv, struct args *a)
{
	switch (c) {
	case 'n':
		a->common.dry_run = true;
		return 0;
	case 'j':
		a->common.json = true;
		return 0;
	case ':':
		return berth_usage(cmd, "option %s needs a value", argv[optind - 1]);
	}
	if (c == '?' || cmd != &berth_cmd_reserve)
		return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
	switch (c) {
	case OPT_POOL:
		a->pool = optarg;
		return 0;
	case OPT_CLASS:
		a->class = optarg;
		return 0;
	case OPT_COUNT:
		return take_count(cmd, optarg, &a->wish.count);
	case OPT_VM:
		a->common.vm = a->wish.vm = optarg;
		return 0;
	case OPT_TENANT:
		a->wish.tenant = optarg;
		return 0;
	case OPT_FROM:
		return take_moment(cmd, "--from", optarg, &a->wish.from);
	case OPT_UNTIL:
		return take_moment(cmd, "--until", optarg, &a->wish.until);
	case OPT_NAME:
		a->wish.name = optarg;
		return 0;
	case OPT_LIST:
		a->list = true;
		return 0;
	}
	return 0;
}

/* Of what, for whom, until when. Return: 0; BERTH_EXIT_USAGE, told. */
static int check_wish(const struct berth_cmd *cmd, struct args *a)
{
	struct berth_reservation *w = &a->wish;
	struct berth_err err = BERTH_ERR_INIT;
	size_t nr = a->common.nr + (a->pool != NULL) + (a->class != NULL);

	if (nr != 1)
		return berth_usage(cmd, nr ? "one device, or --pool, or --class: reserve them one "
					     "by one" :
					     "reserve what? a device, --pool or --class");
	if (w->count && a->common.nr)
		return berth_usage(cmd, "--count goes with --pool and --class");
	if (!w->vm == !w->tenant)
		return berth_usage(cmd, w->vm ? "--vm or --tenant, not both" :
						"for whom? --vm or --tenant is missing");
	if (!w->until)
		return berth_usage(cmd, "until when? --until is missing");
	if (!w->from)
		w->from = (int64_t)time(NULL);
	if (w->until <= w->from)
		return berth_usage(cmd, "--until is not after --from");
	if ((w->vm && berth_vm_name_check(w->vm, &err) < 0) ||
	    (w->name && berth_reservation_name_check(w->name, &err) < 0) ||
	    berth_resolve_check_form(a->common.devs, a->common.nr, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	w->kind = a->pool  ? BERTH_RESOURCE_POOL :
		  a->class ? BERTH_RESOURCE_CLASS :
			     BERTH_RESOURCE_DEVICE;
	w->what = (char *)(uintptr_t)(a->pool ? a->pool : a->class ? a->class : a->common.devs[0]);
	return 0;
}

static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct args *a)
{
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":jn", longs, NULL)) != -1)
		r = take_option(cmd, c, argv, a);
	if (r)
		return r;
	a->common.devs = (const char *const *)argv + optind;
	a->common.nr = (size_t)(argc - optind);
	if (cmd == &berth_cmd_reserve && !a->list)
		return check_wish(cmd, a);
	if (a->list)
		return a->common.nr || a->wish.vm || a->wish.tenant || a->pool || a->class ?
			       berth_usage(cmd, "--list goes alone, or with --json") :
			       0;
	return a->common.nr == 1 ? 0 : berth_usage(cmd, "which reservation? one name");
}

static int list(const struct berth_cmd *cmd, struct berth_host *host, bool json)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_reservation_list all = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_devargs_open(cmd, host, true, &m, &err);

	if (r == 0)
		r = berth_reserve_list(m, &all, &err);
	if (r == 0)
		r = berth_out_reservations_new(&out, json, &err);
	if (r == 0) {
		berth_out_reservations_fill(out, &all, json);
		r = berth_out_print(out, stdout, &err);
	}
	berth_reservation_list_free(&all);
	return r == 0 ? BERTH_EXIT_OK : berth_fail(cmd, r, &err);
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ending ending;
	struct args a = { 0 };
	int r = parse(cmd, argc, argv, &a);

	if (r)
		return r;
	if (a.list)
		return list(cmd, host, a.common.json);
	r = berth_ending_begin(&ending, cmd, host, &a.common, &err);
	if (r == 0)
		r = berth_devargs_open(cmd, host, a.common.dry_run, &m, &err);
	if (r == 0 && a.wish.kind == BERTH_RESOURCE_DEVICE && cmd == &berth_cmd_reserve)
		berth_ending_names(&ending, m);
	if (r == 0)
		r = cmd == &berth_cmd_reserve ?
			    berth_manager_reserve(m, &a.wish, a.common.dry_run, &report, &err) :
			    berth_manager_unreserve(m, a.common.devs[0], a.common.dry_run, &report,
						    &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_reserve = {
	.name = "reserve",
	.summary = "promise devices to a VM or tenant for a time",
	.help = reserve_help,
	.run = run,
	.needs_root = true,
};

const struct berth_cmd berth_cmd_unreserve = {
	.name = "unreserve",
	.summary = "take a reservation back",
	.help = unreserve_help,
	.run = run,
	.needs_root = true,
};
