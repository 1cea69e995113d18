/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pieces of RAM are mapped for DMA, in what order, and how they are taken back. The I/O address space and the memory are
 * played: only their calls count.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "iommu/ioas.h"
#include "vmm/dma_ram.h"
#include "vmm/mem.h"
#include "vmm/prefault.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static struct berth_mem_range ram[40];
static size_t nr_ram;
static struct berth_range mapped[256];
static void *mapped_at[256];
static size_t nr_mapped;
static int fail_at;	  /* the map call that fails; 0: none */
static uint64_t there;	  /* bytes that were waited for */
static uint64_t lacks_at; /* where waiting fails; 0: nowhere */
static uint64_t told_done, told_total;
static unsigned int told;

int __wrap_berth_ioas_map(struct berth_ioas *io, struct berth_range at, void *vaddr,
			  unsigned int prot, struct berth_err *err);
int __wrap_berth_ioas_map(struct berth_ioas *io, struct berth_range at, void *vaddr,
			  unsigned int prot, struct berth_err *err)
{
	assert_ptr_equal(io, &nr_mapped);
	assert_int_equal(prot, BERTH_IOAS_READ | BERTH_IOAS_WRITE);
	if (fail_at && nr_mapped + 1 == (size_t)fail_at)
		return berth_err_set(err, -ENOMEM, "over the limit");
	mapped_at[nr_mapped] = vaddr;
	mapped[nr_mapped++] = at;
	return 0;
}

int __wrap_berth_ioas_unmap(struct berth_ioas *io, struct berth_range at, struct berth_err *err);
int __wrap_berth_ioas_unmap(struct berth_ioas *io, struct berth_range at, struct berth_err *err)
{
	(void)io;
	(void)err;
	assert_true(nr_mapped > 0);
	nr_mapped--;
	assert_int_equal(at.start, mapped[nr_mapped].start);
	assert_int_equal(at.size, mapped[nr_mapped].size);
	return 0;
}

/* Somebody faults RAM in, and is never further than asked for. */
int __wrap_berth_prefault_wait(struct berth_prefault *p, uint64_t bytes, struct berth_err *err);
int __wrap_berth_prefault_wait(struct berth_prefault *p, uint64_t bytes, struct berth_err *err)
{
	assert_ptr_equal(p, &there);
	assert_true(bytes > there);
	there = bytes;
	return lacks_at && there >= lacks_at ? berth_err_set(err, -ENOMEM, "no memory left") : 0;
}

const struct berth_mem_range *__wrap_berth_mem_ram_ranges(const struct berth_mem *mem, size_t *ret);
const struct berth_mem_range *__wrap_berth_mem_ram_ranges(const struct berth_mem *mem, size_t *ret)
{
	(void)mem;
	*ret = nr_ram;
	return ram;
}

uint64_t __wrap_berth_mem_size(const struct berth_mem *mem);
uint64_t __wrap_berth_mem_size(const struct berth_mem *mem)
{
	uint64_t sum = 0;

	(void)mem;
	for (size_t i = 0; i < nr_ram; i++)
		sum += ram[i].size;
	return sum;
}

static void progress(void *opaque, uint64_t done, uint64_t total)
{
	assert_ptr_equal(opaque, &told);
	assert_true(done > told_done);
	told_done = done;
	told_total = total;
	told++;
}

static void add_ram(uint64_t gpa, uint64_t size)
{
	uintptr_t hva = nr_ram ? (uintptr_t)ram[nr_ram - 1].hva + ram[nr_ram - 1].size :
				 UINT64_C(1) << 45;

	ram[nr_ram++] = (struct berth_mem_range){ gpa, size, (void *)hva };
}

static int set_up(void **state)
{
	(void)state;
	nr_ram = nr_mapped = 0;
	fail_at = 0;
	told_done = told_total = told = 0;
	there = lacks_at = 0;
	return 0;
}

static int map(struct berth_dma_ram *d, struct berth_err *err)
{
	return berth_dma_ram_map(d, (struct berth_ioas *)&nr_mapped, NULL, NULL, progress, &told,
				 err);
}

/* Each byte of RAM once, in order, at its own address. */
static void check_cover(void)
{
	size_t k = 0;

	for (size_t i = 0; i < nr_ram; i++) {
		uint64_t at = ram[i].gpa, end = at + ram[i].size;

		for (; at < end; k++) {
			assert_true(k < nr_mapped);
			assert_int_equal(mapped[k].start, at);
			assert_ptr_equal(mapped_at[k], (char *)ram[i].hva + (at - ram[i].gpa));
			at += mapped[k].size;
		}
		assert_int_equal(at, end);
	}
	assert_int_equal(k, nr_mapped);
}

static void ram_is_mapped_in_pieces_of_a_gib(void **state)
{
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 3 * GIB);
	add_ram(4 * GIB, 2 * GIB + 5 * MIB);
	assert_int_equal(map(&d, NULL), 0);
	check_cover();
	assert_int_equal(nr_mapped, 6);
	assert_int_equal(mapped[5].size, 5 * MIB);
	assert_int_equal(told, 6);
	assert_int_equal(told_done, 5 * GIB + 5 * MIB);
	assert_int_equal(told_total, told_done);
	berth_dma_ram_unmap(&d);
	assert_int_equal(nr_mapped, 0);
}

static void pieces_start_at_multiples_of_their_size(void **state)
{
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 900 * MIB);
	add_ram(902 * MIB, 2 * GIB);
	assert_int_equal(map(&d, NULL), 0);
	check_cover();
	assert_int_equal(nr_mapped, 4);
	assert_int_equal(mapped[2].start, GIB);
	assert_int_equal(mapped[2].size, GIB);
	assert_int_equal(mapped[3].start, 2 * GIB);
	berth_dma_ram_unmap(&d);
}

static void a_small_guest_is_one_piece(void **state)
{
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 64 * MIB);
	assert_int_equal(map(&d, NULL), 0);
	assert_int_equal(nr_mapped, 1);
	berth_dma_ram_unmap(&d);
}

static int map_behind(struct berth_dma_ram *d, struct berth_err *err)
{
	return berth_dma_ram_map(d, (struct berth_ioas *)&nr_mapped, NULL,
				 (struct berth_prefault *)&there, progress, &told, err);
}

static void each_piece_is_waited_for(void **state)
{
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 3 * GIB);
	add_ram(4 * GIB, 5 * MIB);
	fail_at = 3; /* by then the third piece has been waited for, and no more */
	assert_int_equal(map_behind(&d, NULL), -ENOMEM);
	assert_int_equal(there, 3 * GIB);
	berth_dma_ram_unmap(&d);
	fail_at = 0;
	there = told_done = 0;
	assert_int_equal(map_behind(&d, NULL), 0);
	assert_int_equal(there, 3 * GIB + 5 * MIB);
	berth_dma_ram_unmap(&d);
}

static void memory_that_does_not_come_is_not_mapped(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 3 * GIB);
	lacks_at = 2 * GIB;
	assert_int_equal(map_behind(&d, &err), -ENOMEM);
	assert_string_equal(err.text, "guest RAM: no memory left");
	assert_int_equal(nr_mapped, 1);
	berth_dma_ram_unmap(&d);
}

static void the_largest_guest_takes_no_more_maps_than_there_are(void **state)
{
	static const uint64_t sizes[] = { 96 * GIB, 127 * GIB, 128 * GIB, 2048 * GIB, 8192 * GIB };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct berth_dma_ram d;

		set_up(state);
		add_ram(0, 3 * GIB);
		for (uint64_t k = 0; k < 31; k++) /* with as many holes as berth_mem can have */
			add_ram(4 * GIB + k * sizes[i], (sizes[i] - 3 * GIB) / 31 / MIB * MIB);
		assert_int_equal(map(&d, NULL), 0);
		check_cover();
		assert_true(nr_mapped <= BERTH_DMA_RAM_MAX_PIECES);
		berth_dma_ram_unmap(&d);
	}
}

static void a_failure_leaves_what_can_be_taken_back(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_dma_ram d;

	(void)state;
	add_ram(0, 3 * GIB);
	fail_at = 3;
	assert_int_equal(map(&d, &err), -ENOMEM);
	assert_string_equal(err.text, "guest RAM: over the limit");
	assert_int_equal(nr_mapped, 2);
	berth_dma_ram_unmap(&d);
	assert_int_equal(nr_mapped, 0);
	berth_dma_ram_unmap(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, set_up)
		T(ram_is_mapped_in_pieces_of_a_gib),
		T(pieces_start_at_multiples_of_their_size),
		T(a_small_guest_is_one_piece),
		T(each_piece_is_waited_for),
		T(memory_that_does_not_come_is_not_mapped),
		T(the_largest_guest_takes_no_more_maps_than_there_are),
		T(a_failure_leaves_what_can_be_taken_back),
	};

	return cmocka_run_group_tests_name("vmm/dma_ram", tests, NULL, NULL);
}
