/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI host from both sides: as a guest sees it through ECAM and ports, and what the firmware part gave out, on
 * random sets of devices.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/pci_host.h"

#define MIB	    UINT64_C(0x100000)
#define GIB	    UINT64_C(0x40000000)
#define MAX_DEVICES 200

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	return request == KVM_CHECK_EXTENSION ? 64 : 0;
}

/* A function whose BARs behave as a real one's. */
struct device {
	struct berth_pci_function f;
	uint32_t regs[BERTH_PCI_CONFIG_SIZE / 4];
};

static uint32_t dev_read(struct berth_pci_function *self, unsigned int offset, unsigned int len)
{
	struct device *d = (struct device *)self;
	uint32_t value = 0;

	assert_true(offset + len <= BERTH_PCI_CONFIG_SIZE && offset % len == 0);
	memcpy(&value, (char *)d->regs + offset, len);
	return value;
}

static void dev_write(struct berth_pci_function *self, unsigned int offset, unsigned int len,
		      uint32_t value)
{
	struct device *d = (struct device *)self;

	assert_true(offset + len <= BERTH_PCI_CONFIG_SIZE && offset % len == 0);
	memcpy((char *)d->regs + offset, &value, len);
}

static const struct berth_pci_function_ops dev_ops = { dev_read, dev_write };

struct machine {
	struct berth_bus *mmio, *pio;
	struct berth_mem *mem;
	struct berth_pci_host *host;
	struct device devices[MAX_DEVICES];
	size_t nr;
};

static struct machine *make(uint64_t memory, unsigned int phys_bits,
			    const struct berth_range *reserved, size_t nr_reserved)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct berth_mem_config config = { memory, fd, reserved, .nr_reserved = nr_reserved };
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(ftruncate(fd, (off_t)memory), 0);
	assert_int_equal(berth_bus_new(&m->mmio, "mmio"), 0);
	assert_int_equal(berth_bus_new(&m->pio, "pio"), 0);
	assert_int_equal(berth_mem_new(&m->mem, 3, &config, NULL), 0);
	close(fd);
	assert_int_equal(berth_pci_host_new(&m->host, m->mmio, m->pio, m->mem, phys_bits, NULL), 0);
	return m;
}

static void destroy(struct machine *m)
{
	berth_pci_host_free(m->host);
	berth_mem_free(m->mem);
	berth_bus_free(m->pio);
	berth_bus_free(m->mmio);
	free(m);
}

static int setup(void **state)
{
	*state = make(64 * MIB, 40, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	destroy(*state);
	return 0;
}

static struct device *add(struct machine *m, struct berth_pci_slot *slot, unsigned int fn)
{
	struct device *d = &m->devices[m->nr++];

	d->f.ops = &dev_ops;
	d->f.name = "0000:03:00.0";
	d->regs[0] = 0xbeef0000 | (uint32_t)m->nr;
	assert_int_equal(berth_pci_slot_add(slot, fn, &d->f, NULL), 0);
	return d;
}

static struct berth_pci_slot *new_slot(struct machine *m)
{
	struct berth_pci_slot *slot;

	assert_int_equal(berth_pci_host_add_slot(m->host, &slot, NULL), 0);
	return slot;
}

static uint64_t ecam(unsigned int bus, unsigned int dev, unsigned int fn, unsigned int reg)
{
	return BERTH_PCI_ECAM_BASE + (bus << 20 | dev << 15 | fn << 12 | reg);
}

static uint32_t cfg(struct machine *m, unsigned int bus, unsigned int dev, unsigned int fn,
		    unsigned int reg, unsigned int len)
{
	uint32_t value = 0;

	berth_bus_read(m->mmio, ecam(bus, dev, fn, reg), len, &value);
	return value;
}

static void put(struct machine *m, unsigned int bus, unsigned int dev, unsigned int reg,
		unsigned int len, uint32_t value)
{
	berth_bus_write(m->mmio, ecam(bus, dev, 0, reg), len, &value);
}

static uint32_t ports(struct machine *m, unsigned int bus, unsigned int dev, unsigned int reg)
{
	uint32_t address = 0x80000000 | bus << 16 | dev << 11 | reg, value = 0;

	berth_bus_write(m->pio, 0xcf8, 4, &address);
	berth_bus_read(m->pio, 0xcfc, 4, &value);
	return value;
}

static void a_guest_finds_bridge_ports_and_functions(void **state)
{
	struct machine *m = *state;
	struct berth_pci_slot *gpu = new_slot(m), *nic = new_slot(m);

	add(m, gpu, 0);
	add(m, gpu, 1);
	add(m, nic, 0);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	assert_int_equal(cfg(m, 0, 0, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	for (unsigned int dev = 1; dev <= 2; dev++) {
		assert_int_equal(cfg(m, 0, dev, 0, PCI_CLASS_DEVICE, 2), 0x0604);
		assert_int_equal(cfg(m, 0, dev, 0, PCI_HEADER_TYPE, 1), 1);
		assert_int_equal(cfg(m, 0, dev, 0, PCI_SECONDARY_BUS, 1), dev);
	}
	assert_int_equal(cfg(m, 1, 0, 0, 0, 4), 0xbeef0001);
	assert_int_equal(cfg(m, 1, 0, 1, 0, 4), 0xbeef0002);
	assert_int_equal(cfg(m, 2, 0, 0, 0, 4), 0xbeef0003);
	assert_int_equal(cfg(m, 1, 0, 2, 0, 4), UINT32_MAX);
	assert_int_equal(cfg(m, 1, 1, 0, 0, 4), UINT32_MAX);
	assert_int_equal(cfg(m, 0, 3, 0, 0, 4), UINT32_MAX);
	assert_int_equal(cfg(m, 3, 0, 0, 0, 4), UINT32_MAX);
	assert_int_equal(ports(m, 1, 0, 0), 0xbeef0001);
	assert_int_equal(ports(m, 0, 1, 8) >> 16, 0x0604);
	assert_int_equal(berth_pci_host_nr_buses(m->host), 3);
}

/* What Linux' pci_regs walk expects of a root port. */
static void a_root_port_has_its_capabilities(void **state)
{
	struct machine *m = *state;
	unsigned int cap, exp = 0, guard = 0;

	add(m, new_slot(m), 0);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	assert_true(cfg(m, 0, 1, 0, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	for (cap = cfg(m, 0, 1, 0, PCI_CAPABILITY_LIST, 1); cap && guard < 48; guard++) {
		if (cfg(m, 0, 1, 0, cap, 1) == PCI_CAP_ID_EXP)
			exp = cap;
		cap = cfg(m, 0, 1, 0, cap + 1, 1);
	}
	assert_int_not_equal(exp, 0);
	assert_int_equal(cfg(m, 0, 1, 0, exp + PCI_EXP_FLAGS, 2) >> 4 & 0xf,
			 PCI_EXP_TYPE_ROOT_PORT);
	assert_int_equal(cfg(m, 0, 1, 0, exp + PCI_EXP_SLTCAP, 4) & PCI_EXP_SLTCAP_HPC, 0);
	assert_true(cfg(m, 0, 1, 0, exp + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	/* no extended capabilities, no interrupt pin, BARs that take nothing */
	assert_int_equal(cfg(m, 0, 1, 0, 0x100, 4), 0);
	assert_int_equal(cfg(m, 0, 1, 0, PCI_INTERRUPT_PIN, 1), 0);
	put(m, 0, 1, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	assert_int_equal(cfg(m, 0, 1, 0, PCI_BASE_ADDRESS_0, 4), 0);
	put(m, 0, 1, PCI_VENDOR_ID, 4, 0);
	assert_int_equal(cfg(m, 0, 1, 0, PCI_VENDOR_ID, 2), 0x1b36);
}

static void a_root_port_completes_what_all_of_its_functions_can_use(void **state)
{
	struct machine *m = *state;
	struct berth_pci_slot *both = new_slot(m), *none = new_slot(m);

	add(m, both, 0);
	add(m, both, 1);
	add(m, none, 0);
	berth_pci_slot_atomics(both, 5);
	berth_pci_slot_atomics(both, 7);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	/* Device Capabilities 2 at 50h + 24h: bits 7, 8, 9 */
	assert_int_equal(cfg(m, 0, 1, 0, 0x74, 4) & 0x380, 0x280);
	assert_int_equal(cfg(m, 0, 2, 0, 0x74, 4) & 0x380, 0);
}

static void a_guest_may_renumber_the_buses(void **state)
{
	struct machine *m = *state;

	add(m, new_slot(m), 0);
	add(m, new_slot(m), 0);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	put(m, 0, 1, PCI_PRIMARY_BUS, 4, 0);
	assert_int_equal(cfg(m, 1, 0, 0, 0, 4), UINT32_MAX);
	put(m, 0, 2, PCI_SECONDARY_BUS, 1, 1);
	assert_int_equal(cfg(m, 1, 0, 0, 0, 4), 0xbeef0002);
}

static void odd_config_accesses_read_as_all_ones(void **state)
{
	struct machine *m = *state;
	uint64_t wide = 0;
	uint32_t three = 0;

	add(m, new_slot(m), 0)->regs[1] = 0x11223344;
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	assert_int_equal(cfg(m, 1, 0, 0, 1, 2), 0xffff);
	assert_int_equal(cfg(m, 1, 0, 0, 2, 4), UINT32_MAX);
	assert_int_equal(cfg(m, 1, 0, 0, 6, 2), 0x1122);
	berth_bus_read(m->mmio, ecam(1, 0, 0, 0), 3, &three);
	assert_int_equal(three, 0xffffff);
	berth_bus_read(m->mmio, ecam(1, 0, 0, 0), 8, &wide);
	assert_int_equal(wide, UINT64_C(0x11223344beef0001));
	assert_false(berth_bus_read(m->mmio, ecam(1, 31, 7, 0xffe), 4, &three));
	assert_false(berth_bus_read(m->mmio, ecam(2, 0, 0, 0), 4, &three));
}

static void config_ports_need_the_enable_bit(void **state)
{
	struct machine *m = *state;
	uint32_t address = 0, value = 0;

	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	berth_bus_write(m->pio, 0xcf8, 4, &address);
	berth_bus_read(m->pio, 0xcfc, 4, &value);
	assert_int_equal(value, UINT32_MAX);
	address = 0x80000000;
	berth_bus_write(m->pio, 0xcf8, 4, &address);
	value = 0;
	berth_bus_read(m->pio, 0xcf8, 4, &value);
	assert_int_equal(value, 0x80000000);
	value = 0;
	berth_bus_read(m->pio, 0xcfe, 2, &value);
	assert_int_equal(value, 0x0008);
}

static unsigned int rnd(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static void random_bars(struct device *d)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct berth_pci_bar *bar = &d->f.bars[i];

		switch (rnd(5)) {
		case 0:
			*bar = (struct berth_pci_bar){ .size = 4u << rnd(7), .io = true };
			break;
		case 1:
			*bar = (struct berth_pci_bar){ .size = 16u << rnd(18), .prefetch = rnd(2) };
			break;
		case 2:
			if (i == 5)
				break;
			*bar = (struct berth_pci_bar){ .size = UINT64_C(4096) << rnd(24),
						       .is64 = true,
						       .prefetch = true };
			i++;
			break;
		case 3:
			if (i == 5)
				break;
			*bar = (struct berth_pci_bar){ .size = 4096u << rnd(8), .is64 = true };
			i++;
			break;
		default:
			break;
		}
	}
	if (rnd(3) == 0)
		d->f.bars[BERTH_PCI_ROM_BAR] = (struct berth_pci_bar){ .size = 2048u << rnd(8) };
}

static struct berth_range bridge_window(struct machine *m, unsigned int dev, unsigned int fn,
					bool prefetch)
{
	uint64_t base = cfg(m, 0, dev, fn, prefetch ? PCI_PREF_MEMORY_BASE : PCI_MEMORY_BASE, 2);
	uint64_t limit = cfg(m, 0, dev, fn, prefetch ? PCI_PREF_MEMORY_LIMIT : PCI_MEMORY_LIMIT, 2);

	base = (base & 0xfff0) << 16;
	limit = (limit & 0xfff0) << 16 | 0xfffff;
	if (prefetch) {
		base |= (uint64_t)cfg(m, 0, dev, fn, PCI_PREF_BASE_UPPER32, 4) << 32;
		limit |= (uint64_t)cfg(m, 0, dev, fn, PCI_PREF_LIMIT_UPPER32, 4) << 32;
	}
	return base > limit ? (struct berth_range){ 0, 0 } :
			      (struct berth_range){ base, limit - base + 1 };
}

static void check_bar(struct machine *m, const struct device *d, unsigned int i)
{
	const struct berth_pci_bar *bar = &d->f.bars[i];
	struct berth_range at = { bar->addr, bar->size }, window;
	unsigned int reg = i == BERTH_PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i;
	bool high = bar->is64 && bar->prefetch;
	unsigned int port = d->f.bus - 1u;

	assert_int_equal(bar->addr % bar->size, 0);
	assert_int_equal(d->regs[reg / 4], (uint32_t)bar->addr);
	if (bar->is64)
		assert_int_equal(d->regs[reg / 4 + 1], bar->addr >> 32);
	if (bar->io) {
		if (bar->addr)
			assert_in_range(bar->addr, BERTH_PCI_IO_START,
					BERTH_PCI_IO_END - bar->size);
		return;
	}
	assert_true(berth_pci_host_mmio_ok(m->host, at));
	assert_false(berth_mem_overlaps_ram(m->mem, at));
	assert_int_equal(bar->addr % 4096, 0);
	window = bridge_window(m, 1 + port % 31, port / 31, high);
	assert_true(berth_range_contains(window, at));
	assert_int_equal(high, bar->addr >= 4 * GIB);
}

static void check_disjoint(struct machine *m, const struct berth_pci_bar *a,
			   const struct berth_pci_bar *b)
{
	struct berth_range x = { a->addr, a->size }, y = { b->addr, b->size };

	(void)m;
	if (a == b || a->io != b->io || !a->addr || !b->addr)
		return;
	/* pages, not bytes: each memory BAR can be mapped alone */
	if (!a->io) {
		x.size = x.size < 4096 ? 4096 : x.size;
		y.size = y.size < 4096 ? 4096 : y.size;
	}
	assert_false(berth_range_overlaps(x, y));
}

static void check_all(struct machine *m)
{
	for (size_t i = 0; i < m->nr; i++)
		for (unsigned int b = 0; b < BERTH_PCI_NR_BARS; b++) {
			if (!m->devices[i].f.bars[b].size)
				continue;
			check_bar(m, &m->devices[i], b);
			for (size_t j = i; j < m->nr; j++)
				for (unsigned int c = 0; c < BERTH_PCI_NR_BARS; c++)
					if (m->devices[j].f.bars[c].size)
						check_disjoint(m, &m->devices[i].f.bars[b],
							       &m->devices[j].f.bars[c]);
		}
}

static void any_set_of_bars_gets_aligned_disjoint_places(void **state)
{
	static const struct berth_range reserved[] = { { 1012 * GIB, 12 * GIB } };

	(void)state;
	for (unsigned int seed = 1; seed <= 150; seed++) {
		struct machine *m;
		unsigned int nr_slots;

		srand(seed);
		m = make((64 + rnd(8000)) * MIB, 46, reserved, BERTH_ARRAY_SIZE(reserved));
		nr_slots = 1 + rnd(seed % 10 ? 8 : 40);
		for (unsigned int s = 0; s < nr_slots; s++) {
			struct berth_pci_slot *slot = new_slot(m);
			unsigned int nr = rnd(4) ? 1 : 1 + rnd(4);

			for (unsigned int fn = 0; fn < nr; fn++) {
				struct device *d = &m->devices[m->nr++];

				d->f.ops = &dev_ops;
				d->f.name = "random";
				random_bars(d);
				assert_int_equal(berth_pci_slot_add(slot, fn, &d->f, NULL), 0);
			}
		}
		assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
		check_all(m);
		destroy(m);
	}
}

static void big_bars_of_many_gpus_find_room(void **state)
{
	struct machine *m = make(64 * MIB, 42, NULL, 0);
	struct berth_range windows[2];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct device *d;

		d = add(m, new_slot(m), 0);
		d->f.bars[0] = (struct berth_pci_bar){ .size = 16 * MIB };
		d->f.bars[1] = (struct berth_pci_bar){ 64 * GIB, true, true, false, 0 };
		d->f.bars[3] = (struct berth_pci_bar){ 32 * MIB, true, true, false, 0 };
	}
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	check_all(m);
	assert_int_equal(berth_pci_host_mmio_windows(m->host, windows), 2);
	/* a bridge's window is one piece, so two neighbours have their small BARs on the outside, and a gap to the next pair */
	assert_in_range(windows[1].size, (8 + 3) * 64 * GIB - 64 * GIB,
			(8 + 3) * 64 * GIB + 2 * GIB);
	assert_true(
		berth_pci_host_mmio_ok(m->host, (struct berth_range){ windows[1].start, 4096 }));
	destroy(m);
}

static void a_machine_without_big_bars_has_no_64_bit_window(void **state)
{
	struct machine *m = *state;
	struct berth_range windows[2];

	add(m, new_slot(m), 0)->f.bars[0] = (struct berth_pci_bar){ .size = MIB };
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	assert_int_equal(berth_pci_host_mmio_windows(m->host, windows), 1);
	assert_true(berth_pci_host_mmio_ok(m->host, (struct berth_range){ 0xc0000000, MIB }));
	assert_false(berth_pci_host_mmio_ok(m->host, (struct berth_range){ 0xefffffff, 2 }));
	assert_false(berth_pci_host_mmio_ok(m->host, (struct berth_range){ 0, MIB }));
	assert_false(berth_pci_host_mmio_ok(m->host, (struct berth_range){ 0xfec00000, 4096 }));
}

static void a_window_that_is_too_small_is_said(void **state)
{
	struct machine *small = make(64 * MIB, 36, NULL, 0), *m = *state;
	struct berth_err err = BERTH_ERR_INIT;

	add(small, new_slot(small), 0)->f.bars[2] =
		(struct berth_pci_bar){ 64 * GIB, true, true, false, 0 };
	assert_int_equal(berth_pci_host_assign(small->host, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "0000:03:00.0: BAR 2 needs 65536 MiB"));
	assert_non_null(strstr(err.text, "0x1000000000"));
	assert_non_null(strstr(err.text, "36 physical address bits"));
	destroy(small);

	berth_err_clear(&err);
	small = make(UINT64_C(65) * GIB, 36, NULL, 0);
	assert_int_equal(berth_pci_host_assign(small->host, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "does not fit into the 36 physical address bits"));
	destroy(small);

	berth_err_clear(&err);
	add(m, new_slot(m), 0)->f.bars[0] = (struct berth_pci_bar){ .size = 512 * MIB };
	add(m, new_slot(m), 0)->f.bars[0] = (struct berth_pci_bar){ .size = 512 * MIB };
	assert_int_equal(berth_pci_host_assign(m->host, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "below 4 GiB"));
}

static void impossible_functions_are_refused(void **state)
{
	struct machine *m = *state;
	static const struct {
		unsigned int index;
		struct berth_pci_bar bar;
	} rows[] = {
		{ 0, { .size = 3 * MIB } },
		{ 0, { .size = 8 } },
		{ 0, { .size = 2, .io = true } },
		{ 0, { .size = 4 * GIB } },
		{ 0, { .size = UINT64_C(1) << 60, .is64 = true } },
		{ 5, { .size = MIB, .is64 = true } },
		{ 0, { .size = 32, .is64 = true, .io = true } },
	};
	struct berth_pci_slot *slot = new_slot(m);
	struct device d = { .f = { .ops = &dev_ops, .name = "x" } };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		memset(d.f.bars, 0, sizeof(d.f.bars));
		d.f.bars[rows[i].index] = rows[i].bar;
		assert_int_equal(berth_pci_slot_add(slot, 0, &d.f, NULL), -EINVAL);
	}
	memset(d.f.bars, 0, sizeof(d.f.bars));
	assert_int_equal(berth_pci_slot_add(slot, 8, &d.f, NULL), -EINVAL);
	assert_int_equal(berth_pci_slot_add(slot, 1, &d.f, NULL), 0);
	assert_int_equal(berth_pci_slot_add(slot, 1, &d.f, NULL), -EEXIST);
	/* and a slot without function 0 */
	assert_int_equal(berth_pci_host_assign(m->host, NULL), -EINVAL);
}

static void slots_are_limited_and_closed_after_assign(void **state)
{
	struct machine *m = *state;
	struct berth_pci_slot *slot;

	for (unsigned int i = 0; i < BERTH_PCI_MAX_SLOTS; i++)
		add(m, new_slot(m), 0);
	assert_int_equal(berth_pci_host_add_slot(m->host, &slot, NULL), -ENOSPC);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
	assert_int_equal(berth_pci_host_add_slot(m->host, &slot, NULL), -EBUSY);
	/* the 40th slot's port is a second function of its device number, and says so */
	assert_int_equal(cfg(m, 0, 9, 1, PCI_SECONDARY_BUS, 1), 40);
	assert_int_equal(cfg(m, 0, 9, 0, PCI_HEADER_TYPE, 1), 0x81);
	assert_int_equal(cfg(m, BERTH_PCI_MAX_SLOTS, 0, 0, 0, 4), 0xbeef0000 | BERTH_PCI_MAX_SLOTS);
}

static void intx_pins_follow_the_port(void **state)
{
	struct machine *m = *state;
	struct device *a = add(m, new_slot(m), 0), *b = add(m, new_slot(m), 3);

	for (unsigned int pin = 1; pin <= 4; pin++) {
		assert_int_equal(berth_pci_intx_gsi(&a->f, pin), berth_pci_root_gsi(1, pin));
		assert_int_equal(berth_pci_intx_gsi(&b->f, pin), berth_pci_root_gsi(2, pin));
		assert_in_range(berth_pci_root_gsi(31, pin), 16, 23);
	}
	assert_int_equal(berth_pci_root_gsi(1, 1), 17);
	assert_int_equal(berth_pci_root_gsi(7, 2), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_guest_finds_bridge_ports_and_functions),
		T(a_root_port_has_its_capabilities),
		T(a_root_port_completes_what_all_of_its_functions_can_use),
		T(a_guest_may_renumber_the_buses),
		T(odd_config_accesses_read_as_all_ones),
		T(config_ports_need_the_enable_bit),
		cmocka_unit_test(any_set_of_bars_gets_aligned_disjoint_places),
		cmocka_unit_test(big_bars_of_many_gpus_find_room),
		T(a_machine_without_big_bars_has_no_64_bit_window),
		T(a_window_that_is_too_small_is_said),
		T(impossible_functions_are_refused),
		T(slots_are_limited_and_closed_after_assign),
		T(intx_pins_follow_the_port),
	};

	return cmocka_run_group_tests_name("vmm/pci_host", tests, NULL, NULL);
}
