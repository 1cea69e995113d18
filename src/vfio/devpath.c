/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/devpath.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "base/sysfs.h"

/* "pci0000:00": a root bus */
static bool is_root_bus(const char *name, size_t n)
{
	return n >= 10 && strncmp(name, "pci", 3) == 0 && memchr(name, ':', n);
}

static bool take_step(struct berth_devpath *path, const char *name, size_t n)
{
	char text[BERTH_BDF_LEN];

	if (n >= sizeof(text) || path->nr_steps == BERTH_DEVPATH_MAX_DEPTH)
		return false;
	memcpy(text, name, n);
	text[n] = '\0';
	if (berth_bdf_parse(text, &path->steps[path->nr_steps]) < 0)
		return false;
	path->nr_steps++;
	return true;
}

bool berth_devpath_parse(const char *link, struct berth_devpath *ret)
{
	struct berth_devpath path = { .nr_steps = 0 };
	const char *start = strstr(link, "devices/"), *p = start;

	while (p && *p) {
		size_t n = strcspn(p, "/");

		if (is_root_bus(p, n)) {
			/* A second one is the bus behind an Intel VMD endpoint: part of the way, with nothing to add. */
			size_t len = (size_t)(p - start) + n;

			if (!*path.bridge && len >= sizeof(path.bridge))
				return false;
			if (!*path.bridge)
				memcpy(path.bridge, start, len);
		} else if (*path.bridge && !take_step(&path, p, n)) {
			return false;
		}
		p += n;
		p += *p == '/';
	}
	if (!path.nr_steps)
		return false;
	*ret = path;
	return true;
}

/* "_UID" is a number or any string: numbers become two hex digits, as the kernel's instance numbers. */
static void format_hid_uid(char *buf, size_t size, const char *hid, const char *uid)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(uid, &end, 10);
	if (errno || *end || end == uid)
		snprintf(buf, size, "%s:%s", hid, uid);
	else
		snprintf(buf, size, "%s:%02lx", hid, number);
}

int berth_devpath_bridge_name(const struct berth_host *host, const char *bridge, char *buf,
			      size_t size)
{
	const char *slash = strrchr(bridge, '/');
	char hid[32], uid[64];
	int r = berth_sysfs_read(host, hid, sizeof(hid), "%s/firmware_node/hid", bridge);

	if (r > 0)
		r = berth_sysfs_read(host, uid, sizeof(uid), "%s/firmware_node/uid", bridge);
	if (r > 0 && !strpbrk(uid, "/# \t")) {
		format_hid_uid(buf, size, hid, uid);
		return 0;
	}
	if (r >= 0 || berth_sysfs_is_absent(r))
		r = berth_sysfs_link_name(host, buf, size, "%s/firmware_node", bridge);
	if (r > 0)
		return 0;
	if (r < 0 && !berth_sysfs_is_absent(r))
		return r;
	snprintf(buf, size, "%s", slash ? slash + 1 : bridge);
	return 0;
}

bool berth_devpath_format(const struct berth_devpath *path, const char *bridge_name, char *buf,
			  size_t size)
{
	int n = snprintf(buf, size, "%s", bridge_name);

	for (size_t i = 0; i < path->nr_steps; i++) {
		if (n < 0 || (size_t)n >= size)
			return false;
		size -= (size_t)n;
		buf += n;
		n = snprintf(buf, size, "/%02x.%x", path->steps[i].dev, path->steps[i].fn);
	}
	return n >= 0 && (size_t)n < size;
}
