/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "tests/lib/host_tree.h"
#include "vfio/inuse.h"

#define DISK "0000:01:00.0"
#define NIC  "0000:02:00.0"
#define GPU  "0000:03:00.0"

struct world {
	struct host_tree *tree;
	struct berth_inuse *inuse;
};

static int make_world(void **state)
{
	static const struct tree_fn fns[] = {
		{ .bdf = DISK, .vendor = 1, .device = 1, .class = 0x010802 },
		{ .bdf = NIC, .vendor = 1, .device = 2, .class = 0x020000 },
		{ .bdf = GPU, .vendor = 1, .device = 3, .class = 0x030000 },
	};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tree = host_tree_new();
	host_tree_add_all(w->tree, fns, BERTH_ARRAY_SIZE(fns));
	host_tree_class(w->tree, "block", "nvme0n1", DISK);
	host_tree_class(w->tree, "net", "eth0", NIC);
	host_tree_class(w->tree, "drm", "card0", GPU);
	host_tree_class(w->tree, "graphics", "fb0", GPU);
	host_tree_class(w->tree, "sound", "controlC0", GPU);
	host_tree_link(w->tree, "sys/dev/block/259:1",
		       "../../devices/pci0000:00/" DISK "/block/nvme0n1/nvme0n1p1");
	host_tree_file(w->tree, "proc/consoles", "tty0 -WU (EC p ) 4:1\n");
	*state = w;
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;

	berth_inuse_free(w->inuse);
	host_tree_free(w->tree);
	free(w);
	return 0;
}

static void look(struct world *w)
{
	struct berth_err err = BERTH_ERR_INIT;

	berth_inuse_free(w->inuse);
	w->inuse = NULL;
	if (berth_inuse_read(&w->inuse, host_tree_host(w->tree), true, &err) < 0)
		fail_msg("%s", err.text);
}

static struct berth_bdf place(const char *bdf)
{
	struct berth_bdf at;

	assert_int_equal(berth_bdf_parse(bdf, &at), 0);
	return at;
}

static const struct berth_inuse_reason *reason(const struct world *w, const char *bdf,
					       enum berth_inuse_code code)
{
	const struct berth_inuse_reason *r = NULL;

	while ((r = berth_inuse_next(w->inuse, place(bdf), r))) {
		if (r->code == code)
			return r;
	}
	return NULL;
}

static void an_idle_host_stands_on_nothing(void **state)
{
	struct world *w = *state;

	look(w);
	assert_int_equal(w->inuse->nr, 0);
	assert_null(berth_inuse_hard(w->inuse, place(DISK)));
}

static void the_root_disk_is_found_by_its_number(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/self/mountinfo",
		       "22 1 0:21 / /proc rw - proc proc rw\n"
		       "1 0 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_ROOT_DISK));
	assert_null(reason(w, DISK, BERTH_INUSE_MOUNTED));
	assert_string_equal(berth_inuse_hard(w->inuse, place(DISK))->sentence,
			    DISK " carries / (/dev/root)");
	assert_null(berth_inuse_hard(w->inuse, place(NIC)));
}

static void a_mount_without_a_number_is_found_by_its_source(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/self/mountinfo",
		       "40 1 0:33 /@home /home rw - btrfs /dev/nvme0n1 rw,subvol=/@home\n");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_MOUNTED));
	assert_null(reason(w, DISK, BERTH_INUSE_ROOT_DISK));
}

static void mounts_of_init_count_too(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/1/mountinfo", "1 0 259:1 / /srv rw - ext4 /dev/x rw\n");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_MOUNTED));
}

static void every_member_of_a_btrfs_counts(void **state)
{
	struct world *w = *state;

	host_tree_link(w->tree, "sys/fs/btrfs/7e1f/devices/nvme0n1", "x");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_MOUNTED));
}

static void a_9p_root_is_found_by_its_tag(void **state)
{
	struct world *w = *state;

	host_tree_link(w->tree, "sys/bus/virtio/drivers/9pnet_virtio/virtio3",
		       "../../../../devices/pci0000:00/" NIC "/virtio3");
	host_tree_file(w->tree, "sys/devices/pci0000:00/" NIC "/virtio3/mount_tag", "root");
	host_tree_file(w->tree, "proc/self/mountinfo",
		       "1 0 0:30 / / ro - 9p root ro,trans=virtio\n");
	look(w);
	assert_non_null(reason(w, NIC, BERTH_INUSE_ROOT_DISK));
}

static void swap_partitions_count_and_swap_files_do_not(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/swaps",
		       "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 1 0 -3\n");
	look(w);
	assert_int_equal(w->inuse->nr, 0);
	host_tree_file(w->tree, "proc/swaps",
		       "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1 partition 1 0 -2\n");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_SWAP));
}

static void swap_on_a_mapped_volume_is_found_by_its_name(void **state)
{
	struct world *w = *state;

	host_tree_virtual(w->tree, "block", "dm-1");
	host_tree_file(w->tree, "sys/devices/virtual/block/dm-1/dm/name", "vg-swap\n");
	host_tree_link(w->tree, "sys/devices/virtual/block/dm-1/slaves/nvme0n1", "x");
	host_tree_file(w->tree, "proc/swaps", "/dev/mapper/vg-swap partition 1 0 -2\n");
	look(w);
	assert_non_null(reason(w, DISK, BERTH_INUSE_SWAP));
}

static void a_disk_that_something_is_stacked_on_is_held(void **state)
{
	struct world *w = *state;

	host_tree_link(w->tree, "sys/devices/pci0000:00/" DISK "/block/nvme0n1/holders/md127", "x");
	look(w);
	assert_non_null(strstr(reason(w, DISK, BERTH_INUSE_HELD_BLOCK)->sentence, "part of md127"));
	assert_true(berth_inuse_code_is_hard(BERTH_INUSE_HELD_BLOCK));
}

#define ROUTE_HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"

static void the_default_route_is_found_in_both_families(void **state)
{
	static const struct {
		const char *v4, *v6;
		bool want;
	} rows[] = {
		{ ROUTE_HEAD "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "",
		  true },
		{ "",
		  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		  "fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n",
		  true },
		/* 0.0.0.0/1, a host route, one that is down, one that rejects; ::/1 and the reject route of lo */
		{ ROUTE_HEAD "eth0\t00000000\t0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
			     "eth0\t0000000A\t0\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
			     "eth0\t00000000\t0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"
			     "eth0\t00000000\t0\t0203\t0\t0\t0\t00000000\t0\t0\t0\n",
		  "00000000000000000000000000000000 01 00000000000000000000000000000000 00 "
		  "fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
		  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		  "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n",
		  false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		host_tree_file(w->tree, "proc/net/route", "%s", rows[i].v4);
		host_tree_file(w->tree, "proc/net/ipv6_route", "%s", rows[i].v6);
		look(w);
		if ((reason(w, NIC, BERTH_INUSE_DEFAULT_ROUTE) != NULL) != rows[i].want)
			fail_msg("row %zu", i);
	}
}

static void a_route_over_a_bridge_counts_for_its_card(void **state)
{
	struct world *w = *state;

	host_tree_virtual(w->tree, "net", "br0");
	host_tree_link(w->tree, "sys/devices/virtual/net/br0/lower_eth0", "x");
	host_tree_file(w->tree, "proc/net/route",
		       "br0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	look(w);
	assert_non_null(strstr(reason(w, NIC, BERTH_INUSE_DEFAULT_ROUTE)->sentence, "(br0)"));
}

static void an_interface_that_is_up_warns_and_does_not_refuse(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "sys/devices/pci0000:00/" NIC "/net/eth0/operstate", "up\n");
	look(w);
	assert_non_null(reason(w, NIC, BERTH_INUSE_LINK_UP));
	assert_null(berth_inuse_hard(w->inuse, place(NIC)));
}

static void bind_console(const struct world *w, const char *name, int bound)
{
	host_tree_file(w->tree, "sys/class/vtconsole/vtcon1/name", "%s\n", name);
	host_tree_file(w->tree, "sys/class/vtconsole/vtcon1/bind", "%d\n", bound);
}

static void the_frame_buffer_console_makes_the_console(void **state)
{
	struct world *w = *state;

	bind_console(w, "(M) frame buffer device", 1);
	look(w);
	assert_non_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
	bind_console(w, "(M) frame buffer device", 0);
	look(w);
	assert_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
}

static void a_console_on_a_serial_line_is_no_screen(void **state)
{
	struct world *w = *state;

	bind_console(w, "(M) frame buffer device", 1);
	host_tree_file(w->tree, "proc/consoles", "ttyS0 -W- (EC p a) 4:64\n");
	look(w);
	assert_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
}

static void boot_vga_alone_makes_no_console(void **state)
{
	struct world *w = *state;

	host_tree_attr(w->tree, GPU, "boot_vga", "1\n");
	bind_console(w, "(S) dummy device", 1);
	look(w);
	assert_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
}

static void vga_text_is_on_the_screen_that_firmware_used(void **state)
{
	struct world *w = *state;

	bind_console(w, "(S) VGA+", 1);
	host_tree_attr(w->tree, GPU, "boot_vga", "1\n");
	look(w);
	assert_non_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
}

static void a_frame_buffer_of_firmware_is_blamed_on_its_screen(void **state)
{
	struct world *w = *state;

	bind_console(w, "(M) frame buffer device", 1);
	host_tree_attr(w->tree, GPU, "boot_vga", "1\n");
	host_tree_link(w->tree, "sys/class/graphics/fb0",
		       "../../devices/platform/efi-framebuffer.0/graphics/fb0");
	host_tree_dir(w->tree, "sys/devices/platform/efi-framebuffer.0/graphics/fb0");
	look(w);
	assert_non_null(reason(w, GPU, BERTH_INUSE_CONSOLE));
}

static void a_pf_with_vfs_is_held_by_them(void **state)
{
	struct world *w = *state;

	host_tree_attr(w->tree, NIC, "sriov_numvfs", "0\n");
	look(w);
	assert_int_equal(w->inuse->nr, 0);
	host_tree_attr(w->tree, NIC, "sriov_numvfs", "3\n");
	look(w);
	assert_non_null(strstr(berth_inuse_hard(w->inuse, place(NIC))->sentence,
			       "has 3 virtual functions"));
}

static void open_nodes_are_found_with_their_process(void **state)
{
	struct world *w = *state;
	const struct berth_inuse_reason *r;

	host_tree_file(w->tree, "proc/4711/comm", "Xorg\n");
	host_tree_link(w->tree, "proc/4711/fd/0", "/dev/null");
	host_tree_link(w->tree, "proc/4711/fd/1", "socket:[123]");
	host_tree_link(w->tree, "proc/4711/fd/9", "/dev/dri/card0");
	host_tree_file(w->tree, "proc/12/comm", "pipewire\n");
	host_tree_link(w->tree, "proc/12/fd/3", "/dev/snd/controlC0");
	look(w);
	r = reason(w, GPU, BERTH_INUSE_HELD_NODE);
	assert_non_null(r);
	assert_int_equal(r->pid, 4711);
	assert_string_equal(r->sentence, GPU " is open in process 4711 (Xorg) as /dev/dri/card0");
	assert_ptr_equal(berth_inuse_hard(w->inuse, place(GPU)), r);
	r = reason(w, GPU, BERTH_INUSE_OPEN_NODE);
	assert_non_null(r);
	assert_int_equal(r->pid, 12);
	assert_false(berth_inuse_code_is_hard(r->code));
}

static void nvidia_nodes_are_found_by_the_driver_s_own_list(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/driver/nvidia/gpus/" GPU "/information",
		       "Model: \t\t X\nDevice Minor: \t 1\n");
	host_tree_link(w->tree, "proc/99/fd/5", "/dev/nvidia1");
	host_tree_link(w->tree, "proc/99/fd/6", "/dev/nvidiactl");
	look(w);
	assert_int_equal(w->inuse->nr, 1);
	assert_int_equal(reason(w, GPU, BERTH_INUSE_HELD_NODE)->pid, 99);
}

static void without_a_table_of_mounts_nothing_is_free(void **state)
{
	struct world *w = *state;
	struct berth_inuse *inuse = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	host_tree_file(w->tree, "proc/self/mountinfo", "not a mount\n");
	assert_int_equal(berth_inuse_read(&inuse, host_tree_host(w->tree), false, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "no disk is known to be free"));
	assert_null(inuse);
}

static void codes_have_names(void **state)
{
	(void)state;
	assert_string_equal(berth_inuse_code_name(BERTH_INUSE_ROOT_DISK), "root-disk");
	assert_string_equal(berth_inuse_code_name(BERTH_INUSE_VFS_ENABLED), "vfs-enabled");
	for (int code = 0; code < BERTH_INUSE_NR_CODES; code++)
		assert_non_null(berth_inuse_code_name((enum berth_inuse_code)code));
}

#define IN_WORLD(t) cmocka_unit_test_setup_teardown(t, make_world, drop_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(an_idle_host_stands_on_nothing),
		IN_WORLD(the_root_disk_is_found_by_its_number),
		IN_WORLD(a_mount_without_a_number_is_found_by_its_source),
		IN_WORLD(mounts_of_init_count_too),
		IN_WORLD(every_member_of_a_btrfs_counts),
		IN_WORLD(a_9p_root_is_found_by_its_tag),
		IN_WORLD(swap_partitions_count_and_swap_files_do_not),
		IN_WORLD(swap_on_a_mapped_volume_is_found_by_its_name),
		IN_WORLD(a_disk_that_something_is_stacked_on_is_held),
		IN_WORLD(the_default_route_is_found_in_both_families),
		IN_WORLD(a_route_over_a_bridge_counts_for_its_card),
		IN_WORLD(an_interface_that_is_up_warns_and_does_not_refuse),
		IN_WORLD(the_frame_buffer_console_makes_the_console),
		IN_WORLD(a_console_on_a_serial_line_is_no_screen),
		IN_WORLD(boot_vga_alone_makes_no_console),
		IN_WORLD(vga_text_is_on_the_screen_that_firmware_used),
		IN_WORLD(a_frame_buffer_of_firmware_is_blamed_on_its_screen),
		IN_WORLD(a_pf_with_vfs_is_held_by_them),
		IN_WORLD(open_nodes_are_found_with_their_process),
		IN_WORLD(nvidia_nodes_are_found_by_the_driver_s_own_list),
		IN_WORLD(without_a_table_of_mounts_nothing_is_free),
		cmocka_unit_test(codes_have_names),
	};

	return cmocka_run_group_tests_name("vfio/inuse", tests, NULL, NULL);
}
