/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "manager/assign.h"
#include "manager/claim.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/status.h"
#include "vfio/netdev.h"
#include "vfio/vf_net.h"

#include "tests/cmocka_all.h"

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

const char verbs_net_found[] = "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q trust=off";
char verbs_net_now[BERTH_VF_NET_TEXT];
bool verbs_net_broken; /* the driver takes nothing but what it had */

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
	assert_int_equal(berth_vf_net_parse(verbs_net_now, ret), 0);
	return 0;
}

int __wrap_berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf,
				 unsigned int index, const struct berth_vf_net *want,
				 struct berth_err *err)
{
	char text[BERTH_VF_NET_TEXT];

	(void)host, (void)pf, (void)index;
	berth_vf_net_format(want, text);
	if (verbs_net_broken && strcmp(text, verbs_net_found))
		return berth_err_set(err, -EIO, "VF 0 does not take %s", text);
	strcpy(verbs_net_now, text);
	return 0;
}

int verbs_set_up(void **state)
{
	struct fake_fixture *f = fake_fixture_new(sizeof(*f), fns, BERTH_ARRAY_SIZE(fns));

	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/power/control", "auto\n");
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	*state = f;
	return 0;
}

int verbs_set_up_vf(void **state)
{
	struct fake_fixture *f = fake_fixture_new(sizeof(*f), vf_fns, BERTH_ARRAY_SIZE(vf_fns));

	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:04:00.0  0-edge  igb\n");
	fake_host_file(f->fake, "etc/policy.d/10-vf.json",
		       "{\"version\": 1, \"devices\": [ { \"name\": \"vf\", \"match\": { "
		       "\"pci.is_vf\": true }, \"net\": { \"mac\": \"52:54:00:00:00:07\", "
		       "\"vlan\": 40 } } ], \"rules\": [ { \"name\": \"all\", \"effect\": "
		       "\"allow\", \"subject\": { \"any_vm\": true }, \"resource\": { \"match\": "
		       "{ \"any_device\": true } } } ] }\n");
	assert_int_equal(berth_sysfs_write(f->host, "1", 1000, NULL,
					   "bus/pci/devices/" PF "/sriov_numvfs"),
			 0);
	strcpy(verbs_net_now, verbs_net_found);
	verbs_net_broken = false;
	f->fake->writes = 0;
	*state = f;
	return 0;
}

/* --- one verb, as the command does it --- */

struct berth_manager *verbs_open(struct fake_fixture *f, enum berth_manager_mode mode)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = NULL;

	if (berth_manager_open(&m, f->host, mode, NULL, &err) != 0)
		fail_msg("open: %s", err.text);
	return m;
}

int verbs_assign(struct fake_fixture *f, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);

	return berth_manager_assign(m, vm, &dev, 1, false, NULL, err);
}

int verbs_release(struct fake_fixture *f, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);
	struct berth_release_how how = { 0 };

	return berth_manager_release(m, vm, &dev, dev ? 1 : 0, how, NULL, err);
}

void verbs_recover(struct fake_fixture *f)
{
	berth_manager_close(verbs_open(f, BERTH_MANAGER_CHANGE));
}

/* Number of rows that berth status shows; of the first one the state, "" for none. */
size_t verbs_status(struct fake_fixture *f, char state[32])
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_READ);
	struct berth_status s;
	size_t nr;

	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	nr = s.nr;
	snprintf(state, 32, "%s", nr ? s.rows[0].state : "");
	berth_status_done(&s);
	return nr;
}

void verbs_expect_state(struct fake_fixture *f, const char *want)
{
	char state[32];

	verbs_status(f, state);
	assert_string_equal(state, want);
}

const char *verbs_power(struct fake_fixture *f, const char *bdf)
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
void verbs_expect_untouched(struct fake_fixture *f, const char *when)
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
	if (strcmp(verbs_power(f, NIC), "auto"))
		fail_msg("%s: power/control is %s", when, verbs_power(f, NIC));
	if (verbs_status(f, state))
		fail_msg("%s: the ledger has a row in state %s", when, state);
}

/* /proc/PID/stat of a process that lives as long as the file does. */
void verbs_process(struct fake_fixture *f, int pid)
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

struct berth_vm_claim *verbs_claim(struct fake_fixture *f, const char *vm, const char *dev,
				   pid_t holder, int want)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_claim *c = NULL;
	int r = berth_manager_claim(m, vm, &dev, 1, holder, &c, NULL, &err);

	if (r != want)
		fail_msg("claim returned %d, not %d: %s", r, want, err.text);
	return c;
}

void verbs_unclaim(struct fake_fixture *f, struct berth_vm_claim *c, bool reset_ok, int want,
		   struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);

	for (size_t i = 0; i < c->nr_devs; i++)
		c->devs[i].reset.proven = reset_ok;
	assert_int_equal(berth_manager_unclaim(m, c, NULL, err), want);
	berth_vm_claim_free(c);
}

/* Write into the configuration space of @bdf. */
void verbs_set_config(struct fake_fixture *f, const char *bdf, unsigned int at, uint16_t value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", bdf);
	fd = openat(f->host->sys_fd, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &value, 2, at), 2);
	close(fd);
}
