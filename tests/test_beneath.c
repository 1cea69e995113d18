/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/host_tree.h"
#include "vfio/beneath.h"

/* Two NVMe disks and two network cards. */
static int make_tree(void **state)
{
	static const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 1, .device = 1, .class = 0x010802 },
		{ .bdf = "0000:02:00.0", .vendor = 1, .device = 1, .class = 0x010802 },
		{ .bdf = "0000:03:00.0", .vendor = 1, .device = 2, .class = 0x020000 },
		{ .bdf = "0000:04:00.0", .vendor = 1, .device = 2, .class = 0x020000 },
	};
	struct host_tree *t = host_tree_new();

	host_tree_add_all(t, fns, BERTH_ARRAY_SIZE(fns));
	host_tree_class(t, "block", "nvme0n1", "0000:01:00.0");
	host_tree_class(t, "block", "nvme1n1", "0000:02:00.0");
	host_tree_class(t, "net", "eth0", "0000:03:00.0");
	host_tree_class(t, "net", "eth1", "0000:04:00.0");
	*state = t;
	return 0;
}

static int drop_tree(void **state)
{
	host_tree_free(*state);
	return 0;
}

/* "0000:01:00.0 0000:02:00.0" */
static const char *words(const struct berth_beneath *set)
{
	static char text[BERTH_BENEATH_MAX * BERTH_BDF_LEN];

	text[0] = '\0';
	for (size_t i = 0; i < set->nr; i++) {
		strcat(text, i ? " " : "");
		strcat(text, BERTH_BDF_STR(set->at[i]));
	}
	return text;
}

static void the_last_function_of_a_path_counts(void **state)
{
	static const struct {
		const char *path, *want; /* NULL: none */
	} rows[] = {
		{ "../../devices/pci0000:00/0000:00:1c.0/0000:04:00.0/nvme/nvme0/nvme0n1",
		  "0000:04:00.0" },
		{ "../../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
		  "0000:00:1f.2" },
		{ "../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e1:00.0/net/eth0",
		  "10000:e1:00.0" },
		{ "../../devices/virtual/block/dm-0", NULL },
		{ "../../devices/platform/00:00.0/x", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_bdf at;
		bool found = berth_beneath_path(rows[i].path, &at);

		assert_int_equal(found, rows[i].want != NULL);
		if (found)
			assert_string_equal(BERTH_BDF_STR(at), rows[i].want);
	}
}

static void a_plain_disk_is_one_function(void **state)
{
	struct berth_beneath set = { .nr = 0 };

	assert_int_equal(berth_beneath_block(host_tree_host(*state), "class/block/nvme0n1", &set),
			 0);
	assert_string_equal(words(&set), "0000:01:00.0");
}

static void a_mirror_under_a_volume_is_both_disks(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "block", "dm-0");
	host_tree_virtual(t, "block", "md0");
	host_tree_link(t, "sys/devices/virtual/block/dm-0/slaves/md0", "../../md0");
	host_tree_link(t, "sys/devices/virtual/block/md0/slaves/nvme0n1", "x");
	host_tree_link(t, "sys/devices/virtual/block/md0/slaves/nvme1n1", "x");
	assert_int_equal(berth_beneath_block(host_tree_host(t), "class/block/dm-0", &set), 0);
	assert_string_equal(words(&set), "0000:01:00.0 0000:02:00.0");
}

static void a_partition_of_a_mirror_is_its_disks(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "block", "md0");
	host_tree_link(t, "sys/devices/virtual/block/md0/slaves/nvme1n1", "x");
	host_tree_file(t, "sys/devices/virtual/block/md0/md0p1/partition", "1\n");
	host_tree_link(t, "sys/class/block/md0p1", "../../devices/virtual/block/md0/md0p1");
	assert_int_equal(berth_beneath_block(host_tree_host(t), "class/block/md0p1", &set), 0);
	assert_string_equal(words(&set), "0000:02:00.0");
}

static void a_multipath_namespace_is_all_its_controllers(void **state)
{
	struct host_tree *t = *state;
	const char *subsys = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
	struct berth_beneath set = { .nr = 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/nvme0n1/nvme0n1p2", subsys);
	host_tree_dir(t, path);
	snprintf(path, sizeof(path), "%s/nvme0", subsys);
	host_tree_link(t, path, "../../../pci0000:00/0000:01:00.0/nvme/nvme0");
	snprintf(path, sizeof(path), "%s/nvme1", subsys);
	host_tree_link(t, path, "../../../pci0000:00/0000:02:00.0/nvme/nvme1");
	host_tree_link(t, "sys/dev/block/259:2",
		       "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2");
	assert_int_equal(berth_beneath_block(host_tree_host(t), "dev/block/259:2", &set), 0);
	assert_string_equal(words(&set), "0000:01:00.0 0000:02:00.0");
}

static void a_stack_that_loops_is_an_error_not_a_hang(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "block", "dm-0");
	host_tree_link(t, "sys/devices/virtual/block/dm-0/slaves/dm-0", "x");
	assert_int_equal(berth_beneath_block(host_tree_host(t), "class/block/dm-0", &set), -E2BIG);
	host_tree_virtual(t, "net", "br0");
	host_tree_link(t, "sys/devices/virtual/net/br0/lower_br0", "x");
	assert_int_equal(berth_beneath_net(host_tree_host(t), "br0", &set), -E2BIG);
}

static void a_disk_on_no_function_adds_nothing(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "block", "zram0");
	assert_int_equal(berth_beneath_block(host_tree_host(t), "class/block/zram0", &set), 0);
	assert_int_equal(set.nr, 0);
	assert_int_equal(berth_beneath_block(host_tree_host(t), "class/block/gone", &set), -ENOENT);
}

static void a_vlan_on_a_bridge_on_a_bond_is_every_card(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "net", "br0.5");
	host_tree_virtual(t, "net", "br0");
	host_tree_virtual(t, "net", "bond0");
	host_tree_link(t, "sys/devices/virtual/net/br0.5/lower_br0", "../br0");
	host_tree_link(t, "sys/devices/virtual/net/br0/lower_bond0", "../bond0");
	host_tree_link(t, "sys/devices/virtual/net/bond0/lower_eth0", "x");
	host_tree_link(t, "sys/devices/virtual/net/bond0/lower_eth1", "x");
	assert_int_equal(berth_beneath_net(host_tree_host(t), "br0.5", &set), 0);
	assert_string_equal(words(&set), "0000:03:00.0 0000:04:00.0");
}

static void a_port_of_open_vswitch_is_the_cards_of_the_switch(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "net", "br-ex");
	host_tree_virtual(t, "net", "ovs-system");
	host_tree_link(t, "sys/devices/virtual/net/ovs-system/lower_eth1", "x");
	assert_int_equal(berth_beneath_net(host_tree_host(t), "br-ex", &set), 0);
	assert_string_equal(words(&set), "0000:04:00.0");
}

static void an_interface_on_no_card_adds_nothing(void **state)
{
	struct host_tree *t = *state;
	struct berth_beneath set = { .nr = 0 };

	host_tree_virtual(t, "net", "wg0");
	assert_int_equal(berth_beneath_net(host_tree_host(t), "wg0", &set), 0);
	assert_int_equal(set.nr, 0);
	assert_int_equal(berth_beneath_net(host_tree_host(t), "gone", &set), -ENOENT);
}

#define ON_TREE(t) cmocka_unit_test_setup_teardown(t, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_function_of_a_path_counts),
		ON_TREE(a_plain_disk_is_one_function),
		ON_TREE(a_mirror_under_a_volume_is_both_disks),
		ON_TREE(a_partition_of_a_mirror_is_its_disks),
		ON_TREE(a_multipath_namespace_is_all_its_controllers),
		ON_TREE(a_stack_that_loops_is_an_error_not_a_hang),
		ON_TREE(a_disk_on_no_function_adds_nothing),
		ON_TREE(a_vlan_on_a_bridge_on_a_bond_is_every_card),
		ON_TREE(a_port_of_open_vswitch_is_the_cards_of_the_switch),
		ON_TREE(an_interface_on_no_card_adds_nothing),
	};

	return cmocka_run_group_tests_name("vfio/beneath", tests, NULL, NULL);
}
