/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pci/pci.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "tests/lib/host_tree.h"
#include "vfio/inventory.h"

/* clang-format off */
/* A GPU with audio, a NIC with two VFs, a switch without ACS with an NVMe, chipset pieces. */
static const struct tree_fn fns[] = {
	{ .bdf = "0000:00:00.0", .vendor = 0x8086, .device = 0x29c0, .class = 0x060000, .group = 1 },
	TREE_ROOT_PORT("0000:00:01.0", 2, TREE_ACS_ON),
	TREE_ROOT_PORT("0000:00:02.0", 3, TREE_ACS_ON),
	TREE_ROOT_PORT("0000:00:03.0", 4, TREE_ACS_ON),
	{ .bdf = "0000:00:1f.0", .vendor = 0x8086, .device = 0x2918, .class = 0x060100, .group = 12,
	  .multifunction = true },
	{ .bdf = "0000:00:1f.2", .vendor = 0x8086, .device = 0x2922, .class = 0x010601, .group = 12,
	  .driver = "ahci" },
	{ .bdf = "0000:00:1f.3", .vendor = 0x8086, .device = 0x2930, .class = 0x0c0500, .group = 12 },
	{ .bdf = "0000:01:00.0", .parent = "0000:00:01.0", .vendor = 0x10de, .device = 0x2204,
	  .class = 0x030000, .driver = "nouveau", .group = 14, .numa = 2, .reset = "flr bus",
	  .type = 1, .multifunction = true, .flr = true, .msi = 1, .bar0_size = 1 << 28,
	  .serial = 0x0123456789abcdefULL },
	{ .bdf = "0000:01:00.1", .parent = "0000:00:01.0", .vendor = 0x10de, .device = 0x1aef,
	  .class = 0x040300, .driver = "snd_hda_intel", .group = 14, .type = 1,
	  .multifunction = true },
	{ .bdf = "0000:02:00.0", .parent = "0000:00:02.0", .vendor = 0x8086, .device = 0x10c9,
	  .class = 0x020000, .driver = "igb", .group = 15, .type = 1, .flr = true, .msix = 10,
	  .reset = "flr pm bus" },
	{ .bdf = "0000:02:10.0", .parent = "0000:00:02.0", .vendor = 0x8086, .device = 0x10ca,
	  .class = 0x020000, .group = 16, .type = 1, .pf = "0000:02:00.0", .vf_index = 0 },
	{ .bdf = "0000:02:10.2", .parent = "0000:00:02.0", .vendor = 0x8086, .device = 0x10ca,
	  .class = 0x020000, .group = 17, .type = 1, .pf = "0000:02:00.0", .vf_index = 1 },
	{ .bdf = "0000:03:00.0", .parent = "0000:00:03.0", .vendor = 0x104c, .device = 0x8232,
	  .class = 0x060400, .driver = "pcieport", .group = 18, .type = 6 },
	{ .bdf = "0000:04:00.0", .parent = "0000:03:00.0", .vendor = 0x104c, .device = 0x8233,
	  .class = 0x060400, .driver = "pcieport", .group = 19, .type = 7, .acs = TREE_ACS_NONE },
	{ .bdf = "0000:05:00.0", .parent = "0000:04:00.0", .vendor = 0x1b36, .device = 0x0010,
	  .class = 0x010802, .driver = "nvme", .group = 19, .type = 1, .reset = "flr" },
};
/* clang-format on */

struct world {
	struct host_tree *tree;
	struct berth_inventory *inv;
};

static unsigned int lookups;
static bool lookups_fail;

char *__real_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...);
char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...);

/* Each kind that we ask for has at most two numbers. */
char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...)
{
	static char words[] = "pci.ids: the disk is gone";
	void (*give_up)(char *) = (void (*)(char *))a->error;
	va_list ap;
	int first, second;

	lookups++;
	if (lookups_fail)
		give_up(words);
	va_start(ap, flags);
	first = va_arg(ap, int);
	second = va_arg(ap, int);
	va_end(ap);
	return __real_pci_lookup_name(a, buf, size, flags, first, second);
}

static void read_again(struct world *w)
{
	struct berth_err err = BERTH_ERR_INIT;

	berth_inventory_free(w->inv);
	w->inv = NULL;
	lookups = 0;
	if (berth_inventory_read(&w->inv, host_tree_host(w->tree), &err) < 0)
		fail_msg("%s", err.text);
}

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tree = host_tree_new();
	host_tree_file(w->tree, "sys/devices/pci0000:00/firmware_node/hid", "PNP0A08\n");
	host_tree_file(w->tree, "sys/devices/pci0000:00/firmware_node/uid", "0\n");
	host_tree_add_all(w->tree, fns, BERTH_ARRAY_SIZE(fns));
	read_again(w);
	*state = w;
	return 0;
}

static int make_empty(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tree = host_tree_new();
	*state = w;
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;

	berth_inventory_free(w->inv);
	host_tree_free(w->tree);
	free(w);
	return 0;
}

static const struct berth_device *at(const struct world *w, const char *bdf)
{
	const struct berth_device *dev;
	struct berth_bdf place;

	assert_int_equal(berth_bdf_parse(bdf, &place), 0);
	dev = berth_inventory_find(w->inv, place);
	if (!dev)
		fail_msg("%s is not in the inventory", bdf);
	return dev;
}

static void finds_all_functions_sorted(void **state)
{
	const struct world *w = *state;

	assert_int_equal(w->inv->nr, BERTH_ARRAY_SIZE(fns));
	for (size_t i = 1; i < w->inv->nr; i++)
		assert_true(berth_bdf_cmp(&w->inv->devices[i - 1].bdf, &w->inv->devices[i].bdf) <
			    0);
	assert_null(berth_inventory_find(w->inv, (struct berth_bdf){ 0, 9, 0, 0 }));
}

static void knows_everything_about_the_gpu(void **state)
{
	const struct berth_device *gpu = at(*state, "0000:01:00.0");

	assert_string_equal(gpu->path, "PNP0A08:00/01.0/00.0");
	assert_int_equal(gpu->class, 0x030000);
	assert_int_equal(gpu->vendor_id, 0x10de);
	assert_int_equal(gpu->device_id, 0x2204);
	assert_int_equal(gpu->subsystem_vendor_id, 0x1af4);
	assert_int_equal(gpu->subsystem_device_id, 0x1100);
	assert_string_equal(gpu->driver, "nouveau");
	assert_string_equal(gpu->driver_override, "");
	assert_string_equal(gpu->modalias, "pci:v000010DEd00002204");
	assert_int_equal(gpu->iommu_group, 14);
	assert_int_equal(gpu->numa_node, 1);
	assert_string_equal(gpu->reset_methods, "flr bus");
	assert_string_equal(gpu->power_state, "D0");
	assert_true(gpu->bars[0].start == 0x80000000 && gpu->bars[0].size == 1 << 28);
	assert_true(gpu->bars[0].is64 && gpu->bars[0].prefetch && !gpu->bars[0].io);
	assert_true(gpu->bars[1].size == 0 && gpu->rom_size == 0);
	assert_true(gpu->has_parent);
	assert_string_equal(BERTH_BDF_STR(gpu->parent), "0000:00:01.0");
	assert_int_equal(gpu->caps.flr, BERTH_YES);
	assert_true(gpu->caps.serial == 0x0123456789abcdefULL);
	assert_false(gpu->is_vf);
}

static void absent_facts_are_absent(void **state)
{
	const struct berth_device *lpc = at(*state, "0000:00:1f.0");

	assert_string_equal(lpc->driver, "");
	assert_string_equal(lpc->reset_methods, "");
	assert_int_equal(lpc->numa_node, -1);
	assert_false(lpc->has_parent);
	assert_int_equal(lpc->boot_vga, BERTH_UNKNOWN);
	assert_int_equal(lpc->vfs_total, 0);
}

/* pci.ids is the distribution's: only that the name starts with the ids' owner is certain. */
static void names_are_looked_up_when_they_are_asked_for(void **state)
{
	const struct world *w = *state;
	const struct berth_device *gpu = at(w, "0000:01:00.0");
	char name[BERTH_DEVICE_NAME];

	assert_int_equal(lookups, 0);
	assert_ptr_equal(strstr(berth_device_name(w->inv, gpu, name), "NVIDIA"), name);
	assert_string_equal(berth_device_class_name(w->inv, gpu, name),
			    "VGA compatible controller");
	assert_int_equal(lookups, 3);
}

static void what_is_not_listed_is_named_by_its_numbers(void **state)
{
	const struct world *w = *state;
	struct berth_device nobody = { .vendor_id = 0xfff1,
				       .device_id = 0x11e8,
				       .class = 0xfa0000 };
	char name[BERTH_DEVICE_NAME];

	assert_string_equal(berth_device_name(w->inv, &nobody, name), "Device fff1:11e8");
	assert_string_equal(berth_device_class_name(w->inv, &nobody, name), "");
	nobody.vendor_id = 0x10de;
	nobody.device_id = 0xffff;
	assert_string_equal(berth_device_name(w->inv, &nobody, name),
			    "NVIDIA Corporation Device ffff");
}

/* In a child: what libpci holds when it gives up is lost on purpose, and would count as a leak here. */
static void a_list_of_names_that_cannot_be_read_costs_the_names_alone(void **state)
{
	const struct world *w = *state;
	const struct berth_device *gpu = at(w, "0000:01:00.0");
	char name[BERTH_DEVICE_NAME];
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		lookups_fail = true;
		if (strcmp(berth_device_name(w->inv, gpu, name), "Device 10de:2204") != 0)
			_exit(43);
		_exit(lookups == 1 && !*berth_device_class_name(w->inv, gpu, name) ? 42 : 44);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void judges_isolation(void **state)
{
	static const struct {
		const char *bdf;
		enum berth_isolation want;
		const char *says;
	} rows[] = {
		{ "0000:01:00.0", BERTH_ISOLATION_MULTIFUNCTION, "0000:01:00.1 (snd_hda_intel)" },
		{ "0000:02:00.0", BERTH_ISOLATION_ISOLATED, "root port 0000:00:02.0" },
		{ "0000:02:10.2", BERTH_ISOLATION_ISOLATED, "group 17" },
		{ "0000:05:00.0", BERTH_ISOLATION_SHARED, "port 0000:04:00.0 has no ACS" },
		{ "0000:00:1f.2", BERTH_ISOLATION_MULTIFUNCTION, "0000:00:1f.0 and 1 more" },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const struct berth_device *dev = at(*state, rows[i].bdf);

		if (dev->isolation != rows[i].want || !strstr(dev->isolation_reason, rows[i].says))
			fail_msg("%s: %s, %s", rows[i].bdf, berth_isolation_name(dev->isolation),
				 dev->isolation_reason);
	}
}

static void acs_switched_off_after_boot_is_seen(void **state)
{
	struct world *w = *state;
	const struct tree_fn port = TREE_ROOT_PORT("0000:00:02.0", 3, TREE_ACS_OFF);

	host_tree_add(w->tree, &port);
	read_again(w);
	assert_int_equal(at(w, "0000:02:00.0")->isolation, BERTH_ISOLATION_SHARED);
	assert_int_equal(at(w, "0000:01:00.0")->isolation, BERTH_ISOLATION_MULTIFUNCTION);
}

static void acs_override_on_the_command_line_is_seen(void **state)
{
	struct world *w = *state;

	host_tree_file(w->tree, "proc/cmdline", "quiet pcie_acs_override=downstream\n");
	read_again(w);
	assert_int_equal(at(w, "0000:02:00.0")->isolation, BERTH_ISOLATION_ACS_OVERRIDE);
	assert_int_equal(at(w, "0000:05:00.0")->isolation, BERTH_ISOLATION_SHARED);
}

static void a_no_iommu_group_protects_nothing(void **state)
{
	struct world *w = *state;

	host_tree_attr(w->tree, "0000:02:00.0", "uevent",
		       "DRIVER=vfio-pci\nPCI_CLASS=20000\nPCI_ID=8086:10C9\n");
	host_tree_file(w->tree, "sys/kernel/iommu_groups/15/name", "vfio-noiommu\n");
	read_again(w);
	assert_int_equal(at(w, "0000:02:00.0")->isolation, BERTH_ISOLATION_NO_IOMMU);
}

static void without_privilege_isolated_becomes_unknown(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		struct tree_fn fn = fns[i];

		fn.config_len = 64;
		host_tree_add(w->tree, &fn);
	}
	read_again(w);
	assert_int_equal(at(w, "0000:02:00.0")->isolation, BERTH_ISOLATION_UNKNOWN);
	assert_int_equal(at(w, "0000:02:00.0")->caps.flr, BERTH_UNKNOWN);
	/* The kernel's bad news holds. */
	assert_int_equal(at(w, "0000:05:00.0")->isolation, BERTH_ISOLATION_SHARED);
}

static void names_vfs_after_their_pf(void **state)
{
	const struct berth_device *pf = at(*state, "0000:02:00.0"),
				  *vf = at(*state, "0000:02:10.2");

	assert_int_equal(pf->vfs_total, 7);
	assert_int_equal(pf->vfs_now, 2);
	assert_int_equal(pf->vf_device_id, 0x10ca);
	assert_int_equal(pf->vfs_autoprobe, BERTH_NO);
	assert_true(vf->is_vf);
	assert_int_equal(vf->vf_index, 1);
	assert_true(berth_bdf_eq(vf->pf, pf->bdf));
	assert_string_equal(vf->path, "PNP0A08:00/02.0/00.0#vf1");
}

static void paths_survive_a_renumbering_of_buses(void **state)
{
	struct world *w = *state;
	BERTH_CLEANUP(berth_freep) char *path = strdup(at(w, "0000:05:00.0")->path);
	const struct berth_device *dev;

	/* The same machine with one more card in an early slot: every bus behind it moved by one. */
	host_tree_free(w->tree);
	w->tree = host_tree_new();
	host_tree_file(w->tree, "sys/devices/pci0000:00/firmware_node/hid", "PNP0A08\n");
	host_tree_file(w->tree, "sys/devices/pci0000:00/firmware_node/uid", "0\n");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		static const char *const moved[][2] = { { "0000:03:00.0", "0000:04:00.0" },
							{ "0000:04:00.0", "0000:05:00.0" },
							{ "0000:05:00.0", "0000:06:00.0" } };
		struct tree_fn fn = fns[i];

		for (size_t k = 0; k < BERTH_ARRAY_SIZE(moved); k++) {
			if (strcmp(fns[i].bdf, moved[k][0]) == 0)
				fn.bdf = moved[k][1];
			if (fns[i].parent && strcmp(fns[i].parent, moved[k][0]) == 0)
				fn.parent = moved[k][1];
		}
		host_tree_add(w->tree, &fn);
	}
	read_again(w);
	assert_int_equal(berth_inventory_resolve(w->inv, path, &dev, NULL), 0);
	assert_string_equal(BERTH_BDF_STR(dev->bdf), "0000:06:00.0");
}

static void twin_host_bridges_keep_apart(void **state)
{
	struct world *w = *state;
	const struct tree_fn twin = {
		.bdf = "0001:00:02.0", .vendor = 1, .device = 2, .class = 0x020000
	};

	host_tree_file(w->tree, "sys/devices/pci0001:00/firmware_node/hid", "PNP0A08\n");
	host_tree_file(w->tree, "sys/devices/pci0001:00/firmware_node/uid", "0\n");
	host_tree_add(w->tree, &twin);
	read_again(w);
	assert_string_equal(at(w, "0000:00:02.0")->path, "PNP0A08:00/02.0");
	assert_string_not_equal(at(w, "0001:00:02.0")->path, "PNP0A08:00/02.0");
}

static void resolves_what_users_type(void **state)
{
	const struct world *w = *state;
	static const char *const good[] = { "0000:01:00.0", "01:00.0", "PNP0A08:00/01.0/00.0" };
	static const struct {
		const char *text;
		int want;
		const char *says;
	} bad[] = {
		{ "03:00.0x", -EINVAL, "looks like 0000:03:00.0" },
		{ "3:0.0", -EINVAL, "'3:0.0' is not a PCI address" },
		{ "0a:00.0", -ENODEV, "there is no PCI function 0000:0a:00.0; 'berth list --all'" },
		{ "PNP0A08:00/1c.0/00.0", -ENODEV, "no PCI function at PNP0A08:00/1c.0/00.0" },
		{ "gpu0", BERTH_ABSENT, "" },
		{ "pool:gpus", BERTH_ABSENT, "" },
		{ "", BERTH_ABSENT, "" },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(good); i++) {
		const struct berth_device *dev = NULL;

		assert_int_equal(berth_inventory_resolve(w->inv, good[i], &dev, NULL), 0);
		assert_ptr_equal(dev, at(w, "0000:01:00.0"));
	}
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++) {
		const struct berth_device *dev = NULL;
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(berth_inventory_resolve(w->inv, bad[i].text, &dev, &err),
				 bad[i].want);
		assert_null(dev);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.text);
	}
}

static void walks_a_group(void **state)
{
	const struct world *w = *state;
	const struct berth_device *dev = berth_inventory_next_in_group(w->inv, 14, NULL);

	assert_ptr_equal(dev, at(w, "0000:01:00.0"));
	dev = berth_inventory_next_in_group(w->inv, 14, dev);
	assert_ptr_equal(dev, at(w, "0000:01:00.1"));
	assert_null(berth_inventory_next_in_group(w->inv, 14, dev));
	assert_null(berth_inventory_next_in_group(w->inv, -1, NULL));
}

static void knows_what_people_pass_through(void **state)
{
	static const struct {
		const char *bdf;
		bool worth;
	} rows[] = {
		{ "0000:00:00.0", false }, { "0000:00:01.0", false }, { "0000:00:1f.0", false },
		{ "0000:00:1f.2", true },  { "0000:00:1f.3", false }, { "0000:01:00.0", true },
		{ "0000:01:00.1", true },  { "0000:02:10.0", true },  { "0000:04:00.0", false },
		{ "0000:05:00.0", true },
	};
	const struct world *w = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		if (berth_device_is_worth_passing(w->inv, at(w, rows[i].bdf)) != rows[i].worth)
			fail_msg("%s", rows[i].bdf);
	}
	assert_true(berth_device_is_bridge(at(w, "0000:00:00.0")));
	assert_true(berth_device_is_bridge(at(w, "0000:04:00.0")));
	assert_false(berth_device_is_bridge(at(w, "0000:00:1f.0")));
}

static void a_function_that_goes_away_is_left_out(void **state)
{
	struct world *w = *state;

	/* The kernel removes the folder before the link. */
	host_tree_link(w->tree, "sys/bus/pci/devices/0000:07:00.0",
		       "../../../devices/pci0000:00/0000:07:00.0");
	read_again(w);
	assert_int_equal(w->inv->nr, BERTH_ARRAY_SIZE(fns));
}

/* A folder opens and does not read, as little as a file on a broken device: what is there is not to be taken for gone. */
static void a_fact_that_cannot_be_read_is_an_error_and_not_a_no(void **state)
{
	static const char *const facts[] = {
		"bus/pci/devices/0000:02:10.0/uevent",
		"bus/pci/devices/0000:02:10.0/driver_override",
		"bus/pci/devices/0000:02:10.0/physfn",
		"bus/pci/devices/0000:02:00.0/sriov_totalvfs",
		"bus/pci/devices/0000:02:00.0/sriov_numvfs",
		"bus/pci/devices/0000:02:00.0/virtfn1",
		"devices/pci0000:00/firmware_node/hid",
		"devices/pci0000:00/firmware_node/uid",
	};
	struct world *w = *state;
	int sys = host_tree_host(w->tree)->sys_fd;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(facts); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_inventory *inv = NULL;

		assert_int_equal(renameat(sys, facts[i], sys, "away"), 0);
		assert_int_equal(mkdirat(sys, facts[i], 0755), 0);
		if (berth_inventory_read(&inv, host_tree_host(w->tree), &err) >= 0)
			fail_msg("%s was passed over", facts[i]);
		assert_null(inv);
		assert_int_not_equal(err.code, 0);
		assert_int_equal(unlinkat(sys, facts[i], AT_REMOVEDIR), 0);
		assert_int_equal(renameat(sys, "away", sys, facts[i]), 0);
	}
	read_again(w);
}

/* In a child: what libpci holds when it gives up is lost on purpose, and would count as a leak here. */
static void a_name_that_libpci_cannot_read_is_an_error_not_an_exit(void **state)
{
	struct world *w = *state;
	struct berth_inventory *inv = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	int status;
	pid_t pid;

	host_tree_link(w->tree, "sys/bus/pci/devices/rubbish", "../../../devices/nowhere");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = berth_inventory_read(&inv, host_tree_host(w->tree), &err);

		_exit(r == -EIO && !inv && strstr(err.text, "libpci: ") ? 42 : 43);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void a_machine_without_pci_has_an_empty_inventory(void **state)
{
	struct world *w = *state;
	const struct berth_device *dev;

	read_again(w);
	assert_int_equal(w->inv->nr, 0);
	assert_null(berth_inventory_find(w->inv, (struct berth_bdf){ 0, 1, 0, 0 }));
	assert_int_equal(berth_inventory_resolve(w->inv, "01:00.0", &dev, NULL), -ENODEV);
}

#define IN_WORLD(t) cmocka_unit_test_setup_teardown(t, make_world, drop_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(finds_all_functions_sorted),
		IN_WORLD(knows_everything_about_the_gpu),
		IN_WORLD(absent_facts_are_absent),
		IN_WORLD(names_are_looked_up_when_they_are_asked_for),
		IN_WORLD(what_is_not_listed_is_named_by_its_numbers),
		IN_WORLD(a_list_of_names_that_cannot_be_read_costs_the_names_alone),
		IN_WORLD(judges_isolation),
		IN_WORLD(acs_switched_off_after_boot_is_seen),
		IN_WORLD(acs_override_on_the_command_line_is_seen),
		IN_WORLD(a_no_iommu_group_protects_nothing),
		IN_WORLD(without_privilege_isolated_becomes_unknown),
		IN_WORLD(names_vfs_after_their_pf),
		IN_WORLD(paths_survive_a_renumbering_of_buses),
		IN_WORLD(twin_host_bridges_keep_apart),
		IN_WORLD(resolves_what_users_type),
		IN_WORLD(walks_a_group),
		IN_WORLD(knows_what_people_pass_through),
		IN_WORLD(a_function_that_goes_away_is_left_out),
		IN_WORLD(a_fact_that_cannot_be_read_is_an_error_and_not_a_no),
		IN_WORLD(a_name_that_libpci_cannot_read_is_an_error_not_an_exit),
		cmocka_unit_test_setup_teardown(a_machine_without_pci_has_an_empty_inventory,
						make_empty, drop_world),
	};

	return cmocka_run_group_tests_name("vfio/inventory", tests, NULL, NULL);
}
