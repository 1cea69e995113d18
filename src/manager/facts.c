/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/facts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sysfs.h"
#include "manager/unit.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"
#include "vfio/netdev.h"
#include "vfio/serials.h"

struct berth_fact_text {
	char bdf[BERTH_BDF_LEN];
	char serial[BERTH_SERIAL_LEN];
	struct berth_serials serials;
	char netdev[IFNAMSIZ];
	char mac[24], slot[64], label[128];
	char *group_key; /* owned, NULL when in no group */
};

/* Millions of transfers a second and lane, of the link speeds 1 … 6 (PCIe Base 6.0, 7.5.3.18). */
static uint32_t link_mts(unsigned int speed)
{
	static const uint32_t mts[] = { 0, 2500, 5000, 8000, 16000, 32000, 64000 };

	return speed < BERTH_ARRAY_SIZE(mts) ? mts[speed] : 0;
}

static uint64_t bar_total(const struct berth_device *dev)
{
	uint64_t total = 0;

	for (int i = 0; i < BERTH_NR_BARS; i++) {
		if (!dev->bars[i].io)
			total += dev->bars[i].size;
	}
	return total;
}

static uint32_t group_size(const struct berth_inventory *inv, const struct berth_device *dev)
{
	const struct berth_device *member = NULL;
	uint32_t nr = 0;

	if (dev->iommu_group < 0)
		return 0;
	while ((member = berth_inventory_next_in_group(inv, dev->iommu_group, member)))
		nr += !berth_device_is_bridge(member);
	return nr;
}

/* The text of an attribute without its newline, or NULL. */
static const char *attr_text(const struct berth_host *host, const char *bdf, const char *name,
			     char *buf, size_t size)
{
	if (berth_sysfs_read(host, buf, size, "bus/pci/devices/%s/%s", bdf, name) <= 0)
		return NULL;
	return buf;
}

/* The slot whose address is ours: "0000:03:00", without the function. */
static const char *slot_name(const struct berth_host *host, char *const *slots, const char *bdf,
			     char *buf, size_t size)
{
	char address[32];

	for (; slots && *slots; slots++) {
		size_t len;

		if (berth_sysfs_read(host, address, sizeof(address), "bus/pci/slots/%s/address",
				     *slots) <= 0)
			continue;
		len = strlen(address);
		if (strncmp(address, bdf, len) == 0 && bdf[len] == '.') {
			snprintf(buf, size, "%s", *slots);
			return buf;
		}
	}
	return NULL;
}

static void fill_hardware(const struct berth_host *host, const struct berth_inventory *inv,
			  const struct berth_device *dev, char *const *slots,
			  struct berth_facts *facts, struct berth_fact_text *text)
{
	uint64_t index = 0;

	facts->slot = slot_name(host, slots, text->bdf, text->slot, sizeof(text->slot));
	facts->label = attr_text(host, text->bdf, "label", text->label, sizeof(text->label));
	if (berth_sysfs_read_u64(host, &index, "bus/pci/devices/%s/acpi_index", text->bdf) == 0 &&
	    index <= INT32_MAX)
		facts->acpi_index = (int32_t)index;
	facts->revision = dev->caps.revision >= 0 ? dev->caps.revision : BERTH_FACT_UNKNOWN;
	facts->group_size = group_size(inv, dev);
	facts->vfs_total = dev->vfs_total;
	facts->bar_total = bar_total(dev);
	facts->link_speed = link_mts(dev->caps.link_speed);
	facts->link_speed_max = link_mts(dev->caps.link_speed_max);
	facts->link_width = dev->caps.link_width;
	facts->link_width_max = dev->caps.link_width_max;
	facts->boot_vga = dev->boot_vga;
}

/* @inuse: NULL: not known. */
static void fill_use(const struct berth_host *host, const struct berth_inuse *inuse,
		     const struct berth_device *dev, struct berth_facts *facts,
		     struct berth_fact_text *text)
{
	const struct berth_inuse_reason *reason = NULL;

	if (berth_netdev_of(host, dev->bdf, text->netdev) == 0)
		facts->netdev = text->netdev;
	if (facts->netdev &&
	    berth_sysfs_read(host, text->mac, sizeof(text->mac),
			     "bus/pci/devices/%s/net/%s/address", text->bdf, text->netdev) > 0)
		facts->mac = text->mac;
	facts->default_route = facts->block_in_use = inuse ? BERTH_NO : BERTH_UNKNOWN;
	while (inuse && (reason = berth_inuse_next(inuse, dev->bdf, reason))) {
		if (reason->code == BERTH_INUSE_DEFAULT_ROUTE)
			facts->default_route = BERTH_YES;
		if (reason->code == BERTH_INUSE_ROOT_DISK || reason->code == BERTH_INUSE_MOUNTED ||
		    reason->code == BERTH_INUSE_SWAP || reason->code == BERTH_INUSE_HELD_BLOCK)
			facts->block_in_use = BERTH_YES;
	}
}

/* Empty texts are not known. */
static void fill_serials(const struct berth_host *host, const struct berth_device *dev, bool vpd,
			 struct berth_facts *facts, struct berth_fact_text *text)
{
	struct berth_serials *s = &text->serials;

	berth_serials_read(s, host, dev, vpd);
	facts->serial_vpd = *s->vpd ? s->vpd : NULL;
	facts->serial_nvme = *s->nvme ? s->nvme : NULL;
	facts->serial_mac = *s->mac ? s->mac : NULL;
}

static int fill(const struct berth_inventory *inv, const struct berth_device *dev,
		struct berth_facts *facts, struct berth_fact_text *text)
{
	if (dev->iommu_group >= 0) {
		text->group_key = berth_unit_key(inv, dev);
		if (!text->group_key)
			return -ENOMEM;
	}
	*facts = (struct berth_facts){
		.bdf = berth_bdf_format(dev->bdf, text->bdf),
		.path = dev->path,
		.class = dev->class,
		.vendor = dev->vendor_id,
		.device = dev->device_id,
		.subsystem_vendor = dev->subsystem_vendor_id,
		.subsystem_device = dev->subsystem_device_id,
		.driver = dev->driver,
		.serial = berth_caps_serial(&dev->caps, text->serial),
		.group_key = text->group_key,
		.isolation = berth_isolation_name(dev->isolation),
		.reset = dev->reset_methods,
		.numa_node = dev->numa_node >= 0 ? dev->numa_node : BERTH_FACT_UNKNOWN,
		.is_bridge = berth_device_is_bridge(dev),
		.is_vf = dev->is_vf,
		.vf_index = dev->is_vf ? dev->vf_index : BERTH_FACT_UNKNOWN,
	};
	if (dev->isolation == BERTH_ISOLATION_UNKNOWN)
		facts->isolation = NULL;
	return 0;
}

static int fill_all(const struct berth_host *host, bool vpd, struct berth_fact_sheet *sheet)
{
	BERTH_CLEANUP(berth_inuse_freep) struct berth_inuse *inuse = NULL;
	const struct berth_inventory *inv = sheet->inv;
	char **slots = NULL;
	int r = 0;

	if (berth_inuse_read(&inuse, host, false, NULL) < 0)
		inuse = NULL;
	if (berth_sysfs_list(host, &slots, NULL, "bus/pci/slots") < 0)
		slots = NULL;
	for (size_t i = 0; i < inv->nr; i++) {
		const struct berth_device *dev = &inv->devices[i];

		sheet->nr++;
		r = fill(inv, dev, &sheet->items[i], &sheet->texts[i]);
		if (r < 0)
			break;
		fill_hardware(host, inv, dev, slots, &sheet->items[i], &sheet->texts[i]);
		fill_use(host, inuse, dev, &sheet->items[i], &sheet->texts[i]);
		fill_serials(host, dev, vpd, &sheet->items[i], &sheet->texts[i]);
	}
	free(slots);
	return r;
}

static void link_pfs(struct berth_fact_sheet *sheet)
{
	for (size_t i = 0; i < sheet->nr; i++) {
		const struct berth_device *dev = &sheet->inv->devices[i], *pf;

		pf = dev->is_vf ? berth_inventory_find(sheet->inv, dev->pf) : NULL;
		if (pf)
			sheet->items[i].pf = berth_facts_of(sheet, pf);
	}
}

int berth_facts_build(struct berth_fact_sheet **ret, const struct berth_host *host,
		      const struct berth_inventory *inv, bool vpd, struct berth_err *err)
{
	BERTH_CLEANUP(berth_fact_sheet_freep) struct berth_fact_sheet *sheet =
		calloc(1, sizeof(*sheet));

	if (!sheet)
		return berth_err_set(err, -ENOMEM, "out of memory");
	sheet->inv = inv;
	sheet->items = calloc(inv->nr ? inv->nr : 1, sizeof(*sheet->items));
	sheet->texts = calloc(inv->nr ? inv->nr : 1, sizeof(*sheet->texts));
	if (!sheet->items || !sheet->texts)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (fill_all(host, vpd, sheet) < 0)
		return berth_err_set(err, -ENOMEM, "out of memory");
	link_pfs(sheet);
	*ret = BERTH_TAKE_PTR(sheet);
	return 0;
}

void berth_fact_sheet_free(struct berth_fact_sheet *sheet)
{
	if (!sheet)
		return;
	for (size_t i = 0; sheet->texts && i < sheet->nr; i++)
		free(sheet->texts[i].group_key);
	free(sheet->texts);
	free(sheet->items);
	free(sheet);
}

const struct berth_facts *berth_facts_of(const struct berth_fact_sheet *sheet,
					 const struct berth_device *dev)
{
	assert(dev >= sheet->inv->devices && dev < sheet->inv->devices + sheet->nr);
	return &sheet->items[dev - sheet->inv->devices];
}
