/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/intx.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vmm/irq.h"

struct berth_intx {
	struct berth_irq *irq;	       /* borrowed */
	struct berth_vfio_device *dev; /* borrowed */
	unsigned int gsi;
	int raised_fd; /* owned; VFIO → KVM */
	int eoi_fd;    /* owned; KVM → VFIO */
	bool on;
};

int berth_intx_new(struct berth_intx **ret, struct berth_irq *irq, struct berth_vfio_device *dev,
		   unsigned int gsi, struct berth_err *err)
{
	BERTH_CLEANUP(berth_intx_freep) struct berth_intx *intx = calloc(1, sizeof(*intx));

	if (!intx)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	intx->irq = irq;
	intx->dev = dev;
	intx->gsi = gsi;
	intx->raised_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	intx->eoi_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (intx->raised_fd < 0 || intx->eoi_fd < 0)
		return berth_err_set(err, -errno, "%s: eventfd: %s", berth_vfio_device_name(dev),
				     strerror(errno));
	*ret = BERTH_TAKE_PTR(intx);
	return 0;
}

void berth_intx_free(struct berth_intx *intx)
{
	if (!intx)
		return;
	berth_intx_off(intx);
	if (intx->raised_fd >= 0)
		close(intx->raised_fd);
	if (intx->eoi_fd >= 0)
		close(intx->eoi_fd);
	free(intx);
}

/*
 * The order matters: VFIO needs a trigger before it can mask; masked until KVM is wired up, so that no edge is missed; the
 * unmask at the end delivers a level that was up all the time.
 */
int berth_intx_on(struct berth_intx *intx, struct berth_err *err)
{
	int32_t raised = intx->raised_fd;
	int r;

	if (intx->on)
		return 0;
	r = berth_vfio_irq_enable(intx->dev, BERTH_VFIO_IRQ_INTX, 0, &raised, 1, err);
	if (r < 0)
		return r;
	r = berth_vfio_irq_mask(intx->dev, err);
	if (r < 0)
		goto undo_enable;
	r = berth_irq_attach_fd(intx->irq, intx->gsi, intx->raised_fd, intx->eoi_fd, err);
	if (r < 0)
		goto undo_enable;
	r = berth_vfio_irq_unmask_fd(intx->dev, intx->eoi_fd, err);
	if (r < 0)
		goto undo_attach;
	r = berth_vfio_irq_unmask(intx->dev, err);
	if (r < 0)
		goto undo_attach;
	intx->on = true;
	return 0;

undo_attach:
	berth_irq_detach_fd(intx->irq, intx->gsi, intx->raised_fd);
undo_enable:
	berth_vfio_irq_disable(intx->dev, BERTH_VFIO_IRQ_INTX);
	return r;
}

void berth_intx_off(struct berth_intx *intx)
{
	uint64_t count;

	if (!intx->on)
		return;
	intx->on = false;
	berth_vfio_irq_mask(intx->dev, NULL);
	berth_irq_detach_fd(intx->irq, intx->gsi, intx->raised_fd);
	berth_vfio_irq_disable(intx->dev, BERTH_VFIO_IRQ_INTX);
	/* What was raised and not taken is of no use to whoever switches on next. */
	if (read(intx->raised_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (read(intx->eoi_fd, &count, sizeof(count)) < 0)
		return;
}
