/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the two kernel interfaces an address space is made with.
 */
#include "iommu/ioas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"

static const char *const wants[] = {
	[BERTH_IOAS_WANT_ANY] = "auto",
	[BERTH_IOAS_WANT_TYPE1] = "type1",
	[BERTH_IOAS_WANT_IOMMUFD] = "iommufd",
};

int berth_ioas_want_parse(const char *text, enum berth_ioas_want *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(wants); i++) {
		if (strcmp(text, wants[i]) == 0) {
			*ret = (enum berth_ioas_want)i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool has_node(const struct berth_host *host, const char *path)
{
	return host->dev_fd >= 0 && faccessat(host->dev_fd, path, F_OK, 0) == 0;
}

/* Return: 0; -EOPNOTSUPP and what is missing. */
static int have_iommufd(const struct berth_host *host, const struct berth_bdf *devs, size_t nr,
			struct berth_err *err)
{
	if (!has_node(host, "iommu"))
		return berth_err_set(
			err, -EOPNOTSUPP,
			"iommufd: there is no /dev/iommu; load the module iommufd, run "
			"a kernel with CONFIG_IOMMUFD, or take type1");
	for (size_t i = 0; i < nr; i++)
		if (!berth_sysfs_exists(host, "bus/pci/devices/%s/vfio-dev",
					BERTH_BDF_STR(devs[i])))
			return berth_err_set(err, -EOPNOTSUPP,
					     "iommufd: %s has no VFIO character device; run a "
					     "kernel (6.6 or later) with CONFIG_VFIO_DEVICE_CDEV, "
					     "or take type1",
					     BERTH_BDF_STR(devs[i]));
	return 0;
}

static int have_type1(const struct berth_host *host, struct berth_err *err)
{
	if (has_node(host, "vfio/vfio"))
		return 0;
	return berth_err_set(err, -EOPNOTSUPP,
			     "type1: there is no /dev/vfio/vfio; load the modules vfio and "
			     "vfio_iommu_type1, run a kernel with CONFIG_VFIO_CONTAINER, or take "
			     "iommufd");
}

int berth_ioas_choose(enum berth_ioas_want want, const struct berth_host *host,
		      const struct berth_bdf *devs, size_t nr, bool p2p, enum berth_ioas_kind *ret,
		      struct berth_err *err)
{
	bool any = want == BERTH_IOAS_WANT_ANY;

	*ret = BERTH_IOAS_IOMMUFD;
	if (want == BERTH_IOAS_WANT_IOMMUFD)
		return have_iommufd(host, devs, nr, err);
	if (any && have_iommufd(host, devs, nr, NULL) == 0 && !(p2p && have_type1(host, NULL) == 0))
		return 0;
	*ret = BERTH_IOAS_TYPE1;
	return have_type1(host, err);
}
