/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/bind"
#include "vfio/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "vfio/module.h"
#include "vfio/serials.h"

#define DEV "bus/pci/devices/%s/"

/* linux/pci_regs.h: PCI_COMMAND, PCI_COMMAND_MASTER */
#define CONFIG_COMMAND	      4
#define CONFIG_COMMAND_MASTER 0x4

/* The driver's name, "" for none. Return: 0; -ENODEV no such function; -errno. */
static int read_driver(const struct berth_host *host, const char *bdf,
		       char driver[static BERTH_BIND_NAME], struct berth_err *err)
{
	int r = berth_sysfs_link_name(host, driver, BERTH_BIND_NAME, DEV "driver", bdf);

	if (r == -ENOENT && !berth_sysfs_exists(host, "bus/pci/devices/%s", bdf))
		return berth_err_set(err, -ENODEV, "%s: there is no such PCI function", bdf);
	if (r < 0 && r != -ENOENT)
		return berth_err_set(err, r, "%s: reading the driver link: %s", bdf, strerror(-r));
	return 0;
}

static int read_override(const struct berth_host *host, const char *bdf,
			 char override[static BERTH_BIND_NAME], struct berth_err *err)
{
	int r = berth_sysfs_read(host, override, BERTH_BIND_NAME, DEV "driver_override", bdf);

	if (r < 0)
		return berth_err_set(err, r, "%s: reading driver_override: %s", bdf, strerror(-r));
	/* How the kernel prints a NULL string. */
	if (strcmp(override, "(null)") == 0)
		override[0] = '\0';
	return 0;
}

int berth_bind_read(const struct berth_host *host, struct berth_bdf at,
		    struct berth_bind_state *ret, struct berth_err *err)
{
	struct berth_bind_state state = { 0 };
	const char *bdf = BERTH_BDF_STR(at);
	int r = read_driver(host, bdf, state.driver, err);

	if (r == 0)
		r = read_override(host, bdf, state.override, err);
	if (r < 0)
		return r;
	r = berth_sysfs_read(host, state.power_control, sizeof(state.power_control),
			     DEV "power/control", bdf);
	if (r < 0 && r != -ENOENT)
		return berth_err_set(err, r, "%s: reading power/control: %s", bdf, strerror(-r));
	*ret = state;
	return 0;
}

bool berth_bind_driver_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < BERTH_BIND_NAME && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") ==
		       len;
}

int berth_bind_need_driver(const struct berth_host *host, const char *driver, struct berth_err *err)
{
	int r;

	if (berth_sysfs_exists(host, "bus/pci/drivers/%s", driver))
		return 0;
	r = berth_module_load(host, driver, err);
	if (r < 0)
		return berth_err_prefix(err, r, "the kernel has no PCI driver %s", driver);
	if (!berth_sysfs_exists(host, "bus/pci/drivers/%s", driver))
		return berth_err_set(err, -ENOENT,
				     "the kernel has no PCI driver %s, not even with module %s "
				     "loaded",
				     driver, driver);
	return 0;
}

int berth_bind_override(const struct berth_host *host, struct berth_bdf at, const char *driver,
			struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_NAME];
	int r = read_override(host, bdf, now, err);

	if (r < 0 || strcmp(now, driver) == 0)
		return r;
	/* An empty write(2) never reaches the kernel's store function; a bare newline clears the override. */
	r = berth_sysfs_write(host, *driver ? driver : "\n", BERTH_SYSFS_DEADLINE_MS, err,
			      DEV "driver_override", bdf);
	if (r == 0)
		r = read_override(host, bdf, now, err);
	if (r == 0 && strcmp(now, driver) != 0)
		return berth_err_set(err, -EIO,
				     "%s: driver_override reads \"%s\" after writing \"%s\"", bdf,
				     now, driver);
	return r;
}

int berth_bind_unbind(const struct berth_host *host, struct berth_bdf at, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_NAME];
	int r = read_driver(host, bdf, now, err);

	if (r < 0 || !*now)
		return r;
	berth_serials_keep(host, at);
	log_debug("%s: unbinding from %s", bdf, now);
	r = berth_sysfs_write(host, bdf, BERTH_SYSFS_DEADLINE_MS, err, DEV "driver/unbind", bdf);
	if (r < 0)
		return berth_err_prefix(err, r, "unbinding %s from %s", bdf, now);
	r = read_driver(host, bdf, now, err);
	if (r == 0 && *now)
		return berth_err_set(err, -EIO, "%s: still bound to %s after unbinding it", bdf,
				     now);
	return r;
}

/* Ask @driver by name: overtakes a driver that was probed first, and the write's errno is that of the driver's probe. */
static int bind_by_name(const struct berth_host *host, struct berth_bdf at, const char *driver,
			struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_NAME];
	int r = berth_bind_unbind(host, at, err);

	if (r < 0)
		return r;
	r = berth_sysfs_write(host, bdf, BERTH_SYSFS_DEADLINE_MS, err, "bus/pci/drivers/%s/bind",
			      driver);
	if (r < 0)
		return berth_err_prefix(err, r == -ETIMEDOUT ? r : -ENODEV,
					"%s: driver %s did not take it (dmesg may say why)", bdf,
					driver);
	r = read_driver(host, bdf, now, err);
	if (r == 0 && strcmp(now, driver) != 0)
		return berth_err_set(err, -ENODEV,
				     "%s: driver %s did not take it (dmesg may say why)", bdf,
				     driver);
	return r;
}

int berth_bind_probe(const struct berth_host *host, struct berth_bdf at, const char *driver,
		     struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_NAME];
	int r = read_driver(host, bdf, now, err);

	if (r < 0 || strcmp(now, driver) == 0)
		return r;
	if (!*now) {
		r = berth_sysfs_write(host, bdf, BERTH_SYSFS_DEADLINE_MS, err,
				      "bus/pci/drivers_probe");
		if (r < 0)
			return berth_err_prefix(err, r, "probing a driver for %s", bdf);
		r = read_driver(host, bdf, now, err);
	}
	if (r < 0 || strcmp(now, driver) == 0)
		return r;
	return bind_by_name(host, at, driver, err);
}

/* Clear the bit in the Command register and read it back. Return: 0; -EIO; -errno. */
static int clear_master(int fd)
{
	uint8_t c[2];
	int r;

	if (pread(fd, c, sizeof(c), CONFIG_COMMAND) != (ssize_t)sizeof(c))
		return -EIO;
	if (c[0] == 0xff && c[1] == 0xff)
		return -EIO;
	if (!(c[0] & CONFIG_COMMAND_MASTER))
		return 0;
	c[0] &= (uint8_t)~CONFIG_COMMAND_MASTER;
	r = berth_failpoint_before("config", "bus-master", NULL);
	if (r < 0)
		return r;
	if (pwrite(fd, c, sizeof(c), CONFIG_COMMAND) != (ssize_t)sizeof(c))
		return errno ? -errno : -EIO;
	r = berth_failpoint_after("config", "bus-master", NULL);
	if (r < 0)
		return r;
	if (pread(fd, c, sizeof(c), CONFIG_COMMAND) != (ssize_t)sizeof(c))
		return -EIO;
	return c[0] & CONFIG_COMMAND_MASTER ? -EIO : 0;
}

int berth_bind_dma_off(const struct berth_host *host, struct berth_bdf at, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	const char *bdf = BERTH_BDF_STR(at);
	char path[PATH_MAX], now[BERTH_BIND_NAME];
	int r = read_driver(host, bdf, now, err);

	if (r < 0)
		return r;
	if (*now)
		return berth_err_set(err, -EBUSY, "%s: %s is bound and may need DMA", bdf, now);
	snprintf(path, sizeof(path), DEV "config", bdf);
	fd = openat(host->sys_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return berth_err_set(err, -errno, "%s: opening its configuration space: %s", bdf,
				     strerror(errno));
	r = clear_master(fd);
	if (r < 0)
		return berth_err_set(err, r,
				     "%s: its Bus Master Enable bit cannot be cleared (device gone "
				     "or broken)",
				     bdf);
	return 0;
}

int berth_bind_power(const struct berth_host *host, struct berth_bdf at, const char *control,
		     struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_ACTION];
	int r;

	if (!*control)
		return 0;
	r = berth_sysfs_read(host, now, sizeof(now), DEV "power/control", bdf);
	if (r < 0)
		return berth_err_set(err, r, "%s: reading power/control: %s", bdf, strerror(-r));
	if (strcmp(now, control) == 0)
		return 0;
	return berth_sysfs_write(host, control, BERTH_SYSFS_DEADLINE_MS, err, DEV "power/control",
				 bdf);
}

/* The driver by its own name, or whatever module the kernel would load for this function: the two names may differ. */
static int need_driver_of(const struct berth_host *host, const char *bdf, const char *driver,
			  struct berth_err *err)
{
	char modalias[256];

	if (berth_sysfs_exists(host, "bus/pci/drivers/%s", driver))
		return 0;
	if (berth_sysfs_read(host, modalias, sizeof(modalias), DEV "modalias", bdf) > 0 &&
	    berth_module_load(host, modalias, NULL) == 0 &&
	    berth_sysfs_exists(host, "bus/pci/drivers/%s", driver))
		return 0;
	return berth_bind_need_driver(host, driver, err);
}

/*
 * Back to the driver that it had. A VF whose PF has sriov_drivers_autoprobe off is given to no driver but the one that
 * driver_override names (pci_device_can_probe()); so it names it for the moment.
 */
static int probe_found(const struct berth_host *host, struct berth_bdf at,
		       const struct berth_bind_state *found, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int r = berth_bind_probe(host, at, found->driver, &why);

	if (r == 0)
		return 0;
	if (r != -ENODEV || *found->override)
		return berth_err_set(err, r, "%s", why.text);
	r = berth_bind_override(host, at, found->driver, err);
	if (r == 0)
		r = berth_bind_probe(host, at, found->driver, err);
	if (r == 0)
		return berth_bind_override(host, at, "", err);
	berth_bind_override(host, at, "", NULL);
	return r;
}

int berth_bind_restore(const struct berth_host *host, struct berth_bdf at,
		       const struct berth_bind_state *found, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	char now[BERTH_BIND_NAME];
	int r = read_driver(host, bdf, now, err);

	if (r < 0)
		return r;
	/* The override first: unbound, the function must only be open to the driver that it had. */
	r = berth_bind_override(host, at, found->override, err);
	if (r < 0)
		return r;
	if (strcmp(now, found->driver) != 0) {
		r = berth_bind_unbind(host, at, err);
		if (r == 0 && *found->driver)
			r = need_driver_of(host, bdf, found->driver, err);
		if (r == 0 && *found->driver)
			r = probe_found(host, at, found, err);
		if (r < 0)
			return r;
	}
	return berth_bind_power(host, at, found->power_control, err);
}
