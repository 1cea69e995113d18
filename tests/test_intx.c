/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vfio.h"
#include "vfio/irq.h"
#include "vmm/intx.h"

#define GSI 17

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_intx *intx;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	fake_irq_reset();
	f->fake = fake_vfio_new();
	f->fake->irq[BERTH_VFIO_IRQ_INTX].count = 1;
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	return berth_intx_new(&f->intx, NULL, f->dev, GSI, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_intx_free(f->intx);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

static void on_wires_trigger_and_unmask_to_the_pin(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_intx_on(f->intx, NULL), 0);
	assert_int_equal(f->fake->irq[0].fd[0], fake_irq.gsi[GSI].fd);
	assert_int_equal(f->fake->irq[0].unmask_fd, fake_irq.gsi[GSI].resample_fd);
	assert_true(f->fake->irq[0].unmask_fd >= 0);
	assert_false(f->fake->irq[0].masked);
	assert_true(fake_irq_raise(f->fake, 0, 0));
	assert_int_equal(fake_irq.gsi[GSI].injected, 1);
	assert_int_equal(berth_intx_on(f->intx, NULL), 0);
	assert_int_equal(fake_irq.nr_attaches, 1);
}

static void off_leaves_room_for_the_other_kinds(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_intx_on(f->intx, NULL), 0);
	berth_intx_off(f->intx);
	assert_false(f->fake->irq[0].enabled);
	assert_int_equal(fake_irq.gsi[GSI].fd, -1);
	assert_int_equal(berth_intx_on(f->intx, NULL), 0);
	assert_true(f->fake->irq[0].enabled);
	assert_int_equal(fake_irq.gsi[GSI].injected, 0);
}

static void a_failure_undoes_what_was_done(void **state)
{
	struct fixture *f = *state;

	fake_irq.attach_result = -EINVAL;
	assert_int_equal(berth_intx_on(f->intx, NULL), -EINVAL);
	assert_false(f->fake->irq[0].enabled);
	fake_irq.attach_result = 0;
	f->fake->irq[0].fail = -EBUSY;
	assert_int_equal(berth_intx_on(f->intx, NULL), -EBUSY);
	assert_int_equal(fake_irq.gsi[GSI].fd, -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(on_wires_trigger_and_unmask_to_the_pin),
		T(off_leaves_room_for_the_other_kinds),
		T(a_failure_undoes_what_was_done),
	};

	return cmocka_run_group_tests_name("vmm/intx", tests, NULL, NULL);
}
