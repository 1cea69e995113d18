/* SPDX-License-Identifier: GPL-2.0-or-later */
/* assign and release: round trips, what is refused, VFs. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "manager/assign.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "policy/journal.h"
#include "tests/lib/verbs.h"

static void a_nic_goes_to_a_vm_and_back(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", "01:00.0", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_string_equal(fake_host_override(f->fake, NIC), "vfio-pci");
	assert_string_equal(verbs_power(f, NIC), "on");
	verbs_expect_state(f, "assigned");
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void the_whole_slot_comes_along(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", GPU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, PORT2), "pcieport");
	assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void what_was_on_vfio_before_stays_on_vfio(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" EDU "/driver_override", "vfio-pci\n");
	fake_host_bind(f->fake, EDU, "vfio-pci");
	fake_host_bind(f->fake, SIB, "");
	assert_int_equal(verbs_assign(f, "t1", EDU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, SIB), "vfio-pci");
	assert_int_equal(verbs_release(f, NULL, EDU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, EDU), "vfio-pci");
	assert_string_equal(fake_host_override(f->fake, EDU), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, SIB), "");
	verbs_expect_state(f, "external");
}

static void assigning_twice_to_the_same_vm_changes_nothing(void **state)
{
	struct fake_fixture *f = *state;
	unsigned int writes;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	writes = f->fake->writes;
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(f->fake->writes, writes);
	verbs_expect_state(f, "assigned");
}

static void a_plan_changes_nothing_and_names_every_write(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_READ);
	const char *dev = GPU;
	struct berth_steps steps;

	assert_int_equal(berth_manager_plan(m, "t1", &dev, 1, &steps, NULL), 0);
	assert_int_equal(f->fake->writes, 0);
	/* driver, then override, unbind, dma-off of both, probe of both, node */
	assert_int_equal(steps.nr, 10);
	assert_int_equal(steps.items[0].op, BERTH_STEP_DRIVER);
	assert_int_equal(steps.items[1].op, BERTH_STEP_OVERRIDE);
	assert_int_equal(steps.items[7].op, BERTH_STEP_PROBE);
	assert_int_equal(steps.items[9].op, BERTH_STEP_NODE);
	berth_steps_done(&steps);
	berth_manager_close(m);
	verbs_expect_untouched(f, "after plan");
}

static void a_dry_run_says_the_same_and_changes_nothing(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_READ);
	struct berth_report report = BERTH_REPORT_INIT;
	const char *dev = NIC;

	assert_int_equal(berth_manager_assign(m, "t1", &dev, 1, true, &report, NULL), 0);
	assert_int_equal(f->fake->writes, 0);
	assert_int_equal(report.nr, 7);
	berth_report_done(&report);
	berth_manager_close(m);
	verbs_expect_untouched(f, "after --dry-run");
}

static void expect_refused(struct fake_fixture *f, const char *dev, const char *word)
{
	struct berth_err err = BERTH_ERR_INIT;
	int r = verbs_assign(f, "t1", dev, &err);

	if (r != BERTH_REFUSED)
		fail_msg("%s was not refused: %d %s", dev, r, err.text);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	assert_int_equal(f->fake->writes, 0);
}

static void another_vms_device_is_refused_with_its_owner(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(verbs_assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "owned by t1"));
}

static void a_sibling_at_work_is_refused_with_its_driver(void **state)
{
	struct fake_fixture *f = *state;

	expect_refused(f, EDU, "SIBLING");
	expect_refused(f, EDU, SIB);
	expect_refused(f, EDU, "e1000e");
}

static void naming_the_sibling_too_is_enough(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);
	const char *const devs[] = { EDU, SIB };

	assert_int_equal(berth_manager_assign(m, "t1", devs, 2, false, NULL, NULL), 0);
	berth_manager_close(m);
	assert_string_equal(fake_host_driver(f->fake, SIB), "vfio-pci");
	assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void no_interrupt_remapping_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "proc/interrupts", " 24:  0  PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	expect_refused(f, NIC, "NO_INTREMAP");
}

static void unsafe_interrupts_are_refused(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       "Y\n");
	expect_refused(f, NIC, "UNSAFE_INTERRUPTS");
}

static void no_iommu_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_remove(f->fake, "sys/class/iommu");
	fake_host_remove(f->fake, "sys/kernel/iommu_groups");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/iommu_group");
	expect_refused(f, NIC, "NO_IOMMU");
}

static void memory_that_firmware_uses_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/kernel/iommu_groups/13/reserved_regions",
		       "0x00000000d7000000 0x00000000d7ffffff direct\n");
	expect_refused(f, NIC, "RESERVED");
}

static void the_default_route_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/dev_port", "0\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/ifindex", "3\n");
	fake_host_link(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/device", "../../../" NIC);
	fake_host_link(f->fake, "sys/class/net/eth1", "../../bus/pci/devices/" NIC "/net/eth1");
	fake_host_file(f->fake, "proc/net/route",
		       "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
		       "Window\tIRTT\n"
		       "eth1\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	expect_refused(f, NIC, "default-route");
}

static void a_disk_that_a_process_has_open_is_refused(void **state)
{
	struct fake_fixture *f = *state;

	/* With multipath the namespace is the subsystem's, not the controller's. */
	fake_host_file(f->fake, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/size",
		       "8\n");
	fake_host_link(f->fake, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		       "../../../pci0000:00/" PORT1 "/" NIC "/nvme/nvme0");
	fake_host_link(f->fake, "sys/class/block/nvme0n1",
		       "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
	verbs_process(f, 600);
	fake_host_link(f->fake, "proc/600/fd/3", "/dev/nvme0n1");
	expect_refused(f, NIC, "process 600 (berth) as /dev/nvme0n1");
}

static void a_companion_in_use_is_refused_with_its_driver(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" AUDIO "/sound/card0/controlC0/dev",
		       "116:0\n");
	fake_host_link(f->fake, "sys/class/sound/controlC0",
		       "../../devices/pci0000:00/" PORT2 "/" AUDIO "/sound/card0/controlC0");
	verbs_process(f, 600);
	fake_host_link(f->fake, "proc/600/fd/3", "/dev/snd/controlC0");
	expect_refused(f, GPU, AUDIO);
	expect_refused(f, GPU, "snd_hda_intel");
	expect_refused(f, GPU, "process 600");
}

static void a_bridge_is_refused(void **state)
{
	expect_refused(*state, PORT1, "bridge");
}

static void an_absent_device_is_enodev(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(verbs_assign(*state, "t1", "0000:77:00.0", &err), -ENODEV);
	assert_non_null(strstr(err.text, "0000:77:00.0"));
}

static void malformed_names_are_einval(void **state)
{
	assert_int_equal(verbs_assign(*state, "t1", "03:00.0x", NULL), -EINVAL);
	assert_int_equal(verbs_assign(*state, "@bind", NIC, NULL), -EINVAL);
	assert_int_equal(verbs_assign(*state, "../t1", NIC, NULL), -EINVAL);
	assert_int_equal(verbs_assign(*state, "", NIC, NULL), -EINVAL);
}

static void releasing_what_nobody_owns_is_refused(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(verbs_release(f, NULL, NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "igb"));
	assert_int_equal(verbs_release(f, "t9", NULL, NULL), -ENOENT);
}

static void a_vf_gets_its_settings_and_gives_them_back(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	if (verbs_assign(f, "t1", VF, &err) != 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(verbs_net_now, "mac=52:54:00:00:00:07 vlan=40"));
	assert_int_equal(verbs_release(f, NULL, VF, NULL), 0);
	assert_string_equal(verbs_net_now, verbs_net_found);
	assert_string_equal(fake_host_driver(f->fake, VF), "");
}

static void settings_that_are_not_taken_undo_the_assign(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	verbs_net_broken = true;
	assert_int_equal(verbs_assign(f, "t1", VF, &err), -EIO);
	assert_non_null(strstr(err.text, "does not take"));
	assert_string_equal(verbs_net_now, verbs_net_found);
	assert_string_equal(fake_host_driver(f->fake, VF), "");
	assert_string_equal(fake_host_override(f->fake, VF), "");
	verbs_expect_state(f, "");
}

static void a_pf_with_vfs_and_its_vf_exclude_each_other(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(verbs_assign(f, "t1", PF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "vfs-enabled"));
	fake_host_file(f->fake, "sys/bus/pci/drivers/vfio-pci/bind", "%s", "");
	fake_host_bind(f->fake, PF, "vfio-pci");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(verbs_assign(f, "t1", VF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "PF:"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)
#define V(name) cmocka_unit_test_setup_teardown(name, verbs_set_up_vf, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_nic_goes_to_a_vm_and_back),
		T(the_whole_slot_comes_along),
		T(what_was_on_vfio_before_stays_on_vfio),
		T(assigning_twice_to_the_same_vm_changes_nothing),
		T(a_plan_changes_nothing_and_names_every_write),
		T(a_dry_run_says_the_same_and_changes_nothing),
		T(another_vms_device_is_refused_with_its_owner),
		T(a_sibling_at_work_is_refused_with_its_driver),
		T(naming_the_sibling_too_is_enough),
		T(no_interrupt_remapping_is_refused),
		T(unsafe_interrupts_are_refused),
		T(no_iommu_is_refused),
		T(memory_that_firmware_uses_is_refused),
		T(the_default_route_is_refused),
		T(a_disk_that_a_process_has_open_is_refused),
		T(a_companion_in_use_is_refused_with_its_driver),
		T(a_bridge_is_refused),
		T(an_absent_device_is_enodev),
		T(malformed_names_are_einval),
		T(releasing_what_nobody_owns_is_refused),
		V(a_vf_gets_its_settings_and_gives_them_back),
		V(settings_that_are_not_taken_undo_the_assign),
		V(a_pf_with_vfs_and_its_vf_exclude_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
