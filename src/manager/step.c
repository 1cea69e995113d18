/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "manager/context.h"
#include "vfio/bind.h"
#include "vfio/netdev.h"
#include "vfio/sriov.h"

/* devtmpfs makes the node while vfio-pci binds; udev may still be about to set its mode. */
#define NODE_DEADLINE_MS 2000
#define NODE_POLL_MS	 20

static const char *const names[] = {
	[BERTH_STEP_DRIVER] = "driver",	  [BERTH_STEP_OVERRIDE] = "override",
	[BERTH_STEP_UNBIND] = "unbind",	  [BERTH_STEP_DMA_OFF] = "dma-off",
	[BERTH_STEP_POWER] = "power",	  [BERTH_STEP_PROBE] = "probe",
	[BERTH_STEP_NODE] = "node",	  [BERTH_STEP_VF_NET] = "vf-net",
	[BERTH_STEP_RESTORE] = "restore",
};

const char *berth_step_op_name(enum berth_step_op op)
{
	return names[op];
}

int berth_step_op_from_name(const char *name, enum berth_step_op *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum berth_step_op)i;
			return 0;
		}
	}
	return -EINVAL;
}

char *berth_step_words(const struct berth_step *s, char buf[static BERTH_STEP_WORDS])
{
	const char *bdf = BERTH_BDF_STR(s->at);
	size_t size = BERTH_STEP_WORDS;

	switch (s->op) {
	case BERTH_STEP_DRIVER:
		snprintf(buf, size, "the kernel has driver %s; load its module if not", s->arg);
		break;
	case BERTH_STEP_OVERRIDE:
		snprintf(buf, size, "%s: driver_override = %s", bdf, *s->arg ? s->arg : "none");
		break;
	case BERTH_STEP_UNBIND:
		snprintf(buf, size, "%s: unbind it from %s", bdf, s->arg);
		break;
	case BERTH_STEP_DMA_OFF:
		snprintf(buf, size, "%s: switch its bus mastering off", bdf);
		break;
	case BERTH_STEP_POWER:
		snprintf(buf, size, "%s: power/control = %s", bdf, s->arg);
		break;
	case BERTH_STEP_PROBE:
		snprintf(buf, size, "%s: bind it to %s", bdf, s->arg);
		break;
	case BERTH_STEP_NODE:
		snprintf(buf, size, "group %d: /dev/vfio/%d is there", s->group, s->group);
		break;
	case BERTH_STEP_VF_NET:
		snprintf(buf, size, "%s: network settings %s", bdf, s->arg);
		break;
	case BERTH_STEP_RESTORE:
		snprintf(buf, size, "%s: give it back as it was found, with %s", bdf,
			 *s->arg ? s->arg : "no driver");
		break;
	}
	return buf;
}

/* A kernel without VFIO groups (no CONFIG_VFIO_GROUP) makes a character device for each function instead. */
static bool has_cdev(const struct berth_host *host, struct berth_bdf at)
{
	BERTH_CLEANUP(berth_freep) char **cdevs = NULL;
	size_t nr = 0;
	char path[300];

	if (berth_sysfs_list(host, &cdevs, &nr, "bus/pci/devices/%s/vfio-dev", BERTH_BDF_STR(at)) <
		    0 ||
	    nr == 0)
		return false;
	snprintf(path, sizeof(path), "vfio/devices/%s", cdevs[0]);
	return faccessat(host->dev_fd, path, F_OK, 0) == 0;
}

static int wait_for_node(const struct berth_host *host, const struct berth_step *s,
			 struct berth_err *err)
{
	const struct timespec nap = { .tv_nsec = NODE_POLL_MS * 1000000L };
	char path[32];

	snprintf(path, sizeof(path), "vfio/%d", s->group);
	for (int waited = 0; waited <= NODE_DEADLINE_MS; waited += NODE_POLL_MS) {
		if (host->dev_fd >= 0 &&
		    (faccessat(host->dev_fd, path, F_OK, 0) == 0 || has_cdev(host, s->at)))
			return 0;
		nanosleep(&nap, NULL);
	}
	return berth_err_set(
		err, -ENOENT,
		"/dev/%s did not appear within %d s, although the group is on vfio-pci", path,
		NODE_DEADLINE_MS / 1000);
}

static int set_vf_net(const struct berth_host *host, struct berth_bdf vf, const char *text,
		      struct berth_err *err)
{
	struct berth_vf_net net;
	struct berth_bdf pf;
	unsigned int index;
	int r;

	if (berth_vf_net_parse(text, &net) < 0)
		return berth_err_set(err, -EINVAL, "%s: no network settings: %s", BERTH_BDF_STR(vf),
				     text);
	r = berth_sriov_pf_of(host, vf, &pf, &index);
	if (r == 0)
		r = berth_netdev_vf_apply(host, pf, index, &net, err);
	if (r == BERTH_ABSENT)
		r = -ENODEV;
	if (r < 0)
		return berth_err_prefix(err, r, "network settings of %s", BERTH_BDF_STR(vf));
	return 0;
}

static int take(struct berth_manager *m, const struct berth_step *s,
		const struct berth_bind_state *found, struct berth_err *err)
{
	switch (s->op) {
	case BERTH_STEP_DRIVER:
		return berth_bind_need_driver(m->host, s->arg, err);
	case BERTH_STEP_OVERRIDE:
		return berth_bind_override(m->host, s->at, s->arg, err);
	case BERTH_STEP_UNBIND:
		return berth_bind_unbind(m->host, s->at, err);
	case BERTH_STEP_DMA_OFF:
		return berth_bind_dma_off(m->host, s->at, err);
	case BERTH_STEP_POWER:
		return berth_bind_power(m->host, s->at, s->arg, err);
	case BERTH_STEP_PROBE:
		return berth_bind_probe(m->host, s->at, s->arg, err);
	case BERTH_STEP_NODE:
		return wait_for_node(m->host, s, err);
	case BERTH_STEP_VF_NET:
		return set_vf_net(m->host, s->at, s->arg, err);
	case BERTH_STEP_RESTORE:
		return berth_bind_restore(m->host, s->at, found, err);
	}
	return -EINVAL;
}

static int take_back(struct berth_manager *m, const struct berth_step *s,
		     const struct berth_bind_state *found, struct berth_err *err)
{
	switch (s->op) {
	case BERTH_STEP_DRIVER:
	case BERTH_STEP_DMA_OFF:
	case BERTH_STEP_NODE:
	case BERTH_STEP_RESTORE:
		return 0;
	case BERTH_STEP_OVERRIDE:
	case BERTH_STEP_UNBIND:
	case BERTH_STEP_PROBE:
	case BERTH_STEP_POWER:
		/* The newest of them to be undone does it for all; to the others there is nothing left to do. */
		return berth_bind_restore(m->host, s->at, found, err);
	case BERTH_STEP_VF_NET:
		return *s->undo ? set_vf_net(m->host, s->at, s->undo, err) : 0;
	}
	return -EINVAL;
}

int berth_step_do(struct berth_manager *m, const struct berth_step *s,
		  const struct berth_bind_state *found, struct berth_err *err)
{
	int r = berth_failpoint_before("step", names[s->op], err);

	if (r == 0)
		r = take(m, s, found, err);
	return r == 0 ? berth_failpoint_after("step", names[s->op], err) : r;
}

int berth_step_undo(struct berth_manager *m, const struct berth_step *s,
		    const struct berth_bind_state *found, struct berth_err *err)
{
	int r = berth_failpoint_before("undo", names[s->op], err);

	if (r == 0)
		r = take_back(m, s, found, err);
	return r == 0 ? berth_failpoint_after("undo", names[s->op], err) : r;
}
