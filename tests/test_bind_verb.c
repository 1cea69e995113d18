/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth bind. */
#include "tests/cmocka_all.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "manager/bind_verb.h"
#include "manager/manager.h"
#include "tests/lib/verbs.h"

static int bind_verb(struct fake_fixture *f, const char *dev, const char *driver,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);

	return berth_manager_bind(m, dev, driver, false, NULL, err);
}

static void bind_moves_one_function_and_release_undoes_it(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(bind_verb(f, AUDIO, "vfio-pci", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, GPU), "bochs-drm");
	assert_int_equal(verbs_assign(f, "t1", GPU, NULL), BERTH_REFUSED);
	assert_int_equal(bind_verb(f, AUDIO, "", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "");
	assert_int_equal(bind_verb(f, GPU, "", NULL), 0);
	assert_int_equal(verbs_release(f, NULL, AUDIO, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void a_failing_bind_is_taken_back(void **state)
{
	struct fake_fixture *f = *state;

	for (unsigned int i = 1; i <= 3; i++) {
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, i };
		if (bind_verb(f, NIC, "vfio-pci", NULL) == 0)
			assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
		f->fake->fault.at = 0;
		verbs_expect_untouched(f, "after a failing bind");
	}
}

static void binding_a_vms_device_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(bind_verb(f, NIC, "", NULL), BERTH_REFUSED);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bind_moves_one_function_and_release_undoes_it),
		T(a_failing_bind_is_taken_back),
		T(binding_a_vms_device_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
