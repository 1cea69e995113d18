/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/irq.h"

#include <errno.h>
#include <string.h>

#include <linux/vfio.h>

#include "base/err.h"
#include "vfio/device.h"

static const char *const index_names[BERTH_VFIO_NR_IRQS] = {
	"INTx", "MSI", "MSI-X", "error report", "device request",
};

static int set_irqs(struct berth_vfio_device *dev, uint32_t index, uint32_t flags, uint32_t start,
		    uint32_t count, const int32_t *fds)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);

	return ops->set_irqs(ctx, index, flags, start, count, fds);
}

int berth_vfio_irq_query(struct berth_vfio_irq *ret, struct berth_vfio_device *dev,
			 enum berth_vfio_irq_index index)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	uint32_t flags = 0, count = 0;
	int r = ops->irq_info(ctx, index, &flags, &count);

	memset(ret, 0, sizeof(*ret));
	/* EINVAL is how the kernel says that the device has no such index. */
	if (r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	ret->count = count < BERTH_VFIO_MAX_VECTORS ? count : BERTH_VFIO_MAX_VECTORS;
	ret->eventfd = flags & VFIO_IRQ_INFO_EVENTFD;
	ret->maskable = flags & VFIO_IRQ_INFO_MASKABLE;
	ret->automasked = flags & VFIO_IRQ_INFO_AUTOMASKED;
	ret->noresize = flags & VFIO_IRQ_INFO_NORESIZE;
	return 0;
}

/* Return: 0; positive: so many vectors would have worked, none is enabled; -errno with the sentence. */
static int enable(struct berth_vfio_device *dev, enum berth_vfio_irq_index index, uint32_t start,
		  const int32_t *fds, uint32_t nr, struct berth_err *err)
{
	const char *name = berth_vfio_device_name(dev);
	int r;

	if (nr == 0 || start >= BERTH_VFIO_MAX_VECTORS || nr > BERTH_VFIO_MAX_VECTORS - start)
		return berth_err_set(err, -EINVAL, "%s: enable %s: no vectors %u+%u", name,
				     index_names[index], start, nr);
	r = set_irqs(dev, index, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, start, nr,
		     fds);
	return r < 0 ? berth_err_set(err, r, "%s: enable %s, vectors %u+%u: %s", name,
				     index_names[index], start, nr, strerror(-r)) :
		       r;
}

static int too_few(struct berth_vfio_device *dev, enum berth_vfio_irq_index index, uint32_t nr,
		   int had, struct berth_err *err)
{
	return berth_err_set(err, -ENOSPC, "%s: enable %s: %u vectors wanted, %d to be had",
			     berth_vfio_device_name(dev), index_names[index], nr, had);
}

int berth_vfio_irq_enable(struct berth_vfio_device *dev, enum berth_vfio_irq_index index,
			  uint32_t start, const int32_t *fds, uint32_t nr, struct berth_err *err)
{
	int r = enable(dev, index, start, fds, nr, err);

	return r > 0 ? too_few(dev, index, nr, r, err) : r;
}

int berth_vfio_irq_enable_upto(struct berth_vfio_device *dev, enum berth_vfio_irq_index index,
			       const int32_t *fds, uint32_t nr, uint32_t *ret_nr,
			       struct berth_err *err)
{
	int r = enable(dev, index, 0, fds, nr, err);

	/* Once more with what there is, and no third time: then somebody else is taking vectors as fast as we ask. */
	if (r > 0 && (uint32_t)r < nr) {
		nr = (uint32_t)r;
		r = enable(dev, index, 0, fds, nr, err);
	}
	if (r > 0)
		return too_few(dev, index, nr, r, err);
	if (r == 0)
		*ret_nr = nr;
	return r;
}

int berth_vfio_irq_disable(struct berth_vfio_device *dev, enum berth_vfio_irq_index index)
{
	int r = set_irqs(dev, index, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
			 NULL);

	/* EINVAL: not enabled, or no such index */
	return r == -EINVAL ? 0 : r;
}

static int intx(struct berth_vfio_device *dev, uint32_t flags, const int32_t *fd, const char *what,
		struct berth_err *err)
{
	int r = set_irqs(dev, BERTH_VFIO_IRQ_INTX, flags, 0, 1, fd);

	return r < 0 ? berth_err_set(err, r, "%s: %s: %s", berth_vfio_device_name(dev), what,
				     strerror(-r)) :
		       0;
}

int berth_vfio_irq_mask(struct berth_vfio_device *dev, struct berth_err *err)
{
	return intx(dev, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, NULL, "mask INTx", err);
}

int berth_vfio_irq_unmask(struct berth_vfio_device *dev, struct berth_err *err)
{
	return intx(dev, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, NULL, "unmask INTx",
		    err);
}

int berth_vfio_irq_unmask_fd(struct berth_vfio_device *dev, int fd, struct berth_err *err)
{
	int32_t fd32 = fd;

	return intx(dev, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, &fd32,
		    "unmask INTx by eventfd", err);
}
