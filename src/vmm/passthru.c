/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/passthru.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#define BERTH_LOG "vmm/passthru"
#include "base/err.h"
#include "base/log.h"
#include "base/range.h"
#include "vfio/config.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/region.h"
#include "vmm/barmap.h"
#include "vmm/bars.h"
#include "vmm/bus.h"
#include "vmm/intx.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/msix.h"
#include "vmm/pci_host.h"
#include "vmm/vectors.h"
#include "vmm/vm.h"

/* How interrupts reach the guest; the three exclude each other. */
enum irq_mode { IRQ_NONE, IRQ_INTX, IRQ_MSI, IRQ_MSIX };

/* The parts of a BAR that we answer. */
enum part { PART_TABLE, PART_PBA };

struct berth_passthru {
	struct berth_pci_function function;
	struct berth_vm *vm;			 /* borrowed */
	struct berth_vfio_device *dev;		 /* owned */
	struct berth_vfio_config *cfg;		 /* owned */
	struct berth_pci_host *host;		 /* borrowed from vm */
	struct berth_msix *msix;		 /* owned; NULL without */
	struct berth_vectors *vectors;		 /* owned; NULL without */
	struct berth_intx *intx;		 /* owned; NULL without */
	struct berth_range table, pba;		 /* in their BARs; empty without */
	struct berth_barmap *map[BERTH_BARS_NR]; /* owned; NULL: no such BAR */
	int err_fd, req_fd;			 /* owned, -1 when unset */
	bool watched[2];			 /* err_fd, req_fd */
	/* Config space is under the PCI host's lock, the MSI-X table is not: this guards what both reach. */
	pthread_mutex_t lock;
	struct berth_bars bars;
	enum irq_mode mode;
	unsigned int msi_nr; /* vectors in use in mode IRQ_MSI */
};

static const char *name_of(const struct berth_passthru *pt)
{
	return berth_vfio_device_name(pt->dev);
}

/* The guest goes on without what failed; the line in the log says what that is. */
static void shrug(const struct berth_passthru *pt, const char *what, const struct berth_err *err)
{
	log_warn("%s: %s: %s", name_of(pt), what, err->text);
}

/* --- interrupts; under pt->lock --- */

static void msix_arm(void *opaque, unsigned int n, uint64_t addr, uint32_t data)
{
	struct berth_passthru *pt = opaque;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vectors_arm(pt->vectors, n, addr, data, &err) < 0)
		shrug(pt, "an interrupt vector stays silent", &err);
}

static void msix_hold(void *opaque, unsigned int n)
{
	struct berth_passthru *pt = opaque;

	berth_vectors_hold(pt->vectors, n);
}

static bool msix_pending(void *opaque, unsigned int n)
{
	struct berth_passthru *pt = opaque;

	return berth_vectors_pending(pt->vectors, n);
}

static void commit_vectors(void *opaque)
{
	struct berth_passthru *pt = opaque;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vectors_commit(pt->vectors, &err) < 0)
		shrug(pt, "an interrupt vector stays silent", &err);
}

static const struct berth_msix_ops msix_ops = {
	.arm = msix_arm,
	.hold = msix_hold,
	.pending = msix_pending,
	.commit = commit_vectors,
};

static uint16_t msi_flags(const struct berth_passthru *pt)
{
	unsigned int cap = berth_vfio_config_caps(pt->cfg)->msi;

	return cap ? (uint16_t)berth_vfio_config_shadow(pt->cfg, cap + PCI_MSI_FLAGS, 2) : 0;
}

static uint16_t msix_control(const struct berth_passthru *pt)
{
	unsigned int cap = berth_vfio_config_caps(pt->cfg)->msix;

	return cap ? (uint16_t)berth_vfio_config_shadow(pt->cfg, cap + PCI_MSIX_FLAGS, 2) : 0;
}

/* What the guest's enable bits ask for. Both at once is forbidden (7.7.1.2); MSI-X then counts. */
static enum irq_mode mode_wanted(const struct berth_passthru *pt)
{
	if (msix_control(pt) & PCI_MSIX_FLAGS_ENABLE)
		return IRQ_MSIX;
	if (msi_flags(pt) & PCI_MSI_FLAGS_ENABLE)
		return IRQ_MSI;
	return pt->intx ? IRQ_INTX : IRQ_NONE;
}

static unsigned int msi_nr_wanted(const struct berth_passthru *pt)
{
	unsigned int nr = 1u << ((msi_flags(pt) & PCI_MSI_FLAGS_QSIZE) >> 4);
	unsigned int max = berth_vfio_config_caps(pt->cfg)->msi_vectors;

	return nr < max ? nr : max;
}

/* Message data of vector n has n in its low bits (7.7.1.5). */
static void program_msi(struct berth_passthru *pt)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(pt->cfg);
	uint64_t addr = berth_vfio_config_shadow(pt->cfg, caps->msi + PCI_MSI_ADDRESS_LO, 4);
	unsigned int data_at = caps->msi + (caps->msi_64bit ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
	uint32_t data = berth_vfio_config_shadow(pt->cfg, data_at, 2);

	if (caps->msi_64bit)
		addr |= (uint64_t)berth_vfio_config_shadow(pt->cfg, caps->msi + PCI_MSI_ADDRESS_HI,
							   4)
			<< 32;
	for (unsigned int n = 0; n < pt->msi_nr; n++)
		msix_arm(pt, n, addr, (data & ~(pt->msi_nr - 1)) | n);
	commit_vectors(pt);
}

static void leave_mode(struct berth_passthru *pt)
{
	switch (pt->mode) {
	case IRQ_NONE:
		break;
	case IRQ_INTX:
		berth_intx_off(pt->intx);
		break;
	case IRQ_MSIX:
		berth_msix_set_control(pt->msix, 0);
		berth_vectors_disable(pt->vectors);
		break;
	case IRQ_MSI:
		berth_vectors_disable(pt->vectors);
		break;
	}
	pt->mode = IRQ_NONE;
}

static void enter_mode(struct berth_passthru *pt, enum irq_mode mode)
{
	struct berth_err err = BERTH_ERR_INIT;

	pt->mode = mode;
	switch (mode) {
	case IRQ_NONE:
		break;
	case IRQ_INTX:
		if (berth_intx_on(pt->intx, &err) < 0) {
			pt->mode = IRQ_NONE;
			shrug(pt, "INTx does not work", &err);
		}
		break;
	case IRQ_MSI:
		berth_vectors_enable(pt->vectors, BERTH_VFIO_IRQ_MSI);
		pt->msi_nr = msi_nr_wanted(pt);
		program_msi(pt);
		break;
	case IRQ_MSIX:
		berth_vectors_enable(pt->vectors, BERTH_VFIO_IRQ_MSIX);
		berth_msix_set_control(pt->msix, msix_control(pt));
		/* Also with every vector masked the device is to see MSI-X enabled: some wait for it. */
		commit_vectors(pt);
		break;
	}
}

static void update_irq(struct berth_passthru *pt)
{
	enum irq_mode mode = mode_wanted(pt);

	if (mode == IRQ_MSI && pt->mode == IRQ_MSI && msi_nr_wanted(pt) != pt->msi_nr)
		leave_mode(pt);
	if (mode != pt->mode) {
		leave_mode(pt);
		enter_mode(pt, mode);
	} else if (mode == IRQ_MSI) {
		program_msi(pt);
	} else if (mode == IRQ_MSIX) {
		berth_msix_set_control(pt->msix, msix_control(pt));
	}
}

/* --- BARs: what is in the guest --- */

static void part_read(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		      void *data)
{
	struct berth_passthru *pt = opaque;

	pthread_mutex_lock(&pt->lock);
	if (part == PART_TABLE)
		berth_msix_table_read(pt->msix, offset, len, data);
	else
		berth_msix_pba_read(pt->msix, offset, len, data);
	pthread_mutex_unlock(&pt->lock);
}

static void part_write(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		       const void *data)
{
	struct berth_passthru *pt = opaque;

	if (part != PART_TABLE) /* pending bits are read-only */
		return;
	pthread_mutex_lock(&pt->lock);
	berth_msix_table_write(pt->msix, offset, len, data);
	pthread_mutex_unlock(&pt->lock);
}

static bool bar_ok(void *opaque, unsigned int index, uint64_t addr)
{
	struct berth_passthru *pt = opaque;
	uint64_t size = pt->function.bars[index].size;

	if (pt->function.bars[index].io)
		return berth_range_fits(addr, size, BERTH_PCI_IO_END);
	return berth_pci_host_mmio_ok(pt->host, (struct berth_range){ addr, size });
}

static void bar_map(void *opaque, unsigned int index, uint64_t addr)
{
	struct berth_passthru *pt = opaque;
	struct berth_err err = BERTH_ERR_INIT;

	log_debug("%s: BAR %u at %#" PRIx64, name_of(pt), index, addr);
	if (berth_barmap_place(pt->map[index], addr, &err) < 0)
		shrug(pt, "a BAR cannot be reached", &err);
}

static void bar_unmap(void *opaque, unsigned int index)
{
	struct berth_passthru *pt = opaque;

	berth_barmap_remove(pt->map[index]);
}

static const struct berth_bars_ops bars_ops = {
	.ok = bar_ok,
	.map = bar_map,
	.unmap = bar_unmap,
};

static void update_bars(struct berth_passthru *pt, unsigned int offset, unsigned int len,
			uint32_t value)
{
	uint32_t reg[BERTH_BARS_NR];
	unsigned int written = 0, ones = 0;

	for (unsigned int i = 0; i < BERTH_BARS_NR; i++) {
		unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;

		reg[i] = berth_vfio_config_shadow(pt->cfg, at, 4);
		if (offset / 4 == at / 4) {
			written = 1u << i;
			ones = len == 4 && (value | 0xf) == UINT32_MAX ? written : 0;
		}
	}
	berth_bars_update(&pt->bars, berth_vfio_config_mem_on(pt->cfg),
			  berth_vfio_config_io_on(pt->cfg), reg, written, ones);
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		if (pt->map[i])
			berth_barmap_retry(pt->map[i]);
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

	berth_bars_settle(&pt->bars);
	return berth_vfio_config_read(pt->cfg, offset, len);
}

static void config_write(struct berth_pci_function *self, unsigned int offset, unsigned int len,
			 uint32_t value)
{
	struct berth_passthru *pt = of_function(self);
	unsigned int touched;

	touched = berth_vfio_config_write(pt->cfg, offset, len, value);
	update_bars(pt, offset, len, value);
	if (!(touched & (BERTH_VFIO_CONFIG_MSI | BERTH_VFIO_CONFIG_MSIX)))
		return;
	pthread_mutex_lock(&pt->lock);
	update_irq(pt);
	pthread_mutex_unlock(&pt->lock);
}

static const struct berth_pci_function_ops function_ops = {
	.config_read = config_read,
	.config_write = config_write,
};

/* --- what the host and the device report --- */

static void on_error(struct berth_vm *vm, int fd, void *opaque)
{
	struct berth_passthru *pt = opaque;

	berth_vm_unwatch_fd(vm, fd);
	pt->watched[0] = false;
	berth_vm_fail(vm, -EIO, "%s reported an uncorrectable error (PCIe AER); the VM was stopped",
		      name_of(pt));
}

static void on_request(struct berth_vm *vm, int fd, void *opaque)
{
	struct berth_passthru *pt = opaque;

	berth_vm_unwatch_fd(vm, fd);
	pt->watched[1] = false;
	berth_vm_fail(vm, -ECANCELED,
		      "the host wants %s back (it is being unbound or removed); the VM was stopped",
		      name_of(pt));
}

static int watch(struct berth_passthru *pt, enum berth_vfio_irq_index index, int *ret_fd,
		 bool *ret_watched, berth_vm_fd_fn fn, struct berth_err *err)
{
	struct berth_vfio_irq info;
	int32_t fd;
	int r;

	r = berth_vfio_irq_query(&info, pt->dev, index);
	if (r < 0)
		return berth_err_set(err, r, "VFIO_DEVICE_GET_IRQ_INFO: %s", strerror(-r));
	if (info.count == 0)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return berth_err_set(err, -errno, "eventfd: %s", strerror(errno));
	*ret_fd = fd;
	r = berth_vm_watch_fd(pt->vm, fd, fn, pt, err);
	if (r < 0)
		return r;
	*ret_watched = true;
	return berth_vfio_irq_enable(pt->dev, index, 0, &fd, 1, err);
}

/* --- making --- */

/* Can [offset, offset + size) be in that BAR? */
static bool in_region(const struct berth_passthru *pt, unsigned int bar, struct berth_range r)
{
	const struct berth_vfio_region *region =
		bar < BERTH_BARS_NR ? berth_vfio_device_region(pt->dev, bar) : NULL;

	return region && berth_range_fits(r.start, r.size, region->size);
}

static int make_msix(struct berth_passthru *pt, struct berth_err *err)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(pt->cfg);

	if (!caps->msix)
		return 0;
	if (berth_msix_new(&pt->msix, caps->msix_vectors, &msix_ops, pt) < 0)
		return berth_err_set(err, -ENOMEM, "MSI-X table: out of memory");
	pt->table =
		(struct berth_range){ caps->msix_table_offset, berth_msix_table_size(pt->msix) };
	pt->pba = (struct berth_range){ caps->msix_pba_offset, berth_msix_pba_size(pt->msix) };
	if (!in_region(pt, caps->msix_table_bar, pt->table))
		return berth_err_set(err, -EPROTO, "its MSI-X table is outside of BAR %u",
				     caps->msix_table_bar);
	/* Some VFs say so of their PBA; nobody needs it. */
	if (!in_region(pt, caps->msix_pba_bar, pt->pba))
		pt->pba = (struct berth_range){ 0, 0 };
	return 0;
}

static int make_irqs(struct berth_passthru *pt, struct berth_err *err)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(pt->cfg);
	unsigned int msi = caps->msi ? caps->msi_vectors : 0;
	unsigned int msix = caps->msix ? caps->msix_vectors : 0;
	unsigned int nr = msi > msix ? msi : msix;
	int r;

	r = make_msix(pt, err);
	if (r == 0 && nr)
		r = berth_vectors_new(&pt->vectors, berth_vm_irq(pt->vm), pt->dev, nr, err);
	if (r == 0)
		r = watch(pt, BERTH_VFIO_IRQ_ERR, &pt->err_fd, &pt->watched[0], on_error, err);
	if (r == 0)
		r = watch(pt, BERTH_VFIO_IRQ_REQ, &pt->req_fd, &pt->watched[1], on_request, err);
	return r;
}

/* INTx is up from the start, as after a reset; only when plugged in is its pin known. */
static int make_intx(struct berth_passthru *pt, struct berth_err *err)
{
	unsigned int pin = berth_vfio_config_shadow(pt->cfg, PCI_INTERRUPT_PIN, 1);
	struct berth_vfio_irq info;
	int r;

	if (berth_vfio_irq_query(&info, pt->dev, BERTH_VFIO_IRQ_INTX) < 0 || info.count == 0 ||
	    !info.automasked || pin < 1 || pin > 4) {
		berth_vfio_config_no_intx(pt->cfg);
		return 0;
	}
	r = berth_intx_new(&pt->intx, berth_vm_irq(pt->vm), pt->dev,
			   berth_pci_intx_gsi(&pt->function, pin), err);
	if (r == 0)
		enter_mode(pt, IRQ_INTX);
	if (r == 0 && pt->mode != IRQ_INTX) {
		/* The host's line is shared and cannot be: the guest gets to know that there is none. */
		berth_intx_free(BERTH_TAKE_PTR(pt->intx));
		berth_vfio_config_no_intx(pt->cfg);
	}
	return r;
}

static int make_bar(struct berth_passthru *pt, unsigned int i, struct berth_err *err)
{
	const struct berth_vfio_config_caps *caps = berth_vfio_config_caps(pt->cfg);
	const struct berth_vfio_config_bar *bar = berth_vfio_config_bar(pt->cfg, i);
	struct berth_barmap_config config = {
		.dev = pt->dev,
		.bar = i,
		.size = bar->size,
		.io = bar->io,
		.bus = bar->io ? berth_vm_pio(pt->vm) : berth_vm_mmio(pt->vm),
		.mem = berth_vm_mem(pt->vm),
		.read = part_read,
		.write = part_write,
		.opaque = pt,
	};

	if (!bar->size)
		return 0;
	if (pt->msix && caps->msix_table_bar == i)
		config.emulated[PART_TABLE] = pt->table;
	if (pt->msix && caps->msix_pba_bar == i)
		config.emulated[PART_PBA] = pt->pba;
	pt->function.bars[i] = (struct berth_pci_bar){
		.size = bar->size,
		.is64 = bar->is64,
		.prefetch = bar->prefetch,
		.io = bar->io,
	};
	berth_bars_define(&pt->bars, i, bar->size, bar->is64, bar->io);
	return berth_barmap_new(&pt->map[i], &config, err);
}

/*
 * The device's own decoding stays on as long as we have it: what the guest reaches is decided by its mappings, and the
 * kernel need not tear down and fault in page tables whenever a guest probes a BAR.
 */
static void wake_up(struct berth_passthru *pt)
{
	berth_vfio_device_config_write(pt->dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO,
				       2);
}

static void put_to_sleep(struct berth_passthru *pt)
{
	berth_vfio_device_config_write(pt->dev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
}

static int make(struct berth_passthru *pt, struct berth_pci_slot *slot, unsigned int fn,
		bool multifunction, struct berth_err *err)
{
	int r;

	r = berth_vfio_config_new(&pt->cfg, pt->dev, multifunction, err);
	if (r < 0)
		return r;
	wake_up(pt);
	r = make_irqs(pt, err);
	for (unsigned int i = 0; r == 0 && i < BERTH_BARS_NR; i++)
		r = make_bar(pt, i, err);
	if (r == 0)
		r = berth_pci_slot_add(slot, fn, &pt->function, err);
	if (r == 0)
		r = make_intx(pt, err);
	return r;
}

int berth_passthru_new(struct berth_passthru **ret, struct berth_vm *vm,
		       struct berth_pci_slot *slot, unsigned int fn, bool multifunction,
		       struct berth_vfio_device *dev, struct berth_err *err)
{
	struct berth_passthru *pt = calloc(1, sizeof(*pt));
	int r;

	if (!pt)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	pt->vm = vm;
	pt->dev = dev;
	pt->host = berth_vm_pci(vm);
	pt->err_fd = pt->req_fd = -1;
	pthread_mutex_init(&pt->lock, NULL);
	pt->function.ops = &function_ops;
	pt->function.name = name_of(pt);
	berth_bars_init(&pt->bars, &bars_ops, pt);
	r = make(pt, slot, fn, multifunction, err);
	if (r < 0) {
		berth_err_prefix(err, r, "%s", name_of(pt));
		pt->dev = NULL; /* stays the caller's; what else we made of it goes */
		berth_passthru_free(pt);
		return r;
	}
	*ret = pt;
	return 0;
}

static void close_watch(struct berth_passthru *pt, int fd, bool watched)
{
	if (watched)
		berth_vm_unwatch_fd(pt->vm, fd);
	if (fd >= 0)
		close(fd);
}

void berth_passthru_free(struct berth_passthru *pt)
{
	if (!pt)
		return;
	if (pt->dev) {
		leave_mode(pt);
		berth_vfio_irq_disable(pt->dev, BERTH_VFIO_IRQ_ERR);
		berth_vfio_irq_disable(pt->dev, BERTH_VFIO_IRQ_REQ);
		put_to_sleep(pt);
	}
	close_watch(pt, pt->err_fd, pt->watched[0]);
	close_watch(pt, pt->req_fd, pt->watched[1]);
	berth_bars_update(&pt->bars, false, false, pt->bars.reg, 0, 0);
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		berth_barmap_free(pt->map[i]);
	berth_intx_free(pt->intx);
	berth_vectors_free(pt->vectors);
	berth_msix_free(pt->msix);
	berth_vfio_config_free(pt->cfg);
	berth_vfio_device_close(pt->dev);
	pthread_mutex_destroy(&pt->lock);
	free(pt);
}

unsigned int berth_passthru_nr_fds(struct berth_vfio_device *dev)
{
	struct berth_vfio_irq info;
	/* two for INTx, one each for errors and requests */
	unsigned int nr = 4, vectors = 0;

	if (berth_vfio_irq_query(&info, dev, BERTH_VFIO_IRQ_MSI) == 0)
		vectors = info.count;
	if (berth_vfio_irq_query(&info, dev, BERTH_VFIO_IRQ_MSIX) == 0 && info.count > vectors)
		vectors = info.count;
	return nr + vectors;
}
