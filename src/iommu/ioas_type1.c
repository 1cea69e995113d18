/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O address space by VFIO container and groups (linux/vfio.h, "API for Type1 VFIO IOMMU").
 */
#include "iommu/ioas.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/err.h"
#include "base/host.h"
#include "iommu/ioas_ops.h"

/* More than this in an answer of VFIO_IOMMU_GET_INFO is not believed. */
#define INFO_MAX 65536u

static int type1_open(struct berth_ioas *io, struct berth_err *err)
{
	int version;

	io->fd = openat(io->host->dev_fd, "vfio/vfio", O_RDWR | O_CLOEXEC);
	if (io->fd < 0)
		return berth_err_set(
			err, -errno, "open /dev/vfio/vfio: %s%s", strerror(errno),
			errno == ENOENT || errno == ENODEV ? "; load the module vfio-pci" : "");
	version = ioctl(io->fd, VFIO_GET_API_VERSION);
	if (version != VFIO_API_VERSION)
		return berth_err_set(err, -EPROTO,
				     "/dev/vfio/vfio: the kernel speaks VFIO version %d, not %d",
				     version, VFIO_API_VERSION);
	if (ioctl(io->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return berth_err_set(err, -EOPNOTSUPP,
				     "/dev/vfio/vfio: no type1v2 IOMMU driver; load the module "
				     "vfio_iommu_type1");
	return 0;
}

/* SET_CONTAINER and SET_IOMMU both attach; the IOMMU driver answers EPERM when MSIs cannot be confined. */
static int attach_failed(unsigned int group, const char *what, int r, struct berth_err *err)
{
	if (r == -EPERM)
		return berth_err_set(err, r, "group %u: %s: not permitted: " BERTH_IOAS_NO_INTREMAP,
				     group, what);
	return berth_err_set(err, r, "group %u: %s: %s", group, what, strerror(-r));
}

static int attach(struct berth_ioas *io, unsigned int group, int fd, struct berth_err *err)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return berth_err_set(err, -errno, "group %u: VFIO_GROUP_GET_STATUS: %s", group,
				     strerror(errno));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return berth_ioas_not_viable(io->host, group, err);
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &io->fd) < 0)
		return attach_failed(group, "VFIO_GROUP_SET_CONTAINER", -errno, err);
	if (io->nr_groups == 0 && ioctl(io->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return attach_failed(group, "VFIO_SET_IOMMU", -errno, err);
	return 0;
}

static int open_group(struct berth_ioas *io, unsigned int group, struct berth_err *err)
{
	char path[32];
	int fd, r;

	snprintf(path, sizeof(path), "vfio/%u", group);
	fd = openat(io->host->dev_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return berth_err_set(err, -errno, "open /dev/%s: %s%s", path, strerror(errno),
				     errno == EBUSY  ? "; another process holds the group" :
				     errno == ENOENT ? "; no function of it is bound to vfio-pci" :
						       "");
	r = attach(io, group, fd, err);
	if (r == 0 && berth_ioas_add_group(io, group, fd) < 0)
		r = berth_err_set(err, -ENOMEM, "group %u: out of memory", group);
	if (r < 0)
		close(fd);
	return r;
}

static int type1_open_device(struct berth_ioas *io, struct berth_bdf at, int *ret_fd,
			     struct berth_err *err)
{
	char name[BERTH_BDF_LEN];
	unsigned int group = 0;
	size_t i;
	int fd, r;

	berth_bdf_format(at, name);
	r = berth_ioas_group_of(io->host, name, &group, err);
	if (r < 0)
		return r;
	for (i = 0; i < io->nr_groups; i++)
		if (io->groups[i].id == group)
			break;
	if (i == io->nr_groups) {
		r = open_group(io, group, err);
		if (r < 0)
			return berth_err_prefix(err, r, "%s", name);
	}
	fd = ioctl(io->groups[i].fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd < 0)
		return berth_err_set(
			err, -errno, "%s: VFIO_GROUP_GET_DEVICE_FD: %s%s", name, strerror(errno),
			errno == ENODEV ? "; the function is not bound to vfio-pci" : "");
	/* The kernel makes the descriptor close-on-exec itself since 6.1 or so; say it for older ones. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret_fd = fd;
	return 0;
}

/* Copy the ranges of one IOVA_RANGE capability at @cap, which has @room bytes. Ill-formed ones are left out. */
static int take_ranges(struct berth_ioas *io, const uint8_t *cap, size_t room)
{
	struct vfio_iommu_type1_info_cap_iova_range head;
	struct berth_range *list;
	size_t nr = 0;

	if (room < sizeof(head))
		return -EPROTO;
	memcpy(&head, cap, sizeof(head));
	if (head.nr_iovas > (room - sizeof(head)) / sizeof(struct vfio_iova_range))
		return -EPROTO;
	list = calloc(head.nr_iovas + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < head.nr_iovas; i++) {
		struct vfio_iova_range r;

		memcpy(&r, cap + sizeof(head) + i * sizeof(r), sizeof(r));
		/* size of [0, 2^64) does not fit; its last page is nobody's RAM */
		if (r.start == 0 && r.end == UINT64_MAX)
			r.end--;
		if (r.end >= r.start)
			list[nr++] = (struct berth_range){ r.start, r.end - r.start + 1 };
	}
	berth_ioas_set_ranges(io, list, nr);
	return 0;
}

static int parse_info(struct berth_ioas *io, const uint8_t *buf, size_t len)
{
	const struct vfio_iommu_type1_info *info = (const void *)buf;
	uint32_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	io->pagesize = info->flags & VFIO_IOMMU_INFO_PGSIZES ?
			       info->iova_pgsizes & -info->iova_pgsizes :
			       4096;
	/* Each step must go forward, so that a chain cannot loop. */
	while (at) {
		struct vfio_info_cap_header head;

		if (!berth_range_fits(at, sizeof(head), len))
			return -EPROTO;
		memcpy(&head, buf + at, sizeof(head));
		if (head.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			return take_ranges(io, buf + at, len - at);
		if (head.next && head.next <= at)
			return -EPROTO;
		at = head.next;
	}
	return 0;
}

static int type1_refresh(struct berth_ioas *io, struct berth_err *err)
{
	size_t size = sizeof(struct vfio_iommu_type1_info);
	BERTH_CLEANUP(berth_freep) uint8_t *buf = NULL;
	int r;

	if (!io->ranges) { /* a kernel without the capability reserves nothing that it tells of */
		struct berth_range *all = malloc(sizeof(*all));

		if (!all)
			return berth_err_set(err, -ENOMEM, "I/O address space: out of memory");
		*all = (struct berth_range){ 0, UINT64_MAX };
		berth_ioas_set_ranges(io, all, 1);
	}
	for (;;) {
		struct vfio_iommu_type1_info *info;

		free(buf);
		buf = calloc(1, size);
		if (!buf)
			return berth_err_set(err, -ENOMEM, "I/O address space: out of memory");
		info = (void *)buf;
		info->argsz = (uint32_t)size;
		if (ioctl(io->fd, VFIO_IOMMU_GET_INFO, info) < 0)
			return berth_err_set(err, -errno, "VFIO_IOMMU_GET_INFO: %s",
					     strerror(errno));
		if (info->argsz <= size || info->argsz > INFO_MAX)
			break;
		size = info->argsz;
	}
	r = parse_info(io, buf, size);
	return r < 0 ? berth_err_set(err, r, "VFIO_IOMMU_GET_INFO: the answer makes no sense") : 0;
}

static int type1_map(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (prot & BERTH_IOAS_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (prot & BERTH_IOAS_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)vaddr,
		.iova = at.start,
		.size = at.size,
	};

	return ioctl(io->fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int type1_unmap(struct berth_ioas *io, struct berth_range at, uint64_t *ret_size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = at.start,
		.size = at.size,
	};

	if (ioctl(io->fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	*ret_size = unmap.size;
	return 0;
}

const struct berth_ioas_ops berth_ioas_type1 = {
	.name = "type1",
	.open = type1_open,
	.open_device = type1_open_device,
	.refresh = type1_refresh,
	.map = type1_map,
	.unmap = type1_unmap,
};
