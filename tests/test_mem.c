/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout, translator and slots; ioctl is wrapped and keeps the slots that KVM would have.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/mem.h"

#define MIB	 (UINT64_C(1) << 20)
#define GIB	 (UINT64_C(1) << 30)
#define NR_SLOTS 64

static struct kvm_userspace_memory_region slots[NR_SLOTS];
static int fail_with;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_userspace_memory_region *region;
	va_list ap;

	(void)fd;
	va_start(ap, request);
	region = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CHECK_EXTENSION)
		return NR_SLOTS;
	assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	assert_true(region->slot < NR_SLOTS);
	if (fail_with) {
		errno = fail_with;
		return -1;
	}
	slots[region->slot] = *region;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	fail_with = 0;
	return 0;
}

static struct berth_mem *make_of(enum berth_pages pages, uint64_t size,
				 const struct berth_range *reserved, size_t nr)
{
	/* sparse, so that a small test machine can lay out a large guest */
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct berth_mem_config config = { size, fd, reserved, nr, .pages = pages };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_mem *mem = NULL;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (berth_mem_new(&mem, 3, &config, &err) < 0)
		fail_msg("%s", err.text);
	close(fd);
	return mem;
}

static struct berth_mem *make(uint64_t size, const struct berth_range *reserved, size_t nr)
{
	return make_of(BERTH_PAGES_THP, size, reserved, nr);
}

static void ram_leaves_the_gap_below_4_gib(void **state)
{
	struct berth_mem *mem = make(5 * GIB, NULL, 0);
	const struct berth_mem_range *ram;
	size_t nr;

	(void)state;
	ram = berth_mem_ram_ranges(mem, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(ram[0].gpa, 0);
	assert_int_equal(ram[0].size, 3 * GIB);
	assert_int_equal(ram[1].gpa, 4 * GIB);
	assert_int_equal(ram[1].size, 2 * GIB);
	assert_ptr_equal(ram[1].hva, (char *)ram[0].hva + 3 * GIB);
	assert_int_equal((uintptr_t)ram[0].hva % (2 * MIB), 0);
	assert_int_equal(berth_mem_top(mem), 6 * GIB);
	assert_int_equal(slots[0].memory_size, 3 * GIB);
	assert_int_equal(slots[1].guest_phys_addr, 4 * GIB);
	assert_int_equal(slots[1].userspace_addr, (uintptr_t)ram[1].hva);
	berth_mem_free(mem);
}

static void ram_that_is_mapped_already_stays_the_callers(void **state)
{
	const struct berth_backing_config backing = { .node = BERTH_NODE_ANY,
						      .fd = -1,
						      .size = 64 * MIB };
	static const struct berth_range hole = { 32 * MIB, 2 * MIB };
	struct berth_mem_config config = {
		.size = 64 * MIB, .fd = -1, .reserved = &hole, .nr_reserved = 1
	};
	const struct berth_mem_range *ram;
	struct berth_backing b = { 0 };
	struct berth_mem *mem = NULL;
	size_t nr;

	(void)state;
	assert_int_equal(berth_backing_map(&b, &backing, NULL), 0);
	config.start = b.start;
	assert_int_equal(berth_mem_new(&mem, 3, &config, NULL), 0);
	ram = berth_mem_ram_ranges(mem, &nr);
	assert_int_equal(nr, 2);
	assert_ptr_equal(ram[0].hva, b.start);
	assert_ptr_equal(ram[1].hva, (char *)b.start + 32 * MIB);
	berth_mem_free(mem);
	*(volatile char *)b.start = 1; /* still there */
	berth_backing_unmap(&b);
}

static void ram_avoids_what_is_reserved(void **state)
{
	/* unordered, unaligned, one in the device gap, two that touch */
	static const struct berth_range reserved[] = {
		{ 4 * GIB + 100, 4096 },
		{ 1 * GIB, 3 * MIB },
		{ 0xfee00000, MIB },
		{ 1 * GIB + 3 * MIB, MIB },
	};
	struct berth_mem *mem = make(4 * GIB, reserved, BERTH_ARRAY_SIZE(reserved));
	const struct berth_mem_range *ram;
	uint64_t sum = 0;
	size_t nr;

	(void)state;
	ram = berth_mem_ram_ranges(mem, &nr);
	assert_int_equal(nr, 3);
	for (size_t i = 0; i < nr; i++) {
		struct berth_range at = { ram[i].gpa, ram[i].size };

		sum += at.size;
		assert_int_equal(at.start % (2 * MIB), 0);
		for (size_t j = 0; j < BERTH_ARRAY_SIZE(reserved); j++)
			assert_false(berth_range_overlaps(at, reserved[j]));
	}
	assert_int_equal(sum, 4 * GIB);
	assert_int_equal(ram[1].gpa, 1 * GIB + 4 * MIB);
	assert_int_equal(ram[2].gpa, 4 * GIB + 2 * MIB);
	berth_mem_free(mem);
}

/* Large pages serve the IOMMU and KVM only when the three addresses agree modulo their size. */
static void guest_and_host_addresses_agree_modulo_a_page(void **state)
{
	static const struct berth_range reserved[] = {
		{ GIB + 5 * MIB, 4096 },
		{ 6 * GIB + MIB, 3 * MIB },
	};
	static const struct {
		enum berth_pages pages;
		uint64_t align, size;
		size_t nr;
	} rows[] = {
		{ BERTH_PAGES_THP, 2 * MIB, 8 * GIB + MIB, 4 },
		{ BERTH_PAGES_SMALL, 2 * MIB, 8 * GIB + MIB, 4 },
		{ BERTH_PAGES_2M, 2 * MIB, 8 * GIB, 4 },
		{ BERTH_PAGES_1G, GIB, 8 * GIB, 4 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_mem *mem =
			make_of(rows[i].pages, rows[i].size, reserved, BERTH_ARRAY_SIZE(reserved));
		const struct berth_mem_range *ram;
		uint64_t sum = 0;
		size_t nr;

		ram = berth_mem_ram_ranges(mem, &nr);
		assert_int_equal(nr, rows[i].nr);
		for (size_t k = 0; k < nr; k++) {
			assert_int_equal(ram[k].gpa % rows[i].align, 0);
			assert_int_equal((uintptr_t)ram[k].hva % rows[i].align, 0);
			if (k + 1 < nr)
				assert_int_equal(ram[k].size % rows[i].align, 0);
			sum += ram[k].size;
		}
		assert_int_equal(sum, rows[i].size);
		berth_mem_free(mem);
	}
}

static void the_translator_takes_whole_ranges_only(void **state)
{
	struct berth_mem *mem = make(4 * GIB, NULL, 0);
	static const struct {
		uint64_t gpa, len;
		bool ok;
	} rows[] = {
		{ 0, 1, true },
		{ 0, 0, false },
		{ 0, 3 * GIB, true },
		{ 0, 3 * GIB + 1, false },
		{ 3 * GIB - 1, 1, true },
		{ 3 * GIB - 1, 2, false },
		{ 3 * GIB, 1, false },
		{ 4 * GIB - 1, 1, false },
		{ 4 * GIB - 1, 2, false },
		{ 4 * GIB, GIB, true },
		{ 5 * GIB - 4, 4, true },
		{ 5 * GIB - 4, 5, false },
		{ UINT64_MAX, 1, false },
		{ UINT64_MAX, 2, false },
		{ 8, UINT64_MAX, false },
		{ 4 * GIB, UINT64_MAX - 4 * GIB + 2, false },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++)
		if (!!berth_mem_at(mem, rows[i].gpa, rows[i].len) != rows[i].ok)
			fail_msg("row %zu: 0x%llx + 0x%llx", i, (unsigned long long)rows[i].gpa,
				 (unsigned long long)rows[i].len);
	memset(berth_mem_at(mem, 3 * GIB - 4, 4), 0x5a, 4);
	berth_mem_free(mem);
}

static void sizes_that_make_no_guest_are_refused(void **state)
{
	static const uint64_t sizes[] = { 0, 1, MIB, 16 * MIB - 4096, 64 * MIB + 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(sizes); i++) {
		struct berth_mem_config config = { .size = sizes[i], .fd = -1 };
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_mem *mem = NULL;

		assert_int_equal(berth_mem_new(&mem, 3, &config, &err), -EINVAL);
		assert_null(mem);
		assert_non_null(strstr(err.text, "memory:"));
	}
}

static void a_reserved_start_is_refused(void **state)
{
	static const struct berth_range reserved = { 8 * MIB, MIB };
	struct berth_mem_config config = { 64 * MIB, -1, &reserved, .nr_reserved = 1 };
	struct berth_mem *mem = NULL;

	(void)state;
	assert_int_equal(berth_mem_new(&mem, 3, &config, NULL), -EINVAL);
}

static void ram_can_come_from_a_memfd(void **state)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct berth_mem_config config = { .size = 64 * MIB, .fd = fd };
	struct berth_mem *mem = NULL;
	uint32_t word = 0;

	(void)state;
	assert_int_equal(ftruncate(fd, 64 * MIB), 0);
	assert_int_equal(berth_mem_new(&mem, 3, &config, NULL), 0);
	*(uint32_t *)berth_mem_at(mem, 5 * MIB, 4) = 0x12345678;
	assert_int_equal(pread(fd, &word, 4, 5 * MIB), 4);
	assert_int_equal(word, 0x12345678);
	berth_mem_free(mem);
	close(fd);
}

static void slots_appear_and_vanish(void **state)
{
	struct berth_mem *mem = make(64 * MIB, NULL, 0);
	struct berth_memslot *slot, *other;
	void *page = (void *)(uintptr_t)0x10000;
	struct berth_range at = { 0xc0000000, 0x4000 };

	(void)state;
	assert_int_equal(berth_memslot_set(mem, at, page, BERTH_MEMSLOT_READONLY, &slot, NULL), 0);
	assert_int_equal(slots[1].guest_phys_addr, at.start);
	assert_int_equal(slots[1].memory_size, at.size);
	assert_int_equal(slots[1].userspace_addr, 0x10000);
	assert_int_equal(slots[1].flags, KVM_MEM_READONLY);
	assert_int_equal(berth_memslot_set(mem, (struct berth_range){ 0xc0003000, 0x1000 }, page, 0,
					   &other, NULL),
			 -EEXIST);
	assert_int_equal(berth_memslot_set(mem, (struct berth_range){ 0xc0004000, 0x1000 }, page, 0,
					   &other, NULL),
			 0);
	berth_memslot_del(slot);
	assert_int_equal(slots[1].memory_size, 0);
	assert_int_equal(berth_memslot_set(mem, at, page, 0, &slot, NULL), 0);
	assert_int_equal(slots[1].memory_size, at.size);
	berth_memslot_del(NULL);
	berth_mem_free(mem);
}

static void bad_slots_are_refused(void **state)
{
	struct berth_mem *mem = make(64 * MIB, NULL, 0);
	static const struct {
		struct berth_range at;
		uintptr_t hva;
		int want;
	} rows[] = {
		{ { 0xc0000000, 0 }, 0x1000, -EINVAL },
		{ { 0xc0000800, 0x1000 }, 0x1000, -EINVAL },
		{ { 0xc0000000, 0x800 }, 0x1000, -EINVAL },
		{ { 0xc0000000, 0x1000 }, 0x1800, -EINVAL },
		{ { 0 - UINT64_C(0x1000), 0x2000 }, 0x1000, -EINVAL },
		{ { 0, 0x1000 }, 0x1000, -EEXIST },
		{ { 64 * MIB - 0x1000, 0x2000 }, 0x1000, -EEXIST },
	};
	struct berth_memslot *slot = NULL;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++)
		assert_int_equal(berth_memslot_set(mem, rows[i].at, (void *)rows[i].hva, 0, &slot,
						   NULL),
				 rows[i].want);
	fail_with = ENOMEM;
	assert_int_equal(berth_memslot_set(mem, (struct berth_range){ 0xc0000000, 0x1000 },
					   (void *)0x1000, 0, &slot, NULL),
			 -ENOMEM);
	assert_null(slot);
	berth_mem_free(mem);
}

static void running_out_of_slots_is_said(void **state)
{
	struct berth_mem *mem = make(64 * MIB, NULL, 0);
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_memslot *slot;
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_SLOTS - 1; i++)
		assert_int_equal(
			berth_memslot_set(mem,
					  (struct berth_range){ 0xc0000000 + i * 0x1000, 0x1000 },
					  (void *)0x1000, 0, &slot, NULL),
			0);
	assert_int_equal(berth_memslot_set(mem, (struct berth_range){ 0xd0000000, 0x1000 },
					   (void *)0x1000, 0, &slot, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.text, "64"));
	berth_mem_free(mem);
}

static void a_faulting_slot_is_taken_out_once(void **state)
{
	struct berth_mem *mem = make(64 * MIB, NULL, 0);
	struct berth_memslot *a, *b;
	struct berth_range at_a = { 0xc0000000, 0x2000 }, at_b = { 0xc0002000, 0x1000 };

	(void)state;
	berth_memslot_set(mem, at_a, (void *)0x1000, 0, &a, NULL);
	berth_memslot_set(mem, at_b, (void *)0x1000, 0, &b, NULL);
	assert_int_equal(berth_mem_drop_faulting(mem, 0xc0001fff), 1);
	assert_int_equal(slots[1].memory_size, 0);
	assert_int_equal(slots[2].memory_size, 0x1000);
	assert_int_equal(berth_mem_drop_faulting(mem, 0xc0001fff), 0);
	assert_int_equal(berth_mem_drop_faulting(mem, 0x1000), 0);
	/* the owner still deletes its handle, and the number is free for another */
	berth_memslot_del(a);
	assert_int_equal(berth_memslot_set(mem, at_a, (void *)0x1000, 0, &a, NULL), 0);
	assert_int_equal(berth_mem_drop_faulting(mem, BERTH_GPA_UNKNOWN), 2);
	berth_mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(ram_leaves_the_gap_below_4_gib),
		T(ram_avoids_what_is_reserved),
		T(ram_that_is_mapped_already_stays_the_callers),
		T(guest_and_host_addresses_agree_modulo_a_page),
		T(the_translator_takes_whole_ranges_only),
		T(sizes_that_make_no_guest_are_refused),
		T(a_reserved_start_is_refused),
		T(ram_can_come_from_a_memfd),
		T(slots_appear_and_vanish),
		T(bad_slots_are_refused),
		T(running_out_of_slots_is_said),
		T(a_faulting_slot_is_taken_out_once),
	};

	return cmocka_run_group_tests_name("vmm/mem", tests, NULL, NULL);
}
