/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What way does a request take that one device makes to the memory of another one? Pure: facts in, verdict and reason out.
 *
 * Only a way through the IOMMU serves a VM: there the devices speak of guest addresses, which nobody but the IOMMU can
 * translate, and only the IOMMU keeps them within the VM. The way there and the way back are two questions.
 *
 * Sources: PCIe Base 6.0, 6.12.3 (ACS Peer-to-Peer Request Redirect), 1.3.1 (a root complex need not pass requests on
 * between its ports).
 */
#ifndef BERTH_IOMMU_P2P_PATH_H
#define BERTH_IOMMU_P2P_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/tri.h"
#include "iommu/isolation.h"

enum berth_p2p_path {
	BERTH_P2P_UNKNOWN, /* "unknown": a register is out of reach (not root), or nobody outside of the chip knows */
	BERTH_P2P_NONE, /* "none": there is no way that a VM could use */
	BERTH_P2P_DIRECT, /* "direct": turns round below the IOMMU, which neither translates nor checks it */
	BERTH_P2P_ROOT, /* "root": up to the root complex, through the IOMMU, and down again */
};

struct berth_p2p_end {
	struct berth_bdf at;
	int group;	    /* -1 none */
	const char *root;   /* borrowed; names the host bridge */
	enum berth_tri acs; /* of the function itself */
	uint16_t acs_ctrl;
	/* borrowed; bridges up to the root, nearest first */
	const struct berth_isolation_step *steps;
	size_t nr_steps;
};

#define BERTH_P2P_REASON 320

/**
 * berth_p2p_judge() - the verdict for requests that @from makes
 * @reason: gets one sentence without a full stop, naming the port that decides
 */
enum berth_p2p_path berth_p2p_judge(const struct berth_p2p_end *from,
				    const struct berth_p2p_end *to,
				    char reason[static BERTH_P2P_REASON]);

/* "unknown", "none", "direct", "root" */
const char *berth_p2p_path_name(enum berth_p2p_path path);

#endif
