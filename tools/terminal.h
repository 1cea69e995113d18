/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's side of a VM's serial console: standard input and output, or a file.
 *
 * On a terminal in the foreground, every key goes to the guest (raw mode), but for Ctrl-A:
 *   Ctrl-A x  leave: the VM is stopped        Ctrl-A Ctrl-A  sends one Ctrl-A        Ctrl-A h  help
 * Anything else than a terminal is plain bytes both ways, and its end is the end of input only.
 *
 * The terminal's settings come back in berth_terminal_close(), and also when we die of a signal that can be caught
 * (SIGSEGV, SIGABRT, …). Nobody can do that after SIGKILL: `reset` or `stty sane` does.
 *
 * One at a time per process, because those signals must find it.
 */
#ifndef BERTH_TOOLS_TERMINAL_H
#define BERTH_TOOLS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_terminal; /* opaque */

/**
 * berth_terminal_open() - take the console's user side
 * @where: "stdio"; "none"; else a file to append the guest's output to
 *
 * Return: 0; -errno of the file.
 */
int berth_terminal_open(struct berth_terminal **ret, const char *where, struct berth_err *err);
/* Restore and free. Takes NULL. */
void berth_terminal_close(struct berth_terminal *t);
BERTH_DEFINE_CLEANUP(struct berth_terminal *, berth_terminal_close);

/* To poll; -1: nothing to read (any more), or nowhere to write. Borrowed. */
int berth_terminal_in_fd(const struct berth_terminal *t);
int berth_terminal_out_fd(const struct berth_terminal *t);
/* Is somebody typing? Then input is taken at once and may be lost, so that Ctrl-A x always gets through. */
bool berth_terminal_is_tty(const struct berth_terminal *t);

/* After SIGCONT: a shell may have changed the settings while we were stopped. */
void berth_terminal_resume(struct berth_terminal *t);

/**
 * berth_terminal_read() - what was typed, without the keys that are for us
 * @ret_leave: set when Ctrl-A x was typed
 *
 * Return: bytes, which may be 0; at the end of input in_fd becomes -1.
 */
size_t berth_terminal_read(struct berth_terminal *t, char *buf, size_t size, bool *ret_leave);

/* Does not wait. Return: bytes taken, 0 when it is full; when nobody reads any more, all are taken and lost. */
size_t berth_terminal_write(struct berth_terminal *t, const char *buf, size_t len);

/* --- the Ctrl-A keys by themselves --- */

struct berth_escape {
	bool armed; /* the last key was Ctrl-A */
};

enum berth_escape_key {
	BERTH_ESCAPE_PASS, /* goes to the guest */
	BERTH_ESCAPE_HOLD, /* is ours, nothing to do */
	BERTH_ESCAPE_LEAVE,
	BERTH_ESCAPE_HELP,
};

enum berth_escape_key berth_escape_feed(struct berth_escape *e, char key);

#endif
