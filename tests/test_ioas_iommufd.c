/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/ioas.h"
#include "tests/lib/host_tree.h"
#include "uapi/iommufd.h"
#include "uapi/vfio_cdev.h"

#define IOAS_ID 5u

int __wrap_ioctl(int fd, unsigned long request, ...);

/* The kernel's iommufd behind ioctl(), linked with --wrap=ioctl. */
static struct kernel {
	struct berth_iommu_iova_range ranges[8];
	uint32_t nr_ranges;
	uint64_t alignment;
	uint32_t grows; /* ranges that appear between two calls */
	int option_errno, bind_errno, attach_errno, map_errno;
	uint64_t rlimit_mode;
	unsigned int nr_asked, nr_bound, nr_maps, nr_unmaps;
	int32_t bound_to;
	uint32_t attached_to;
	uint64_t unmap_less;
	struct berth_iommu_ioas_map map;
} k;

static int answer_ranges(struct berth_iommu_ioas_iova_ranges *get)
{
	uint32_t room = get->num_iovas;

	assert_int_equal(get->size, sizeof(*get));
	assert_int_equal(get->ioas_id, IOAS_ID);
	k.nr_asked++;
	get->num_iovas = k.nr_ranges;
	get->out_iova_alignment = k.alignment;
	if (room >= k.nr_ranges) {
		memcpy((void *)(uintptr_t)get->allowed_iovas, k.ranges,
		       k.nr_ranges * sizeof(*k.ranges));
		return 0;
	}
	k.nr_ranges += k.grows;
	k.grows = 0;
	errno = EMSGSIZE;
	return -1;
}

static int answer(int e)
{
	errno = e;
	return e ? -1 : 0;
}

static int answer_iommufd(unsigned long request, void *arg)
{
	switch (request) {
	case BERTH_IOMMU_OPTION:
		k.rlimit_mode = ((struct berth_iommu_option *)arg)->val64;
		return answer(k.option_errno);
	case BERTH_IOMMU_IOAS_ALLOC:
		((struct berth_iommu_ioas_alloc *)arg)->out_ioas_id = IOAS_ID;
		return 0;
	case BERTH_IOMMU_IOAS_IOVA_RANGES:
		return answer_ranges(arg);
	case BERTH_IOMMU_IOAS_MAP:
		memcpy(&k.map, arg, sizeof(k.map));
		k.nr_maps += !k.map_errno;
		return answer(k.map_errno);
	case BERTH_IOMMU_IOAS_UNMAP:
		((struct berth_iommu_ioas_unmap *)arg)->length -= k.unmap_less;
		k.nr_unmaps++;
		return 0;
	}
	return answer(ENOTTY);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == BERTH_VFIO_DEVICE_BIND_IOMMUFD) {
		k.bound_to = ((struct berth_vfio_device_bind_iommufd *)arg)->iommufd;
		k.nr_bound++;
		return answer(k.bind_errno);
	}
	if (request == BERTH_VFIO_DEVICE_ATTACH_IOMMUFD_PT) {
		k.attached_to = ((struct berth_vfio_device_attach_iommufd_pt *)arg)->pt_id;
		return answer(k.attach_errno);
	}
	return answer_iommufd(request, arg);
}

static void kernel_says(uint32_t nr)
{
	memset(&k, 0, sizeof(k));
	k.ranges[0] = (struct berth_iommu_iova_range){ 0, 0xfedfffff };
	k.ranges[1] = (struct berth_iommu_iova_range){ 0xfef00000, 0x7fffffffff };
	k.nr_ranges = nr;
	k.alignment = 4096;
}

/*
 * A host with /dev/iommu and 01:00.0 in group 4 with a character device. Nodes are /dev/null, whose number sysfs has too:
 * making real ones takes root.
 */
static int setup(void **state)
{
	struct host_tree *tree = host_tree_new();
	const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 1, .driver = "vfio-pci", .group = 4 },
		{ .bdf = "0000:01:00.1", .vendor = 1, .driver = "vfio-pci", .group = 4 },
	};

	host_tree_add_all(tree, fns, 2);
	host_tree_link(tree, "dev/iommu", "/dev/null");
	host_tree_link(tree, "dev/vfio/devices/vfio3", "/dev/null");
	host_tree_file(tree, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3/dev", "1:3\n");
	kernel_says(2);
	*state = tree;
	return 0;
}

static int teardown(void **state)
{
	host_tree_free(*state);
	return 0;
}

static const struct berth_bdf at = { .bus = 1 };

/* Return: what berth_ioas_open_device() says; *io is open, to be closed by the caller. */
static int open_device(struct host_tree *tree, struct berth_ioas **io, int *fd,
		       struct berth_err *err)
{
	int r = berth_ioas_open(io, BERTH_IOAS_IOMMUFD, host_tree_host(tree), err);

	assert_int_equal(r, 0);
	return berth_ioas_open_device(*io, at, fd, err);
}

static void opens_binds_and_attaches(void **state)
{
	struct berth_ioas *io = NULL;
	int fd = -1, file = -1;
	size_t nr;

	assert_int_equal(open_device(*state, &io, &fd, NULL), 0);
	assert_int_equal(k.nr_bound, 1);
	assert_int_equal(k.bound_to, berth_ioas_fd(io));
	assert_int_equal(k.attached_to, IOAS_ID);
	assert_int_equal(berth_ioas_id(io), IOAS_ID);
	assert_int_equal(k.rlimit_mode, 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(berth_ioas_fd(io), F_GETFD) & FD_CLOEXEC);
	/* no group is held; KVM is told of the device */
	berth_ioas_groups(io, &nr);
	assert_int_equal(nr, 0);
	assert_int_equal(berth_ioas_kvm_files(io, &file, 1), 1);
	assert_int_equal(file, fd);
	close(fd);
	berth_ioas_close(io);
}

static void goes_on_where_memory_is_counted_per_user(void **state)
{
	struct berth_ioas *io = NULL;

	k.option_errno = EPERM;
	assert_int_equal(berth_ioas_open(&io, BERTH_IOAS_IOMMUFD, host_tree_host(*state), NULL), 0);
	berth_ioas_close(io);
}

static void asks_for_the_ranges_again_after_each_attach(void **state)
{
	struct berth_ioas *io = NULL;
	const struct berth_range *r;
	struct berth_range holes[4];
	size_t nr;
	int fd, fd2;

	assert_int_equal(open_device(*state, &io, &fd, NULL), 0);
	r = berth_ioas_ranges(io, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(r[1].start, 0xfef00000);
	assert_int_equal(r[1].size, 0x7fffffffff - 0xfef00000 + 1);
	k.ranges[1].last = 0xffffffffff;
	k.ranges[2] = (struct berth_iommu_iova_range){ 0x10000000000, UINT64_MAX };
	k.nr_ranges = 3;
	k.ranges[1].last = 0xfcffffffff; /* what AMD reserves for HyperTransport follows */
	assert_int_equal(berth_ioas_open_device(io, at, &fd2, NULL), 0);
	assert_int_equal(berth_ioas_holes(io, holes, 4), 2);
	assert_int_equal(holes[1].start, 0xfd00000000);
	assert_int_equal(holes[1].size, 0x300000000);
	close(fd);
	close(fd2);
	berth_ioas_close(io);
}

static void asks_until_the_answer_fits(void **state)
{
	struct berth_ioas *io = NULL;
	size_t nr;
	int fd;

	k.nr_ranges = 1;
	k.grows = 1;
	assert_int_equal(open_device(*state, &io, &fd, NULL), 0);
	berth_ioas_ranges(io, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(k.nr_asked, 3);
	close(fd);
	berth_ioas_close(io);
}

static void refuses_answers_that_make_no_sense(void **state)
{
	static const struct {
		const char *what;
		uint32_t nr;
		uint64_t alignment;
		struct berth_iommu_iova_range ranges[2];
	} rows[] = {
		{ "backwards", 1, 4096, { { 0x2000, 0x1000 } } },
		{ "out of order", 2, 4096, { { 0x10000, 0x1ffff }, { 0, 0xfff } } },
		{ "overlapping", 2, 4096, { { 0, 0x1fff }, { 0x1000, 0x2fff } } },
		{ "after the last address", 2, 4096, { { 0, UINT64_MAX }, { 0x1000, 0x2fff } } },
		{ "alignment", 1, 0x3000, { { 0, 0xffff } } },
		{ "too many", 100000, 4096, { { 0, 0xffff } } },
	};
	struct berth_ioas *io = NULL;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		int fd = -1, r;

		kernel_says(rows[i].nr);
		k.alignment = rows[i].alignment;
		memcpy(k.ranges, rows[i].ranges, sizeof(rows[i].ranges));
		r = open_device(*state, &io, &fd, &err);
		if (r != -EPROTO || fd != -1)
			fail_msg("%s: %d: %s", rows[i].what, r, err.text);
		berth_ioas_close(io);
	}
}

static void maps_whole_pages_of_the_iommu(void **state)
{
	static uint8_t page[4 * 4096] __attribute__((aligned(16384)));
	struct berth_ioas *io = NULL;
	int fd;

	k.alignment = 16384;
	assert_int_equal(open_device(*state, &io, &fd, NULL), 0);
	assert_int_equal(berth_ioas_pagesize(io), 16384);
	assert_int_equal(berth_ioas_map(io, (struct berth_range){ 0x4000, 0x1000 }, page,
					BERTH_IOAS_READ, NULL),
			 -EINVAL);
	assert_int_equal(k.nr_maps, 0);
	assert_int_equal(berth_ioas_map(io, (struct berth_range){ 0x4000, 0x4000 }, page,
					BERTH_IOAS_READ, NULL),
			 0);
	assert_int_equal(k.map.ioas_id, IOAS_ID);
	assert_int_equal(k.map.iova, 0x4000);
	assert_int_equal(k.map.length, 0x4000);
	assert_int_equal(k.map.user_va, (uintptr_t)page);
	assert_int_equal(k.map.flags, BERTH_IOMMU_MAP_FIXED_IOVA | BERTH_IOMMU_MAP_READABLE);
	close(fd);
	berth_ioas_close(io);
}

static void maps_and_unmaps_in_the_process_that_took_over(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	const struct berth_range where = { 0x1000, 0x1000 };
	int device = open("/dev/null", O_RDWR | O_CLOEXEC), file = -1;
	struct berth_ioas_handover h = {
		.kind = BERTH_IOAS_IOMMUFD,
		.fd = open("/dev/null", O_RDWR | O_CLOEXEC),
		.id = IOAS_ID,
		.devices = &device,
		.nr_devices = 1,
	};
	struct berth_ioas *io = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_ioas_from_fds(&io, &h, NULL), 0);
	assert_int_equal(berth_ioas_kvm_files(io, &file, 1), 1);
	assert_int_equal(file, device);
	assert_int_equal(berth_ioas_map(io, where, page, BERTH_IOAS_READ | BERTH_IOAS_WRITE, NULL),
			 0);
	assert_int_equal(k.map.flags, BERTH_IOMMU_MAP_FIXED_IOVA | BERTH_IOMMU_MAP_READABLE |
					      BERTH_IOMMU_MAP_WRITEABLE);
	assert_int_equal(berth_ioas_unmap(io, where, NULL), 0);
	k.map_errno = ENOMEM;
	assert_int_equal(berth_ioas_map(io, where, page, BERTH_IOAS_READ, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "4096 bytes in all"));
	k.map_errno = 0;
	assert_int_equal(berth_ioas_map(io, where, page, BERTH_IOAS_READ, NULL), 0);
	k.unmap_less = 1;
	assert_int_equal(berth_ioas_unmap(io, where, NULL), -EIO);
	berth_ioas_close(io);
	/* the device is not ours to close */
	assert_int_equal(close(device), 0);
}

static void names_who_is_in_the_way_of_a_bind(void **state)
{
	static const struct {
		int kernel, want;
		const char *driver, *text;
	} rows[] = {
		{ EINVAL, -EBUSY, "vfio-pci", "another process holds" },
		{ EBUSY, -EBUSY, "vfio-pci", "another process holds" },
		{ EPERM, -EPERM, "igb",
		  "0000:01:00.0: group 4 is not viable: it also holds 0000:01:00.1, bound to igb" },
		{ EPERM, -EPERM, "vfio-pci", "interrupt remapping" },
		{ ENODEV, -ENODEV, "vfio-pci", "VFIO_DEVICE_BIND_IOMMUFD: No such device" },
	};
	struct host_tree *tree = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_ioas *io = NULL;
		char target[64];
		int fd = -1;

		k.bind_errno = rows[i].kernel;
		snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", rows[i].driver);
		host_tree_link(tree, "sys/bus/pci/devices/0000:01:00.1/driver", target);
		assert_int_equal(open_device(tree, &io, &fd, &err), rows[i].want);
		if (!strstr(err.text, rows[i].text))
			fail_msg("%d: %s", rows[i].kernel, err.text);
		assert_int_equal(fd, -1);
		assert_int_equal(berth_ioas_kvm_files(io, &fd, 1), 0);
		berth_ioas_close(io);
	}
}

static void a_failed_attach_leaves_no_device_open(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ioas *io = NULL;
	int fd = -1, before;

	host_tree_host(*state); /* opened now, not in between */
	before = dup(0);
	close(before);
	k.attach_errno = EADDRINUSE;
	assert_int_equal(open_device(*state, &io, &fd, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "ATTACH_IOMMUFD_PT"));
	berth_ioas_close(io);
	fd = dup(0);
	assert_int_equal(fd, before);
	close(fd);
}

static void does_not_believe_a_stale_node(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ioas *io = NULL;
	int fd = -1;

	host_tree_file(*state, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3/dev", "511:3\n");
	assert_int_equal(open_device(*state, &io, &fd, &err), -ENXIO);
	assert_non_null(strstr(err.text, "stale node"));
	assert_int_equal(k.nr_bound, 0);
	berth_ioas_close(io);
	host_tree_file(*state, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3/dev", "what\n");
	assert_int_equal(open_device(*state, &io, &fd, &err), -EPROTO);
	berth_ioas_close(io);
}

static void a_function_without_a_character_device_is_told_apart(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ioas *io = NULL;
	int fd = -1;

	assert_int_equal(berth_ioas_open(&io, BERTH_IOAS_IOMMUFD, host_tree_host(*state), NULL), 0);
	assert_int_equal(berth_ioas_open_device(io, (struct berth_bdf){ .bus = 1, .fn = 1 }, &fd,
						&err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "0000:01:00.1 has no VFIO character device"));
	berth_err_clear(&err);
	assert_int_equal(berth_ioas_open_device(io, (struct berth_bdf){ .bus = 9 }, &fd, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "no such function"));
	berth_ioas_close(io);
}

static void says_which_module_is_missing(void **state)
{
	struct host_tree *tree = host_tree_new();
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ioas *io = NULL;

	(void)state;
	host_tree_dir(tree, "dev");
	assert_int_equal(berth_ioas_open(&io, BERTH_IOAS_IOMMUFD, host_tree_host(tree), &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "module iommufd"));
	host_tree_free(tree);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(opens_binds_and_attaches),
		T(goes_on_where_memory_is_counted_per_user),
		T(asks_for_the_ranges_again_after_each_attach),
		T(asks_until_the_answer_fits),
		T(refuses_answers_that_make_no_sense),
		T(maps_whole_pages_of_the_iommu),
		T(maps_and_unmaps_in_the_process_that_took_over),
		T(names_who_is_in_the_way_of_a_bind),
		T(a_failed_attach_leaves_no_device_open),
		T(does_not_believe_a_stale_node),
		T(a_function_without_a_character_device_is_told_apart),
		T(says_which_module_is_missing),
	};

	return cmocka_run_group_tests_name("iommu/ioas_iommufd", tests, NULL, NULL);
}
