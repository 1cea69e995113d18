/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching PCI functions come, go, and change drivers.
 *
 * Events are hints: they can be late, lost or (before the sender check) forged. Whoever acts on one reads sysfs again.
 * With systemd-udevd running, events come after its rules have run; without it straight from the kernel.
 */
#ifndef BERTH_VFIO_MONITOR_H
#define BERTH_VFIO_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/cleanup.h"

struct berth_err;
struct berth_monitor; /* opaque */

enum berth_event_kind {
	BERTH_EVENT_ADD,
	BERTH_EVENT_REMOVE,
	BERTH_EVENT_BIND,
	BERTH_EVENT_UNBIND,
	BERTH_EVENT_CHANGE,
	BERTH_EVENT_RESCAN, /* events were lost (the socket's buffer overflowed): look at everything again; no BDF */
};

struct berth_event {
	enum berth_event_kind kind;
	struct berth_bdf at;
	char driver[64];    /* as the event says; "" none. After REMOVE and UNBIND always "" */
	uint16_t vendor_id; /* PCI_ID of the event; 0 when it had none */
	uint16_t device_id;
	uint64_t time_us; /* CLOCK_REALTIME at receipt, in microseconds */
};

/* "add", "remove", "bind", "unbind", "change", "rescan". */
const char *berth_event_name(enum berth_event_kind kind);

/**
 * berth_event_from_text() - an event from the words of a uevent
 * @action, @sysname: ACTION and the last part of DEVPATH
 * @driver, @pci_id: DRIVER and PCI_ID ("8086:10C9"), may be NULL
 *
 * Return: 0; BERTH_ABSENT an action we do not report (move, online, …); -EINVAL not the name of a PCI function.
 */
int berth_event_from_text(struct berth_event *ret, const char *action, const char *sysname,
			  const char *driver, const char *pci_id);

/**
 * berth_monitor_new() - start to listen; nothing that happens after this call is missed unnoticed
 *
 * Works for any user. Return: 0; -ENOMEM; -errno of the netlink socket.
 */
int berth_monitor_new(struct berth_monitor **ret, struct berth_err *err);
void berth_monitor_free(struct berth_monitor *monitor);
BERTH_DEFINE_CLEANUP(struct berth_monitor *, berth_monitor_free);

/* For poll(): readable when berth_monitor_next() has something. Borrowed. */
int berth_monitor_fd(const struct berth_monitor *monitor);

/**
 * berth_monitor_next() - the next event
 * @timeout_ms: -1 for ever; 0 does not wait
 *
 * Messages whose sender is not the kernel or uid 0 are dropped without a word.
 *
 * Return: 0; BERTH_ABSENT none came in time (no sentence); -EINTR a signal came; -errno.
 */
int berth_monitor_next(struct berth_monitor *monitor, int timeout_ms, struct berth_event *ret,
		       struct berth_err *err);

#endif
