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
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, true, NULL), 0);
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
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, true, NULL), 0);
	assert_int_equal(about(f, PF)->default_route, BERTH_YES);
	assert_int_equal(about(f, PF)->block_in_use, BERTH_NO);
	assert_int_equal(about(f, "0000:02:00.0")->default_route, BERTH_NO);
}

static const struct berth_facts *look_again(struct fixture *f, const char *bdf)
{
	berth_fact_sheet_free(f->sheet);
	f->sheet = NULL;
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, true, NULL), 0);
	return about(f, bdf);
}

/* An address that the host has set, or drawn, says nothing about the card. */
static void a_burnt_in_address_is_a_serial_number_while_there_is_an_interface(void **state)
{
	static const struct {
		const char *type, *address, *want;
	} rows[] = {
		{ "0\n", "02:00:5e:00:53:01\n", "02:00:5e:00:53:01" },
		{ "1\n", "02:00:5e:00:53:01\n", NULL },
		{ "3\n", "02:00:5e:00:53:01\n", NULL },
		{ "0\n", "00:00:00:00:00:00\n", NULL },
		{ "0\n", "80:00:02:08:fe:80:00:00:00:00:00:00\n", NULL },
	};
	struct fixture *f = *state;

	assert_null(about(f, PF)->serial_mac);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const char *mac;

		fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/net/eth1/addr_assign_type",
			       "%s", rows[i].type);
		fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/net/eth1/address", "%s",
			       rows[i].address);
		mac = look_again(f, PF)->serial_mac;
		if (rows[i].want ? !mac || strcmp(mac, rows[i].want) != 0 : !!mac)
			fail_msg("row %zu: %s", i, mac ? mac : "unknown");
	}
}

static void a_vf_has_no_address_of_its_own(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/0000:01:10.2/net/eth2/dev_port", "0\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:01:10.2/net/eth2/addr_assign_type",
		       "0\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:01:10.2/net/eth2/address",
		       "02:00:5e:00:53:02\n");
	assert_string_equal(look_again(f, "0000:01:10.2")->mac, "02:00:5e:00:53:02");
	assert_null(about(f, "0000:01:10.2")->serial_mac);
}

static void an_nvme_serial_number_is_known_while_its_driver_has_it(void **state)
{
	static const char at[] = "0000:02:00.0";
	struct fixture *f = *state;

	assert_null(about(f, at)->serial_nvme);
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:02:00.0/nvme/nvme3/serial",
		       "S4EW NX0M           \n");
	assert_string_equal(look_again(f, at)->serial_nvme, "S4EW NX0M");
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:02:00.0/nvme/nvme3/serial",
		       "                    \n");
	assert_null(look_again(f, at)->serial_nvme);
	fake_host_file(f->fake, "sys/bus/pci/devices/0000:02:00.0/nvme/nvme3/serial",
		       "S4\x1b[2J\n");
	assert_null(look_again(f, at)->serial_nvme);
	fake_host_remove(f->fake, "sys/bus/pci/devices/0000:02:00.0/nvme");
	assert_null(look_again(f, at)->serial_nvme);
}

static void a_device_without_a_serial_number_is_asked_for_its_vpd(void **state)
{
	/* VPD-R with SN "A7" and RV, whose byte makes the sum zero; the end */
	static const uint8_t vpd[] = { 0x90, 9, 0, 'S', 'N', 2, 'A', '7', 'R', 'V', 1, 0xa3, 0x78 };
	struct fixture *f = *state;
	struct berth_device *dev = NULL;
	char path[160];
	FILE *file;

	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/vpd", "%s", "");
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/" PF "/vpd", f->fake->root);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(vpd, sizeof(vpd), 1, file), 1);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(look_again(f, PF)->serial_vpd, "A7");
	for (size_t i = 0; i < f->inv->nr; i++) {
		if (strcmp(f->sheet->items[i].bdf, PF) == 0)
			dev = &f->inv->devices[i];
	}
	assert_non_null(dev);
	berth_fact_sheet_free(f->sheet);
	assert_int_equal(berth_facts_build(&f->sheet, f->host, f->inv, false, NULL), 0);
	assert_null(about(f, PF)->serial_vpd); /* nobody asked */
	dev->caps.has_serial = true;
	assert_non_null(look_again(f, PF)->serial);
	assert_null(about(f, PF)->serial_vpd);
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(says_of_a_device_what_the_inventory_knows),
		with_host(says_what_the_host_does_with_a_device),
		with_host(a_burnt_in_address_is_a_serial_number_while_there_is_an_interface),
		with_host(a_vf_has_no_address_of_its_own),
		with_host(an_nvme_serial_number_is_known_while_its_driver_has_it),
		with_host(a_device_without_a_serial_number_is_asked_for_its_vpd),
		with_host(a_vf_points_to_its_pf),
		with_host(what_is_not_known_is_said_to_be_unknown),
	};

	return cmocka_run_group_tests_name("manager/facts", tests, NULL, NULL);
}
