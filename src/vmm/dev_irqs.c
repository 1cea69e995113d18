/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/dev_irqs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#define BERTH_LOG "vmm/dev_irqs"
#include "base/err.h"
#include "base/log.h"
#include "vfio/config.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vmm/intx.h"
#include "vmm/irq.h"
#include "vmm/msix.h"
#include "vmm/vectors.h"

#define NR_BARS	 6u
#define MAX_TOLD 10u

/* How interrupts reach the guest; the three exclude each other. */
enum irq_mode { IRQ_NONE, IRQ_INTX, IRQ_MSI, IRQ_MSIX };

struct berth_dev_irqs {
	struct berth_irq *irq;	       /* borrowed */
	struct berth_vfio_device *dev; /* borrowed */
	struct berth_vfio_config *cfg; /* borrowed */
	struct berth_msix *msix;       /* owned; NULL without */
	struct berth_vectors *vectors; /* owned; NULL without */
	struct berth_intx *intx;       /* owned; NULL without */
	struct berth_range table, pba; /* in their BARs; empty without */
	pthread_mutex_t lock;	       /* guards what follows, and msix */
	enum irq_mode mode;
	unsigned int msi_nr;  /* vectors in use in mode IRQ_MSI */
	unsigned int nr_told; /* lines in the log */
};

/*
 * The guest goes on without what failed; the line in the log says what that is. Guests can make it fail again and again:
 * the first few lines say all there is to say.
 */
static void shrug(struct berth_dev_irqs *irqs, const char *what, const struct berth_err *err)
{
	if (irqs->nr_told == MAX_TOLD)
		return;
	irqs->nr_told++;
	log_warn("%s: %s: %s%s", berth_vfio_device_name(irqs->dev), what, err->text,
		 irqs->nr_told == MAX_TOLD ? "; not reported from now on" : "");
}

static void msix_arm(void *opaque, unsigned int n, uint64_t addr, uint32_t data)
{
	struct berth_dev_irqs *irqs = opaque;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vectors_arm(irqs->vectors, n, addr, data, &err) < 0)
		shrug(irqs, "an interrupt vector stays silent", &err);
}

static void msix_hold(void *opaque, unsigned int n)
{
	struct berth_dev_irqs *irqs = opaque;

	berth_vectors_hold(irqs->vectors, n);
}

static bool msix_pending(void *opaque, unsigned int n)
{
	struct berth_dev_irqs *irqs = opaque;

	/* The vectors of MSI are the same ones. */
	return irqs->mode == IRQ_MSIX && berth_vectors_pending(irqs->vectors, n);
}

static void commit_vectors(void *opaque)
{
	struct berth_dev_irqs *irqs = opaque;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vectors_commit(irqs->vectors, &err) < 0)
		shrug(irqs, "an interrupt vector stays silent", &err);
}

static const struct berth_msix_ops msix_ops = {
	.arm = msix_arm,
	.hold = msix_hold,
	.pending = msix_pending,
	.commit = commit_vectors,
};

static uint16_t msi_flags(const struct berth_dev_irqs *irqs)
{
	unsigned int cap = berth_vfio_config_caps(irqs->cfg)->msi;

	return cap ? (uint16_t)berth_vfio_config_shadow(irqs->cfg, cap + PCI_MSI_FLAGS, 2) : 0;
}

static uint16_t msix_control(const struct berth_dev_irqs *irqs)
{
	unsigned int cap = berth_vfio_config_caps(irqs->cfg)->msix;

	return cap ? (uint16_t)berth_vfio_config_shadow(irqs->cfg, cap + PCI_MSIX_FLAGS, 2) : 0;
}

/* What the guest's enable bits ask for. Both at once is forbidden (7.7.1.2); MSI-X then counts. */
static enum irq_mode mode_wanted(const struct berth_dev_irqs *irqs)
{
	if (msix_control(irqs) & PCI_MSIX_FLAGS_ENABLE)
		return IRQ_MSIX;
	if (msi_flags(irqs) & PCI_MSI_FLAGS_ENABLE)
		return IRQ_MSI;
	return irqs->intx ? IRQ_INTX : IRQ_NONE;
}

static unsigned int msi_nr_wanted(const struct berth_dev_irqs *irqs)
{
	unsigned int nr = 1u << ((msi_flags(irqs) & PCI_MSI_FLAGS_QSIZE) >> 4);
	unsigned int max = berth_vfio_config_caps(irqs->cfg)->msi_vectors;

	return nr < max ? nr : max;
}

static uint32_t msi_masked(const struct berth_dev_irqs *irqs)
{
	unsigned int mask = berth_vfio_config_caps(irqs->cfg)->msi_mask;

	return mask ? berth_vfio_config_shadow(irqs->cfg, mask, 4) : 0;
}

/* Message data of vector n has n in its low bits (7.7.1.5). */
static void program_msi(struct berth_dev_irqs *irqs)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(irqs->cfg);
	uint64_t addr = berth_vfio_config_shadow(irqs->cfg, caps->msi + PCI_MSI_ADDRESS_LO, 4);
	unsigned int data_at = caps->msi + (caps->msi_64bit ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
	uint32_t data = berth_vfio_config_shadow(irqs->cfg, data_at, 2);

	if (caps->msi_64bit)
		addr |= (uint64_t)berth_vfio_config_shadow(irqs->cfg,
							   caps->msi + PCI_MSI_ADDRESS_HI, 4)
			<< 32;
	for (unsigned int n = 0; n < irqs->msi_nr; n++) {
		if (msi_masked(irqs) >> n & 1)
			berth_vectors_hold(irqs->vectors, n);
		else
			msix_arm(irqs, n, addr, (data & ~(irqs->msi_nr - 1)) | n);
	}
	commit_vectors(irqs);
}

static void leave_mode(struct berth_dev_irqs *irqs)
{
	switch (irqs->mode) {
	case IRQ_NONE:
		break;
	case IRQ_INTX:
		berth_intx_off(irqs->intx);
		break;
	case IRQ_MSIX:
		berth_msix_set_control(irqs->msix, 0);
		berth_vectors_disable(irqs->vectors);
		break;
	case IRQ_MSI:
		berth_vectors_disable(irqs->vectors);
		break;
	}
	irqs->mode = IRQ_NONE;
}

static void enter_mode(struct berth_dev_irqs *irqs, enum irq_mode mode)
{
	struct berth_err err = BERTH_ERR_INIT;

	irqs->mode = mode;
	switch (mode) {
	case IRQ_NONE:
		break;
	case IRQ_INTX:
		if (berth_intx_on(irqs->intx, &err) < 0) {
			irqs->mode = IRQ_NONE;
			shrug(irqs, "INTx does not work", &err);
		}
		break;
	case IRQ_MSI:
		irqs->msi_nr = msi_nr_wanted(irqs);
		berth_vectors_enable(irqs->vectors, BERTH_VFIO_IRQ_MSI, irqs->msi_nr);
		program_msi(irqs);
		break;
	case IRQ_MSIX:
		berth_vectors_enable(irqs->vectors, BERTH_VFIO_IRQ_MSIX,
				     berth_vfio_config_caps(irqs->cfg)->msix_vectors);
		berth_msix_set_control(irqs->msix, msix_control(irqs));
		/* Also with every vector masked the device is to see MSI-X enabled: some wait for it. */
		commit_vectors(irqs);
		break;
	}
}

static void update_irq(struct berth_dev_irqs *irqs)
{
	enum irq_mode mode = mode_wanted(irqs);

	if (mode == IRQ_MSI && irqs->mode == IRQ_MSI && msi_nr_wanted(irqs) != irqs->msi_nr)
		leave_mode(irqs);
	if (mode != irqs->mode) {
		leave_mode(irqs);
		enter_mode(irqs, mode);
	} else if (mode == IRQ_MSI) {
		program_msi(irqs);
	} else if (mode == IRQ_MSIX) {
		berth_msix_set_control(irqs->msix, msix_control(irqs));
	}
}

/* Can [offset, offset + size) be in that BAR of the guest? */
static bool in_bar(const struct berth_dev_irqs *irqs, unsigned int bar, struct berth_range r)
{
	return bar < NR_BARS &&
	       berth_range_fits(r.start, r.size, berth_vfio_config_bar(irqs->cfg, bar)->size);
}

static int make_msix(struct berth_dev_irqs *irqs, struct berth_err *err)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(irqs->cfg);
	struct berth_range table = { caps->msix_table_offset, caps->msix_table_size };

	if (caps->msix && !in_bar(irqs, caps->msix_table_bar, table))
		return berth_err_set(err, -EPROTO, "its MSI-X table is outside of BAR %u",
				     caps->msix_table_bar);
	/* The whole table of the device, also what the guest has no vectors for and of what reaches beyond the BAR the rest. */
	if (table.size)
		irqs->table = berth_range_intersect(
			table,
			(struct berth_range){
				0, berth_vfio_config_bar(irqs->cfg, caps->msix_table_bar)->size });
	if (!caps->msix)
		return 0;
	if (berth_msix_new(&irqs->msix, caps->msix_vectors, &msix_ops, irqs) < 0)
		return berth_err_set(err, -ENOMEM, "MSI-X table: out of memory");
	irqs->pba = (struct berth_range){ caps->msix_pba_offset, berth_msix_pba_size(irqs->msix) };
	/* Some VFs say so of their PBA; nobody needs it. */
	if (!in_bar(irqs, caps->msix_pba_bar, irqs->pba))
		irqs->pba = (struct berth_range){ 0, 0 };
	return 0;
}

static int make(struct berth_dev_irqs *irqs, struct berth_err *err)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(irqs->cfg);
	unsigned int msi = caps->msi ? caps->msi_vectors : 0;
	unsigned int msix = caps->msix ? caps->msix_vectors : 0;
	unsigned int nr = msi > msix ? msi : msix;
	int r = make_msix(irqs, err);

	if (r == 0 && nr)
		r = berth_vectors_new(&irqs->vectors, irqs->irq, irqs->dev, nr, err);
	return r;
}

int berth_dev_irqs_new(struct berth_dev_irqs **ret, struct berth_irq *irq,
		       struct berth_vfio_device *dev, struct berth_vfio_config *cfg,
		       struct berth_err *err)
{
	struct berth_dev_irqs *irqs = calloc(1, sizeof(*irqs));
	int r;

	if (!irqs)
		return berth_err_set(err, -ENOMEM, "interrupts: out of memory");
	irqs->irq = irq;
	irqs->dev = dev;
	irqs->cfg = cfg;
	pthread_mutex_init(&irqs->lock, NULL);
	r = make(irqs, err);
	if (r < 0) {
		berth_dev_irqs_free(irqs);
		return r;
	}
	*ret = irqs;
	return 0;
}

void berth_dev_irqs_free(struct berth_dev_irqs *irqs)
{
	if (!irqs)
		return;
	leave_mode(irqs);
	berth_intx_free(irqs->intx);
	berth_vectors_free(irqs->vectors);
	berth_msix_free(irqs->msix);
	pthread_mutex_destroy(&irqs->lock);
	free(irqs);
}

int berth_dev_irqs_plug(struct berth_dev_irqs *irqs, unsigned int gsi, struct berth_err *err)
{
	unsigned int pin = berth_vfio_config_shadow(irqs->cfg, PCI_INTERRUPT_PIN, 1);
	struct berth_vfio_irq info;
	int r;

	if (berth_vfio_irq_query(&info, irqs->dev, BERTH_VFIO_IRQ_INTX) < 0 || info.count == 0 ||
	    !info.automasked || pin < 1 || pin > 4) {
		berth_vfio_config_no_intx(irqs->cfg);
		return 0;
	}
	r = berth_intx_new(&irqs->intx, irqs->irq, irqs->dev, gsi, err);
	if (r == 0)
		enter_mode(irqs, IRQ_INTX);
	if (r == 0 && irqs->mode != IRQ_INTX) {
		/* The host's line is shared and cannot be: the guest gets to know that there is none. */
		berth_intx_free(BERTH_TAKE_PTR(irqs->intx));
		berth_vfio_config_no_intx(irqs->cfg);
	}
	return r;
}

void berth_dev_irqs_update(struct berth_dev_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	update_irq(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

void berth_dev_irqs_reset(struct berth_dev_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	leave_mode(irqs);
	if (irqs->msix)
		berth_msix_reset(irqs->msix);
	update_irq(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

void berth_dev_irqs_refresh(struct berth_dev_irqs *irqs, unsigned int offset, unsigned int len)
{
	unsigned int mask = berth_vfio_config_caps(irqs->cfg)->msi_mask;
	uint32_t bits = 0;

	if (!mask || !berth_range_overlaps((struct berth_range){ mask + 4u, 4 },
					   (struct berth_range){ offset, len }))
		return;
	pthread_mutex_lock(&irqs->lock);
	for (unsigned int n = 0; irqs->mode == IRQ_MSI && n < irqs->msi_nr; n++)
		if (berth_vectors_pending(irqs->vectors, n))
			bits |= UINT32_C(1) << n;
	pthread_mutex_unlock(&irqs->lock);
	berth_vfio_config_set_pending(irqs->cfg, bits);
}

struct berth_range berth_dev_irqs_part(const struct berth_dev_irqs *irqs,
				       enum berth_dev_irqs_part part, unsigned int bar)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(irqs->cfg);
	unsigned int its = part == BERTH_MSIX_TABLE ? caps->msix_table_bar : caps->msix_pba_bar;

	if (its != bar)
		return (struct berth_range){ 0, 0 };
	return part == BERTH_MSIX_TABLE ? irqs->table : irqs->pba;
}

void berth_dev_irqs_read(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
			 uint64_t offset, unsigned int len, void *data)
{
	memset(data, 0xff, len);
	if (!irqs->msix)
		return;
	pthread_mutex_lock(&irqs->lock);
	if (part == BERTH_MSIX_TABLE)
		berth_msix_table_read(irqs->msix, offset, len, data);
	else
		berth_msix_pba_read(irqs->msix, offset, len, data);
	pthread_mutex_unlock(&irqs->lock);
}

void berth_dev_irqs_write(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
			  uint64_t offset, unsigned int len, const void *data)
{
	if (!irqs->msix || part != BERTH_MSIX_TABLE) /* pending bits are read-only */
		return;
	pthread_mutex_lock(&irqs->lock);
	berth_msix_table_write(irqs->msix, offset, len, data);
	pthread_mutex_unlock(&irqs->lock);
}
