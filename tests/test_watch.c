/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/watch.h"

#define NR  2
#define ERR VFIO_PCI_ERR_IRQ_INDEX
#define REQ VFIO_PCI_REQ_IRQ_INDEX

struct fixture {
	struct fake_vfio *fake[NR];
	struct berth_vfio_device *dev[NR];
	struct berth_vfio_watch *watch;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (uint8_t i = 0; i < NR; i++) {
		f->fake[i] = fake_vfio_new();
		f->dev[i] = fake_vfio_open(f->fake[i], (struct berth_bdf){ 0, 1, i, 0 });
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vfio_watch_free(f->watch);
	for (int i = 0; i < NR; i++) {
		berth_vfio_device_close(f->dev[i]);
		fake_vfio_free(f->fake[i]);
	}
	free(f);
	return 0;
}

/* As the kernel does. */
static void fire(struct fake_vfio *fake, int index)
{
	uint64_t one = 1;

	assert_true(fake->irq[index].enabled);
	assert_int_equal(write(fake->irq[index].fd[0], &one, sizeof(one)), sizeof(one));
}

static bool readable(const struct fixture *f)
{
	struct pollfd p = { .fd = berth_vfio_watch_fd(f->watch), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void each_report_comes_once_with_its_device(void **state)
{
	struct fixture *f = *state;
	struct berth_vfio_device *dev = NULL;

	assert_int_equal(berth_vfio_watch_new(&f->watch, f->dev, NR, &f->err), 0);
	assert_false(readable(f));
	assert_int_equal(berth_vfio_watch_next(f->watch, &dev), BERTH_VFIO_EVENT_NONE);
	fire(f->fake[1], REQ);
	assert_true(readable(f));
	assert_int_equal(berth_vfio_watch_next(f->watch, &dev), BERTH_VFIO_EVENT_REQUEST);
	assert_ptr_equal(dev, f->dev[1]);
	assert_int_equal(berth_vfio_watch_next(f->watch, &dev), BERTH_VFIO_EVENT_NONE);
	fire(f->fake[0], ERR);
	fire(f->fake[0], ERR);
	assert_int_equal(berth_vfio_watch_next(f->watch, &dev), BERTH_VFIO_EVENT_ERROR);
	assert_ptr_equal(dev, f->dev[0]);
	assert_false(readable(f));
}

static void a_device_that_was_pulled_out_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct berth_vfio_device *dev = NULL;

	assert_int_equal(berth_vfio_watch_new(&f->watch, f->dev, NR, &f->err), 0);
	f->fake[0]->gone = true;
	fire(f->fake[0], REQ);
	assert_int_equal(berth_vfio_watch_next(f->watch, &dev), BERTH_VFIO_EVENT_GONE);
	assert_ptr_equal(dev, f->dev[0]);
}

static void freeing_disarms(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_vfio_watch_new(&f->watch, f->dev, NR, &f->err), 0);
	berth_vfio_watch_free(f->watch);
	f->watch = NULL;
	for (int i = 0; i < NR; i++)
		assert_false(f->fake[i]->irq[ERR].enabled || f->fake[i]->irq[REQ].enabled);
}

static void a_device_without_these_interrupts_is_silent(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->irq[ERR].count = f->fake[0]->irq[REQ].count = 0;
	assert_int_equal(berth_vfio_watch_new(&f->watch, f->dev, NR, &f->err), 0);
	assert_false(f->fake[0]->irq[ERR].enabled);
	assert_true(f->fake[1]->irq[ERR].enabled);
}

static void what_the_kernel_refuses_is_an_error_and_leaves_nothing_armed(void **state)
{
	struct fixture *f = *state;

	f->fake[1]->irq[ERR].fail = -EBUSY;
	assert_int_equal(berth_vfio_watch_new(&f->watch, f->dev, NR, &f->err), -EBUSY);
	assert_null(f->watch);
	assert_false(f->fake[0]->irq[ERR].enabled || f->fake[0]->irq[REQ].enabled);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_report_comes_once_with_its_device),
		T(a_device_that_was_pulled_out_is_told_apart),
		T(freeing_disarms),
		T(a_device_without_these_interrupts_is_silent),
		T(what_the_kernel_refuses_is_an_error_and_leaves_nothing_armed),
	};

	return cmocka_run_group_tests_name("vfio/watch", tests, NULL, NULL);
}
