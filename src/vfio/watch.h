/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host and the devices themselves report while a VM uses them, behind one descriptor to poll.
 *
 * REQ: the host wants a function back: its driver is being unbound, it or its PF is being removed, or it was pulled out. The
 * kernel blocks whoever asked until the descriptor is closed, and asks again every ten seconds. ERR: an uncorrectable error was
 * reported for it (AER). Source: linux/vfio.h, VFIO_PCI_ERR_IRQ_INDEX and VFIO_PCI_REQ_IRQ_INDEX.
 *
 * For the supervisor, not for berth-vmm: it must hear also when that hangs.
 */
#ifndef BERTH_VFIO_WATCH_H
#define BERTH_VFIO_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_vfio_device;
struct berth_vfio_watch; /* opaque */

enum berth_vfio_event {
	BERTH_VFIO_EVENT_NONE,
	BERTH_VFIO_EVENT_ERROR,	  /* ERR */
	BERTH_VFIO_EVENT_REQUEST, /* REQ, and the function still answers */
	BERTH_VFIO_EVENT_GONE,	  /* REQ, and it does not */
};

/**
 * berth_vfio_watch_new() - arm both interrupts of every function
 * @devs: @nr of them, borrowed until berth_vfio_watch_free()
 *
 * Return: 0; -ENOMEM; -EMFILE; -errno of VFIO_DEVICE_SET_IRQS.
 */
int berth_vfio_watch_new(struct berth_vfio_watch **ret, struct berth_vfio_device *const *devs,
			 size_t nr, struct berth_err *err);
/* Disarms. Takes NULL. */
void berth_vfio_watch_free(struct berth_vfio_watch *w);
BERTH_DEFINE_CLEANUP(struct berth_vfio_watch *, berth_vfio_watch_free);

/* Readable when there is something for berth_vfio_watch_next(). Borrowed. */
int berth_vfio_watch_fd(const struct berth_vfio_watch *w);

/* The next thing that was reported, and for which function; NONE when that was all. Never waits. */
enum berth_vfio_event berth_vfio_watch_next(struct berth_vfio_watch *w,
					    struct berth_vfio_device **ret_dev);

#endif
