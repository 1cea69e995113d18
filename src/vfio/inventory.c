/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/inventory"

#include "vfio/inventory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/group.h"
#include "iommu/platform.h"
#include "vfio/devpath.h"
#include "vfio/pcilib.h"

#define DEVICES "bus/pci/devices"

/* What is needed while the snapshot is taken. */
struct reader {
	const struct berth_host *host;
	struct berth_pcilib *lib; /* owned */
	struct berth_inventory *inv;
	bool acs_override;
	char last_bridge[192]; /* nearly all functions hang on one host bridge: remember its name */
	char last_bridge_name[96];
};

/* --- one function --- */

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

/* One read for six facts. Return: 0; -ENODEV the function went away. */
static int read_uevent(struct berth_device *dev, const struct berth_host *host, const char *bdf)
{
	BERTH_CLEANUP(berth_freep) char *driver = NULL;
	char text[1024];

	if (berth_sysfs_read(host, text, sizeof(text), DEVICES "/%s/uevent", bdf) <= 0)
		return -ENODEV;
	dev->class = uevent_hex(text, "PCI_CLASS", NULL) & 0xffffff;
	dev->vendor_id = (uint16_t)uevent_hex(text, "PCI_ID", &dev->device_id);
	dev->subsystem_vendor_id =
		(uint16_t)uevent_hex(text, "PCI_SUBSYS_ID", &dev->subsystem_device_id);
	dev->modalias = uevent_dup(text, "MODALIAS");
	driver = uevent_dup(text, "DRIVER");
	if (!dev->modalias || !driver)
		return -ENOMEM;
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

static void read_sriov(struct berth_device *dev, const struct berth_host *host, const char *bdf)
{
	uint64_t value;
	char text[16];

	dev->vfs_autoprobe = BERTH_UNKNOWN;
	if (berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_totalvfs", bdf) < 0)
		return;
	dev->vfs_total = (unsigned int)value;
	if (berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_numvfs", bdf) == 0)
		dev->vfs_now = (unsigned int)value;
	/* Hexadecimal without "0x". */
	if (berth_sysfs_read(host, text, sizeof(text), DEVICES "/%s/sriov_vf_device", bdf) > 0)
		dev->vf_device_id = (uint16_t)strtoul(text, NULL, 16);
	if (berth_sysfs_read_u64(host, &value, DEVICES "/%s/sriov_drivers_autoprobe", bdf) == 0)
		dev->vfs_autoprobe = berth_tri_of(value != 0);
}

static void read_attributes(struct berth_device *dev, const struct berth_host *host,
			    const char *bdf)
{
	uint64_t flag;
	int64_t node;
	char pf[BERTH_BDF_LEN];

	dev->iommu_group = berth_group_of(host, dev->bdf);
	if (dev->iommu_group < 0)
		dev->iommu_group = -1;
	dev->numa_node = -1;
	if (berth_sysfs_read_i64(host, &node, DEVICES "/%s/numa_node", bdf) == 0 && node >= 0)
		dev->numa_node = (int)node;
	berth_sysfs_read(host, dev->driver_override, sizeof(dev->driver_override),
			 DEVICES "/%s/driver_override", bdf);
	if (strcmp(dev->driver_override, "(null)") == 0)
		dev->driver_override[0] = '\0';
	berth_sysfs_read(host, dev->reset_methods, sizeof(dev->reset_methods),
			 DEVICES "/%s/reset_method", bdf);
	berth_sysfs_read(host, dev->power_state, sizeof(dev->power_state),
			 DEVICES "/%s/power_state", bdf);
	dev->boot_vga = BERTH_UNKNOWN;
	if (dev->class >> 16 == 0x03 &&
	    berth_sysfs_read_u64(host, &flag, DEVICES "/%s/boot_vga", bdf) == 0)
		dev->boot_vga = berth_tri_of(flag != 0);
	if (berth_sysfs_link_name(host, pf, sizeof(pf), DEVICES "/%s/physfn", bdf) > 0)
		dev->is_vf = berth_bdf_parse(pf, &dev->pf) == 0;
	dev->vf_index = -1;
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

static int read_config(struct berth_device *dev, struct reader *rd, struct berth_err *err)
{
	uint8_t config[BERTH_CONFIG_PCIE];
	size_t len;
	int r;

	r = berth_pcilib_config(rd->lib, dev->bdf, config, sizeof(config), &len, err);
	if (r < 0)
		return r;
	berth_caps_parse(&dev->caps, config, len);
	if (dev->caps.acs == BERTH_YES && has_wide_acs(dev) && dev->caps.acs_offset + 10u <= len)
		dev->caps.acs_ctrl = (uint16_t)(config[dev->caps.acs_offset + 8] |
						config[dev->caps.acs_offset + 9] << 8);
	return 0;
}

static int make_names(struct berth_device *dev, struct reader *rd, struct berth_err *err)
{
	int n, r;

	r = berth_pcilib_vendor_name(rd->lib, dev->vendor_id, &dev->vendor_name, err);
	if (r == 0)
		r = berth_pcilib_device_name(rd->lib, dev->vendor_id, dev->device_id,
					     &dev->device_name, err);
	if (r == 0)
		r = berth_pcilib_class_name(rd->lib, (uint16_t)(dev->class >> 8), &dev->class_name,
					    err);
	if (r < 0)
		return r;
	if (*dev->vendor_name && *dev->device_name)
		n = asprintf(&dev->name, "%s %s", dev->vendor_name, dev->device_name);
	else if (*dev->vendor_name)
		n = asprintf(&dev->name, "%s Device %04x", dev->vendor_name, dev->device_id);
	else
		n = asprintf(&dev->name, "Device %04x:%04x", dev->vendor_id, dev->device_id);
	if (n < 0)
		dev->name = NULL;
	return n < 0 ? berth_err_set(err, -ENOMEM, "out of memory") : 0;
}

/* --- where it is --- */

static const char *bridge_name(struct reader *rd, const char *bridge)
{
	if (strcmp(rd->last_bridge, bridge) != 0) {
		snprintf(rd->last_bridge, sizeof(rd->last_bridge), "%s", bridge);
		berth_devpath_bridge_name(rd->host, bridge, rd->last_bridge_name,
					  sizeof(rd->last_bridge_name));
	}
	return rd->last_bridge_name;
}

static int place(struct berth_device *dev, struct reader *rd, const char *bdf)
{
	char link[PATH_MAX], file[64], text[512];
	struct berth_devpath path;
	ssize_t n;

	snprintf(file, sizeof(file), DEVICES "/%s", bdf);
	n = readlinkat(rd->host->sys_fd, file, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	if (!berth_devpath_parse(link, &path) ||
	    !berth_devpath_format(&path, bridge_name(rd, path.bridge), text, sizeof(text))) {
		log_debug("%s: no stable path from \"%s\"", bdf, link);
		dev->path = strdup(bdf);
		return dev->path ? 0 : -ENOMEM;
	}
	dev->has_parent = path.nr_steps > 1;
	if (dev->has_parent)
		dev->parent = path.steps[path.nr_steps - 2];
	dev->path = strdup(text);
	return dev->path ? 0 : -ENOMEM;
}

static int read_device(struct berth_device *dev, struct reader *rd, struct berth_bdf at,
		       struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(at);
	int r;

	dev->bdf = at;
	r = read_uevent(dev, rd->host, bdf);
	if (r == 0)
		r = place(dev, rd, bdf);
	if (r == 0)
		r = read_config(dev, rd, err);
	if (r < 0)
		return r;
	read_resources(dev, rd->host, bdf);
	read_attributes(dev, rd->host, bdf);
	read_sriov(dev, rd->host, bdf);
	return make_names(dev, rd, err);
}

/* --- what needs all functions --- */

static struct berth_device *find_mutable(struct berth_inventory *inv, struct berth_bdf at)
{
	return (struct berth_device *)(uintptr_t)berth_inventory_find(inv, at);
}

/* A virtual function's path goes through its PF: its own device number depends on the PF's VF offset and stride. */
static int name_vf(struct berth_device *vf, const struct berth_device *pf, int index)
{
	char *path;

	if (asprintf(&path, "%s#vf%d", pf->path, index) < 0)
		return -ENOMEM;
	free(vf->path);
	vf->path = path;
	vf->vf_index = index;
	return 0;
}

static int name_vfs_of(struct berth_inventory *inv, const struct berth_device *pf,
		       const struct berth_host *host)
{
	for (unsigned int i = 0; i < pf->vfs_now; i++) {
		char name[BERTH_BDF_LEN];
		struct berth_device *vf;
		struct berth_bdf at;

		if (berth_sysfs_link_name(host, name, sizeof(name), DEVICES "/%s/virtfn%u",
					  BERTH_BDF_STR(pf->bdf), i) < 0 ||
		    berth_bdf_parse(name, &at) < 0)
			continue;
		vf = find_mutable(inv, at);
		if (vf && vf->is_vf && name_vf(vf, pf, (int)i) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Firmware that gives two host bridges one name makes paths ambiguous: then the kernel's name of the root bus it is. */
static int separate_twins(struct berth_inventory *inv)
{
	for (size_t i = 0; i < inv->nr; i++) {
		for (size_t j = i + 1; j < inv->nr; j++) {
			struct berth_device *a = &inv->devices[i], *b = &inv->devices[j];
			char *path;

			if (strcmp(a->path, b->path) != 0)
				continue;
			if (asprintf(&path, "pci%04x:%02x/%s", b->bdf.domain, b->bdf.bus, b->path) <
			    0)
				return -ENOMEM;
			free(b->path);
			b->path = path;
		}
	}
	return 0;
}

#define MAX_MEMBERS 64

static size_t collect_steps(const struct berth_inventory *inv, const struct berth_device *dev,
			    struct berth_isolation_step steps[BERTH_DEVPATH_MAX_DEPTH])
{
	const struct berth_device *up = dev;
	size_t nr = 0;

	while (nr < BERTH_DEVPATH_MAX_DEPTH && up->has_parent) {
		up = berth_inventory_find(inv, up->parent);
		if (!up || !berth_device_is_bridge(up))
			break;
		steps[nr++] = (struct berth_isolation_step){
			.at = up->bdf,
			.type = up->caps.type,
			.in_group = up->iommu_group == dev->iommu_group,
			.multifunction = up->caps.multifunction,
			.acs = up->caps.acs,
			.acs_cap = up->caps.acs_cap,
			.acs_ctrl = up->caps.acs_ctrl,
		};
	}
	return nr;
}

static size_t collect_members(const struct berth_inventory *inv, const struct berth_device *dev,
			      struct berth_isolation_member members[MAX_MEMBERS])
{
	const struct berth_device *other = NULL;
	size_t nr = 0;

	while (nr < MAX_MEMBERS &&
	       (other = berth_inventory_next_in_group(inv, dev->iommu_group, other))) {
		if (other == dev)
			continue;
		members[nr].at = other->bdf;
		members[nr].bridge = berth_device_is_bridge(other);
		memcpy(members[nr].driver, other->driver, sizeof(members[nr].driver));
		nr++;
	}
	return nr;
}

static bool is_noiommu(const struct berth_host *host, int group)
{
	char name[32];

	return berth_sysfs_read(host, name, sizeof(name), "kernel/iommu_groups/%d/name", group) >
		       0 &&
	       strcmp(name, "vfio-noiommu") == 0;
}

static int judge(struct berth_device *dev, const struct reader *rd)
{
	struct berth_isolation_step steps[BERTH_DEVPATH_MAX_DEPTH];
	struct berth_isolation_member members[MAX_MEMBERS];
	struct berth_isolation_facts facts = {
		.at = dev->bdf,
		.group = dev->iommu_group,
		.acs_override = rd->acs_override,
		.steps = steps,
		.members = members,
	};
	char reason[BERTH_ISOLATION_REASON];

	if (dev->iommu_group >= 0) {
		facts.nr_steps = collect_steps(rd->inv, dev, steps);
		facts.nr_members = collect_members(rd->inv, dev, members);
		/* Only such a group can hold a function bound to vfio-pci without an IOMMU. */
		facts.noiommu = strncmp(dev->driver, "vfio", 4) == 0 &&
				is_noiommu(rd->host, dev->iommu_group);
	}
	dev->isolation = berth_isolation_judge(&facts, reason);
	dev->isolation_reason = strdup(reason);
	return dev->isolation_reason ? 0 : -ENOMEM;
}

static int relate(struct reader *rd)
{
	struct berth_inventory *inv = rd->inv;
	int r = separate_twins(inv);

	for (size_t i = 0; i < inv->nr && r == 0; i++)
		r = name_vfs_of(inv, &inv->devices[i], rd->host);
	for (size_t i = 0; i < inv->nr && r == 0; i++)
		r = judge(&inv->devices[i], rd);
	return r;
}

/* --- the snapshot --- */

static void device_done(struct berth_device *dev)
{
	free(dev->path);
	free(dev->vendor_name);
	free(dev->device_name);
	free(dev->class_name);
	free(dev->name);
	free(dev->modalias);
	free(dev->isolation_reason);
	memset(dev, 0, sizeof(*dev));
}

static int read_all(struct reader *rd, const struct berth_bdf *places, size_t nr,
		    struct berth_err *err)
{
	struct berth_inventory *inv = rd->inv;

	inv->devices = calloc(nr + 1, sizeof(*inv->devices));
	if (!inv->devices)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		struct berth_device *dev = &inv->devices[inv->nr];
		int r = read_device(dev, rd, places[i], err);

		if (r == 0) {
			inv->nr++;
			continue;
		}
		device_done(dev);
		if (r != -ENODEV)
			return berth_err_prefix(err, r, "reading %s", BERTH_BDF_STR(places[i]));
		log_debug("%s went away while it was read", BERTH_BDF_STR(places[i]));
	}
	return 0;
}

static bool cmdline_overrides_acs(const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	struct berth_platform platform = { .acs_override = false };

	if (host->proc_fd < 0 ||
	    berth_read_file(host->proc_fd, "cmdline", 64 * 1024, &text, NULL) < 0)
		return false;
	berth_platform_cmdline(&platform, text);
	return platform.acs_override;
}

int berth_inventory_read(struct berth_inventory **ret, const struct berth_host *host,
			 struct berth_err *err)
{
	BERTH_CLEANUP(berth_inventory_freep) struct berth_inventory *inv = calloc(1, sizeof(*inv));
	BERTH_CLEANUP(berth_pcilib_closep) struct berth_pcilib *lib = NULL;
	BERTH_CLEANUP(berth_freep) struct berth_bdf *places = NULL;
	struct reader rd = { .host = host, .inv = inv };
	size_t nr = 0;
	int r;

	if (!inv)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (!berth_sysfs_exists(host, DEVICES)) {
		*ret = BERTH_TAKE_PTR(inv);
		return 0;
	}
	r = berth_pcilib_open(&lib, host, err);
	if (r == 0)
		r = berth_pcilib_scan(lib, &places, &nr, err);
	if (r < 0)
		return r;
	rd.lib = lib;
	rd.acs_override = cmdline_overrides_acs(host);
	r = read_all(&rd, places, nr, err);
	if (r < 0)
		return r;
	r = relate(&rd);
	if (r < 0)
		return berth_err_set(err, r, "out of memory");
	*ret = BERTH_TAKE_PTR(inv);
	return 0;
}

void berth_inventory_free(struct berth_inventory *inv)
{
	if (!inv)
		return;
	for (size_t i = 0; i < inv->nr; i++)
		device_done(&inv->devices[i]);
	free(inv->devices);
	free(inv);
}

/* --- questions --- */

static int compare_to_device(const void *key, const void *element)
{
	const struct berth_device *dev = element;

	return berth_bdf_cmp(key, &dev->bdf);
}

const struct berth_device *berth_inventory_find(const struct berth_inventory *inv,
						struct berth_bdf at)
{
	if (!inv->nr)
		return NULL;
	return bsearch(&at, inv->devices, inv->nr, sizeof(*inv->devices), compare_to_device);
}

const struct berth_device *berth_inventory_find_path(const struct berth_inventory *inv,
						     const char *path)
{
	for (size_t i = 0; i < inv->nr; i++) {
		if (strcmp(inv->devices[i].path, path) == 0)
			return &inv->devices[i];
	}
	return NULL;
}

int berth_inventory_resolve(const struct berth_inventory *inv, const char *text,
			    const struct berth_device **ret, struct berth_err *err)
{
	const struct berth_device *dev;
	struct berth_bdf at;

	if (berth_bdf_parse(text, &at) == 0) {
		dev = berth_inventory_find(inv, at);
		if (!dev)
			return berth_err_set(err, -ENODEV,
					     "there is no PCI function %s; 'berth list --all' "
					     "shows what there is",
					     BERTH_BDF_STR(at));
	} else if (berth_bdf_looks_meant(text)) {
		return berth_err_set(err, -EINVAL,
				     "'%s' is not a PCI address; one looks like 0000:03:00.0 or "
				     "03:00.0 (bus, device and function in hexadecimal)",
				     text);
	} else {
		dev = berth_inventory_find_path(inv, text);
		if (!dev && !strchr(text, '/'))
			return BERTH_ABSENT;
		if (!dev)
			return berth_err_set(err, -ENODEV,
					     "there is no PCI function at %s; 'berth list --all -o "
					     "bdf,path' shows the paths there are",
					     text);
	}
	*ret = dev;
	return 0;
}

const struct berth_device *berth_inventory_next_in_group(const struct berth_inventory *inv,
							 int group,
							 const struct berth_device *after)
{
	const struct berth_device *end = inv->devices + inv->nr;

	if (group < 0)
		return NULL;
	for (const struct berth_device *dev = after ? after + 1 : inv->devices; dev < end; dev++) {
		if (dev->iommu_group == group)
			return dev;
	}
	return NULL;
}

bool berth_device_is_bridge(const struct berth_device *dev)
{
	uint16_t class = (uint16_t)(dev->class >> 8);

	return class == 0x0600 || class == 0x0604 || class == 0x0607 || class == 0x0609;
}

/* PCI Code and ID Assignment 1.15, base classes and sub-classes. */
static bool class_is_worth(const struct berth_device *dev)
{
	uint16_t class = (uint16_t)(dev->class >> 8);

	switch (class >> 8) {
	case 0x01: /* storage */
	case 0x02: /* network */
	case 0x03: /* display */
	case 0x0d: /* wireless */
	case 0x12: /* processing accelerators */
		return true;
	case 0x06: /* bridges */
	case 0x08: /* system peripherals */
		return false;
	case 0x0b:
		return class == 0x0b40; /* co-processor */
	case 0x0c:
		/* USB, InfiniBand; SMBus is the host's; the rest as below */
		return class == 0x0c03 || class == 0x0c06 || (class != 0x0c05 && dev->has_parent);
	default:
		/* On the root bus these are pieces of the chipset, behind a port somebody plugged them in. */
		return dev->has_parent;
	}
}

bool berth_device_is_worth_passing(const struct berth_inventory *inv,
				   const struct berth_device *dev)
{
	if (berth_device_is_bridge(dev))
		return false;
	if (dev->is_vf || class_is_worth(dev))
		return true;
	/* A companion: another function of its slot is worth it. Not on the root bus, where slots are chipset pieces. */
	for (size_t i = 0; i < inv->nr && dev->has_parent; i++) {
		if (berth_bdf_same_slot(inv->devices[i].bdf, dev->bdf) &&
		    class_is_worth(&inv->devices[i]))
			return true;
	}
	return false;
}
