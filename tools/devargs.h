/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs that move devices have in common: DEV… --vm VM --dry-run, an open manager, a report in words.
 */
#ifndef BERTH_TOOLS_DEVARGS_H
#define BERTH_TOOLS_DEVARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "manager/lease.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "tools/berth.h"

/* Which options a verb takes. --dry-run and DEV are taken by all. */
enum berth_devargs_flag {
	BERTH_DEVARGS_VM = 1 << 0,
	BERTH_DEVARGS_JSON = 1 << 1,
	BERTH_DEVARGS_DRIVER = 1 << 2,
	BERTH_DEVARGS_UNCLEAN = 1 << 3,
	BERTH_DEVARGS_DRY_RUN = 1 << 4,
	BERTH_DEVARGS_LEASE = 1 << 5, /* --for, --until, --on-expiry */
	BERTH_DEVARGS_WAIT = 1 << 6,  /* --wait, --priority */
	BERTH_DEVARGS_QUEUE = 1 << 7, /* --queue */
	BERTH_DEVARGS_CLAIM = 1 << 8, /* --claim VM, --preempt */
	BERTH_DEVARGS_FORCE = 1 << 9,
};

struct berth_devargs {
	const char *vm;		 /* NULL: not given */
	const char *driver;	 /* NULL: not given */
	const char *const *devs; /* borrowed from argv */
	size_t nr;
	bool dry_run, json, unclean, force;
	bool claim;   /* what the claim of @vm gets, instead of devices that are named */
	bool preempt; /* with @claim: others may have to go for it */
	struct berth_lease_wish lease;
	bool wait, queue;
	int64_t wait_s; /* with wait: so long; 0: for ever */
	int priority;
};

/* What --help says about BERTH_DEVARGS_LEASE. */
#define BERTH_DEVARGS_LEASE_HELP                                                                               \
	"      --for TIME        for so long: 90s, 15m, 2h, 3d, 1w\n"                                          \
	"      --until MOMENT    until 2026-12-01T18:00Z, or 2026-12-01T18:00 by the local clock\n"            \
	"      --on-expiry WHAT  when that is over: notify (only say so), detach (give back what no running\n" \
	"                        VM uses, the rest when its VM ends) or shutdown (stop the VM, then\n"         \
	"                        give back) (detach)\n"

#define BERTH_DEVARGS_JSON_HELP                                                                    \
	"  -j, --json            how it ended, and what became of the devices: OUTCOMES in berth(1)\n"

/**
 * berth_devargs_lease() - one of --for, --until and --on-expiry
 * @option: 'f', 'u' or 'x'
 *
 * Return: 0; BERTH_EXIT_USAGE, told.
 */
int berth_devargs_lease(const struct berth_cmd *cmd, int option, const char *value,
			struct berth_lease_wish *wish);

/* The value of --wait (NULL: none was given), and of --priority. Return: 0; BERTH_EXIT_USAGE, told. */
int berth_devargs_wait(const struct berth_cmd *cmd, const char *value, int64_t *ret_s);
int berth_devargs_priority(const struct berth_cmd *cmd, const char *value, int *ret);

/* Well-formed arguments, or a usage error that was told. Return: BERTH_EXIT_OK, BERTH_EXIT_USAGE. */
int berth_devargs_parse(const struct berth_cmd *cmd, int argc, char **argv, unsigned int flags,
			struct berth_devargs *ret);

/**
 * berth_devargs_open() - the manager, for change or (@look) for reading
 *
 * What it repaired on the way is told on stderr.
 *
 * Return: 0; -errno, as berth_manager_open(); -EPERM to change a captured tree.
 */
int berth_devargs_open(const struct berth_cmd *cmd, struct berth_host *host, bool look,
		       struct berth_manager **ret, struct berth_err *err);

/* One line on stderr when the policy contradicts itself on this host, or is doubtful. For verbs that it decides about. */
void berth_devargs_doubts(const struct berth_cmd *cmd, struct berth_manager *m);

/* Print the report, then the error, if @r is one. Frees the report. Return: the exit code for @r. */
int berth_devargs_end(const struct berth_cmd *cmd, int r, struct berth_report *report,
		      const struct berth_err *err);

#endif
