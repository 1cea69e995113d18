/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/err.h"
#include "manager/peers.h"
#include "manager/unit.h"
#include "policy/ledger.h"
#include "vfio/inventory.h"

#define AT(b, d)                                                                                   \
	{                                                                                          \
		.bus = b, .dev = d                                                                 \
	}

/*
 * 00:01.0 root port - 02:00.0 upstream - 03:00.0 downstream, no ACS   - 04:00.0 edu
 *                                      - 03:01.0 downstream, no ACS   - 05:00.0 e1000e
 *                                      - 03:02.0 downstream, with ACS - 06:00.0 nvme
 * 00:02.0 root port - 07:00.0 igb
 */
enum { ROOT1, ROOT2, UP, DOWN1, DOWN2, DOWN3, EDU, E1000E, NVME, IGB, NR };

static void make(struct berth_device dev[static NR])
{
	static const struct {
		struct berth_bdf at, parent;
		bool has_parent;
		int group;
		uint32_t class;
		enum berth_pcie_type type;
		const char *driver, *path;
	} rows[NR] = {
		[ROOT1] = { AT(0, 1), AT(0, 0), false, 1, 0x060400, BERTH_PCIE_ROOT_PORT,
			    "pcieport", "a" },
		[ROOT2] = { AT(0, 2), AT(0, 0), false, 2, 0x060400, BERTH_PCIE_ROOT_PORT,
			    "pcieport", "b" },
		[UP] = { AT(2, 0), AT(0, 1), true, 3, 0x060400, BERTH_PCIE_UPSTREAM, "pcieport",
			 "c" },
		[DOWN1] = { AT(3, 0), AT(2, 0), true, 4, 0x060400, BERTH_PCIE_DOWNSTREAM,
			    "pcieport", "d" },
		[DOWN2] = { AT(3, 1), AT(2, 0), true, 5, 0x060400, BERTH_PCIE_DOWNSTREAM,
			    "pcieport", "e" },
		[DOWN3] = { AT(3, 2), AT(2, 0), true, 6, 0x060400, BERTH_PCIE_DOWNSTREAM,
			    "pcieport", "f" },
		[EDU] = { AT(4, 0), AT(3, 0), true, 4, 0x00ff00, BERTH_PCIE_ENDPOINT, "", "g" },
		[E1000E] = { AT(5, 0), AT(3, 1), true, 5, 0x020000, BERTH_PCIE_ENDPOINT, "e1000e",
			     "h" },
		[NVME] = { AT(6, 0), AT(3, 2), true, 7, 0x010802, BERTH_PCIE_ENDPOINT, "vfio-pci",
			   "i" },
		[IGB] = { AT(7, 0), AT(0, 2), true, 8, 0x020000, BERTH_PCIE_ENDPOINT, "igb", "j" },
	};

	memset(dev, 0, NR * sizeof(*dev));
	for (size_t i = 0; i < NR; i++) {
		dev[i].bdf = rows[i].at;
		dev[i].parent = rows[i].parent;
		dev[i].has_parent = rows[i].has_parent;
		dev[i].iommu_group = rows[i].group;
		dev[i].class = rows[i].class;
		dev[i].caps.type = rows[i].type;
		dev[i].path = (char *)(uintptr_t)rows[i].path;
		strcpy(dev[i].driver, rows[i].driver);
	}
}

static void ports_without_acs_let_neighbours_meet(void **state)
{
	struct berth_device dev[NR];
	struct berth_inventory inv = { .devices = dev, .nr = NR };

	(void)state;
	make(dev);
	assert_true(berth_peers_reach(&inv, &dev[EDU], &dev[E1000E]));
	assert_true(berth_peers_reach(&inv, &dev[E1000E], &dev[EDU]));
	/* What an open port does not send up can go down any other one. */
	assert_true(berth_peers_reach(&inv, &dev[EDU], &dev[NVME]));
	assert_false(berth_peers_reach(&inv, &dev[NVME], &dev[EDU]));
	assert_false(berth_peers_reach(&inv, &dev[EDU], &dev[IGB]));
	assert_false(berth_peers_reach(&inv, &dev[IGB], &dev[EDU]));
}

static int ask(struct berth_inventory *inv, const struct berth_device *const *asked, size_t nr,
	       const struct berth_assignment_list *live, struct berth_err *err)
{
	struct berth_units units;
	int r = berth_units_build(inv, asked, nr, &units, NULL);

	assert_int_equal(r, 0);
	r = berth_peers_require(inv, &units.items[0], &units, live, "t1", err);
	berth_units_done(&units);
	return r;
}

static void a_neighbour_at_work_is_refused_with_its_driver(void **state)
{
	struct berth_device dev[NR];
	struct berth_inventory inv = { .devices = dev, .nr = NR };
	const struct berth_device *const edu[] = { &dev[EDU] };
	const struct berth_device *const both[] = { &dev[EDU], &dev[E1000E] };
	const struct berth_assignment_list live = { 0 };
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	make(dev);
	assert_int_equal(ask(&inv, edu, 1, &live, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "0000:05:00.0"));
	assert_non_null(strstr(err.text, "e1000e"));
	assert_int_equal(ask(&inv, both, 2, &live, NULL), 0);
	dev[E1000E].driver[0] = '\0';
	assert_int_equal(ask(&inv, edu, 1, &live, NULL), 0);
}

static void another_vms_neighbour_is_refused_with_its_owner(void **state)
{
	struct berth_device dev[NR];
	struct berth_inventory inv = { .devices = dev, .nr = NR };
	const struct berth_device *const edu[] = { &dev[EDU] };
	char path[] = "h", vm[] = "t2";
	struct berth_member member = { .path = path };
	struct berth_assignment row = { .vm = vm, .members = &member, .nr_members = 1 };
	struct berth_assignment_list live = { &row, 1 };
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	make(dev);
	row.group = path;
	strcpy(dev[E1000E].driver, "vfio-pci");
	assert_int_equal(ask(&inv, edu, 1, &live, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "owned by t2"));
	/* From the port with ACS nothing comes out; but what the other port lets through comes in. */
	strcpy(path, "g");
	assert_int_equal(ask(&inv, (const struct berth_device *const[]){ &dev[NVME] }, 1, &live,
			     NULL),
			 BERTH_REFUSED);
	strcpy(path, "h");
	vm[1] = '1';
	assert_int_equal(ask(&inv, edu, 1, &live, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_without_acs_let_neighbours_meet),
		cmocka_unit_test(a_neighbour_at_work_is_refused_with_its_driver),
		cmocka_unit_test(another_vms_neighbour_is_refused_with_its_owner),
	};

	return cmocka_run_group_tests_name("manager/peers", tests, NULL, NULL);
}
