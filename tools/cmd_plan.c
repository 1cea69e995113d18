/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth plan: what assign would do. */
#include <stdio.h>

#include "manager/assign.h"
#include "tools/devargs.h"
#include "tools/out.h"

static const char help[] =
	"Usage: berth plan DEV… --vm VM [--json]\n\n"
	"What 'berth assign' would do, step by step, or why it would refuse. Changes nothing.\n\n"
	"      --vm VM   the owner to be\n"
	"      --force   as 'berth assign --force' would do\n"
	"  -j, --json    {\"steps\":[{\"step\":1,\"op\":…,\"bdf\":…,\"group\":…,\"arg\":…,\"text\":…}]}\n";

static const struct berth_out_col cols[] = {
	{ "step", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "op", NULL, BERTH_OUT_STRING, 0 },
	{ "bdf", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "group", NULL, BERTH_OUT_NUMBER, BERTH_OUT_EXTRA },
	{ "arg", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "text", "WHAT IS DONE", BERTH_OUT_STRING, 0 },
};

static int print(const struct berth_steps *steps, bool json, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	char words[BERTH_STEP_WORDS];
	int r = berth_out_new(&out, "steps", cols, BERTH_ARRAY_SIZE(cols),
			      json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, err);

	for (size_t i = 0; i < steps->nr && r == 0; i++) {
		const struct berth_step *s = &steps->items[i];
		struct berth_out_row *row = berth_out_add(out, NULL);

		berth_out_num(row, "step", (int64_t)i + 1);
		berth_out_str(row, "op", berth_step_op_name(s->op));
		berth_out_str(row, "bdf", BERTH_BDF_STR(s->at));
		berth_out_num(row, "group", s->group);
		berth_out_str(row, "arg", *s->arg ? s->arg : NULL);
		berth_out_str(row, "text", berth_step_words(s, words));
	}
	if (r == 0)
		r = berth_out_print(out, stdout, err);
	return r;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_steps steps = { 0 };
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv,
				    BERTH_DEVARGS_VM | BERTH_DEVARGS_JSON | BERTH_DEVARGS_FORCE,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (!args.nr)
		return berth_usage(cmd, "which device? 'berth list' shows them");
	if (!args.vm)
		return berth_usage(cmd, "for which VM? --vm is missing");
	r = berth_devargs_open(cmd, host, true, &m, &err);
	if (r == 0)
		berth_devargs_doubts(cmd, m);
	if (r == 0 && args.force)
		berth_manager_force(m);
	if (r == 0)
		r = berth_manager_plan(m, args.vm, args.devs, args.nr, &steps, &err);
	if (r == 0 && !args.json && steps.nr == 0)
		printf("%s owns all of that already: nothing to be done\n", args.vm);
	else if (r == 0)
		r = print(&steps, args.json, &err);
	berth_steps_done(&steps);
	return r == 0 ? BERTH_EXIT_OK : berth_fail(cmd, r, &err);
}

const struct berth_cmd berth_cmd_plan = {
	.name = "plan",
	.summary = "what assign would do, step by step; changes nothing",
	.help = help,
	.run = run,
};
