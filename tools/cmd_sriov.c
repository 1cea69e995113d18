/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth sriov: how many virtual functions a device has, who has them, and how their network side is set.
 */
#include "tools/berth.h"

#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <string.h>

#include "manager/manager.h"
#include "manager/report.h"
#include "manager/sriov_show.h"
#include "manager/sriov_verb.h"
#include "tools/out.h"
#include "vfio/sriov.h"

struct args {
	bool json, dry_run, has_vfs;
	unsigned int vfs;
	const char *pf; /* NULL: none given */
};

static bool parse_vfs(const char *text, unsigned int *ret)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > BERTH_SRIOV_MAX_VFS)
		return false;
	*ret = (unsigned int)value;
	return true;
}

static int parse(const struct berth_cmd *cmd, struct args *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "vfs", required_argument, NULL, 'v' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jn", options, NULL)) >= 0) {
		switch (c) {
		case 'j':
			a->json = true;
			break;
		case 'n':
			a->dry_run = true;
			break;
		case 'v':
			a->has_vfs = parse_vfs(optarg, &a->vfs);
			if (!a->has_vfs)
				return berth_usage(cmd,
						   "--vfs wants a number from 0 to %u, not '%s'",
						   BERTH_SRIOV_MAX_VFS, optarg);
			break;
		case ':':
			return berth_usage(cmd, "%s needs a value", argv[optind - 1]);
		default:
			return berth_usage(cmd, "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		a->pf = argv[optind++];
	if (optind < argc)
		return berth_usage(cmd, "takes one device, so not '%s'", argv[optind]);
	return BERTH_EXIT_OK;
}

/* --- set, apply --- */

static int change(const struct berth_cmd *cmd, struct berth_host *host, const struct args *a,
		  bool apply)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	r = berth_manager_open(&m, host, a->dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE,
			       &report, &err);
	if (r == 0 && apply)
		r = berth_manager_sriov_apply(m, a->pf, a->dry_run, &report, &err);
	else if (r == 0)
		r = berth_manager_sriov_set(m, a->pf, a->vfs, a->dry_run, &report, &err);
	for (size_t i = 0; i < report.nr; i++)
		printf("%s\n", report.lines[i]);
	berth_report_done(&report);
	if (r == -EINVAL)
		return berth_usage(cmd, "%s", err.text);
	/* "has no SR-IOV" answers the question, but not the wish */
	return r ? berth_fail(cmd, r == BERTH_ABSENT ? -ENODEV : r, &err) : BERTH_EXIT_OK;
}

static int run_change(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	bool apply = strcmp(argv[0], "apply") == 0;
	struct args a = { 0 };
	int r = parse(cmd, &a, argc, argv);

	if (r != BERTH_EXIT_OK)
		return r;
	if (apply && a.has_vfs)
		return berth_usage(cmd, "apply takes the number from policy: no --vfs");
	if (!apply && (!a.pf || !a.has_vfs))
		return berth_usage(cmd, "set wants a device and --vfs N");
	if (a.json)
		return berth_usage(cmd, "%s has no --json", argv[0]);
	if (geteuid() != 0 && !a.dry_run) {
		fprintf(stderr,
			"berth %s: changing the host needs root; run 'sudo berth sriov %s …'\n",
			cmd->name, argv[0]);
		return BERTH_EXIT_FAILED;
	}
	return change(cmd, host, &a, apply);
}

/* --- show --- */

static const struct berth_out_col columns[] = {
	{ .key = "bdf", .flags = BERTH_OUT_TREE },
	{ .key = "vf", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_RIGHT },
	{ .key = "driver" },
	{ .key = "vfs", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_RIGHT },
	{ .key = "total_vfs", .head = "OF", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_RIGHT },
	{ .key = "autoprobe", .type = BERTH_OUT_BOOL, .flags = BERTH_OUT_EXTRA },
	{ .key = "netdev" },
	{ .key = "iommu_group",
	  .head = "GROUP",
	  .type = BERTH_OUT_NUMBER,
	  .flags = BERTH_OUT_RIGHT },
	{ .key = "owner" },
	{ .key = "mac" },
	{ .key = "vlan", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_RIGHT },
	{ .key = "qos", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ .key = "vlan_proto", .flags = BERTH_OUT_EXTRA },
	{ .key = "spoofchk", .type = BERTH_OUT_BOOL },
	{ .key = "trust", .type = BERTH_OUT_BOOL },
	{ .key = "link", .flags = BERTH_OUT_EXTRA },
	{ .key = "min_mbit", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_EXTRA },
	{ .key = "max_mbit", .type = BERTH_OUT_NUMBER, .flags = BERTH_OUT_EXTRA },
	{ .key = "name", .flags = BERTH_OUT_TRUNC | BERTH_OUT_EXTRA },
};

static void show_net(struct berth_out_row *row, const struct berth_vf_net *net)
{
	static const char *const links[] = { "auto", "enable", "disable" };
	const uint8_t *m = net->mac;

	if (net->has & BERTH_VF_NET_MAC)
		berth_out_fmt(row, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			      m[4], m[5]);
	if (net->has & BERTH_VF_NET_VLAN) {
		berth_out_num(row, "vlan", net->vlan);
		berth_out_num(row, "qos", net->vlan_qos);
		berth_out_str(row, "vlan_proto",
			      net->vlan_proto == ETH_P_8021AD ? "802.1ad" : "802.1Q");
	}
	if (net->has & BERTH_VF_NET_SPOOFCHK)
		berth_out_bool(row, "spoofchk", net->spoofchk);
	if (net->has & BERTH_VF_NET_TRUST)
		berth_out_bool(row, "trust", net->trust);
	if (net->has & BERTH_VF_NET_LINK)
		berth_out_str(row, "link", links[net->link]);
	if (net->has & BERTH_VF_NET_RATE) {
		berth_out_num(row, "min_mbit", net->min_tx_mbit);
		berth_out_num(row, "max_mbit", net->max_tx_mbit);
	}
}

static void show_common(struct berth_out_row *row, const struct berth_sriov_fn *fn)
{
	berth_out_str(row, "bdf", BERTH_BDF_STR(fn->at));
	berth_out_str(row, "driver", *fn->driver ? fn->driver : NULL);
	berth_out_str(row, "netdev", *fn->netdev ? fn->netdev : NULL);
	if (fn->iommu_group >= 0)
		berth_out_num(row, "iommu_group", fn->iommu_group);
	berth_out_str(row, "owner", fn->owner);
	berth_out_str(row, "name", fn->name);
}

static void show_pf(struct berth_out *out, const struct berth_sriov_view *view, size_t index)
{
	const struct berth_sriov_fn *pf = &view->fns[index], *vf;
	struct berth_out_row *row = berth_out_add(out, NULL), *below;

	show_common(row, pf);
	berth_out_num(row, "vfs", pf->pf.num);
	berth_out_num(row, "total_vfs", pf->pf.total);
	berth_out_bool(row, "autoprobe", pf->pf.autoprobe);
	for (vf = pf + 1; vf < view->fns + view->nr && vf->is_vf; vf++) {
		below = berth_out_add(out, row);
		show_common(below, vf);
		berth_out_num(below, "vf", vf->index);
		show_net(below, &vf->net);
	}
}

static int run_show(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_sriov_view_freep) struct berth_sriov_view *view = NULL;
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct args a = { 0 };
	int r = parse(cmd, &a, argc, argv);

	if (r != BERTH_EXIT_OK)
		return r;
	if (a.has_vfs || a.dry_run)
		return berth_usage(cmd, "show changes nothing: no --vfs, no --dry-run");
	r = berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, &err);
	if (r == 0)
		r = berth_manager_sriov_show(m, a.pf, &view, &err);
	if (r == -EINVAL)
		return berth_usage(cmd, "%s", err.text);
	if (r == 0)
		r = berth_out_new(&out, "pfs", columns, BERTH_ARRAY_SIZE(columns),
				  a.json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, &err);
	for (size_t i = 0; r == 0 && i < view->nr; i++) {
		if (!view->fns[i].is_vf)
			show_pf(out, view, i);
	}
	if (r == 0 && !view->nr && !a.json)
		fprintf(stderr, "berth sriov: no device of this host has SR-IOV\n");
	if (r == 0)
		r = berth_out_print(out, stdout, &err);
	return r ? berth_fail(cmd, r == BERTH_ABSENT ? -ENODEV : r, &err) : BERTH_EXIT_OK;
}

static int run_sriov(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	if (argc < 2)
		return berth_usage(cmd, "wants set, apply or show");
	if (strcmp(argv[1], "set") == 0 || strcmp(argv[1], "apply") == 0)
		return run_change(cmd, host, argc - 1, argv + 1);
	if (strcmp(argv[1], "show") == 0)
		return run_show(cmd, host, argc - 1, argv + 1);
	return berth_usage(cmd, "there is set, apply and show, not '%s'", argv[1]);
}

const struct berth_cmd berth_cmd_sriov = {
	.name = "sriov",
	.summary = "make virtual functions of a device, or show them",
	.help = "Usage: berth sriov set PF --vfs N [--dry-run]\n"
		"       berth sriov apply [PF] [--dry-run]\n"
		"       berth sriov show [PF] [--json]\n\n"
		"set makes N virtual functions; 0 removes them. Those that policy marks \"bind\": \"auto\"\n"
		"go to vfio-pci without being seen by a host driver; the others go to the host's driver, if\n"
		"the device's sriov_drivers_autoprobe is on. Refused when a function that would be removed\n"
		"is owned or in use.\n"
		"apply does so for each \"sriov\" wish of the policy, or for that of one device.\n"
		"show lists the devices with SR-IOV, their functions, owners and network settings.\n\n"
		"      --vfs N    how many there shall be\n"
		"  -n, --dry-run  say what would be done, change nothing\n"
		"  -j, --json     {\"pfs\": […]} with the functions of each as \"children\"\n",
	.run = run_sriov,
};
