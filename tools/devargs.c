/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/devargs.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "manager/doubts.h"
#include "manager/request.h"
#include "manager/resolve.h"
#include "policy/queue.h"
#include "policy/when.h"
#include "tools/timearg.h"

enum { OPT_FOR = 256, OPT_UNTIL, OPT_ON_EXPIRY, OPT_WAIT, OPT_PRIORITY, OPT_QUEUE };

static const struct option options[] = {
	{ "vm", required_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "driver", required_argument, NULL, 'd' },
	{ "unclean", no_argument, NULL, 'u' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "claim", required_argument, NULL, 'c' },
	{ "preempt", no_argument, NULL, 'P' },
	{ "force", no_argument, NULL, 'F' },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "until", required_argument, NULL, OPT_UNTIL },
	{ "on-expiry", required_argument, NULL, OPT_ON_EXPIRY },
	{ "wait", optional_argument, NULL, OPT_WAIT },
	{ "priority", required_argument, NULL, OPT_PRIORITY },
	{ "queue", no_argument, NULL, OPT_QUEUE },
	{ NULL, 0, NULL, 0 },
};

static unsigned int flag_of(int c)
{
	switch (c) {
	case 'v':
		return BERTH_DEVARGS_VM;
	case 'c':
	case 'P':
		return BERTH_DEVARGS_CLAIM;
	case 'j':
		return BERTH_DEVARGS_JSON;
	case 'd':
		return BERTH_DEVARGS_DRIVER;
	case 'u':
		return BERTH_DEVARGS_UNCLEAN;
	case 'n':
		return BERTH_DEVARGS_DRY_RUN;
	case 'F':
		return BERTH_DEVARGS_FORCE;
	case OPT_FOR:
	case OPT_UNTIL:
	case OPT_ON_EXPIRY:
		return BERTH_DEVARGS_LEASE;
	case OPT_WAIT:
	case OPT_PRIORITY:
		return BERTH_DEVARGS_WAIT;
	case OPT_QUEUE:
		return BERTH_DEVARGS_QUEUE;
	}
	return 0;
}

static void set(struct berth_devargs *args, int c, const char *value)
{
	switch (c) {
	case 'v':
		args->vm = value;
		break;
	case 'c':
		args->vm = value;
		args->claim = true;
		break;
	case 'P':
		args->preempt = true;
		break;
	case 'j':
		args->json = true;
		break;
	case 'd':
		args->driver = value;
		break;
	case 'u':
		args->unclean = true;
		break;
	case 'n':
		args->dry_run = true;
		break;
	case 'F':
		args->force = true;
		break;
	case OPT_QUEUE:
		args->queue = true;
		break;
	}
}

int berth_devargs_wait(const struct berth_cmd *cmd, const char *value, int64_t *ret_s)
{
	if (value && (berth_span_parse(value, ret_s) < 0 || *ret_s == 0))
		return berth_usage(cmd, "--wait='%s' is no time; write 90s, 15m, 2h, 3d or 1w",
				   value);
	return 0;
}

int berth_devargs_priority(const struct berth_cmd *cmd, const char *value, int *ret)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n > BERTH_QUEUE_PRIORITY_MAX)
		return berth_usage(cmd, "--priority '%s' is not a number from 0 to %d", value,
				   BERTH_QUEUE_PRIORITY_MAX);
	*ret = (int)n;
	return 0;
}

static int take_wait(const struct berth_cmd *cmd, int c, const char *value,
		     struct berth_devargs *args)
{
	if (c == OPT_PRIORITY)
		return berth_devargs_priority(cmd, value, &args->priority);
	args->wait = true;
	return berth_devargs_wait(cmd, value, &args->wait_s);
}

int berth_devargs_lease(const struct berth_cmd *cmd, int option, const char *value,
			struct berth_lease_wish *wish)
{
	if (option == 'f') {
		if (berth_span_parse(value, &wish->for_s) < 0 || wish->for_s == 0)
			return berth_usage(
				cmd, "--for '%s' is no time; write 90s, 15m, 2h, 3d or 1w", value);
	} else if (option == 'u') {
		if (berth_timearg_moment(value, &wish->until) < 0)
			return berth_usage(cmd,
					   "--until '%s' is no moment; write 2026-12-01T18:00Z, or "
					   "2026-12-01T18:00 for local time",
					   value);
	} else {
		if (berth_expiry_parse(value, &wish->on_expiry) < 0)
			return berth_usage(
				cmd, "--on-expiry '%s' is not notify, detach or shutdown", value);
		wish->has_on_expiry = true;
	}
	return wish->for_s && wish->until ?
		       berth_usage(cmd, "--for and --until say the same thing; give one") :
		       0;
}

static int take_lease(const struct berth_cmd *cmd, int c, const char *value,
		      struct berth_lease_wish *wish)
{
	return berth_devargs_lease(cmd,
				   c == OPT_FOR	  ? 'f' :
				   c == OPT_UNTIL ? 'u' :
						    'x',
				   value, wish);
}

int berth_devargs_parse(const struct berth_cmd *cmd, int argc, char **argv, unsigned int flags,
			struct berth_devargs *ret)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_devargs args = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jn", options, NULL)) != -1) {
		if (c == ':')
			return berth_usage(cmd, "option %s needs a value", argv[optind - 1]);
		if (!(flag_of(c) & flags))
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		if (flag_of(c) == BERTH_DEVARGS_LEASE && take_lease(cmd, c, optarg, &args.lease))
			return BERTH_EXIT_USAGE;
		if (flag_of(c) == BERTH_DEVARGS_WAIT && take_wait(cmd, c, optarg, &args))
			return BERTH_EXIT_USAGE;
		set(&args, c, optarg);
	}
	args.devs = (const char *const *)argv + optind;
	args.nr = (size_t)(argc - optind);
	if (args.vm && berth_vm_name_check(args.vm, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	if (berth_resolve_check_form(args.devs, args.nr, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	*ret = args;
	return BERTH_EXIT_OK;
}

int berth_devargs_open(const struct berth_cmd *cmd, struct berth_host *host, bool look,
		       struct berth_manager **ret, struct berth_err *err)
{
	struct berth_report fixed = BERTH_REPORT_INIT;
	int r;

	if (!look && !berth_host_is_real(host))
		return berth_err_set(err, -EPERM,
				     "%s is a captured host, not the running one: only --dry-run",
				     host->root);
	r = berth_manager_open(ret, host, look ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE, &fixed,
			       err);
	for (size_t i = 0; i < fixed.nr; i++)
		fprintf(stderr, "berth %s: found and repaired: %s\n", cmd->name, fixed.lines[i]);
	berth_report_done(&fixed);
	return r;
}

void berth_devargs_doubts(const struct berth_cmd *cmd, struct berth_manager *m)
{
	char words[BERTH_DOUBTS_WORDS];

	if (*berth_manager_doubts(m, words))
		fprintf(stderr, "berth %s: warning: %s\n", cmd->name, words);
}

int berth_devargs_end(const struct berth_cmd *cmd, int r, struct berth_report *report,
		      const struct berth_err *err)
{
	for (size_t i = 0; i < report->nr; i++)
		printf("%s\n", report->lines[i]);
	if (report->lost)
		printf("(%zu more lines did not fit in memory)\n", report->lost);
	berth_report_done(report);
	return r == 0 ? BERTH_EXIT_OK : berth_fail(cmd, r, err);
}
