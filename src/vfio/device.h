/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One PCI function held through VFIO: its regions, interrupts and reset.
 *
 * Behind it stands a table of operations, so that a fake device (tests/lib/fake_vfio.h) can take the kernel's place. What
 * the device or the kernel says is checked here once; the rest of Berth works with the results.
 *
 * Not thread-safe, except that berth_vfio_region_read() and _write() may run in several threads at once.
 */
#ifndef BERTH_VFIO_DEVICE_H
#define BERTH_VFIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bdf.h"
#include "base/cleanup.h"

struct berth_err;
struct berth_ioas;
struct berth_vfio_device; /* opaque */
struct berth_vfio_irq;
struct berth_vfio_region;

/* A function that a hot reset would also reset; struct vfio_pci_dependent_device. */
struct berth_vfio_dependent {
	struct berth_bdf at;
	bool by_device; /* opened through iommufd: the kernel tells who owns it, not its group */
	bool owned;	/* @by_device: open by the same iommufd, or of a group that belongs to it */
	unsigned int group; /* not @by_device */
};

/*
 * The kernel's side. Every operation returns 0 (or bytes) or -errno. @ctx is what was given with the table.
 * Sources: linux/vfio.h, the ioctl of the same name.
 */
struct berth_vfio_ops {
	/* VFIO_DEVICE_GET_INFO */
	int (*get_info)(void *ctx, uint32_t *flags, uint32_t *nr_regions, uint32_t *nr_irqs);
	/* The same as bytes, with its capabilities: @size of them, argsz says how many there are. May be NULL. */
	int (*device_info)(void *ctx, void *buf, uint32_t size);
	/*
	 * VFIO_DEVICE_GET_REGION_INFO: fills @buf, @size bytes, as a struct vfio_region_info with its capabilities;
	 * argsz in it says how much there is, which may be more than fitted.
	 */
	int (*region_info)(void *ctx, uint32_t index, void *buf, uint32_t size);
	/* VFIO_DEVICE_GET_IRQ_INFO */
	int (*irq_info)(void *ctx, uint32_t index, uint32_t *flags, uint32_t *count);
	/*
	 * VFIO_DEVICE_SET_IRQS; @fds has @count entries with DATA_EVENTFD, is NULL with DATA_NONE. A positive answer to
	 * the first call on MSI or MSI-X: the host has only so many vectors, and none is enabled.
	 */
	int (*set_irqs)(void *ctx, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
			const int32_t *fds);
	/* pread and pwrite at an offset in the device file */
	ssize_t (*read)(void *ctx, void *buf, size_t len, uint64_t offset);
	ssize_t (*write)(void *ctx, const void *buf, size_t len, uint64_t offset);
	/* mmap, shared, fixed at @addr, which is reserved by the caller */
	int (*mmap)(void *ctx, void *addr, size_t len, int prot, uint64_t offset);
	/* VFIO_DEVICE_RESET */
	int (*reset)(void *ctx);
	/* VFIO_DEVICE_GET_PCI_HOT_RESET_INFO; -ENOSPC with *nr set when there are more than @max */
	int (*hot_reset_info)(void *ctx, struct berth_vfio_dependent *list, size_t max, size_t *nr);
	/* VFIO_DEVICE_PCI_HOT_RESET; of a device opened through iommufd @nr is 0 */
	int (*hot_reset)(void *ctx, const int32_t *group_fds, size_t nr);
	/* may be NULL */
	void (*close)(void *ctx);
};

/* Where things are, PCI_STD_NUM_BARS and linux/vfio.h: region indices. */
enum berth_vfio_region_index {
	BERTH_VFIO_REGION_BAR0 = 0,
	BERTH_VFIO_REGION_BAR5 = 5,
	BERTH_VFIO_REGION_ROM = 6,
	BERTH_VFIO_REGION_CONFIG = 7,
	BERTH_VFIO_NR_REGIONS = 8, /* those that Berth looks at */
};

/**
 * berth_vfio_device_open() - attach a function to an address space and open it (supervisor)
 * @io: borrowed; must be closed after the device
 *
 * Return: 0; what berth_ioas_open_device() and berth_vfio_device_from_fd() return.
 */
int berth_vfio_device_open(struct berth_vfio_device **ret, struct berth_ioas *io,
			   struct berth_bdf at, struct berth_err *err);

/**
 * berth_vfio_device_from_fd() - a function that another process opened (berth-vmm)
 * @fd: consumed, also on failure
 * @at: where it is in the host; for messages
 *
 * Return: 0; -ENODEV not a PCI device; -EPROTO the kernel's answers about regions make no sense; -ENOMEM; -errno.
 */
int berth_vfio_device_from_fd(struct berth_vfio_device **ret, int fd, struct berth_bdf at,
			      struct berth_err *err);

/* The same over any table of operations; @ops must outlive the device, @ctx is given to ops->close(), also on failure. */
int berth_vfio_device_from_ops(struct berth_vfio_device **ret, const struct berth_vfio_ops *ops,
			       void *ctx, struct berth_bdf at, struct berth_err *err);

/* Takes NULL. Before berth_ioas_close(). */
void berth_vfio_device_close(struct berth_vfio_device *dev);
BERTH_DEFINE_CLEANUP(struct berth_vfio_device *, berth_vfio_device_close);

struct berth_bdf berth_vfio_device_bdf(const struct berth_vfio_device *dev);
/* "0000:03:00.0", for messages; lives as long as the device. */
const char *berth_vfio_device_name(const struct berth_vfio_device *dev);
/* Borrowed, to hand over; -1 when no descriptor stands behind the device. */
int berth_vfio_device_fd(const struct berth_vfio_device *dev);
/* VFIO_DEVICE_FLAGS_RESET: the function can be reset alone, and the kernel did so when it was opened. */
bool berth_vfio_device_can_reset(const struct berth_vfio_device *dev);

/* A region, or NULL when the device has none at @index. Borrowed; see vfio/region.h. */
const struct berth_vfio_region *berth_vfio_device_region(const struct berth_vfio_device *dev,
							 unsigned int index);

/**
 * berth_vfio_device_config_read() / _write() - config space, little endian
 * @len: 1, 2 or 4, aligned
 *
 * A read that fails answers all-ones, as hardware does after surprise removal; a write that fails is dropped.
 */
uint32_t berth_vfio_device_config_read(struct berth_vfio_device *dev, unsigned int offset,
				       unsigned int len);
void berth_vfio_device_config_write(struct berth_vfio_device *dev, unsigned int offset,
				    uint32_t value, unsigned int len);

/* For the files beside this one. */
const struct berth_vfio_ops *berth_vfio_device_ops(const struct berth_vfio_device *dev,
						   void **ret_ctx);

#endif
