/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 16550A serial port, registers only: bytes go out and come in through the caller.
 *
 * Source: National Semiconductor PC16550D data sheet, tables II and following. Sending takes no time: the transmitter is
 * empty again as soon as a byte was written. Register accesses come from vCPU threads, input from the main thread; one
 * lock inside.
 */
#ifndef BERTH_VMM_SERIAL_H
#define BERTH_VMM_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_bus;
struct berth_err;
struct berth_serial; /* opaque */

#define BERTH_SERIAL_COM1     0x3f8
#define BERTH_SERIAL_COM1_IRQ 4
#define BERTH_SERIAL_NR_PORTS 8
#define BERTH_SERIAL_FIFO     16 /* bytes; what a 16550A has */

struct berth_serial_ops {
	void (*irq)(void *opaque, int level);	    /* the interrupt line changed */
	void (*output)(void *opaque, uint8_t byte); /* the guest sent a byte */
	void (*room)(void *opaque); /* the guest read: there is room for input again */
};

/* @ops: borrowed, all set; called without the lock but for irq, which is called in order. Return: 0, -ENOMEM, … */
int berth_serial_new(struct berth_serial **ret, struct berth_bus *pio,
		     const struct berth_serial_ops *ops, void *opaque, struct berth_err *err);
void berth_serial_free(struct berth_serial *serial);
BERTH_DEFINE_CLEANUP(struct berth_serial *, berth_serial_free);

/* Bytes that berth_serial_input() would take now. */
size_t berth_serial_room(struct berth_serial *serial);
/* Let the guest receive bytes. Return: how many were taken; the rest is the caller's to keep. */
size_t berth_serial_input(struct berth_serial *serial, const uint8_t *data, size_t len);

#endif
