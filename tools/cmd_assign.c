/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth assign: devices for a VM. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "manager/assign.h"
#include "manager/claimed.h"
#include "manager/displace.h"
#include "manager/wait.h"
#include "tools/devargs.h"
#include "tools/ending.h"
#include "tools/vm_nudge.h"

static const char help[] =
	"Usage: berth assign DEV… --vm VM [--for TIME | --until MOMENT]\n"
	"                    [--wait[=TIME]] [--priority N] [--force] [--dry-run] [--json]\n"
	"       berth assign --claim VM [--preempt] [--for TIME | --until MOMENT] [--force] [--dry-run] [--json]\n\n"
	"Make VM the owner of the devices: their IOMMU groups move to vfio-pci as a whole and stay\n"
	"there, for VM alone, until 'berth release'. All or nothing. DEV is an address (0000:03:00.0\n"
	"or 03:00.0), a PCI path, a name from policy, or pool:NAME.\n\n"
	"      --vm VM           the owner\n"
	"      --claim VM        the owner, and it gets what its claim in the policy asks for:\n"
	"                        'berth policy plan --vm VM' says what that is\n"
	"      --preempt         with --claim: VMs of lower priority may have to go for it, where a rule\n"
	"                        says \"preempt\": \"lower\": they are stopped, and what they have is reset\n"
	"                        and given back before it is given to VM\n" BERTH_DEVARGS_LEASE_HELP
	"      --wait[=TIME]     wait until whoever has the devices lets go of them, so long or for ever;\n"
	"                        Ctrl-C ends it\n"
	"      --priority N      0 to 999: who waits with a larger number comes first, then who came\n"
	"                        first (0)\n"
	"      --force           also what the policy protects, where a rule of it with\n"
	"                        \"override_protect\" names the device for VM\n"
	"  -n, --dry-run         say what would be done, step by step; change nothing\n" BERTH_DEVARGS_JSON_HELP
	"\n"
	"Without --for and --until they stay VM's until they are released, or as long as the policy's\n"
	"rule allows. 'berth renew' sets another end.\n\n"
	"Exit status: 0 done, 1 failed (and everything is as it was), 2 usage, 3 refused by policy\n"
	"or by safety\n";

static void say_waiting(void *arg, const char *words)
{
	const struct berth_cmd *cmd = arg;

	fprintf(stderr, "berth %s: waiting: %s\n", cmd->name, words);
}

/* Ctrl-C, and what else asks a process to end, shall be noticed while it sleeps, not in the middle of a step. */
static int block_signals(struct berth_err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	fd = sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1 : signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? berth_err_set(err, -errno, "signalfd: %s", strerror(errno)) : fd;
}

static int wait_for(const struct berth_cmd *cmd, struct berth_host *host,
		    const struct berth_devargs *args, const struct berth_assign_how *how,
		    struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_closep) int fd = block_signals(err);
	const struct berth_wait_how wait = {
		.assign = *how,
		.force = args->force,
		.wait_s = args->wait_s,
		.stop_fd = fd,
		.waiting = say_waiting,
		.arg = (void *)(uintptr_t)cmd,
	};

	if (fd < 0)
		return fd;
	if (!berth_host_is_real(host))
		return berth_err_set(err, -EPERM,
				     "%s is a captured host, not the running one: only --dry-run",
				     host->root);
	if (berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, NULL) == 0)
		berth_devargs_doubts(cmd, m);
	return berth_wait_assign(host, args->vm, args->devs, args->nr, &wait, report, err);
}

/* What is named, or what the claim gets. */
static int assign(struct berth_manager *m, const struct berth_devargs *args,
		  const struct berth_assign_how *how, struct berth_report *report,
		  struct berth_err *err)
{
	struct berth_claimed claimed = { 0 };
	int r;

	if (!args->claim)
		return berth_manager_assign_how(m, args->vm, args->devs, args->nr, how, report,
						err);
	r = berth_manager_claimed(m, args->vm, &claimed, err);
	if (r == 0)
		r = berth_manager_assign_how(m, args->vm, (const char *const *)claimed.names,
					     claimed.nr, how, report, err);
	berth_claimed_done(&claimed);
	return r;
}

static void nudge(void *host, const char *vm)
{
	berth_vm_nudge(host, vm);
}

/* Others may have to go for it, and are waited for. */
static int at_their_cost(struct berth_host *host, const struct berth_devargs *args,
			 const struct berth_assign_how *how, struct berth_report *report,
			 struct berth_err *err)
{
	const struct berth_displace_how displace = { .assign = *how, .asked = nudge, .arg = host };

	if (!berth_host_is_real(host))
		return berth_err_set(err, -EPERM,
				     "%s is a captured host, not the running one: only --dry-run",
				     host->root);
	return berth_displace_assign(host, args->vm, &displace, report, err);
}

/* Says who would go, when that has to be. */
static int look_at_cost(struct berth_manager *m, const struct berth_devargs *args,
			const struct berth_assign_how *how, struct berth_report *report,
			struct berth_err *err)
{
	int r = berth_displace_look(m, args->vm, report, err);

	return r == 0 && report->nr == 0 ? assign(m, args, how, report, err) : r;
}

static int at_once(const struct berth_cmd *cmd, struct berth_host *host,
		   const struct berth_devargs *args, const struct berth_assign_how *how,
		   struct berth_ending *ending, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_devargs_open(cmd, host, args->dry_run, &m, err);

	if (r < 0)
		return r;
	berth_ending_names(ending, m);
	berth_devargs_doubts(cmd, m);
	if (args->force)
		berth_manager_force(m);
	return args->preempt ? look_at_cost(m, args, how, report, err) :
			       assign(m, args, how, report, err);
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_assign_how how = { 0 };
	struct berth_ending ending;
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv,
				    BERTH_DEVARGS_VM | BERTH_DEVARGS_DRY_RUN | BERTH_DEVARGS_LEASE |
					    BERTH_DEVARGS_WAIT | BERTH_DEVARGS_CLAIM |
					    BERTH_DEVARGS_FORCE | BERTH_DEVARGS_JSON,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.claim && args.nr)
		return berth_usage(cmd, "devices, or --claim: the claim names its own");
	if (args.claim && args.wait)
		return berth_usage(cmd, "--wait is for devices that are named, not for --claim");
	if (args.preempt && !args.claim)
		return berth_usage(cmd, "--preempt is for what a claim gets; --claim is missing");
	if (args.preempt && args.force)
		return berth_usage(cmd, "--force and --preempt do not go together");
	if (!args.nr && !args.claim)
		return berth_usage(cmd, "which device? 'berth list' shows them");
	if (!args.vm)
		return berth_usage(cmd, "for which VM? --vm is missing");
	how.dry_run = args.dry_run;
	how.lease = args.lease;
	how.priority = args.priority;
	r = berth_ending_begin(&ending, cmd, host, &args, &err);
	if (r == 0 && args.wait && !args.dry_run)
		r = wait_for(cmd, host, &args, &how, &report, &err);
	else if (r == 0 && args.preempt && !args.dry_run)
		r = at_their_cost(host, &args, &how, &report, &err);
	else if (r == 0)
		r = at_once(cmd, host, &args, &how, &ending, &report, &err);
	return berth_ending_end(&ending, r, &report, &err);
}

const struct berth_cmd berth_cmd_assign = {
	.name = "assign",
	.summary = "own devices for a VM: the whole group moves to vfio-pci",
	.help = help,
	.run = run,
	.needs_root = true,
};
