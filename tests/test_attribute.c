/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/attribute.h"

static const struct berth_facts nic = {
	.bdf = "0000:03:00.0",
	.path = "PC00/01.1/00.0/02.0/00.0",
	.class = 0x020000,
	.vendor = 0x8086,
	.device = 0x10c9,
	.subsystem_vendor = 0xffff,
	.subsystem_device = 0xa03c,
	.driver = "igb",
	.serial = "52-54-00",
	.serial_vpd = "MT20 7",
	.serial_nvme = "S4EW",
	.serial_mac = "02:00:5e:00:53:77",
	.group_key = "g:1",
	.isolation = "isolated",
	.reset = "flr bus",
	.numa_node = 1,
	.vf_index = BERTH_FACT_UNKNOWN,
	.netdev = "eth0",
	.mac = "02:00:5e:00:53:01",
	.slot = "7",
	.label = "LAN 1",
	.acpi_index = 2,
	.revision = 3,
	.group_size = 2,
	.vfs_total = 7,
	.bar_total = 1 << 20,
	.link_speed = 5000,
	.link_speed_max = 16000,
	.link_width = 8,
	.link_width_max = 16,
	.default_route = BERTH_YES,
	.block_in_use = BERTH_NO,
	.boot_vga = BERTH_UNKNOWN,
};

static const struct berth_facts vf = {
	.bdf = "0000:03:10.2",
	.path = "PC00/01.1/00.0#vf1",
	.class = 0x030000,
	.vendor = BERTH_FACT_UNKNOWN,
	.device = 0x10ca,
	.subsystem_vendor = BERTH_FACT_UNKNOWN,
	.subsystem_device = BERTH_FACT_UNKNOWN,
	.driver = "",
	.numa_node = BERTH_FACT_UNKNOWN,
	.revision = BERTH_FACT_UNKNOWN,
	.is_vf = true,
	.vf_index = 1,
	.pf = &nic,
	.default_route = BERTH_UNKNOWN,
	.boot_vga = BERTH_YES,
};

static const struct berth_facts orphan = { .is_vf = true, .vf_index = BERTH_FACT_UNKNOWN };

static const struct {
	const char *name, *of_nic, *of_vf, *of_orphan; /* "?" not known, "-" none */
} rows[] = {
	{ "pci.path", "PC00/01.1/00.0/02.0/00.0", "PC00/01.1/00.0#vf1", "?" },
	{ "pci.bdf", "0000:03:00.0", "0000:03:10.2", "?" },
	{ "pci.id", "8086:10c9", "?", "0000:0000" },
	{ "pci.subsystem", "ffff:a03c", "?", "0000:0000" },
	{ "pci.class", "020000", "030000", "000000" },
	{ "pci.revision", "3", "?", "0" },
	{ "pci.slot", "7", "-", "-" },
	{ "pci.label", "LAN 1", "-", "-" },
	{ "pci.acpi_index", "2", "-", "-" },
	{ "pci.is_pf", "true", "false", "false" },
	{ "pci.is_vf", "false", "true", "true" },
	{ "pci.vf_index", "-", "1", "?" },
	{ "serial", "52-54-00", "?", "?" },
	{ "serial.vpd", "MT20 7", "?", "?" },
	{ "serial.nvme", "S4EW", "?", "?" },
	{ "serial.mac", "02:00:5e:00:53:77", "?", "?" },
	{ "driver", "igb", "-", "?" },
	{ "group.key", "g:1", "-", "-" },
	{ "group.size", "2", "-", "-" },
	{ "isolation", "isolated", "?", "?" },
	{ "numa.node", "1", "?", "0" },
	{ "pcie.root_complex", "PC00", "PC00", "?" },
	{ "pcie.root_port", "PC00/01.1", "PC00/01.1", "?" },
	{ "pcie.switch", "PC00/01.1/00.0", "-", "?" },
	{ "link.speed", "5000", "?", "?" },
	{ "link.speed_max", "16000", "?", "?" },
	{ "link.width", "8", "?", "?" },
	{ "link.width_max", "16", "?", "?" },
	{ "bar.total", "1048576", "0", "0" },
	{ "sriov.total_vfs", "7", "-", "-" },
	{ "reset.methods", "flr bus", "?", "?" },
	{ "net.ifname", "eth0", "-", "-" },
	{ "net.mac", "02:00:5e:00:53:01", "-", "-" },
	{ "net.default_route", "true", "?", "false" },
	{ "block.in_use", "false", "false", "false" },
	{ "display.boot_vga", "-", "true", "-" },
	{ "pf", "-", "PC00/01.1/00.0/02.0/00.0", "?" },
	{ "pf.pci.path", "-", "PC00/01.1/00.0/02.0/00.0", "?" },
	{ "pf.pci.bdf", "-", "0000:03:00.0", "?" },
	{ "pf.pci.id", "-", "8086:10c9", "?" },
	{ "pf.pci.subsystem", "-", "ffff:a03c", "?" },
	{ "pf.serial", "-", "52-54-00", "?" },
	{ "pf.driver", "-", "igb", "?" },
	{ "pf.net.ifname", "-", "eth0", "?" },
	{ "pf.net.mac", "-", "02:00:5e:00:53:01", "?" },
};

static void check(const struct berth_attribute *a, const struct berth_facts *facts,
		  const char *want)
{
	char text[BERTH_ATTRIBUTE_TEXT];
	enum berth_presence p = berth_attribute_text(a, facts, text, sizeof(text));

	if (p != BERTH_KNOWN)
		snprintf(text, sizeof(text), "%s", p == BERTH_NONE ? "-" : "?");
	if (strcmp(text, want) != 0)
		fail_msg("%s of %s: \"%s\", wanted \"%s\"", a->name, facts->bdf, text, want);
}

static void every_attribute_is_known_unknown_or_none(void **state)
{
	size_t nr;
	const struct berth_attribute *all = berth_attributes(&nr);

	(void)state;
	assert_int_equal(nr, BERTH_ARRAY_SIZE(rows));
	for (size_t i = 0; i < nr; i++) {
		const struct berth_attribute *a = berth_attribute_find(rows[i].name);

		assert_non_null(a);
		assert_ptr_equal(a, &all[i]);
		check(a, &nic, rows[i].of_nic);
		check(a, &vf, rows[i].of_vf);
		check(a, &orphan, rows[i].of_orphan);
	}
}

/* Devices on the root bus have a complex, and nothing between it and them. */
static void places_follow_from_the_path(void **state)
{
	static const struct {
		const char *path, *complex, *port, *sw;
	} paths[] = {
		{ "PC00/02.0", "PC00", "-", "-" },
		{ "PC00/01.0/00.0", "PC00", "PC00/01.0", "-" },
		{ "PC00/01.0/00.0/00.0", "PC00", "PC00/01.0", "-" },
		{ "PC00/01.0/00.0/02.0/00.0", "PC00", "PC00/01.0", "PC00/01.0/00.0" },
		{ "PC00/01.0/00.0/02.0/00.0#vf3", "PC00", "PC00/01.0", "PC00/01.0/00.0" },
		{ "PC00/01.0/00.0/02.0/00.0/04.0/00.0", "PC00", "PC00/01.0",
		  "PC00/01.0/00.0/02.0/00.0" },
		{ "PC00", "-", "-", "-" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(paths); i++) {
		struct berth_facts facts = { .bdf = paths[i].path, .path = paths[i].path };

		check(berth_attribute_find("pcie.root_complex"), &facts, paths[i].complex);
		check(berth_attribute_find("pcie.root_port"), &facts, paths[i].port);
		check(berth_attribute_find("pcie.switch"), &facts, paths[i].sw);
	}
}

static void a_name_that_is_none_gets_the_nearest(void **state)
{
	(void)state;
	assert_null(berth_attribute_find("numa.nod"));
	assert_string_equal(berth_attribute_nearest("numa.nod"), "numa.node");
	assert_null(berth_attribute_nearest("colour"));
	assert_string_equal(BERTH_ATTRIBUTE_HINT("numa.nod"), "; did you mean \"numa.node\"?");
	assert_string_equal(BERTH_ATTRIBUTE_HINT("colour"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_is_known_unknown_or_none),
		cmocka_unit_test(places_follow_from_the_path),
		cmocka_unit_test(a_name_that_is_none_gets_the_nearest),
	};

	return cmocka_run_group_tests_name("policy/attribute", tests, NULL, NULL);
}
