/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/function"

#include "vfio/function.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/group.h"
#include "vfio/devpath.h"
#include "vfio/inventory.h"
#include "vfio/pcilib.h"

#define DEVICES "bus/pci/devices"

/* "KEY=" at the start of a line of uevent. Return: its value, up to the newline; NULL. */
static const char *uevent_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, key, len) == 0 && p[len] == '=')
			return p + len + 1;
	}
	return NULL;
}

static uint32_t uevent_hex(const char *text, const char *key, uint16_t *ret_second)
{
	const char *value = uevent_value(text, key);
	uint32_t first;
	char *end;

	if (!value)
		return 0;
	first = (uint32_t)strtoul(value, &end, 16);
	if (ret_second)
		*ret_second = *end == ':' ? (uint16_t)strtoul(end + 1, NULL, 16) : 0;
	return first;
}

static char *uevent_dup(const char *text, const char *key)
{
	const char *value = uevent_value(text, key);

	return value ? strndup(value, strcspn(value, "\n")) : strdup("");
}

/* A fact that others decide by: there, not there, or an error. What cannot be read is not a device without it. */
static int unreadable(int r, const char *name, struct berth_err *err)
{
	if (r >= 0 || berth_sysfs_is_absent(r))
		return 0;
	return berth_err_set(err, r, "%s: %s", name, strerror(-r));
}

/* One read for six facts. Return: 0; -ENODEV the function went away; -errno. */
static int read_uevent(struct berth_device *dev, const struct berth_host *host, const char *bdf,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *driver = NULL;
	char text[1024];
	int r = berth_sysfs_read(host, text, sizeof(text), DEVICES "/%s/uevent", bdf);

	if (r <= 0)
		return unreadable(r, "uevent", err) ?: -ENODEV;
	dev->class = uevent_hex(text, "PCI_CLASS", NULL) & 0xffffff;
	dev->vendor_id = (uint16_t)uevent_hex(text, "PCI_ID", &dev->device_id);
	dev->subsystem_vendor_id =
		(uint16_t)uevent_hex(text, "PCI_SUBSYS_ID", &dev->subsystem_device_id);
	dev->modalias = uevent_dup(text, "MODALIAS");
	driver = uevent_dup(text, "DRIVER");
	if (!dev->modalias || !driver)
		return berth_err_set(err, -ENOMEM, "out of memory");
	snprintf(dev->driver, sizeof(dev->driver), "%s", driver);
	return 0;
}

/* "start end flags" per line: six BARs, then the ROM. Flags: linux/ioport.h. */
static void read_resources(struct berth_device *dev, const struct berth_host *host, const char *bdf)
{
	char text[2048];
	const char *p = text;

	if (berth_sysfs_read(host, text, sizeof(text), DEVICES "/%s/resource", bdf) <= 0)
		return;
	for (int i = 0; i <= BERTH_NR_BARS && *p; i++) {
		unsigned long long start, last, flags;

		if (sscanf(p, "%llx %llx %llx", &start, &last, &flags) != 3)
			return;
		p += strcspn(p, "\n");
		p += *p == '\n';
		if (!flags || last < start || last == 0)
			continue;
		if (i == BERTH_NR_BARS) {
			dev->rom_size = last - start + 1;
			continue;
		}
		dev->bars[i] = (struct berth_bar){ .start = start,
						   .size = last - start + 1,
						   .io = flags & 0x100,
						   .prefetch = flags & 0x2000,
						   .is64 = flags & 0x100000 };
	}
}

/* As far as they are there by now. */
static unsigned int count_vfs(const struct berth_device *dev, const struct berth_host *host,
			      const char *bdf)
{
	unsigned int nr = 0;

	while (nr < dev->vfs_total && berth_sysfs_exists(host, DEVICES "/%s/virtfn%u", bdf, nr))
		nr++;
	return nr;
}

static int read_sriov(struct berth_device *dev, const struct berth_host *host, const char *bdf,
		      struct berth_err *err)
{
	uint64_t value;
	char text[16];
	int r = berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_totalvfs", bdf);

	dev->vfs_autoprobe = BERTH_UNKNOWN;
	if (r < 0)
		return unreadable(r, "sriov_totalvfs", err);
	dev->vfs_total = (unsigned int)value;
	r = dev->quiet ? 0 : berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_numvfs", bdf);
	if (r < 0)
		return unreadable(r, "sriov_numvfs", err);
	dev->vfs_now = dev->quiet ? count_vfs(dev, host, bdf) : (unsigned int)value;
	/* Hexadecimal without "0x". */
	if (berth_sysfs_read(host, text, sizeof(text), DEVICES "/%s/sriov_vf_device", bdf) > 0)
		dev->vf_device_id = (uint16_t)strtoul(text, NULL, 16);
	if (berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_drivers_autoprobe", bdf) == 0)
		dev->vfs_autoprobe = berth_tri_of(value != 0);
	return 0;
}

/* Whom it belongs with. */
static int read_relations(struct berth_device *dev, const struct berth_host *host, const char *bdf,
			  struct berth_err *err)
{
	char pf[BERTH_BDF_LEN];
	int r = berth_group_of(host, dev->bdf);

	dev->iommu_group = r >= 0 ? r : -1;
	if (r < 0 && r != -EINVAL && unreadable(r, "iommu_group", err))
		return r;
	r = dev->quiet ? 0 :
			 berth_sysfs_read(host, dev->driver_override, sizeof(dev->driver_override),
					  DEVICES "/%s/driver_override", bdf);
	if (unreadable(r, "driver_override", err))
		return r;
	if (strcmp(dev->driver_override, "(null)") == 0)
		dev->driver_override[0] = '\0';
	r = berth_sysfs_link_name(host, pf, sizeof(pf), DEVICES "/%s/physfn", bdf);
	if (r > 0)
		dev->is_vf = berth_bdf_parse(pf, &dev->pf) == 0;
	dev->vf_index = -1;
	return unreadable(r, "physfn", err);
}

static void read_attributes(struct berth_device *dev, const struct berth_host *host,
			    const char *bdf)
{
	uint64_t flag;
	int64_t node;

	dev->numa_node = -1;
	if (berth_sysfs_read_i64(host, &node, DEVICES "/%s/numa_node", bdf) == 0 && node >= 0)
		dev->numa_node = (int)node;
	berth_sysfs_read(host, dev->reset_methods, sizeof(dev->reset_methods),
			 DEVICES "/%s/reset_method", bdf);
	berth_sysfs_read(host, dev->power_state, sizeof(dev->power_state),
			 DEVICES "/%s/power_state", bdf);
	dev->boot_vga = BERTH_UNKNOWN;
	if (dev->class >> 16 == 0x03 &&
	    berth_sysfs_read_u64(host, &flag, DEVICES "/%s/boot_vga", bdf) == 0)
		dev->boot_vga = berth_tri_of(flag != 0);
}

/*
 * Root ports of Intel's 100 and 200 series chipsets lay ACS out in double words, so that the control register is at +8
 * (kernel: pci_quirk_intel_spt_pch_acs_match()).
 */
static bool has_wide_acs(const struct berth_device *dev)
{
	uint16_t id = dev->device_id;

	return dev->vendor_id == 0x8086 && dev->caps.type == BERTH_PCIE_ROOT_PORT &&
	       ((id >= 0xa110 && id <= 0xa11f) || (id >= 0xa167 && id <= 0xa16a) ||
		(id >= 0xa290 && id <= 0xa29f) || (id >= 0xa2e7 && id <= 0xa2ee) ||
		(id >= 0x9d10 && id <= 0x9d1b));
}

static int read_config(struct berth_device *dev, struct berth_function_reader *rd,
		       struct berth_err *err)
{
	uint8_t config[BERTH_CONFIG_PCIE];
	size_t len = 0;
	int r = 0;

	if (!dev->quiet)
		r = berth_pcilib_config(rd->lib, dev->bdf, config, sizeof(config), &len, err);
	if (r < 0)
		return r;
	berth_caps_parse(&dev->caps, config, len);
	if (dev->caps.acs == BERTH_YES && has_wide_acs(dev) && dev->caps.acs_offset + 10u <= len)
		dev->caps.acs_ctrl = (uint16_t)(config[dev->caps.acs_offset + 8] |
						config[dev->caps.acs_offset + 9] << 8);
	return 0;
}

/* --- where it is --- */

static int bridge_name(struct berth_function_reader *rd, const char *bridge)
{
	int r = 0;

	if (strcmp(rd->last_bridge, bridge) == 0)
		return 0;
	r = berth_devpath_bridge_name(rd->host, bridge, rd->last_bridge_name,
				      sizeof(rd->last_bridge_name));
	if (r == 0)
		snprintf(rd->last_bridge, sizeof(rd->last_bridge), "%s", bridge);
	return r;
}

/* The path is what the ledger knows a device by: with a wrong one it would be gone, and another one there. */
static int place(struct berth_device *dev, struct berth_function_reader *rd, const char *bdf,
		 struct berth_err *err)
{
	char link[PATH_MAX], file[64], text[512];
	struct berth_devpath path;
	bool known;
	ssize_t n;
	int r = 0;

	snprintf(file, sizeof(file), DEVICES "/%s", bdf);
	n = readlinkat(rd->host->sys_fd, file, link, sizeof(link) - 1);
	if (n < 0 && errno != EINVAL) /* in a captured tree it may be a folder */
		return unreadable(-errno, "its place", err) ?: -ENODEV;
	link[n > 0 ? n : 0] = '\0';
	known = berth_devpath_parse(link, &path);
	if (known)
		r = bridge_name(rd, path.bridge);
	if (r < 0)
		return berth_err_set(err, r, "name of its host bridge: %s", strerror(-r));
	if (!known || !berth_devpath_format(&path, rd->last_bridge_name, text, sizeof(text))) {
		log_debug("%s: no stable path from \"%s\"", bdf, link);
		dev->path = strdup(bdf);
		return dev->path ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
	}
	dev->has_parent = path.nr_steps > 1;
	if (dev->has_parent)
		dev->parent = path.steps[path.nr_steps - 2];
	dev->path = strdup(text);
	return dev->path ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

int berth_function_read(struct berth_device *dev, struct berth_function_reader *rd,
			struct berth_bdf at, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	int r;

	dev->bdf = at;
	dev->quiet = berth_quiet_has(&rd->quiet, at);
	r = read_uevent(dev, rd->host, bdf, err);
	if (r == 0)
		r = place(dev, rd, bdf, err);
	if (r == 0)
		r = read_config(dev, rd, err);
	if (r == 0)
		r = read_relations(dev, rd->host, bdf, err);
	if (r == 0)
		r = read_sriov(dev, rd->host, bdf, err);
	if (r < 0)
		return r;
	read_resources(dev, rd->host, bdf);
	read_attributes(dev, rd->host, bdf);
	return 0;
}

void berth_function_done(struct berth_device *dev)
{
	free(dev->path);
	free(dev->modalias);
	free(dev->isolation_reason);
	memset(dev, 0, sizeof(*dev));
}
