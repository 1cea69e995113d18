/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/cleanup.h"
#include "iommu/platform.h"
#include "tests/lib/host_tree.h"

static void tells_remapping_from_the_names_of_chips(void **state)
{
	static const struct {
		const char *text;
		enum berth_tri want;
	} rows[] = {
		{ " 1: 0 9 IR-IO-APIC 1-edge i8042\n", BERTH_YES },
		{ " 25: 0 0 IR-PCI-MSIX-0000:00:10.0 0-edge PME\n", BERTH_YES },
		{ " 25: 0 0 IR-PCI-MSI 524288-edge xhci_hcd\n", BERTH_YES },
		{ " 1: 0 9 IO-APIC 1-edge i8042\n 24: 0 DMAR-MSI 0-edge dmar0\n", BERTH_NO },
		{ " 25: 0 0 PCI-MSIX-0000:00:01.0 0-edge virtio\n", BERTH_NO },
		{ " 25: 0 0 PCI-MSI 1-edge x\n 26: 0 0 IR-PCI-MSI 2-edge y\n", BERTH_YES },
		{ " 25: 0 0 ITS-MSI 1-edge x\n", BERTH_YES },
		{ " 4: 0 XT-PIC timer\n", BERTH_UNKNOWN },
		/* A device's name is no chip. */
		{ " 4: 0 XT-PIC myIR-IO-APIC\n", BERTH_UNKNOWN },
		{ "", BERTH_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		if (berth_platform_intremap(rows[i].text) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].text);
	}
}

static void finds_what_weakens_isolation_on_the_command_line(void **state)
{
	struct berth_platform p = { 0 };

	(void)state;
	berth_platform_cmdline(
		&p, "root=/dev/sda1 pcie_acs_override=downstream,multifunction "
		    "iommu=pt iommu.strict=0 pci=noaer,disable_acs_redir=0000:00:01.0\n");
	assert_true(p.acs_override);
	assert_string_equal(p.acs_override_arg, "downstream,multifunction");
	assert_true(p.iommu_pt);
	assert_true(p.iommu_lazy);
	assert_true(p.acs_redir_off);
	assert_false(p.iommu_off);
}

static void knows_the_other_spellings(void **state)
{
	struct berth_platform p = { 0 };

	(void)state;
	berth_platform_cmdline(&p, "intel_iommu=on,off iommu.passthrough=1 pci=config_acs=10x@0");
	assert_true(p.iommu_off);
	assert_true(p.iommu_pt);
	assert_true(p.acs_redir_off);
}

static void leaves_harmless_words_and_those_of_init_alone(void **state)
{
	struct berth_platform p = { 0 };

	(void)state;
	berth_platform_cmdline(&p, "intel_iommu=on iommu=nopt pci=realloc xpcie_acs_override=1 "
				   "iommu.strict=1 -- pcie_acs_override=downstream iommu=pt");
	assert_false(p.acs_override);
	assert_false(p.iommu_pt);
	assert_false(p.iommu_off);
	assert_false(p.iommu_lazy);
	assert_false(p.acs_redir_off);
}

static int make_tree(void **state)
{
	*state = host_tree_new();
	return 0;
}

static int drop_tree(void **state)
{
	host_tree_free(*state);
	return 0;
}

static void reads_a_host(void **state)
{
	struct host_tree *t = *state;
	const struct tree_fn fn = {
		.bdf = "0000:00:02.0", .vendor = 0x8086, .device = 1, .class = 0x030000, .group = 1
	};
	struct berth_platform p;

	host_tree_add(t, &fn);
	host_tree_virtual(t, "iommu", "dmar0");
	host_tree_file(t, "proc/interrupts", " 1: 0 IR-IO-APIC 1-edge i8042\n");
	host_tree_file(t, "proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n");
	host_tree_file(t, "proc/meminfo", "MemTotal:       16000 kB\n");
	host_tree_file(t, "proc/sys/kernel/osrelease", "6.12.57+deb13-amd64\n");
	host_tree_file(t, "dev/kvm", "%s", "");
	host_tree_file(t, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	host_tree_file(t, "lib/modules/6.12.57+deb13-amd64/modules.dep",
		       "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n");
	assert_int_equal(berth_platform_read(&p, host_tree_host(t)), 0);
	assert_true(p.has_pci);
	assert_int_equal(p.nr_iommu, 1);
	assert_string_equal(p.iommu, "dmar0");
	assert_int_equal(p.nr_groups, 1);
	assert_int_equal(p.intremap, BERTH_YES);
	assert_string_equal(p.cpu_vendor, "GenuineIntel");
	assert_string_equal(p.kernel, "6.12.57+deb13-amd64");
	assert_int_equal(p.kernel_major, 6);
	assert_int_equal(p.kernel_minor, 12);
	assert_int_equal(p.kvm, BERTH_YES);
	assert_int_equal(p.iommufd, BERTH_NO);
	assert_int_equal(p.unsafe_interrupts, BERTH_NO);
	assert_int_equal(p.noiommu, BERTH_UNKNOWN);
	assert_false(p.vfio_pci_loaded);
	assert_int_equal(p.vfio_pci_available, BERTH_YES);
	assert_true(p.type1_loaded);
	assert_true(p.mem_total == 16000 * 1024);
	assert_true(p.memlock > 0);
}

static void knows_whether_iommufd_can_be_used(void **state)
{
	struct host_tree *t = *state;
	struct berth_platform p;

	host_tree_file(t, "proc/sys/kernel/osrelease", "6.12.57\n");
	host_tree_file(t, "lib/modules/6.12.57/modules.dep",
		       "kernel/drivers/iommu/iommufd/iommufd.ko: kernel/drivers/iommu/iova.ko\n");
	assert_int_equal(berth_platform_read(&p, host_tree_host(t)), 0);
	assert_int_equal(p.iommufd, BERTH_NO);
	assert_int_equal(p.iommufd_available, BERTH_YES);
	assert_false(p.vfio_loaded || p.vfio_cdev);
	host_tree_file(t, "dev/iommu", "%s", "");
	host_tree_dir(t, "sys/module/vfio");
	host_tree_dir(t, "sys/class/vfio-dev");
	host_tree_file(t, "sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	host_tree_file(t, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	assert_int_equal(berth_platform_read(&p, host_tree_host(t)), 0);
	assert_int_equal(p.iommufd, BERTH_YES);
	assert_true(p.vfio_loaded && p.vfio_cdev);
	assert_int_equal(p.unsafe_interrupts, BERTH_YES);
}

static void a_host_without_anything_is_unknown_not_fine(void **state)
{
	struct host_tree *t = *state;
	struct berth_platform p;

	assert_int_equal(berth_platform_read(&p, host_tree_host(t)), 0);
	assert_false(p.has_pci);
	assert_int_equal(p.nr_iommu, 0);
	assert_int_equal(p.nr_groups, 0);
	assert_int_equal(p.intremap, BERTH_UNKNOWN);
	assert_int_equal(p.unsafe_interrupts, BERTH_UNKNOWN);
	assert_int_equal(p.vfio_pci_available, BERTH_UNKNOWN);
	assert_int_equal(p.kvm, BERTH_NO);
}

static void an_iommu_without_remapping_hardware_is_a_no(void **state)
{
	struct host_tree *t = *state;
	struct berth_platform p;

	host_tree_virtual(t, "iommu", "dmar0");
	host_tree_file(t, "sys/devices/virtual/iommu/dmar0/intel-iommu/ecap", "f00f46\n");
	berth_platform_read(&p, host_tree_host(t));
	assert_int_equal(p.intremap, BERTH_NO);
}

#define ON_TREE(t) cmocka_unit_test_setup_teardown(t, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_remapping_from_the_names_of_chips),
		cmocka_unit_test(finds_what_weakens_isolation_on_the_command_line),
		cmocka_unit_test(knows_the_other_spellings),
		cmocka_unit_test(leaves_harmless_words_and_those_of_init_alone),
		ON_TREE(reads_a_host),
		ON_TREE(knows_whether_iommufd_can_be_used),
		ON_TREE(a_host_without_anything_is_unknown_not_fine),
		ON_TREE(an_iommu_without_remapping_hardware_is_a_no),
	};

	return cmocka_run_group_tests_name("iommu/platform", tests, NULL, NULL);
}
