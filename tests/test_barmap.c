/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vmm/barmap.h"
#include "vmm/bus.h"
#include "vmm/mem.h"

#define AT UINT64_C(0xC0000000)

int __wrap_berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva,
			     unsigned int flags, struct berth_memslot **ret, struct berth_err *err);
void __wrap_berth_memslot_del(struct berth_memslot *slot);

/* KVM's slots, linked with --wrap: no two overlap, everything is page aligned. */
static struct slot {
	struct berth_range at;
	void *hva;
} slots[8];
static struct berth_range taken; /* by somebody else */

int __wrap_berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva,
			     unsigned int flags, struct berth_memslot **ret, struct berth_err *err)
{
	struct slot *unused = NULL;

	(void)mem;
	assert_int_equal(flags, 0);
	assert_int_equal((at.start | at.size | (uintptr_t)hva) & 4095, 0);
	if (berth_range_overlaps(at, taken))
		return berth_err_set(err, -EEXIST, "taken");
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

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_bus *bus;
	struct berth_barmap *map;
	unsigned int nr_emulated;
	uint64_t last_offset;
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
	taken = (struct berth_range){ 0, 0 };
	f->fake = fake_vfio_new();
	return berth_bus_new(&f->bus, "mmio");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_barmap_free(f->map);
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
		.emulated = { table, pba },
		.read = on_read,
		.write = on_write,
		.opaque = f,
	};

	fake_vfio_bar(f->fake, 0, size, 0);
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

static void small_bars_are_trapped(void **state)
{
	struct fixture *f = *state;

	make(f, 0x100, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0x80, 2), 0x0101);
	f->fake->gone = true;
	assert_int_equal(trapped_read(f, 0x80, 2), 0xffff);
}

static void a_taken_place_is_trapped_until_it_is_free(void **state)
{
	struct fixture *f = *state;

	taken = (struct berth_range){ AT + 0x1000, 0x1000 };
	make(f, 0x4000, (struct berth_range){ 0 }, (struct berth_range){ 0 });
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0);
	assert_int_equal(trapped_read(f, 0x3000, 1), 3);
	taken.size = 0;
	berth_barmap_retry(f->map);
	assert_int_equal(berth_barmap_direct_bytes(f->map), 0x4000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_whole_bar_is_direct),
		cmocka_unit_test(table_and_pba_pages_are_cut_out_wherever_they_are),
		T(accesses_to_the_holes_go_to_who_answers),
		T(small_bars_are_trapped),
		T(a_taken_place_is_trapped_until_it_is_free),
	};

	return cmocka_run_group_tests_name("vmm/barmap", tests, NULL, NULL);
}
