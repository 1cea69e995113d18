/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop of the main thread: epoll and a list of callbacks.
 *
 * berth_loop_set() on a watched fd may be called from any thread (the console does, from vCPUs); everything else belongs
 * to the thread that runs the loop.
 */
#ifndef BERTH_VMM_LOOP_H
#define BERTH_VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_loop; /* opaque */

/* @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as they came (sys/epoll.h). */
typedef void (*berth_loop_fn)(void *opaque, int fd, uint32_t events);

int berth_loop_new(struct berth_loop **ret, struct berth_err *err);
void berth_loop_free(struct berth_loop *loop);
BERTH_DEFINE_CLEANUP(struct berth_loop *, berth_loop_free);

/**
 * berth_loop_add() - call @fn when one of @events happens on @fd; level-triggered
 * @fd: borrowed until berth_loop_del() or berth_loop_free()
 *
 * Return: 0; -EEXIST watched already; -EPERM not pollable (a regular file); -ENOMEM; -errno.
 */
int berth_loop_add(struct berth_loop *loop, int fd, uint32_t events, berth_loop_fn fn, void *opaque,
		   struct berth_err *err);
/* Change the events waited for; hang-up and error are always reported. Return: 0 or -errno. */
int berth_loop_set(struct berth_loop *loop, int fd, uint32_t events);
/* Also from inside a callback, its own included. Unknown fds are ignored. */
void berth_loop_del(struct berth_loop *loop, int fd);

/* Wait and call back, until a callback has called berth_loop_quit(). Return: 0 or -errno of epoll_wait. */
int berth_loop_run(struct berth_loop *loop, struct berth_err *err);
void berth_loop_quit(struct berth_loop *loop);

#endif
