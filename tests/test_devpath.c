/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/host_tree.h"
#include "vfio/devpath.h"

static void takes_links_apart(void **state)
{
	static const struct {
		const char *link, *bridge, *text;
	} rows[] = {
		{ "../../../devices/pci0000:00/0000:00:02.0", "devices/pci0000:00", "X/02.0" },
		{ "../../../devices/pci0000:00/0000:00:1c.0/0000:01:00.0", "devices/pci0000:00",
		  "X/1c.0/00.0" },
		{ "../../../devices/pci0000:c0/0000:c0:01.1/0000:c1:00.0/0000:c2:1f.7",
		  "devices/pci0000:c0", "X/01.1/00.0/1f.7" },
		/* Intel VMD: a second domain behind an endpoint. */
		{ "../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0",
		  "devices/pci0000:00", "X/0e.0/06.0/00.0" },
		/* A host bridge that is a platform device, as on Arm. */
		{ "../../../devices/platform/soc/3f000000.pcie/pci0000:00/0000:00:01.0",
		  "devices/platform/soc/3f000000.pcie/pci0000:00", "X/01.0" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_devpath path;
		char text[128];

		assert_true(berth_devpath_parse(rows[i].link, &path));
		assert_string_equal(path.bridge, rows[i].bridge);
		assert_true(berth_devpath_format(&path, "X", text, sizeof(text)));
		assert_string_equal(text, rows[i].text);
	}
}

static void refuses_links_of_another_form(void **state)
{
	static const char *const rows[] = {
		"",
		"../../../devices",
		"../../../devices/pci0000:00",
		"../../../devices/pci0000:00/usb1",
		"../../../devices/pci0000:00/0000:00:1c.0/usb1",
		"../../../devices/virtual/net/lo",
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_devpath path;

		if (berth_devpath_parse(rows[i], &path))
			fail_msg("\"%s\" was taken", rows[i]);
	}
}

static void refuses_trees_deeper_than_it_can_hold(void **state)
{
	char link[1024] = "devices/pci0000:00";
	struct berth_devpath path;

	(void)state;
	for (int i = 0; i < BERTH_DEVPATH_MAX_DEPTH; i++)
		strcat(link, "/0000:00:01.0");
	assert_true(berth_devpath_parse(link, &path));
	strcat(link, "/0000:00:01.0");
	assert_false(berth_devpath_parse(link, &path));
}

static void says_when_a_path_does_not_fit(void **state)
{
	struct berth_devpath path;
	char text[12];

	(void)state;
	assert_true(berth_devpath_parse("devices/pci0000:00/0000:00:1c.0/0000:01:00.0", &path));
	assert_true(berth_devpath_format(&path, "X", text, sizeof(text)));
	assert_false(berth_devpath_format(&path, "XX", text, sizeof(text)));
}

static void names_host_bridges_as_firmware_does(void **state)
{
	static const struct {
		const char *hid, *uid, *node, *want;
	} rows[] = {
		{ "PNP0A08", "0", NULL, "PNP0A08:00" },
		{ "PNP0A08", "17", NULL, "PNP0A08:11" },
		{ "PNP0A08", "PC02", NULL, "PNP0A08:PC02" },
		{ "PNP0A08", NULL, "../LNXSYSTM:00/LNXSYBUS:00/PNP0A08:03", "PNP0A08:03" },
		/* A UID that would make the path ambiguous. */
		{ "PNP0A08", "a/b", "../LNXSYSTM:00/LNXSYBUS:00/PNP0A08:03", "PNP0A08:03" },
		{ NULL, NULL, NULL, "pci0000:00" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct host_tree *t = host_tree_new();
		const char *dir = "sys/devices/pci0000:00/firmware_node";
		char path[128], name[64];

		if (rows[i].node) {
			host_tree_link(t, dir, rows[i].node);
			dir = "sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:03";
		}
		if (rows[i].hid) {
			snprintf(path, sizeof(path), "%s/hid", dir);
			host_tree_file(t, path, "%s\n", rows[i].hid);
		}
		if (rows[i].uid) {
			snprintf(path, sizeof(path), "%s/uid", dir);
			host_tree_file(t, path, "%s\n", rows[i].uid);
		}
		assert_int_equal(berth_devpath_bridge_name(host_tree_host(t), "devices/pci0000:00",
							   name, sizeof(name)),
				 0);
		assert_string_equal(name, rows[i].want);
		host_tree_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_links_apart),
		cmocka_unit_test(refuses_links_of_another_form),
		cmocka_unit_test(refuses_trees_deeper_than_it_can_hold),
		cmocka_unit_test(says_when_a_path_does_not_fit),
		cmocka_unit_test(names_host_bridges_as_firmware_does),
	};

	return cmocka_run_group_tests_name("vfio/devpath", tests, NULL, NULL);
}
