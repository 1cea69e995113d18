/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth vm: what runs, and how to end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/run_config.h"
#include "tools/vm_dir.h"
#include "tools/vm_loop.h"
#include "tools/vm_request.h"

static const char help[] =
	"Usage: berth vm list [--json] [-o COLS]\n"
	"       berth vm info NAME [--json]\n"
	"       berth vm stop NAME [--timeout SECONDS]\n"
	"       berth vm kill NAME\n"
	"       berth vm resume NAME\n"
	"\n"
	"list   running VMs\n"
	"info   one of them\n"
	"stop   end it, and wait until its devices are given back (at most 60 seconds, or --timeout). The guest is not\n"
	"       asked: it is as if its power were cut; switch it off from the inside when that matters\n"
	"kill   end its berth-vmm with SIGKILL, and wait until its devices are given back\n"
	"resume let one go on that 'berth run --on-error pause' has paused\n"
	"\n"
	"-o, --output COLS  choose from name,pid,cpus,memory,devices,uptime,vmm_pid,uid,kernel,iommu,\n"
	"                   hugepages,numa_node,devices_ms,memory_ms,ready_ms,state\n";

#define WAIT_S 60 /* for stop and kill: BERTH_VM_STOP_MS, BERTH_VM_DIE_MS, and giving back */

struct options {
	enum berth_out_mode mode;
	const char *columns;
	unsigned int timeout_s;
	const char *what;
	const char *name;
};

static const struct berth_out_col cols[] = {
	{ "name", NULL, BERTH_OUT_STRING, 0 },
	{ "pid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "cpus", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "memory", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "uptime", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "devices", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
	{ "vmm_pid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "uid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "hugepages", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "numa_node", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "devices_ms", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "memory_ms", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "ready_ms", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "state", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "kernel", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "iommu", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
};

static void add_time(struct berth_out_row *row, const char *key, uint64_t ms)
{
	if (ms)
		berth_out_num(row, key, (int64_t)ms);
}

/* As the kernel has berth-vmm: one that is paused has had SIGSTOP. proc(5), stat: the state follows the name in brackets. */
static const char *state_of(pid_t vmm)
{
	char path[32], stat[256];
	const char *end;
	ssize_t n;
	int fd;

	if (!vmm)
		return "starting";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)vmm);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	stat[n] = '\0';
	end = strrchr(stat, ')');
	return end && strncmp(end, ") T", 3) == 0 ? "paused" : "running";
}

static void add_row(struct berth_out *out, const struct berth_vm_info *info)
{
	char devices[BERTH_LAUNCH_DEVICES * (BERTH_BDF_LEN + 1)] = "";
	struct berth_out_row *row = berth_out_add(out, NULL);
	int64_t up = (int64_t)time(NULL) - info->since;

	for (unsigned int i = 0; i < info->nr_devices; i++) {
		if (i)
			strcat(devices, " ");
		strcat(devices, BERTH_BDF_STR(info->devices[i]));
	}
	berth_out_str(row, "name", info->name);
	berth_out_num(row, "pid", info->pid);
	berth_out_num(row, "cpus", info->nr_cpus);
	berth_out_num(row, "memory", (int64_t)info->memory);
	berth_out_num(row, "uptime", up > 0 ? up : 0);
	berth_out_str(row, "devices", info->nr_devices ? devices : NULL);
	if (info->vmm_pid)
		berth_out_num(row, "vmm_pid", info->vmm_pid);
	berth_out_num(row, "uid", info->uid);
	berth_out_str(row, "hugepages", info->hugepages);
	if (info->numa_node != BERTH_NODE_ANY)
		berth_out_num(row, "numa_node", info->numa_node);
	add_time(row, "devices_ms", info->devices_ms);
	add_time(row, "memory_ms", info->memory_ms);
	add_time(row, "ready_ms", info->ready_ms);
	berth_out_str(row, "state", state_of(info->vmm_pid));
	berth_out_str(row, "kernel", info->kernel);
	berth_out_str(row, "iommu", *info->iommu ? info->iommu : NULL);
}

static int print(const struct berth_cmd *cmd, const struct options *o, const char *columns,
		 const struct berth_vm_info *list, size_t nr)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_out_new(&out, "vms", cols, BERTH_ARRAY_SIZE(cols), o->mode, &err);

	if (r < 0)
		return berth_fail(cmd, r, &err);
	if (berth_out_select(out, columns, &err) < 0)
		return berth_usage(cmd, "%s", err.text);
	for (size_t i = 0; i < nr; i++)
		add_row(out, &list[i]);
	r = berth_out_print(out, stdout, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static int do_list(const struct berth_cmd *cmd, struct berth_host *host, const struct options *o)
{
	BERTH_CLEANUP(berth_freep) struct berth_vm_info *list = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	size_t nr;
	int r = berth_vm_info_list(host, &list, &nr, &err);

	if (r < 0)
		return berth_fail(cmd, r, &err);
	if (nr == 0 && o->mode != BERTH_OUT_JSON) {
		printf("no VM runs\n");
		return BERTH_EXIT_OK;
	}
	return print(cmd, o, o->columns, list, nr);
}

static int do_info(const struct berth_cmd *cmd, struct berth_host *host, const struct options *o)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_info info;
	int r = berth_vm_info_load(host, o->name, &info, &err);

	if (r != 0)
		return berth_fail(cmd, -ENOENT, &err);
	return print(
		cmd, o,
		o->columns ?
			o->columns :
			"name,state,pid,vmm_pid,uid,cpus,memory,hugepages,numa_node,uptime,devices_ms,"
			"memory_ms,ready_ms,kernel,iommu,devices",
		&info, 1);
}

static int do_request(const struct berth_cmd *cmd, struct berth_host *host, const struct options *o)
{
	BERTH_CLEANUP(berth_closep) int sock = -1;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_info info;
	int r = berth_vm_info_load(host, o->name, &info, &err);

	if (r != 0)
		return berth_fail(cmd, -ENOENT, &err);
	if (geteuid() != 0) {
		berth_err_set(&err, -EPERM, "VM %s: that needs root; run 'sudo berth vm %s %s'",
			      o->name, o->what, o->name);
		return berth_fail(cmd, -EPERM, &err);
	}
	sock = berth_vm_dir_connect(host, o->name, &err);
	if (sock >= 0)
		r = berth_vm_request(sock, o->what, o->timeout_s * 1000, &err);
	else
		r = sock;
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static const struct {
	const char *name;
	bool takes_vm;
	int (*run)(const struct berth_cmd *cmd, struct berth_host *host, const struct options *o);
} verbs[] = {
	{ "list", false, do_list },   { "info", true, do_info },      { "stop", true, do_request },
	{ "kill", true, do_request }, { "resume", true, do_request },
};

static int parse(const struct berth_cmd *cmd, int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jo:", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->mode = BERTH_OUT_JSON;
			break;
		case 'o':
			o->columns = optarg;
			break;
		case 't':
			if (berth_parse_number(optarg, 1, 100000, &o->timeout_s) < 0)
				return berth_usage(cmd, "--timeout '%s' is not a number of seconds",
						   optarg);
			break;
		case ':':
			return berth_usage(cmd, "%s wants a value", argv[optind - 1]);
		default:
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		}
	}
	if (optind == argc)
		return berth_usage(cmd, "say list, info, stop, kill or resume");
	o->what = argv[optind++];
	if (optind < argc)
		o->name = argv[optind++];
	if (optind < argc)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind]);
	return 0;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	struct options o = { .mode = BERTH_OUT_TABLE, .timeout_s = WAIT_S };
	int r = parse(cmd, argc, argv, &o);

	if (r)
		return r;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, o.what) != 0)
			continue;
		if (verbs[i].takes_vm && !o.name)
			return berth_usage(cmd,
					   "%s wants the name of a VM; 'berth vm list' shows them",
					   o.what);
		if (!verbs[i].takes_vm && o.name)
			return berth_usage(cmd, "'%s' is one argument too many", o.name);
		return verbs[i].run(cmd, host, &o);
	}
	return berth_usage(cmd, "there is no 'vm %s'; say list, info, stop, kill or resume",
			   o.what);
}

const struct berth_cmd berth_cmd_vm = {
	.name = "vm",
	.summary = "running VMs: list, info, stop, kill, resume",
	.help = help,
	.run = run,
};
