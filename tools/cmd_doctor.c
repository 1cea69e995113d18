/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth doctor: is this host fit for passthrough? */
#include <getopt.h>
#include <stdio.h>

#include "tools/berth.h"
#include "tools/out_check.h"

static const char help[] =
	"Usage: berth doctor [--json]\n\n"
	"Checks what passthrough needs of this host: IOMMU, interrupt remapping, kernel and modules,\n"
	"KVM, memory limits, switches that weaken isolation, and devices that share theirs. Each\n"
	"finding that is not ok comes with what to do.\n\n"
	"      --json   {\"checks\":[{\"name\":…,\"status\":\"ok|warn|fail\",\"finding\":…,\"remedy\":…}]}\n\n"
	"Exit status: 0 the host is fit (perhaps with warnings); 1 some check failed.\n";

static int print(const struct berth_cmd *cmd, const struct berth_checks *checks, bool json)
{
	enum berth_check_status worst = berth_checks_worst(checks);
	json_t *root;
	int r;

	if (!json) {
		berth_checks_print(checks, stdout);
		printf("%s\n",
		       worst == BERTH_CHECK_FAIL ? "This host is not fit for passthrough." :
		       worst == BERTH_CHECK_WARN ? "This host is fit, with the warnings above." :
						   "This host is fit for passthrough.");
		return worst == BERTH_CHECK_FAIL ? BERTH_EXIT_FAILED : BERTH_EXIT_OK;
	}
	root = json_object();
	json_object_set_new(root, "checks", berth_checks_json(checks));
	r = berth_json_print(stdout, root);
	json_decref(root);
	if (r < 0)
		return berth_fail(cmd, r, &(struct berth_err)BERTH_ERR_INIT);
	return worst == BERTH_CHECK_FAIL ? BERTH_EXIT_FAILED : BERTH_EXIT_OK;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *view = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_platform platform;
	struct berth_checks checks;
	bool json = false;
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		json = true;
	}
	if (optind < argc)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind]);
	r = berth_out_view_open(&view, host, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	berth_platform_read(&platform, host);
	berth_check_host(&checks, view, &platform);
	return print(cmd, &checks, json);
}

const struct berth_cmd berth_cmd_doctor = {
	.name = "doctor",
	.summary = "is this host fit for passthrough, and if not, what to do",
	.help = help,
	.run = run,
};
