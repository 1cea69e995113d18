/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/beneath.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "base/sysfs.h"

bool berth_beneath_path(const char *path, struct berth_bdf *ret)
{
	bool found = false;

	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		char name[BERTH_BDF_LEN];
		struct berth_bdf at;

		/* The long form only: a SCSI address is not to be taken for a BDF. */
		if (n >= 12 && n < sizeof(name)) {
			memcpy(name, p, n);
			name[n] = '\0';
			if (berth_bdf_parse(name, &at) == 0) {
				*ret = at;
				found = true;
			}
		}
		p += n;
		p += *p == '/';
	}
	return found;
}

static int read_link(const struct berth_host *host, const char *link, char *buf, size_t size)
{
	ssize_t n;

	if (host->sys_fd < 0)
		return -ENOENT;
	n = readlinkat(host->sys_fd, link, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int add(struct berth_beneath *set, struct berth_bdf at)
{
	for (size_t i = 0; i < set->nr; i++) {
		if (berth_bdf_eq(set->at[i], at))
			return 0;
	}
	if (set->nr == BERTH_BENEATH_MAX)
		return -E2BIG;
	set->at[set->nr++] = at;
	return 0;
}

int berth_beneath_class(const struct berth_host *host, const char *link, struct berth_bdf *ret)
{
	char target[PATH_MAX];
	int r = read_link(host, link, target, sizeof(target));

	if (r < 0)
		return r;
	return berth_beneath_path(target, ret) ? 0 : -ENOENT;
}

/*
 * A namespace of an NVMe subsystem with multipath belongs to the subsystem; its controllers are links "nvme0", "nvme1"
 * beside it (drivers/nvme/host/multipath.c). @target: "…/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2"
 */
static int nvme_controllers(const struct berth_host *host, const char *target,
			    struct berth_beneath *ret)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	const char *subsys = strstr(target, "/nvme-subsystem/") + strlen("/nvme-subsystem/");
	int len = (int)strcspn(subsys, "/");
	int r;

	r = berth_sysfs_list(host, &names, NULL, "devices/virtual/nvme-subsystem/%.*s", len,
			     subsys);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		char link[PATH_MAX], path[PATH_MAX];
		struct berth_bdf at;

		if (strncmp(names[i], "nvme", 4) != 0)
			continue;
		snprintf(link, sizeof(link), "devices/virtual/nvme-subsystem/%.*s/%s", len, subsys,
			 names[i]);
		if (read_link(host, link, path, sizeof(path)) == 0 && berth_beneath_path(path, &at))
			r = add(ret, at);
	}
	return r;
}

static int block_at_depth(const struct berth_host *host, const char *link,
			  struct berth_beneath *ret, int depth);

/* What a virtual disk is made of: @dir holds the slaves of dm, md and bcache. */
static int block_slaves(const struct berth_host *host, const char *dir, struct berth_beneath *ret,
			int depth)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	int r;

	r = berth_sysfs_list(host, &names, NULL, "%s/slaves", dir);
	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		char link[PATH_MAX];

		snprintf(link, sizeof(link), "class/block/%s", names[i]);
		r = block_at_depth(host, link, ret, depth + 1);
	}
	return r;
}

static int block_at_depth(const struct berth_host *host, const char *link,
			  struct berth_beneath *ret, int depth)
{
	char target[PATH_MAX], disk[PATH_MAX];
	struct berth_bdf at;
	int r;

	if (depth > BERTH_BENEATH_DEPTH)
		return -E2BIG;
	r = read_link(host, link, target, sizeof(target));
	if (r < 0)
		return r;
	if (berth_beneath_path(target, &at))
		return add(ret, at);
	if (strstr(target, "/nvme-subsystem/"))
		return nvme_controllers(host, target, ret);
	/* A partition's slaves are its disk's, which is the folder above it. */
	snprintf(disk, sizeof(disk), "%.2000s%s", link,
		 berth_sysfs_exists(host, "%s/partition", link) ? "/.." : "");
	return block_slaves(host, disk, ret, depth);
}

int berth_beneath_block(const struct berth_host *host, const char *link, struct berth_beneath *ret)
{
	return block_at_depth(host, link, ret, 0);
}

static int net_at_depth(const struct berth_host *host, const char *name, struct berth_beneath *ret,
			int depth)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	char link[PATH_MAX], target[PATH_MAX];
	bool any = false;
	struct berth_bdf at;
	int r;

	if (depth > BERTH_BENEATH_DEPTH)
		return -E2BIG;
	snprintf(link, sizeof(link), "class/net/%s", name);
	r = read_link(host, link, target, sizeof(target));
	if (r < 0)
		return r;
	if (berth_beneath_path(target, &at))
		return add(ret, at);
	r = berth_sysfs_list(host, &names, NULL, "%s", link);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		if (strncmp(names[i], "lower_", 6) != 0)
			continue;
		any = true;
		r = net_at_depth(host, names[i] + 6, ret, depth + 1);
	}
	/* An internal port of Open vSwitch names no ports below it; the switch's device does. */
	if (r == 0 && !any && strcmp(name, "ovs-system") != 0 &&
	    berth_sysfs_exists(host, "class/net/ovs-system"))
		r = net_at_depth(host, "ovs-system", ret, depth + 1);
	return r;
}

int berth_beneath_net(const struct berth_host *host, const char *name, struct berth_beneath *ret)
{
	return net_at_depth(host, name, ret, 0);
}
