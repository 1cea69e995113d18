/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth: one binary, one table of commands.
 */
#include "tools/berth.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"

/* One per line, in the groups and the order of `berth help`. */
/* clang-format off */
static const struct {
	const char *group; /* its heading, with the first of each */
	const struct berth_cmd *cmd;
} commands[] = {
	{ "Look", &berth_cmd_doctor },
	{ NULL, &berth_cmd_list },
	{ NULL, &berth_cmd_show },
	{ NULL, &berth_cmd_groups },
	{ NULL, &berth_cmd_topology },
	{ NULL, &berth_cmd_status },
	{ NULL, &berth_cmd_monitor },
	{ "Give devices to a VM, and get them back", &berth_cmd_plan },
	{ NULL, &berth_cmd_assign },
	{ NULL, &berth_cmd_renew },
	{ NULL, &berth_cmd_release },
	{ NULL, &berth_cmd_recover },
	{ "Run VMs", &berth_cmd_run },
	{ NULL, &berth_cmd_vm },
	{ "Decide who gets what", &berth_cmd_policy },
	{ NULL, &berth_cmd_repin },
	{ NULL, &berth_cmd_taint },
	{ NULL, &berth_cmd_untaint },
	{ NULL, &berth_cmd_reserve },
	{ NULL, &berth_cmd_unreserve },
	{ NULL, &berth_cmd_audit },
	{ "Devices by hand", &berth_cmd_sriov },
	{ NULL, &berth_cmd_bind },
	{ NULL, &berth_cmd_unbind },
	{ "For other programs, and about this one", &berth_cmd_udev },
	{ NULL, &berth_cmd_completion },
	{ NULL, &berth_cmd_help },
	{ NULL, &berth_cmd_version },
};
/* clang-format on */

static const struct berth_cmd *find_command(const char *name)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].cmd->name, name) == 0)
			return commands[i].cmd;
	}
	return NULL;
}

int berth_fail(const struct berth_cmd *cmd, int r, const struct berth_err *err)
{
	fprintf(stderr, "berth %s: %s\n", cmd->name,
		err->code ? err->text :
		r < 0	  ? strerror(-r) :
			    "refused");
	return r > 0 ? BERTH_EXIT_REFUSED : BERTH_EXIT_FAILED;
}

int berth_usage(const struct berth_cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "berth %s: ", cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see 'berth help %s'\n", cmd->name);
	return BERTH_EXIT_USAGE;
}

static void print_overview(FILE *f)
{
	fprintf(f,
		"Usage: berth VERB [ARGUMENTS]\n\n"
		"Gives PCI devices a berth in a virtual machine, and gets them back.\n\n"
		"New here? 'berth doctor' says whether this host is fit, 'berth list' what could be\n"
		"passed through, and 'berth plan DEV --vm NAME' what giving it to a VM would do.\n");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(commands); i++) {
		if (commands[i].group)
			fprintf(f, "\n%s:\n", commands[i].group);
		fprintf(f, "  %-10s %s\n", commands[i].cmd->name, commands[i].cmd->summary);
	}
	fprintf(f, "\n'berth help VERB' tells more; the manual is berth(1).\n");
}

/* Return: BERTH_EXIT_USAGE */
static int no_such_verb(const char *who, const char *verb)
{
	const char *names[BERTH_ARRAY_SIZE(commands) + 1] = { NULL }, *meant;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(commands); i++)
		names[i] = commands[i].cmd->name;
	meant = berth_nearest(verb, names);
	if (*verb == '-')
		fprintf(stderr, "%s: a verb comes before '%s'", who, verb);
	else
		fprintf(stderr, "%s: there is no verb '%s'", who, verb);
	if (meant)
		fprintf(stderr, "; did you mean '%s'?", meant);
	fprintf(stderr, "%s'berth help' lists them\n", meant ? " " : "; ");
	return BERTH_EXIT_USAGE;
}

static int run_help(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	const struct berth_cmd *about;

	(void)cmd, (void)host;
	if (argc < 2) {
		print_overview(stdout);
		return BERTH_EXIT_OK;
	}
	about = find_command(argv[1]);
	if (!about)
		return no_such_verb("berth help", argv[1]);
	printf("%s", about->help);
	return BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_help = {
	.name = "help",
	.summary = "this list, or everything about one verb",
	.help = "Usage: berth help [VERB]\n",
	.run = run_help,
};

static int run_version(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	(void)host;
	if (argc > 1)
		return berth_usage(cmd, "'%s' is one argument too many", argv[1]);
	printf("berth %s\n", BERTH_VERSION);
	return BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_version = {
	.name = "version",
	.summary = "the version of this program",
	.help = "Usage: berth --version\n",
	.run = run_version,
};

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (strcmp(argv[i], word) == 0)
			return true;
	}
	return false;
}

/* "berth -v VERB" and $BERTH_DEBUG=1 show what the libraries do. */
static void set_log_level(int *argc, char ***argv)
{
	if (getenv("BERTH_DEBUG"))
		berth_log_max = BERTH_LOG_DEBUG;
	while (*argc > 1 && strcmp((*argv)[1], "-v") == 0) {
		berth_log_max = berth_log_max < BERTH_LOG_INFO ? BERTH_LOG_INFO : BERTH_LOG_DEBUG;
		(*argv)[1] = (*argv)[0];
		(*argv)++;
		(*argc)--;
	}
}

int main(int argc, char **argv)
{
	BERTH_CLEANUP(berth_host_closep) struct berth_host *host = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	const struct berth_cmd *cmd;
	const char *verb;
	int r;

	/* Letters only, for the width of columns and the lines of trees: numbers stay as JSON wants them. */
	setlocale(LC_CTYPE, "");
	set_log_level(&argc, &argv);
	verb = argc > 1 ? argv[1] : NULL;
	if (verb && strcmp(verb, "--version") == 0)
		verb = "version";
	if (verb && (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0))
		verb = "help";
	if (!verb) {
		print_overview(stderr);
		return BERTH_EXIT_USAGE;
	}
	cmd = find_command(verb);
	if (!cmd) {
		return no_such_verb("berth", verb);
	}
	if (cmd != &berth_cmd_help && has_word(argc - 1, argv + 1, "--help")) {
		printf("%s", cmd->help);
		return BERTH_EXIT_OK;
	}
	if (cmd->needs_root && geteuid() != 0 && !has_word(argc - 1, argv + 1, "--dry-run")) {
		fprintf(stderr, "berth %s: changing the host needs root; run 'sudo berth %s …'\n",
			cmd->name, cmd->name);
		return BERTH_EXIT_FAILED;
	}
	r = berth_host_open(&host, NULL, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	optind = 0;
	r = cmd->run(cmd, host, argc - 1, argv + 1);
	if (fflush(stdout) || ferror(stdout)) {
		if (errno != EPIPE)
			fprintf(stderr, "berth %s: writing the output: %s\n", cmd->name,
				strerror(errno));
		return BERTH_EXIT_FAILED;
	}
	return r;
}
