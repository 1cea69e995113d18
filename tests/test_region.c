/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/region.h"

#define MMAPPABLE                                                                                  \
	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP)

/* An answer of the kernel, with room for capabilities. */
struct answer {
	struct vfio_region_info info;
	uint8_t caps[256];
};

static struct answer plain(uint64_t size)
{
	return (struct answer){ .info = { .argsz = sizeof(struct vfio_region_info),
					  .flags = MMAPPABLE,
					  .index = 1,
					  .size = size,
					  .offset = UINT64_C(1) << 40 } };
}

static void add_sparse(struct answer *a, const struct berth_range *areas, uint32_t nr,
		       uint16_t next)
{
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1, .next = next },
		.nr_areas = nr,
	};

	a->info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	a->info.cap_offset = sizeof(a->info);
	memcpy(a->caps, &cap, sizeof(cap));
	memcpy(a->caps + sizeof(cap), areas, nr * sizeof(*areas));
}

static void a_plain_region_is_mappable_as_a_whole(void **state)
{
	struct answer a = plain(0x4000);
	struct berth_vfio_region r;

	(void)state;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), 0);
	assert_int_equal(r.nr_areas, 1);
	assert_int_equal(r.areas[0].start, 0);
	assert_int_equal(r.areas[0].size, 0x4000);
	assert_true(r.readable && r.writable);
	a.info.flags = VFIO_REGION_INFO_FLAG_READ;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), 0);
	assert_int_equal(r.nr_areas, 0);
	assert_false(r.writable);
}

static void size_zero_means_absent(void **state)
{
	struct answer a = plain(0);
	struct berth_vfio_region r;

	(void)state;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), BERTH_ABSENT);
}

static void answers_that_contradict_themselves_are_refused(void **state)
{
	struct answer a;
	struct berth_vfio_region r;
	struct berth_range area = { 0, 0x1000 };

	(void)state;
	a = plain(UINT64_MAX);
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	a = plain(0x1000);
	a.info.offset = UINT64_C(1) << 63;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	a = plain(0x1000);
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a.info) - 1, NULL), -EPROTO);
	a = plain(0x1000);
	add_sparse(&a, &area, 1, sizeof(a.info)); /* its next is itself */
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	add_sparse(&a, &area, 1, 4); /* back into the answer's head */
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	add_sparse(&a, &area, 1, 60000); /* beyond the end */
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	add_sparse(&a, &area, 1, 0);
	a.info.cap_offset = 8;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
	add_sparse(&a, &area, 1, 0);
	((struct vfio_region_info_cap_sparse_mmap *)a.caps)->nr_areas = 0x10000000;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), -EPROTO);
}

static void areas_are_cut_to_what_can_be_true(void **state)
{
	static const struct berth_range areas[] = {
		{ 0x1000, 0x1000 }, { 0x1800, 0x1000 },	    /* overlaps the first: dropped */
		{ 0x3000, 0 },	    { 0x3000, UINT64_MAX }, /* cut at the region's end */
		{ 0x9000, 0x1000 },			    /* outside */
	};
	struct answer a = plain(0x4000);
	struct berth_vfio_region r;

	(void)state;
	add_sparse(&a, areas, BERTH_ARRAY_SIZE(areas), 0);
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), 0);
	assert_int_equal(r.nr_areas, 2);
	assert_int_equal(r.areas[0].start, 0x1000);
	assert_int_equal(r.areas[0].size, 0x1000);
	assert_int_equal(r.areas[1].start, 0x3000);
	assert_int_equal(r.areas[1].size, 0x1000);
	a.info.flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	assert_int_equal(berth_vfio_region_parse(&r, &a, sizeof(a), NULL), 0);
	assert_int_equal(r.nr_areas, 0);
}

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f)
		f->fake = fake_vfio_new();
	return f ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

static void the_answer_may_need_more_room(void **state)
{
	static const struct berth_range areas[] = { { 0, 0x1000 }, { 0x2000, 0x1000 } };
	struct fixture *f = *state;

	fake_vfio_bar(f->fake, 0, 0x4000, 0);
	fake_vfio_sparse(f->fake, 0, areas, 2);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_device_region(f->dev, 0)->nr_areas, 2);
}

static void an_answer_that_never_ends_is_refused(void **state)
{
	static const uint32_t argsz[] = { BERTH_VFIO_REGION_INFO_MAX + 1, UINT32_MAX };
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(argsz); i++) {
		struct berth_err err = BERTH_ERR_INIT;

		f->fake->region[0].size = 0x1000;
		f->fake->region[0].argsz = argsz[i];
		assert_int_equal(berth_vfio_device_from_ops(&f->dev, &fake_vfio_ops, f->fake,
							    (struct berth_bdf){ 0, 1, 0, 0 }, &err),
				 -EPROTO);
		assert_non_null(strstr(err.text, "0000:01:00.0: region 0"));
	}
}

/* Each region keeps its number, whichever is missing before it. */
static void missing_regions_do_not_shift_the_others(void **state)
{
	struct fixture *f = *state;

	f->fake->region[0].absent = true;
	f->fake->region[6].absent = true;
	fake_vfio_bar(f->fake, 3, 0x2000, 0);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_null(berth_vfio_device_region(f->dev, 0));
	assert_null(berth_vfio_device_region(f->dev, 1));
	assert_int_equal(berth_vfio_device_region(f->dev, 3)->size, 0x2000);
	assert_int_equal(berth_vfio_device_region(f->dev, 3)->index, 3);
	assert_null(berth_vfio_device_region(f->dev, 8));
}

static void what_cannot_be_read_is_all_ones(void **state)
{
	struct fixture *f = *state;
	const struct berth_vfio_region *r;
	uint32_t v;

	fake_vfio_bar(f->fake, 0, 0x1000, 0);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	r = berth_vfio_device_region(f->dev, 0);
	v = 0x1234;
	assert_int_equal(berth_vfio_region_write(f->dev, r, 0xffc, &v, 4), 0);
	v = 0;
	assert_int_equal(berth_vfio_region_read(f->dev, r, 0xffc, &v, 4), 0);
	assert_int_equal(v, 0x1234);
	v = 0;
	assert_int_equal(berth_vfio_region_read(f->dev, r, 0xffd, &v, 4), -ERANGE);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(berth_vfio_region_write(f->dev, r, UINT64_MAX, &v, 4), -ERANGE);
	f->fake->gone = true;
	v = 0;
	assert_int_equal(berth_vfio_region_read(f->dev, r, 0, &v, 4), -EIO);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(berth_vfio_region_write(f->dev, r, 0, &v, 4), -EIO);
}

static void maps_what_both_sides_allow_aligned_to_its_size(void **state)
{
	static const struct berth_range sparse[] = { { 0x800, 0x2800 }, { 0x8000, 0x200000 } };
	static const struct berth_range allow[] = { { 0, 0x2000 }, { 0x3000, 0x200000 - 0x3000 } };
	struct fixture *f = *state;
	struct berth_range got[8];
	const struct berth_vfio_region *r;
	void *base = NULL;

	fake_vfio_bar(f->fake, 0, 0x200000, 0);
	fake_vfio_sparse(f->fake, 0, sparse, 2);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	r = berth_vfio_device_region(f->dev, 0);
	assert_int_equal(berth_vfio_region_mmap(f->dev, r, allow, 2, &base, got, 8, NULL), 2);
	assert_int_equal((uintptr_t)base & 0x1fffff, 0);
	/* [0x800,0x3000) and [0,0x2000) leave one whole page */
	assert_int_equal(got[0].start, 0x1000);
	assert_int_equal(got[0].size, 0x1000);
	assert_int_equal(got[1].start, 0x8000);
	assert_int_equal(got[1].size, 0x200000 - 0x8000);
	f->fake->region[0].mem[0x9000] = 0x77;
	assert_int_equal(((uint8_t *)base)[0x9000], 0x77);
	berth_vfio_region_munmap(r, base);
}

static void nothing_mappable_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct berth_range all = { 0, 32 }, got[2];
	void *base = &all;

	fake_vfio_bar(f->fake, 0, 32, PCI_BASE_ADDRESS_SPACE_IO);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_region_mmap(f->dev, berth_vfio_device_region(f->dev, 0), &all,
						1, &base, got, 2, NULL),
			 0);
	assert_null(base);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_region_is_mappable_as_a_whole),
		cmocka_unit_test(size_zero_means_absent),
		cmocka_unit_test(answers_that_contradict_themselves_are_refused),
		cmocka_unit_test(areas_are_cut_to_what_can_be_true),
		T(the_answer_may_need_more_room),
		T(an_answer_that_never_ends_is_refused),
		T(missing_regions_do_not_shift_the_others),
		T(what_cannot_be_read_is_all_ones),
		T(maps_what_both_sides_allow_aligned_to_its_size),
		T(nothing_mappable_is_no_error),
	};

	return cmocka_run_group_tests_name("vfio/region", tests, NULL, NULL);
}
