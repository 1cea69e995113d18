/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/facts.h"
#include "tests/lib/fake_pci.h"
#include "vfio/inventory.h"

#define PF "0000:01:00.0"

static const struct fake_fn fns[] = {
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14 },
	{ .bdf = "0000:01:10.2",
	  .vendor = 0x8086,
	  .device = 0x10ca,
	  .class = 0x020000,
	  .driver = "",
	  .group = 20 },
	{ .bdf = "0000:02:00.0",
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = -1 },
};

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_inventory *inv;
	struct berth_fact_sheet *sheet;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/net/eth1/dev_port", "0\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/net/eth1/address",
		       "02:00:5e:00:53:01\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/label", "Onboard LAN 1\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/acpi_index", "3\n");
	fake_host_file(f->fake, "sys/bus/pci/slots/7/address", "0000:07:00\n");
	fake_host_file(f->fake, "sys/bus/pci/slots/8-1/address", "0000:01:00\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/sriov_totalvfs", "7\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/sriov_numvfs", "2\n");
	fake_host_link(f->fake, "sys/bus/pci/devices/" PF "/virtfn1", "../0000:01:10.2");
	fake_host_link(f->fake, "sys/bus/pci/devices/0000:01:10.2/physfn", "../" PF);
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	assert_int_equal(berth_inventory_read(&f->inv, f->host, NULL), 0);
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_fact_sheet_free(f->sheet);
	berth_inventory_free(f->inv);
	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static const struct berth_facts *about(struct fixture *f, const char *name)
{
	struct berth_bdf at;
	const struct berth_device *dev;

	assert_int_equal(berth_bdf_parse(name, &at), 0);
	dev = berth_inventory_find(f->inv, at);
	assert_non_null(dev);
	return berth_facts_of(f->sheet, dev);
}

static void says_of_a_device_what_the_inventory_knows(void **state)
{
	const struct berth_facts *facts = about(*state, PF);

	assert_string_equal(facts->bdf, PF);
	assert_int_equal(facts->vendor, 0x8086);
	assert_int_equal(facts->device, 0x10c9);
	assert_int_equal(facts->class, 0x020000);
	assert_string_equal(facts->driver, "igb");
	assert_string_equal(facts->netdev, "eth1");
	assert_string_equal(facts->reset, "flr");
	assert_non_null(facts->group_key);
	assert_non_null(facts->path);
	assert_false(facts->is_vf);
	assert_int_equal(facts->vf_index, BERTH_FACT_UNKNOWN);
	assert_null(facts->pf);
	assert_string_equal(facts->mac, "02:00:5e:00:53:01");
	assert_string_equal(facts->label, "Onboard LAN 1");
	assert_int_equal(facts->acpi_index, 3);
	assert_string_equal(facts->slot, "8-1");
	assert_int_equal(facts->group_size, 1);
	assert_int_equal(facts->vfs_total, 7);
}

static void a_vf_points_to_its_pf(void **state)
{
	const struct berth_facts *facts = about(*state, "0000:01:10.2");

	assert_true(facts->is_vf);
	assert_int_equal(facts->vf_index, 1);
	assert_ptr_equal(facts->pf, about(*state, PF));
	assert_null(facts->netdev);
	assert_string_equal(facts->driver, "");
}

static void what_is_not_known_is_said_to_be_unknown(void **state)
{
	const struct berth_facts *facts = about(*state, "0000:02:00.0");

	assert_null(facts->group_key);
	assert_int_equal(facts->numa_node, BERTH_FACT_UNKNOWN);
	assert_null(facts->serial);
	assert_null(facts->slot);
	assert_null(facts->label);
	assert_null(facts->mac);
	assert_int_equal(facts->acpi_index, 0);
	assert_int_equal(facts->group_size, 0);
	assert_int_equal(facts->vfs_total, 0);
}

static void says_what_the_host_does_with_a_device(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(about(f, PF)->default_route, BERTH_NO);
	fake_host_file(f->fake, "proc/net/route",
		       "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
		       "eth1 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n");
	fake_host_link(f->fake, "sys/class/net/eth1", "../../bus/pci/devices/" PF "/net/eth1");
	berth_fact_sheet_free(f->sheet);
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, NULL), 0);
	assert_int_equal(about(f, PF)->default_route, BERTH_YES);
	assert_int_equal(about(f, PF)->block_in_use, BERTH_NO);
	assert_int_equal(about(f, "0000:02:00.0")->default_route, BERTH_NO);
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(says_of_a_device_what_the_inventory_knows),
		with_host(says_what_the_host_does_with_a_device),
		with_host(a_vf_points_to_its_pf),
		with_host(what_is_not_known_is_said_to_be_unknown),
	};

	return cmocka_run_group_tests_name("manager/facts", tests, NULL, NULL);
}
