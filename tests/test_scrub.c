/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "iommu/ioas.h"
#include "iommu/ioas_ops.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/scrub.h"

static const struct berth_bdf at = { 0, 4, 0, 0 };

static void put_reg(struct fake_vfio *f, unsigned int offset, uint32_t value)
{
	memcpy(f->region[0].mem + offset, &value, sizeof(value));
}

static struct fake_vfio *nvme(void)
{
	struct fake_vfio *f = fake_vfio_new();

	fake_put32(f, PCI_VENDOR_ID, 0x00101b36);
	fake_put32(f, PCI_CLASS_REVISION, 0x01080202);
	fake_vfio_bar(f, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put_reg(f, 0x24, 0x001f001f);
	put_reg(f, 0x28, 0xca11a000);
	put_reg(f, 0x2c, 0x1);
	put_reg(f, 0x30, 0xca11b000);
	return f;
}

static void an_nvmes_admin_queue_registers_are_cleared(void **state)
{
	struct fake_vfio *f = nvme();
	struct berth_vfio_device *dev = fake_vfio_open(f, at);
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_scrub(NULL, dev, &err), 0);
	for (unsigned int i = 0x24; i < 0x38; i++)
		assert_int_equal(f->region[0].mem[i], 0);
	assert_int_equal(fake_get(f, PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE);
	berth_vfio_device_close(dev);
	fake_vfio_free(f);
}

static void one_that_is_still_enabled_is_refused(void **state)
{
	static const unsigned int regs[] = { 0x14, 0x1c };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(regs); i++) {
		struct fake_vfio *f = nvme();
		struct berth_vfio_device *dev = fake_vfio_open(f, at);
		struct berth_err err = BERTH_ERR_INIT;

		put_reg(f, regs[i], 1);
		assert_int_equal(berth_scrub(NULL, dev, &err), BERTH_REFUSED);
		assert_non_null(strstr(err.text, "0000:04:00.0: the NVMe controller is still"));
		berth_vfio_device_close(dev);
		fake_vfio_free(f);
	}
}

static void one_that_keeps_them_is_refused(void **state)
{
	struct fake_vfio *f = nvme();
	struct berth_vfio_device *dev;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	/* no BAR to write to: all reads are ones */
	f->region[0].size = 0x20;
	dev = fake_vfio_open(f, at);
	put_reg(f, 0x14, 0);
	put_reg(f, 0x1c, 0);
	assert_int_equal(berth_scrub(NULL, dev, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "keep what a guest wrote"));
	berth_vfio_device_close(dev);
	fake_vfio_free(f);
}

/* Its buffer can only be reached by DMA, and no page can be mapped here. */
static void an_edu_whose_buffer_is_out_of_reach_is_refused(void **state)
{
	struct fake_vfio *f = fake_vfio_new();
	struct berth_vfio_device *dev = fake_vfio_open(f, at);
	struct berth_ioas *io = berth_ioas_alloc(&berth_ioas_type1, BERTH_IOAS_TYPE1);
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_scrub(io, dev, &err), BERTH_REFUSED);
	assert_true(err.code != 0);
	berth_vfio_device_close(dev);
	berth_ioas_close(io);
	fake_vfio_free(f);
}

static void others_are_left_alone(void **state)
{
	struct fake_vfio *f = fake_vfio_new();
	struct berth_vfio_device *dev;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	fake_put32(f, PCI_VENDOR_ID, 0x10c98086);
	fake_put32(f, PCI_CLASS_REVISION, 0x02000001);
	dev = fake_vfio_open(f, at);
	assert_int_equal(berth_scrub(NULL, dev, &err), BERTH_ABSENT);
	assert_int_equal(f->nr_log, 0);
	assert_false(berth_scrub_needed(0x8086, 0x10c9, 0x020000));
	assert_true(berth_scrub_needed(0x144d, 0xa80a, 0x010802));
	assert_true(berth_scrub_needed(0x1234, 0x11e8, 0x00ff00));
	assert_false(berth_scrub_needed(0x1234, 0x1111, 0x030000));
	berth_vfio_device_close(dev);
	fake_vfio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_nvmes_admin_queue_registers_are_cleared),
		cmocka_unit_test(one_that_is_still_enabled_is_refused),
		cmocka_unit_test(one_that_keeps_them_is_refused),
		cmocka_unit_test(an_edu_whose_buffer_is_out_of_reach_is_refused),
		cmocka_unit_test(others_are_left_alone),
	};

	return cmocka_run_group_tests_name("vfio/scrub", tests, NULL, NULL);
}
