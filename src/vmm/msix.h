/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MSI-X table and pending bits that a guest sees (PCIe Base 6.0, 6.1.4 and 7.7.2).
 *
 * A shadow: nothing the guest writes here reaches the device. The owner hears which vectors may deliver and where to.
 * Any offset and size may come from the guest. Not thread-safe: the owner has a lock.
 */
#ifndef BERTH_VMM_MSIX_H
#define BERTH_VMM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_msix; /* opaque */

#define BERTH_MSIX_ENTRY_SIZE  16u   /* 7.7.2.5 */
#define BERTH_MSIX_MAX_VECTORS 2048u /* 7.7.2.2 */
#define BERTH_MSIX_ENABLE      0x8000u
#define BERTH_MSIX_MASKALL     0x4000u

struct berth_msix_ops {
	/* Vector @n may deliver this message from now on (also: its message changed). Takes effect at commit(). */
	void (*arm)(void *opaque, unsigned int n, uint64_t addr, uint32_t data);
	/* Vector @n is masked or the function's MSI-X is off: keep back what comes. At once. */
	void (*hold)(void *opaque, unsigned int n);
	/* Is an interrupt being kept back for @n? */
	bool (*pending)(void *opaque, unsigned int n);
	/* The guest's access is over; called once after any number of arm(). */
	void (*commit)(void *opaque);
};

/* @nr: 1 … 2048 vectors, all masked (6.1.4.2). @ops: borrowed, for ever. Return: 0; -EINVAL; -ENOMEM. */
int berth_msix_new(struct berth_msix **ret, unsigned int nr, const struct berth_msix_ops *ops,
		   void *opaque);
void berth_msix_free(struct berth_msix *msix);
BERTH_DEFINE_CLEANUP(struct berth_msix *, berth_msix_free);

/* Bytes of the table, and of the pending bit array (whole quadwords, 7.7.2.6). */
uint64_t berth_msix_table_size(const struct berth_msix *msix);
uint64_t berth_msix_pba_size(const struct berth_msix *msix);

/**
 * berth_msix_table_read() / _write(), berth_msix_pba_read() - guest accesses
 * @data: @len bytes, little endian
 *
 * Aligned accesses of 4 or 8 bytes inside the table work; all others read all-ones and write nothing (6.1.4.2 leaves
 * them undefined).
 */
void berth_msix_table_read(const struct berth_msix *msix, uint64_t offset, unsigned int len,
			   void *data);
void berth_msix_table_write(struct berth_msix *msix, uint64_t offset, unsigned int len,
			    const void *data);
void berth_msix_pba_read(const struct berth_msix *msix, uint64_t offset, unsigned int len,
			 void *data);

/* The Message Control register changed; of @control only ENABLE and MASKALL matter. */
void berth_msix_set_control(struct berth_msix *msix, uint16_t control);

/* As after a reset: off, all vectors masked, no messages (6.1.4.2). */
void berth_msix_reset(struct berth_msix *msix);

#endif
