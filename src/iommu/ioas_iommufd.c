/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O address space by iommufd and VFIO's character devices (Documentation/userspace-api/iommufd.rst,
 * Documentation/driver-api/vfio.rst "VFIO device cdev").
 */
#include "iommu/ioas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BERTH_LOG "iommu/ioas"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/ioas_ops.h"
#include "uapi/iommufd.h"
#include "uapi/vfio_cdev.h"

/* More ranges than this in an answer are not believed. */
#define RANGES_MAX 4096u

/*
 * Count pinned pages for the process that maps, as type1 does, not for its user. Not permitted without CAP_SYS_RESOURCE;
 * then they count for the user, which is the same as long as berth-vmm has one of its own.
 */
static void count_per_process(int fd)
{
	struct berth_iommu_option option = {
		.size = sizeof(option),
		.option_id = BERTH_IOMMU_OPTION_RLIMIT_MODE,
		.op = BERTH_IOMMU_OPTION_OP_SET,
		.val64 = 1,
	};

	if (ioctl(fd, BERTH_IOMMU_OPTION, &option) < 0)
		log_info("iommufd: locked memory is counted per user: %s", strerror(errno));
}

static int iommufd_open(struct berth_ioas *io, struct berth_err *err)
{
	struct berth_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	io->fd = openat(io->host->dev_fd, "iommu", O_RDWR | O_CLOEXEC);
	if (io->fd < 0)
		return berth_err_set(
			err, -errno, "open /dev/iommu: %s%s", strerror(errno),
			errno == ENOENT || errno == ENODEV ? "; load the module iommufd" : "");
	count_per_process(io->fd);
	if (ioctl(io->fd, BERTH_IOMMU_IOAS_ALLOC, &alloc) < 0)
		return berth_err_set(err, -errno, "IOMMU_IOAS_ALLOC: %s", strerror(errno));
	io->id = alloc.out_ioas_id;
	return 0;
}

/* "vfio3", the character device of @bdf. */
static int find_cdev(const struct berth_host *host, const char *bdf, char *name, size_t size,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	size_t nr = 0;
	int r = berth_sysfs_list(host, &names, &nr, "bus/pci/devices/%s/vfio-dev", bdf);

	if (r < 0 || nr == 0)
		return berth_err_set(
			err, -ENOENT,
			"%s has no VFIO character device; it is not bound to vfio-pci, "
			"or the kernel lacks CONFIG_VFIO_DEVICE_CDEV",
			bdf);
	if (strlen(names[0]) >= size)
		return berth_err_set(err, -EPROTO, "%s: vfio-dev/%s: too long a name", bdf,
				     names[0]);
	strcpy(name, names[0]);
	return 0;
}

/* The node may be older than the device, or not devtmpfs's: is it the device that sysfs means? */
static int check_node(const struct berth_host *host, const char *bdf, const char *cdev, int fd,
		      struct berth_err *err)
{
	unsigned int major_nr, minor_nr;
	char text[32];
	struct stat st;
	int r = berth_sysfs_read(host, text, sizeof(text), "bus/pci/devices/%s/vfio-dev/%s/dev",
				 bdf, cdev);

	if (r < 0)
		return berth_err_set(err, r, "%s: vfio-dev/%s/dev: %s", bdf, cdev, strerror(-r));
	if (sscanf(text, "%u:%u", &major_nr, &minor_nr) != 2)
		return berth_err_set(err, -EPROTO, "%s: vfio-dev/%s/dev: \"%s\" is no number", bdf,
				     cdev, text);
	if (fstat(fd, &st) < 0)
		return berth_err_set(err, -errno, "/dev/vfio/devices/%s: %s", cdev,
				     strerror(errno));
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(major_nr, minor_nr))
		return berth_err_set(err, -ENXIO,
				     "/dev/vfio/devices/%s is not the device %s of %s: a stale "
				     "node; remove it and run 'udevadm trigger'",
				     cdev, text, bdf);
	return 0;
}

static int open_node(const struct berth_host *host, const char *bdf, struct berth_err *err)
{
	char cdev[32], path[64];
	int fd, r = find_cdev(host, bdf, cdev, sizeof(cdev), err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "vfio/devices/%s", cdev);
	fd = openat(host->dev_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return berth_err_set(err, -errno, "open /dev/%s for %s: %s", path, bdf,
				     strerror(errno));
	r = check_node(host, bdf, cdev, fd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * Why VFIO_DEVICE_BIND_IOMMUFD failed, from what drivers/vfio/device_cdev.c, drivers/iommu/iommufd/device.c and
 * iommu_device_claim_dma_owner() answer: EINVAL the device is open already; EBUSY its group is, as a group; EPERM the group
 * belongs to a host driver or to another iommufd, or MSIs cannot be confined. Who comes first when several are true is
 * ours to say.
 */
static int bind_failed(const struct berth_host *host, const char *bdf, int r, struct berth_err *err)
{
	unsigned int group = 0;

	if (r == -EINVAL || r == -EBUSY)
		return berth_err_set(err, -EBUSY,
				     "%s: another process holds the function or its group", bdf);
	if (r != -EPERM)
		return berth_err_set(err, r, "%s: VFIO_DEVICE_BIND_IOMMUFD: %s", bdf, strerror(-r));
	r = berth_ioas_group_of(host, bdf, &group, err);
	if (r < 0)
		return r;
	if (!berth_ioas_is_viable(host, group))
		return berth_err_prefix(err, berth_ioas_not_viable(host, group, err), "%s", bdf);
	return berth_err_set(err, -EPERM,
			     "%s: VFIO_DEVICE_BIND_IOMMUFD: not permitted: another VM has a "
			     "function of group %u, or " BERTH_IOAS_NO_INTREMAP,
			     bdf, group);
}

static int attach(struct berth_ioas *io, int fd, const char *bdf, struct berth_err *err)
{
	struct berth_vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = io->fd };
	struct berth_vfio_device_attach_iommufd_pt pt = { .argsz = sizeof(pt), .pt_id = io->id };

	if (ioctl(fd, BERTH_VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0)
		return bind_failed(io->host, bdf, -errno, err);
	if (ioctl(fd, BERTH_VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt) < 0)
		return berth_err_set(err, -errno, "%s: VFIO_DEVICE_ATTACH_IOMMUFD_PT: %s", bdf,
				     strerror(errno));
	return 0;
}

static int iommufd_open_device(struct berth_ioas *io, struct berth_bdf at, int *ret_fd,
			       struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	unsigned int group;
	int fd, r;

	r = berth_ioas_group_of(io->host, bdf, &group, err);
	if (r < 0)
		return r;
	fd = open_node(io->host, bdf, err);
	if (fd < 0)
		return fd;
	r = attach(io, fd, bdf, err);
	if (r == 0 && berth_ioas_add_device(io, fd) < 0)
		r = berth_err_set(err, -ENOMEM, "%s: out of memory", bdf);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Both ends of an answer's range are included; [0, 2^64) does not fit into a size, and its last page is nobody's RAM. */
static struct berth_range to_range(struct berth_iommu_iova_range r)
{
	if (r.start == 0 && r.last == UINT64_MAX)
		r.last--;
	return (struct berth_range){ r.start, r.last - r.start + 1 };
}

static int take_ranges(struct berth_ioas *io, const struct berth_iommu_iova_range *from, size_t nr)
{
	struct berth_range *list = calloc(nr + 1, sizeof(*list));
	uint64_t next = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		/* ascending and disjoint, as documented; what is not makes no sense */
		if (from[i].last < from[i].start || (i && from[i].start < next)) {
			free(list);
			return -EPROTO;
		}
		list[i] = to_range(from[i]);
		next = from[i].last + 1;
		if (next == 0 && i + 1 < nr) {
			free(list);
			return -EPROTO;
		}
	}
	berth_ioas_set_ranges(io, list, nr);
	return 0;
}

static int iommufd_refresh(struct berth_ioas *io, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct berth_iommu_iova_range *list = NULL;
	struct berth_iommu_ioas_iova_ranges get = { .size = sizeof(get), .ioas_id = io->id };
	uint32_t room = 0;
	int r;

	/* How many there are changes with every attach: ask until the answer fits. */
	for (;;) {
		get.num_iovas = room;
		get.allowed_iovas = (uintptr_t)list;
		r = ioctl(io->fd, BERTH_IOMMU_IOAS_IOVA_RANGES, &get) < 0 ? -errno : 0;
		if (r < 0 && r != -EMSGSIZE)
			return berth_err_set(err, r, "IOMMU_IOAS_IOVA_RANGES: %s", strerror(-r));
		if (get.num_iovas <= room)
			break;
		if (get.num_iovas > RANGES_MAX)
			return berth_err_set(err, -EPROTO, "IOMMU_IOAS_IOVA_RANGES: %u ranges",
					     get.num_iovas);
		room = get.num_iovas;
		free(list);
		list = calloc(room, sizeof(*list));
		if (!list)
			return berth_err_set(err, -ENOMEM, "I/O address space: out of memory");
	}
	r = take_ranges(io, list, get.num_iovas);
	if (r == 0 && (get.out_iova_alignment & (get.out_iova_alignment - 1)))
		r = -EPROTO;
	if (r < 0)
		return berth_err_set(err, r, "IOMMU_IOAS_IOVA_RANGES: %s",
				     r == -EPROTO ? "the answer makes no sense" : strerror(-r));
	/* The kernel names 1 when the IOMMU can do less than a page; memory still comes in pages. */
	io->pagesize = (uint64_t)sysconf(_SC_PAGESIZE);
	if (get.out_iova_alignment > io->pagesize)
		io->pagesize = get.out_iova_alignment;
	return 0;
}

static int iommufd_map(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot)
{
	struct berth_iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = BERTH_IOMMU_MAP_FIXED_IOVA |
			 (prot & BERTH_IOAS_READ ? BERTH_IOMMU_MAP_READABLE : 0) |
			 (prot & BERTH_IOAS_WRITE ? BERTH_IOMMU_MAP_WRITEABLE : 0),
		.ioas_id = io->id,
		.user_va = (uintptr_t)vaddr,
		.length = at.size,
		.iova = at.start,
	};

	return ioctl(io->fd, BERTH_IOMMU_IOAS_MAP, &map) < 0 ? -errno : 0;
}

static int iommufd_unmap(struct berth_ioas *io, struct berth_range at, uint64_t *ret_size)
{
	struct berth_iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = io->id,
		.iova = at.start,
		.length = at.size,
	};

	if (ioctl(io->fd, BERTH_IOMMU_IOAS_UNMAP, &unmap) < 0)
		return -errno;
	*ret_size = unmap.length;
	return 0;
}

const struct berth_ioas_ops berth_ioas_iommufd = {
	.name = "iommufd",
	.open = iommufd_open,
	.open_device = iommufd_open_device,
	.refresh = iommufd_refresh,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
};
