/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device tried to reach memory by DMA that it was not given. The IOMMU stops it, and the kernel says so in its log; there is no
 * notification for user space (VFIO has none, iommufd's fault queues are for devices with page requests), so this reads the log.
 *
 * The kernel limits how many lines it writes: one means "at least once". Intel's lines carry no PCI segment.
 */
#ifndef BERTH_VFIO_DMA_FAULT_H
#define BERTH_VFIO_DMA_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"

struct berth_err;
struct berth_host;

struct berth_dma_fault {
	struct berth_bdf at;
	bool any_domain; /* the line names no PCI segment; @at has 0 */
	uint64_t addr;	 /* I/O virtual address */
};

/**
 * berth_dma_fault_parse() - is this line of the kernel's log about a DMA fault
 * @line: a record of /dev/kmsg ("PRIORITY,NUMBER,…;text"), or the text alone
 *
 * Source: dmar_fault_do_one() in drivers/iommu/intel/dmar.c, amd_iommu_report_page_fault() in drivers/iommu/amd/iommu.c.
 *
 * Return: true and the fault.
 */
bool berth_dma_fault_parse(const char *line, struct berth_dma_fault *ret);

bool berth_dma_fault_is_of(const struct berth_dma_fault *fault, struct berth_bdf device);

/* The kernel's log from now on, for berth_dma_fault_next(). Return: fd, non-blocking; -errno. */
int berth_dma_fault_open(const struct berth_host *host, struct berth_err *err);

/**
 * berth_dma_fault_next() - the next fault of one of these devices
 * @fd: of berth_dma_fault_open(); records that are no such fault are read and dropped
 *
 * Return: 0; -EAGAIN none for now; -errno.
 */
int berth_dma_fault_next(int fd, const struct berth_bdf *devices, size_t nr,
			 struct berth_dma_fault *ret);

#endif
