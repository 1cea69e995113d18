/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O address spaces: what the devices of one VM can reach by DMA.
 *
 * One berth_ioas is one set of iova → host mappings, shared by every device attached to it. One of two kernel interfaces
 * stands behind it as a table of operations (ioas_ops.h): the VFIO container with its groups (type1, linux/vfio.h), or
 * iommufd with VFIO's character devices (Linux 6.6 and later, uapi/iommufd.h and uapi/vfio_cdev.h).
 *
 * Two processes hold the same address space, one after the other:
 *   supervisor: berth_ioas_choose(), berth_ioas_open(), berth_ioas_open_device() for each function; copies of descriptors
 *               to hand over (it keeps its own, for the reset after use);
 *   berth-vmm:  berth_ioas_from_fds(), berth_ioas_map(): a mapping belongs to the memory of the process that makes it.
 * Order of closing: every device, then berth_ioas_close(), which closes groups before the container.
 *
 * Not thread-safe: one thread, or a lock of the caller's.
 */
#ifndef BERTH_IOMMU_IOAS_H
#define BERTH_IOMMU_IOAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "base/range.h"

struct berth_err;
struct berth_host;
struct berth_ioas; /* opaque */

enum berth_ioas_kind {
	BERTH_IOAS_TYPE1,   /* container /dev/vfio/vfio and groups /dev/vfio/N */
	BERTH_IOAS_IOMMUFD, /* /dev/iommu and devices /dev/vfio/devices/vfioN */
};

/* What the user asked for. */
enum berth_ioas_want {
	BERTH_IOAS_WANT_ANY, /* iommufd where kernel and devices offer it, else type1 */
	BERTH_IOAS_WANT_TYPE1,
	BERTH_IOAS_WANT_IOMMUFD,
};

enum berth_ioas_prot {
	BERTH_IOAS_READ = 1 << 0, /* the device may read */
	BERTH_IOAS_WRITE = 1 << 1,
};

/* One IOMMU group that this address space holds open. */
struct berth_ioas_group {
	unsigned int id; /* N of /dev/vfio/N and /sys/kernel/iommu_groups/N */
	int fd;		 /* owned by the address space */
};

/* What berth-vmm is given of an address space. */
struct berth_ioas_handover {
	enum berth_ioas_kind kind;
	int fd;	     /* container or iommufd; consumed */
	uint32_t id; /* iommufd: berth_ioas_id() of the process that opened it */
	/* type1: the vector is copied, its descriptors are consumed */
	const struct berth_ioas_group *groups;
	size_t nr_groups;
	/* iommufd: the vector is copied, its descriptors are borrowed, for berth_ioas_kvm_files() */
	const int *devices;
	size_t nr_devices;
};

/* Our own ceiling on mappings: a VM has a handful of RAM banks and BARs; the kernel's is 65535 (dma_entry_limit). */
#define BERTH_IOAS_MAX_MAPS 512
/* What a VM may need beside its RAM: page-table noise and the ring buffers of disk I/O. */
#define BERTH_IOAS_MEMLOCK_SLACK (64ull << 20)

/* "type1", "iommufd". */
const char *berth_ioas_kind_name(enum berth_ioas_kind kind);
/* "auto", "type1", "iommufd". Return: 0; -EINVAL, *ret unchanged. */
int berth_ioas_want_parse(const char *text, enum berth_ioas_want *ret);

/**
 * berth_ioas_choose() - which kernel interface to use for these functions
 * @devs: bound to vfio-pci
 * @p2p: BARs will be mapped for other devices. iommufd cannot do that from an address (pinning device memory fails with
 *       EFAULT), so type1 comes first when nothing is forced
 *
 * iommufd takes /dev/iommu and a character device for each function; type1 takes /dev/vfio/vfio.
 *
 * Return: 0; -EOPNOTSUPP what @want forces is not there, or neither is: the sentence says what is missing, and the remedy.
 */
int berth_ioas_choose(enum berth_ioas_want want, const struct berth_host *host,
		      const struct berth_bdf *devs, size_t nr, bool p2p, enum berth_ioas_kind *ret,
		      struct berth_err *err);

/**
 * berth_ioas_open() - a new, empty address space (supervisor)
 * @host: borrowed for the life of the object; its dev/ is where the nodes are
 *
 * With iommufd, what it pins is counted for the process that maps (IOMMU_OPTION_RLIMIT_MODE), where we may say so.
 *
 * Return: 0; -ENOENT no such node (module vfio or iommufd missing); -EACCES; -EPROTO the kernel speaks another VFIO
 *         version; -EOPNOTSUPP no type1v2 IOMMU driver (module vfio_iommu_type1 missing); -errno.
 */
int berth_ioas_open(struct berth_ioas **ret, enum berth_ioas_kind kind,
		    const struct berth_host *host, struct berth_err *err);

/**
 * berth_ioas_from_fds() - the address space that another process opened (berth-vmm)
 * @h: what is consumed of it is consumed also on failure; groups and devices are attached already
 *
 * Return: 0; -ENOMEM; -errno of asking the kernel for the ranges, when anything is attached.
 */
int berth_ioas_from_fds(struct berth_ioas **ret, const struct berth_ioas_handover *h,
			struct berth_err *err);

/* Every device attached to @io must be closed before. Takes NULL. */
void berth_ioas_close(struct berth_ioas *io);
BERTH_DEFINE_CLEANUP(struct berth_ioas *, berth_ioas_close);

/**
 * berth_ioas_open_device() - open a function, attached to @io
 * @at: bound to vfio-pci
 * @ret_fd: owned by the caller; close it before @io
 *
 * The kernel resets the function as it is opened (see vfio/reset.h). With type1 the group is attached and stays ours, also
 * what else is in it; with several functions of one group, it is opened once. With iommufd each function is attached;
 * the group is ours as long as one function of it is open.
 *
 * Return: 0; -ENOENT no such function, no IOMMU group, or with iommufd no character device; -EBUSY the group or the function
 *         is in use by another VM; -EPERM not viable (the sentence names the function and driver that stand in the way),
 *         or refused by the IOMMU driver for want of interrupt remapping; -errno of the kernel.
 */
int berth_ioas_open_device(struct berth_ioas *io, struct berth_bdf at, int *ret_fd,
			   struct berth_err *err);

enum berth_ioas_kind berth_ioas_kind(const struct berth_ioas *io);
/* The descriptor of container or iommufd, borrowed; to hand over. */
int berth_ioas_fd(const struct berth_ioas *io);
/* iommufd: the address space in the iommufd; to hand over. 0 with type1. */
uint32_t berth_ioas_id(const struct berth_ioas *io);
/* type1: the groups held, borrowed until the next berth_ioas_open_device(); to hand over, for hot reset. iommufd: none. */
const struct berth_ioas_group *berth_ioas_groups(const struct berth_ioas *io, size_t *ret_nr);

/**
 * berth_ioas_kvm_files() - what KVM has to know of (KVM_DEV_VFIO_FILE_ADD): groups with type1, devices with iommufd
 * @ret: at most @max descriptors, borrowed
 *
 * Return: how many there are, which may be more than @max.
 */
size_t berth_ioas_kvm_files(const struct berth_ioas *io, int *ret, size_t max);

/* Smallest mapping in bytes, a power of two; valid once a function is attached. */
uint64_t berth_ioas_pagesize(const struct berth_ioas *io);
/* What addresses may be mapped, ascending and disjoint; holes are reserved by the platform. Valid once a function is attached. */
const struct berth_range *berth_ioas_ranges(const struct berth_ioas *io, size_t *ret_nr);

/**
 * berth_ioas_holes() - what must not be RAM or BAR of a guest: the complement of berth_ioas_ranges() below 2^64
 * @ret: at most @max of them, ascending
 *
 * Return: how many there are, which may be more than @max.
 */
size_t berth_ioas_holes(const struct berth_ioas *io, struct berth_range *ret, size_t max);

/**
 * berth_ioas_map() - let devices reach a piece of our memory
 * @at: iova range in bytes; start and size multiples of berth_ioas_pagesize(); inside one of berth_ioas_ranges()
 * @vaddr: borrowed; must stay mapped until berth_ioas_unmap() of the same range; page aligned
 * @prot: enum berth_ioas_prot, or-ed
 *
 * One call per piece of memory, however large: the kernel pins it in batches and uses the largest IOMMU pages that the
 * alignment of @at and @vaddr allows. Pins the pages: they count against RLIMIT_MEMLOCK of this process.
 * Source: linux/vfio.h, struct vfio_iommu_type1_dma_map; linux/iommufd.h, struct iommu_ioas_map.
 *
 * Return: 0; -EEXIST @at overlaps a mapping; -EINVAL empty, not aligned or no @prot; -ERANGE reserved by the platform (the
 *         sentence names the hole); -ENOSPC over BERTH_IOAS_MAX_MAPS; -ENOMEM over RLIMIT_MEMLOCK (the sentence names
 *         need and limit); -errno of the kernel. Nothing is mapped on failure.
 */
int berth_ioas_map(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot,
		   struct berth_err *err);

/**
 * berth_ioas_unmap() - take back exactly one mapping
 *
 * Return: 0; -ENOENT @at is not, start and size, what a map call was given; -EIO the kernel unmapped another size.
 */
int berth_ioas_unmap(struct berth_ioas *io, struct berth_range at, struct berth_err *err);

/*
 * Bytes of RLIMIT_MEMLOCK that a VM with @ram bytes of RAM needs; UINT64_MAX when the sum overflows. A VM has one address
 * space, so RAM counts once. BARs mapped for each other are not counted: type1 does not, and iommufd maps them as dma-buf.
 */
uint64_t berth_ioas_memlock_need(uint64_t ram);

/**
 * berth_ioas_memlock_allow() - see to it that this process, and what it starts, may lock @need bytes
 *
 * Raises the hard limit where it is lower and we may. To be asked before any device is taken from the host.
 *
 * Return: 0; -EPERM the limit is lower and stays so: need, limit and the remedy are in the sentence.
 */
int berth_ioas_memlock_allow(uint64_t need, struct berth_err *err);

#endif
