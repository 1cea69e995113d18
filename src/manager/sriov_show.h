/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `berth sriov show`: devices with SR-IOV, their virtual functions, who owns them and how their network side is set.
 */
#ifndef BERTH_MANAGER_SRIOV_SHOW_H
#define BERTH_MANAGER_SRIOV_SHOW_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "vfio/sriov.h"
#include "vfio/vf_net.h"

struct berth_err;
struct berth_manager;

struct berth_sriov_fn {
	struct berth_bdf at;
	bool is_vf;
	struct berth_sriov pf;	 /* of a PF */
	unsigned int index;	 /* of a VF */
	struct berth_vf_net net; /* of a VF; .has is 0 when its PF has no network interface */
	char driver[64];	 /* "" none */
	char netdev[IFNAMSIZ];	 /* "" none */
	int iommu_group;	 /* -1 none */
	char *owner;		 /* owned; NULL: nobody, or not for this user to know */
	char *name;		 /* owned */
};

/* Each PF is followed by its VFs. */
struct berth_sriov_view {
	struct berth_sriov_fn *fns; /* owned */
	size_t nr;
};

/**
 * berth_manager_sriov_show() - look at one device with SR-IOV, or at all
 * @pf: as on the command line; NULL: all there are
 * @ret: owned by the caller, berth_sriov_view_free()
 *
 * Return: 0; BERTH_ABSENT @pf has no SR-IOV; -EINVAL malformed BDF; -ENODEV no such device; -ENOMEM; -errno.
 */
int berth_manager_sriov_show(struct berth_manager *m, const char *pf, struct berth_sriov_view **ret,
			     struct berth_err *err);
void berth_sriov_view_free(struct berth_sriov_view *view);
BERTH_DEFINE_CLEANUP(struct berth_sriov_view *, berth_sriov_view_free);

#endif
