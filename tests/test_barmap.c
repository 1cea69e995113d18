/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vmm/barmap.h"
#include "vmm/barspace.h"
#include "vmm/bus.h"
#include "vmm/mem.h"

#define AT UINT64_C(0xC0000000)

int __wrap_berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva,
			     unsigned int flags, struct berth_memslot **ret, struct berth_err *err);
void __wrap_berth_memslot_del(struct berth_memslot *slot);
void __wrap_berth_memslot_on_drop(struct berth_memslot *slot, void (*fn)(void *), void *opaque);

/* KVM's slots, linked with --wrap: no two overlap, everything is page aligned. */
static struct slot {
	struct berth_range at;
	void *hva;
} slots[8];

int __wrap_berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva,
			     unsigned int flags, struct berth_memslot **ret, struct berth_err *err)
{
	struct slot *unused = NULL;

	(void)mem;
	assert_int_equal(flags, 0);
	assert_int_equal((at.start | at.size | (uintptr_t)hva) & 4095, 0);
	(void)err;
	for (size_t i = 0; i < 8; i++) {
		assert_false(berth_range_overlaps(slots[i].at, at));
		if (!slots[i].at.size)
			unused = &slots[i];
	}
	assert_non_null(unused);
	*unused = (struct slot){ at, hva };
	*ret = (struct berth_memslot *)unused;
	return 0;
}

void __wrap_berth_memslot_del(struct berth_memslot *slot)
{
	if (slot)
		memset(slot, 0, sizeof(struct slot));
}

void __wrap_berth_memslot_on_drop(struct berth_memslot *slot, void (*fn)(void *), void *opaque)
{
	(void)slot;
	(void)fn;
	(void)opaque;
}

struct fixture {
	struct berth_barspace *space;
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_bus *bus;
	struct berth_barmap *map;
	unsigned int nr_emulated;
	uint64_t last_offset;
	/* for make(): */
	bool have_bar, no_mmap;
	uint64_t guest_size;
};

static void on_read(void *opaque, unsigned int part, uint64_t offset, unsigned int len, void *data)
{
	struct fixture *f = opaque;

	f->nr_emulated++;
	f->last_offset = offset;
	memset(data, 0xe0 + (int)part, len);
}

static void on_write(void *opaque, unsigned int part, uint64_t offset, unsigned int len,
		     const void *data)
{
	struct fixture *f = opaque;

	(void)part;
	(void)len;
	(void)data;
	f->nr_emulated++;
	f->last_offset = offset;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	memset(slots, 0, sizeof(slots));
	f->fake = fake_vfio_new();
	assert_int_equal(berth_barspace_new(&f->space, NULL, NULL, NULL), 0);
	assert_int_equal(berth_barspace_join(f->space, "fake"), 0);
	return berth_bus_new(&f->bus, "mmio");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_barmap_free(f->map);
	berth_barspace_free(f->space);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(slots[i].at.size, 0);
	berth_bus_free(f->bus);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

/* BAR 0 of @size with table and PBA, put at AT. */
static void make(struct fixture *f, uint64_t size, struct berth_range table, struct berth_range pba)
{
	struct berth_barmap_config config = {
		.size = size,
		.bus = f->bus,
		.space = f->space,
		.emulated = { table, pba },
		.read = on_read,
		.write = on_write,
		.opaque = f,
	};

	if (!f->have_bar)
		fake_vfio_bar(f->fake, 0, size, 0);
	if (f->no_mmap)
		f->fake->region[0].flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
	if (f->guest_size)
		config.size = f->guest_size;
	for (uint64_t i = 0; i < size; i++)
		f->fake->region[0].mem[i] = (uint8_t)(i >> 12 | 1);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	config.dev = f->dev;
	assert_int_equal(berth_barmap_new(&f->map, &config, NULL), 0);
	assert_int_equal(berth_barmap_place(f->map, AT, NULL), 0);
}

/* Is guest address AT + @offset one that KVM answers, with the device's own byte? */
static bool direct(uint64_t offset)
{
	for (size_t i = 0; i < 8; i++)
		if (berth_range_contains(slots[i].at, (struct berth_range){ AT + offset, 1 }))
			return ((uint8_t *)slots[i].hva)[AT + offset - slots[i].at.start] ==
			       (uint8_t)(offset >> 12 | 1);
	return false;
}

static uint32_t trapped_read(struct fixture *f, uint64_t offset, unsigned int len)
{
	uint32_t v = 0;

	berth_bus_read(f->bus, AT + offset, len, &v);
	return v;
}

static void a_whole_bar_is_direct(void **state)
{
	struct fixture *f = *state;

	make(f, 0x8000, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0x8000);
	berth_barmap_remove(f->map);
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0, 4), UINT32_MAX); /* nobody answers */
}

/* Over every page of a BAR and table places that cross pages: each byte is direct exactly outside of the two holes. */
static void table_and_pba_pages_are_cut_out_wherever_they_are(void **state)
{
	(void)state;
	for (uint64_t table = 0; table < 0x8000 - 0x30; table += 0x7f0) {
		for (uint64_t pba = 0; pba < 0x8000 - 8; pba += 0x11c8) {
			struct fixture *f = NULL;

			setup((void **)&f);
			make(f, 0x8000, (struct berth_range){ table, 0x30 },
			     (struct berth_range){ pba, 8 });
			for (uint64_t page = 0; page < 8; page++) {
				bool hole = (page >= table >> 12 && page <= (table + 0x2f) >> 12) ||
					    (page >= pba >> 12 && page <= (pba + 7) >> 12);

				if (direct(page << 12) == hole ||
				    direct((page << 12) + 0xfff) == hole)
					fail_msg("table %#llx, PBA %#llx: page %u",
						 (unsigned long long)table, (unsigned long long)pba,
						 (unsigned int)page);
			}
			teardown((void **)&f);
		}
	}
}

static void accesses_to_the_holes_go_to_who_answers(void **state)
{
	struct fixture *f = *state;

	make(f, 0x4000, (struct berth_range){ 0x2010, 0x40 }, (struct berth_range){ 0x2800, 8 });
	assert_int_equal(trapped_read(f, 0x2014, 4), 0xe0e0e0e0);
	assert_int_equal(f->last_offset, 4);
	assert_int_equal(trapped_read(f, 0x2800, 4), 0xe1e1e1e1);
	/* beside them in the same page: the device */
	assert_int_equal(trapped_read(f, 0x2000, 4), 0x03030303);
	assert_int_equal(f->nr_emulated, 2);
	/* across an edge: nobody */
	assert_int_equal(trapped_read(f, 0x200e, 4), UINT32_MAX);
	assert_int_equal(trapped_read(f, 0x204e, 4), UINT32_MAX);
	berth_bus_write(f->bus, AT + 0x200e, 4, &(uint32_t){ 0 });
	assert_int_equal(f->nr_emulated, 2);
	assert_int_equal(f->fake->region[0].mem[0x200e], 3);
	berth_bus_write(f->bus, AT + 0x2000, 4, &(uint32_t){ 0x55 });
	assert_int_equal(f->fake->region[0].mem[0x2000], 0x55);
}

/* The rest of the page is the device's own in the host: vfio says so by letting it be mapped. */
static void a_small_bar_gets_its_page_where_one_begins(void **state)
{
	struct fixture *f = *state;

	make(f, 0x100, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0x1000);
	assert_true(direct(0x80));
	berth_barmap_remove(f->map);
	assert_int_equal(berth_barmap_place(f->map, AT + 0x100, NULL), 0);
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0x180, 2), 0x0101);
	f->fake->gone = true;
	assert_int_equal(trapped_read(f, 0x180, 2), 0xffff);
}

static void a_small_bar_that_shares_its_page_is_trapped(void **state)
{
	struct fixture *f = *state;

	f->no_mmap = true;
	make(f, 0x100, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0x80, 2), 0x0101);
}

static void what_the_device_does_not_have_reads_all_ones(void **state)
{
	struct fixture *f = *state;

	/* twice as large as the device's own, the table in the upper half */
	f->guest_size = 0x8000;
	make(f, 0x4000, (struct berth_range){ 0x4000, 0x40 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0x4000);
	assert_int_equal(trapped_read(f, 0x4000, 4), 0xe0e0e0e0);
	assert_int_equal(trapped_read(f, 0x6000, 4), UINT32_MAX);
	berth_bus_write(f->bus, AT + 0x6000, 4, &(uint32_t){ 1 });
	assert_int_equal(f->nr_emulated, 1);
}

static void a_bar_of_ours_alone_has_no_device_behind_it(void **state)
{
	struct fixture *f = *state;
	struct berth_barmap_config config = {
		.bar = 3,
		.size = 0x1000,
		.bus = f->bus,
		.space = f->space,
		.emulated = { { 0, 0x20 } },
		.read = on_read,
		.write = on_write,
		.opaque = f,
	};

	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	config.dev = f->dev;
	assert_int_equal(berth_barmap_new(&f->map, &config, NULL), 0);
	assert_int_equal(berth_barmap_place(f->map, AT, NULL), 0);
	assert_int_equal(trapped_read(f, 0x10, 4), 0xe0e0e0e0);
	assert_int_equal(trapped_read(f, 0x20, 4), UINT32_MAX);
	berth_bus_write(f->bus, AT + 0x20, 4, &(uint32_t){ 1 });
	assert_int_equal(f->nr_emulated, 1);
}

static void what_cannot_be_mapped_is_trapped(void **state)
{
	struct fixture *f = *state;

	fake_vfio_bar(f->fake, 0, 0x4000, 0);
	close(f->fake->region[0].fd);
	f->fake->region[0].fd = -1; /* mmap answers EINVAL */
	f->have_bar = true;
	make(f, 0x4000, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0x3000, 1), 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_whole_bar_is_direct),
		cmocka_unit_test(table_and_pba_pages_are_cut_out_wherever_they_are),
		T(accesses_to_the_holes_go_to_who_answers),
		T(a_small_bar_gets_its_page_where_one_begins),
		T(a_small_bar_that_shares_its_page_is_trapped),
		T(what_the_device_does_not_have_reads_all_ones),
		T(a_bar_of_ours_alone_has_no_device_behind_it),
		T(what_cannot_be_mapped_is_trapped),
	};

	return cmocka_run_group_tests_name("vmm/barmap", tests, NULL, NULL);
}
