/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of MSI and MSI-X vectors from a device into the guest: VFIO signals an eventfd, KVM turns it into a message.
 *
 * A vector that is held back keeps its eventfd armed in VFIO but detached from KVM, so the eventfd itself is the pending
 * bit: what comes while held is counted there, and KVM delivers it once when the eventfd is attached again. Nothing is lost
 * and nothing doubled, without a thread that reads, and without telling VFIO of each masking.
 *
 * Not thread-safe: the owner has a lock.
 */
#ifndef BERTH_VMM_VECTORS_H
#define BERTH_VMM_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "vfio/irq.h"

struct berth_err;
struct berth_irq;
struct berth_vectors; /* opaque */
struct berth_vfio_device;

/**
 * berth_vectors_new() - @nr vectors, all off; opens an eventfd for each
 * @irq, @dev: borrowed, outlive the result
 *
 * Return: 0; -EMFILE too many descriptors (need and limit in the sentence); -ENOMEM; -errno.
 */
int berth_vectors_new(struct berth_vectors **ret, struct berth_irq *irq,
		      struct berth_vfio_device *dev, unsigned int nr, struct berth_err *err);
/* Disables first. Takes NULL. */
void berth_vectors_free(struct berth_vectors *v);
BERTH_DEFINE_CLEANUP(struct berth_vectors *, berth_vectors_free);

/**
 * berth_vectors_enable() - use them for MSI or for MSI-X, all held back; not enabled before
 * @index: BERTH_VFIO_IRQ_MSI or _MSIX
 * @nr: how many the guest may come to use: 1 … the number given to berth_vectors_new(); MSI: a power of two
 *
 * The device is told at the next commit.
 */
void berth_vectors_enable(struct berth_vectors *v, enum berth_vfio_irq_index index,
			  unsigned int nr);
/* Everything off: detached from KVM, disabled in the device, pending ones forgotten (6.1.4.5 lets them go). */
void berth_vectors_disable(struct berth_vectors *v);

/* @n may deliver this message, from the next commit on. Return: 0; -ENOSPC no GSI left. */
int berth_vectors_arm(struct berth_vectors *v, unsigned int n, uint64_t addr, uint32_t data,
		      struct berth_err *err);
/* Keep back what comes for @n. At once. */
void berth_vectors_hold(struct berth_vectors *v, unsigned int n);
/* Has anything come for @n while it was held back? */
bool berth_vectors_pending(struct berth_vectors *v, unsigned int n);

/**
 * berth_vectors_commit() - make what was armed happen: routes, then eventfds to KVM, then VFIO
 *
 * Where the kernel can add vectors to an enabled device (no NORESIZE), each is allocated when it is first armed. Where it
 * cannot, all of them are allocated at the first commit, mostly without a signal, so that the device need never be set up
 * anew: setting up anew loses what the device raises in between. Only when the host had too few at first, and a vector
 * beyond those is armed later, is that tried, and each earlier vector then raised once, to make good what may have been
 * lost. With no vector armed at all the device is enabled without a signal: some want to see their enable bit first.
 *
 * Return: 0; -ENOSPC the host has too few vectors, those that there are work; -errno, with as much done as could be.
 */
int berth_vectors_commit(struct berth_vectors *v, struct berth_err *err);

#endif
