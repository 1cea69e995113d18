/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/model_irqs.h"

#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#define NR RICH_MSIX_VECTORS

static uint32_t shadow(const struct model_config *cfg, unsigned int at, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)cfg->shadow[at + i] << 8 * i;
	return v;
}

static void clear_table(struct model_irqs *m)
{
	memset(m->table, 0, sizeof(m->table));
	for (unsigned int n = 0; n < NR; n++)
		m->table[n][3] = 1;
}

void model_irqs_init(struct model_irqs *m, unsigned int gsi)
{
	memset(m, 0, sizeof(*m));
	m->gsi = gsi;
	clear_table(m);
}

static unsigned int nr_of(const struct model_irqs *m)
{
	return m->mode == MODEL_MSIX ? NR : m->mode == MODEL_MSI ? m->msi_nr : 0;
}

static bool live(const struct model_irqs *m, const struct model_config *cfg, unsigned int n)
{
	if (m->mode == MODEL_MSI)
		return !(shadow(cfg, RICH_MSI + 16, 4) >> n & 1);
	return !(m->control & 0x4000) && !(m->table[n][3] & 1);
}

static struct fake_message message(const struct model_irqs *m, const struct model_config *cfg,
				   unsigned int n)
{
	if (m->mode == MODEL_MSIX)
		return (struct fake_message){ (uint64_t)m->table[n][1] << 32 | m->table[n][0],
					      m->table[n][2] };
	return (struct fake_message){
		(uint64_t)shadow(cfg, RICH_MSI + 8, 4) << 32 | shadow(cfg, RICH_MSI + 4, 4),
		(shadow(cfg, RICH_MSI + 12, 2) & ~(m->msi_nr - 1)) | n,
	};
}

static void deliver(struct model_irqs *m, struct fake_message message)
{
	if (m->nr_want < sizeof(m->want) / sizeof(m->want[0]))
		m->want[m->nr_want++] = message;
}

/* Vectors that can deliver now do so when they were pending. */
static void settle(struct model_irqs *m, const struct model_config *cfg)
{
	for (unsigned int n = 0; n < nr_of(m); n++) {
		if (!live(m, cfg, n))
			continue;
		m->known[n] = true;
		if (m->pending[n])
			deliver(m, message(m, cfg, n));
		m->pending[n] = false;
	}
}

void model_irqs_update(struct model_irqs *m, const struct model_config *cfg, bool reset)
{
	uint32_t msi = shadow(cfg, RICH_MSI + 2, 2);
	enum model_mode mode;
	unsigned int log2 = msi >> 4 & 7, nr = 1u << (log2 < 2 ? log2 : 2);

	m->control = (uint16_t)shadow(cfg, RICH_MSIX + 2, 2);
	mode = m->control & 0x8000 ? MODEL_MSIX : msi & 1 ? MODEL_MSI : MODEL_INTX;
	if (reset)
		clear_table(m);
	/* Leaving a kind of interrupts forgets what was pending in it. */
	if (reset || mode != m->mode || (mode == MODEL_MSI && nr != m->msi_nr)) {
		memset(m->pending, 0, sizeof(m->pending));
		memset(m->known, 0, sizeof(m->known));
	}
	m->mode = mode;
	m->msi_nr = nr;
	settle(m, cfg);
}

static bool legal(uint64_t offset, unsigned int len, uint64_t size)
{
	return (len == 4 || len == 8) && offset % len == 0 && offset < size && size - offset >= len;
}

void model_irqs_write(struct model_irqs *m, const struct model_config *cfg, uint64_t offset,
		      unsigned int len, const uint8_t *data)
{
	static const uint32_t mask[4] = { ~3u, ~0u, ~0u, 1 };

	if (!legal(offset, len, sizeof(m->table)))
		return;
	for (unsigned int i = 0; i < len; i += 4) {
		unsigned int word = (unsigned int)(offset + i) / 4;
		uint32_t v;

		memcpy(&v, data + i, 4);
		m->table[word / 4][word % 4] = v & mask[word % 4];
	}
	settle(m, cfg);
}

void model_irqs_read(const struct model_irqs *m, uint64_t offset, unsigned int len, uint8_t *data)
{
	memset(data, 0xff, len);
	if (legal(offset, len, sizeof(m->table)))
		memcpy(data, (const uint8_t *)m->table + offset, len);
}

void model_irqs_read_pba(const struct model_irqs *m, uint64_t offset, unsigned int len,
			 uint8_t *data)
{
	uint8_t bits[8] = { 0 };

	memset(data, 0xff, len);
	for (unsigned int n = 0; m->mode == MODEL_MSIX && n < NR; n++)
		if (m->pending[n] && m->known[n])
			bits[n / 8] |= (uint8_t)(1u << n % 8);
	if (legal(offset, len, sizeof(bits)))
		memcpy(data, bits + offset, len);
}

uint32_t model_irqs_msi_pending(const struct model_irqs *m)
{
	uint32_t bits = 0;

	for (unsigned int n = 0; m->mode == MODEL_MSI && n < m->msi_nr; n++)
		if (m->pending[n] && m->known[n])
			bits |= 1u << n;
	return bits;
}

void model_irqs_raise(struct model_irqs *m, const struct model_config *cfg, unsigned int n)
{
	if (m->mode == MODEL_INTX) {
		deliver(m, (struct fake_message){ 0, m->gsi });
		return;
	}
	if (n >= nr_of(m))
		return;
	m->pending[n] = true;
	settle(m, cfg);
}

static int by_message(const void *a, const void *b)
{
	const struct fake_message *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->data < y->data ? -1 : x->data > y->data;
}

const char *model_irqs_check(struct model_irqs *m, const struct fake_vfio *f)
{
	static const unsigned int index_of[] = {
		[MODEL_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
		[MODEL_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
		[MODEL_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	unsigned int nr = m->nr_want, got = fake_irq.nr_log;

	m->nr_want = fake_irq.nr_log = 0;
	for (unsigned int i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (f->irq[i].enabled != (i == index_of[m->mode]))
			return "the wrong kind of interrupts is enabled in VFIO";
	if (got < nr)
		return "an interrupt was lost";
	if (got > nr)
		return "an interrupt came that nobody raised";
	qsort(m->want, nr, sizeof(m->want[0]), by_message);
	qsort(fake_irq.log, nr, sizeof(fake_irq.log[0]), by_message);
	for (unsigned int i = 0; i < nr; i++)
		if (by_message(&m->want[i], &fake_irq.log[i]))
			return "an interrupt went to the wrong place";
	return NULL;
}
