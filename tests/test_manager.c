/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs on a host whose kernel answers: round trips, refusals, and what is left when any single step fails or the
 * process dies at it.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "manager/assign.h"
#include "manager/bind_verb.h"
#include "manager/claim.h"
#include "manager/context.h"
#include "manager/manager.h"
#include "manager/obstacle.h"
#include "manager/recover.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/sanitise.h"
#include "manager/status.h"
#include "policy/evidence.h"
#include "policy/journal.h"
#include "policy/taint.h"
#include "tests/lib/fake_pci.h"
#include "vfio/inventory.h"
#include "vfio/netdev.h"
#include "vfio/vf_net.h"

#define PORT1 "0000:00:01.0"
#define PORT2 "0000:00:02.0"
#define PORT3 "0000:00:03.0"
#define NIC   "0000:01:00.0"
#define GPU   "0000:02:00.0"
#define AUDIO "0000:02:00.1"
#define EDU   "0000:03:00.0"
#define SIB   "0000:03:01.0"
#define PF    "0000:04:00.0"
#define VF    "0000:04:10.0"

#define PORT(at, grp)                                                                              \
	{                                                                                          \
		.bdf = at, .vendor = 0x1b36, .device = 0xc, .class = 0x060400,                     \
		.driver = "pcieport", .group = grp                                                 \
	}

static const struct fake_fn fns[] = {
	PORT(PORT1, 1),
	PORT(PORT2, 2),
	PORT(PORT3, 15),
	{ .bdf = NIC,
	  .parent = PORT1,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
	{ .bdf = GPU,
	  .parent = PORT2,
	  .vendor = 0x1234,
	  .device = 0x1111,
	  .class = 0x030000,
	  .driver = "bochs-drm",
	  .group = 14 },
	{ .bdf = AUDIO,
	  .parent = PORT2,
	  .vendor = 0x8086,
	  .device = 0x293e,
	  .class = 0x040300,
	  .driver = "snd_hda_intel",
	  .group = 14 },
	{ .bdf = EDU,
	  .parent = PORT3,
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = 15 },
	{ .bdf = SIB,
	  .parent = PORT3,
	  .vendor = 0x8086,
	  .device = 0x10d3,
	  .class = 0x020000,
	  .driver = "e1000e",
	  .group = 15 },
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 16,
	  .total_vfs = 1 },
};

/* The same host with a VF: the last one is only there while sriov_numvfs is 1. */
static const struct fake_fn vf_fns[] = {
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 16,
	  .total_vfs = 1 },
	{ .bdf = VF,
	  .vendor = 0x8086,
	  .device = 0x10ca,
	  .class = 0x020000,
	  .driver = "",
	  .group = 17,
	  .pf = PF,
	  .vf = 0 },
};

/* --- the network settings of the one VF, as its PF's driver keeps them --- */

static const char net_found[] = "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q trust=off";
static char net_now[BERTH_VF_NET_TEXT];
static bool net_broken; /* the driver takes nothing but what it had */

int __wrap_berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf,
				unsigned int index, struct berth_vf_net *ret,
				struct berth_err *err);
int __wrap_berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf,
				 unsigned int index, const struct berth_vf_net *want,
				 struct berth_err *err);

int __wrap_berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf,
				unsigned int index, struct berth_vf_net *ret, struct berth_err *err)
{
	(void)host, (void)pf, (void)err;
	assert_int_equal(index, 0);
	assert_int_equal(berth_vf_net_parse(net_now, ret), 0);
	return 0;
}

int __wrap_berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf,
				 unsigned int index, const struct berth_vf_net *want,
				 struct berth_err *err)
{
	char text[BERTH_VF_NET_TEXT];

	(void)host, (void)pf, (void)index;
	berth_vf_net_format(want, text);
	if (net_broken && strcmp(text, net_found))
		return berth_err_set(err, -EIO, "VF 0 does not take %s", text);
	strcpy(net_now, text);
	return 0;
}

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/power/control", "auto\n");
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	*state = f;
	return 0;
}

static int set_up_vf(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(vf_fns, BERTH_ARRAY_SIZE(vf_fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:04:00.0  0-edge  igb\n");
	fake_host_file(f->fake, "etc/policy.d/10-vf.json",
		       "{\"version\": 1, \"devices\": [ { \"name\": \"vf\", \"match\": { "
		       "\"pci.is_vf\": true }, \"net\": { \"mac\": \"52:54:00:00:00:07\", "
		       "\"vlan\": 40 } } ], \"rules\": [ { \"name\": \"all\", \"effect\": "
		       "\"allow\", \"subject\": { \"any_vm\": true }, \"resource\": { \"match\": "
		       "{ \"any_device\": true } } } ] }\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	assert_int_equal(berth_sysfs_write(f->host, "1", 1000, NULL,
					   "bus/pci/devices/" PF "/sriov_numvfs"),
			 0);
	strcpy(net_now, net_found);
	net_broken = false;
	f->fake->writes = 0;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

/* --- one verb, as the command does it --- */

static struct berth_manager *open_manager(struct fixture *f, enum berth_manager_mode mode)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = NULL;

	if (berth_manager_open(&m, f->host, mode, NULL, &err) != 0)
		fail_msg("open: %s", err.text);
	return m;
}

static int assign(struct fixture *f, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	return berth_manager_assign(m, vm, &dev, 1, false, NULL, err);
}

static int release(struct fixture *f, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);
	struct berth_release_how how = { 0 };

	return berth_manager_release(m, vm, &dev, dev ? 1 : 0, how, NULL, err);
}

static void recover(struct fixture *f)
{
	berth_manager_close(open_manager(f, BERTH_MANAGER_CHANGE));
}

/* Number of rows that berth status shows; of the first one the state, "" for none. */
static size_t status(struct fixture *f, char state[32])
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_status s;
	size_t nr;

	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	nr = s.nr;
	snprintf(state, 32, "%s", nr ? s.rows[0].state : "");
	berth_status_done(&s);
	return nr;
}

static void expect_state(struct fixture *f, const char *want)
{
	char state[32];

	status(f, state);
	assert_string_equal(state, want);
}

static const char *power(struct fixture *f, const char *bdf)
{
	static char text[16];
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/power/control", f->fake->root, bdf);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Everything on the host is as the fixture made it, and nobody owns anything. */
static void expect_untouched(struct fixture *f, const char *when)
{
	char state[32];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		if (strcmp(fake_host_driver(f->fake, fns[i].bdf), fns[i].driver))
			fail_msg("%s: %s has driver '%s', had '%s'", when, fns[i].bdf,
				 fake_host_driver(f->fake, fns[i].bdf), fns[i].driver);
		if (*fake_host_override(f->fake, fns[i].bdf))
			fail_msg("%s: %s has driver_override %s", when, fns[i].bdf,
				 fake_host_override(f->fake, fns[i].bdf));
	}
	if (strcmp(power(f, NIC), "auto"))
		fail_msg("%s: power/control is %s", when, power(f, NIC));
	if (status(f, state))
		fail_msg("%s: the ledger has a row in state %s", when, state);
}

/* --- round trips --- */

static void a_nic_goes_to_a_vm_and_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", "01:00.0", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_string_equal(fake_host_override(f->fake, NIC), "vfio-pci");
	assert_string_equal(power(f, NIC), "on");
	expect_state(f, "assigned");
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_untouched(f, "after release");
}

static void the_whole_slot_comes_along(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", GPU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, PORT2), "pcieport");
	assert_int_equal(release(f, "t1", NULL, NULL), 0);
	expect_untouched(f, "after release");
}

static void what_was_on_vfio_before_stays_on_vfio(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" EDU "/driver_override", "vfio-pci\n");
	fake_host_bind(f->fake, EDU, "vfio-pci");
	fake_host_bind(f->fake, SIB, "");
	assert_int_equal(assign(f, "t1", EDU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, SIB), "vfio-pci");
	assert_int_equal(release(f, NULL, EDU, NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, EDU), "vfio-pci");
	assert_string_equal(fake_host_override(f->fake, EDU), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, SIB), "");
	expect_state(f, "external");
}

static void assigning_twice_to_the_same_vm_changes_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned int writes;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	writes = f->fake->writes;
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(f->fake->writes, writes);
	expect_state(f, "assigned");
}

static void a_plan_changes_nothing_and_names_every_write(void **state)
{
	struct fixture *f = *state;
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	const char *dev = GPU;
	struct berth_steps steps;

	assert_int_equal(berth_manager_plan(m, "t1", &dev, 1, &steps, NULL), 0);
	assert_int_equal(f->fake->writes, 0);
	/* driver, then override, unbind, dma-off of both, probe of both, node */
	assert_int_equal(steps.nr, 10);
	assert_int_equal(steps.items[0].op, BERTH_STEP_DRIVER);
	assert_int_equal(steps.items[1].op, BERTH_STEP_OVERRIDE);
	assert_int_equal(steps.items[7].op, BERTH_STEP_PROBE);
	assert_int_equal(steps.items[9].op, BERTH_STEP_NODE);
	berth_steps_done(&steps);
	berth_manager_close(m);
	expect_untouched(f, "after plan");
}

static void a_dry_run_says_the_same_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_report report = BERTH_REPORT_INIT;
	const char *dev = NIC;

	assert_int_equal(berth_manager_assign(m, "t1", &dev, 1, true, &report, NULL), 0);
	assert_int_equal(f->fake->writes, 0);
	assert_int_equal(report.nr, 7);
	berth_report_done(&report);
	berth_manager_close(m);
	expect_untouched(f, "after --dry-run");
}

/* /proc/PID/stat of a process that lives as long as the file does. */
static void fake_process(struct fixture *f, int pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	fake_host_file(f->fake, path,
		       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n", pid);
	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	fake_host_file(f->fake, path, "berth\n");
	snprintf(path, sizeof(path), "proc/%d/fd/0", pid);
	fake_host_link(f->fake, path, "/dev/null");
}

/* --- refusals --- */

static void expect_refused(struct fixture *f, const char *dev, const char *word)
{
	struct berth_err err = BERTH_ERR_INIT;
	int r = assign(f, "t1", dev, &err);

	if (r != BERTH_REFUSED)
		fail_msg("%s was not refused: %d %s", dev, r, err.text);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	assert_int_equal(f->fake->writes, 0);
}

static void another_vms_device_is_refused_with_its_owner(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "owned by t1"));
}

static void a_sibling_at_work_is_refused_with_its_driver(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, EDU, "SIBLING");
	expect_refused(f, EDU, SIB);
	expect_refused(f, EDU, "e1000e");
}

static void naming_the_sibling_too_is_enough(void **state)
{
	struct fixture *f = *state;
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);
	const char *const devs[] = { EDU, SIB };

	assert_int_equal(berth_manager_assign(m, "t1", devs, 2, false, NULL, NULL), 0);
	berth_manager_close(m);
	assert_string_equal(fake_host_driver(f->fake, SIB), "vfio-pci");
	assert_int_equal(release(f, "t1", NULL, NULL), 0);
	expect_untouched(f, "after release");
}

static void no_interrupt_remapping_is_refused(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "proc/interrupts", " 24:  0  PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	expect_refused(f, NIC, "NO_INTREMAP");
}

static void unsafe_interrupts_are_refused(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       "Y\n");
	expect_refused(f, NIC, "UNSAFE_INTERRUPTS");
}

static void no_iommu_is_refused(void **state)
{
	struct fixture *f = *state;

	fake_host_remove(f->fake, "sys/class/iommu");
	fake_host_remove(f->fake, "sys/kernel/iommu_groups");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/iommu_group");
	expect_refused(f, NIC, "NO_IOMMU");
}

static void memory_that_firmware_uses_is_refused(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/kernel/iommu_groups/13/reserved_regions",
		       "0x00000000d7000000 0x00000000d7ffffff direct\n");
	expect_refused(f, NIC, "RESERVED");
}

static void the_default_route_is_refused(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/dev_port", "0\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/ifindex", "3\n");
	fake_host_link(f->fake, "sys/bus/pci/devices/" NIC "/net/eth1/device", "../../../" NIC);
	fake_host_link(f->fake, "sys/class/net/eth1", "../../bus/pci/devices/" NIC "/net/eth1");
	fake_host_file(f->fake, "proc/net/route",
		       "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
		       "Window\tIRTT\n"
		       "eth1\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	expect_refused(f, NIC, "default-route");
}

static void a_disk_that_a_process_has_open_is_refused(void **state)
{
	struct fixture *f = *state;

	/* With multipath the namespace is the subsystem's, not the controller's. */
	fake_host_file(f->fake, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/size",
		       "8\n");
	fake_host_link(f->fake, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		       "../../../pci0000:00/" PORT1 "/" NIC "/nvme/nvme0");
	fake_host_link(f->fake, "sys/class/block/nvme0n1",
		       "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
	fake_process(f, 600);
	fake_host_link(f->fake, "proc/600/fd/3", "/dev/nvme0n1");
	expect_refused(f, NIC, "process 600 (berth) as /dev/nvme0n1");
}

static void a_companion_in_use_is_refused_with_its_driver(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "sys/bus/pci/devices/" AUDIO "/sound/card0/controlC0/dev",
		       "116:0\n");
	fake_host_link(f->fake, "sys/class/sound/controlC0",
		       "../../devices/pci0000:00/" PORT2 "/" AUDIO "/sound/card0/controlC0");
	fake_process(f, 600);
	fake_host_link(f->fake, "proc/600/fd/3", "/dev/snd/controlC0");
	expect_refused(f, GPU, AUDIO);
	expect_refused(f, GPU, "snd_hda_intel");
	expect_refused(f, GPU, "process 600");
}

static void a_bridge_is_refused(void **state)
{
	expect_refused(*state, PORT1, "bridge");
}

static void an_absent_device_is_enodev(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(assign(*state, "t1", "0000:77:00.0", &err), -ENODEV);
	assert_non_null(strstr(err.text, "0000:77:00.0"));
}

static void malformed_names_are_einval(void **state)
{
	assert_int_equal(assign(*state, "t1", "03:00.0x", NULL), -EINVAL);
	assert_int_equal(assign(*state, "@bind", NIC, NULL), -EINVAL);
	assert_int_equal(assign(*state, "../t1", NIC, NULL), -EINVAL);
	assert_int_equal(assign(*state, "", NIC, NULL), -EINVAL);
}

static void releasing_what_nobody_owns_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(release(f, NULL, NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "igb"));
	assert_int_equal(release(f, "t9", NULL, NULL), -ENOENT);
}

static void policy_is_asked(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_host_file(f->fake, "etc/policy.d/10-nic.json",
		       "{\"version\": 1, \"rules\": [ { \"name\": \"t1-nic\", \"effect\": "
		       "\"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"match\": { "
		       "\"pci.id\": \"8086:10c9\" } } } ]}\n");
	assert_int_equal(assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RULE_ALLOWS"));
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
}

static void what_policy_takes_back_is_said_and_kept(void **state)
{
	struct fixture *f = *state;
	struct berth_status s;
	struct berth_manager *m;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"rules\": [ { \"name\": \"no\", \"effect\": \"deny\","
		" \"subject\": { \"any_vm\": true }, \"resource\": { \"any_device\": true } } ] }");
	m = open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_int_equal(s.nr, 1);
	assert_string_equal(s.rows[0].state, "assigned");
	assert_non_null(strstr(s.rows[0].drift, "RULE_DENIES: rule \"no\" ("));
	berth_status_done(&s);
	berth_manager_close(m);
	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"rules\": [ { \"effect\": \"allow\","
		" \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"any_device\": true } } ] }");
	m = open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_string_equal(s.rows[0].drift, "");
	berth_status_done(&s);
	berth_manager_close(m);
}

static void what_is_tainted_is_not_handed_out(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);
	const struct berth_device *nic = NULL;

	assert_int_equal(berth_inventory_resolve(m->inv, NIC, &nic, &err), 0);
	assert_int_equal(berth_taint_set(m->ledger,
					 &(struct berth_taint){ .path = nic->path,
								.taint = (char *)"hw-fault",
								.effect = BERTH_TAINT_NO_NEW,
								.bdf = (char *)NIC },
					 &err),
			 0);
	berth_manager_close(m);
	assert_int_equal(assign(f, "t1", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "TAINTED: "));
	assert_non_null(strstr(err.text, "has the taint \"hw-fault\""));
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(assign(f, "t1", GPU, &err), 0);
}

static void what_is_protected_needs_force_and_a_rule(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m;
	const char *nic = NIC;

	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"devices\": [ { \"name\": \"nic\", \"match\":"
		" { \"pci.bdf\": \"" NIC "\" }, \"expect\": { \"pci.id\": \"8086:*\" } } ],"
		" \"protect\": [ { \"name\": \"mgmt\", \"match\": { \"pci.bdf\": \"" NIC
		"\" } } ], \"rules\": [ { \"effect\": \"allow\", \"override_protect\": true,"
		" \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"device\": \"nic\" } } ] }");
	assert_int_equal(assign(f, "t1", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "PROTECTED: \"mgmt\" ("));
	assert_non_null(strstr(err.text, "repeat with --force"));
	err = (struct berth_err)BERTH_ERR_INIT;
	m = open_manager(f, BERTH_MANAGER_CHANGE);
	berth_manager_force(m);
	assert_int_equal(berth_manager_assign(m, "t2", &nic, 1, false, NULL, &err), BERTH_REFUSED);
	err = (struct berth_err)BERTH_ERR_INIT;
	if (berth_manager_assign(m, "t1", &nic, 1, false, NULL, &err) != 0)
		fail_msg("%s", err.text);
	berth_manager_close(m);
}

static void a_quota_counts_the_whole_request(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m;
	const char *two[] = { NIC, GPU };

	fake_host_file(
		f->fake, "etc/policy.d/10-q.json",
		"{ \"version\": 1, \"classes\": [ { \"name\": \"cards\", \"match\":"
		" { \"pci.class\": [\"0200\", \"0300\"] } } ], \"tenants\": [ { \"name\": \"t\","
		" \"vms\": [\"t*\"], \"quota\": { \"cards\": { \"hard\": 1 } } } ],"
		" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
		" \"resource\": { \"any_device\": true } } ] }");
	m = open_manager(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_assign(m, "t1", two, 2, false, NULL, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "QUOTA: the tenant of VM t1 would own 2 of \"cards\""));
	err = (struct berth_err)BERTH_ERR_INIT;
	if (berth_manager_assign(m, "t1", two, 1, false, NULL, &err) != 0)
		fail_msg("%s", err.text);
	/* the same manager sees what it has just given */
	assert_int_equal(berth_manager_assign(m, "t2", two + 1, 1, false, NULL, &err),
			 BERTH_REFUSED);
	berth_manager_close(m);
}

static void a_mistake_in_policy_stops_assign_but_not_release(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_host_file(f->fake, "etc/policy.d/10-nic.json",
		       "{\"version\": 1,\n \"rules\": [ } ]}\n");
	assert_true(assign(f, "t1", GPU, &err) < 0);
	assert_non_null(strstr(err.text, "10-nic.json:2:"));
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_untouched(f, "after release");
}

/* --- VFs --- */

static void a_vf_gets_its_settings_and_gives_them_back(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	if (assign(f, "t1", VF, &err) != 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(net_now, "mac=52:54:00:00:00:07 vlan=40"));
	assert_int_equal(release(f, NULL, VF, NULL), 0);
	assert_string_equal(net_now, net_found);
	assert_string_equal(fake_host_driver(f->fake, VF), "");
}

static void settings_that_are_not_taken_undo_the_assign(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	net_broken = true;
	assert_int_equal(assign(f, "t1", VF, &err), -EIO);
	assert_non_null(strstr(err.text, "does not take"));
	assert_string_equal(net_now, net_found);
	assert_string_equal(fake_host_driver(f->fake, VF), "");
	assert_string_equal(fake_host_override(f->fake, VF), "");
	expect_state(f, "");
}

static void a_pf_with_vfs_and_its_vf_exclude_each_other(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(assign(f, "t1", PF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "vfs-enabled"));
	fake_host_file(f->fake, "sys/bus/pci/drivers/vfio-pci/bind", "%s", "");
	fake_host_bind(f->fake, PF, "vfio-pci");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(assign(f, "t1", VF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "PF:"));
}

/* --- every step fails once --- */

/* How many kernel writes an undisturbed assign of @dev takes. */
static unsigned int count_writes(struct fixture *f, const char *dev)
{
	unsigned int nr;

	f->fake->writes = 0;
	assert_int_equal(assign(f, "t1", dev, NULL), 0);
	nr = f->fake->writes;
	assert_int_equal(release(f, "t1", NULL, NULL), 0);
	return nr;
}

static void failing_assign(struct fixture *f, const char *dev, enum fake_fault_kind kind)
{
	unsigned int nr = count_writes(f, dev);
	char when[64];

	assert_true(nr >= 4);
	for (unsigned int i = 1; i <= nr; i++) {
		struct berth_err err = BERTH_ERR_INIT;
		int r;

		snprintf(when, sizeof(when), "fault %d at write %u of %s", (int)kind, i, dev);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ kind, i };
		r = assign(f, "t1", dev, &err);
		f->fake->fault.at = 0;
		/* Where there are two ways to bind, the second one may do. */
		if (r == 0) {
			assert_string_equal(fake_host_driver(f->fake, dev), "vfio-pci");
			assert_int_equal(release(f, "t1", NULL, NULL), 0);
		}
		if (r > 0 || (r < 0 && !err.code))
			fail_msg("%s: returned %d, %s", when, r, err.text);
		expect_untouched(f, when);
	}
}

static void an_error_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, NIC, FAKE_FAULT_EIO);
	failing_assign(*state, GPU, FAKE_FAULT_EIO);
}

static void a_lie_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, NIC, FAKE_FAULT_LIE);
	failing_assign(*state, GPU, FAKE_FAULT_LIE);
}

static void a_timeout_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, GPU, FAKE_FAULT_TIMEOUT);
}

static void a_failing_release_is_finished_by_the_next(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	char when[64];

	for (unsigned int i = 1; i <= 16; i++) {
		snprintf(when, sizeof(when), "release with write %u failing", i);
		assert_int_equal(assign(f, "t1", GPU, NULL), 0);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, i };
		err = (struct berth_err)BERTH_ERR_INIT;
		if (release(f, "t1", NULL, &err) != 0) {
			f->fake->fault.at = 0;
			assert_int_not_equal(err.code, 0);
			expect_state(f, "faulted");
			err = (struct berth_err)BERTH_ERR_INIT;
			if (release(f, "t1", NULL, &err) != 0)
				fail_msg("%s, then again: %s", when, err.text);
		}
		f->fake->fault.at = 0;
		expect_untouched(f, when);
	}
}

/* `berth recover`, as the command does it. */
static int recover_again(struct fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	return berth_recover_again(m, NULL, NULL);
}

static void what_could_not_be_given_back_is_tried_once_more_by_recover_only(void **state)
{
	struct fixture *f = *state;
	unsigned int faulted = 0;
	char when[64], row[32];

	for (unsigned int i = 1; i <= 16; i++) {
		snprintf(when, sizeof(when), "release with write %u failing", i);
		assert_int_equal(assign(f, "t1", GPU, NULL), 0);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO_FROM, i };
		release(f, "t1", NULL, NULL);
		/* Nothing works yet: the answer is no, and nothing is lost. */
		if (status(f, row) && strcmp(row, "faulted") == 0) {
			faulted++;
			assert_int_equal(recover_again(f), -EUCLEAN);
			expect_state(f, "faulted");
		}
		f->fake->fault.at = 0;
		recover(f);
		assert_int_equal(recover_again(f), 0);
		if (status(f, row))
			assert_int_equal(release(f, "t1", NULL, NULL), 0);
		expect_untouched(f, when);
	}
	assert_true(faulted >= 4);
}

/* Steps in the journal that nobody knows the outcome of. */
static size_t open_steps(struct fixture *f)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_intent_list list;
	size_t nr;

	assert_int_equal(berth_ledger_open(&ledger, f->host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_journal_find(ledger, -1, BERTH_STEP_OPEN, &list, NULL), 0);
	nr = list.nr;
	berth_intent_list_free(&list);
	return nr;
}

static void a_host_that_cannot_be_read_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int sys = f->host->sys_fd;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = NULL;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	/* A folder instead of a file: it opens and cannot be read. */
	assert_int_equal(renameat(sys, "bus/pci/devices/" NIC "/uevent", sys, "away"), 0);
	assert_int_equal(mkdirat(sys, "bus/pci/devices/" NIC "/uevent", 0755), 0);
	assert_true(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &err) < 0);
	assert_non_null(strstr(err.text, NIC));
	assert_int_equal(unlinkat(sys, "bus/pci/devices/" NIC "/uevent", AT_REMOVEDIR), 0);
	assert_int_equal(renameat(sys, "away", sys, "bus/pci/devices/" NIC "/uevent"), 0);
	expect_state(f, "assigned");
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_untouched(f, "after release");
}

static void what_cannot_be_taken_back_is_faulted(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	/* Neither vfio-pci nor igb can be bound any more. */
	fake_host_remove(f->fake, "sys/bus/pci/drivers/vfio-pci/bind");
	f->fake->writes = 0;
	f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO_FROM, 3 };
	assert_true(assign(f, "t1", NIC, &err) < 0);
	assert_non_null(strstr(err.text, "could not be put back"));
	f->fake->fault.at = 0;
	expect_state(f, "faulted");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_untouched(f, "after release");
}

/* --- the process dies at every step --- */

/* Run @verb in a child that the fault kills. Return: was it killed? */
static bool dies(struct fixture *f, enum fake_fault_kind kind, unsigned int at,
		 void (*verb)(struct fixture *f))
{
	int status;
	pid_t pid;

	f->fake->writes = 0;
	f->fake->fault = (struct fake_fault){ kind, at };
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		verb(f);
		_exit(0);
	}
	f->fake->fault.at = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAKE_KILLED);
	return WEXITSTATUS(status) == FAKE_KILLED;
}

static void assign_gpu(struct fixture *f)
{
	assign(f, "t1", GPU, NULL);
}

static void release_gpu(struct fixture *f)
{
	release(f, "t1", NULL, NULL);
}

static void an_assign_killed_anywhere_is_undone(void **state)
{
	static const enum fake_fault_kind kinds[] = { FAKE_FAULT_KILL_BEFORE,
						      FAKE_FAULT_KILL_AFTER };
	struct fixture *f = *state;
	unsigned int killed = 0;
	char when[64];

	for (size_t k = 0; k < BERTH_ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 1; dies(f, kinds[k], i, assign_gpu); i++, killed++) {
			snprintf(when, sizeof(when), "kill %d at write %u", (int)kinds[k], i);
			expect_state(f, "preparing");
			recover(f);
			expect_untouched(f, when);
		}
		/* The one that was not killed any more. */
		expect_state(f, "assigned");
		assert_int_equal(release(f, "t1", NULL, NULL), 0);
	}
	/* Override, unbind, probe of two functions, before and after. */
	assert_int_equal(killed, 12);
}

static void a_release_killed_anywhere_is_finished(void **state)
{
	static const enum fake_fault_kind kinds[] = { FAKE_FAULT_KILL_BEFORE,
						      FAKE_FAULT_KILL_AFTER };
	struct fixture *f = *state;
	unsigned int killed = 0;
	char when[64];

	for (size_t k = 0; k < BERTH_ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 1;; i++, killed++) {
			char row[32];

			assert_int_equal(assign(f, "t1", GPU, NULL), 0);
			snprintf(when, sizeof(when), "kill %d at write %u", (int)kinds[k], i);
			if (!dies(f, kinds[k], i, release_gpu))
				break;
			recover(f);
			assert_int_equal(open_steps(f), 0);
			/* Killed while it was being reset: still assigned, and a release ends it. */
			if (status(f, row)) {
				assert_string_equal(row, "assigned");
				assert_int_equal(release(f, "t1", NULL, NULL), 0);
			}
			expect_untouched(f, when);
		}
		expect_untouched(f, "the release that lived");
	}
	assert_true(killed >= 12);
}

static void recovery_itself_may_be_killed_anywhere(void **state)
{
	struct fixture *f = *state;
	unsigned int pairs = 0;
	char when[64];

	for (unsigned int i = 1; dies(f, FAKE_FAULT_KILL_AFTER, i, assign_gpu); i++) {
		for (unsigned int j = 1; dies(f, FAKE_FAULT_KILL_AFTER, j, recover); j++)
			pairs++;
		snprintf(when, sizeof(when), "assign killed at %u, recoveries at each step", i);
		expect_untouched(f, when);
	}
	assert_true(pairs >= 6);
	assert_int_equal(release(f, "t1", NULL, NULL), 0);
}

/* --- running VMs --- */

static struct berth_vm_claim *claim(struct fixture *f, const char *vm, const char *dev,
				    pid_t holder, int want)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_claim *c = NULL;
	int r = berth_manager_claim(m, vm, &dev, 1, holder, &c, NULL, &err);

	if (r != want)
		fail_msg("claim returned %d, not %d: %s", r, want, err.text);
	return c;
}

static void unclaim_gives(struct fixture *f, struct berth_vm_claim *c, bool reset_ok, int want,
			  struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	for (size_t i = 0; i < c->nr_devs; i++)
		c->devs[i].reset.proven = reset_ok;
	assert_int_equal(berth_manager_unclaim(m, c, NULL, err), want);
	berth_vm_claim_free(c);
}

static void unclaim(struct fixture *f, struct berth_vm_claim *c, bool reset_ok)
{
	unclaim_gives(f, c, reset_ok, 0, NULL);
}

static void a_run_takes_and_gives_back(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_claim *c;

	fake_process(f, 500);
	c = claim(f, "t1", GPU, 500, 0);
	assert_int_equal(c->nr_devs, 2);
	assert_int_equal(c->devs[0].group, 14);
	assert_true(c->devs[0].asked);
	assert_false(c->devs[1].asked);
	expect_state(f, "in-use");
	unclaim(f, c, true);
	expect_untouched(f, "after the run");
}

static void a_run_of_an_assigned_device_leaves_it_assigned(void **state)
{
	struct fixture *f = *state;

	fake_process(f, 500);
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	unclaim(f, claim(f, "t1", NIC, 500, 0), true);
	expect_state(f, "assigned");
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

static void a_second_run_is_refused_while_the_first_lives(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_claim *c;

	fake_process(f, 500);
	fake_process(f, 501);
	c = claim(f, "t1", NIC, 500, 0);
	assert_null(claim(f, "t1", NIC, 501, BERTH_REFUSED));
	assert_null(claim(f, "t2", NIC, 501, BERTH_REFUSED));
	assert_int_equal(release(f, NULL, NIC, NULL), BERTH_REFUSED);
	unclaim(f, c, true);
	expect_untouched(f, "after the run");
}

static void a_dead_holder_is_noticed_and_cleaned_up_after(void **state)
{
	struct fixture *f = *state;

	fake_process(f, 500);
	berth_vm_claim_free(claim(f, "t1", NIC, 500, 0));
	fake_host_remove(f->fake, "proc/500");
	expect_state(f, "in-use");
	recover(f);
	expect_untouched(f, "after the holder's death");
}

static void a_holder_that_cannot_be_looked_at_is_alive(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_claim *c;

	fake_process(f, 500);
	c = claim(f, "t1", NIC, 500, 0);
	fake_host_remove(f->fake, "proc/500/stat");
	fake_host_file(f->fake, "proc/500/stat/x", "%s", "");
	recover(f);
	expect_state(f, "in-use");
	fake_host_remove(f->fake, "proc/500");
	recover(f);
	expect_untouched(f, "after the holder's death");
	berth_vm_claim_free(c);
}

static void another_process_with_the_same_pid_is_not_the_holder(void **state)
{
	struct fixture *f = *state;

	fake_process(f, 500);
	berth_vm_claim_free(claim(f, "t1", NIC, 500, 0));
	fake_host_file(f->fake, "proc/500/stat", "%s",
		       "500 (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9999 0 0\n");
	recover(f);
	expect_untouched(f, "after the holder's death");
}

static void no_proven_reset_means_quarantine(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_claim *c;
	struct berth_manager *m;
	const char *dev = NIC;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	fake_process(f, 500);
	c = claim(f, "t1", NIC, 500, 0);
	unclaim_gives(f, c, false, -EUCLEAN, &err);
	assert_non_null(strstr(err.text, "it is quarantined"));
	err = (struct berth_err)BERTH_ERR_INIT;
	expect_state(f, "quarantined");
	assert_int_equal(assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "quarantined"));
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(release(f, NULL, NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "--unclean"));
	/* Its own VM may have it again. */
	unclaim_gives(f, claim(f, "t1", NIC, 500, 0), false, -EUCLEAN, NULL);
	expect_state(f, "quarantined");
	m = open_manager(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_release(m, NULL, &dev, 1,
					       (struct berth_release_how){ .unclean = true }, NULL,
					       NULL),
			 0);
	berth_manager_close(m);
	expect_untouched(f, "after release --unclean");
}

/* Write into the configuration space of @bdf. */
static void set_config(struct fixture *f, const char *bdf, unsigned int at, uint16_t value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", bdf);
	fd = openat(f->host->sys_fd, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &value, 2, at), 2);
	close(fd);
}

/* The newest evidence about the device that @c has first. */
static struct berth_evidence evidence(struct fixture *f, const char *path)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_evidence e;

	assert_int_equal(berth_ledger_open(&ledger, f->host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_evidence_last(ledger, path, &e, NULL), 0);
	return e;
}

/* A claim whose devices were reset before use, by "flr", and recorded. */
static struct berth_vm_claim *claim_recorded(struct fixture *f, char path[static BERTH_CLAIM_PATH])
{
	struct berth_vm_claim *c = claim(f, "t1", NIC, 500, 0);

	for (size_t i = 0; i < c->nr_devs; i++) {
		set_config(f, NIC, PCI_COMMAND, 0);
		c->devs[i].reset.method = BERTH_RESET_FUNCTION;
		c->devs[i].reset.proven = true;
		strcpy(c->devs[i].reset.by, "flr");
		strcpy(c->devs[i].reset.sentence, "reset as a test");
	}
	assert_int_equal(berth_sanitise_before(f->host, c, NULL), 0);
	strcpy(path, c->devs[0].path);
	return c;
}

static void evidence_of_every_reset_is_kept(void **state)
{
	struct fixture *f = *state;
	char path[BERTH_CLAIM_PATH];
	struct berth_vm_claim *c;
	struct berth_evidence e;

	fake_process(f, 500);
	c = claim_recorded(f, path);
	e = evidence(f, path);
	assert_true(!e.after && e.proven);
	assert_string_equal(e.method, "flr");
	assert_string_equal(e.vm, "t1");
	assert_string_equal(e.bdf, NIC);
	assert_string_equal(e.sentence, "reset as a test");
	berth_evidence_done(&e);
	unclaim(f, c, true);
	e = evidence(f, path);
	assert_true(e.after && e.proven);
	assert_string_equal(e.checked, "config");
	berth_evidence_done(&e);
	expect_untouched(f, "after the run");
}

static void a_configuration_that_stays_changed_means_quarantine(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	char path[BERTH_CLAIM_PATH];
	struct berth_vm_claim *c;
	struct berth_evidence e;

	fake_process(f, 500);
	c = claim_recorded(f, path);
	set_config(f, NIC, PCI_INTERRUPT_LINE, 0x55);
	unclaim_gives(f, c, true, -EUCLEAN, &err);
	assert_non_null(strstr(err.text, NIC ": its use changed its configuration for good: "
					     "register 0x03c is 0x55, was 0"));
	expect_state(f, "quarantined");
	e = evidence(f, path);
	assert_true(e.after && !e.proven);
	assert_string_equal(e.sentence, NIC ": its use changed its configuration for good: "
					    "register 0x03c is 0x55, was 0");
	berth_evidence_done(&e);
	/* Somebody puts it right, by a power cycle say: then the next reset proves it. */
	set_config(f, NIC, PCI_INTERRUPT_LINE, 0);
	assert_int_equal(release(f, NULL, NIC, &err), 0);
	e = evidence(f, path);
	assert_true(e.proven);
	assert_string_equal(e.checked, "answers,no-dma,d0,idle,bars,config");
	berth_evidence_done(&e);
	expect_untouched(f, "after release");
}

static void a_group_that_is_open_elsewhere_is_not_touched(void **state)
{
	struct fixture *f = *state;
	char target[128];

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_process(f, 600);
	snprintf(target, sizeof(target), "%s/dev/vfio/13", f->fake->root);
	fake_host_link(f->fake, "proc/600/fd/9", target);
	assert_int_equal(release(f, NULL, NIC, NULL), BERTH_REFUSED);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	fake_host_remove(f->fake, "proc/600");
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
}

/* --- reboot, drift, changed and absent devices --- */

static void reboot(struct fixture *f)
{
	fake_host_file(f->fake, "proc/sys/kernel/random/boot_id",
		       "99999999-2222-3333-4444-555555555555\n");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		char path[128];

		fake_host_bind(f->fake, fns[i].bdf, fns[i].driver);
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver_override", fns[i].bdf);
		fake_host_file(f->fake, path, "(null)\n");
	}
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/power/control", "auto\n");
	berth_host_close(f->host);
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
}

static void an_assignment_outlives_a_reboot(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", GPU, NULL), 0);
	reboot(f);
	recover(f);
	assert_string_equal(fake_host_driver(f->fake, GPU), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	expect_state(f, "assigned");
	assert_int_equal(release(f, NULL, GPU, NULL), 0);
	expect_untouched(f, "after release");
}

static void a_run_does_not_outlive_a_reboot(void **state)
{
	struct fixture *f = *state;

	fake_process(f, 500);
	berth_vm_claim_free(claim(f, "t1", GPU, 500, 0));
	reboot(f);
	recover(f);
	expect_untouched(f, "after reboot");
}

/* Found by the model in tests/spin: after a reboot it is with its host driver, and must not be reset under that. */
static void a_quarantined_device_does_not_run_after_a_reboot(void **state)
{
	struct fixture *f = *state;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	fake_process(f, 500);
	unclaim_gives(f, claim(f, "t1", NIC, 500, 0), false, -EUCLEAN, NULL);
	reboot(f);
	expect_state(f, "quarantined");
	assert_null(claim(f, "t1", NIC, 500, BERTH_REFUSED));
	expect_state(f, "quarantined");
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
}

static void a_device_taken_from_vfio_by_hand_is_bound_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_host_bind(f->fake, NIC, "igb");
	recover(f);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_untouched(f, "after release");
}

static void another_device_at_the_same_place_is_kept_from_everybody(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/device", "0x10fb\n");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/uevent",
		       "DRIVER=vfio-pci\nPCI_CLASS=20000\nPCI_ID=8086:10FB\n"
		       "PCI_SUBSYS_ID=8086:10FB\nPCI_SLOT_NAME=" NIC "\n");
	recover(f);
	expect_state(f, "identity-changed");
	assert_int_equal(assign(f, "t2", NIC, NULL), BERTH_REFUSED);
}

/* A Device Serial Number of 10-00-…-00-@last, as an extended capability (PCIe Base 6.0, 7.9.3). */
static void set_serial(struct fixture *f, const char *bdf, uint16_t last)
{
	const uint16_t words[] = { 0x0003, 0x0001, last, 0, 0, 0x1000 };

	for (unsigned int i = 0; i < BERTH_ARRAY_SIZE(words); i++)
		set_config(f, bdf, 0x100 + 2 * i, words[i]);
	set_config(f, bdf, 4094, 0); /* as long as it is with extended capabilities */
}

static void a_card_of_the_same_kind_is_known_by_its_serial_number(void **state)
{
	struct fixture *f = *state;
	struct berth_report report = BERTH_REPORT_INIT;
	struct berth_manager *m = NULL;

	set_serial(f, NIC, 0x01);
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	recover(f);
	expect_state(f, "assigned");
	set_serial(f, NIC, 0x02);
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, &report, NULL), 0);
	berth_manager_close(m);
	assert_int_equal(report.nr, 1);
	assert_non_null(strstr(report.lines[0], "serial number 10-00-00-00-00-00-00-02, was "
						"10-00-00-00-00-00-00-01"));
	berth_report_done(&report);
	expect_state(f, "identity-changed");
	assert_int_equal(assign(f, "t2", NIC, NULL), BERTH_REFUSED);
}

/* A device that is being reset answers with all ones. */
static void a_serial_number_that_cannot_be_read_is_no_other(void **state)
{
	struct fixture *f = *state;

	set_serial(f, NIC, 0x01);
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	for (unsigned int i = 0; i < 4; i++)
		set_config(f, NIC, 0x104 + 2 * i, 0xffff);
	recover(f);
	expect_state(f, "assigned");
	for (unsigned int i = 0; i < 2; i++)
		set_config(f, NIC, 0x100 + 2 * i, 0xffff);
	recover(f);
	expect_state(f, "assigned");
}

static void an_absent_device_stays_its_vms(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC);
	recover(f);
	expect_state(f, "lost");
	assert_int_equal(release(f, NULL, NIC, NULL), 0);
	expect_state(f, "");
}

/* --- what stands in the way --- */

static struct berth_obstacles obstacles(struct fixture *f, struct berth_bdf at)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_obstacles list;

	assert_int_equal(berth_manager_obstacles(m, at, &list, NULL), 0);
	return list;
}

/* What show prints is what assign says. */
static void the_first_obstacle_is_why_assign_refuses(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_obstacles list = obstacles(f, (struct berth_bdf){ 0, 1, 0, 0 });

	assert_int_equal(list.nr, 0);
	list = obstacles(f, (struct berth_bdf){ 0, 3, 0, 0 }); /* its sibling works for the host */
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "SIBLING");
	assert_true(berth_bdf_eq(list.items[0].at, (struct berth_bdf){ 0, 3, 1, 0 }));
	assert_int_equal(assign(f, "t1", EDU, &err), BERTH_REFUSED);
	assert_string_equal(err.text, list.items[0].sentence);
	berth_obstacles_done(&list);
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	list = obstacles(f, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "OWNED");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_string_equal(err.text, list.items[0].sentence);
	berth_obstacles_done(&list);
	list = obstacles(f, (struct berth_bdf){ 0, 0, 1, 0 });
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].code, "BRIDGE");
	berth_obstacles_done(&list);
}

static void all_obstacles_are_listed(void **state)
{
	struct fixture *f = *state;
	struct berth_obstacles list;

	fake_host_file(f->fake, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       "Y\n");
	list = obstacles(f, (struct berth_bdf){ 0, 3, 0, 0 });
	assert_int_equal(list.nr, 2);
	assert_string_equal(list.items[0].code, "UNSAFE_INTERRUPTS");
	assert_string_equal(list.items[1].code, "SIBLING");
	berth_obstacles_done(&list);
}

static void what_nothing_resets_stays_with_the_host(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	/* its bus can be reset instead: there is nobody else on it */
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset_method");
	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(release(f, "t1", NIC, NULL), 0);
	/* the PF is on the root bus */
	fake_host_remove(f->fake, "sys/bus/pci/devices/" PF "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" PF "/reset_method");
	assert_int_equal(assign(f, "t1", PF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RESET: " PF ": the kernel knows no way to reset it"));
}

static void nor_does_a_virtual_function_without_a_reset_leave_it(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" VF "/reset");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" VF "/reset_method");
	assert_int_equal(assign(f, "t1", VF, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RESET: " VF));
	assert_non_null(strstr(err.text, "it is a virtual function"));
}

/* --- berth bind --- */

static int bind_verb(struct fixture *f, const char *dev, const char *driver, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	return berth_manager_bind(m, dev, driver, false, NULL, err);
}

static void bind_moves_one_function_and_release_undoes_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind_verb(f, AUDIO, "vfio-pci", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, GPU), "bochs-drm");
	assert_int_equal(assign(f, "t1", GPU, NULL), BERTH_REFUSED);
	assert_int_equal(bind_verb(f, AUDIO, "", NULL), 0);
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "");
	assert_int_equal(bind_verb(f, GPU, "", NULL), 0);
	assert_int_equal(release(f, NULL, AUDIO, NULL), 0);
	expect_untouched(f, "after release");
}

static void a_failing_bind_is_taken_back(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 1; i <= 3; i++) {
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, i };
		if (bind_verb(f, NIC, "vfio-pci", NULL) == 0)
			assert_int_equal(release(f, NULL, NIC, NULL), 0);
		f->fake->fault.at = 0;
		expect_untouched(f, "after a failing bind");
	}
}

static void binding_a_vms_device_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, NULL), 0);
	assert_int_equal(bind_verb(f, NIC, "", NULL), BERTH_REFUSED);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define V(name) cmocka_unit_test_setup_teardown(name, set_up_vf, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_nic_goes_to_a_vm_and_back),
		T(the_whole_slot_comes_along),
		T(what_was_on_vfio_before_stays_on_vfio),
		T(assigning_twice_to_the_same_vm_changes_nothing),
		T(a_plan_changes_nothing_and_names_every_write),
		T(a_dry_run_says_the_same_and_changes_nothing),
		T(another_vms_device_is_refused_with_its_owner),
		T(a_sibling_at_work_is_refused_with_its_driver),
		T(naming_the_sibling_too_is_enough),
		T(no_interrupt_remapping_is_refused),
		T(unsafe_interrupts_are_refused),
		T(no_iommu_is_refused),
		T(memory_that_firmware_uses_is_refused),
		T(the_default_route_is_refused),
		T(a_disk_that_a_process_has_open_is_refused),
		T(a_companion_in_use_is_refused_with_its_driver),
		T(a_bridge_is_refused),
		T(an_absent_device_is_enodev),
		T(malformed_names_are_einval),
		T(releasing_what_nobody_owns_is_refused),
		T(policy_is_asked),
		T(what_policy_takes_back_is_said_and_kept),
		T(what_is_tainted_is_not_handed_out),
		T(what_is_protected_needs_force_and_a_rule),
		T(a_quota_counts_the_whole_request),
		T(a_mistake_in_policy_stops_assign_but_not_release),
		V(a_vf_gets_its_settings_and_gives_them_back),
		V(settings_that_are_not_taken_undo_the_assign),
		V(a_pf_with_vfs_and_its_vf_exclude_each_other),
		T(an_error_at_any_step_takes_everything_back),
		T(a_lie_at_any_step_takes_everything_back),
		T(a_timeout_at_any_step_takes_everything_back),
		T(a_failing_release_is_finished_by_the_next),
		T(what_cannot_be_taken_back_is_faulted),
		T(what_could_not_be_given_back_is_tried_once_more_by_recover_only),
		T(a_host_that_cannot_be_read_is_left_alone),
		T(a_holder_that_cannot_be_looked_at_is_alive),
		T(an_assign_killed_anywhere_is_undone),
		T(a_release_killed_anywhere_is_finished),
		T(recovery_itself_may_be_killed_anywhere),
		T(a_run_takes_and_gives_back),
		T(a_run_of_an_assigned_device_leaves_it_assigned),
		T(a_second_run_is_refused_while_the_first_lives),
		T(a_dead_holder_is_noticed_and_cleaned_up_after),
		T(another_process_with_the_same_pid_is_not_the_holder),
		T(no_proven_reset_means_quarantine),
		T(evidence_of_every_reset_is_kept),
		T(a_configuration_that_stays_changed_means_quarantine),
		T(a_group_that_is_open_elsewhere_is_not_touched),
		T(an_assignment_outlives_a_reboot),
		T(a_run_does_not_outlive_a_reboot),
		T(a_quarantined_device_does_not_run_after_a_reboot),
		T(a_device_taken_from_vfio_by_hand_is_bound_again),
		T(another_device_at_the_same_place_is_kept_from_everybody),
		T(a_card_of_the_same_kind_is_known_by_its_serial_number),
		T(a_serial_number_that_cannot_be_read_is_no_other),
		T(an_absent_device_stays_its_vms),
		T(the_first_obstacle_is_why_assign_refuses),
		T(all_obstacles_are_listed),
		T(what_nothing_resets_stays_with_the_host),
		cmocka_unit_test_setup_teardown(
			nor_does_a_virtual_function_without_a_reset_leave_it, set_up_vf, tear_down),
		T(bind_moves_one_function_and_release_undoes_it),
		T(a_failing_bind_is_taken_back),
		T(binding_a_vms_device_is_refused),
	};

	return cmocka_run_group_tests_name("manager", tests, NULL, NULL);
}
