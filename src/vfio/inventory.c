/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/inventory"

#include "vfio/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/platform.h"
#include "vfio/devpath.h"
#include "vfio/function.h"
#include "vfio/pcilib.h"

#define DEVICES "bus/pci/devices"

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
		int r = berth_sysfs_link_name(host, name, sizeof(name), DEVICES "/%s/virtfn%u",
					      BERTH_BDF_STR(pf->bdf), i);

		if (r < 0 && !berth_sysfs_is_absent(r))
			return r;
		if (r < 0 || berth_bdf_parse(name, &at) < 0)
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

size_t berth_inventory_steps(const struct berth_inventory *inv, const struct berth_device *dev,
			     struct berth_isolation_step steps[static BERTH_DEVPATH_MAX_DEPTH])
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

static int judge(struct berth_device *dev, const struct berth_inventory *inv,
		 const struct berth_host *host, bool acs_override)
{
	struct berth_isolation_step steps[BERTH_DEVPATH_MAX_DEPTH];
	struct berth_isolation_member members[MAX_MEMBERS];
	struct berth_isolation_facts facts = {
		.at = dev->bdf,
		.group = dev->iommu_group,
		.acs_override = acs_override,
		.steps = steps,
		.members = members,
	};
	char reason[BERTH_ISOLATION_REASON];

	if (dev->iommu_group >= 0) {
		facts.nr_steps = berth_inventory_steps(inv, dev, steps);
		facts.nr_members = collect_members(inv, dev, members);
		/* Only such a group can hold a function bound to vfio-pci without an IOMMU. */
		facts.noiommu = strncmp(dev->driver, "vfio", 4) == 0 &&
				is_noiommu(host, dev->iommu_group);
	}
	dev->isolation = berth_isolation_judge(&facts, reason);
	dev->isolation_reason = strdup(reason);
	return dev->isolation_reason ? 0 : -ENOMEM;
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

static int relate(struct berth_inventory *inv, const struct berth_host *host)
{
	bool acs_override = cmdline_overrides_acs(host);
	int r = separate_twins(inv);

	for (size_t i = 0; i < inv->nr && r == 0; i++)
		r = name_vfs_of(inv, &inv->devices[i], host);
	for (size_t i = 0; i < inv->nr && r == 0; i++)
		r = judge(&inv->devices[i], inv, host, acs_override);
	return r;
}

/* --- the snapshot --- */

static int read_all(struct berth_inventory *inv, struct berth_function_reader *rd,
		    const struct berth_bdf *places, size_t nr, struct berth_err *err)
{
	inv->devices = calloc(nr + 1, sizeof(*inv->devices));
	if (!inv->devices)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		struct berth_device *dev = &inv->devices[inv->nr];
		int r = berth_function_read(dev, rd, places[i], err);

		if (r == 0) {
			inv->nr++;
			continue;
		}
		berth_function_done(dev);
		if (r != -ENODEV)
			return berth_err_prefix(err, r, "reading %s", BERTH_BDF_STR(places[i]));
		log_debug("%s went away while it was read", BERTH_BDF_STR(places[i]));
	}
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	return berth_bdf_cmp(a, b);
}

/* libpci takes a folder that cannot be read to its end for a shorter one. Return: 0; -EIO; -errno. */
static int compare_lists(const struct berth_host *host, char *const *names,
			 const struct berth_bdf *places, size_t nr, struct berth_err *err)
{
	for (; *names; names++) {
		struct berth_bdf at;

		if (berth_bdf_parse(*names, &at) < 0 ||
		    bsearch(&at, places, nr, sizeof(*places), compare_places))
			continue;
		if (berth_sysfs_exists(host, DEVICES "/%s", *names))
			return berth_err_set(err, -EIO,
					     "%s is there, and libpci does not see it; try again",
					     *names);
	}
	return 0;
}

int berth_inventory_read(struct berth_inventory **ret, const struct berth_host *host,
			 struct berth_err *err)
{
	BERTH_CLEANUP(berth_inventory_freep) struct berth_inventory *inv = calloc(1, sizeof(*inv));
	BERTH_CLEANUP(berth_pcilib_closep) struct berth_pcilib *lib = NULL;
	BERTH_CLEANUP(berth_freep) struct berth_bdf *places = NULL;
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	struct berth_function_reader rd = { .host = host };
	size_t nr = 0;
	int r;

	if (!inv)
		return berth_err_set(err, -ENOMEM, "out of memory");
	berth_quiet_read(&rd.quiet, host);
	r = berth_sysfs_list(host, &names, NULL, DEVICES);
	if (berth_sysfs_is_absent(r)) {
		*ret = BERTH_TAKE_PTR(inv);
		return 0;
	}
	if (r < 0)
		return berth_err_set(err, r, "/sys/" DEVICES ": %s", strerror(-r));
	r = berth_pcilib_open(&lib, host, err);
	if (r == 0)
		r = berth_pcilib_scan(lib, &places, &nr, err);
	if (r == 0)
		r = compare_lists(host, names, places, nr, err);
	if (r < 0)
		return r;
	rd.lib = lib;
	r = read_all(inv, &rd, places, nr, err);
	if (r < 0)
		return r;
	r = relate(inv, host);
	if (r < 0)
		return berth_err_set(err, r, "reading the PCI functions: %s", strerror(-r));
	berth_pcilib_rest(lib);
	inv->names = BERTH_TAKE_PTR(lib);
	*ret = BERTH_TAKE_PTR(inv);
	return 0;
}

void berth_inventory_free(struct berth_inventory *inv)
{
	if (!inv)
		return;
	for (size_t i = 0; i < inv->nr; i++)
		berth_function_done(&inv->devices[i]);
	free(inv->devices);
	berth_pcilib_close(inv->names);
	free(inv);
}

/* --- names --- */

const char *berth_device_name(const struct berth_inventory *inv, const struct berth_device *dev,
			      char buf[static BERTH_DEVICE_NAME])
{
	char text[2][BERTH_PCILIB_NAME];
	const char *vendor = "", *device = "";

	if (inv->names) {
		vendor = berth_pcilib_name(inv->names, BERTH_PCILIB_VENDOR, dev->vendor_id, 0,
					   text[0], sizeof(text[0]));
		device = berth_pcilib_name(inv->names, BERTH_PCILIB_DEVICE, dev->vendor_id,
					   dev->device_id, text[1], sizeof(text[1]));
	}
	if (*vendor && *device)
		snprintf(buf, BERTH_DEVICE_NAME, "%s %s", vendor, device);
	else if (*vendor)
		snprintf(buf, BERTH_DEVICE_NAME, "%s Device %04x", vendor, dev->device_id);
	else
		snprintf(buf, BERTH_DEVICE_NAME, "Device %04x:%04x", dev->vendor_id,
			 dev->device_id);
	return buf;
}

const char *berth_device_class_name(const struct berth_inventory *inv,
				    const struct berth_device *dev,
				    char buf[static BERTH_DEVICE_NAME])
{
	if (!inv->names)
		return "";
	return berth_pcilib_name(inv->names, BERTH_PCILIB_CLASS, (int)(dev->class >> 8), 0, buf,
				 BERTH_DEVICE_NAME);
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
