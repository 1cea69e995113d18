/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the way of assigning. */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "manager/manager.h"
#include "manager/obstacle.h"
#include "tests/lib/verbs.h"

static struct berth_obstacles obstacles(struct fake_fixture *f, struct berth_bdf at)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_READ);
	struct berth_obstacles list;

	assert_int_equal(berth_manager_obstacles(m, at, &list, NULL), 0);
	return list;
}

/* What show prints is what assign says. */
static void the_first_obstacle_is_why_assign_refuses(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_obstacles list = obstacles(f, (struct berth_bdf){ 0, 1, 0, 0 });

	assert_int_equal(list.nr, 0);
	list = obstacles(f, (struct berth_bdf){ 0, 3, 0, 0 }); /* its sibling works for the host */
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "SIBLING");
	assert_true(berth_bdf_eq(list.items[0].at, (struct berth_bdf){ 0, 3, 1, 0 }));
	assert_int_equal(verbs_assign(f, "t1", EDU, &err), BERTH_REFUSED);
	assert_string_equal(err.text, list.items[0].sentence);
	berth_obstacles_done(&list);
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	list = obstacles(f, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "OWNED");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(verbs_assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_string_equal(err.text, list.items[0].sentence);
	berth_obstacles_done(&list);
	list = obstacles(f, (struct berth_bdf){ 0, 0, 1, 0 });
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "BRIDGE");
	berth_obstacles_done(&list);
}

static void all_obstacles_are_listed(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_obstacles list;

	fake_host_file(f->fake, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       "Y\n");
	list = obstacles(f, (struct berth_bdf){ 0, 3, 0, 0 });
	assert_int_equal(list.nr, 2);
	assert_string_equal(list.items[0].code, "UNSAFE_INTERRUPTS");
	assert_string_equal(list.items[1].code, "SIBLING");
	berth_obstacles_done(&list);
}

static void what_nothing_resets_stays_with_the_host(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	/* its bus can be reset instead: there is nobody else on it */
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset_method");
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(verbs_release(f, "t1", NIC, NULL), 0);
	/* the PF is on the root bus */
	fake_host_remove(f->fake, "sys/bus/pci/devices/" PF "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" PF "/reset_method");
	assert_int_equal(verbs_assign(f, "t1", PF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RESET: " PF ": the kernel knows no way to reset it"));
}

static void nor_does_a_virtual_function_without_a_reset_leave_it(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" VF "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" VF "/reset_method");
	assert_int_equal(verbs_assign(f, "t1", VF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RESET: " VF));
	assert_non_null(strstr(err.text, "it is a virtual function"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)
#define V(name) cmocka_unit_test_setup_teardown(name, verbs_set_up_vf, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_obstacle_is_why_assign_refuses),
		T(all_obstacles_are_listed),
		T(what_nothing_resets_stays_with_the_host),
		V(nor_does_a_virtual_function_without_a_reset_leave_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
