/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs of berth share: the table entry, the exit codes, and how an error reaches the user.
 */
#ifndef BERTH_TOOLS_BERTH_H
#define BERTH_TOOLS_BERTH_H

#include <stdbool.h>

#include "base/err.h"
#include "base/host.h"

enum berth_exit {
	BERTH_EXIT_OK = 0,
	BERTH_EXIT_FAILED = 1,
	BERTH_EXIT_USAGE = 2,
	BERTH_EXIT_REFUSED = 3,
};

struct berth_cmd {
	const char *name;
	const char *summary; /* one line, for `berth help` */
	const char *help;    /* usage, then options, for `berth help NAME` and --help */
	/* argv[0] is the verb; getopt is reset. @host is borrowed. Return: enum berth_exit */
	int (*run)(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv);
	bool needs_root; /* refused early, with the remedy, when the caller is not root (unless --dry-run) */
};

/* One per tools/cmd_*.c; the table that lists them is in berth.c. */
extern const struct berth_cmd
	/* clang-format off */
	berth_cmd_list,
	berth_cmd_show,
	berth_cmd_groups,
	berth_cmd_doctor,
	berth_cmd_plan,
	berth_cmd_assign,
	berth_cmd_release,
	berth_cmd_renew,
	berth_cmd_taint,
	berth_cmd_untaint,
	berth_cmd_reserve,
	berth_cmd_unreserve,
	berth_cmd_status,
	berth_cmd_run,
	berth_cmd_vm,
	berth_cmd_policy,
	berth_cmd_repin,
	berth_cmd_sriov,
	berth_cmd_bind,
	berth_cmd_unbind,
	berth_cmd_recover,
	berth_cmd_audit,
	berth_cmd_topology,
	berth_cmd_monitor,
	berth_cmd_udev,
	berth_cmd_completion,
	berth_cmd_help,
	berth_cmd_version;
/* clang-format on */

/* "berth VERB: text" on stderr; returns the exit code that fits @r (an error < 0 or an outcome > 0). */
int berth_fail(const struct berth_cmd *cmd, int r, const struct berth_err *err);

/* "berth VERB: text" and where to find help, on stderr. Return: BERTH_EXIT_USAGE. */
int berth_usage(const struct berth_cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
