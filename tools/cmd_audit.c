/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth audit: who changed the ownership of what. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bdf.h"
#include "manager/manager.h"
#include "manager/resolve.h"
#include "policy/audit.h"
#include "policy/ledger.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/timearg.h"
#include "vfio/inventory.h"

static const char help[] =
	"Usage: berth audit [--vm VM] [--device DEV] [--since WHEN] [-n N] [--json]\n"
	"       berth audit verify [--json]\n\n"
	"Who changed the ownership of what, the oldest first: time, user, verb, VM, device, state before\n"
	"and after, reason. The rows are chained by SHA-256.\n\n"
	"      --vm VM         only what is about this VM\n"
	"      --device DEV    only what is about this device\n"
	"      --since WHEN    2026-12-01T18:00Z, 2026-12-01T18:00 or 2026-12-01 by the local clock, or\n"
	"                      2h: so long ago\n"
	"  -n, --lines N       only the last N of these\n"
	"  -j, --json          {\"audit\":[{\"seq\":…,\"time\":…,\"uid\":…,\"verb\":…,\"vm\":…,\"device\":…,\n"
	"                      \"before\":…,\"after\":…,\"reason\":…}]}; of verify {\"verify\":[{\"rows\":…,\n"
	"                      \"head\":…,\"broken\":…,\"why\":…}]}\n\n"
	"verify says how many rows are as they were written, and the hash of the last one: who notes that\n"
	"down elsewhere can tell later that nothing before it has changed. Exit status 1 when a row was\n"
	"changed, removed or cut off; the first one is named.\n";

struct args {
	struct berth_audit_query query;
	const char *device; /* as written, or NULL */
	bool json, verify;
};

static const struct berth_out_col cols[] = {
	{ "seq", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "time", NULL, BERTH_OUT_STRING, 0 },
	{ "uid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "verb", NULL, BERTH_OUT_STRING, 0 },
	{ "vm", NULL, BERTH_OUT_STRING, 0 },
	{ "device", NULL, BERTH_OUT_STRING, 0 },
	{ "before", NULL, BERTH_OUT_STRING, 0 },
	{ "after", NULL, BERTH_OUT_STRING, 0 },
	{ "reason", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

static int print(const struct berth_audit_list *list, bool json, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "audit", cols, BERTH_ARRAY_SIZE(cols),
			      json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->nr; i++) {
		const struct berth_audit *a = &list->items[i];
		struct berth_out_row *row = berth_out_add(out, NULL);
		char when[32];

		berth_out_num(row, "seq", a->seq);
		berth_out_str(row, "time", berth_out_time(a->time, when));
		berth_out_num(row, "uid", a->uid);
		berth_out_str(row, "verb", a->verb);
		berth_out_str(row, "vm", a->vm);
		berth_out_str(row, "device", a->device);
		berth_out_str(row, "before", a->before);
		berth_out_str(row, "after", a->after);
		berth_out_str(row, "reason", a->reason);
	}
	return berth_out_print(out, stdout, err);
}

static int list_rows(struct berth_ledger *ledger, const struct args *args, struct berth_err *err)
{
	struct berth_audit_list list;
	int r = berth_audit_find(ledger, &args->query, &list, err);

	if (r < 0)
		return r;
	if (list.nr == 0 && !args->json)
		printf("nothing is recorded%s\n",
		       args->query.vm || args->query.device || args->query.since ? " of that" : "");
	else
		r = print(&list, args->json, err);
	berth_audit_list_free(&list);
	return r;
}

static const struct berth_out_col verify_cols[] = {
	{ "rows", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "head", NULL, BERTH_OUT_STRING, 0 },
	{ "broken", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "why", NULL, BERTH_OUT_STRING, 0 },
};

static int print_check(const struct berth_audit_check *c, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_out_row *row;
	int r = berth_out_new(&out, "verify", verify_cols, BERTH_ARRAY_SIZE(verify_cols),
			      BERTH_OUT_JSON, err);

	if (r < 0)
		return r;
	row = berth_out_add(out, NULL);
	berth_out_num(row, "rows", c->rows);
	berth_out_str(row, "head", c->head);
	if (c->broken) {
		berth_out_num(row, "broken", c->broken);
		berth_out_str(row, "why", c->why);
	}
	return berth_out_print(out, stdout, err);
}

static int verify(struct berth_ledger *ledger, bool json, struct berth_err *err)
{
	struct berth_audit_check c;
	int r = berth_audit_verify(ledger, &c, err);

	if (r == 0 && json)
		r = print_check(&c, err);
	else if (r == 0 && !c.broken)
		printf("%" PRId64 " rows are as they were written; the last one's hash is %s\n",
		       c.rows, c.head);
	if (r == 0 && c.broken)
		r = berth_err_set(err, -EUCLEAN,
				  "row %" PRId64 " %s; the %" PRId64 " rows before it are whole",
				  c.broken, c.why, c.rows);
	return r;
}

static int parse_number(const char *text, size_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = *text >= '1' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (n == 0 || errno || *end || n > INT32_MAX)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int take_option(const struct berth_cmd *cmd, int c, char **argv, struct args *a)
{
	switch (c) {
	case 'v':
		a->query.vm = optarg;
		return 0;
	case 'd':
		a->device = optarg;
		return berth_resolve_check_form(&a->device, 1, NULL) < 0 ?
			       berth_usage(cmd, "'%s' is not a PCI address", optarg) :
			       0;
	case 's':
		return berth_timearg_since(optarg, &a->query.since) < 0 ?
			       berth_usage(
				       cmd,
				       "--since '%s' is no time; write 2026-12-01T18:00Z, 2026-12-01 "
				       "or 2h",
				       optarg) :
			       0;
	case 'n':
		return parse_number(optarg, &a->query.last) < 0 ?
			       berth_usage(cmd, "-n '%s' is not a number from 1 on", optarg) :
			       0;
	case 'j':
		a->json = true;
		return 0;
	case ':':
		return berth_usage(cmd, "option %s needs a value", argv[optind - 1]);
	default:
		return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
	}
}

static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct args *a)
{
	static const struct option longs[] = { { "vm", required_argument, NULL, 'v' },
					       { "device", required_argument, NULL, 'd' },
					       { "since", required_argument, NULL, 's' },
					       { "lines", required_argument, NULL, 'n' },
					       { "json", no_argument, NULL, 'j' },
					       { 0 } };
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":n:j", longs, NULL)) != -1)
		r = take_option(cmd, c, argv, a);
	if (r)
		return r;
	a->verify = optind < argc && strcmp(argv[optind], "verify") == 0;
	if (argc - optind > a->verify)
		return berth_usage(cmd,
				   "'%s' is one argument too many; 'verify' is the one there is",
				   argv[optind + a->verify]);
	if (a->verify && (a->query.vm || a->device || a->query.since || a->query.last))
		return berth_usage(cmd, "verify looks at all of it: it takes --json only");
	return 0;
}

/* Rows have the address that a device had: what is written otherwise is looked up, if it is there. */
static void find_device(struct berth_host *host, const char *name, char bdf[BERTH_BDF_LEN])
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	struct berth_bdf at;
	size_t nr;

	if (berth_bdf_parse(name, &at) == 0)
		berth_bdf_format(at, bdf);
	else if (berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, NULL) == 0 &&
		 berth_resolve(m, NULL, &name, 1, &devs, &nr, NULL) == 0)
		berth_bdf_format(devs[0]->bdf, bdf);
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	char bdf[BERTH_BDF_LEN] = "";
	struct args args = { 0 };
	int r = parse(cmd, argc, argv, &args);

	if (r)
		return r;
	if (args.device) {
		find_device(host, args.device, bdf);
		if (!*bdf) {
			berth_err_set(&err, -ENODEV, "there is no device '%.80s'", args.device);
			return berth_fail(cmd, -ENODEV, &err);
		}
		args.query.device = bdf;
	}
	r = berth_ledger_open(&ledger, host->state, BERTH_LEDGER_READ, &err);
	if (r == 0)
		r = args.verify ? verify(ledger, args.json, &err) : list_rows(ledger, &args, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_audit = {
	.name = "audit",
	.summary = "who changed the ownership of what; verify that nobody changed that",
	.help = help,
	.run = run,
};
