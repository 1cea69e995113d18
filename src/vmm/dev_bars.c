/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/dev_bars.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#define BERTH_LOG "vmm/dev_bars"
#include "base/err.h"
#include "base/log.h"
#include "base/range.h"
#include "vfio/config.h"
#include "vfio/device.h"
#include "vfio/rom.h"
#include "vmm/barmap.h"
#include "vmm/bars.h"
#include "vmm/barspace.h"
#include "vmm/dev_irqs.h"
#include "vmm/pci_host.h"

struct berth_dev_bars {
	struct berth_dev_bars_config config;
	unsigned int owner; /* in config.space */
	struct berth_bars bars;
	struct berth_barmap *map[BERTH_BARS_NR]; /* owned; NULL: no such BAR */
	struct berth_rom *rom;			 /* owned; NULL: none */
};

static void part_read(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		      void *data)
{
	berth_dev_irqs_read(opaque, (enum berth_dev_irqs_part)part, offset, len, data);
}

static void part_write(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		       const void *data)
{
	berth_dev_irqs_write(opaque, (enum berth_dev_irqs_part)part, offset, len, data);
}

static void rom_read(void *opaque, unsigned int part, uint64_t offset, unsigned int len, void *data)
{
	(void)part;
	berth_rom_read(opaque, offset, len, data);
}

static void rom_write(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		      const void *data)
{
	(void)opaque;
	(void)part;
	(void)offset;
	(void)len;
	(void)data;
}

static bool bar_ok(void *opaque, unsigned int index, uint64_t addr)
{
	struct berth_dev_bars *b = opaque;
	const struct berth_vfio_config_bar *bar = berth_vfio_config_bar(b->config.cfg, index);

	if (bar->io)
		return berth_range_fits(addr, bar->size, BERTH_PCI_IO_END);
	return berth_pci_host_mmio_ok(b->config.host, (struct berth_range){ addr, bar->size });
}

static void bar_map(void *opaque, unsigned int index, uint64_t addr)
{
	struct berth_dev_bars *b = opaque;
	const char *name = berth_vfio_device_name(b->config.dev);
	struct berth_err err = BERTH_ERR_INIT;

	log_debug("%s: BAR %u at %#" PRIx64, name, index, addr);
	if (berth_barmap_place(b->map[index], addr, &err) < 0)
		log_warn("%s: a BAR cannot be reached: %s", name, err.text);
}

static void bar_unmap(void *opaque, unsigned int index)
{
	struct berth_dev_bars *b = opaque;

	berth_barmap_remove(b->map[index]);
}

static const struct berth_bars_ops bars_ops = {
	.ok = bar_ok,
	.map = bar_map,
	.unmap = bar_unmap,
};

void berth_dev_bars_bus_master(struct berth_dev_bars *b)
{
	berth_barspace_bus_master(b->config.space, b->owner);
}

void berth_dev_bars_update(struct berth_dev_bars *b, unsigned int offset, unsigned int len,
			   uint32_t value)
{
	const struct berth_vfio_config *cfg = b->config.cfg;
	uint32_t reg[BERTH_BARS_NR];
	unsigned int written = 0, ones = 0;

	for (unsigned int i = 0; i < BERTH_BARS_NR; i++) {
		unsigned int at = i == BERTH_BARS_ROM ? PCI_ROM_ADDRESS :
							PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t flags = i == BERTH_BARS_ROM ? ~(uint32_t)PCI_ROM_ADDRESS_MASK : 0xf;

		reg[i] = berth_vfio_config_shadow(cfg, at, 4);
		if (offset / 4 == at / 4) {
			written = 1u << i;
			ones = len == 4 && (value | flags) == UINT32_MAX ? written : 0;
		}
	}
	berth_bars_update(&b->bars, berth_vfio_config_mem_on(cfg), berth_vfio_config_io_on(cfg),
			  reg, written, ones);
}

void berth_dev_bars_reset(struct berth_dev_bars *b)
{
	static const uint32_t zero[BERTH_BARS_NR];

	/* All written, none with ones: no sizing is under way any more. */
	berth_bars_update(&b->bars, false, false, zero, (1u << BERTH_BARS_NR) - 1, 0);
}

void berth_dev_bars_settle(struct berth_dev_bars *b)
{
	berth_bars_settle(&b->bars);
}

static int make_bar(struct berth_dev_bars *b, unsigned int i, struct berth_pci_function *function,
		    struct berth_err *err)
{
	const struct berth_vfio_config_bar *bar = berth_vfio_config_bar(b->config.cfg, i);
	struct berth_barmap_config config = {
		.dev = b->config.dev,
		.bar = i,
		.size = bar->size,
		.io = bar->io,
		.bus = bar->io ? b->config.pio : b->config.mmio,
		.space = b->config.space,
		.owner = b->owner,
		.read = part_read,
		.write = part_write,
		.opaque = b->config.irqs,
	};

	if (!bar->size)
		return 0;
	for (unsigned int part = 0; part < BERTH_MSIX_NR_PARTS; part++)
		config.emulated[part] =
			berth_dev_irqs_part(b->config.irqs, (enum berth_dev_irqs_part)part, i);
	function->bars[i] = (struct berth_pci_bar){
		.size = bar->size,
		.is64 = bar->is64,
		.prefetch = bar->prefetch,
		.io = bar->io,
	};
	berth_bars_define(&b->bars, i, bar->size, bar->is64, bar->io);
	return berth_barmap_new(&b->map[i], &config, err);
}

/* All of it is answered from the copy. */
static int make_rom(struct berth_dev_bars *b, struct berth_pci_function *function,
		    struct berth_err *err)
{
	uint64_t size = berth_vfio_config_bar(b->config.cfg, BERTH_VFIO_CONFIG_ROM)->size;
	struct berth_barmap_config config = {
		.dev = b->config.dev,
		.bar = BERTH_BARS_ROM,
		.size = size,
		.bus = b->config.mmio,
		.space = b->config.space,
		.owner = b->owner,
		.emulated = { { 0, size } },
		.read = rom_read,
		.write = rom_write,
	};

	if (!size)
		return 0;
	if (berth_rom_new(&b->rom, b->config.dev) < 0)
		return berth_err_set(err, -ENOMEM, "ROM: out of memory");
	config.opaque = b->rom;
	function->bars[BERTH_PCI_ROM_BAR] = (struct berth_pci_bar){ .size = size };
	berth_bars_define(&b->bars, BERTH_BARS_ROM, size, false, false);
	return berth_barmap_new(&b->map[BERTH_BARS_ROM], &config, err);
}

int berth_dev_bars_new(struct berth_dev_bars **ret, const struct berth_dev_bars_config *config,
		       struct berth_pci_function *function, struct berth_err *err)
{
	BERTH_CLEANUP(berth_dev_bars_freep) struct berth_dev_bars *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return berth_err_set(err, -ENOMEM, "BARs: out of memory");
	b->config = *config;
	r = berth_barspace_join(config->space, berth_vfio_device_name(config->dev));
	if (r < 0)
		return berth_err_set(err, r, "BARs: out of memory");
	b->owner = (unsigned int)r;
	berth_bars_init(&b->bars, &bars_ops, b);
	for (unsigned int i = 0; i < BERTH_BARS_ROM; i++) {
		r = make_bar(b, i, function, err);
		if (r < 0)
			return r;
	}
	r = make_rom(b, function, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(b);
	return 0;
}

void berth_dev_bars_free(struct berth_dev_bars *b)
{
	if (!b)
		return;
	berth_bars_update(&b->bars, false, false, b->bars.reg, 0, 0);
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		berth_barmap_free(b->map[i]);
	berth_rom_free(b->rom);
	free(b);
}
