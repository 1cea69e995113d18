/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth run: a VM with its devices, from claim to release, in the foreground.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/assign.h"
#include "manager/claimed.h"
#include "manager/displace.h"
#include "manager/manager.h"
#include "tools/berth.h"
#include "tools/devargs.h"
#include "tools/out.h"
#include "tools/run_config.h"
#include "tools/supervisor.h"
#include "tools/vm_nudge.h"
#include "vmm/vm.h"

#define BERTH_LOG "run"
#include "base/log.h"

static const char help[] =
	"Usage: berth run [OPTIONS] [VM.json]\n"
	"       berth run --name NAME --kernel FILE [OPTIONS]\n"
	"\n"
	"Runs a VM until it ends: takes the devices for it, starts berth-vmm without any privilege, and afterwards\n"
	"resets the devices and gives them back where they came from. Options win over VM.json, which is described\n"
	"in berth-vm(5).\n"
	"\n"
	"  --name NAME        how the VM is called: letters, digits, '.', '_', '-'\n"
	"  --kernel FILE      bzImage, or ELF with a PVH entry\n"
	"  --initrd FILE      initial RAM disk\n"
	"  --cmdline TEXT     kernel command line (console=ttyS0)\n"
	"  --cpus N           virtual CPUs (1)\n"
	"  --memory SIZE      512M, 4G (1G)\n"
	"  --hugepages KIND   of what pages memory is: thp (transparent huge pages where the kernel finds some), off (small\n"
	"                     pages), 2M or 1G (of the host's pools, all of them or nothing) (thp)\n"
	"  --numa-node NODE   where memory comes from: auto (the node of the devices), off (any), or a number (auto)\n"
	"  --device DEV       pass this device through, with the other functions of its slot; may be repeated;\n"
	"                     DEV,rom=off,msix-table=move,p2p-clique=N as in berth-vm(5)\n"
	"  --claim            and what the VM's claim in the policy gets: 'berth policy plan --vm NAME' says what that is\n"
	"  --preempt          with --claim: VMs of lower priority are stopped for it, where a rule says \"preempt\": \"lower\"\n"
	"  --p2p              let the devices of the VM reach each other's BARs by DMA\n"
	"  --on-error WHAT    when a device reports an uncorrectable error (PCIe AER): stop, pause or pass (stop)\n"
	"  --iommu HOW        the kernel's interface to the IOMMU: auto, type1 or iommufd (auto: iommufd where there is one)\n"
	"  --on-dma-fault WHAT  when a device tries to reach memory that is not the VM's: log, or stop the VM (log)\n"
	"  --console WHERE    the serial port: stdio, none, or a file to append to (stdio)\n"
	"  --for TIME         for how long it may have the devices: 90s, 15m, 2h, 3d, 1w; without, as long as the policy's\n"
	"                     rule lets it, or it runs. What 'berth assign' gave it before keeps its own lease.\n"
	"  --until MOMENT     the same: 2026-12-01T18:00Z, or 2026-12-01T18:00 by the local clock\n"
	"  --on-expiry WHAT   what then: notify (only say so), detach (the devices go back when the VM ends) or shutdown\n"
	"                     (the VM is stopped) (detach)\n"
	"  --wait[=TIME]      wait until whoever has the devices lets go of them, so long or for ever; Ctrl-C ends it\n"
	"  --priority N       0 to 999: who waits with a larger number comes first, then who came first (0)\n"
	"  --force            also devices that the policy protects, where a rule of it with \"override_protect\" names them\n"
	"  --timeout SECONDS  end the VM after so long; that is a failure\n"
	"  --dry-run          check everything and say what would be done; change nothing\n"
	"  --json             with --dry-run: {\"steps\":[…]}\n"
	"\n"
	"On a terminal every key goes to the guest, but for Ctrl-A: Ctrl-A x stops the VM, Ctrl-A Ctrl-A sends Ctrl-A,\n"
	"Ctrl-A h shows help. SIGINT, SIGTERM and SIGHUP stop the VM, a second one kills it. If berth run itself was\n"
	"killed with SIGKILL, 'reset' repairs the terminal, and the next verb of Berth the devices.\n"
	"\n"
	"Exit status: 0 the guest switched itself off or rebooted, or the VM was stopped; 1 it crashed or could not be\n"
	"run; 2 usage; 3 refused by policy or safety, or a VM of that name runs already.\n";

struct options {
	struct berth_run_config config;
	struct berth_supervisor_options supervisor;
	bool dry_run, json, claim, preempt;
};

enum {
	OPT_NAME = 256,
	OPT_PREEMPT,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_CPUS,
	OPT_MEMORY,
	OPT_HUGEPAGES,
	OPT_NUMA_NODE,
	OPT_ON_DMA_FAULT,
	OPT_DEVICE,
	OPT_CLAIM,
	OPT_P2P,
	OPT_IOMMU,
	OPT_ON_ERROR,
	OPT_CONSOLE,
	OPT_TIMEOUT,
	OPT_FOR,
	OPT_UNTIL,
	OPT_ON_EXPIRY,
	OPT_WAIT,
	OPT_PRIORITY,
	OPT_FORCE,
	OPT_DRY_RUN,
	OPT_JSON
};

static const struct option longs[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "cmdline", required_argument, NULL, OPT_CMDLINE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "hugepages", required_argument, NULL, OPT_HUGEPAGES },
	{ "numa-node", required_argument, NULL, OPT_NUMA_NODE },
	{ "on-dma-fault", required_argument, NULL, OPT_ON_DMA_FAULT },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "claim", no_argument, NULL, OPT_CLAIM },
	{ "preempt", no_argument, NULL, OPT_PREEMPT },
	{ "p2p", no_argument, NULL, OPT_P2P },
	{ "iommu", required_argument, NULL, OPT_IOMMU },
	{ "on-error", required_argument, NULL, OPT_ON_ERROR },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "until", required_argument, NULL, OPT_UNTIL },
	{ "on-expiry", required_argument, NULL, OPT_ON_EXPIRY },
	{ "wait", optional_argument, NULL, OPT_WAIT },
	{ "priority", required_argument, NULL, OPT_PRIORITY },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

static int set_string(const struct berth_cmd *cmd, char **field, struct berth_err *err)
{
	int r = berth_run_config_set(field, optarg, err);

	return r < 0 ? berth_fail(cmd, r, err) : 0;
}

static int set_memory(const struct berth_cmd *cmd, struct options *o)
{
	return berth_parse_size(optarg, &o->config.memory) < 0 ?
		       berth_usage(cmd, "--memory '%s' is not a size; write 512M or 4G", optarg) :
		       0;
}

static int set_backing(const struct berth_cmd *cmd, int c, struct options *o)
{
	if (c == OPT_HUGEPAGES && berth_pages_parse(optarg, &o->config.pages) < 0)
		return berth_usage(cmd, "--hugepages '%s' is not one of thp, off, 2M and 1G",
				   optarg);
	if (c == OPT_NUMA_NODE && berth_parse_node(optarg, &o->config.numa_node) < 0)
		return berth_usage(cmd, "--numa-node '%s' is not auto, off or the number of a node",
				   optarg);
	return 0;
}

static int set_on_error(const struct berth_cmd *cmd, struct options *o)
{
	return berth_parse_on_error(optarg, &o->config.on_error) < 0 ?
		       berth_usage(cmd, "--on-error '%s' is not stop, pause or pass", optarg) :
		       0;
}

static int set_iommu(const struct berth_cmd *cmd, struct options *o)
{
	return berth_ioas_want_parse(optarg, &o->config.iommu) < 0 ?
		       berth_usage(cmd, "--iommu '%s' is not auto, type1 or iommufd", optarg) :
		       0;
}

static int set_on_dma_fault(const struct berth_cmd *cmd, struct options *o)
{
	return berth_parse_on_dma_fault(optarg, &o->config.stop_on_dma_fault) < 0 ?
		       berth_usage(cmd, "--on-dma-fault '%s' is neither log nor stop", optarg) :
		       0;
}

static int set_number(const struct berth_cmd *cmd, const char *name, unsigned int max,
		      unsigned int *ret)
{
	return berth_parse_number(optarg, 1, max, ret) < 0 ?
		       berth_usage(cmd, "%s '%s' is not a number from 1 to %u", name, optarg, max) :
		       0;
}

/* One option. Return: 0; an exit code. */
static int take_option(const struct berth_cmd *cmd, int c, struct options *o, struct berth_err *err)
{
	int r;

	switch (c) {
	case OPT_NAME:
		return set_string(cmd, &o->config.name, err);
	case OPT_KERNEL:
		return set_string(cmd, &o->config.kernel, err);
	case OPT_INITRD:
		return set_string(cmd, &o->config.initrd, err);
	case OPT_CMDLINE:
		return set_string(cmd, &o->config.cmdline, err);
	case OPT_CPUS:
		return set_number(cmd, "--cpus", BERTH_VM_MAX_VCPUS, &o->config.nr_cpus);
	case OPT_MEMORY:
		return set_memory(cmd, o);
	case OPT_HUGEPAGES:
	case OPT_NUMA_NODE:
		return set_backing(cmd, c, o);
	case OPT_ON_DMA_FAULT:
		return set_on_dma_fault(cmd, o);
	case OPT_DEVICE:
		r = berth_run_config_parse_device(&o->config, optarg, err);
		return r == -EINVAL ? berth_usage(cmd, "--device %s: %s", optarg, err->text) :
		       r < 0	    ? berth_fail(cmd, r, err) :
				      0;
	case OPT_CLAIM:
		o->claim = true;
		return 0;
	case OPT_PREEMPT:
		o->preempt = true;
		return 0;
	case OPT_P2P:
		o->config.p2p = true;
		return 0;
	case OPT_IOMMU:
		return set_iommu(cmd, o);
	case OPT_ON_ERROR:
		return set_on_error(cmd, o);
	case OPT_CONSOLE:
		o->supervisor.console = optarg;
		return 0;
	case OPT_TIMEOUT:
		return set_number(cmd, "--timeout", 100000000, &o->supervisor.timeout_s);
	case OPT_FOR:
		return berth_devargs_lease(cmd, 'f', optarg, &o->supervisor.wish.lease);
	case OPT_UNTIL:
		return berth_devargs_lease(cmd, 'u', optarg, &o->supervisor.wish.lease);
	case OPT_ON_EXPIRY:
		return berth_devargs_lease(cmd, 'x', optarg, &o->supervisor.wish.lease);
	case OPT_WAIT:
		o->supervisor.wish.wait = true;
		return berth_devargs_wait(cmd, optarg, &o->supervisor.wish.wait_s);
	case OPT_PRIORITY:
		return berth_devargs_priority(cmd, optarg, &o->supervisor.wish.priority);
	case OPT_FORCE:
		o->supervisor.wish.force = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	default:
		return berth_usage(cmd, "unknown option");
	}
}

/*
 * Twice over the options: the first time to find VM.json, which the second time is read before them, so that what is said
 * on the command line wins wherever it stands.
 */
static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct options *o)
{
	struct berth_err err = BERTH_ERR_INIT;
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == ':')
			return berth_usage(cmd, "%s wants a value", argv[optind - 1]);
		if (c == '?')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
	}
	if (argc - optind > 1)
		return berth_usage(cmd,
				   "'%s' is one argument too many; devices are given with --device",
				   argv[optind + 1]);
	if (optind < argc) {
		r = berth_run_config_load(&o->config, argv[optind], &err);
		if (r < 0)
			return berth_fail(cmd, r, &err);
	}
	optind = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		r = take_option(cmd, c, o, &err);
		if (r)
			return r;
	}
	if (o->claim && o->supervisor.wish.wait)
		return berth_usage(cmd, "--wait is for devices that are named, not for --claim");
	if (o->json && !o->dry_run)
		return berth_usage(cmd, "--json goes with --dry-run");
	if (o->preempt && !o->claim)
		return berth_usage(cmd, "--preempt is for what a claim gets; --claim is missing");
	if (o->preempt && o->dry_run)
		return berth_usage(cmd,
				   "'berth assign --claim VM --preempt --dry-run' says who would "
				   "have to go; run itself cannot look at what is not free yet");
	return berth_run_config_check(&o->config, &err) < 0 ? berth_usage(cmd, "%s", err.text) : 0;
}

/* --- --dry-run --- */

static const struct berth_out_col step_cols[] = {
	{ "step", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "action", NULL, BERTH_OUT_STRING, 0 },
	{ "bdf", NULL, BERTH_OUT_STRING, 0 },
	{ "text", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

static void add_step(struct berth_out *out, const char *action, const char *bdf, const char *text)
{
	int64_t number = (int64_t)berth_out_rows(out) + 1;
	struct berth_out_row *row = berth_out_add(out, NULL);

	berth_out_num(row, "step", number);
	berth_out_str(row, "action", action);
	berth_out_str(row, "bdf", bdf);
	berth_out_str(row, "text", text);
}

static int add_device_steps(struct berth_out *out, struct berth_host *host, const struct options *o,
			    struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	const struct berth_run_config *c = &o->config;
	struct berth_steps steps = { 0 };
	char words[BERTH_STEP_WORDS];
	int r = berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, err);

	if (r == 0)
		berth_devargs_doubts(&berth_cmd_run, m);
	if (r == 0 && o->supervisor.wish.force)
		berth_manager_force(m);
	if (r == 0)
		r = berth_manager_plan(m, c->name, (const char *const *)c->devices, c->nr_devices,
				       &steps, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < steps.nr; i++)
		add_step(out, berth_step_op_name(steps.items[i].op),
			 BERTH_BDF_STR(steps.items[i].at),
			 berth_step_words(&steps.items[i], words));
	berth_steps_done(&steps);
	return 0;
}

static void add_vm_steps(struct berth_out *out, const struct berth_run_config *c)
{
	char text[512], size[24], pages[32] = "";

	if (c->nr_devices)
		add_step(out, "reset", NULL, "open the devices and reset them");
	if (berth_pages_hugetlb(c->pages))
		snprintf(pages, sizeof(pages), " in pages of %s", berth_pages_name(c->pages));
	snprintf(text, sizeof(text),
		 "start berth-vmm for VM %s: %u CPUs, %s of memory%s%s, kernel %s", c->name,
		 c->nr_cpus, berth_format_size(c->memory, size), pages,
		 c->nr_devices ? ", all of it pinned" : "", c->kernel);
	add_step(out, "run", NULL, text);
	if (c->nr_devices)
		add_step(
			out, "give-back", NULL,
			"when it has ended: reset the devices and give them back where they came from");
}

static int dry_run(const struct berth_cmd *cmd, struct berth_host *host, const struct options *o)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_supervisor_check(host, &o->config, &err);

	if (r == 0)
		r = berth_out_new(&out, "steps", step_cols, BERTH_ARRAY_SIZE(step_cols),
				  o->json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, &err);
	if (r == 0 && o->config.nr_devices)
		r = add_device_steps(out, host, o, &err);
	if (r != 0)
		return berth_fail(cmd, r, &err);
	add_vm_steps(out, &o->config);
	r = berth_out_print(out, stdout, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static void nudge(void *host, const char *vm)
{
	berth_vm_nudge(host, vm);
}

static int find_claimed(struct berth_host *host, const struct options *o, struct berth_claimed *ret,
			struct berth_err *err)
{
	const struct berth_displace_how how = { .asked = nudge, .arg = host };
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	int r;

	if (!o->preempt) {
		r = berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, err);
		return r == 0 ? berth_manager_claimed(m, o->config.name, ret, err) : r;
	}
	r = berth_displace_make_room(host, o->config.name, &how, ret, &report, err);
	for (size_t i = 0; i < report.nr; i++)
		log_info("%s", report.lines[i]);
	berth_report_done(&report);
	return r;
}

/* What the VM's claim gets now, as if it had been named; whoever takes one of them before us makes the run fail, no more. */
static int add_claimed(struct berth_host *host, struct options *o, struct berth_err *err)
{
	struct berth_claimed claimed = { 0 };
	int r = find_claimed(host, o, &claimed, err);

	for (size_t i = 0; r == 0 && i < claimed.nr; i++)
		r = berth_run_config_parse_device(&o->config, claimed.names[i], err);
	berth_claimed_done(&claimed);
	return r;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	struct options o = { .supervisor = { .console = "stdio" } };
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	berth_run_config_init(&o.config);
	r = parse(cmd, argc, argv, &o);
	if (r == 0 && o.claim) {
		r = add_claimed(host, &o, &err);
		r = r ? berth_fail(cmd, r, &err) : 0;
	}
	if (r == 0 && o.dry_run)
		r = dry_run(cmd, host, &o);
	else if (r == 0) {
		r = berth_supervisor_run(host, &o.config, &o.supervisor, &err);
		r = r ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
	}
	berth_run_config_done(&o.config);
	return r;
}

const struct berth_cmd berth_cmd_run = {
	.name = "run",
	.summary = "run a VM with its devices",
	.help = help,
	.run = run,
	.needs_root = true,
};
