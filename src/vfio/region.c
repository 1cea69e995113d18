/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/region.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vfio/device.h"

/* Huge page-table entries are at most this large on x86. */
#define ALIGN_MAX (UINT64_C(1) << 30)

/* Take one area if it is inside the region and behind the last one; cut what it claims beyond. */
static void add_area(struct berth_vfio_region *region, uint64_t start, uint64_t size)
{
	uint64_t from = 0, end;

	if (region->nr_areas == BERTH_VFIO_MAX_AREAS || start >= region->size || size == 0)
		return;
	if (region->nr_areas) {
		struct berth_range last = region->areas[region->nr_areas - 1];

		from = last.start + last.size;
	}
	if (__builtin_add_overflow(start, size, &end) || end > region->size)
		end = region->size;
	if (start < from || end <= start)
		return;
	region->areas[region->nr_areas++] = (struct berth_range){ start, end - start };
}

/* struct vfio_region_info_cap_sparse_mmap at @cap with @room bytes behind it. */
static int parse_sparse(struct berth_vfio_region *region, const uint8_t *cap, size_t room)
{
	struct vfio_region_info_cap_sparse_mmap head;

	if (room < sizeof(head))
		return -EPROTO;
	memcpy(&head, cap, sizeof(head));
	if (head.nr_areas > (room - sizeof(head)) / sizeof(struct vfio_region_sparse_mmap_area))
		return -EPROTO;
	for (uint32_t i = 0; i < head.nr_areas; i++) {
		struct vfio_region_sparse_mmap_area a;

		memcpy(&a, cap + sizeof(head) + i * sizeof(a), sizeof(a));
		add_area(region, a.offset, a.size);
	}
	return 0;
}

/* Walk the capability chain; each step must go forward, so a chain cannot loop. Return: 1 when there was a sparse one. */
static int parse_caps(struct berth_vfio_region *region, const uint8_t *buf, size_t len, uint32_t at)
{
	bool sparse = false;

	while (at) {
		struct vfio_info_cap_header head;

		if (at < sizeof(struct vfio_region_info) ||
		    !berth_range_fits(at, sizeof(head), len))
			return -EPROTO;
		memcpy(&head, buf + at, sizeof(head));
		if (head.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && !sparse) {
			if (parse_sparse(region, buf + at, len - at) < 0)
				return -EPROTO;
			sparse = true;
		}
		if (head.next && head.next <= at)
			return -EPROTO;
		at = head.next;
	}
	return sparse;
}

int berth_vfio_region_parse(struct berth_vfio_region *ret, const void *info, size_t len,
			    struct berth_err *err)
{
	struct berth_vfio_region region = { 0 };
	struct vfio_region_info head;
	int sparse = 0;

	if (len < sizeof(head))
		return berth_err_set(err, -EPROTO, "region info: too short");
	memcpy(&head, info, sizeof(head));
	if (head.size == 0)
		return BERTH_ABSENT;
	if (!berth_range_valid((struct berth_range){ head.offset, head.size }) ||
	    head.offset + (head.size - 1) > INT64_MAX)
		return berth_err_set(err, -EPROTO,
				     "region %u: %#" PRIx64 " bytes at %#" PRIx64
				     " is beyond what a file can hold",
				     head.index, (uint64_t)head.size, (uint64_t)head.offset);
	region.index = head.index;
	region.size = head.size;
	region.offset = head.offset;
	region.readable = head.flags & VFIO_REGION_INFO_FLAG_READ;
	region.writable = head.flags & VFIO_REGION_INFO_FLAG_WRITE;
	if (head.flags & VFIO_REGION_INFO_FLAG_CAPS)
		sparse = parse_caps(&region, info, len, head.cap_offset);
	if (sparse < 0)
		return berth_err_set(err, -EPROTO, "region %u: its capability chain is broken",
				     head.index);
	if (!(head.flags & VFIO_REGION_INFO_FLAG_MMAP))
		region.nr_areas = 0;
	else if (!sparse)
		add_area(&region, 0, region.size);
	*ret = region;
	return 0;
}

int berth_vfio_region_query(struct berth_vfio_region *ret, struct berth_vfio_device *dev,
			    uint32_t index, struct berth_err *err)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	BERTH_CLEANUP(berth_freep) uint8_t *buf = NULL;
	uint32_t size = sizeof(struct vfio_region_info);

	/* Once to learn how much there is, once to get it; a third time would mean that it grows while we look. */
	for (int round = 0; round < 3; round++) {
		struct vfio_region_info *info;
		int r;

		free(buf);
		buf = calloc(1, size);
		if (!buf)
			return berth_err_set(err, -ENOMEM, "region %u: out of memory", index);
		r = ops->region_info(ctx, index, buf, size);
		if (r == -EINVAL) /* no such region: VGA on most devices, ROM on some */
			return BERTH_ABSENT;
		if (r < 0)
			return berth_err_set(err, r, "region %u: VFIO_DEVICE_GET_REGION_INFO: %s",
					     index, strerror(-r));
		info = (void *)buf;
		if (info->argsz <= size) {
			info->index = index;
			return berth_vfio_region_parse(ret, buf, size, err);
		}
		size = info->argsz;
		if (size > BERTH_VFIO_REGION_INFO_MAX)
			break;
	}
	return berth_err_set(err, -EPROTO, "region %u: the kernel wants to tell %u bytes about it",
			     index, size);
}

int berth_vfio_region_read(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			   uint64_t offset, void *buf, size_t len)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	ssize_t n;

	memset(buf, 0xff, len);
	if (!region->readable || !berth_range_fits(offset, len, region->size))
		return -ERANGE;
	n = ops->read(ctx, buf, len, region->offset + offset);
	if (n == (ssize_t)len)
		return 0;
	memset(buf, 0xff, len);
	return n < 0 ? (int)n : -EIO;
}

int berth_vfio_region_write(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			    uint64_t offset, const void *buf, size_t len)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	ssize_t n;

	if (!region->writable || !berth_range_fits(offset, len, region->size))
		return -ERANGE;
	n = ops->write(ctx, buf, len, region->offset + offset);
	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? (int)n : -EIO;
}

static uint64_t span_of(const struct berth_vfio_region *region)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), span;

	return berth_align_up(region->size, page, &span) ? span : 0;
}

/* Address space for the whole region, aligned to its size so that the kernel can use huge entries; nothing behind it. */
static void *reserve(uint64_t span)
{
	uint64_t align = span & -span, raw_size;
	uintptr_t raw, at;
	void *p;

	if (align > ALIGN_MAX)
		align = ALIGN_MAX;
	if (__builtin_add_overflow(span, align, &raw_size))
		return NULL;
	p = mmap(NULL, raw_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	raw = (uintptr_t)p;
	at = (raw + align - 1) & ~(align - 1);
	if (at > raw)
		munmap(p, at - raw);
	if (raw + raw_size > at + span)
		munmap((void *)(at + span), raw + raw_size - (at + span));
	return (void *)at;
}

/*
 * The whole pages of @area that are in @allow too; size 0 when there are none. Where the kernel lets a region be mapped to
 * its last byte, it lets the rest of the page be mapped, too: it says so only of BARs that have their page to themselves.
 */
static struct berth_range cut(const struct berth_vfio_region *region, struct berth_range area,
			      struct berth_range allow, uint64_t page)
{
	uint64_t start = area.start > allow.start ? area.start : allow.start;
	uint64_t area_end = area.start + area.size, allow_end = allow.start + allow.size;
	uint64_t end;

	if (area_end == region->size && !berth_align_up(area_end, page, &area_end))
		return (struct berth_range){ 0, 0 };
	end = area_end < allow_end ? area_end : allow_end;
	if (!berth_align_up(start, page, &start))
		return (struct berth_range){ 0, 0 };
	end = berth_align_down(end, page);
	return end > start ? (struct berth_range){ start, end - start } :
			     (struct berth_range){ 0, 0 };
}

static int map_piece(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
		     uint8_t *base, struct berth_range piece)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	int prot = (region->readable ? PROT_READ : 0) | (region->writable ? PROT_WRITE : 0);

	return ops->mmap(ctx, base + piece.start, piece.size, prot, region->offset + piece.start);
}

int berth_vfio_region_mmap(struct berth_vfio_device *dev, const struct berth_vfio_region *region,
			   const struct berth_range *allow, size_t nr_allow, void **ret_base,
			   struct berth_range *ret_mapped, size_t max, struct berth_err *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint8_t *base = NULL;
	size_t nr = 0;

	*ret_base = NULL;
	for (size_t i = 0; i < region->nr_areas; i++) {
		for (size_t j = 0; j < nr_allow && nr < max; j++) {
			struct berth_range piece = cut(region, region->areas[i], allow[j], page);
			int r;

			if (!piece.size)
				continue;
			if (!base)
				base = reserve(span_of(region));
			r = base ? map_piece(dev, region, base, piece) : -ENOMEM;
			if (r < 0) {
				berth_vfio_region_munmap(region, base);
				return berth_err_set(err, r,
						     "%s: map region %u at %#" PRIx64 "+%#" PRIx64
						     ": %s",
						     berth_vfio_device_name(dev), region->index,
						     piece.start, piece.size, strerror(-r));
			}
			ret_mapped[nr++] = piece;
		}
	}
	*ret_base = base;
	return (int)nr;
}

void berth_vfio_region_munmap(const struct berth_vfio_region *region, void *base)
{
	if (base)
		munmap(base, span_of(region));
}
