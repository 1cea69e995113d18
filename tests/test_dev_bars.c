/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BARs from config space to KVM and IOMMU, over fake devices: real config space, BARs, memory slots and I/O address space;
 * ioctl is wrapped and keeps the slots that KVM would have, a table of operations keeps what the IOMMU would have.
 *
 * Random guests write what guests write and what they should not. After each step memory slots and IOMMU mappings must be
 * exactly those that a small model says from the history alone.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "iommu/ioas.h"
#include "iommu/ioas_ops.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/config.h"
#include "vmm/barspace.h"
#include "vmm/bus.h"
#include "vmm/dev_bars.h"
#include "vmm/dev_irqs.h"
#include "vmm/mem.h"
#include "vmm/pci_host.h"

#define NR_FUNCTIONS 3
#define NR_BARS	     7 /* the last one: ROM */
#define ROM	     6
#define NR_SLOTS     128
#define MAX_MAPS     128
#define PAGE	     UINT64_C(4096)
#define PM_CAP	     0x40
#define MSIX_CAP     0x50
#define EXP_CAP	     0x60
#define TABLE	     0x2000 /* in BAR 0 of function 0, 0x100 bytes */
#define PHYS_BITS    40

int __wrap_ioctl(int fd, unsigned long request, ...);
struct berth_range __wrap_berth_dev_irqs_part(const struct berth_dev_irqs *irqs,
					      enum berth_dev_irqs_part part, unsigned int bar);
void __wrap_berth_dev_irqs_read(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
				uint64_t offset, unsigned int len, void *data);
void __wrap_berth_dev_irqs_write(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
				 uint64_t offset, unsigned int len, const void *data);

/* --- KVM and IOMMU --- */

struct mapping {
	struct berth_range at;
	const uint8_t *hva;
};

static struct mapping kvm[NR_SLOTS]; /* by slot number */
static struct mapping iommu[MAX_MAPS];
static struct berth_range iommu_refuses; /* host addresses */

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_userspace_memory_region *r;
	va_list ap;

	(void)fd;
	va_start(ap, request);
	r = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CHECK_EXTENSION)
		return NR_SLOTS;
	assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	assert_true(r->slot < NR_SLOTS);
	/* Documentation/virt/kvm/api.rst: a slot is not resized, and overlaps no other */
	assert_true(r->memory_size == 0 || kvm[r->slot].at.size == 0);
	for (unsigned int i = 0; i < NR_SLOTS; i++)
		assert_false(berth_range_overlaps(
			kvm[i].at, (struct berth_range){ r->guest_phys_addr, r->memory_size }));
	kvm[r->slot] = (struct mapping){ { r->guest_phys_addr, r->memory_size },
					 (const uint8_t *)(uintptr_t)r->userspace_addr };
	return 0;
}

static int fake_map(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot)
{
	size_t slot;

	(void)io;
	assert_int_equal(prot, BERTH_IOAS_READ | BERTH_IOAS_WRITE);
	if (berth_range_contains(iommu_refuses, (struct berth_range){ (uintptr_t)vaddr, 1 }))
		return -EFAULT;
	/* never without the guest's own processors reaching it */
	for (slot = 0; slot < NR_SLOTS; slot++)
		if (kvm[slot].at.start == at.start && kvm[slot].at.size == at.size &&
		    kvm[slot].hva == vaddr)
			break;
	assert_true(slot < NR_SLOTS);
	for (size_t i = 0; i < MAX_MAPS; i++) {
		assert_false(berth_range_overlaps(iommu[i].at, at));
		if (!iommu[i].at.size) {
			iommu[i] = (struct mapping){ at, vaddr };
			return 0;
		}
	}
	return -ENOSPC;
}

static int fake_unmap(struct berth_ioas *io, struct berth_range at, uint64_t *ret_size)
{
	(void)io;
	for (size_t i = 0; i < MAX_MAPS; i++)
		if (iommu[i].at.start == at.start && iommu[i].at.size == at.size) {
			iommu[i].at.size = 0;
			*ret_size = at.size;
			return 0;
		}
	return -ENOENT;
}

static const struct berth_ioas_ops ioas_ops = { .map = fake_map, .unmap = fake_unmap };

struct berth_range __wrap_berth_dev_irqs_part(const struct berth_dev_irqs *irqs,
					      enum berth_dev_irqs_part part, unsigned int bar)
{
	if (!irqs || part != BERTH_MSIX_TABLE || bar != 0)
		return (struct berth_range){ 0, 0 };
	return (struct berth_range){ TABLE, 0x100 };
}

void __wrap_berth_dev_irqs_read(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
				uint64_t offset, unsigned int len, void *data)
{
	(void)irqs;
	(void)part;
	(void)offset;
	memset(data, 0xe0, len);
}

void __wrap_berth_dev_irqs_write(struct berth_dev_irqs *irqs, enum berth_dev_irqs_part part,
				 uint64_t offset, unsigned int len, const void *data)
{
	(void)irqs;
	(void)part;
	(void)offset;
	(void)len;
	(void)data;
}

/* --- devices --- */

struct layout {
	uint64_t size;
	uint32_t bits;		      /* of the register */
	struct berth_range pieces[2]; /* what can be mapped */
};

static const struct layout layouts[NR_FUNCTIONS][NR_BARS] = {
	{
		/* the MSI-X table on the third page */
		[0] = { 0x4000, 0, { { 0, 0x2000 }, { 0x3000, 0x1000 } } },
		[1] = { 0x100, 0, { { 0, 0x1000 } } },
		[2] = { 0x10000, 0xc, { { 0, 0x10000 } } },
		[4] = { 0x20, 1, { { 0 } } },
	},
	{
		/* sparse: what is not in whole pages does not count */
		[0] = { 0x8000, 0xc, { { 0x1000, 0x2000 }, { 0x6000, 0x2000 } } },
		[2] = { 0x2000, 4, { { 0, 0x2000 } } },
		[5] = { 0x80, 0, { { 0, 0x1000 } } },
	},
	{
		[0] = { 0x80, 0, { { 0 } } }, /* shares its page in the host */
		[1] = { 0x1000, 0, { { 0, 0x1000 } } },
		[2] = { 0x1000, 8, { { 0, 0x1000 } } }, /* which the IOMMU never takes */
		[3] = { 0x40, 0, { { 0, 0x1000 } } },
		[ROM] = { 0x1000, 0, { { 0 } } },
	},
};

struct function {
	struct berth_pci_function function;
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vfio_config *cfg;
	struct berth_dev_bars *bars;
};

/* What the model knows of one BAR. */
struct model_bar {
	bool mapped;
	uint64_t at;
	unsigned int since; /* order of placing */
	bool dropped[2];    /* pieces that could not be faulted in */
};

struct model {
	uint32_t reg[NR_BARS];
	bool ones[NR_BARS], half[NR_BARS];
	bool mem, io, d0, rom_on, master; /* master: ever */
	struct model_bar bar[NR_BARS];
};

struct fixture {
	struct berth_bus *mmio, *pio;
	struct berth_mem *mem;
	struct berth_pci_host *host;
	struct berth_ioas *io;
	struct berth_barspace *space;
	struct function f[NR_FUNCTIONS];
	struct berth_range window64;
	struct model m[NR_FUNCTIONS];
	unsigned int clock;
	unsigned int seed, first_seed;
};

static unsigned int register_of(unsigned int bar)
{
	return bar == ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * bar;
}

/* As vmm/passthru.c does. */
static uint32_t config_read(struct berth_pci_function *self, unsigned int offset, unsigned int len)
{
	struct function *f = (struct function *)self; /* its first member */

	berth_dev_bars_settle(f->bars);
	return berth_vfio_config_read(f->cfg, offset, len);
}

static void config_write(struct berth_pci_function *self, unsigned int offset, unsigned int len,
			 uint32_t value)
{
	struct function *f = (struct function *)self;

	if (offset == PCI_COMMAND && (value & PCI_COMMAND_MASTER))
		berth_dev_bars_bus_master(f->bars);
	if (berth_vfio_config_write(f->cfg, offset, len, value) & BERTH_VFIO_CONFIG_RESET)
		berth_dev_bars_reset(f->bars);
	else
		berth_dev_bars_update(f->bars, offset, len, value);
}

static const struct berth_pci_function_ops function_ops = { config_read, config_write };

static uint8_t tag(unsigned int fn, unsigned int bar)
{
	return (uint8_t)(0x10 * fn + bar + 1);
}

static void fill_fake(struct fake_vfio *fake, unsigned int fn)
{
	static const struct berth_range sparse[] = { { 0x1000, 0x2000 },
						     { 0x3800, 0x900 },
						     { 0x6000, 0x2000 } };

	for (unsigned int i = 0; i < NR_BARS; i++) {
		const struct layout *l = &layouts[fn][i];

		if (!l->size)
			continue;
		fake_vfio_bar(fake, i, l->size, l->bits);
		memset(fake->region[i].mem, tag(fn, i), l->size);
		if (!l->pieces[0].size)
			fake->region[i].flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	}
	if (fn == 1)
		fake_vfio_sparse(fake, 0, sparse, 3);
	fake_vfio_cap(fake, PM_CAP, PCI_CAP_ID_PM);
	fake_vfio_cap(fake, EXP_CAP, PCI_CAP_ID_EXP);
	fake_put16(fake, EXP_CAP + PCI_EXP_FLAGS, 2);
	fake_put32(fake, EXP_CAP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	if (fn == 0)
		fake_vfio_msix(fake, MSIX_CAP, 16, TABLE, TABLE + 0x800, false);
}

static void add_function(struct fixture *x, unsigned int fn)
{
	struct function *f = &x->f[fn];
	struct berth_dev_bars_config config = {
		.irqs = fn == 0 ? (struct berth_dev_irqs *)x : NULL, /* for the wrapped calls */
		.host = x->host,
		.mmio = x->mmio,
		.pio = x->pio,
		.space = x->space,
	};
	struct berth_pci_slot *slot;

	f->fake = fake_vfio_new();
	fill_fake(f->fake, fn);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, (uint8_t)fn, 0, 0 });
	assert_int_equal(berth_vfio_config_new(&f->cfg, f->dev, false, NULL), 0);
	f->function.ops = &function_ops;
	f->function.name = "fake";
	config.dev = f->dev;
	config.cfg = f->cfg;
	assert_int_equal(berth_dev_bars_new(&f->bars, &config, &f->function, NULL), 0);
	assert_int_equal(berth_pci_host_add_slot(x->host, &slot, NULL), 0);
	assert_int_equal(berth_pci_slot_add(slot, 0, &f->function, NULL), 0);
}

static void open_iommu(struct fixture *x)
{
	struct berth_range *all = malloc(sizeof(*all));

	assert_non_null(all);
	*all = (struct berth_range){ 0, UINT64_C(1) << 48 };
	x->io = berth_ioas_alloc(&ioas_ops, BERTH_IOAS_TYPE1);
	assert_non_null(x->io);
	x->io->pagesize = PAGE;
	berth_ioas_set_ranges(x->io, all, 1);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct berth_mem_config mem = { .size = UINT64_C(32) << 20, .fd = -1 };
	struct berth_range windows[2];

	assert_non_null(x);
	memset(kvm, 0, sizeof(kvm));
	memset(iommu, 0, sizeof(iommu));
	iommu_refuses.size = 0;
	open_iommu(x);
	assert_int_equal(berth_mem_new(&x->mem, 3, &mem, NULL), 0);
	assert_int_equal(berth_bus_new(&x->mmio, "mmio"), 0);
	assert_int_equal(berth_bus_new(&x->pio, "pio"), 0);
	assert_int_equal(berth_barspace_new(&x->space, x->mem, x->io, NULL), 0);
	assert_int_equal(berth_pci_host_new(&x->host, x->mmio, x->pio, x->mem, PHYS_BITS, NULL), 0);
	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++)
		add_function(x, fn);
	assert_int_equal(berth_pci_host_assign(x->host, NULL), 0);
	assert_int_equal(berth_pci_host_mmio_windows(x->host, windows), 2);
	x->window64 = windows[1];
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++) {
		berth_dev_bars_free(x->f[fn].bars);
		berth_vfio_config_free(x->f[fn].cfg);
		berth_vfio_device_close(x->f[fn].dev);
		fake_vfio_free(x->f[fn].fake);
	}
	for (size_t i = 0; i < MAX_MAPS; i++)
		assert_int_equal(iommu[i].at.size, 0);
	for (size_t i = 1; i < NR_SLOTS; i++) /* 0 is RAM */
		assert_int_equal(kvm[i].at.size, 0);
	berth_barspace_free(x->space);
	berth_pci_host_free(x->host);
	berth_bus_free(x->pio);
	berth_bus_free(x->mmio);
	berth_mem_free(x->mem);
	berth_ioas_close(x->io);
	free(x);
	return 0;
}

/* --- the model --- */

static bool is_io(unsigned int fn, unsigned int i)
{
	return layouts[fn][i].bits & 1;
}

static bool is64(unsigned int fn, unsigned int i)
{
	return !is_io(fn, i) && layouts[fn][i].bits & 4;
}

static bool may_be_at(const struct fixture *x, unsigned int fn, unsigned int i, uint64_t at)
{
	struct berth_range r = { at, layouts[fn][i].size };

	if (is_io(fn, i))
		return at && at + r.size <= 0x10000;
	return berth_range_contains((struct berth_range){ 0xC0000000, 0x30000000 }, r) ||
	       berth_range_contains(x->window64, r);
}

static void model_place(struct fixture *x, unsigned int fn, unsigned int i)
{
	struct model *m = &x->m[fn];
	struct model_bar *bar = &m->bar[i];
	bool wide = is64(fn, i),
	     on = (is_io(fn, i) ? m->io : m->mem) && m->d0 && (i != ROM || m->rom_on);
	uint64_t at = (m->reg[i] | (wide ? (uint64_t)m->reg[i + 1] << 32 : 0)) &
		      ~(layouts[fn][i].size - 1);

	m->half[i] = false;
	if (wide)
		m->half[i + 1] = false;
	if (on && (m->ones[i] || (wide && m->ones[i + 1])))
		return;
	on = on && may_be_at(x, fn, i, at);
	if (on && bar->mapped && bar->at == at)
		return;
	memset(bar, 0, sizeof(*bar));
	if (on)
		*bar = (struct model_bar){ .mapped = true, .at = at, .since = ++x->clock };
}

/* Everything but @waiting, which has just been written and waits for its other half; in the order of registers. */
static void model_settle(struct fixture *x, unsigned int fn, unsigned int waiting)
{
	for (unsigned int i = 0; i < NR_BARS; i++)
		if (layouts[fn][i].size && i != waiting)
			model_place(x, fn, i);
}

static void model_write_bar(struct fixture *x, unsigned int fn, unsigned int reg, unsigned int at,
			    unsigned int len, uint32_t value)
{
	struct model *m = &x->m[fn];
	unsigned int shift = 8 * (at & 3);
	unsigned int i = layouts[fn][reg].size || reg == 0 ? reg : reg - 1, other;
	uint32_t mask = (len == 4 ? UINT32_MAX : (1u << 8 * len) - 1) << shift, kept;
	bool low = i == reg;

	if (!layouts[fn][i].size || (!low && !is64(fn, i))) { /* no such register */
		model_settle(x, fn, NR_BARS);
		return;
	}
	other = low ? reg + 1 : i;
	kept = (m->reg[reg] & ~mask) | (value << shift & mask);
	m->reg[reg] = low ? kept & ~(uint32_t)(layouts[fn][i].size - 1) : kept;
	m->ones[reg] = len == 4 && (value | (reg == ROM ? 0x7ff : 0xf)) == UINT32_MAX;
	if (reg == ROM && shift == 0)
		m->rom_on = value & 1;
	m->half[reg] = is64(fn, i) && m->mem && m->d0 && !m->half[other];
	model_settle(x, fn, m->half[reg] ? i : NR_BARS);
}

/* --- what the model says there must be --- */

static bool has_place(const struct fixture *x, unsigned int fn, unsigned int i)
{
	const struct model_bar *b = &x->m[fn].bar[i];
	struct berth_range at = { b->at, layouts[fn][i].size };
	struct berth_range page = { b->at, at.size < PAGE ? PAGE : at.size };

	for (unsigned int g = 0; g < NR_FUNCTIONS; g++) {
		for (unsigned int k = 0; k < NR_BARS; k++) {
			const struct model_bar *o = &x->m[g].bar[k];
			struct berth_range there = { o->at, layouts[g][k].size };

			if (!o->mapped || is_io(g, k) || (g == fn && k == i))
				continue;
			if (berth_range_overlaps(there, at) && o->since < b->since)
				return false;
			/* in the rest of its page */
			if (at.size < PAGE && berth_range_overlaps(there, page) &&
			    berth_range_last(there) > berth_range_last(at))
				return false;
		}
	}
	return true;
}

static bool has_peer(const struct fixture *x, unsigned int fn)
{
	for (unsigned int g = 0; g < NR_FUNCTIONS; g++)
		if (g != fn && x->m[g].master)
			return true;
	return false;
}

static const struct mapping *find(const struct mapping *list, size_t nr, struct berth_range at,
				  uint8_t content)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i].at.start == at.start && list[i].at.size == at.size &&
		    list[i].hva[0] == content)
			return &list[i];
	return NULL;
}

static size_t count(const struct mapping *list, size_t nr)
{
	size_t n = 0;

	for (size_t i = 0; i < nr; i++)
		n += list[i].at.size != 0;
	return n;
}

static void describe(const struct fixture *x)
{
	print_message("seed %u (BERTH_SEED=%u repeats it)\n", x->first_seed, x->first_seed);
	for (size_t i = 0; i < NR_SLOTS; i++)
		if (kvm[i].at.size)
			print_message("slot %zu: %#llx + %#llx, of %#x\n", i,
				      (unsigned long long)kvm[i].at.start,
				      (unsigned long long)kvm[i].at.size, kvm[i].hva[0]);
	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++)
		for (unsigned int i = 0; i < NR_BARS; i++)
			if (x->m[fn].bar[i].mapped)
				print_message("BAR %#x: %#llx + %#llx, since %u, has place %d\n",
					      tag(fn, i), (unsigned long long)x->m[fn].bar[i].at,
					      (unsigned long long)layouts[fn][i].size,
					      x->m[fn].bar[i].since, has_place(x, fn, i));
}

static void check_bar(const struct fixture *x, unsigned int fn, unsigned int i, int step,
		      size_t *slots, size_t *maps)
{
	const struct model_bar *b = &x->m[fn].bar[i];
	const struct layout *l = &layouts[fn][i];
	bool can = b->mapped && !is_io(fn, i) && b->at % PAGE == 0 && has_place(x, fn, i);

	for (unsigned int p = 0; p < 2; p++) {
		struct berth_range at = { b->at + l->pieces[p].start, l->pieces[p].size };
		bool slot = can && at.size && !b->dropped[p];
		bool dma = slot && has_peer(x, fn) && !(fn == 2 && i == 2);

		if ((slot && !find(kvm, NR_SLOTS, at, tag(fn, i))) ||
		    (dma && !find(iommu, MAX_MAPS, at, tag(fn, i))))
			describe(x);
		if (slot && !find(kvm, NR_SLOTS, at, tag(fn, i)))
			fail_msg("step %d: function %u BAR %u: no slot at %#llx", step, fn, i,
				 (unsigned long long)at.start);
		if (dma && !find(iommu, MAX_MAPS, at, tag(fn, i)))
			fail_msg("step %d: function %u BAR %u: not in the IOMMU at %#llx", step, fn,
				 i, (unsigned long long)at.start);
		*slots += slot;
		*maps += dma;
	}
}

/* Equal numbers, and each one that must be there is there: then there is none too many. */
static void check(const struct fixture *x, int step)
{
	size_t slots = 1 /* RAM */, maps = 0;

	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++)
		for (unsigned int i = 0; i < NR_BARS; i++)
			if (layouts[fn][i].size)
				check_bar(x, fn, i, step, &slots, &maps);
	if (count(kvm, NR_SLOTS) == slots && count(iommu, MAX_MAPS) == maps)
		return;
	describe(x);
	fail_msg("step %d: %zu slots instead of %zu, %zu IOMMU mappings instead of %zu", step,
		 count(kvm, NR_SLOTS), slots, count(iommu, MAX_MAPS), maps);
}

/* What a trapped access must read: the first BAR that was put there answers. */
static uint8_t model_read(const struct fixture *x, uint64_t at)
{
	unsigned int since = UINT32_MAX;
	uint8_t value = 0xff;

	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++) {
		for (unsigned int i = 0; i < NR_BARS; i++) {
			const struct model_bar *b = &x->m[fn].bar[i];
			uint64_t offset = at - b->at;

			if (!b->mapped || is_io(fn, i) || b->since > since || at < b->at ||
			    offset >= layouts[fn][i].size)
				continue;
			since = b->since;
			value = x->f[fn].fake->gone && i != ROM ? 0xff : tag(fn, i);
			if (fn == 0 && i == 0 && offset >= TABLE && offset < TABLE + 0x100)
				value = 0xe0;
		}
	}
	return value;
}

/* --- guests --- */

static unsigned int any(struct fixture *x, unsigned int nr)
{
	return (unsigned int)rand_r(&x->seed) % nr;
}

static uint64_t some_address(struct fixture *x)
{
	static const uint64_t bad[] = { 0,	    0x100000,	0xBFFFF000,
					0xEFFFFF80, 0xF0000000, 0xFEE00000,
					0x80000000, 0xC0DE,	UINT64_C(1) << 63 };
	static const uint64_t steps[] = { 0x40, 0x80, 0x100, 0x1000, 0x2000, 0x4000, 0x8000 };
	uint64_t offset = steps[any(x, 7)] * any(x, 5);

	switch (any(x, 8)) {
	case 0:
		return bad[any(x, 9)];
	case 1:
		return (UINT64_C(1) << PHYS_BITS) + offset;
	case 2:
	case 3:
	case 4:
		return x->window64.start + offset;
	default:
		return 0xC0000000 + offset;
	}
}

static void write_config(struct fixture *x, unsigned int fn, unsigned int at, unsigned int len,
			 uint32_t value)
{
	config_write(&x->f[fn].function, at, len, value);
}

static void step_bar(struct fixture *x, unsigned int fn)
{
	static const unsigned int lens[] = { 4, 4, 4, 4, 2, 1 };
	unsigned int reg = any(x, NR_BARS), len = lens[any(x, 6)];
	unsigned int at = register_of(reg) + (len == 4 ? 0 : len * any(x, 4 / len));
	uint64_t address = some_address(x);
	uint32_t value = any(x, 5) ? (uint32_t)address : UINT32_MAX;

	if (reg != ROM && is64(fn, reg ? reg - 1 : 0) && !layouts[fn][reg].size &&
	    value != UINT32_MAX)
		value = (uint32_t)(address >> 32);
	value >>= len == 4 ? 0 : 8 * (at & 3);
	if (reg == ROM && (at & 3) == 0)
		value ^= any(x, 2);
	write_config(x, fn, at, len, value);
	model_write_bar(x, fn, reg, at, len, value);
}

/* Both halves, in either order, as guests do it. */
static void step_move(struct fixture *x, unsigned int fn)
{
	unsigned int i = any(x, NR_BARS), first = any(x, 2);
	uint64_t address = some_address(x);

	if (!layouts[fn][i].size)
		return;
	for (unsigned int k = 0; k < 2; k++) {
		unsigned int high = k ^ first, at = register_of(i + high);
		uint32_t value = (uint32_t)(address >> 32 * high) | (i == ROM);

		if (high && !is64(fn, i))
			continue;
		write_config(x, fn, at, 4, value);
		model_write_bar(x, fn, i + high, at, 4, value);
	}
}

static void step_command(struct fixture *x, unsigned int fn)
{
	unsigned int value = any(x, 8) ? any(x, 8) | (any(x, 2) ? 2 : 0) : 0, len = 1u << any(x, 3);
	struct model *m = &x->m[fn];

	write_config(x, fn, PCI_COMMAND, len, value);
	m->io = value & PCI_COMMAND_IO;
	m->mem = value & PCI_COMMAND_MEMORY;
	m->master |= value & PCI_COMMAND_MASTER;
	model_settle(x, fn, NR_BARS);
}

static void step_power(struct fixture *x, unsigned int fn)
{
	unsigned int state = any(x, 3) ? 0 : any(x, 4);

	write_config(x, fn, PM_CAP + PCI_PM_CTRL, 2, state);
	if (state == 0 || state == 3) /* there is neither D1 nor D2 */
		x->m[fn].d0 = state == 0;
	model_settle(x, fn, NR_BARS);
}

/* FLR: as after power-on, whatever had been begun. */
static void step_reset(struct fixture *x, unsigned int fn)
{
	struct model *m = &x->m[fn];

	write_config(x, fn, EXP_CAP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	memset(m->reg, 0, sizeof(m->reg));
	memset(m->ones, 0, sizeof(m->ones));
	m->mem = m->io = m->rom_on = false;
	m->d0 = true;
	model_settle(x, fn, NR_BARS);
}

static void step_read_config(struct fixture *x, unsigned int fn)
{
	struct model *m = &x->m[fn];
	unsigned int reg = any(x, NR_BARS), at = register_of(reg);
	uint32_t want = m->reg[reg] | (layouts[fn][reg].bits & 0xf) | (reg == ROM && m->rom_on);

	if (x->f[fn].fake->gone)
		want = UINT32_MAX;
	assert_int_equal(config_read(&x->f[fn].function, at, 4), want);
	model_settle(x, fn, NR_BARS);
}

/* A vCPU found a page that cannot be faulted in. */
static void step_fault(struct fixture *x)
{
	unsigned int slot = 1 + any(x, 12);
	struct berth_range at = kvm[slot].at;

	if (!at.size)
		return;
	assert_int_equal(berth_mem_drop_faulting(x->mem, at.start + any(x, 0x1000)), 1);
	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++) {
		for (unsigned int i = 0; i < NR_BARS; i++) {
			struct model_bar *b = &x->m[fn].bar[i];

			for (unsigned int p = 0; p < 2; p++)
				if (b->mapped && !is_io(fn, i) && layouts[fn][i].pieces[p].size &&
				    b->at + layouts[fn][i].pieces[p].start == at.start &&
				    layouts[fn][i].pieces[p].size == at.size && has_place(x, fn, i))
					b->dropped[p] = true;
		}
	}
}

static void step_access(struct fixture *x, int step)
{
	uint64_t at = some_address(x) + any(x, 0x40) * 0x50;
	uint8_t got;

	for (size_t i = 0; i < NR_SLOTS; i++)
		if (berth_range_contains(kvm[i].at, (struct berth_range){ at, 1 }))
			return; /* never arrives */
	if (at >= 0xF0000000 && at < 0xF1000000)
		return; /* ECAM */
	berth_bus_read(x->mmio, at, 1, &got);
	if (got == model_read(x, at))
		return;
	describe(x);
	fail_msg("step %d: %#llx reads %#x instead of %#x", step, (unsigned long long)at, got,
		 model_read(x, at));
}

/* With decoding off, surprise removal: the next faults and trapped accesses find nobody. */
static void step_gone(struct fixture *x, unsigned int fn)
{
	x->f[fn].fake->gone = !x->f[fn].fake->gone && any(x, 4) == 0;
}

static void one_step(struct fixture *x, int step)
{
	unsigned int fn = any(x, NR_FUNCTIONS);

	switch (any(x, 21)) {
	case 0 ... 4:
		step_bar(x, fn);
		break;
	case 5 ... 8:
		step_move(x, fn);
		break;
	case 9 ... 12:
		step_command(x, fn);
		break;
	case 13:
		step_power(x, fn);
		break;
	case 14:
		step_read_config(x, fn);
		break;
	case 15:
		step_fault(x);
		break;
	case 16:
		step_gone(x, fn);
		break;
	case 17:
		step_reset(x, fn);
		break;
	default:
		step_access(x, step);
		break;
	}
	check(x, step);
}

/* The copy is made at the first look, which is to be before the device goes. */
static void load_rom(struct fixture *x)
{
	uint8_t got;

	write_config(x, 2, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	write_config(x, 2, PCI_ROM_ADDRESS, 4, 0xE0000001);
	berth_bus_read(x->mmio, 0xE0000000, 1, &got);
	assert_int_equal(got, tag(2, ROM));
	write_config(x, 2, PCI_ROM_ADDRESS, 4, 0xE0000000);
	write_config(x, 2, PCI_COMMAND, 2, 0);
}

static void take_over_addresses(struct fixture *x)
{
	for (unsigned int fn = 0; fn < NR_FUNCTIONS; fn++) {
		x->m[fn].d0 = true;
		for (unsigned int i = 0; i < NR_BARS; i++)
			x->m[fn].reg[i] =
				berth_vfio_config_shadow(x->f[fn].cfg, register_of(i), 4) &
				~(layouts[fn][i].bits & 0xf);
	}
}

/* Where the host's memory of the BAR is that the IOMMU never takes: found by placing it once. */
static void make_one_refused(struct fixture *x)
{
	write_config(x, 2, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	for (size_t i = 0; i < NR_SLOTS; i++)
		if (kvm[i].at.size && kvm[i].hva[0] == tag(2, 2))
			iommu_refuses = (struct berth_range){ (uintptr_t)kvm[i].hva, PAGE };
	assert_true(iommu_refuses.size);
	write_config(x, 2, PCI_COMMAND, 2, 0);
}

static void slots_and_iommu_agree_with_the_model(void **state)
{
	const char *given = getenv("BERTH_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);

	(void)state;
	berth_log_max = BERTH_LOG_ERR; /* the BAR that the IOMMU does not take is warned about */
	print_message("seeds from %u on\n", seed);
	for (unsigned int round = 0; round < (given ? 1 : 60); round++, seed++) {
		struct fixture *x;

		setup((void **)&x);
		x->seed = x->first_seed = seed;
		make_one_refused(x);
		load_rom(x);
		take_over_addresses(x);
		for (int step = 0; step < 3000; step++)
			one_step(x, step);
		teardown((void **)&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_and_iommu_agree_with_the_model),
	};

	return cmocka_run_group_tests_name("vmm/dev_bars", tests, NULL, NULL);
}
