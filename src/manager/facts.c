/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/facts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>

#include "base/err.h"
#include "manager/unit.h"
#include "vfio/inventory.h"
#include "vfio/netdev.h"

struct berth_fact_text {
	char bdf[BERTH_BDF_LEN];
	char serial[24];
	char netdev[IFNAMSIZ];
	char *group_key; /* owned, NULL when in no group */
};

/* As lspci writes a Device Serial Number: "00-1b-21-ff-ff-01-02-03". */
static const char *serial_text(const struct berth_device *dev, char buf[static 24])
{
	uint64_t n = dev->caps.serial;

	if (dev->caps.has_serial != BERTH_YES)
		return NULL;
	snprintf(buf, 24, "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x", (uint8_t)(n >> 56),
		 (uint8_t)(n >> 48), (uint8_t)(n >> 40), (uint8_t)(n >> 32), (uint8_t)(n >> 24),
		 (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n);
	return buf;
}

static int fill(const struct berth_host *host, const struct berth_inventory *inv,
		const struct berth_device *dev, struct berth_facts *facts,
		struct berth_fact_text *text)
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
		.serial = serial_text(dev, text->serial),
		.group_key = text->group_key,
		.isolation = berth_isolation_name(dev->isolation),
		.reset = dev->reset_methods,
		.numa_node = dev->numa_node >= 0 ? dev->numa_node : BERTH_FACT_UNKNOWN,
		.is_bridge = berth_device_is_bridge(dev),
		.is_vf = dev->is_vf,
		.vf_index = dev->is_vf ? dev->vf_index : BERTH_FACT_UNKNOWN,
		.netdev = berth_netdev_of(host, dev->bdf, text->netdev) == 0 ? text->netdev : NULL,
	};
	if (dev->isolation == BERTH_ISOLATION_UNKNOWN)
		facts->isolation = NULL;
	return 0;
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
		      const struct berth_inventory *inv, struct berth_err *err)
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
	for (size_t i = 0; i < inv->nr; i++, sheet->nr++) {
		if (fill(host, inv, &inv->devices[i], &sheet->items[i], &sheet->texts[i]) < 0)
			return berth_err_set(err, -ENOMEM, "out of memory");
	}
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
