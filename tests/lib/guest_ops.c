/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "tests/lib/guest_ops.h"

#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/range.h"
#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vm.h"
#include "vmm/bus.h"
#include "vmm/passthru.h"
#include "vmm/pci_host.h"
#include "vmm/pci_slot.h"

#define BAR0_SIZE  0x4000u
#define TABLE_SIZE (RICH_MSIX_VECTORS * 16u)
#define PBA_SIZE   8u

/* Registers that do something, so that a fuzzer need not find them. */
static const struct {
	uint16_t at;
	uint8_t len;
} places[] = {
	{ PCI_COMMAND, 2 },	   { PCI_COMMAND, 4 },	      { PCI_BASE_ADDRESS_0, 4 },
	{ PCI_BASE_ADDRESS_1, 4 }, { PCI_BASE_ADDRESS_2, 4 }, { PCI_BASE_ADDRESS_3, 4 },
	{ RICH_PM + 4, 2 },	   { RICH_MSI, 4 },	      { RICH_MSI + 2, 2 },
	{ RICH_MSI + 4, 4 },	   { RICH_MSI + 8, 4 },	      { RICH_MSI + 12, 2 },
	{ RICH_MSI + 16, 4 },	   { RICH_MSI + 20, 4 },      { RICH_MSIX, 4 },
	{ RICH_MSIX + 2, 2 },	   { RICH_MSIX + 3, 1 },      { RICH_EXP + 8, 2 },
	{ RICH_AF + 4, 1 },	   { RICH_VPD, 4 },	      { PCI_INTERRUPT_LINE, 1 },
};

static uint64_t take(struct guest_ops *g, unsigned int bytes)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < bytes && g->left; i++, g->left--)
		v |= (uint64_t)*g->in++ << 8 * i;
	return v;
}

static uint32_t shadow(const struct guest_ops *g, unsigned int at)
{
	uint32_t v;

	memcpy(&v, g->config.shadow + at, 4);
	return v;
}

static const char *config_write(struct guest_ops *g, unsigned int at, unsigned int len, uint32_t v)
{
	uint32_t value = v & UINT32_MAX >> (32 - 8 * len);
	struct model_write w = model_config_write(&g->config, g->fake, at, len, value);

	g->fake->nr_log = 0;
	g->function->ops->config_write(g->function, at, len, value);
	model_irqs_update(&g->irqs, &g->config, w.reset);
	if (g->fake->nr_log != (unsigned int)(w.to_device + w.reset))
		return "the device got a write that it should not, or did not get one";
	if (w.to_device && (g->fake->log[0].offset != at || g->fake->log[0].len != len ||
			    g->fake->log[0].value != w.value))
		return "the device got something else than what the guest may write";
	return NULL;
}

static const char *config_read(struct guest_ops *g, unsigned int at, unsigned int len)
{
	uint32_t pending = model_irqs_msi_pending(&g->irqs), want, got;

	memcpy(g->config.shadow + RICH_MSI + 20, &pending, 4);
	want = model_config_read(&g->config, g->fake, at, len);
	got = g->function->ops->config_read(g->function, at, len);
	return got == want ? NULL : "config space reads something else";
}

static void aligned(unsigned int where, unsigned int *ret_at, unsigned int *ret_len)
{
	*ret_len = 1u << (where >> 12) % 3;
	*ret_at = where % 4096 & ~(*ret_len - 1);
}

/* Does a register hold what a sizing write leaves? Then its BAR is somewhere else, see vmm/bars.h. */
static bool sizing(const struct guest_ops *g)
{
	return (shadow(g, PCI_BASE_ADDRESS_0) & 0xffffc000) == 0xffffc000 ||
	       shadow(g, PCI_BASE_ADDRESS_1) == UINT32_MAX ||
	       (shadow(g, PCI_BASE_ADDRESS_2) & 0xfff00000) == 0xfff00000;
}

static bool decodes(const struct guest_ops *g)
{
	return g->config.shadow[PCI_COMMAND] & PCI_COMMAND_MEMORY &&
	       (g->config.shadow[RICH_PM + 4] & 3) == 0;
}

static uint64_t bar0_at(const struct guest_ops *g)
{
	return ((uint64_t)shadow(g, PCI_BASE_ADDRESS_1) << 32 | shadow(g, PCI_BASE_ADDRESS_0)) &
	       ~UINT64_C(0x3fff);
}

/* May what is at BAR 0's address be something else? */
static bool contested(const struct guest_ops *g)
{
	struct berth_range bar0 = { bar0_at(g), BAR0_SIZE };
	struct berth_range bar2 = { shadow(g, PCI_BASE_ADDRESS_2) & 0xfff00000, 0x100000 };

	return sizing(g) || berth_range_overlaps(bar0, bar2) ||
	       berth_range_overlaps(bar0, (struct berth_range){ BERTH_PCI_ECAM_BASE, 1 << 21 });
}

enum part { DEVICE, TABLE, PBA, NOBODY };

static enum part part_at(unsigned int at, unsigned int len)
{
	static const struct berth_range table = { RICH_TABLE, TABLE_SIZE },
					pba = { RICH_PBA, PBA_SIZE };
	struct berth_range what = { at, len };

	if (berth_range_overlaps(table, what))
		return berth_range_contains(table, what) ? TABLE : NOBODY;
	if (berth_range_overlaps(pba, what))
		return berth_range_contains(pba, what) ? PBA : NOBODY;
	return DEVICE;
}

static const char *bar_write(struct guest_ops *g, unsigned int at, unsigned int len, uint64_t v)
{
	bool answered;

	if (contested(g))
		return NULL;
	g->function->ops->config_read(g->function, 0, 4); /* settles half-written addresses */
	answered = berth_bus_write(g->vm->mmio, bar0_at(g) + at, len, &v);
	if (answered && !decodes(g))
		return "a BAR is written with decoding off";
	if (!answered)
		return NULL;
	if (part_at(at, len) == TABLE)
		model_irqs_write(&g->irqs, &g->config, at - RICH_TABLE, len, (const uint8_t *)&v);
	else if (part_at(at, len) == DEVICE)
		memcpy(g->bar0 + at, &v, len);
	return memcmp(g->bar0, g->fake->region[0].mem, BAR0_SIZE) == 0 ?
		       NULL :
		       "the device's memory holds something else";
}

static const char *bar_read(struct guest_ops *g, unsigned int at, unsigned int len)
{
	uint8_t want[8], got[8] = { 0 };
	bool answered;

	if (contested(g))
		return NULL;
	g->function->ops->config_read(g->function, 0, 4);
	answered = berth_bus_read(g->vm->mmio, bar0_at(g) + at, len, got);
	if (answered && !decodes(g))
		return "a BAR is read with decoding off";
	memset(want, 0xff, sizeof(want));
	if (answered && part_at(at, len) == TABLE)
		model_irqs_read(&g->irqs, at - RICH_TABLE, len, want);
	else if (answered && part_at(at, len) == PBA)
		model_irqs_read_pba(&g->irqs, at - RICH_PBA, len, want);
	else if (answered && part_at(at, len) == DEVICE)
		memcpy(want, g->bar0 + at, len);
	return memcmp(want, got, len) == 0 ? NULL : "a BAR reads something else";
}

static void raise_vector(struct guest_ops *g, unsigned int n)
{
	static const unsigned int index_of[] = {
		[MODEL_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
		[MODEL_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
		[MODEL_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
	};

	fake_irq_raise(g->fake, index_of[g->irqs.mode], g->irqs.mode == MODEL_INTX ? 0 : n);
	model_irqs_raise(&g->irqs, &g->config, n);
}

/* The device is pulled out: everything reads ones, nothing breaks. */
static const char *pull_out(struct guest_ops *g)
{
	bool ones = true;

	g->fake->gone = true;
	for (unsigned int at = 0; at < 4096; at += 4)
		ones &= g->function->ops->config_read(g->function, at, 4) == UINT32_MAX;
	while (g->left) {
		unsigned int at, len;

		aligned((unsigned int)take(g, 2), &at, &len);
		g->function->ops->config_write(g->function, at, len, (uint32_t)take(g, 4));
	}
	return ones ? NULL : "a device that is gone reads something";
}

static const char *step(struct guest_ops *g)
{
	unsigned int op = (unsigned int)take(g, 1), at, len, where;

	switch (op % 16) {
	case 0:
		g->what = "a config write";
		aligned((unsigned int)take(g, 2), &at, &len);
		return config_write(g, at, len, (uint32_t)take(g, len));
	case 1:
		g->what = "a config read";
		aligned((unsigned int)take(g, 2), &at, &len);
		return config_read(g, at, len);
	case 2:
	case 3:
	case 4:
		g->what = "a register write";
		where = (unsigned int)take(g, 1) % BERTH_ARRAY_SIZE(places);
		return config_write(g, places[where].at, places[where].len,
				    (uint32_t)take(g, places[where].len));
	case 5:
		g->what = "a register read";
		where = (unsigned int)take(g, 1) % BERTH_ARRAY_SIZE(places);
		return config_read(g, places[where].at, places[where].len);
	case 6:
		g->what = "BAR 0 is put into the window";
		config_write(g, PCI_BASE_ADDRESS_0, 4,
			     (uint32_t)BERTH_PCI_MMIO32_START | (uint32_t)take(g, 2) << 14);
		config_write(g, PCI_BASE_ADDRESS_1, 4, 0);
		return config_write(g, PCI_COMMAND, 2, 6);
	case 7:
	case 8:
		g->what = "a write into the vector table";
		where = (unsigned int)take(g, 1);
		return bar_write(g, RICH_TABLE + where % 40 * 4, where & 0x80 ? 8 : 4,
				 take(g, where & 0x80 ? 8 : 4));
	case 9:
		g->what = "masking a vector";
		where = (unsigned int)take(g, 1);
		return bar_write(g, RICH_TABLE + where % RICH_MSIX_VECTORS * 16 + 12, 4,
				 where >> 7);
	case 10:
		g->what = "a write into BAR 0";
		where = (unsigned int)take(g, 2);
		len = (op >> 4) % 8 + 1;
		return bar_write(g, where % (BAR0_SIZE - 7), len, take(g, len));
	case 11:
		g->what = "a read of BAR 0";
		where = (unsigned int)take(g, 2);
		return bar_read(g, where % (BAR0_SIZE - 7), (op >> 4) % 8 + 1);
	case 12:
		g->what = "a read of table or pending bits";
		where = (unsigned int)take(g, 1);
		return bar_read(g, (op & 0x80 ? RICH_PBA : RICH_TABLE) + where % 170,
				(op >> 4) % 8 + 1);
	case 13:
		g->what = op == 0xfd ? "surprise removal" : "a write to the pending bits";
		return op == 0xfd ? pull_out(g) :
				    bar_write(g, RICH_PBA + (op & 0x10) / 4, 4 + (op & 0x20) / 8,
					      take(g, 4));
	default:
		g->what = "an interrupt";
		raise_vector(g, op >> 4);
		return op & 1 ? config_read(g, RICH_MSI + 20, 4) : bar_read(g, RICH_PBA, 8);
	}
}

const char *guest_ops_run(struct guest_ops *g, const uint8_t *in, size_t len)
{
	g->in = in;
	g->left = len;
	while (g->left) {
		const char *wrong = step(g);

		if (!wrong && !g->fake->gone)
			wrong = model_irqs_check(&g->irqs, g->fake);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* The firmware's part writes BARs and leaves decoding off. */
static void after_firmware(struct guest_ops *g)
{
	for (unsigned int at = PCI_BASE_ADDRESS_0; at < PCI_BASE_ADDRESS_0 + 24; at += 4) {
		uint32_t v = g->function->ops->config_read(g->function, at, 4);

		memcpy(g->config.shadow + at, &v, 4);
	}
	g->config.shadow[PCI_INTERRUPT_LINE] =
		(uint8_t)g->function->ops->config_read(g->function, PCI_INTERRUPT_LINE, 1);
}

struct guest_ops *guest_ops_new(void)
{
	struct guest_ops *g = calloc(1, sizeof(*g));
	struct berth_passthru_config config = { .p2p_clique = -1 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vfio_device *dev;

	assert_non_null(g);
	fake_irq_reset();
	g->fake = fake_vfio_new();
	fake_rich_device(g->fake);
	g->fake->never_map = (struct berth_range){ RICH_TABLE, 0x2000 };
	g->vm = fake_vm_new();
	dev = fake_vfio_open(g->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	config.space = g->vm->space;
	config.slot = g->vm->slot;
	if (berth_passthru_new(&g->pt, fake_vm_as_vm(g->vm), &config, dev, &err) != 0 ||
	    berth_pci_host_assign(g->vm->host, &err) != 0)
		fail_msg("%s", err.text);
	g->function = g->vm->slot->functions[0];
	model_config_init(&g->config, g->fake);
	model_irqs_init(&g->irqs, berth_pci_intx_gsi(g->function, 1));
	after_firmware(g);
	return g;
}

void guest_ops_free(struct guest_ops *g)
{
	berth_passthru_free(g->pt);
	fake_vm_free(g->vm);
	fake_vfio_free(g->fake);
	free(g);
}
