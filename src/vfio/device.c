/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "base/range.h"
#include "iommu/ioas.h"
#include "uapi/vfio_cdev.h"
#include "vfio/irq.h"
#include "vfio/region.h"

struct berth_vfio_device {
	const struct berth_vfio_ops *ops; /* borrowed, for ever */
	void *ctx;			  /* given to ops; owned through ops->close */
	struct berth_bdf at;
	char name[BERTH_BDF_LEN];
	bool can_reset;
	bool present[BERTH_VFIO_NR_REGIONS];
	struct berth_vfio_region regions[BERTH_VFIO_NR_REGIONS];
};

/* --- the kernel behind the table: @ctx is the descriptor, as (void *)(intptr_t)fd --- */

static int fd_of(void *ctx)
{
	return (int)(intptr_t)ctx;
}

static int kernel_get_info(void *ctx, uint32_t *flags, uint32_t *nr_regions, uint32_t *nr_irqs)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(fd_of(ctx), VFIO_DEVICE_GET_INFO, &info) < 0)
		return -errno;
	*flags = info.flags;
	*nr_regions = info.num_regions;
	*nr_irqs = info.num_irqs;
	return 0;
}

static int kernel_device_info(void *ctx, void *buf, uint32_t size)
{
	memset(buf, 0, size);
	((struct vfio_device_info *)buf)->argsz = size;
	return ioctl(fd_of(ctx), VFIO_DEVICE_GET_INFO, buf) < 0 ? -errno : 0;
}

static int kernel_region_info(void *ctx, uint32_t index, void *buf, uint32_t size)
{
	struct vfio_region_info *info = buf;

	memset(buf, 0, size);
	info->argsz = size;
	info->index = index;
	return ioctl(fd_of(ctx), VFIO_DEVICE_GET_REGION_INFO, info) < 0 ? -errno : 0;
}

static int kernel_irq_info(void *ctx, uint32_t index, uint32_t *flags, uint32_t *count)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(fd_of(ctx), VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return -errno;
	*flags = info.flags;
	*count = info.count;
	return 0;
}

static int kernel_set_irqs(void *ctx, uint32_t index, uint32_t flags, uint32_t start,
			   uint32_t count, const int32_t *fds)
{
	size_t data = fds ? count * sizeof(*fds) : 0;
	BERTH_CLEANUP(berth_freep)
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + data);
	int r;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + data);
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (data)
		memcpy(set->data, fds, data);
	/* A positive answer is one: so many vectors would have worked. */
	r = ioctl(fd_of(ctx), VFIO_DEVICE_SET_IRQS, set);
	return r < 0 ? -errno : r;
}

static ssize_t kernel_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(fd_of(ctx), buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t kernel_write(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pwrite(fd_of(ctx), buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int kernel_mmap(void *ctx, void *addr, size_t len, int prot, uint64_t offset)
{
	void *p = mmap(addr, len, prot, MAP_SHARED | MAP_FIXED, fd_of(ctx), (off_t)offset);

	return p == MAP_FAILED ? -errno : 0;
}

static int kernel_reset(void *ctx)
{
	int r = berth_failpoint_before("reset", "function", NULL);

	if (r == 0)
		r = ioctl(fd_of(ctx), VFIO_DEVICE_RESET) < 0 ? -errno : 0;
	return r == 0 ? berth_failpoint_after("reset", "function", NULL) : r;
}

static int kernel_hot_reset_info(void *ctx, struct berth_vfio_dependent *list, size_t max,
				 size_t *nr)
{
	size_t size = sizeof(struct vfio_pci_hot_reset_info) +
		      max * sizeof(struct vfio_pci_dependent_device);
	BERTH_CLEANUP(berth_freep) struct vfio_pci_hot_reset_info *info = calloc(1, size);
	int r;

	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	r = ioctl(fd_of(ctx), VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) < 0 ? -errno : 0;
	*nr = info->count;
	if (r < 0)
		return r;
	if (info->count > max)
		return -ENOSPC;
	for (size_t i = 0; i < info->count; i++) {
		const struct vfio_pci_dependent_device *d = &info->devices[i];

		list[i].by_device = info->flags & BERTH_VFIO_PCI_HOT_RESET_FLAG_DEV_ID;
		/* one word: the group, or the device's id */
		list[i].group = list[i].by_device ? 0 : d->group_id;
		list[i].owned = list[i].by_device && d->group_id != BERTH_VFIO_PCI_DEVID_NOT_OWNED;
		list[i].at = (struct berth_bdf){ .domain = d->segment,
						 .bus = d->bus,
						 .dev = d->devfn >> 3,
						 .fn = d->devfn & 7 };
	}
	return 0;
}

static int kernel_hot_reset(void *ctx, const int32_t *group_fds, size_t nr)
{
	size_t size = sizeof(struct vfio_pci_hot_reset) + nr * sizeof(*group_fds);
	BERTH_CLEANUP(berth_freep) struct vfio_pci_hot_reset *reset = calloc(1, size);
	int r;

	if (!reset)
		return -ENOMEM;
	reset->argsz = (uint32_t)size;
	reset->count = (uint32_t)nr;
	if (nr) /* none with iommufd, and then no list either */
		memcpy(reset->group_fds, group_fds, nr * sizeof(*group_fds));
	r = berth_failpoint_before("reset", "hot", NULL);
	if (r == 0)
		r = ioctl(fd_of(ctx), VFIO_DEVICE_PCI_HOT_RESET, reset) < 0 ? -errno : 0;
	return r == 0 ? berth_failpoint_after("reset", "hot", NULL) : r;
}

static void kernel_close(void *ctx)
{
	close(fd_of(ctx));
}

static const struct berth_vfio_ops kernel_ops = {
	.get_info = kernel_get_info,
	.device_info = kernel_device_info,
	.region_info = kernel_region_info,
	.irq_info = kernel_irq_info,
	.set_irqs = kernel_set_irqs,
	.read = kernel_read,
	.write = kernel_write,
	.mmap = kernel_mmap,
	.reset = kernel_reset,
	.hot_reset_info = kernel_hot_reset_info,
	.hot_reset = kernel_hot_reset,
	.close = kernel_close,
};

/* --- the object --- */

static int query_regions(struct berth_vfio_device *dev, uint32_t nr, struct berth_err *err)
{
	for (uint32_t i = 0; i < BERTH_VFIO_NR_REGIONS && i < nr; i++) {
		int r = berth_vfio_region_query(&dev->regions[i], dev, i, err);

		if (r < 0)
			return berth_err_prefix(err, r, "%s", dev->name);
		/* Each keeps its own index, whatever is missing before it. */
		dev->present[i] = r == 0;
	}
	if (!dev->present[BERTH_VFIO_REGION_CONFIG])
		return berth_err_set(err, -EPROTO, "%s: VFIO shows no config space", dev->name);
	return 0;
}

int berth_vfio_device_from_ops(struct berth_vfio_device **ret, const struct berth_vfio_ops *ops,
			       void *ctx, struct berth_bdf at, struct berth_err *err)
{
	BERTH_CLEANUP(berth_vfio_device_closep)
	struct berth_vfio_device *dev = calloc(1, sizeof(*dev));
	uint32_t flags = 0, nr_regions = 0, nr_irqs = 0;
	int r;

	if (!dev) {
		if (ops->close)
			ops->close(ctx);
		return berth_err_set(err, -ENOMEM, "%s: out of memory", BERTH_BDF_STR(at));
	}
	dev->ops = ops;
	dev->ctx = ctx;
	dev->at = at;
	berth_bdf_format(at, dev->name);
	r = ops->get_info(ctx, &flags, &nr_regions, &nr_irqs);
	if (r < 0)
		return berth_err_set(err, r, "%s: VFIO_DEVICE_GET_INFO: %s", dev->name,
				     strerror(-r));
	if (!(flags & VFIO_DEVICE_FLAGS_PCI))
		return berth_err_set(err, -ENODEV, "%s: VFIO says it is not a PCI device",
				     dev->name);
	dev->can_reset = flags & VFIO_DEVICE_FLAGS_RESET;
	r = query_regions(dev, nr_regions, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(dev);
	return 0;
}

int berth_vfio_device_from_fd(struct berth_vfio_device **ret, int fd, struct berth_bdf at,
			      struct berth_err *err)
{
	return berth_vfio_device_from_ops(ret, &kernel_ops, (void *)(intptr_t)fd, at, err);
}

int berth_vfio_device_open(struct berth_vfio_device **ret, struct berth_ioas *io,
			   struct berth_bdf at, struct berth_err *err)
{
	int fd, r;

	r = berth_ioas_open_device(io, at, &fd, err);
	return r < 0 ? r : berth_vfio_device_from_fd(ret, fd, at, err);
}

void berth_vfio_device_close(struct berth_vfio_device *dev)
{
	if (!dev)
		return;
	if (dev->ops->close)
		dev->ops->close(dev->ctx);
	free(dev);
}

struct berth_bdf berth_vfio_device_bdf(const struct berth_vfio_device *dev)
{
	return dev->at;
}

const char *berth_vfio_device_name(const struct berth_vfio_device *dev)
{
	return dev->name;
}

int berth_vfio_device_fd(const struct berth_vfio_device *dev)
{
	return dev->ops == &kernel_ops ? fd_of(dev->ctx) : -1;
}

bool berth_vfio_device_can_reset(const struct berth_vfio_device *dev)
{
	return dev->can_reset;
}

const struct berth_vfio_region *berth_vfio_device_region(const struct berth_vfio_device *dev,
							 unsigned int index)
{
	return index < BERTH_VFIO_NR_REGIONS && dev->present[index] ? &dev->regions[index] : NULL;
}

uint32_t berth_vfio_device_config_read(struct berth_vfio_device *dev, unsigned int offset,
				       unsigned int len)
{
	uint8_t b[4] = { 0 };
	uint32_t v = 0;

	berth_vfio_region_read(dev, &dev->regions[BERTH_VFIO_REGION_CONFIG], offset, b, len);
	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)b[i] << (8 * i);
	return v;
}

void berth_vfio_device_config_write(struct berth_vfio_device *dev, unsigned int offset,
				    uint32_t value, unsigned int len)
{
	uint8_t b[4];

	for (unsigned int i = 0; i < len; i++)
		b[i] = (uint8_t)(value >> (8 * i));
	berth_vfio_region_write(dev, &dev->regions[BERTH_VFIO_REGION_CONFIG], offset, b, len);
}

const struct berth_vfio_ops *berth_vfio_device_ops(const struct berth_vfio_device *dev,
						   void **ret_ctx)
{
	*ret_ctx = dev->ctx;
	return dev->ops;
}
