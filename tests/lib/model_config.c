/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/model_config.h"

#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define ONES UINT32_MAX

void fake_rich_device(struct fake_vfio *f)
{
	unsigned int seed = 7;

	/* Noise first: whatever nobody gave a meaning to. Links, ids and what steers the set-up are written over it. */
	for (unsigned int i = PCI_STD_HEADER_SIZEOF; i < sizeof(f->config); i++)
		f->config[i] = (uint8_t)rand_r(&seed);
	fake_put16(f, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	fake_put32(f, PCI_SUBSYSTEM_VENDOR_ID, 0x56781af4);
	f->config[PCI_INTERRUPT_PIN] = 1;
	f->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	f->irq[VFIO_PCI_INTX_IRQ_INDEX].flags = VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	fake_vfio_bar(f, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	fake_vfio_bar(f, 2, 0x100000, 0);
	fake_vfio_bar(f, 3, 32, PCI_BASE_ADDRESS_SPACE_IO);
	fake_vfio_cap(f, RICH_PM, PCI_CAP_ID_PM);
	fake_put16(f, RICH_PM + PCI_PM_PMC, 0xfe03);
	fake_vfio_msi(f, RICH_MSI, 2, true, true);
	fake_vfio_msix(f, RICH_MSIX, RICH_MSIX_VECTORS, RICH_TABLE, RICH_PBA, false);
	fake_vfio_cap(f, RICH_EXP, PCI_CAP_ID_EXP);
	fake_put16(f, RICH_EXP + PCI_EXP_FLAGS, 0x0092); /* integrated endpoint */
	fake_put32(f, RICH_EXP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | 0x8fff);
	fake_vfio_cap(f, RICH_VPD, PCI_CAP_ID_VPD);
	fake_vfio_cap(f, RICH_VNDR, PCI_CAP_ID_VNDR);
	fake_vfio_cap(f, RICH_AF, PCI_CAP_ID_AF);
	fake_put16(f, RICH_AF + PCI_AF_LENGTH, 0x0306);
	fake_vfio_cap(f, RICH_PCIX, PCI_CAP_ID_PCIX);
	fake_vfio_ext_cap(f, RICH_AER, PCI_EXT_CAP_ID_ERR);
	fake_vfio_ext_cap(f, RICH_DSN, PCI_EXT_CAP_ID_DSN);
	fake_vfio_ext_cap(f, RICH_ARI, PCI_EXT_CAP_ID_ARI);
	fake_vfio_ext_cap(f, RICH_SRIOV, PCI_EXT_CAP_ID_SRIOV);
	fake_vfio_ext_cap(f, RICH_EXT_VNDR, PCI_EXT_CAP_ID_VNDR);
	fake_vfio_ext_cap(f, RICH_REBAR, PCI_EXT_CAP_ID_REBAR);
	fake_put32(f, RICH_REBAR + PCI_REBAR_CAP, 0xff0);   /* up to 128 MiB */
	fake_put32(f, RICH_REBAR + PCI_REBAR_CTRL, 0x0022); /* one BAR: 2, of 1 MiB */
	fake_vfio_ext_cap(f, RICH_PWR, PCI_EXT_CAP_ID_PWR);
	fake_vfio_ext_cap(f, RICH_ODD, 0x7777);
}

/* @ours, @guest, @zero of a register, and @value where it is ours. */
static void reg(struct model_config *m, unsigned int at, unsigned int width, uint32_t ours,
		uint32_t guest, uint32_t zero, uint32_t value)
{
	for (unsigned int i = 0; i < width; i++) {
		m->ours[at + i] = (uint8_t)(ours >> 8 * i);
		m->guest[at + i] = (uint8_t)(guest >> 8 * i);
		m->zero[at + i] = (uint8_t)(zero >> 8 * i);
		m->shadow[at + i] = (uint8_t)(value >> 8 * i);
	}
}

/* Read-only, the device's. */
static void look(struct model_config *m, unsigned int at, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		reg(m, at + i, 1, 0, 0, 0, 0);
}

static void constant(struct model_config *m, unsigned int at, unsigned int width, uint32_t value)
{
	reg(m, at, width, ONES, 0, 0, value);
}

static void header(struct model_config *m)
{
	look(m, PCI_VENDOR_ID, 4);
	reg(m, PCI_COMMAND, 2, 3, 0x547, 0, 0);
	reg(m, PCI_STATUS, 2, 0x10, 0xf900, 0xf900, 0x10);
	look(m, PCI_CLASS_REVISION, 4);
	reg(m, PCI_CACHE_LINE_SIZE, 1, 0xff, 0xff, 0, 0);
	constant(m, PCI_LATENCY_TIMER, 1, 0);
	constant(m, PCI_HEADER_TYPE, 1, 0);
	constant(m, PCI_BIST, 1, 0);
	reg(m, PCI_BASE_ADDRESS_0, 4, ONES, 0xffffc000, 0, 0xc);
	reg(m, PCI_BASE_ADDRESS_1, 4, ONES, ONES, 0, 0);
	reg(m, PCI_BASE_ADDRESS_2, 4, ONES, 0xfff00000, 0, 0);
	reg(m, PCI_BASE_ADDRESS_3, 4, ONES, 0xffffffe0, 0, 1);
	for (unsigned int at = PCI_BASE_ADDRESS_4; at < 0x40; at += 4)
		constant(m, at, 4, 0);
	look(m, PCI_SUBSYSTEM_VENDOR_ID, 4);
	constant(m, PCI_CAPABILITY_LIST, 1, RICH_PM);
	reg(m, PCI_INTERRUPT_LINE, 1, 0xff, 0xff, 0, 0);
	constant(m, PCI_INTERRUPT_PIN, 1, 1);
}

static void express(struct model_config *m)
{
	constant(m, RICH_EXP + 2, 2, 0x0002);
	reg(m, RICH_EXP + 4, 4, 0x18, 0, 0, 0);
	reg(m, RICH_EXP + 8, 2, 0, 0xf9ff, 0, 0);
	reg(m, RICH_EXP + 10, 2, 0, 0xf, 0xf, 0);
	look(m, RICH_EXP + 12, 8);
	for (unsigned int at = 0x14; at < 0x3c; at += 4)
		constant(m, RICH_EXP + at, 4, 0);
	reg(m, RICH_EXP + 0x24, 4, 0x00ff3820, 0, 0, 0);
	reg(m, RICH_EXP + 0x28, 2, 0, 0x035f, 0, 0);
	look(m, RICH_EXP + 0x2a, 10);
}

static void legacy_caps(struct model_config *m)
{
	static const struct {
		uint8_t at, id, next;
	} chain[] = {
		{ RICH_PM, 1, RICH_MSI },      { RICH_MSI, 5, RICH_MSIX },
		{ RICH_MSIX, 0x11, RICH_EXP }, { RICH_EXP, 0x10, RICH_VPD },
		{ RICH_VPD, 3, RICH_VNDR },    { RICH_VNDR, 9, RICH_AF },
		{ RICH_AF, 0x13, 0 },
	};

	reg(m, RICH_PM + 2, 2, 0xfe00, 0, 0, 0);
	reg(m, RICH_PM + 4, 2, 0xff03, 0x0003, 0, 0);
	constant(m, RICH_PM + 6, 2, 0);
	reg(m, RICH_MSI + 2, 2, 0xffff, 0x71, 0, 0x184);
	reg(m, RICH_MSI + 4, 4, ONES, ONES & ~3u, 0, 0);
	reg(m, RICH_MSI + 8, 4, ONES, ONES, 0, 0);
	reg(m, RICH_MSI + 12, 4, ONES, 0xffff, 0, 0);
	reg(m, RICH_MSI + 16, 4, ONES, 0xf, 0, 0);
	constant(m, RICH_MSI + 20, 4, 0);
	reg(m, RICH_MSIX + 2, 2, 0xffff, 0xc000, 0, RICH_MSIX_VECTORS - 1);
	constant(m, RICH_MSIX + 4, 4, RICH_TABLE);
	constant(m, RICH_MSIX + 8, 4, RICH_PBA);
	express(m);
	reg(m, RICH_VPD + 2, 2, 0, 0x7fff, 0x8000, 0);
	look(m, RICH_VPD + 4, 4);
	look(m, RICH_AF + 2, 2);
	reg(m, RICH_AF + 4, 1, 0, 1, 0, 0);
	look(m, RICH_AF + 5, 1);
	for (unsigned int at = RICH_PCIX; at < 0x100; at++)
		constant(m, at, 1, 0);
	for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
		constant(m, chain[i].at, 2, chain[i].id | (uint32_t)chain[i].next << 8);
}

static void ext_caps(struct model_config *m)
{
	look(m, RICH_AER, 0x2c);
	look(m, RICH_DSN, 12);
	for (unsigned int at = RICH_ARI; at < RICH_EXT_VNDR; at++)
		constant(m, at, 1, 0);
	constant(m, RICH_REBAR + 4, 4, 0x10);
	constant(m, RICH_REBAR + 8, 4, 0x22);
	look(m, RICH_PWR, 16);
	reg(m, RICH_PWR + 4, 1, 0, 0xff, 0, 0);
	for (unsigned int at = RICH_ODD; at < RICH_ODD_END; at++)
		constant(m, at, 1, 0);
	constant(m, RICH_AER, 4, 1 | 1 << 16 | RICH_DSN << 20);
	constant(m, RICH_DSN, 4, 3 | 1 << 16 | RICH_EXT_VNDR << 20);
	constant(m, RICH_EXT_VNDR, 4, 0xb | 1 << 16 | RICH_REBAR << 20);
	constant(m, RICH_REBAR, 4, 0x15 | 1 << 16 | RICH_PWR << 20);
	constant(m, RICH_PWR, 4, 4 | 1 << 16);
}

void model_config_init(struct model_config *m, const struct fake_vfio *f)
{
	(void)f;
	/* What lies between the capabilities is its driver's. */
	memset(m, 0, sizeof(*m));
	memset(m->guest, 0xff, sizeof(m->guest));
	header(m);
	legacy_caps(m);
	ext_caps(m);
	memcpy(m->initial, m->shadow, sizeof(m->initial));
}

static uint32_t get(const uint8_t *bytes, unsigned int at, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)bytes[at + i] << 8 * i;
	return v;
}

static bool sets(unsigned int offset, unsigned int len, uint32_t value, unsigned int at,
		 unsigned int bit)
{
	return offset <= at && at < offset + len && (value >> 8 * (at - offset) & bit);
}

struct model_write model_config_write(struct model_config *m, const struct fake_vfio *f,
				      unsigned int offset, unsigned int len, uint32_t value)
{
	uint32_t ours = get(m->ours, offset, len), guest = get(m->guest, offset, len);
	uint32_t through = guest & ~ours, keep = ~through & ~get(m->zero, offset, len);
	uint8_t power = m->shadow[RICH_PM + 4];
	struct model_write w = {
		.to_device = through != 0,
		.value = ((value & through) | (fake_get(f, offset, len) & keep)) &
			 ONES >> (32 - 8 * len),
		.reset = sets(offset, len, value, RICH_EXP + 9, 0x80) ||
			 sets(offset, len, value, RICH_AF + 4, 0x01),
	};

	for (unsigned int i = 0; i < len; i++) {
		uint8_t note = m->ours[offset + i] & m->guest[offset + i];

		m->shadow[offset + i] =
			(uint8_t)((m->shadow[offset + i] & ~note) | ((value >> 8 * i) & note));
	}
	if ((m->shadow[RICH_PM + 4] & 3) % 3) /* D1 and D2 do not exist */
		m->shadow[RICH_PM + 4] = power;
	if (w.reset)
		memcpy(m->shadow, m->initial, sizeof(m->shadow));
	return w;
}

uint32_t model_config_read(const struct model_config *m, const struct fake_vfio *f,
			   unsigned int offset, unsigned int len)
{
	uint32_t ours = get(m->ours, offset, len);

	return (fake_get(f, offset, len) & ~ours) | (get(m->shadow, offset, len) & ours);
}
