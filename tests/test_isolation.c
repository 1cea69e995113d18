/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "iommu/isolation.h"

#define ON 0x1d /* SV, RR, CR, UF */

/* The function judged is always 0000:03:00.0 in group 7. */
#define STEP(bus_, type_, acs_, ctrl_, in_group_)                                                  \
	{                                                                                          \
		.at = { 0, (bus_), 0, 0 }, .type = (type_), .in_group = (in_group_),               \
		.acs = (acs_), .acs_cap = 0x5f, .acs_ctrl = (ctrl_)                                \
	}
#define ROOT(acs_, ctrl_, in_group_) STEP(0, BERTH_PCIE_ROOT_PORT, acs_, ctrl_, in_group_)
#define DOWN(acs_, ctrl_, in_group_) STEP(2, BERTH_PCIE_DOWNSTREAM, acs_, ctrl_, in_group_)
#define UP			     STEP(1, BERTH_PCIE_UPSTREAM, BERTH_NO, 0, false)

#define MEMBER(bus_, dev_, fn_, bridge_)                                                           \
	{                                                                                          \
		.at = { 0, (bus_), (dev_), (fn_) }, .bridge = (bridge_), .driver = "thedriver"     \
	}

struct row {
	const char *what;
	int group;
	bool noiommu, override;
	struct berth_isolation_step steps[4];
	size_t nr_steps;
	struct berth_isolation_member members[4];
	size_t nr_members;
	enum berth_isolation want;
	const char *says; /* a part of the reason */
};

#define STEPS(...)                                                                                 \
	.steps = { __VA_ARGS__ },                                                                  \
	.nr_steps = BERTH_ARRAY_SIZE(((struct berth_isolation_step[]){ __VA_ARGS__ }))
#define MEMBERS(...)                                                                               \
	.members = { __VA_ARGS__ },                                                                \
	.nr_members = BERTH_ARRAY_SIZE(((struct berth_isolation_member[]){ __VA_ARGS__ }))

/* clang-format off */
static const struct row rows[] = {
	{ "no group", .group = -1, .want = BERTH_ISOLATION_NO_IOMMU, .says = "no IOMMU group" },
	{ "no group, for all its good ports", .group = -1, STEPS(ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_NO_IOMMU, .says = "intel_iommu=on" },
	{ "a group of vfio's no-IOMMU mode", .group = 7, .noiommu = true,
	  .want = BERTH_ISOLATION_NO_IOMMU, .says = "no-IOMMU mode" },

	{ "alone behind a root port with ACS", .group = 7, STEPS(ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_ISOLATED, .says = "root port 0000:00:00.0" },
	{ "alone on the root bus", .group = 7, .want = BERTH_ISOLATION_ISOLATED,
	  .says = "directly on the root complex" },
	{ "alone behind a switch with ACS", .group = 7,
	  STEPS(DOWN(BERTH_YES, ON, false), UP, ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_ISOLATED, .says = "alone in group 7" },
	{ "a bit that the port does not offer counts as on", .group = 7,
	  STEPS({ .at = { 0, 0, 1, 0 }, .type = BERTH_PCIE_ROOT_PORT, .acs = BERTH_YES,
		  .acs_cap = 0x01, .acs_ctrl = 0x01 }),
	  .want = BERTH_ISOLATION_ISOLATED, .says = "alone" },
	{ "a port without ACS that the kernel vouches for", .group = 7,
	  STEPS(ROOT(BERTH_NO, 0, false)), .want = BERTH_ISOLATION_ISOLATED, .says = "alone" },
	{ "a bridge in the group that redirects needs no owner", .group = 7,
	  STEPS(ROOT(BERTH_YES, ON, true)), MEMBERS(MEMBER(0, 0, 0, true)),
	  .want = BERTH_ISOLATION_ISOLATED, .says = "alone" },

	{ "with its audio function", .group = 7, STEPS(ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(3, 0, 1, false)), .want = BERTH_ISOLATION_MULTIFUNCTION,
	  .says = "0000:03:00.1 (thedriver) of the same slot" },
	{ "with three siblings", .group = 7, STEPS(ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(3, 0, 1, false), MEMBER(3, 0, 2, false), MEMBER(3, 0, 3, false)),
	  .want = BERTH_ISOLATION_MULTIFUNCTION, .says = "0000:03:00.1 (thedriver) and 2 more" },

	{ "with another slot", .group = 7, STEPS(ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(4, 0, 0, false)), .want = BERTH_ISOLATION_SHARED,
	  .says = "group 7 also holds 0000:04:00.0 (thedriver) in another slot" },
	{ "with a sibling and another slot: the other slot is named", .group = 7,
	  STEPS(ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(3, 0, 1, false), MEMBER(3, 1, 0, false)), .want = BERTH_ISOLATION_SHARED,
	  .says = "0000:03:01.0" },
	{ "with another slot, behind a port without ACS: both are named", .group = 7,
	  STEPS(DOWN(BERTH_NO, 0, true), UP, ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(4, 0, 0, false)), .want = BERTH_ISOLATION_SHARED,
	  .says = "another slot; port 0000:02:00.0 has no ACS" },
	{ "switch port without ACS, in the group", .group = 7,
	  STEPS(DOWN(BERTH_NO, 0, true), UP, ROOT(BERTH_YES, ON, false)),
	  MEMBERS(MEMBER(2, 0, 0, true)), .want = BERTH_ISOLATION_SHARED,
	  .says = "port 0000:02:00.0 has no ACS" },
	{ "root port without ACS, in the group", .group = 7, STEPS(ROOT(BERTH_NO, 0, true)),
	  MEMBERS(MEMBER(0, 0, 0, true)), .want = BERTH_ISOLATION_SHARED,
	  .says = "port 0000:00:00.0 has no ACS" },
	{ "switch port whose ACS somebody switched off", .group = 7,
	  STEPS(DOWN(BERTH_YES, 0, false), UP, ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "port 0000:02:00.0 has ACS switched off" },
	{ "one bit of four missing", .group = 7,
	  STEPS(ROOT(BERTH_YES, ON & ~BERTH_ACS_REQUEST_REDIRECT, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "switched off" },
	{ "ACS off further up", .group = 7,
	  STEPS(DOWN(BERTH_YES, ON, false), UP, ROOT(BERTH_YES, 0, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "port 0000:00:00.0" },
	{ "upstream port of a multifunction switch needs ACS", .group = 7,
	  STEPS({ .at = { 0, 1, 0, 0 }, .type = BERTH_PCIE_UPSTREAM, .multifunction = true,
		  .in_group = true, .acs = BERTH_NO },
		ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "port 0000:01:00.0 has no ACS" },
	{ "an upstream port of one function needs none, even in the group", .group = 7,
	  STEPS(STEP(1, BERTH_PCIE_UPSTREAM, BERTH_NO, 0, true), ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_ISOLATED, .says = "alone" },
	{ "behind a PCIe to PCI bridge", .group = 7,
	  STEPS(STEP(1, BERTH_PCIE_TO_PCI, BERTH_NO, 0, true), ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "0000:01:00.0 bridges to conventional PCI" },
	{ "behind a conventional bridge", .group = 7,
	  STEPS(STEP(1, BERTH_PCIE_NONE, BERTH_NO, 0, true)), .want = BERTH_ISOLATION_SHARED,
	  .says = "conventional PCI" },

	{ "override, alone", .group = 7, .override = true, STEPS(ROOT(BERTH_YES, ON, false)),
	  .want = BERTH_ISOLATION_ACS_OVERRIDE, .says = "pcie_acs_override" },
	{ "override, with a sibling", .group = 7, .override = true,
	  STEPS(ROOT(BERTH_YES, ON, false)), MEMBERS(MEMBER(3, 0, 1, false)),
	  .want = BERTH_ISOLATION_ACS_OVERRIDE, .says = "group 7" },
	{ "override, and yet shared", .group = 7, .override = true,
	  STEPS(ROOT(BERTH_YES, ON, false)), MEMBERS(MEMBER(4, 0, 0, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "another slot" },
	{ "override, no group", .group = -1, .override = true, .want = BERTH_ISOLATION_NO_IOMMU,
	  .says = "no IOMMU group" },

	{ "registers out of reach", .group = 7, STEPS(ROOT(BERTH_UNKNOWN, 0, false)),
	  .want = BERTH_ISOLATION_UNKNOWN, .says = "port 0000:00:00.0 cannot be read; run as root" },
	{ "type out of reach", .group = 7,
	  STEPS(STEP(0, BERTH_PCIE_UNKNOWN, BERTH_UNKNOWN, 0, false)),
	  .want = BERTH_ISOLATION_UNKNOWN, .says = "cannot be read" },
	{ "a sibling does not make the unknown known", .group = 7,
	  STEPS(ROOT(BERTH_UNKNOWN, 0, false)), MEMBERS(MEMBER(3, 0, 1, false)),
	  .want = BERTH_ISOLATION_UNKNOWN, .says = "cannot be read" },
	{ "the kernel's bad news needs no registers", .group = 7,
	  STEPS(STEP(0, BERTH_PCIE_UNKNOWN, BERTH_UNKNOWN, 0, true)),
	  .want = BERTH_ISOLATION_SHARED, .says = "the kernel does not trust it" },
	{ "nor does another slot", .group = 7, STEPS(ROOT(BERTH_UNKNOWN, 0, false)),
	  MEMBERS(MEMBER(4, 0, 0, false)), .want = BERTH_ISOLATION_SHARED, .says = "another slot" },
	{ "a spoiler beyond an unknown port is found", .group = 7,
	  STEPS(DOWN(BERTH_UNKNOWN, 0, false), UP, ROOT(BERTH_YES, 0, false)),
	  .want = BERTH_ISOLATION_SHARED, .says = "0000:00:00.0" },
};
/* clang-format on */

static void judges_every_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		const struct berth_isolation_facts facts = {
			.at = { 0, 3, 0, 0 },
			.group = row->group,
			.noiommu = row->noiommu,
			.acs_override = row->override,
			.steps = row->steps,
			.nr_steps = row->nr_steps,
			.members = row->members,
			.nr_members = row->nr_members,
		};
		char reason[BERTH_ISOLATION_REASON] = "";
		enum berth_isolation got = berth_isolation_judge(&facts, reason);

		if (got != row->want)
			fail_msg("%s: %s, because %s", row->what, berth_isolation_name(got),
				 reason);
		if (!strstr(reason, row->says))
			fail_msg("%s: \"%s\" lacks \"%s\"", row->what, reason, row->says);
	}
}

static void names_go_both_ways(void **state)
{
	static const char *const names[] = { "isolated",     "multifunction", "shared",
					     "acs-override", "no-iommu",      "unknown" };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		enum berth_isolation verdict;

		assert_int_equal(berth_isolation_from_name(names[i], &verdict), 0);
		assert_string_equal(berth_isolation_name(verdict), names[i]);
	}
	assert_int_equal(berth_isolation_from_name("Isolated", &(enum berth_isolation){ 0 }),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_every_case),
		cmocka_unit_test(names_go_both_ways),
	};

	return cmocka_run_group_tests_name("iommu/isolation", tests, NULL, NULL);
}
