/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What needs a network card is tested in the lab (tests/lab/t_sriov.sh). */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "tests/lib/fake_fixture.h"
#include "vfio/netdev.h"

#define PF "0000:01:00.0"

static const struct berth_bdf pf = { 0, 1, 0, 0 };

static const struct fake_fn fns[] = {
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14,
	  .total_vfs = 3 },
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fake_fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

static void netdev_file(struct fake_fixture *f, const char *netdev, const char *file,
			const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/" PF "/net/%s/%s", netdev, file);
	fake_host_file(f->fake, path, "%s\n", text);
}

static void a_function_without_interface_has_none(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vf_net net;
	char name[IFNAMSIZ] = "x";

	assert_int_equal(berth_netdev_of(f->host, pf, name), BERTH_ABSENT);
	assert_string_equal(name, "x");
	/* a tree is not a machine: its interfaces are not ours to talk to */
	assert_int_equal(berth_netdev_vf_read(f->host, pf, 0, &net, &err), -EOPNOTSUPP);
}

static void finds_the_one_interface(void **state)
{
	struct fake_fixture *f = *state;
	char name[IFNAMSIZ];

	netdev_file(f, "enp1s0", "dev_port", "0");
	assert_int_equal(berth_netdev_of(f->host, pf, name), 0);
	assert_string_equal(name, "enp1s0");
}

static void of_several_ports_the_first(void **state)
{
	struct fake_fixture *f = *state;
	char name[IFNAMSIZ];

	netdev_file(f, "ens1", "dev_port", "1");
	netdev_file(f, "ens1d1", "dev_port", "0");
	assert_int_equal(berth_netdev_of(f->host, pf, name), 0);
	assert_string_equal(name, "ens1d1");
}

static void representors_of_vfs_are_not_the_pf(void **state)
{
	struct fake_fixture *f = *state;
	char name[IFNAMSIZ];

	netdev_file(f, "eth0", "phys_port_name", "pf0vf0");
	netdev_file(f, "eth1", "phys_port_name", "p0");
	assert_int_equal(berth_netdev_of(f->host, pf, name), 0);
	assert_string_equal(name, "eth1");
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(a_function_without_interface_has_none),
		with_host(finds_the_one_interface),
		with_host(of_several_ports_the_first),
		with_host(representors_of_vfs_are_not_the_pf),
	};

	return cmocka_run_group_tests_name("vfio/netdev", tests, NULL, NULL);
}
