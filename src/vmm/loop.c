/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"

#define BATCH 16

struct watch {
	int fd; /* borrowed */
	berth_loop_fn fn;
	void *opaque;
	struct watch *next;
};

struct berth_loop {
	int epoll_fd;	       /* owned */
	struct watch *watches; /* owned list */
	bool quit;
};

int berth_loop_new(struct berth_loop **ret, struct berth_err *err)
{
	struct berth_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return berth_err_set(err, -ENOMEM, "out of memory");
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = berth_err_set(err, -errno, "epoll_create1: %s", strerror(errno));

		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

void berth_loop_free(struct berth_loop *loop)
{
	if (!loop)
		return;
	while (loop->watches)
		berth_loop_del(loop, loop->watches->fd);
	close(loop->epoll_fd);
	free(loop);
}

static struct watch **find(struct berth_loop *loop, int fd)
{
	struct watch **p;

	for (p = &loop->watches; *p && (*p)->fd != fd; p = &(*p)->next)
		;
	return p;
}

int berth_loop_add(struct berth_loop *loop, int fd, uint32_t events, berth_loop_fn fn, void *opaque,
		   struct berth_err *err)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	struct watch *watch;

	if (*find(loop, fd))
		return berth_err_set(err, -EEXIST, "descriptor %d is watched already", fd);
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		int r = berth_err_set(err, -errno, "cannot wait for descriptor %d: %s", fd,
				      strerror(errno));

		free(watch);
		return r;
	}
	*watch = (struct watch){ fd, fn, opaque, loop->watches };
	loop->watches = watch;
	return 0;
}

int berth_loop_set(struct berth_loop *loop, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) ? -errno : 0;
}

void berth_loop_del(struct berth_loop *loop, int fd)
{
	struct watch **p = find(loop, fd), *watch = *p;

	if (!watch)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	*p = watch->next;
	free(watch);
}

int berth_loop_run(struct berth_loop *loop, struct berth_err *err)
{
	struct epoll_event events[BATCH];

	while (!loop->quit) {
		int nr = epoll_wait(loop->epoll_fd, events, BATCH, -1);

		if (nr < 0 && errno != EINTR)
			return berth_err_set(err, -errno, "epoll_wait: %s", strerror(errno));
		/* By fd, not by pointer: a callback may have taken a later one of the batch away. */
		for (int i = 0; i < nr && !loop->quit; i++) {
			const struct watch *watch = *find(loop, events[i].data.fd);

			if (watch)
				watch->fn(watch->opaque, watch->fd, events[i].events);
		}
	}
	return 0;
}

void berth_loop_quit(struct berth_loop *loop)
{
	loop->quit = true;
}
