/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region of a VFIO device: a BAR, the ROM or config space, and which parts of it may be mapped.
 */
#ifndef BERTH_VFIO_REGION_H
#define BERTH_VFIO_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_err;
struct berth_vfio_device;

/* More mappable areas than this in one region make no sense, and the rest is trapped. */
#define BERTH_VFIO_MAX_AREAS 64
/* The largest VFIO_DEVICE_GET_REGION_INFO answer that is read. */
#define BERTH_VFIO_REGION_INFO_MAX 65536u

struct berth_vfio_region {
	uint32_t index;
	uint64_t size;	 /* bytes, > 0 */
	uint64_t offset; /* in the device file */
	bool readable, writable;
	/*
	 * What the kernel allows to be mapped: ascending, disjoint, inside [0, size). Empty when nothing is. The capability
	 * MSIX_MAPPABLE means that mapping the vector table is not refused, not that a guest may have it, so it changes
	 * nothing here: the caller cuts out table and PBA.
	 */
	size_t nr_areas;
	struct berth_range areas[BERTH_VFIO_MAX_AREAS];
};

/**
 * berth_vfio_region_parse() - check what VFIO_DEVICE_GET_REGION_INFO answered
 * @info: @len bytes: struct vfio_region_info and its capability chain; not trusted
 *
 * Areas that are empty, outside, overlapping or out of order are dropped or cut, never believed.
 *
 * Return: 0; BERTH_ABSENT no region at this index (size 0); -EPROTO the answer contradicts itself (the sentence says how).
 */
int berth_vfio_region_parse(struct berth_vfio_region *ret, const void *info, size_t len,
			    struct berth_err *err);

/**
 * berth_vfio_region_query() - ask the device about a region, with as much room as the answer needs
 * Return: 0; BERTH_ABSENT; -EPROTO; -ENOMEM; -errno.
 */
int berth_vfio_region_query(struct berth_vfio_region *ret, struct berth_vfio_device *dev,
			    uint32_t index, struct berth_err *err);

/**
 * berth_vfio_region_read() - read from a region
 *
 * What cannot be read (outside, write-only, the device is gone) is all-ones in @buf.
 * Return: 0; -ERANGE outside; -errno of the kernel, -EIO for a short read.
 */
int berth_vfio_region_read(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			   uint64_t offset, void *buf, size_t len);
/* Return: 0; -ERANGE; -errno; what could not be written is dropped. */
int berth_vfio_region_write(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			    uint64_t offset, const void *buf, size_t len);

/**
 * berth_vfio_region_mmap() - map the mappable areas of a region into one span of host addresses
 * @allow: only these pieces of the region, ascending, page aligned; each is cut against what the kernel allows. A region
 *         smaller than a page can be mapped as a whole one, for a piece that allows it
 * @ret_base: address of the region's offset 0: the span is as large as the region (rounded up to a page), aligned so that
 *            huge page-table entries fit (up to 1 GiB); what is not mapped is PROT_NONE
 * @ret_mapped: gets the pieces mapped, at most @max
 *
 * Return: number of pieces (0 when nothing is mappable, then *ret_base is NULL); -errno of mmap.
 */
int berth_vfio_region_mmap(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			   const struct berth_range *allow, size_t nr_allow, void **ret_base,
			   struct berth_range *ret_mapped, size_t max, struct berth_err *err);
void berth_vfio_region_munmap(const struct berth_vfio_region *region, void *base);

#endif
