/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/netdev"

#include "vfio/netdev.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <signal.h>
#include <string.h>

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"

/* --- the interface --- */

/* In switchdev mode the PF's folder also holds the VFs' representors, named "pf0vf1" (devlink-port.rst, "phys_port_name"). */
static bool is_own_port(const struct berth_host *host, const char *function, const char *netdev)
{
	char port[64];

	return berth_sysfs_read(host, port, sizeof(port),
				"bus/pci/devices/%s/net/%s/phys_port_name", function, netdev) < 0 ||
	       !strstr(port, "vf");
}

int berth_netdev_of(const struct berth_host *host, struct berth_bdf at, char ret[static IFNAMSIZ])
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	const char *function = BERTH_BDF_STR(at);
	const char *best = NULL;
	uint64_t best_port = 0;

	if (berth_sysfs_list(host, &names, NULL, "bus/pci/devices/%s/net", function) < 0)
		return BERTH_ABSENT;
	for (char **name = names; *name; name++) {
		uint64_t port = 0;

		if (strlen(*name) >= IFNAMSIZ || !is_own_port(host, function, *name))
			continue;
		(void)berth_sysfs_read_u64(host, &port, "bus/pci/devices/%s/net/%s/dev_port",
					   function, *name);
		if (!best || port < best_port) {
			best = *name;
			best_port = port;
		}
	}
	if (!best)
		return BERTH_ABSENT;
	strcpy(ret, best);
	return 0;
}

/* --- rtnetlink, in a child --- */

/* What the child is asked and what it answers, in one piece over a pipe. */
struct job {
	char netdev[IFNAMSIZ];
	unsigned int index;
	unsigned int set; /* one BERTH_VF_NET_* bit, or 0 to read */
	struct berth_vf_net net;
	int result; /* 0, BERTH_ABSENT, -errno */
};

/* libnl's own error numbers forget most of errno; keep the kernel's. */
static int keep_errno(struct sockaddr_nl *who, struct nlmsgerr *e, void *arg)
{
	(void)who;
	*(int *)arg = e->error;
	return NL_STOP;
}

static int failure(int kernel_error, int nl_error)
{
	if (kernel_error < 0)
		return kernel_error;
	switch (-nl_error) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return -ENODEV;
	case NLE_PERM:
		return -EPERM;
	case NLE_RANGE:
		return -ERANGE;
	default:
		return -EIO;
	}
}

static void read_vlan(struct rtnl_link_vf *vf, struct berth_vf_net *net)
{
	nl_vf_vlans_t *vlans;

	if (rtnl_link_vf_get_vlans(vf, &vlans) < 0)
		return;
	net->has |= BERTH_VF_NET_VLAN;
	if (vlans->size > 0) {
		net->vlan = (uint16_t)vlans->vlans[0].vf_vlan;
		net->vlan_qos = (uint8_t)vlans->vlans[0].vf_vlan_qos;
		net->vlan_proto = vlans->vlans[0].vf_vlan_proto;
	}
	if (!net->vlan_proto)
		net->vlan_proto = ETH_P_8021Q;
	rtnl_link_vf_vlan_put(vlans);
}

static void read_fields(struct rtnl_link_vf *vf, struct berth_vf_net *net)
{
	struct nl_vf_rate rate = { 0 };
	struct nl_addr *mac;
	uint32_t value;

	*net = (struct berth_vf_net){ .vlan_proto = ETH_P_8021Q };
	if (rtnl_link_vf_get_addr(vf, &mac) == 0 && nl_addr_get_len(mac) == sizeof(net->mac)) {
		memcpy(net->mac, nl_addr_get_binary_addr(mac), sizeof(net->mac));
		net->has |= BERTH_VF_NET_MAC;
	}
	read_vlan(vf, net);
	/* libnl drops rates that are 0, which is what a driver without limits reports */
	if (rtnl_link_vf_get_rate(vf, &rate) == 0) {
		net->min_tx_mbit = rate.min_tx_rate;
		net->max_tx_mbit = rate.api == RTNL_LINK_VF_RATE_API_OLD ? rate.rate :
									   rate.max_tx_rate;
	}
	net->has |= BERTH_VF_NET_RATE;
	if (rtnl_link_vf_get_spoofchk(vf, &value) == 0) {
		net->spoofchk = value != 0;
		net->has |= BERTH_VF_NET_SPOOFCHK;
	}
	if (rtnl_link_vf_get_trust(vf, &value) == 0) {
		net->trust = value != 0;
		net->has |= BERTH_VF_NET_TRUST;
	}
	if (rtnl_link_vf_get_linkstate(vf, &value) == 0 && value <= BERTH_VF_LINK_DISABLE) {
		net->link = (enum berth_vf_link)value;
		net->has |= BERTH_VF_NET_LINK;
	}
}

static int read_vf(struct nl_sock *sock, const int *kernel_error, struct job *job)
{
	struct rtnl_link_vf *vf;
	struct rtnl_link *link;
	int r = rtnl_link_get_kernel(sock, 0, job->netdev, &link);

	if (r < 0)
		return failure(*kernel_error, r);
	vf = rtnl_link_vf_get(link, job->index);
	if (vf) {
		read_fields(vf, &job->net);
		rtnl_link_vf_put(vf);
	}
	rtnl_link_put(link);
	return vf ? 0 : BERTH_ABSENT;
}

static int fill_vlan(struct rtnl_link_vf *vf, const struct berth_vf_net *net)
{
	nl_vf_vlans_t *vlans;
	int r = rtnl_link_vf_vlan_alloc(&vlans, 1);

	if (r < 0)
		return r;
	vlans->vlans[0] = (nl_vf_vlan_info_t){ .vf_vlan = net->vlan,
					       .vf_vlan_qos = net->vlan_qos,
					       .vf_vlan_proto = net->vlan_proto };
	rtnl_link_vf_set_vlans(vf, vlans);
	rtnl_link_vf_vlan_put(vlans);
	return 0;
}

static int fill_mac(struct rtnl_link_vf *vf, const struct berth_vf_net *net)
{
	struct nl_addr *mac = nl_addr_build(AF_LLC, net->mac, sizeof(net->mac));

	if (!mac)
		return -NLE_NOMEM;
	rtnl_link_vf_set_addr(vf, mac);
	nl_addr_put(mac);
	return 0;
}

/* One setting of one VF, in libnl's object. */
static int fill_field(struct rtnl_link_vf *vf, const struct job *job)
{
	const struct berth_vf_net *net = &job->net;
	struct nl_vf_rate rate = { .api = RTNL_LINK_VF_RATE_API_NEW,
				   .min_tx_rate = net->min_tx_mbit,
				   .max_tx_rate = net->max_tx_mbit };

	rtnl_link_vf_set_index(vf, job->index);
	switch ((enum berth_vf_net_field)job->set) {
	case BERTH_VF_NET_MAC:
		return fill_mac(vf, net);
	case BERTH_VF_NET_VLAN:
		return fill_vlan(vf, net);
	case BERTH_VF_NET_RATE:
		rtnl_link_vf_set_rate(vf, &rate);
		return 0;
	case BERTH_VF_NET_SPOOFCHK:
		rtnl_link_vf_set_spoofchk(vf, net->spoofchk);
		return 0;
	case BERTH_VF_NET_TRUST:
		rtnl_link_vf_set_trust(vf, net->trust);
		return 0;
	case BERTH_VF_NET_LINK:
		rtnl_link_vf_set_linkstate(vf, net->link);
		return 0;
	case BERTH_VF_NET_ALL:
		break;
	}
	return -NLE_INVAL;
}

static int set_vf(struct nl_sock *sock, const int *kernel_error, const struct job *job)
{
	struct rtnl_link *link = NULL, *changes = rtnl_link_alloc();
	struct rtnl_link_vf *vf = rtnl_link_vf_alloc();
	int r = !changes || !vf ? -NLE_NOMEM : rtnl_link_get_kernel(sock, 0, job->netdev, &link);

	if (r >= 0)
		r = fill_field(vf, job);
	if (r >= 0) {
		rtnl_link_set_ifindex(changes, rtnl_link_get_ifindex(link));
		r = rtnl_link_vf_add(changes, vf);
	}
	if (r >= 0)
		r = rtnl_link_change(sock, link, changes, 0);
	rtnl_link_put(link);
	rtnl_link_put(changes);
	rtnl_link_vf_put(vf);
	return r < 0 || *kernel_error < 0 ? failure(*kernel_error, r) : 0;
}

static int do_job(struct job *job)
{
	struct nl_sock *sock = nl_socket_alloc();
	int kernel_error = 0;
	int r;

	if (!sock)
		return -ENOMEM;
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, keep_errno, &kernel_error);
	r = nl_connect(sock, NETLINK_ROUTE);
	if (r < 0)
		r = failure(0, r);
	else if (job->set)
		r = set_vf(sock, &kernel_error, job);
	else
		r = read_vf(sock, &kernel_error, job);
	nl_socket_free(sock);
	return r;
}

static int in_child(void *data)
{
	struct job *job = data;

	signal(SIGPIPE, SIG_IGN);
	job->result = do_job(job);
	return 0;
}

/* Return: as job->result; -ETIMEDOUT when the kernel does not answer: the child, stuck in it, is left behind. */
static int run_job(const struct berth_host *host, struct job *job)
{
	char note[64 + sizeof(job->netdev)];
	const int keep[] = { host->sys_fd };
	const struct berth_child_work work = { .value = job->set ? "set" : "read",
					       .path = note,
					       .run = in_child,
					       .data = job,
					       .result = job,
					       .size = sizeof(*job),
					       .keep = keep,
					       .nr_keep = BERTH_ARRAY_SIZE(keep) };
	pid_t left;
	int r;

	snprintf(note, sizeof(note), ":network settings of VF %u, through %s", job->index,
		 job->netdev);
	r = berth_child_run(host, &work, BERTH_SYSFS_DEADLINE_MS, &left);
	return r < 0 ? r : job->result;
}

/* --- the calls --- */

static int job_for(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
		   struct job *ret, struct berth_err *err)
{
	*ret = (struct job){ .index = index };
	if (!berth_host_is_real(host))
		return berth_err_set(err, -EOPNOTSUPP,
				     "VF %u of %s: a captured host has no network interfaces",
				     index, BERTH_BDF_STR(pf));
	if (berth_netdev_of(host, pf, ret->netdev))
		return berth_err_set(
			err, BERTH_ABSENT,
			"%s has no network interface, and its VFs' network settings are reached "
			"through it; bind it to its network driver",
			BERTH_BDF_STR(pf));
	return 0;
}

int berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
			 struct berth_vf_net *ret, struct berth_err *err)
{
	struct job job;
	int r = job_for(host, pf, index, &job, err);

	if (r)
		return r;
	r = run_job(host, &job);
	if (r == BERTH_ABSENT)
		return berth_err_set(err, r, "%s (%s) has no VF %u", job.netdev, BERTH_BDF_STR(pf),
				     index);
	if (r < 0)
		return berth_err_set(err, r, "reading the network settings of VF %u of %s (%s): %s",
				     index, job.netdev, BERTH_BDF_STR(pf), strerror(-r));
	*ret = job.net;
	return 0;
}

static int set_field(const struct berth_host *host, const struct job *about,
		     enum berth_vf_net_field field, const struct berth_vf_net *want,
		     struct berth_err *err)
{
	struct job job = *about;
	int r;

	job.set = field;
	job.net = *want;
	log_debug("%s: VF %u: setting %s", job.netdev, job.index, berth_vf_net_field_name(field));
	r = berth_failpoint_before("vf-net", berth_vf_net_field_name(field), NULL);
	if (r == 0)
		r = run_job(host, &job);
	if (r == 0)
		r = berth_failpoint_after("vf-net", berth_vf_net_field_name(field), NULL);
	if (r == -EOPNOTSUPP)
		return berth_err_set(err, r,
				     "setting %s of VF %u of %s: its driver has no such setting",
				     berth_vf_net_field_name(field), job.index, job.netdev);
	if (r == -EINVAL && field == BERTH_VF_NET_RATE)
		return berth_err_set(err, r,
				     "setting %s of VF %u of %s: refused by its driver; most need "
				     "the link up for it, and a rate below the link's speed",
				     berth_vf_net_field_name(field), job.index, job.netdev);
	if (r < 0)
		return berth_err_set(err, r, "setting %s of VF %u of %s: %s",
				     berth_vf_net_field_name(field), job.index, job.netdev,
				     strerror(-r));
	return 0;
}

static int compare(const struct job *about, const struct berth_vf_net *want,
		   const struct berth_vf_net *have, struct berth_err *err)
{
	unsigned int diff = berth_vf_net_diff(want, have);
	struct berth_vf_net wanted = *want, found = *have;

	for (unsigned int bit = 1; bit < BERTH_VF_NET_ALL; bit <<= 1) {
		if (!(diff & bit))
			continue;
		wanted.has &= bit;
		found.has &= bit;
		return berth_err_set(
			err, -EIO,
			"%s of VF %u of %s: the driver took \"%s\" without an error, but reads back \"%s\"",
			berth_vf_net_field_name((enum berth_vf_net_field)bit), about->index,
			about->netdev, berth_vf_net_format(&wanted, (char[BERTH_VF_NET_TEXT]){ 0 }),
			berth_vf_net_format(&found, (char[BERTH_VF_NET_TEXT]){ 0 }));
	}
	return 0;
}

int berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
			  const struct berth_vf_net *want, struct berth_err *err)
{
	struct berth_vf_net have;
	struct job about;
	unsigned int diff;
	int r;

	r = berth_vf_net_check(want, err);
	if (r == 0)
		r = job_for(host, pf, index, &about, err);
	if (r == 0)
		r = berth_netdev_vf_read(host, pf, index, &have, err);
	if (r)
		return r;
	diff = berth_vf_net_diff(want, &have);
	/* MAC and VLAN come first: drivers reprogram the VF's filters for a new one */
	for (unsigned int bit = 1; bit < BERTH_VF_NET_ALL; bit <<= 1) {
		if (!(diff & bit))
			continue;
		r = set_field(host, &about, (enum berth_vf_net_field)bit, want, err);
		if (r < 0)
			return r;
	}
	r = berth_netdev_vf_read(host, pf, index, &have, err);
	return r ? r : compare(&about, want, &have, err);
}
