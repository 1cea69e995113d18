/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between berth-vmm's serial port and the user's terminal: two small buffers, nothing ever waits.
 *
 * berth-vmm never holds the terminal itself: a descriptor of a terminal can do more than read and write.
 */
#ifndef BERTH_TOOLS_CONSOLE_H
#define BERTH_TOOLS_CONSOLE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct berth_terminal;

struct berth_console {
	struct berth_terminal *terminal; /* borrowed */
	int sock;			 /* owned, non-blocking; -1 when berth-vmm closed it */
	char to_guest[4096];
	size_t to_guest_len;
	char to_user[16384];
	size_t to_user_len;
};

#define BERTH_CONSOLE_POLLS 3

/* @sock: consumed; a stream socket. */
void berth_console_init(struct berth_console *c, struct berth_terminal *terminal, int sock);
void berth_console_done(struct berth_console *c);

/* Fill in what to poll for. */
void berth_console_poll(const struct berth_console *c,
			struct pollfd polls[static BERTH_CONSOLE_POLLS]);
/* Move what can be moved, after poll(). Return: the user typed Ctrl-A x. */
bool berth_console_serve(struct berth_console *c,
			 const struct pollfd polls[static BERTH_CONSOLE_POLLS]);

/* berth-vmm has ended: show what it still had to say, for at most @deadline_ms. */
void berth_console_drain(struct berth_console *c, unsigned int deadline_ms);

#endif
