/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/cleanup.h"
#include "iommu/p2p_path.h"

#define RR BERTH_ACS_REQUEST_REDIRECT

/* Two root ports; below the first a switch with two ports, below the second a PCI bridge. */
enum { PORT_A, PORT_B, UP, DOWN_A, DOWN_B, PCI, NR };

static struct berth_isolation_step bridge(unsigned int n, enum berth_pcie_type type)
{
	return (struct berth_isolation_step){
		.at = { 0, (uint8_t)n, 0, 0 },
		.type = type,
		.acs = BERTH_YES,
		.acs_ctrl = RR,
	};
}

struct fixture {
	struct berth_isolation_step below_a[3], below_b[3], port_b[1], pci[2];
	struct berth_p2p_end a, b, c, old1,
		old2; /* a, b below the switch, c below the other root port */
	char reason[BERTH_P2P_REASON];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->below_a[0] = bridge(DOWN_A, BERTH_PCIE_DOWNSTREAM);
	f->below_b[0] = bridge(DOWN_B, BERTH_PCIE_DOWNSTREAM);
	f->below_a[1] = f->below_b[1] = bridge(UP, BERTH_PCIE_UPSTREAM);
	f->below_a[2] = f->below_b[2] = bridge(PORT_A, BERTH_PCIE_ROOT_PORT);
	f->port_b[0] = f->pci[1] = bridge(PORT_B, BERTH_PCIE_ROOT_PORT);
	f->pci[0] = bridge(PCI, BERTH_PCIE_TO_PCI);
	f->a = (struct berth_p2p_end){ { 0, 0x10, 0, 0 }, 1, "PNP0A08:00", BERTH_NO, 0,
				       f->below_a,	  3 };
	f->b = (struct berth_p2p_end){ { 0, 0x11, 0, 0 }, 2, "PNP0A08:00", BERTH_NO, 0,
				       f->below_b,	  3 };
	f->c =
		(struct berth_p2p_end){ { 0, 0x12, 0, 0 }, 3, "PNP0A08:00", BERTH_NO, 0,
					f->port_b,	   1 };
	f->old1 = (struct berth_p2p_end){
		{ 0, 0x13, 1, 0 }, 4, "PNP0A08:00", BERTH_NO, 0, f->pci, 2
	};
	f->old2 = (struct berth_p2p_end){
		{ 0, 0x13, 2, 0 }, 4, "PNP0A08:00", BERTH_NO, 0, f->pci, 2
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void is(struct fixture *f, const struct berth_p2p_end *from, const struct berth_p2p_end *to,
	       enum berth_p2p_path want, const char *why)
{
	enum berth_p2p_path got = berth_p2p_judge(from, to, f->reason);

	if (got != want || !strstr(f->reason, why))
		fail_msg("%s: %s; expected %s and '%s'", berth_p2p_path_name(got), f->reason,
			 berth_p2p_path_name(want), why);
}

static void a_switch_turns_requests_round_unless_its_port_redirects(void **state)
{
	struct fixture *f = *state;

	is(f, &f->a, &f->b, BERTH_P2P_ROOT, "0000:03:00.0 sends them up");
	f->below_a[0].acs_ctrl = 0;
	is(f, &f->a, &f->b, BERTH_P2P_DIRECT, "0000:03:00.0 has ACS redirect off");
	is(f, &f->b, &f->a, BERTH_P2P_ROOT, "0000:04:00.0"); /* the way back has its own port */
	f->below_a[0].acs = BERTH_NO;
	is(f, &f->a, &f->b, BERTH_P2P_DIRECT, "has no ACS");
	f->below_a[0].acs = BERTH_UNKNOWN;
	is(f, &f->a, &f->b, BERTH_P2P_UNKNOWN, "root only");
}

static void between_root_ports_the_root_port_decides(void **state)
{
	struct fixture *f = *state;

	is(f, &f->a, &f->c, BERTH_P2P_ROOT, "root port 0000:00:00.0 redirects");
	is(f, &f->c, &f->a, BERTH_P2P_ROOT, "root port 0000:01:00.0 redirects");
	f->port_b[0].acs_ctrl = 0;
	is(f, &f->c, &f->a, BERTH_P2P_DIRECT, "before the IOMMU");
	f->port_b[0].acs = BERTH_UNKNOWN;
	is(f, &f->c, &f->a, BERTH_P2P_UNKNOWN, "root only");
	f->c.nr_steps = 0;
	is(f, &f->c, &f->a, BERTH_P2P_ROOT, "part of the root complex");
	f->c.root = "PNP0A08:01";
	is(f, &f->c, &f->a, BERTH_P2P_UNKNOWN, "PNP0A08:01 and PNP0A08:00");
}

static void neighbours_on_one_bus_hear_each_other(void **state)
{
	struct fixture *f = *state;

	is(f, &f->old1, &f->old2, BERTH_P2P_DIRECT, "conventional bus below 0000:05:00.0");
	f->old1.steps = f->old2.steps = f->port_b; /* two functions of one device */
	f->old1.nr_steps = f->old2.nr_steps = 1;
	is(f, &f->old1, &f->old2, BERTH_P2P_DIRECT, "need not leave it");
	f->old1.acs = BERTH_YES;
	f->old1.acs_ctrl = RR;
	is(f, &f->old1, &f->old2, BERTH_P2P_ROOT, "up (ACS)");
	f->old1.acs = BERTH_UNKNOWN;
	is(f, &f->old1, &f->old2, BERTH_P2P_UNKNOWN, "root only");
}

static void without_an_iommu_there_is_no_way_for_a_vm(void **state)
{
	struct fixture *f = *state;

	f->b.group = -1;
	is(f, &f->a, &f->b, BERTH_P2P_NONE, "0000:11:00.0 has no IOMMU");
	is(f, &f->b, &f->a, BERTH_P2P_NONE, "0000:11:00.0 has no IOMMU");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_switch_turns_requests_round_unless_its_port_redirects),
		T(between_root_ports_the_root_port_decides),
		T(neighbours_on_one_bus_hear_each_other),
		T(without_an_iommu_there_is_no_way_for_a_vm),
	};

	return cmocka_run_group_tests_name("iommu/p2p_path", tests, NULL, NULL);
}
