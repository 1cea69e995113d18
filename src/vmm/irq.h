/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: KVM's in-kernel IOAPIC and LAPICs, the GSI routing table, and eventfds that raise a GSI in the kernel.
 *
 * GSI 0 … 23 are the IOAPIC pins, level or edge as the guest programs them, always routed. GSIs from 24 on are handed
 * out one by one for MSI messages. The 8259s exist inside KVM (KVM_CREATE_IRQCHIP; a resample irqfd needs it) but are
 * wired to nothing: the guest is hardware-reduced ACPI and would never mask them.
 *
 * Order, because old kernels crash otherwise: set the message, commit, attach the eventfd; on the way back detach, then
 * free the GSI, then commit. Changes to routes take effect at berth_irq_commit(), one ioctl for the whole table, so set
 * all vectors of a device first and commit once. Thread-safe.
 */
#ifndef BERTH_VMM_IRQ_H
#define BERTH_VMM_IRQ_H

#include <stdint.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_irq; /* opaque */

#define BERTH_IRQ_NR_PINS 24   /* IOAPIC pins, GSI 0 … 23 */
#define BERTH_IRQ_NR_GSIS 4096 /* KVM_CAP_IRQ_ROUTING on x86 (KVM_MAX_IRQ_ROUTES) */

/**
 * berth_irq_new() - create the in-kernel interrupt controllers and timer, and the table
 * @vm_fd: borrowed; before any vCPU is created
 *
 * Return: 0; -ENOMEM; -errno of KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2 or KVM_SET_GSI_ROUTING.
 */
int berth_irq_new(struct berth_irq **ret, int vm_fd, struct berth_err *err);
void berth_irq_free(struct berth_irq *irq);
BERTH_DEFINE_CLEANUP(struct berth_irq *, berth_irq_free);

/* A GSI for one MSI message; it has no route until set_msi and commit. Return: 0; -ENOSPC all are in use. */
int berth_irq_alloc_gsi(struct berth_irq *irq, unsigned int *ret_gsi, struct berth_err *err);
/* Give it back; its eventfds must be detached. The route goes at the next commit. Pins (< 24) are ignored. */
void berth_irq_free_gsi(struct berth_irq *irq, unsigned int gsi);

/**
 * berth_irq_set_msi() - the message that @gsi stands for, as the guest wrote it into its device
 * @addr: 64-bit message address
 *
 * Takes effect at the next commit. The same values again cost nothing, not even in the commit.
 * Return: 0; -EINVAL @gsi is a pin or not allocated.
 */
int berth_irq_set_msi(struct berth_irq *irq, unsigned int gsi, uint64_t addr, uint32_t data,
		      struct berth_err *err);

/* Hand the table to KVM if it changed since the last time (KVM_SET_GSI_ROUTING). Return: 0 or -errno. */
int berth_irq_commit(struct berth_irq *irq, struct berth_err *err);

/**
 * berth_irq_attach_fd() - a write to @eventfd raises @gsi, all in the kernel (KVM_IRQFD)
 * @eventfd: borrowed until detached
 * @resample_fd: -1 for an edge (MSI). Else the line stays up until the guest's EOI, which writes this eventfd: INTx.
 *               Several attachments with their own pairs may share one pin.
 *
 * Return: 0; -EINVAL the GSI has no committed route; -EBUSY already attached; -errno.
 */
int berth_irq_attach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd, int resample_fd,
			struct berth_err *err);
/* @eventfd and @gsi as attached. An attachment that is not there is ignored. */
void berth_irq_detach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd);

/* Drive a pin from user space: serial port, RTC. Return: 0 or -errno of KVM_IRQ_LINE. */
int berth_irq_set_pin(struct berth_irq *irq, unsigned int pin, int level);

/* Raise one MSI from user space, without a GSI (KVM_SIGNAL_MSI). Return: 0 or -errno. */
int berth_irq_signal_msi(struct berth_irq *irq, uint64_t addr, uint32_t data);

#endif
