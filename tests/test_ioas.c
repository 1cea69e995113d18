/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/ioas.h"
#include "iommu/ioas_ops.h"

int __wrap_ioctl(int fd, unsigned long request, ...);

/* The kernel's container behind ioctl(), linked with --wrap=ioctl: one list of mappings, one answer of GET_INFO. */
static struct kernel {
	uint8_t info[512];
	uint32_t info_len;
	int map_errno;
	struct vfio_iommu_type1_dma_map map;
	unsigned int nr_maps, nr_unmaps;
	uint64_t unmap_less;
	struct rlimit limit; /* RLIMIT_MEMLOCK */
	int raise_errno;
	unsigned int nr_raised;
} k;

int __wrap_getrlimit(int which, struct rlimit *ret);
int __wrap_setrlimit(int which, const struct rlimit *limit);

int __wrap_getrlimit(int which, struct rlimit *ret)
{
	assert_int_equal(which, RLIMIT_MEMLOCK);
	*ret = k.limit;
	return 0;
}

int __wrap_setrlimit(int which, const struct rlimit *limit)
{
	assert_int_equal(which, RLIMIT_MEMLOCK);
	if (k.raise_errno) {
		errno = k.raise_errno;
		return -1;
	}
	k.limit = *limit;
	k.nr_raised++;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == VFIO_IOMMU_GET_INFO) {
		struct vfio_iommu_type1_info *info = arg;
		uint32_t room = info->argsz;

		memcpy(arg, k.info, room < k.info_len ? room : k.info_len);
		info->argsz = k.info_len;
		return 0;
	}
	if (request == VFIO_IOMMU_MAP_DMA) {
		if (k.map_errno) {
			errno = k.map_errno;
			return -1;
		}
		memcpy(&k.map, arg, sizeof(k.map));
		k.nr_maps++;
		return 0;
	}
	if (request == VFIO_IOMMU_UNMAP_DMA) {
		((struct vfio_iommu_type1_dma_unmap *)arg)->size -= k.unmap_less;
		k.nr_unmaps++;
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

/* GET_INFO with 4 KiB pages and these ranges; @next of the capability can be made to lie. */
static void kernel_says(const struct vfio_iova_range *ranges, uint32_t nr, uint32_t next)
{
	struct vfio_iommu_type1_info info = { .flags = VFIO_IOMMU_INFO_PGSIZES |
						       VFIO_IOMMU_INFO_CAPS,
					      .iova_pgsizes = 0x40201000,
					      .cap_offset = 40 };
	struct vfio_iommu_type1_info_cap_iova_range cap = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
			    .version = 1,
			    .next = next },
		.nr_iovas = nr,
	};

	memset(&k, 0, sizeof(k));
	memcpy(k.info, &info, sizeof(info));
	memcpy(k.info + 40, &cap, sizeof(cap));
	memcpy(k.info + 40 + sizeof(cap), ranges, nr * sizeof(*ranges));
	k.info_len = (uint32_t)(40 + sizeof(cap) + nr * sizeof(*ranges));
}

static const struct vfio_iova_range usual[] = { { 0, 0xfedfffff }, { 0xfef00000, 0x7fffffffff } };

static int take_over(struct berth_ioas **io, struct berth_err *err)
{
	struct berth_ioas_group group = { 7, open("/dev/null", O_RDWR | O_CLOEXEC) };
	struct berth_ioas_handover h = {
		.kind = BERTH_IOAS_TYPE1,
		.fd = open("/dev/null", O_RDWR | O_CLOEXEC),
		.groups = &group,
		.nr_groups = 1,
	};

	return berth_ioas_from_fds(io, &h, err);
}

static int setup(void **state)
{
	kernel_says(usual, 2, 0);
	return take_over((struct berth_ioas **)state, NULL);
}

static int teardown(void **state)
{
	berth_ioas_close(*state);
	return 0;
}

static uint8_t page[3 * 4096] __attribute__((aligned(4096)));

static int map(struct berth_ioas *io, uint64_t start, uint64_t size, struct berth_err *err)
{
	return berth_ioas_map(io, (struct berth_range){ start, size }, page,
			      BERTH_IOAS_READ | BERTH_IOAS_WRITE, err);
}

static void learns_pages_and_ranges_from_the_kernel(void **state)
{
	struct berth_ioas *io = *state;
	const struct berth_range *r;
	struct berth_range holes[4];
	size_t nr;

	assert_int_equal(berth_ioas_pagesize(io), 4096);
	r = berth_ioas_ranges(io, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(r[0].size, 0xfee00000);
	assert_int_equal(berth_ioas_holes(io, holes, 4), 2);
	assert_int_equal(holes[0].start, 0xfee00000);
	assert_int_equal(holes[0].size, 0x100000);
	assert_int_equal(holes[1].start, 0x8000000000);
	assert_int_equal(berth_ioas_holes(io, holes, 1), 2);
	assert_int_equal(berth_ioas_groups(io, &nr)[0].id, 7);
	assert_int_equal(nr, 1);
}

static void kvm_is_told_of_the_groups(void **state)
{
	size_t nr;
	int fd = -1;

	assert_int_equal(berth_ioas_kvm_files(*state, &fd, 1), 1);
	assert_int_equal(fd, berth_ioas_groups(*state, &nr)[0].fd);
	assert_string_equal(berth_ioas_kind_name(berth_ioas_kind(*state)), "type1");
}

static void maps_and_unmaps_exactly(void **state)
{
	struct berth_ioas *io = *state;

	assert_int_equal(map(io, 0x1000, 0x2000, NULL), 0);
	assert_int_equal(k.map.iova, 0x1000);
	assert_int_equal(k.map.size, 0x2000);
	assert_int_equal(k.map.vaddr, (uintptr_t)page);
	assert_int_equal(k.map.flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	assert_int_equal(berth_ioas_unmap(io, (struct berth_range){ 0x1000, 0x1000 }, NULL),
			 -ENOENT);
	assert_int_equal(berth_ioas_unmap(io, (struct berth_range){ 0x2000, 0x1000 }, NULL),
			 -ENOENT);
	assert_int_equal(k.nr_unmaps, 0);
	assert_int_equal(berth_ioas_unmap(io, (struct berth_range){ 0x1000, 0x2000 }, NULL), 0);
	assert_int_equal(berth_ioas_unmap(io, (struct berth_range){ 0x1000, 0x2000 }, NULL),
			 -ENOENT);
}

static void refuses_bad_maps_before_the_kernel_sees_them(void **state)
{
	static const struct {
		uint64_t start, size;
		int want;
	} rows[] = {
		{ 0x1001, 0x1000, -EINVAL },
		{ 0x1000, 0x1001, -EINVAL },
		{ 0x1000, 0, -EINVAL },
		{ UINT64_MAX - 0xfff, 0x2000, -EINVAL },
		{ 0xfedff000, 0x2000, -ERANGE }, /* runs into the MSI window */
		{ 0xfee00000, 0x1000, -ERANGE },
		{ 0x7ffffff000, 0x2000, -ERANGE }, /* beyond what the IOMMU can address */
		{ 0x10000, 0x1000, -EEXIST },
		{ 0xf000, 0x3000, -EEXIST },
	};
	struct berth_ioas *io = *state;

	assert_int_equal(map(io, 0x10000, 0x1000, NULL), 0);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(map(io, rows[i].start, rows[i].size, &err), rows[i].want);
		assert_true(err.text[0] != 0);
	}
	assert_int_equal(berth_ioas_map(io, (struct berth_range){ 0x1000, 0x1000 }, page + 1, 3,
					NULL),
			 -EINVAL);
	assert_int_equal(berth_ioas_map(io, (struct berth_range){ 0x1000, 0x1000 }, page, 0, NULL),
			 -EINVAL);
	assert_int_equal(k.nr_maps, 1);
}

static void names_the_hole(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(map(*state, 0xfed00000, 0x200000, &err), -ERANGE);
	assert_non_null(strstr(err.text, "reserves address 0xfee00000"));
}

static void names_the_memory_that_would_have_to_be_locked(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(map(*state, 0, 0x1000, NULL), 0);
	k.map_errno = ENOMEM;
	assert_int_equal(map(*state, 0x100000, 0x3000, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "16384 bytes in all"));
	assert_non_null(strstr(err.text, "RLIMIT_MEMLOCK"));
	/* nothing was mapped: the place is free */
	k.map_errno = 0;
	assert_int_equal(map(*state, 0x100000, 0x3000, NULL), 0);
}

static void has_a_ceiling_on_mappings(void **state)
{
	for (uint64_t i = 0; i < BERTH_IOAS_MAX_MAPS; i++)
		assert_int_equal(map(*state, i * 0x1000, 0x1000, NULL), 0);
	assert_int_equal(map(*state, 0x10000000, 0x1000, NULL), -ENOSPC);
}

static void notices_when_the_kernel_unmaps_less(void **state)
{
	assert_int_equal(map(*state, 0x1000, 0x2000, NULL), 0);
	k.unmap_less = 0x1000;
	assert_int_equal(berth_ioas_unmap(*state, (struct berth_range){ 0x1000, 0x2000 }, NULL),
			 -EIO);
}

static void refuses_answers_that_make_no_sense(void **state)
{
	struct berth_ioas *io = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	kernel_says(usual, 2, 0);
	((struct vfio_iommu_type1_info_cap_iova_range *)(k.info + 40))->nr_iovas = 1000;
	assert_int_equal(take_over(&io, &err), -EPROTO);
	kernel_says(usual, 2, 40); /* loops */
	((struct vfio_info_cap_header *)(k.info + 40))->id = 99;
	assert_int_equal(take_over(&io, &err), -EPROTO);
	kernel_says(usual, 2, 0);
	((struct vfio_iommu_type1_info *)k.info)->cap_offset = 4000;
	assert_int_equal(take_over(&io, &err), -EPROTO);
	assert_null(io);
}

static void without_ranges_everything_may_be_mapped(void **state)
{
	struct berth_ioas *io = NULL;

	(void)state;
	kernel_says(usual, 0, 0);
	((struct vfio_iommu_type1_info *)k.info)->flags = VFIO_IOMMU_INFO_PGSIZES;
	assert_int_equal(take_over(&io, NULL), 0);
	assert_int_equal(map(io, 0xfee00000, 0x1000, NULL), 0);
	berth_ioas_close(io);
}

static void the_memory_limit_is_raised_or_the_numbers_are_said(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	k.limit = (struct rlimit){ 8 << 20, 100 << 20 };
	assert_int_equal(berth_ioas_memlock_allow(100 << 20, NULL), 0);
	assert_int_equal(k.nr_raised, 0);
	assert_int_equal(berth_ioas_memlock_allow(300 << 20, NULL), 0);
	assert_int_equal(k.nr_raised, 1);
	assert_int_equal(k.limit.rlim_max, 300 << 20);
	assert_int_equal(k.limit.rlim_cur, 8 << 20);
	k.raise_errno = EPERM;
	assert_int_equal(berth_ioas_memlock_allow(500 << 20, &err), -EPERM);
	assert_non_null(strstr(err.text, "500 MiB"));
	assert_non_null(strstr(err.text, "the limit is 300 MiB"));
	assert_non_null(strstr(err.text, "CAP_SYS_RESOURCE"));
	k.limit.rlim_max = RLIM_INFINITY;
	assert_int_equal(berth_ioas_memlock_allow(UINT64_MAX, NULL), 0);
}

static void memlock_need_has_slack_and_does_not_wrap(void **state)
{
	(void)state;
	assert_true(berth_ioas_memlock_need(1 << 30) == (1u << 30) + BERTH_IOAS_MEMLOCK_SLACK);
	assert_true(berth_ioas_memlock_need(UINT64_MAX - 1) == UINT64_MAX);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(learns_pages_and_ranges_from_the_kernel),
		T(kvm_is_told_of_the_groups),
		T(maps_and_unmaps_exactly),
		T(refuses_bad_maps_before_the_kernel_sees_them),
		T(names_the_hole),
		T(names_the_memory_that_would_have_to_be_locked),
		T(has_a_ceiling_on_mappings),
		T(notices_when_the_kernel_unmaps_less),
		cmocka_unit_test(refuses_answers_that_make_no_sense),
		cmocka_unit_test(without_ranges_everything_may_be_mapped),
		cmocka_unit_test(the_memory_limit_is_raised_or_the_numbers_are_said),
		cmocka_unit_test(memlock_need_has_slack_and_does_not_wrap),
	};

	return cmocka_run_group_tests_name("iommu/ioas", tests, NULL, NULL);
}
