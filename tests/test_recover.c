/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found after a reboot, and when devices are gone or others. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "manager/claim.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "tests/lib/verbs.h"

static void reboot(struct fake_fixture *f)
{
	fake_host_file(f->fake, "proc/sys/kernel/random/boot_id",
		       "99999999-2222-3333-4444-555555555555\n");
	for (size_t i = 0; i < f->fake->nr; i++) {
		char path[128];

		fake_host_bind(f->fake, f->fake->fns[i].bdf, f->fake->fns[i].driver);
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver_override",
			 f->fake->fns[i].bdf);
		fake_host_file(f->fake, path, "(null)\n");
	}
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/power/control", "auto\n");
	berth_host_close(f->host);
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
}

static void an_assignment_outlives_a_reboot(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", GPU, NULL), 0);
	reboot(f);
	verbs_recover(f);
	assert_string_equal(fake_host_driver(f->fake, GPU), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	verbs_expect_state(f, "assigned");
	assert_int_equal(verbs_release(f, NULL, GPU, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void a_run_does_not_outlive_a_reboot(void **state)
{
	struct fake_fixture *f = *state;

	verbs_process(f, 500);
	berth_vm_claim_free(verbs_claim(f, "t1", GPU, 500, 0));
	reboot(f);
	verbs_recover(f);
	verbs_expect_untouched(f, "after reboot");
}

/* Found by the model in tests/spin: after a reboot it is with its host driver, and must not be reset under that. */
static void a_quarantined_device_does_not_run_after_a_reboot(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	verbs_process(f, 500);
	verbs_unclaim(f, verbs_claim(f, "t1", NIC, 500, 0), false, -EUCLEAN, NULL);
	reboot(f);
	verbs_expect_state(f, "quarantined");
	assert_null(verbs_claim(f, "t1", NIC, 500, BERTH_REFUSED));
	verbs_expect_state(f, "quarantined");
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
}

static void a_device_taken_from_vfio_by_hand_is_bound_again(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	fake_host_bind(f->fake, NIC, "igb");
	verbs_recover(f);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void another_device_at_the_same_place_is_kept_from_everybody(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/device", "0x10fb\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/uevent",
		       "DRIVER=vfio-pci\nPCI_CLASS=20000\nPCI_ID=8086:10FB\n"
		       "PCI_SUBSYS_ID=8086:10FB\nPCI_SLOT_NAME=" NIC "\n");
	verbs_recover(f);
	verbs_expect_state(f, "identity-changed");
	assert_int_equal(verbs_assign(f, "t2", NIC, NULL), BERTH_REFUSED);
}

/* A Device Serial Number of 10-00-…-00-@last, as an extended capability (PCIe Base 6.0, 7.9.3). */
static void set_serial(struct fake_fixture *f, const char *bdf, uint16_t last)
{
	const uint16_t words[] = { 0x0003, 0x0001, last, 0, 0, 0x1000 };

	for (unsigned int i = 0; i < BERTH_ARRAY_SIZE(words); i++)
		verbs_set_config(f, bdf, 0x100 + 2 * i, words[i]);
	verbs_set_config(f, bdf, 4094, 0); /* as long as it is with extended capabilities */
}

static void a_card_of_the_same_kind_is_known_by_its_serial_number(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_manager *m = NULL;

	set_serial(f, NIC, 0x01);
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	verbs_recover(f);
	verbs_expect_state(f, "assigned");
	set_serial(f, NIC, 0x02);
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, &report, NULL), 0);
	berth_manager_close(m);
	assert_int_equal(report.nr, 1);
	assert_non_null(strstr(report.lines[0], "serial number 10-00-00-00-00-00-00-02, was "
						"10-00-00-00-00-00-00-01"));
	berth_report_done(&report);
	verbs_expect_state(f, "identity-changed");
	assert_int_equal(verbs_assign(f, "t2", NIC, NULL), BERTH_REFUSED);
}

/* A device that is being reset answers with all ones. */
static void a_serial_number_that_cannot_be_read_is_no_other(void **state)
{
	struct fake_fixture *f = *state;

	set_serial(f, NIC, 0x01);
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	for (unsigned int i = 0; i < 4; i++)
		verbs_set_config(f, NIC, 0x104 + 2 * i, 0xffff);
	verbs_recover(f);
	verbs_expect_state(f, "assigned");
	for (unsigned int i = 0; i < 2; i++)
		verbs_set_config(f, NIC, 0x100 + 2 * i, 0xffff);
	verbs_recover(f);
	verbs_expect_state(f, "assigned");
}

static void an_absent_device_stays_its_vms(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC);
	verbs_recover(f);
	verbs_expect_state(f, "lost");
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_state(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_assignment_outlives_a_reboot),
		T(a_run_does_not_outlive_a_reboot),
		T(a_quarantined_device_does_not_run_after_a_reboot),
		T(a_device_taken_from_vfio_by_hand_is_bound_again),
		T(another_device_at_the_same_place_is_kept_from_everybody),
		T(a_card_of_the_same_kind_is_known_by_its_serial_number),
		T(a_serial_number_that_cannot_be_read_is_no_other),
		T(an_absent_device_stays_its_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
