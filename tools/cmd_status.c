/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth status: who owns what. */
#include <getopt.h>
#include <stdio.h>

#include "manager/status.h"
#include "tools/devargs.h"
#include "tools/out.h"

static const char help[] =
	"Usage: berth status [--json]\n\n"
	"Who owns what: every group that is recorded, and every one that somebody else has put on\n"
	"vfio-pci (state external).\n\n"
	"  -j, --json   {\"owned\":[{\"group\":14,\"devices\":…,\"vm\":…,\"state\":…,\"since\":…,\n"
	"               \"holder\":…,\"reset\":…}]}; \"since\" is UTC, \"holder\" a process id\n\n"
	"STATE   preparing, assigned, in-use, releasing, sanitising, returning, faulted, quarantined,\n"
	"        identity-changed; external; lost: gone from this host, kept for when it comes back\n"
	"HOLDER  the process that answers for the devices while a VM uses them\n"
	"RESET   how it was last reset, or \"unproven\"; 'berth show DEV' has the evidence\n"
	"NOTE    what is wrong, and what the next verb will do about it\n";

static const struct berth_out_col cols[] = {
	{ "group", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "devices", NULL, BERTH_OUT_STRING, 0 },
	{ "vm", NULL, BERTH_OUT_STRING, 0 },
	{ "state", NULL, BERTH_OUT_STRING, 0 },
	{ "kind", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "since", NULL, BERTH_OUT_STRING, 0 },
	{ "holder", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "process", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "reset", NULL, BERTH_OUT_STRING, 0 },
	{ "note", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

static void add(struct berth_out *out, const struct berth_status_row *s)
{
	struct berth_out_row *row = berth_out_add(out, NULL);
	char when[32];

	if (s->group >= 0)
		berth_out_num(row, "group", s->group);
	berth_out_str(row, "devices", s->devices);
	berth_out_str(row, "vm", s->vm);
	berth_out_str(row, "state", s->state);
	berth_out_str(row, "kind", s->kind);
	if (s->since)
		berth_out_str(row, "since", berth_out_time(s->since, when));
	if (s->holder) {
		berth_out_num(row, "holder", s->holder);
		berth_out_str(row, "process", s->holder_name);
	}
	berth_out_str(row, "reset", *s->reset ? s->reset : NULL);
	berth_out_str(row, "note", *s->note ? s->note : NULL);
}

static int print(const struct berth_status *status, bool json, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "owned", cols, BERTH_ARRAY_SIZE(cols),
			      json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < status->nr; i++)
		add(out, &status->rows[i]);
	return berth_out_print(out, stdout, err);
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_status status = { 0 };
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv, BERTH_DEVARGS_JSON, &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.nr)
		return berth_usage(cmd, "it takes no device; 'berth show DEV' tells about one");
	r = berth_devargs_open(cmd, host, true, &m, &err);
	if (r == 0)
		r = berth_status_read(m, &status, &err);
	if (r == 0 && !args.json && status.nr == 0)
		printf("no VM owns any device\n");
	else if (r == 0)
		r = print(&status, args.json, &err);
	berth_status_done(&status);
	return r == 0 ? BERTH_EXIT_OK : berth_fail(cmd, r, &err);
}

const struct berth_cmd berth_cmd_status = {
	.name = "status",
	.summary = "who owns what",
	.help = help,
	.run = run,
};
