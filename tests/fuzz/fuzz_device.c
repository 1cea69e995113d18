/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any device: config space, region and interrupt information as bytes, reads that come up short and calls that fail, under
 * a guest that writes everywhere. Berth takes it or refuses it with a sentence; capability chains that the guest sees end;
 * MSI and MSI-X registers of the device stay as they are; the page with the vector table is never the guest's.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/range.h"
#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vfio.h"
#include "tests/lib/fake_vm.h"
#include "vfio/caps.h"
#include "vfio/device.h"
#include "vmm/bus.h"
#include "vmm/passthru.h"
#include "vmm/pci_host.h"
#include "vmm/pci_slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OPS 64

struct input {
	const uint8_t *at;
	size_t left;
};

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < bytes && in->left; i++, in->left--)
		v |= (uint64_t)*in->at++ << 8 * i;
	return v;
}

/* Sizes that a device may have, that it may not have, and any other. */
static uint64_t take_size(struct input *in)
{
	static const uint64_t sizes[] = { 0x1000, 0x4000, 0x100000,	    0, 1, 0x10,
					  0x100,  0x3000, UINT64_C(1) << 34 };
	unsigned int which = (unsigned int)take(in, 1) % 12;

	if (which < sizeof(sizes) / sizeof(sizes[0]))
		return sizes[which];
	return take(in, which == 9 ? 8 : 3);
}

static void take_regions(struct fake_vfio *f, struct input *in, int fd)
{
	unsigned int which = (unsigned int)take(in, 2);

	for (unsigned int i = 0; i < 9; i++) {
		if (!(which >> i & 1))
			continue;
		f->region[i].size = i == VFIO_PCI_CONFIG_REGION_INDEX ?
					    (which & 0x8000 ? 256 : 4096) :
					    take_size(in);
		f->region[i].flags = (uint32_t)take(in, 1);
		f->region[i].fd = i < 6 ? fd : -1;
		if (f->region[i].flags & VFIO_REGION_INFO_FLAG_CAPS) {
			f->region[i].caps_len = (uint32_t)take(in, 1);
			for (uint32_t b = 0; b < f->region[i].caps_len; b++)
				f->region[i].caps[b] = (uint8_t)take(in, 1);
		}
		if (f->region[i].flags & 0x80)
			f->region[i].argsz = (uint32_t)take(in, 3);
	}
}

static void take_irqs(struct fake_vfio *f, struct input *in)
{
	for (unsigned int i = 0; i < 5; i++) {
		unsigned int how = (unsigned int)take(in, 1);

		f->irq[i].flags = how & 0xf;
		f->irq[i].count = how & 0x10 ? (uint32_t)take(in, how & 0x20 ? 4 : 1) : 1;
		f->irq[i].host_has = how & 0x40 ? (uint32_t)take(in, 1) : 0;
	}
	if (take(in, 1) & 1) {
		f->fail_at = (unsigned int)take(in, 1) + 1;
		f->fail_with = -(int)take(in, 1);
	}
}

/* The header and the first capabilities as they come, the rest in pieces. */
static void take_config(struct fake_vfio *f, struct input *in)
{
	unsigned int nr = (unsigned int)take(in, 1);

	for (unsigned int i = 0; i < nr; i++)
		f->config[i] ^= (uint8_t)take(in, 1);
	nr = (unsigned int)take(in, 1) % 16;
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int at = (unsigned int)take(in, 2) % 4096 & ~3u,
			     len = (unsigned int)take(in, 1);

		for (unsigned int b = 0; b < len && at + b < sizeof(f->config); b++)
			f->config[at + b] = (uint8_t)take(in, 1);
	}
}

/* The pages with the vector table, found by the other parser. */
static void forbid_table(struct fake_vfio *f, const struct berth_caps *caps)
{
	uint64_t size = (uint64_t)caps->msix_vectors * 16;

	if (caps->msix != BERTH_YES || caps->msix_table_bar > 5 || size == 0)
		return;
	f->never_map_bar = caps->msix_table_bar;
	f->never_map.start = caps->msix_table_offset & ~0xfffu;
	f->never_map.size =
		((caps->msix_table_offset + size + 0xfff) & ~UINT64_C(0xfff)) - f->never_map.start;
}

static void walk_chains(struct berth_pci_function *fn, unsigned int size)
{
	unsigned int nr = 0;
	uint32_t at;

	for (at = fn->ops->config_read(fn, PCI_CAPABILITY_LIST, 1); at && nr <= 48; nr++)
		at = fn->ops->config_read(fn, (at & ~3u) + 1, 1);
	check(nr <= 48, "the guest's capability chain does not end");
	for (nr = 0, at = 0x100; size > 256 && at && nr <= 480; nr++)
		at = fn->ops->config_read(fn, at & 0xffc, 4) >> 20;
	check(nr <= 480, "the guest's extended capability chain does not end");
}

static void guest(struct fake_vfio *f, struct fake_vm *vm, struct berth_pci_function *fn,
		  const struct berth_caps *caps, struct input *in)
{
	uint16_t msi = berth_caps_find(f->config, 256, PCI_CAP_ID_MSI);
	uint16_t msix = berth_caps_find(f->config, 256, PCI_CAP_ID_MSIX);
	uint8_t before[4096];

	memcpy(before, f->config, sizeof(before));
	(void)caps;
	for (unsigned int i = 0; i < MAX_OPS && in->left; i++) {
		unsigned int op = (unsigned int)take(in, 1), len = 1u << (op >> 4 & 3) % 3;
		unsigned int at = (unsigned int)take(in, 2) % 4096 & ~(len - 1);
		uint64_t v = take(in, op & 0x80 ? 8 : 1), addr = BERTH_PCI_MMIO32_START + at;

		if (op & 1)
			fn->ops->config_write(fn, at, len,
					      (uint32_t)v & UINT32_MAX >> (32 - 8 * len));
		else if (op & 2)
			fn->ops->config_read(fn, at, len);
		else if (op & 4)
			berth_bus_write(vm->mmio, addr + (v & 0xff) * 0x1000, 1 + (op >> 4 & 7),
					&v);
		else if (op & 8)
			berth_bus_read(vm->mmio, addr + (v & 0xff) * 0x1000, 1 + (op >> 4 & 7), &v);
		else
			fake_irq_raise(f, at % 3, (unsigned int)v);
	}
	if (msi && msi <= 0xf6)
		check(memcmp(before + msi + 2, f->config + msi + 2, 8) == 0,
		      "a guest wrote the device's MSI registers");
	if (msix && msix <= 0xf4)
		check(memcmp(before + msix + 2, f->config + msix + 2, 10) == 0,
		      "a guest wrote the device's MSI-X registers");
}

static void use(struct fake_vfio *f, struct fake_vm *vm, struct berth_vfio_device *dev,
		struct input *in)
{
	unsigned int how = (unsigned int)take(in, 1);
	struct berth_passthru_config config = {
		.space = vm->space,
		.slot = vm->slot,
		.no_rom = how & 1,
		.move_msix = how & 2,
		.p2p_clique = how & 4 ? (int)(how >> 4) : -1,
		.p2p_clique_force = how & 8,
	};
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_passthru *pt = NULL;
	struct berth_caps caps;
	unsigned int fail_at, size = (unsigned int)f->region[VFIO_PCI_CONFIG_REGION_INDEX].size;
	int r;

	berth_caps_parse(&caps, f->config, size);
	if (!config.move_msix) /* the VM asked for the table's page then */
		forbid_table(f, &caps);
	r = berth_passthru_new(&pt, fake_vm_as_vm(vm), &config, dev, &err);
	if (r < 0) {
		check(err.text[0], "a device is refused without a word");
		berth_vfio_device_close(dev);
		return;
	}
	/* Nothing fails while we look: a read that does is answered with ones, and those are no chain. */
	fail_at = f->fail_at;
	f->fail_at = 0;
	walk_chains(vm->slot->functions[0], size);
	f->fail_at = fail_at;
	if (berth_pci_host_assign(vm->host, &err) == 0) {
		vm->slot->functions[0]->ops->config_write(vm->slot->functions[0], PCI_COMMAND, 2,
							  7);
		guest(f, vm, vm->slot->functions[0], &caps, in);
	}
	berth_passthru_free(pt);
	check(vm->nr_watched == 0, "a descriptor is still watched");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct berth_vfio_device *dev = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct fake_vfio *f;
	struct fake_vm *vm;
	static int fd = -1;
	int r;

	berth_log_max = BERTH_LOG_ERR;
	if (fd < 0)
		fd = memfd_create("bar", MFD_CLOEXEC);
	fake_irq_reset();
	f = fake_vfio_new();
	vm = fake_vm_new();
	take_regions(f, &in, fd);
	take_irqs(f, &in);
	take_config(f, &in);
	r = berth_vfio_device_from_ops(&dev, &fake_vfio_ops, f, (struct berth_bdf){ 0, 1, 0, 0 },
				       &err);
	check(r == 0 || (r < 0 && err.text[0]), "a device is refused without a word");
	if (r == 0)
		use(f, vm, dev, &in);
	check(f->nr_closed == 1, "the device was not closed once");
	for (unsigned int i = 0; i < 6; i++)
		f->region[i].fd = -1;
	fake_vm_free(vm);
	fake_vfio_free(f);
	return 0;
}
