/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "iommu/ioas.h"
#include "vfio/caps.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#define NO_ANSWER UINT32_MAX
/* More functions than this on one bus need ARI and are VFs, which no bus reset is for. */
#define MAX_DEPENDENTS 256
/* PCIe Base 6.0, 6.6.1: a function answers within 1 s of the end of a reset. */
#define ANSWER_MS 1000
#define POLL_MS	  10

const char *berth_reset_method_name(enum berth_reset_method method)
{
	switch (method) {
	case BERTH_RESET_NONE:
		return "none";
	case BERTH_RESET_OPEN:
		return "open";
	case BERTH_RESET_FUNCTION:
		return "function";
	case BERTH_RESET_HOT:
		return "hot";
	case BERTH_RESET_SYSFS:
		return "sysfs";
	}
	return "?";
}

static const char *in_words(enum berth_reset_method method)
{
	switch (method) {
	case BERTH_RESET_NONE:
		return "not reset";
	case BERTH_RESET_OPEN:
		return "reset by the kernel at open";
	case BERTH_RESET_FUNCTION:
		return "function reset";
	case BERTH_RESET_HOT:
		return "bus reset";
	case BERTH_RESET_SYSFS:
		return "reset through sysfs";
	}
	return "?";
}

/* A function's config space, through VFIO or sysfs. */
struct view {
	struct berth_vfio_device *dev; /* NULL: fd */
	int fd;
};

static void view_read(const struct view *v, uint8_t *buf, size_t len)
{
	memset(buf, 0xff, len);
	if (v->dev)
		berth_vfio_region_read(v->dev,
				       berth_vfio_device_region(v->dev, BERTH_VFIO_REGION_CONFIG),
				       0, buf, len);
	else if (pread(v->fd, buf, len, 0) != (ssize_t)len)
		memset(buf, 0xff, len);
}

static void view_write16(const struct view *v, unsigned int offset, uint16_t value)
{
	uint8_t b[2] = { (uint8_t)value, (uint8_t)(value >> 8) };

	if (v->dev)
		berth_vfio_device_config_write(v->dev, offset, value, 2);
	else if (pwrite(v->fd, b, 2, offset) != 2)
		return; /* seen when it is read back */
}

static uint16_t get16(const uint8_t *config, unsigned int at)
{
	return (uint16_t)(config[at] | config[at + 1] << 8);
}

/* VFs have no vendor id of their own (9.3.4.1.1: FFFFh), but a status register. */
static bool answers(const uint8_t *config)
{
	return get16(config, PCI_STATUS) != 0xffff;
}

/*
 * Before a reset: no decoding, no DMA, full power. A reset restores the registers that the kernel saved just before it, so
 * this also decides what they are afterwards.
 */
static void quiesce(const struct view *v)
{
	uint8_t config[BERTH_CONFIG_PCI];
	uint16_t pm;

	view_read(v, config, sizeof(config));
	if (!answers(config))
		return;
	view_write16(v, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	pm = berth_caps_find(config, sizeof(config), PCI_CAP_ID_PM);
	if (pm && pm + PCI_PM_CTRL + 2u <= sizeof(config) &&
	    (get16(config, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK))
		view_write16(v, pm + PCI_PM_CTRL,
			     get16(config, pm + PCI_PM_CTRL) & ~PCI_PM_CTRL_STATE_MASK);
}

static void wait_for_answer(const struct view *v, uint8_t config[static BERTH_CONFIG_PCI])
{
	static const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (int ms = 0; ms <= ANSWER_MS; ms += POLL_MS) {
		view_read(v, config, BERTH_CONFIG_PCI);
		if (answers(config))
			return;
		nanosleep(&pause, NULL);
	}
}

/* Read back what a reset must have left, and say it. @any_power: idle functions under runtime PM may be in D3hot. */
static void verify(const struct view *v, const char *name, bool any_power,
		   struct berth_reset_result *ret)
{
	uint8_t config[BERTH_CONFIG_PCI];
	const char *how = in_words(ret->method), *flaw = NULL;
	uint16_t pm;

	ret->proven = false;
	wait_for_answer(v, config);
	pm = berth_caps_find(config, sizeof(config), PCI_CAP_ID_PM);
	if (!answers(config))
		flaw = "does not answer";
	else if (get16(config, PCI_COMMAND) & PCI_COMMAND_MASTER)
		flaw = "is still a bus master";
	else if (!any_power && pm && pm + PCI_PM_CTRL + 2u <= sizeof(config) &&
		 (get16(config, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK))
		flaw = "is not in power state D0";
	if (flaw) {
		snprintf(ret->sentence, sizeof(ret->sentence), "%s: %s, but it %s", name, how,
			 flaw);
		return;
	}
	ret->proven = ret->method != BERTH_RESET_NONE;
	snprintf(ret->sentence, sizeof(ret->sentence), "%s: %s, answers, bus mastering off%s", name,
		 how, any_power ? "" : ", D0");
}

static void unproven(struct berth_reset_result *ret, const char *name, const char *why)
{
	ret->method = BERTH_RESET_NONE;
	ret->proven = false;
	snprintf(ret->sentence, sizeof(ret->sentence), "%s: no reset: %s", name, why);
}

static bool owns(const struct berth_ioas *io, const struct berth_vfio_dependent *d)
{
	size_t nr;
	const struct berth_ioas_group *groups = berth_ioas_groups(io, &nr);

	if (d->by_device)
		return d->owned;
	for (size_t i = 0; i < nr; i++)
		if (groups[i].id == d->group)
			return true;
	return false;
}

/* The groups that @list touches, each once: the kernel refuses more groups than there are functions to reset. */
static size_t collect_fds(const struct berth_ioas *io, const struct berth_vfio_dependent *list,
			  size_t nr, int32_t fds[static MAX_DEPENDENTS])
{
	size_t nr_groups, nr_fds = 0;
	const struct berth_ioas_group *groups = berth_ioas_groups(io, &nr_groups);

	for (size_t i = 0; i < nr_groups && nr_fds < MAX_DEPENDENTS; i++) {
		for (size_t k = 0; k < nr; k++) {
			if (list[k].group != groups[i].id)
				continue;
			fds[nr_fds++] = groups[i].fd;
			break;
		}
	}
	return nr_fds;
}

/* Reset the bus of @dev. Return: 0, *list and *nr say who was reset; -errno, and @why. */
static int hot_reset(struct berth_ioas *io, struct berth_vfio_device *dev,
		     struct berth_vfio_dependent list[static MAX_DEPENDENTS], size_t *nr, char *why,
		     size_t size)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	int32_t fds[MAX_DEPENDENTS];
	char group[32] = "";
	size_t nr_fds;
	int r;

	*nr = 0;
	r = ops->hot_reset_info(ctx, list, MAX_DEPENDENTS, nr);
	if (r < 0) {
		*nr = 0;
		snprintf(why, size, "neither by itself nor by its bus (%s)", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < *nr; i++) {
		if (owns(io, &list[i]))
			continue;
		if (!list[i].by_device)
			snprintf(group, sizeof(group), " in group %u", list[i].group);
		snprintf(why, size,
			 "not by itself, and a bus reset would also reset %s%s, which is not ours; "
			 "assign that too",
			 BERTH_BDF_STR(list[i].at), group);
		return -EPERM;
	}
	nr_fds = collect_fds(io, list, *nr, fds);
	r = ops->hot_reset(ctx, fds, nr_fds);
	if (r < 0)
		snprintf(why, size, "bus reset: %s", strerror(-r));
	return r;
}

/* One bus reset for @devs[i] and whoever of @devs shares its bus. */
static void reset_by_bus(struct berth_ioas *io, struct berth_vfio_device *const *devs, size_t nr,
			 size_t i, struct berth_reset_result *results)
{
	struct berth_vfio_dependent list[MAX_DEPENDENTS];
	char why[160] = "";
	size_t nr_list;

	if (hot_reset(io, devs[i], list, &nr_list, why, sizeof(why)) < 0) {
		unproven(&results[i], berth_vfio_device_name(devs[i]), why);
		return;
	}
	for (size_t j = 0; j < nr; j++)
		for (size_t k = 0; k < nr_list; k++)
			if (berth_bdf_eq(berth_vfio_device_bdf(devs[j]), list[k].at))
				results[j].method = BERTH_RESET_HOT;
	results[i].method = BERTH_RESET_HOT;
}

static void reset_by_itself(struct berth_vfio_device *dev, enum berth_reset_when when,
			    struct berth_reset_result *result)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	int r;

	/* The flag is set by vfio_pci_core_enable() exactly when its reset of the device, at open, succeeded. */
	result->method = BERTH_RESET_OPEN;
	if (when == BERTH_RESET_BEFORE_USE)
		return;
	result->method = BERTH_RESET_FUNCTION;
	r = ops->reset(ctx);
	if (r < 0)
		unproven(result, berth_vfio_device_name(dev), strerror(-r));
}

static void interrupts_off(struct berth_vfio_device *dev)
{
	for (int i = 0; i < BERTH_VFIO_NR_IRQS; i++)
		berth_vfio_irq_disable(dev, (enum berth_vfio_irq_index)i);
}

int berth_reset_devices(struct berth_ioas *io, struct berth_vfio_device *const *devs, size_t nr,
			enum berth_reset_when when, struct berth_reset_result *results,
			struct berth_err *err)
{
	int ret = 0;

	for (size_t i = 0; i < nr; i++) {
		memset(&results[i], 0, sizeof(results[i]));
		interrupts_off(devs[i]);
		quiesce(&(struct view){ .dev = devs[i] });
	}
	/* Buses first: what shares one with a function that needs it is then done. */
	for (size_t i = 0; i < nr; i++)
		if (!berth_vfio_device_can_reset(devs[i]) && results[i].method != BERTH_RESET_HOT)
			reset_by_bus(io, devs, nr, i, results);
	for (size_t i = 0; i < nr; i++)
		if (berth_vfio_device_can_reset(devs[i]) && results[i].method != BERTH_RESET_HOT)
			reset_by_itself(devs[i], when, &results[i]);
	for (size_t i = 0; i < nr; i++) {
		if (results[i].method != BERTH_RESET_NONE)
			verify(&(struct view){ .dev = devs[i] }, berth_vfio_device_name(devs[i]),
			       false, &results[i]);
		if (!results[i].proven)
			ret = berth_err_set(err, BERTH_REFUSED, "%s", results[i].sentence);
	}
	return ret;
}

static int sysfs_not_reset(struct berth_reset_result *ret, const char *name, const char *why,
			   struct berth_err *err)
{
	unproven(ret, name, why);
	return berth_err_set(err, BERTH_REFUSED, "%s", ret->sentence);
}

int berth_reset_sysfs(const struct berth_host *host, struct berth_bdf at, unsigned int deadline_ms,
		      struct berth_reset_result *ret, struct berth_err *err)
{
	char name[BERTH_BDF_LEN], path[64];
	BERTH_CLEANUP(berth_closep) int fd = -1;
	struct berth_err why = BERTH_ERR_INIT;
	struct view v = { .dev = NULL };

	berth_bdf_format(at, name);
	if (!berth_sysfs_exists(host, "bus/pci/devices/%s", name))
		return berth_err_set(err, -ENOENT, "%s: no such function", name);
	if (!berth_sysfs_exists(host, "bus/pci/devices/%s/reset", name))
		return sysfs_not_reset(ret, name, "the kernel knows no way to reset it alone", err);
	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", name);
	fd = openat(host->sys_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return sysfs_not_reset(ret, name, strerror(errno), err);
	v.fd = fd;
	quiesce(&v);
	if (berth_sysfs_write(host, "1", deadline_ms, &why, "bus/pci/devices/%s/reset", name) < 0)
		return sysfs_not_reset(ret, name, why.text, err);
	ret->method = BERTH_RESET_SYSFS;
	verify(&v, name, true, ret);
	return ret->proven ? 0 : berth_err_set(err, BERTH_REFUSED, "%s", ret->sentence);
}
