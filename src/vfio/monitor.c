/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/monitor"

#include "vfio/monitor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include <libudev.h>

#include "base/err.h"
#include "base/log.h"

/* A burst of a few thousand events, as when a card with many VFs comes: some hundred bytes each. */
#define RECEIVE_BUFFER (8 * 1024 * 1024)

struct berth_monitor {
	struct udev *udev;	      /* owned */
	struct udev_monitor *monitor; /* owned */
};

static const char *const event_names[] = {
	[BERTH_EVENT_ADD] = "add",	 [BERTH_EVENT_REMOVE] = "remove",
	[BERTH_EVENT_BIND] = "bind",	 [BERTH_EVENT_UNBIND] = "unbind",
	[BERTH_EVENT_CHANGE] = "change", [BERTH_EVENT_RESCAN] = "rescan",
};

const char *berth_event_name(enum berth_event_kind kind)
{
	return event_names[kind];
}

static bool parse_pci_id(const char *text, uint16_t *vendor, uint16_t *device)
{
	char *end;
	unsigned long v = strtoul(text, &end, 16), d;

	if (end == text || *end != ':' || v > UINT16_MAX)
		return false;
	text = end + 1;
	d = strtoul(text, &end, 16);
	if (end == text || *end || d > UINT16_MAX)
		return false;
	*vendor = (uint16_t)v;
	*device = (uint16_t)d;
	return true;
}

int berth_event_from_text(struct berth_event *ret, const char *action, const char *sysname,
			  const char *driver, const char *pci_id)
{
	struct berth_event event = { 0 };
	size_t kind;

	if (berth_bdf_parse(sysname, &event.at) < 0)
		return -EINVAL;
	for (kind = 0; kind < BERTH_EVENT_RESCAN; kind++) {
		if (strcmp(event_names[kind], action) == 0)
			break;
	}
	if (kind == BERTH_EVENT_RESCAN)
		return BERTH_ABSENT;
	event.kind = (enum berth_event_kind)kind;
	if (driver && kind != BERTH_EVENT_REMOVE && kind != BERTH_EVENT_UNBIND)
		snprintf(event.driver, sizeof(event.driver), "%s", driver);
	if (pci_id)
		(void)parse_pci_id(pci_id, &event.vendor_id, &event.device_id);
	*ret = event;
	return 0;
}

/* libudev lets no sender through but uid 0 ("udev" group) or the kernel ("kernel" group). */
static int listen_to(struct berth_monitor *m, struct berth_err *err)
{
	const char *group = access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";
	int r;

	m->monitor = udev_monitor_new_from_netlink(m->udev, group);
	if (!m->monitor)
		return berth_err_set(err, -errno, "device events: opening the netlink socket: %s",
				     strerror(errno));
	r = udev_monitor_filter_add_match_subsystem_devtype(m->monitor, "pci", NULL);
	if (r >= 0)
		r = udev_monitor_enable_receiving(m->monitor);
	if (r < 0)
		return berth_err_set(err, r, "device events: listening to group %s: %s", group,
				     strerror(-r));
	/* more than net.core.rmem_max needs root; with less, a burst ends in BERTH_EVENT_RESCAN */
	r = udev_monitor_set_receive_buffer_size(m->monitor, RECEIVE_BUFFER);
	if (r < 0)
		log_debug("receive buffer stays at its default: %s", strerror(-r));
	return 0;
}

int berth_monitor_new(struct berth_monitor **ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_monitor_freep) struct berth_monitor *m = calloc(1, sizeof(*m));
	int r;

	if (m)
		m->udev = udev_new();
	if (!m || !m->udev)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = listen_to(m, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(m);
	return 0;
}

void berth_monitor_free(struct berth_monitor *m)
{
	if (!m)
		return;
	udev_monitor_unref(m->monitor);
	udev_unref(m->udev);
	free(m);
}

int berth_monitor_fd(const struct berth_monitor *m)
{
	return udev_monitor_get_fd(m->monitor);
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Return: 0; BERTH_ABSENT nothing for us in what was received; -errno. */
static int receive(struct berth_monitor *m, struct berth_event *ret, struct berth_err *err)
{
	struct udev_device *device;
	const char *action;
	int r;

	errno = 0;
	device = udev_monitor_receive_device(m->monitor);
	if (!device && errno == ENOBUFS) {
		*ret = (struct berth_event){ .kind = BERTH_EVENT_RESCAN };
		return 0;
	}
	if (!device && errno && errno != EAGAIN && errno != EINTR && errno != EIO)
		return berth_err_set(err, -errno, "device events: %s", strerror(errno));
	if (!device)
		return BERTH_ABSENT;
	action = udev_device_get_action(device);
	r = berth_event_from_text(ret, action ? action : "", udev_device_get_sysname(device),
				  udev_device_get_property_value(device, "DRIVER"),
				  udev_device_get_property_value(device, "PCI_ID"));
	if (r == -EINVAL)
		r = BERTH_ABSENT;
	udev_device_unref(device);
	return r;
}

int berth_monitor_next(struct berth_monitor *m, int timeout_ms, struct berth_event *ret,
		       struct berth_err *err)
{
	uint64_t end =
		clock_us(CLOCK_MONOTONIC) + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
	struct pollfd p = { .fd = berth_monitor_fd(m), .events = POLLIN };
	int n, r, wait_ms = timeout_ms;

	for (;;) {
		n = poll(&p, 1, wait_ms);
		if (n < 0)
			return -errno;
		if (n == 0)
			return BERTH_ABSENT;
		r = receive(m, ret, err);
		if (r == 0)
			ret->time_us = clock_us(CLOCK_REALTIME);
		if (r != BERTH_ABSENT)
			return r;
		if (timeout_ms >= 0) {
			uint64_t now = clock_us(CLOCK_MONOTONIC);

			wait_ms = now < end ? (int)((end - now + 999) / 1000) : 0;
		}
	}
}
