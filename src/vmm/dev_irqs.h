/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupts of one passed-through function: which of INTx, MSI and MSI-X is in use follows the guest's enable bits in
 * config space; the MSI-X table and its pending bits are answered here.
 *
 * berth_dev_irqs_update() is called under the PCI host's config lock, the table accesses are not: what both reach has a
 * lock of its own.
 */
#ifndef BERTH_VMM_DEV_IRQS_H
#define BERTH_VMM_DEV_IRQS_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"

struct berth_dev_irqs; /* opaque */
struct berth_err;
struct berth_irq;
struct berth_vfio_config;
struct berth_vfio_device;

/* The parts of BARs that are answered here. */
enum berth_dev_irqs_part {
	BERTH_MSIX_TABLE,
	BERTH_MSIX_PBA,
	BERTH_MSIX_NR_PARTS,
};

/**
 * berth_dev_irqs_new() - MSI and MSI-X as the capabilities say; off at first
 * @irq, @dev, @cfg: borrowed, outlive the result
 *
 * Opens one descriptor per vector, so that nothing is opened later.
 *
 * Return: 0; -EPROTO the MSI-X table is outside of its BAR; -EMFILE; -ENOMEM; -errno of the kernel.
 */
int berth_dev_irqs_new(struct berth_dev_irqs **ret, struct berth_irq *irq,
		       struct berth_vfio_device *dev, struct berth_vfio_config *cfg,
		       struct berth_err *err);
/* Switches everything off first; the device must still be open. Takes NULL. */
void berth_dev_irqs_free(struct berth_dev_irqs *irqs);
BERTH_DEFINE_CLEANUP(struct berth_dev_irqs *, berth_dev_irqs_free);

/**
 * berth_dev_irqs_plug() - the function is in its slot: INTx is up from now on, as after a reset
 * @gsi: IOAPIC pin of its INTx; only used when the device has one
 *
 * A device without INTx, or whose line cannot be had, shows none in its Interrupt Pin register.
 *
 * Return: 0; -ENOMEM; -errno of eventfd.
 */
int berth_dev_irqs_plug(struct berth_dev_irqs *irqs, unsigned int gsi, struct berth_err *err);

/* The guest wrote to its MSI or MSI-X capability. */
void berth_dev_irqs_update(struct berth_dev_irqs *irqs);
/* The guest reset the function, which config space shows already: tables empty, INTx up. */
void berth_dev_irqs_reset(struct berth_dev_irqs *irqs);
/* The guest is about to read config space: bring the pending bits of MSI up to date when they are in it. */
void berth_dev_irqs_refresh(struct berth_dev_irqs *irqs, unsigned int offset, unsigned int len);

/* Where in BAR @bar a part lies; size 0: not there. The table is also where the guest has no MSI-X, and reads ones. */
struct berth_range berth_dev_irqs_part(const struct berth_dev_irqs *irqs,
				       enum berth_dev_irqs_part part, unsigned int bar);
/* Guest accesses to a part; @offset from its start. Any vCPU thread. */
void berth_dev_irqs_read(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
			 uint64_t offset, unsigned int len, void *data);
void berth_dev_irqs_write(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
			  uint64_t offset, unsigned int len, const void *data);

#endif
