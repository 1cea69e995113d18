/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both backends have to say about the group of a function.
 */
#include "iommu/ioas_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sysfs.h"

/* A member of the group that keeps it from being given away: its driver lets the host do DMA. */
static bool is_in_the_way(const struct berth_host *host, const char *bdf, char *driver, size_t size)
{
	if (berth_sysfs_link_name(host, driver, size, "bus/pci/devices/%s/driver", bdf) < 0)
		return false;
	return strncmp(driver, "vfio", 4) != 0 && strcmp(driver, "pci-stub") != 0 &&
	       strcmp(driver, "pcieport") != 0;
}

/* Return: whether there is one; then its name and driver. */
static bool find_in_the_way(const struct berth_host *host, unsigned int group, char bdf[static 32],
			    char driver[static 64])
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;

	if (berth_sysfs_list(host, &names, NULL, "kernel/iommu_groups/%u/devices", group) < 0)
		return false;
	for (char **n = names; *n; n++) {
		if (strlen(*n) < 32 && is_in_the_way(host, *n, driver, 64)) {
			strcpy(bdf, *n);
			return true;
		}
	}
	return false;
}

bool berth_ioas_is_viable(const struct berth_host *host, unsigned int group)
{
	char bdf[32], driver[64];

	return !find_in_the_way(host, group, bdf, driver);
}

int berth_ioas_not_viable(const struct berth_host *host, unsigned int group, struct berth_err *err)
{
	char bdf[32], driver[64];

	if (!find_in_the_way(host, group, bdf, driver))
		return berth_err_set(err, -EPERM,
				     "group %u is not viable: a function in it has a host driver",
				     group);
	return berth_err_set(err, -EPERM,
			     "group %u is not viable: it also holds %s, bound to %s; bind the "
			     "whole group to vfio-pci",
			     group, bdf, driver);
}

int berth_ioas_group_of(const struct berth_host *host, const char *bdf, unsigned int *ret,
			struct berth_err *err)
{
	char name[32];
	char *end;
	int r;

	r = berth_sysfs_link_name(host, name, sizeof(name), "bus/pci/devices/%s/iommu_group", bdf);
	if (r == -ENOENT && !berth_sysfs_exists(host, "bus/pci/devices/%s", bdf))
		return berth_err_set(err, r, "%s: no such function", bdf);
	if (r < 0)
		return berth_err_set(err, r,
				     "%s is in no IOMMU group; switch the IOMMU on in firmware and "
				     "with intel_iommu=on on the kernel command line",
				     bdf);
	*ret = (unsigned int)strtoul(name, &end, 10);
	if (*end || end == name)
		return berth_err_set(err, -EPROTO, "%s: IOMMU group \"%s\" is not a number", bdf,
				     name);
	return 0;
}
