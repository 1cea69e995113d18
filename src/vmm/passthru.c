/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/passthru.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#define BERTH_LOG "vmm/passthru"
#include "base/err.h"
#include "base/log.h"
#include "vfio/atomics.h"
#include "vfio/config.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vmm/dev_bars.h"
#include "vmm/dev_irqs.h"
#include "vmm/pci_host.h"
#include "vmm/vm.h"

struct berth_passthru {
	struct berth_pci_function function;
	struct berth_vm *vm;	       /* borrowed */
	struct berth_vfio_device *dev; /* owned */
	struct berth_vfio_config *cfg; /* owned */
	struct berth_dev_irqs *irqs;   /* owned */
	struct berth_dev_bars *bars;   /* owned */
};

static const char *name_of(const struct berth_passthru *pt)
{
	return berth_vfio_device_name(pt->dev);
}

/* --- config space --- */

static struct berth_passthru *of_function(struct berth_pci_function *function)
{
	return (struct berth_passthru *)((char *)function -
					 offsetof(struct berth_passthru, function));
}

static uint32_t config_read(struct berth_pci_function *self, unsigned int offset, unsigned int len)
{
	struct berth_passthru *pt = of_function(self);

	berth_dev_bars_settle(pt->bars);
	berth_dev_irqs_refresh(pt->irqs, offset, len);
	return berth_vfio_config_read(pt->cfg, offset, len);
}

static void config_write(struct berth_pci_function *self, unsigned int offset, unsigned int len,
			 uint32_t value)
{
	struct berth_passthru *pt = of_function(self);
	unsigned int touched;

	if (offset == PCI_COMMAND && (value & PCI_COMMAND_MASTER))
		berth_dev_bars_bus_master(pt->bars);
	touched = berth_vfio_config_write(pt->cfg, offset, len, value);
	if (touched & BERTH_VFIO_CONFIG_RESET) {
		berth_dev_bars_reset(pt->bars);
		berth_dev_irqs_reset(pt->irqs);
		return;
	}
	berth_dev_bars_update(pt->bars, offset, len, value);
	if (touched & (BERTH_VFIO_CONFIG_MSI | BERTH_VFIO_CONFIG_MSIX))
		berth_dev_irqs_update(pt->irqs);
}

static const struct berth_pci_function_ops function_ops = {
	.config_read = config_read,
	.config_write = config_write,
};

/* --- making --- */

/*
 * The device's own decoding stays on as long as we have it: what the guest reaches is decided by its mappings, and the
 * kernel need not tear down and fault in page tables whenever a guest probes a BAR.
 */
static void wake_up(struct berth_passthru *pt)
{
	berth_vfio_device_config_write(pt->dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO,
				       2);
}

void berth_passthru_stop(struct berth_passthru *pt)
{
	berth_vfio_device_config_write(pt->dev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
}

static int make_parts(struct berth_passthru *pt, struct berth_barspace *space,
		      struct berth_err *err)
{
	struct berth_dev_bars_config bars = {
		.dev = pt->dev,
		.cfg = pt->cfg,
		.host = berth_vm_pci(pt->vm),
		.mmio = berth_vm_mmio(pt->vm),
		.pio = berth_vm_pio(pt->vm),
		.space = space,
	};
	int r;

	r = berth_dev_irqs_new(&pt->irqs, berth_vm_irq(pt->vm), pt->dev, pt->cfg, err);
	bars.irqs = pt->irqs;
	return r == 0 ? berth_dev_bars_new(&pt->bars, &bars, &pt->function, err) : r;
}

/* INTx is up from the start, as after a reset; only when plugged in is its pin known. */
static int plug(struct berth_passthru *pt, struct berth_pci_slot *slot, unsigned int fn,
		struct berth_err *err)
{
	unsigned int pin = berth_vfio_config_shadow(pt->cfg, PCI_INTERRUPT_PIN, 1);
	int r;

	r = berth_pci_slot_add(slot, fn, &pt->function, err);
	if (r < 0)
		return r;
	berth_pci_slot_atomics(slot, berth_vfio_atomics(pt->dev));
	r = berth_dev_irqs_plug(
		pt->irqs, pin >= 1 && pin <= 4 ? berth_pci_intx_gsi(&pt->function, pin) : 0, err);
	if (r < 0)
		berth_pci_slot_remove(&pt->function);
	return r;
}

/* What the VM's settings say about this device. */
static int change_config(struct berth_passthru *pt, const struct berth_passthru_config *config,
			 struct berth_err *err)
{
	if (config->no_rom)
		berth_vfio_config_no_rom(pt->cfg);
	if (config->move_msix && !berth_vfio_config_move_msix(pt->cfg))
		log_warn(
			"%s: its MSI-X table stays where it is: no BAR is free, and its own cannot grow",
			name_of(pt));
	return config->in_clique ? berth_vfio_config_add_clique(pt->cfg, config->p2p_clique,
								config->p2p_clique_force, err) :
				   0;
}

static int make(struct berth_passthru *pt, const struct berth_passthru_config *config,
		struct berth_err *err)
{
	int r;

	r = berth_vfio_config_new(&pt->cfg, pt->dev, config->multifunction, err);
	if (r < 0)
		return r;
	r = change_config(pt, config, err);
	if (r < 0)
		return r;
	wake_up(pt);
	r = make_parts(pt, config->space, err);
	return r == 0 ? plug(pt, config->slot, config->fn, err) : r;
}

/* Also of what is half made. The device itself stays open. */
static void unmake(struct berth_passthru *pt)
{
	berth_dev_irqs_free(pt->irqs);
	berth_passthru_stop(pt);
	berth_dev_bars_free(pt->bars);
	berth_vfio_config_free(pt->cfg);
	free(pt);
}

int berth_passthru_new(struct berth_passthru **ret, struct berth_vm *vm,
		       const struct berth_passthru_config *config, struct berth_vfio_device *dev,
		       struct berth_err *err)
{
	struct berth_passthru *pt = calloc(1, sizeof(*pt));
	int r;

	if (!pt)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	pt->vm = vm;
	pt->dev = dev;
	pt->function.ops = &function_ops;
	pt->function.name = name_of(pt);
	r = make(pt, config, err);
	if (r < 0) {
		berth_err_prefix(err, r, "%s", name_of(pt));
		unmake(pt); /* the device stays the caller's */
		return r;
	}
	*ret = pt;
	return 0;
}

void berth_passthru_free(struct berth_passthru *pt)
{
	struct berth_vfio_device *dev;

	if (!pt)
		return;
	dev = pt->dev;
	unmake(pt);
	berth_vfio_device_close(dev);
}

unsigned int berth_passthru_nr_fds(struct berth_vfio_device *dev)
{
	struct berth_vfio_irq info;
	unsigned int nr = 2 /* for INTx */, vectors = 0;

	if (berth_vfio_irq_query(&info, dev, BERTH_VFIO_IRQ_MSI) == 0)
		vectors = info.count;
	if (berth_vfio_irq_query(&info, dev, BERTH_VFIO_IRQ_MSIX) == 0 && info.count > vectors)
		vectors = info.count;
	return nr + vectors;
}
