/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can a function reach anything by DMA, except through the IOMMU? Pure: facts in, verdict and reason out.
 *
 * Two witnesses are heard. The kernel's groups say what it found isolated at boot, with its quirks for devices that isolate
 * without saying so. The ACS registers of the ports between the function and the root say what holds now. Both must agree
 * for "isolated"; a port whose registers cannot be read leaves the verdict "unknown".
 */
#ifndef BERTH_IOMMU_ISOLATION_H
#define BERTH_IOMMU_ISOLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/tri.h"

enum berth_isolation {
	BERTH_ISOLATION_UNKNOWN, /* "unknown": some register is out of reach (not root); grants nothing */
	BERTH_ISOLATION_NO_IOMMU, /* "no-iommu": no group, or one of vfio's no-IOMMU mode */
	BERTH_ISOLATION_SHARED, /* "shared": other slots share the group, or a port lets traffic past the IOMMU */
	BERTH_ISOLATION_ACS_OVERRIDE, /* "acs-override": the kernel was told to pretend */
	BERTH_ISOLATION_MULTIFUNCTION, /* "multifunction": only functions of its own slot share the group */
	BERTH_ISOLATION_ISOLATED, /* "isolated": alone, and every port up to the root redirects */
};

/* PCIe Base 6.0, 7.5.3.2, Device/Port Type; BERTH_PCIE_NONE is conventional PCI, BERTH_PCIE_UNKNOWN unreadable. */
enum berth_pcie_type {
	BERTH_PCIE_UNKNOWN = -2,
	BERTH_PCIE_NONE = -1,
	BERTH_PCIE_ENDPOINT = 0x0,
	BERTH_PCIE_LEGACY_ENDPOINT = 0x1,
	BERTH_PCIE_ROOT_PORT = 0x4,
	BERTH_PCIE_UPSTREAM = 0x5,
	BERTH_PCIE_DOWNSTREAM = 0x6,
	BERTH_PCIE_TO_PCI = 0x7,
	BERTH_PCI_TO_PCIE = 0x8,
	BERTH_PCIE_RC_ENDPOINT = 0x9,
	BERTH_PCIE_RC_EVENT_COLLECTOR = 0xa,
};

/* ACS control bits that keep a request from turning round below the IOMMU (PCIe Base 6.0, 7.7.11.3; linux/pci_regs.h). */
#define BERTH_ACS_SOURCE_VALIDATION   0x01u
#define BERTH_ACS_REQUEST_REDIRECT    0x04u
#define BERTH_ACS_COMPLETION_REDIRECT 0x08u
#define BERTH_ACS_UPSTREAM_FORWARD    0x10u
#define BERTH_ACS_REQUIRED                                                                         \
	(BERTH_ACS_SOURCE_VALIDATION | BERTH_ACS_REQUEST_REDIRECT |                                \
	 BERTH_ACS_COMPLETION_REDIRECT | BERTH_ACS_UPSTREAM_FORWARD)

/* One bridge between the function and the root, nearest first. */
struct berth_isolation_step {
	struct berth_bdf at;
	enum berth_pcie_type type;
	bool in_group;		    /* is it a member of the function's own group? */
	bool multifunction;	    /* one of several functions of its slot */
	enum berth_tri acs;	    /* has an ACS capability */
	uint16_t acs_cap, acs_ctrl; /* only with acs == BERTH_YES */
};

/* One other member of the group. */
struct berth_isolation_member {
	struct berth_bdf at;
	bool bridge;	 /* bound to no user: a port or bridge, does not need an owner */
	char driver[64]; /* for the sentence; "" none */
};

struct berth_isolation_facts {
	struct berth_bdf at;
	int group;				  /* -1 none */
	bool noiommu;				  /* the group is one of vfio's no-IOMMU mode */
	bool acs_override;			  /* pcie_acs_override on the kernel command line */
	const struct berth_isolation_step *steps; /* borrowed */
	size_t nr_steps;
	const struct berth_isolation_member *members; /* borrowed; without the function itself */
	size_t nr_members;
};

#define BERTH_ISOLATION_REASON 320

/**
 * berth_isolation_judge() - the verdict
 * @reason: gets one sentence without a full stop, naming the port or sibling that decides
 */
enum berth_isolation berth_isolation_judge(const struct berth_isolation_facts *facts,
					   char reason[static BERTH_ISOLATION_REASON]);

/* "isolated", "multifunction", "shared", "acs-override", "no-iommu", "unknown" */
const char *berth_isolation_name(enum berth_isolation verdict);
/* Return: 0; -EINVAL for any other text. */
int berth_isolation_from_name(const char *name, enum berth_isolation *ret);

#endif
