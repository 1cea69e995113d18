/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/watch.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "vfio/device.h"
#include "vfio/irq.h"

/* One interrupt of one function. */
struct source {
	struct berth_vfio_device *dev; /* borrowed */
	enum berth_vfio_irq_index index;
	int fd; /* owned; -1: the device has no such interrupt */
};

struct berth_vfio_watch {
	int epoll;		/* owned */
	struct source *sources; /* owned; two for each function */
	size_t nr;
};

static int arm(struct berth_vfio_watch *w, struct source *s, struct berth_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
	struct berth_vfio_irq info;
	int32_t fd;
	int r = berth_vfio_irq_query(&info, s->dev, s->index);

	if (r < 0)
		return berth_err_set(err, r, "%s: VFIO_DEVICE_GET_IRQ_INFO: %s",
				     berth_vfio_device_name(s->dev), strerror(-r));
	if (info.count == 0)
		return 0;
	fd = s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return berth_err_set(err, -errno, "eventfd: %s", strerror(errno));
	return berth_vfio_irq_enable(s->dev, s->index, 0, &fd, 1, err);
}

int berth_vfio_watch_new(struct berth_vfio_watch **ret, struct berth_vfio_device *const *devs,
			 size_t nr, struct berth_err *err)
{
	BERTH_CLEANUP(berth_vfio_watch_freep) struct berth_vfio_watch *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w)
		return berth_err_set(err, -ENOMEM, "out of memory");
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->sources = calloc(2 * nr + 1, sizeof(*w->sources));
	if (w->epoll < 0 || !w->sources)
		return berth_err_set(err, w->sources ? -errno : -ENOMEM, "watching devices: %s",
				     w->sources ? strerror(errno) : "out of memory");
	for (size_t i = 0; i < 2 * nr && r == 0; i++) {
		w->sources[i] = (struct source){ devs[i / 2],
						 i % 2 ? BERTH_VFIO_IRQ_ERR : BERTH_VFIO_IRQ_REQ,
						 -1 };
		w->nr++;
		r = arm(w, &w->sources[i], err);
	}
	if (r == 0)
		*ret = BERTH_TAKE_PTR(w);
	return r;
}

void berth_vfio_watch_free(struct berth_vfio_watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->nr; i++) {
		if (w->sources[i].fd < 0)
			continue;
		berth_vfio_irq_disable(w->sources[i].dev, w->sources[i].index);
		close(w->sources[i].fd);
	}
	if (w->epoll >= 0)
		close(w->epoll);
	free(w->sources);
	free(w);
}

int berth_vfio_watch_fd(const struct berth_vfio_watch *w)
{
	return w->epoll;
}

enum berth_vfio_event berth_vfio_watch_next(struct berth_vfio_watch *w,
					    struct berth_vfio_device **ret_dev)
{
	struct epoll_event event;
	const struct source *s;
	uint64_t count;

	if (epoll_wait(w->epoll, &event, 1, 0) != 1)
		return BERTH_VFIO_EVENT_NONE;
	s = event.data.ptr;
	*ret_dev = s->dev;
	if (read(s->fd, &count, sizeof(count)) < 0)
		return BERTH_VFIO_EVENT_NONE;
	if (s->index == BERTH_VFIO_IRQ_ERR)
		return BERTH_VFIO_EVENT_ERROR;
	return berth_vfio_device_config_read(s->dev, PCI_STATUS, 2) == 0xffff ?
		       BERTH_VFIO_EVENT_GONE :
		       BERTH_VFIO_EVENT_REQUEST;
}
