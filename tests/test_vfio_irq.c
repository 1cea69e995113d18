/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/irq.h"

#define MSIX BERTH_VFIO_IRQ_MSIX
#define INTX BERTH_VFIO_IRQ_INTX

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	f->fake = fake_vfio_new();
	f->fake->irq[INTX].count = 1;
	f->fake->irq[MSIX].count = 8;
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 3, 0, 0 });
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

static void flags_are_told_apart(void **state)
{
	static const struct {
		uint32_t flags;
		struct berth_vfio_irq want;
	} rows[] = {
		{ 0, { .count = 8, .eventfd = true } },
		{ VFIO_IRQ_INFO_MASKABLE, { .count = 8, .eventfd = true, .maskable = true } },
		{ VFIO_IRQ_INFO_AUTOMASKED, { .count = 8, .eventfd = true, .automasked = true } },
		{ VFIO_IRQ_INFO_NORESIZE, { .count = 8, .eventfd = true, .noresize = true } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_vfio_irq got;

		f->fake->irq[MSIX].flags = rows[i].flags;
		assert_int_equal(berth_vfio_irq_query(&got, f->dev, MSIX), 0);
		assert_int_equal(got.count, rows[i].want.count);
		assert_int_equal(got.eventfd, rows[i].want.eventfd);
		assert_int_equal(got.maskable, rows[i].want.maskable);
		assert_int_equal(got.automasked, rows[i].want.automasked);
		assert_int_equal(got.noresize, rows[i].want.noresize);
	}
}

/* EINVAL is how the kernel says "no such index"; other errors are errors; no count is more than MSI-X can have. */
static void what_the_kernel_says_is_checked(void **state)
{
	struct fixture *f = *state;
	struct berth_vfio_irq got;

	f->fake->irq_info_result = -EINVAL;
	assert_int_equal(berth_vfio_irq_query(&got, f->dev, MSIX), 0);
	assert_int_equal(got.count, 0);
	f->fake->irq_info_result = -EIO;
	assert_int_equal(berth_vfio_irq_query(&got, f->dev, MSIX), -EIO);
	f->fake->irq_info_result = 0;
	f->fake->irq[MSIX].count = UINT32_MAX;
	assert_int_equal(berth_vfio_irq_query(&got, f->dev, MSIX), 0);
	assert_int_equal(got.count, BERTH_VFIO_MAX_VECTORS);
}

/* CVE-2016-9083: start and count that overflow never get as far as the kernel. */
static void impossible_vectors_never_reach_the_kernel(void **state)
{
	static const struct {
		uint32_t start, nr;
	} rows[] = { { 0, 0 },
		     { 0, 2049 },
		     { 2048, 1 },
		     { 1, 2048 },
		     { UINT32_MAX, 1 },
		     { 1, UINT32_MAX },
		     { UINT32_MAX, UINT32_MAX } };
	struct fixture *f = *state;
	int32_t fd = -1;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(berth_vfio_irq_enable(f->dev, MSIX, rows[i].start, &fd, rows[i].nr,
						       &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "0000:03:00.0: enable MSI-X: no vectors"));
	}
	assert_int_equal(f->fake->irq[MSIX].nr_calls, 0);
}

static void enabling_says_what_failed(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int32_t fds[4] = { -1, -1, -1, -1 };

	f->fake->irq[MSIX].fail = -EBUSY;
	assert_int_equal(berth_vfio_irq_enable(f->dev, MSIX, 0, fds, 4, &err), -EBUSY);
	assert_string_equal(err.text,
			    "0000:03:00.0: enable MSI-X, vectors 0+4: Device or resource busy");
	/* a positive answer is how many there would have been */
	f->fake->irq[MSIX].fail = 0;
	f->fake->irq[MSIX].host_has = 3;
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(berth_vfio_irq_enable(f->dev, MSIX, 0, fds, 4, &err), -ENOSPC);
	assert_string_equal(err.text, "0000:03:00.0: enable MSI-X: 4 vectors wanted, 3 to be had");
	assert_false(f->fake->irq[MSIX].enabled);
}

static void as_many_as_there_are_can_be_had(void **state)
{
	struct fixture *f = *state;
	int32_t fds[4] = { -1, -1, -1, -1 };
	uint32_t got = 0;

	assert_int_equal(berth_vfio_irq_enable_upto(f->dev, MSIX, fds, 4, &got, NULL), 0);
	assert_int_equal(got, 4);
	assert_int_equal(berth_vfio_irq_disable(f->dev, MSIX), 0);
	f->fake->irq[MSIX].host_has = 3;
	assert_int_equal(berth_vfio_irq_enable_upto(f->dev, MSIX, fds, 4, &got, NULL), 0);
	assert_int_equal(got, 3);
	assert_int_equal(f->fake->irq[MSIX].nr, 3);
}

/* A host that takes back what it just promised is not asked for ever. */
static void a_host_that_says_one_thing_and_does_another_is_left(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int32_t fds[4] = { -1, -1, -1, -1 };
	uint32_t got = 77;

	f->fake->irq[MSIX].fail = 2;
	assert_int_equal(berth_vfio_irq_enable_upto(f->dev, MSIX, fds, 4, &got, &err), -ENOSPC);
	assert_int_equal(f->fake->irq[MSIX].nr_calls, 2);
	f->fake->irq[MSIX].fail = 9; /* more than was asked for */
	assert_int_equal(berth_vfio_irq_enable_upto(f->dev, MSIX, fds, 4, &got, NULL), -ENOSPC);
	assert_int_equal(f->fake->irq[MSIX].nr_calls, 3);
	f->fake->irq[MSIX].fail = -EIO;
	assert_int_equal(berth_vfio_irq_enable_upto(f->dev, MSIX, fds, 4, &got, NULL), -EIO);
	assert_int_equal(got, 77);
}

static void disabling_what_is_off_is_no_error(void **state)
{
	struct fixture *f = *state;
	int32_t fd = -1;

	assert_int_equal(berth_vfio_irq_disable(f->dev, MSIX), 0);
	assert_int_equal(berth_vfio_irq_enable(f->dev, MSIX, 0, &fd, 1, NULL), 0);
	assert_int_equal(berth_vfio_irq_disable(f->dev, MSIX), 0);
	assert_false(f->fake->irq[MSIX].enabled);
	f->fake->fail_at = f->fake->nr_ops + 1;
	f->fake->fail_with = -ENODEV;
	assert_int_equal(berth_vfio_irq_disable(f->dev, MSIX), -ENODEV);
}

static void intx_is_masked_and_unmasked(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int32_t fd = -1;

	assert_int_equal(berth_vfio_irq_mask(f->dev, &err), -EINVAL);
	assert_string_equal(err.text, "0000:03:00.0: mask INTx: Invalid argument");
	assert_int_equal(berth_vfio_irq_enable(f->dev, INTX, 0, &fd, 1, NULL), 0);
	assert_int_equal(berth_vfio_irq_mask(f->dev, NULL), 0);
	assert_true(f->fake->irq[INTX].masked);
	assert_int_equal(berth_vfio_irq_unmask_fd(f->dev, 42, NULL), 0);
	assert_int_equal(f->fake->irq[INTX].unmask_fd, 42);
	assert_true(f->fake->irq[INTX].masked);
	assert_int_equal(berth_vfio_irq_unmask(f->dev, NULL), 0);
	assert_false(f->fake->irq[INTX].masked);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(flags_are_told_apart),
		T(what_the_kernel_says_is_checked),
		T(impossible_vectors_never_reach_the_kernel),
		T(enabling_says_what_failed),
		T(as_many_as_there_are_can_be_had),
		T(a_host_that_says_one_thing_and_does_another_is_left),
		T(disabling_what_is_off_is_no_error),
		T(intx_is_masked_and_unmasked),
	};

	return cmocka_run_group_tests_name("vfio/irq", tests, NULL, NULL);
}
