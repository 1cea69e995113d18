/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "tests/lib/fake_fixture.h"
#include "vfio/bind.h"

#define NIC  "0000:01:00.0"
#define BARE "0000:02:00.0"
#define VF   "0000:04:10.0"

static const struct berth_bdf nic = { 0, 1, 0, 0 };
static const struct berth_bdf bare = { 0, 2, 0, 0 };
static const struct berth_bdf vf = { 0, 4, 0x10, 0 };
static const struct berth_bdf nothing = { 0, 9, 0, 0 };

static const struct fake_fn fns[] = {
	{ .bdf = "0000:00:01.0",
	  .vendor = 0x1b36,
	  .device = 0xc,
	  .class = 0x060400,
	  .driver = "pcieport",
	  .group = 1 },
	{ .bdf = NIC,
	  .parent = "0000:00:01.0",
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14 },
	{ .bdf = BARE,
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = 15 },
	{ .bdf = "0000:04:00.0",
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 16,
	  .total_vfs = 2 },
	{ .bdf = VF,
	  .vendor = 0x8086,
	  .device = 0x10ca,
	  .class = 0x020000,
	  .driver = "igbvf",
	  .group = 17,
	  .pf = "0000:04:00.0",
	  .vf = 0 },
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fake_fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

/* The whole way to vfio-pci, as the manager goes it. */
static int to_vfio(struct fake_fixture *f, struct berth_bdf at, struct berth_err *err)
{
	int r = berth_bind_override(f->host, at, BERTH_BIND_VFIO, err);

	if (r == 0)
		r = berth_bind_unbind(f->host, at, err);
	if (r == 0)
		r = berth_bind_dma_off(f->host, at, err);
	if (r == 0)
		r = berth_bind_probe(f->host, at, BERTH_BIND_VFIO, err);
	return r;
}

static void reads_driver_override_and_power(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state s;

	assert_int_equal(berth_bind_read(f->host, nic, &s, NULL), 0);
	assert_string_equal(s.driver, "igb");
	assert_string_equal(s.override, "");
	assert_string_equal(s.power_control, "on");
	assert_int_equal(berth_bind_read(f->host, bare, &s, NULL), 0);
	assert_string_equal(s.driver, "");
}

static void reading_an_absent_function_is_enodev(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_bind_state s;

	assert_int_equal(berth_bind_read(f->host, nothing, &s, &err), -ENODEV);
	assert_non_null(strstr(err.text, "0000:09:00.0"));
}

static void moves_to_vfio_and_back_exactly(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state found;

	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/power/control", "auto\n");
	assert_int_equal(berth_bind_read(f->host, nic, &found, NULL), 0);
	assert_int_equal(to_vfio(f, nic, NULL), 0);
	assert_int_equal(berth_bind_power(f->host, nic, "on", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_string_equal(fake_host_override(f->fake, NIC), "vfio-pci");
	assert_int_equal(berth_bind_restore(f->host, nic, &found, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
	assert_string_equal(fake_host_override(f->fake, NIC), "");
	assert_int_equal(berth_bind_read(f->host, nic, &found, NULL), 0);
	assert_string_equal(found.power_control, "auto");
}

static void a_function_without_driver_stays_without(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state found;
	unsigned int before;

	assert_int_equal(berth_bind_read(f->host, bare, &found, NULL), 0);
	assert_int_equal(to_vfio(f, bare, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, BARE), "vfio-pci");
	before = f->fake->writes;
	assert_int_equal(berth_bind_restore(f->host, bare, &found, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, BARE), "");
	assert_string_equal(fake_host_override(f->fake, BARE), "");
	assert_int_equal(f->fake->writes - before, 2); /* override, unbind; no probe */
}

static void an_override_that_was_there_comes_back(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state found;

	fake_host_file(f->fake, "sys/bus/pci/drivers/pci-stub/bind", "%s", "");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/driver_override", "pci-stub\n");
	fake_host_bind(f->fake, NIC, "pci-stub");
	assert_int_equal(berth_bind_read(f->host, nic, &found, NULL), 0);
	assert_int_equal(to_vfio(f, nic, NULL), 0);
	assert_int_equal(berth_bind_restore(f->host, nic, &found, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "pci-stub");
	assert_string_equal(fake_host_override(f->fake, NIC), "pci-stub");
}

static void doing_it_twice_writes_nothing(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state found;
	unsigned int before;

	assert_int_equal(berth_bind_read(f->host, nic, &found, NULL), 0);
	assert_int_equal(to_vfio(f, nic, NULL), 0);
	before = f->fake->writes;
	assert_int_equal(berth_bind_override(f->host, nic, BERTH_BIND_VFIO, NULL), 0);
	assert_int_equal(berth_bind_probe(f->host, nic, BERTH_BIND_VFIO, NULL), 0);
	assert_int_equal(f->fake->writes, before);
	assert_int_equal(berth_bind_restore(f->host, nic, &found, NULL), 0);
	before = f->fake->writes;
	assert_int_equal(berth_bind_restore(f->host, nic, &found, NULL), 0);
	assert_int_equal(f->fake->writes, before);
}

static void a_vf_goes_back_to_its_driver_also_without_autoprobe(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_bind_state found;

	assert_int_equal(berth_sysfs_write(f->host, "1", 1000, NULL,
					   "bus/pci/devices/0000:04:00.0/sriov_numvfs"),
			 0);
	fake_host_file(f->fake, "sys/bus/pci/drivers/igbvf/bind", "%s", "");
	fake_host_bind(f->fake, VF, "igbvf");
	assert_int_equal(berth_bind_read(f->host, vf, &found, NULL), 0);
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:04:00.0/sriov_drivers_autoprobe", "0\n");
	assert_int_equal(to_vfio(f, vf, NULL), 0);
	assert_int_equal(berth_bind_restore(f->host, vf, &found, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, VF), "igbvf");
	assert_string_equal(fake_host_override(f->fake, VF), "");
}

static void a_write_that_lies_is_noticed(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	f->fake->fault = (struct fake_fault){ FAKE_FAULT_LIE, 1 };
	assert_int_equal(berth_bind_override(f->host, nic, BERTH_BIND_VFIO, &err), -EIO);
	assert_non_null(strstr(err.text, "driver_override"));
	err = (struct berth_err)BERTH_ERR_INIT;
	f->fake->fault.at = f->fake->writes + 1;
	assert_int_equal(berth_bind_unbind(f->host, nic, &err), -EIO);
	assert_non_null(strstr(err.text, "still bound to igb"));
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
}

static void a_stuck_unbind_is_told_apart(void **state)
{
	struct fake_fixture *f = *state;

	f->fake->fault = (struct fake_fault){ FAKE_FAULT_TIMEOUT, 1 };
	assert_int_equal(berth_bind_unbind(f->host, nic, NULL), -ETIMEDOUT);
}

static void another_driver_that_was_faster_is_overtaken(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/drivers/other/bind", "%s", "");
	assert_int_equal(berth_bind_override(f->host, nic, BERTH_BIND_VFIO, NULL), 0);
	fake_host_bind(f->fake, NIC, "other");
	assert_int_equal(berth_bind_probe(f->host, nic, BERTH_BIND_VFIO, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

static void a_driver_that_declines_is_enodev(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_bind_unbind(f->host, nic, NULL), 0);
	assert_int_equal(berth_bind_probe(f->host, nic, BERTH_BIND_VFIO, &err), -ENODEV);
	assert_non_null(strstr(err.text, "vfio-pci did not take it"));
}

static uint8_t command_byte(struct fake_fixture *f, const char *path)
{
	uint8_t c[5] = { 0 };
	char full[256];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", f->fake->root, path);
	file = fopen(full, "re");
	assert_non_null(file);
	assert_int_equal(fread(c, 1, sizeof(c), file), sizeof(c));
	fclose(file);
	return c[4];
}

static void dma_goes_off_only_between_drivers(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(berth_bind_dma_off(f->host, nic, NULL), -EBUSY);
	assert_int_equal(command_byte(f, "sys/bus/pci/devices/" NIC "/config"), 0x07);
	assert_int_equal(berth_bind_unbind(f->host, nic, NULL), 0);
	assert_int_equal(berth_bind_dma_off(f->host, nic, NULL), 0);
	assert_int_equal(command_byte(f, "sys/bus/pci/devices/" NIC "/config"), 0x03);
}

static void all_ones_in_config_space_is_an_error(void **state)
{
	struct fake_fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" BARE "/config",
		       "\xff\xff\xff\xff\xff\xff\xff\xff");
	assert_int_equal(berth_bind_dma_off(f->host, bare, NULL), -EIO);
}

static void a_missing_driver_cannot_be_loaded_into_a_tree(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_bind_need_driver(f->host, BERTH_BIND_VFIO, NULL), 0);
	fake_host_remove(f->fake, "sys/bus/pci/drivers/vfio-pci");
	assert_int_equal(berth_bind_need_driver(f->host, BERTH_BIND_VFIO, &err), -EPERM);
	assert_non_null(strstr(err.text, "vfio-pci"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reads_driver_override_and_power),
		T(reading_an_absent_function_is_enodev),
		T(moves_to_vfio_and_back_exactly),
		T(a_function_without_driver_stays_without),
		T(an_override_that_was_there_comes_back),
		T(doing_it_twice_writes_nothing),
		T(a_vf_goes_back_to_its_driver_also_without_autoprobe),
		T(a_write_that_lies_is_noticed),
		T(a_stuck_unbind_is_told_apart),
		T(another_driver_that_was_faster_is_overtaken),
		T(a_driver_that_declines_is_enodev),
		T(dma_goes_off_only_between_drivers),
		T(all_ones_in_config_space_is_an_error),
		T(a_missing_driver_cannot_be_loaded_into_a_tree),
	};

	return cmocka_run_group_tests_name("vfio/bind", tests, NULL, NULL);
}
