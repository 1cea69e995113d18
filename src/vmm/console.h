/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is at the other end of the guest's COM1: descriptors, served by the event loop.
 *
 * Output never blocks a vCPU: what the reader does not take is kept, up to BERTH_CONSOLE_BUFFER bytes, and dropped
 * beyond. Input waits in the descriptor while the guest's FIFO is full. A hung-up end is let go, the VM runs on.
 */
#ifndef BERTH_VMM_CONSOLE_H
#define BERTH_VMM_CONSOLE_H

#include "base/cleanup.h"

struct berth_bus;
struct berth_err;
struct berth_irq;
struct berth_loop;
struct berth_console; /* opaque */

#define BERTH_CONSOLE_BUFFER 65536 /* bytes */

/**
 * berth_console_new() - a serial port on @pio with its ends in @in_fd and @out_fd
 * @in_fd, @out_fd: borrowed; may be the same (a socket, a terminal); -1 for none. Regular files and /dev/null work.
 *
 * Return: 0; -ENOMEM; -errno.
 */
int berth_console_new(struct berth_console **ret, struct berth_bus *pio, struct berth_irq *irq,
		      struct berth_loop *loop, int in_fd, int out_fd, struct berth_err *err);
/* Writes what is left as far as the reader takes it at once. */
void berth_console_free(struct berth_console *console);
BERTH_DEFINE_CLEANUP(struct berth_console *, berth_console_free);

#endif
