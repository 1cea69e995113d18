/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host as a whole offers for passthrough: IOMMUs, interrupt remapping, switches that weaken them.
 */
#ifndef BERTH_IOMMU_PLATFORM_H
#define BERTH_IOMMU_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tri.h"

struct berth_err;
struct berth_host;

struct berth_platform {
	bool has_pci;	 /* /sys/bus/pci/devices exists and is not empty */
	size_t nr_iommu; /* entries of /sys/class/iommu */
	char iommu[160]; /* their names, "dmar0, dmar1" */
	size_t nr_groups;
	/*
	 * Are interrupts of devices remapped, so that a device cannot write any MSI it likes (V10)? From the chip names in
	 * /proc/interrupts: yes when the IOAPIC's or an MSI's chip is an "IR-" one, no when chips are seen and none is.
	 */
	enum berth_tri intremap;
	/* vfio_iommu_type1 or iommufd with allow_unsafe_interrupts; unknown: neither is loaded */
	enum berth_tri unsafe_interrupts;
	/* vfio enable_unsafe_noiommu_mode; unknown: not loaded or not built in */
	enum berth_tri noiommu;
	/* Flags of the kernel command line; "" or false when absent. */
	bool acs_override; /* pcie_acs_override= (a patched kernel that pretends ACS) */
	char acs_override_arg[64];
	bool acs_redir_off; /* pci=…disable_acs_redir= or config_acs= */
	bool iommu_pt;	    /* iommu=pt or iommu.passthrough=1: host drivers do untranslated DMA */
	bool iommu_off;	    /* iommu=off, intel_iommu=off, amd_iommu=off */
	bool iommu_lazy;    /* iommu.strict=0: unmapped pages stay reachable for a while (V13) */
	char kernel[96];    /* release, "6.12.57+deb13-amd64" */
	unsigned int kernel_major, kernel_minor;
	char cpu_vendor[16];	 /* "GenuineIntel", …, "" unknown */
	enum berth_tri kvm;	 /* /dev/kvm exists */
	enum berth_tri vfio_dev; /* /dev/vfio/vfio exists */
	enum berth_tri iommufd;	 /* /dev/iommu exists */
	bool vfio_pci_loaded, type1_loaded;
	bool vfio_loaded; /* the VFIO core: then the next one is known */
	bool vfio_cdev;	  /* it makes character devices (CONFIG_VFIO_DEVICE_CDEV) */
	/* loaded, built in, or in modules.dep of the running kernel */
	enum berth_tri vfio_pci_available, type1_available, iommufd_available;
	uint64_t memlock;   /* soft RLIMIT_MEMLOCK of this process, bytes, UINT64_MAX = unlimited */
	uint64_t mem_total; /* bytes, 0 unknown */
};

/* Collect the facts. What cannot be read is unknown, not an error. Return: 0. */
int berth_platform_read(struct berth_platform *ret, const struct berth_host *host);

/* Pure: is interrupt remapping on, judged by the text of /proc/interrupts? */
enum berth_tri berth_platform_intremap(const char *interrupts);

/* Pure: set the command-line fields of @p from the text of /proc/cmdline. */
void berth_platform_cmdline(struct berth_platform *p, const char *cmdline);

#endif
