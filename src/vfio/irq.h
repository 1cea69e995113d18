/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts of a VFIO device: which eventfd the kernel signals for which vector.
 *
 * INTx, MSI and MSI-X exclude each other in VFIO: disable one index before enabling another.
 * Source: linux/vfio.h, VFIO_DEVICE_GET_IRQ_INFO and VFIO_DEVICE_SET_IRQS.
 */
#ifndef BERTH_VFIO_IRQ_H
#define BERTH_VFIO_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_err;
struct berth_vfio_device;

enum berth_vfio_irq_index {
	BERTH_VFIO_IRQ_INTX = 0,
	BERTH_VFIO_IRQ_MSI = 1,
	BERTH_VFIO_IRQ_MSIX = 2,
	BERTH_VFIO_IRQ_ERR = 3, /* an uncorrectable error was reported (AER) */
	BERTH_VFIO_IRQ_REQ = 4, /* the host wants the device back */
	BERTH_VFIO_NR_IRQS = 5,
};

/* PCIe Base 6.0, 7.7.2.2: the table size field has 11 bits. */
#define BERTH_VFIO_MAX_VECTORS 2048u

struct berth_vfio_irq {
	uint32_t count; /* vectors; 0 when the device has none at this index */
	bool eventfd;
	bool maskable;
	bool automasked;
	bool noresize; /* vectors cannot be added while enabled: disable all, enable more */
};

/* Ask about one index. Return: 0, count 0 when there is none; -errno. */
int berth_vfio_irq_query(struct berth_vfio_irq *ret, struct berth_vfio_device *dev,
			 enum berth_vfio_irq_index index);

/**
 * berth_vfio_irq_enable() - signal @fds[i] for vector @start + i
 * @fds: borrowed; -1 leaves a vector without signal
 *
 * The first call on an index enables it in the device with start + nr vectors; later ones change or add vectors.
 *
 * Return: 0; -EINVAL @nr is 0 or @start + @nr more than BERTH_VFIO_MAX_VECTORS; -ENOSPC the host has no vectors left;
 *         -errno.
 */
int berth_vfio_irq_enable(struct berth_vfio_device *dev, enum berth_vfio_irq_index index,
			  uint32_t start, const int32_t *fds, uint32_t nr, struct berth_err *err);

/**
 * berth_vfio_irq_enable_upto() - enable an index with vectors [0, @nr), or with as many of them as the host has
 * @fds: as above
 * @ret_nr: how many there are now, 1 … @nr
 *
 * The index must not be enabled. Source: a positive answer of VFIO_DEVICE_SET_IRQS says how many would have worked.
 *
 * Return: 0; what berth_vfio_irq_enable() returns.
 */
int berth_vfio_irq_enable_upto(struct berth_vfio_device *dev, enum berth_vfio_irq_index index,
			       const int32_t *fds, uint32_t nr, uint32_t *ret_nr,
			       struct berth_err *err);

/* Disable the whole index. Return: 0 (also when it was not enabled); -errno. */
int berth_vfio_irq_disable(struct berth_vfio_device *dev, enum berth_vfio_irq_index index);

/* INTx only: mask, unmask, and the eventfd whose signal unmasks (from KVM's resampling). -1 takes it away. */
int berth_vfio_irq_mask(struct berth_vfio_device *dev, struct berth_err *err);
int berth_vfio_irq_unmask(struct berth_vfio_device *dev, struct berth_err *err);
int berth_vfio_irq_unmask_fd(struct berth_vfio_device *dev, int fd, struct berth_err *err);

#endif
