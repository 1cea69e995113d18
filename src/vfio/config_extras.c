/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/config_inside.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "base/range.h"
#include "vfio/caps.h"
#include "vfio/config_table.h"
#include "vfio/device.h"
#include "vfio/region.h"

#define ROM_MIN	    2048u
#define ROM_MAX	    (16u << 20)
#define PAGE	    UINT64_C(4096)
#define BAR32_MAX   (UINT64_C(1) << 31)
#define NVIDIA	    0x10deu
#define CLIQUE_SIZE 8u

void berth_vfio_config_no_intx(struct berth_vfio_config *cfg)
{
	berth_vfio_config_put(cfg, PCI_INTERRUPT_PIN, 1, 0);
	cfg->initial[PCI_INTERRUPT_PIN] = 0;
}

/* 7.5.1.2.4: address from bit 11 on, and an enable bit of its own. The largest there is has 16 MiB. */
void berth_vfio_config_setup_rom(struct berth_vfio_config *cfg)
{
	const struct berth_vfio_region *region =
		berth_vfio_device_region(cfg->dev, BERTH_VFIO_REGION_ROM);
	uint64_t size = ROM_MIN;
	uint32_t mask;

	if (!region || !region->readable || region->size > ROM_MAX)
		return;
	while (size < region->size)
		size *= 2;
	cfg->bars[BERTH_VFIO_CONFIG_ROM].size = size;
	mask = ~(uint32_t)(size - 1) | PCI_ROM_ADDRESS_ENABLE;
	for (unsigned int b = 0; b < 4; b++)
		cfg->write[PCI_ROM_ADDRESS + b] = (uint8_t)(mask >> (8 * b));
}

void berth_vfio_config_no_rom(struct berth_vfio_config *cfg)
{
	cfg->bars[BERTH_VFIO_CONFIG_ROM].size = 0;
	memset(cfg->write + PCI_ROM_ADDRESS, 0, 4);
}

/* The same before and after a reset. */
static void put_for_ever(struct berth_vfio_config *cfg, unsigned int offset, unsigned int len,
			 uint32_t v)
{
	berth_vfio_config_put(cfg, offset, len, v);
	memcpy(cfg->initial + offset, cfg->shadow + offset, len);
}

static void make_sizable(struct berth_vfio_config *cfg, unsigned int i)
{
	uint64_t mask = ~(cfg->bars[i].size - 1);

	for (unsigned int b = 0; b < (cfg->bars[i].is64 ? 8u : 4u); b++)
		cfg->write[PCI_BASE_ADDRESS_0 + 4 * i + b] = (uint8_t)(mask >> (8 * b));
}

/* A register that neither a BAR nor the upper half of one uses; the last one. Return: -1 none. */
static int free_bar(const struct berth_vfio_config *cfg)
{
	for (int i = NR_BARS - 1; i >= 0; i--)
		if (!cfg->bars[i].size && !(i > 0 && cfg->bars[i - 1].is64))
			return i;
	return -1;
}

static bool grow(struct berth_vfio_config *cfg, unsigned int i, uint64_t room)
{
	struct berth_vfio_config_bar *bar = &cfg->bars[i];

	if (bar->size < room || bar->size > (bar->is64 ? UINT64_C(1) << 50 : BAR32_MAX / 2))
		return false;
	bar->size *= 2;
	return true;
}

bool berth_vfio_config_move_msix(struct berth_vfio_config *cfg)
{
	struct berth_vfio_config_caps *caps = &cfg->caps;
	uint64_t table = 16 * (uint64_t)caps->msix_vectors; /* 7.7.2.5 */
	uint64_t pba = (caps->msix_vectors + 63) / 64 * 8;  /* 7.7.2.6 */
	int bar = free_bar(cfg);
	uint64_t room = PAGE, at = 0;

	if (!caps->msix)
		return true;
	while (room < table + pba)
		room *= 2;
	if (bar >= 0) {
		cfg->bars[bar] = (struct berth_vfio_config_bar){ .size = room };
	} else {
		bar = (int)caps->msix_table_bar;
		at = cfg->bars[bar].size;
		if (at > UINT32_MAX / 2 || !grow(cfg, (unsigned int)bar, room))
			return false;
	}
	make_sizable(cfg, (unsigned int)bar);
	caps->msix_table_bar = caps->msix_pba_bar = (unsigned int)bar;
	caps->msix_table_offset = (uint32_t)at;
	caps->msix_table_size = (uint32_t)table;
	caps->msix_pba_offset = (uint32_t)(at + table);
	put_for_ever(cfg, caps->msix + PCI_MSIX_TABLE, 4, caps->msix_table_offset | (uint32_t)bar);
	put_for_ever(cfg, caps->msix + PCI_MSIX_PBA, 4, caps->msix_pba_offset | (uint32_t)bar);
	return true;
}

/* How far a capability reaches at least, as far as we know its kind. */
static unsigned int known_size(const struct berth_vfio_config *cfg, const uint8_t *image,
			       const struct berth_cap *cap)
{
	if (cap->id == PCI_CAP_ID_VNDR && cap->at + 2u < LEGACY_SIZE)
		return image[cap->at + 2] > 3 ? image[cap->at + 2] : 3;
	if (cap->id == PCI_CAP_ID_EXP)
		return 0x3c; /* 7.5.3, version 2 */
	if (cap->id == PCI_CAP_ID_MSI)
		return 24; /* 7.7.1, the longest form */
	(void)cfg;
	return berth_config_cap((uint8_t)cap->id)->size > 4 ?
		       berth_config_cap((uint8_t)cap->id)->size :
		       4;
}

static bool is_free(const struct berth_vfio_config *cfg, const uint8_t *image, unsigned int at)
{
	struct berth_cap list[BERTH_CAPS_MAX];
	size_t nr = berth_caps_list(image, LEGACY_SIZE, list);

	for (size_t i = 0; i < nr; i++) {
		struct berth_range cap = { list[i].at, known_size(cfg, image, &list[i]) };

		if (berth_range_overlaps(cap, (struct berth_range){ at, CLIQUE_SIZE }))
			return false;
	}
	for (unsigned int i = 0; i < CLIQUE_SIZE; i++)
		if (image[at + i])
			return false;
	return true;
}

static unsigned int last_link(const struct berth_vfio_config *cfg)
{
	unsigned int link = PCI_CAPABILITY_LIST;

	while (cfg->shadow[link])
		link = cfg->shadow[link] + PCI_CAP_LIST_NEXT;
	return link;
}

/*
 * What NVIDIA's driver looks for: a vendor-specific capability of eight bytes at C8h or D4h, "P2P" and the clique's number
 * from bit 3 on ("NVIDIA GPUDirect with PCI Pass-Through Virtualization", the specification that QEMU documents).
 */
int berth_vfio_config_add_clique(struct berth_vfio_config *cfg, unsigned int clique, bool force,
				 struct berth_err *err)
{
	static const uint8_t places[] = { 0xc8, 0xd4 };
	const char *name = berth_vfio_device_name(cfg->dev);
	uint8_t image[LEGACY_SIZE];

	if (!force && berth_vfio_device_config_read(cfg->dev, PCI_VENDOR_ID, 2) != NVIDIA)
		return berth_err_set(
			err, -EINVAL,
			"%s: a P2P clique is for NVIDIA's devices; p2p_clique_force gives "
			"it one all the same",
			name);
	for (unsigned int i = 0; i < LEGACY_SIZE; i += 4) {
		uint32_t v = berth_vfio_device_config_read(cfg->dev, i, 4);

		memcpy(image + i, &v, 4);
	}
	for (size_t i = 0; i < sizeof(places); i++) {
		unsigned int at = places[i];

		if (!is_free(cfg, image, at))
			continue;
		memset(cfg->ours + at, 0xff, CLIQUE_SIZE);
		memset(cfg->write + at, 0, CLIQUE_SIZE);
		memset(cfg->through + at, 0, CLIQUE_SIZE);
		put_for_ever(cfg, last_link(cfg), 1, at);
		put_for_ever(cfg, at, 4, PCI_CAP_ID_VNDR | CLIQUE_SIZE << 16 | (uint32_t)'P' << 24);
		put_for_ever(cfg, at + 4, 4, '2' | 'P' << 8 | clique << (16 + 3));
		put_for_ever(cfg, PCI_STATUS, 1, PCI_STATUS_CAP_LIST);
		return 0;
	}
	return berth_err_set(
		err, -EEXIST,
		"%s: a P2P clique goes to C8h or D4h of config space, and both are taken", name);
}
