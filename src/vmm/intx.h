/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A level interrupt from a device into the guest without user space: VFIO signals and masks, KVM raises the pin and, when
 * the guest acknowledges it (EOI), signals back, VFIO unmasks (KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE).
 *
 * Pins are shared between devices: each has its own pair of eventfds on the pin. Not thread-safe.
 */
#ifndef BERTH_VMM_INTX_H
#define BERTH_VMM_INTX_H

#include "base/cleanup.h"

struct berth_err;
struct berth_intx; /* opaque */
struct berth_irq;
struct berth_vfio_device;

/* @irq, @dev: borrowed, outlive the result. @gsi: IOAPIC pin. Off at first. Return: 0; -ENOMEM; -errno of eventfd. */
int berth_intx_new(struct berth_intx **ret, struct berth_irq *irq, struct berth_vfio_device *dev,
		   unsigned int gsi, struct berth_err *err);
/* Switches off first. Takes NULL. */
void berth_intx_free(struct berth_intx *intx);
BERTH_DEFINE_CLEANUP(struct berth_intx *, berth_intx_free);

/* MSI and MSI-X must be off. Nothing to do when on. Return: 0; -errno of VFIO or KVM, then it is off. */
int berth_intx_on(struct berth_intx *intx, struct berth_err *err);
void berth_intx_off(struct berth_intx *intx);

#endif
