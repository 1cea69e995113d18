/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device over the fake table of operations, and over the kernel's: there ioctl is wrapped and a memfd is the device file.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#define CONFIG_AT UINT64_C(0x1000) /* in the device file */
#define BAR_AT	  UINT64_C(0x4000)

static const struct berth_bdf at = { 0, 5, 0, 1 };

/* What the kernel answers, and what it was asked last. */
static struct {
	int fail;   /* errno of every call; 0: none */
	int result; /* of SET_IRQS */
	uint32_t flags;
	struct {
		struct vfio_irq_set set;
		int32_t fds[4];
	} irqs;
	unsigned int nr_resets, nr_dependents;
	struct {
		struct vfio_pci_hot_reset reset;
		int32_t fds[4];
	} hot;
} kernel;

static int region_info(struct vfio_region_info *info)
{
	assert_true(info->argsz >= sizeof(*info));
	info->argsz = sizeof(*info);
	info->size = 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	switch (info->index) {
	case VFIO_PCI_BAR2_REGION_INDEX:
		info->size = 0x2000;
		info->offset = BAR_AT;
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
		return 0;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = 0x1000;
		info->offset = CONFIG_AT;
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		errno = EINVAL;
		return -1;
	default:
		return 0;
	}
}

static int hot_reset_info(struct vfio_pci_hot_reset_info *info)
{
	size_t room = (info->argsz - sizeof(*info)) / sizeof(info->devices[0]);

	info->count = kernel.nr_dependents;
	if (room < kernel.nr_dependents) {
		errno = ENOSPC;
		return -1;
	}
	for (uint32_t i = 0; i < info->count; i++)
		info->devices[i] =
			(struct vfio_pci_dependent_device){ 7, 0x10, 5, (uint8_t)(0x08 | i) };
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	assert_true(fd >= 0);
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (kernel.fail) {
		errno = kernel.fail;
		return -1;
	}
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		*(struct vfio_device_info *)arg = (struct vfio_device_info){
			.argsz = sizeof(struct vfio_device_info),
			.flags = kernel.flags,
			.num_regions = VFIO_PCI_NUM_REGIONS,
			.num_irqs = VFIO_PCI_NUM_IRQS,
		};
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->flags = VFIO_IRQ_INFO_EVENTFD;
		((struct vfio_irq_info *)arg)->count = 3 + ((struct vfio_irq_info *)arg)->index;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		assert_true(((struct vfio_irq_set *)arg)->argsz <= sizeof(kernel.irqs));
		memcpy(&kernel.irqs, arg, ((struct vfio_irq_set *)arg)->argsz);
		return kernel.result;
	case VFIO_DEVICE_RESET:
		kernel.nr_resets++;
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_reset_info(arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		assert_true(((struct vfio_pci_hot_reset *)arg)->argsz <= sizeof(kernel.hot));
		memcpy(&kernel.hot, arg, ((struct vfio_pci_hot_reset *)arg)->argsz);
		return 0;
	default:
		fail_msg("unexpected ioctl %#lx", request);
		return -1;
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	return 0;
}

static int device_file(void)
{
	static const uint8_t config[] = { 0x34, 0x12, 0xe8, 0x11 };
	int fd = memfd_create("device", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 0x8000), 0);
	assert_int_equal(pwrite(fd, config, sizeof(config), CONFIG_AT), sizeof(config));
	return fd;
}

static struct berth_vfio_device *kernel_device(void)
{
	struct berth_vfio_device *dev = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vfio_device_from_fd(&dev, device_file(), at, &err) != 0)
		fail_msg("%s", err.text);
	return dev;
}

static void regions_keep_their_numbers(void **state)
{
	struct berth_vfio_device *dev = kernel_device();

	(void)state;
	assert_string_equal(berth_vfio_device_name(dev), "0000:05:00.1");
	assert_true(berth_bdf_eq(berth_vfio_device_bdf(dev), at));
	assert_true(berth_vfio_device_can_reset(dev));
	assert_true(berth_vfio_device_fd(dev) >= 0);
	for (unsigned int i = 0; i < 12; i++) {
		const struct berth_vfio_region *region = berth_vfio_device_region(dev, i);

		assert_int_equal(region != NULL, i == 2 || i == VFIO_PCI_CONFIG_REGION_INDEX);
		if (region)
			assert_int_equal(region->index, i);
	}
	berth_vfio_device_close(dev);
}

static void config_space_is_read_and_written_where_the_kernel_says(void **state)
{
	struct berth_vfio_device *dev = kernel_device();
	uint8_t got[2];

	(void)state;
	assert_int_equal(berth_vfio_device_config_read(dev, PCI_VENDOR_ID, 4), 0x11e81234);
	assert_int_equal(berth_vfio_device_config_read(dev, PCI_DEVICE_ID, 1), 0xe8);
	berth_vfio_device_config_write(dev, PCI_COMMAND, 0x0406, 2);
	assert_int_equal(pread(berth_vfio_device_fd(dev), got, 2, CONFIG_AT + PCI_COMMAND), 2);
	assert_int_equal(got[0] | got[1] << 8, 0x0406);
	/* beyond its end: all-ones, nothing written */
	assert_int_equal(berth_vfio_device_config_read(dev, 0x1000, 4), UINT32_MAX);
	berth_vfio_device_config_write(dev, 0x1000, 0, 4);
	berth_vfio_device_close(dev);
}

static void a_file_that_ends_or_fails_reads_ones(void **state)
{
	struct berth_vfio_device *dev = kernel_device();
	int fd = berth_vfio_device_fd(dev), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	void *ctx;

	(void)state;
	assert_int_equal(ftruncate(fd, CONFIG_AT + 2),
			 0); /* half a vendor and device id: a short read */
	assert_int_equal(berth_vfio_device_config_read(dev, PCI_VENDOR_ID, 4), UINT32_MAX);
	assert_int_equal(dup2(null, fd), fd); /* not to be written to */
	assert_int_equal(berth_vfio_device_config_read(dev, PCI_VENDOR_ID, 2), 0xffff);
	assert_int_equal(berth_vfio_device_ops(dev, &ctx)->write(ctx, "x", 1, CONFIG_AT), -EBADF);
	close(null);
	berth_vfio_device_close(dev);
}

static void bars_are_mapped_out_of_the_device_file(void **state)
{
	struct berth_vfio_device *dev = kernel_device();
	const struct berth_vfio_region *region = berth_vfio_device_region(dev, 2);
	struct berth_range all = { 0, 0x2000 }, mapped[4];
	void *base = NULL;

	(void)state;
	assert_int_equal(berth_vfio_region_mmap(dev, region, &all, 1, &base, mapped, 4, NULL), 1);
	memcpy(base, "here", 4);
	assert_int_equal(pread(berth_vfio_device_fd(dev), (char[4]){ 0 }, 4, BAR_AT), 4);
	berth_vfio_region_munmap(region, base);
	berth_vfio_device_close(dev);
}

static void interrupts_go_to_the_kernel_as_they_are_asked_for(void **state)
{
	struct berth_vfio_device *dev = kernel_device();
	int32_t fds[2] = { 11, -1 };
	struct berth_vfio_irq irq;
	uint32_t got;

	(void)state;
	assert_int_equal(berth_vfio_irq_query(&irq, dev, BERTH_VFIO_IRQ_MSIX), 0);
	assert_int_equal(irq.count, 5);
	assert_int_equal(berth_vfio_irq_enable(dev, BERTH_VFIO_IRQ_MSIX, 3, fds, 2, NULL), 0);
	assert_int_equal(kernel.irqs.set.argsz, sizeof(struct vfio_irq_set) + 8);
	assert_int_equal(kernel.irqs.set.index, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(kernel.irqs.set.flags,
			 VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_int_equal(kernel.irqs.set.start, 3);
	assert_int_equal(kernel.irqs.set.count, 2);
	assert_memory_equal(kernel.irqs.fds, fds, sizeof(fds));
	assert_int_equal(berth_vfio_irq_disable(dev, BERTH_VFIO_IRQ_MSIX), 0);
	assert_int_equal(kernel.irqs.set.argsz, sizeof(struct vfio_irq_set));
	assert_int_equal(kernel.irqs.set.count, 0);
	/* "only one vector": not a success */
	kernel.result = 1;
	assert_int_equal(berth_vfio_irq_enable(dev, BERTH_VFIO_IRQ_MSIX, 0, fds, 2, NULL), -ENOSPC);
	assert_int_equal(berth_vfio_irq_enable_upto(dev, BERTH_VFIO_IRQ_MSIX, fds, 2, &got, NULL),
			 -ENOSPC);
	berth_vfio_device_close(dev);
}

static void resets_go_to_the_kernel(void **state)
{
	struct berth_vfio_device *dev = kernel_device();
	struct berth_vfio_dependent list[4];
	int32_t groups[2] = { 21, 22 };
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	size_t nr = 0;

	(void)state;
	assert_int_equal(ops->reset(ctx), 0);
	assert_int_equal(kernel.nr_resets, 1);
	kernel.nr_dependents = 2;
	assert_int_equal(ops->hot_reset_info(ctx, list, 4, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(list[1].group, 7);
	assert_true(berth_bdf_eq(list[1].at, (struct berth_bdf){ 0x10, 5, 1, 1 }));
	kernel.nr_dependents = 5;
	assert_int_equal(ops->hot_reset_info(ctx, list, 4, &nr), -ENOSPC);
	assert_int_equal(nr, 5);
	assert_int_equal(ops->hot_reset(ctx, groups, 2), 0);
	assert_int_equal(kernel.hot.reset.count, 2);
	assert_memory_equal(kernel.hot.fds, groups, sizeof(groups));
	berth_vfio_device_close(dev);
}

static void every_refusal_of_the_kernel_is_passed_on(void **state)
{
	struct berth_vfio_device *dev = kernel_device(), *none = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vfio_dependent list[1];
	struct berth_vfio_irq irq;
	uint32_t info[16];
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	size_t nr;

	(void)state;
	kernel.fail = ENODEV;
	assert_int_equal(ops->reset(ctx), -ENODEV);
	assert_int_equal(ops->hot_reset(ctx, NULL, 0), -ENODEV);
	assert_int_equal(ops->hot_reset_info(ctx, list, 1, &nr), -ENODEV);
	assert_int_equal(ops->region_info(ctx, 0, info, sizeof(info)), -ENODEV);
	assert_int_equal(ops->set_irqs(ctx, 2, 0, 0, 0, NULL), -ENODEV);
	assert_int_equal(berth_vfio_irq_query(&irq, dev, BERTH_VFIO_IRQ_MSI), -ENODEV);
	assert_int_equal(berth_vfio_device_from_fd(&none, device_file(), at, &err), -ENODEV);
	assert_string_equal(err.text, "0000:05:00.1: VFIO_DEVICE_GET_INFO: No such device");
	assert_null(none);
	berth_vfio_device_close(dev);
}

/* The table's close is called once, whatever is wrong. */
static void a_device_that_is_refused_is_closed(void **state)
{
	static const struct {
		uint32_t flags;
		bool no_config;
		int fail;
		int want;
		const char *says;
	} rows[] = {
		{ 0, false, 0, -ENODEV, "not a PCI device" },
		{ VFIO_DEVICE_FLAGS_PCI, true, 0, -EPROTO, "no config space" },
		{ VFIO_DEVICE_FLAGS_PCI, false, 1, -EIO, "VFIO_DEVICE_GET_INFO" },
		{ VFIO_DEVICE_FLAGS_PCI, false, 2, -EIO, "region 0" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fake_vfio *k = fake_vfio_new();
		struct berth_vfio_device *dev = NULL;
		struct berth_err err = BERTH_ERR_INIT;

		k->flags = rows[i].flags;
		k->region[VFIO_PCI_CONFIG_REGION_INDEX].absent = rows[i].no_config;
		k->fail_at = (unsigned int)rows[i].fail;
		k->fail_with = -EIO;
		assert_int_equal(berth_vfio_device_from_ops(&dev, &fake_vfio_ops, k, at, &err),
				 rows[i].want);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_non_null(strstr(err.text, "0000:05:00.1"));
		assert_null(dev);
		assert_int_equal(k->nr_closed, 1);
		fake_vfio_free(k);
	}
	berth_vfio_device_close(NULL);
}

static void a_device_without_a_descriptor_has_none(void **state)
{
	struct fake_vfio *k = fake_vfio_new();
	struct berth_vfio_device *dev;

	(void)state;
	k->flags = VFIO_DEVICE_FLAGS_PCI;
	dev = fake_vfio_open(k, at);
	assert_int_equal(berth_vfio_device_fd(dev), -1);
	assert_false(berth_vfio_device_can_reset(dev));
	berth_vfio_device_close(dev);
	fake_vfio_free(k);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(regions_keep_their_numbers),
		T(config_space_is_read_and_written_where_the_kernel_says),
		T(a_file_that_ends_or_fails_reads_ones),
		T(bars_are_mapped_out_of_the_device_file),
		T(interrupts_go_to_the_kernel_as_they_are_asked_for),
		T(resets_go_to_the_kernel),
		T(every_refusal_of_the_kernel_is_passed_on),
		T(a_device_that_is_refused_is_closed),
		T(a_device_without_a_descriptor_has_none),
	};

	return cmocka_run_group_tests_name("vfio/device", tests, NULL, NULL);
}
