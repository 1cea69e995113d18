/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/err.h"
#include "iommu/ioas.h"
#include "iommu/ioas_ops.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/reset.h"

#define NR 2

/* Two functions of one slot, in group 5; the address space owns groups 4 and 5. */
struct fixture {
	struct fake_vfio *fake[NR];
	struct berth_vfio_device *dev[NR];
	struct berth_ioas *io;
	int group_fd[2];
	struct berth_reset_result result[NR];
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	f->io = berth_ioas_alloc(&berth_ioas_type1, BERTH_IOAS_TYPE1);
	for (int i = 0; i < 2; i++) {
		f->group_fd[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_int_equal(berth_ioas_add_group(f->io, 4 + (unsigned int)i, f->group_fd[i]),
				 0);
	}
	for (uint8_t i = 0; i < NR; i++) {
		f->fake[i] = fake_vfio_new();
		fake_put16(f->fake[i], PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		fake_vfio_cap(f->fake[i], 0x40, PCI_CAP_ID_PM);
		fake_put16(f->fake[i], 0x44, 3); /* asleep */
		f->fake[i]->nr_dependents = 2;
		for (uint8_t k = 0; k < 2; k++)
			f->fake[i]->dependents[k] =
				(struct berth_vfio_dependent){ .at = { 0, 2, 0, k }, .group = 5 };
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < NR; i++) {
		berth_vfio_device_close(f->dev[i]);
		fake_vfio_free(f->fake[i]);
	}
	berth_ioas_close(f->io);
	free(f);
	return 0;
}

static int run(struct fixture *f, bool alone, enum berth_reset_when when)
{
	for (uint8_t i = 0; i < NR; i++) {
		if (!alone)
			f->fake[i]->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
		f->dev[i] = fake_vfio_open(f->fake[i], (struct berth_bdf){ 0, 2, 0, i });
	}
	return berth_reset_devices(f->io, f->dev, NR, when, f->result, &f->err);
}

static void before_use_the_kernels_reset_is_verified_not_repeated(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, true, BERTH_RESET_BEFORE_USE), 0);
	assert_int_equal(f->result[0].method, BERTH_RESET_OPEN);
	assert_true(f->result[0].proven && f->result[1].proven);
	assert_int_equal(f->fake[0]->nr_resets, 0);
	assert_int_equal(fake_get(f->fake[0], PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake_get(f->fake[0], 0x44, 2), 0);
}

static void after_use_each_function_is_reset_by_itself(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->irq[2].enabled = true;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->fake[0]->nr_resets + f->fake[1]->nr_resets, 2);
	assert_int_equal(f->result[1].method, BERTH_RESET_FUNCTION);
	assert_non_null(strstr(f->result[1].sentence, "0000:02:00.1: function reset, answers"));
	assert_false(f->fake[0]->irq[2].enabled);
}

static void functions_without_a_reset_share_one_of_their_bus(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, false, BERTH_RESET_BEFORE_USE), 0);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_int_equal(f->result[0].method, BERTH_RESET_HOT);
	assert_int_equal(f->result[1].method, BERTH_RESET_HOT);
	assert_true(f->result[0].proven && f->result[1].proven);
	/* of the groups owned, the one concerned */
	assert_int_equal(f->fake[0]->nr_hot_fds, 1);
	assert_int_equal(f->fake[0]->hot_fds[0], f->group_fd[1]);
}

static void a_bus_with_somebody_elses_function_is_not_reset(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->dependents[1] =
		(struct berth_vfio_dependent){ .at = { 0, 2, 1, 0 }, .group = 9 };
	f->fake[1]->dependents[1] = f->fake[0]->dependents[1];
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_int_equal(f->fake[0]->nr_hot_resets, 0);
	assert_false(f->result[0].proven);
	assert_int_equal(f->result[0].method, BERTH_RESET_NONE);
	assert_non_null(strstr(f->err.text, "0000:02:01.0 in group 9"));
}

static void with_iommufd_the_kernel_says_whose_a_function_is(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < f->fake[i]->nr_dependents; k++) {
			f->fake[i]->dependents[k].by_device = true;
			f->fake[i]->dependents[k].owned = true;
			f->fake[i]->dependents[k].group = 0;
		}
	}
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_int_equal(f->fake[0]->nr_hot_fds, 0);
	f->fake[0]->dependents[1].owned = f->fake[1]->dependents[1].owned = false;
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_non_null(strstr(f->err.text, "0000:02:00.1, which is not ours"));
}

static void a_failed_reset_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[1]->reset_result = -ENOTTY;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_true(f->result[0].proven);
	assert_false(f->result[1].proven);
	assert_non_null(strstr(f->err.text, "0000:02:00.1"));
}

static void a_failed_bus_reset_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->hot_result = f->fake[1]->hot_result = -EIO;
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_false(f->result[0].proven || f->result[1].proven);
}

static void a_device_that_stays_bus_master_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->reset_sets_master = true;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_non_null(strstr(f->result[0].sentence, "still a bus master"));
	assert_true(f->result[1].proven);
}

static void a_device_that_does_not_answer_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->gone = true;
	assert_int_equal(run(f, true, BERTH_RESET_BEFORE_USE), BERTH_REFUSED);
	assert_non_null(strstr(f->result[0].sentence, "does not answer"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(before_use_the_kernels_reset_is_verified_not_repeated),
		T(after_use_each_function_is_reset_by_itself),
		T(functions_without_a_reset_share_one_of_their_bus),
		T(a_bus_with_somebody_elses_function_is_not_reset),
		T(with_iommufd_the_kernel_says_whose_a_function_is),
		T(a_failed_reset_is_not_proven),
		T(a_failed_bus_reset_is_not_proven),
		T(a_device_that_stays_bus_master_is_not_proven),
		T(a_device_that_does_not_answer_is_not_proven),
	};

	return cmocka_run_group_tests_name("vfio/reset", tests, NULL, NULL);
}
