/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "policy/conflict.h"
#include "policy/load.h"
#include "tests/lib/tmp.h"

/* A GPU with its sound function, and a PF with two VFs. */
enum { GPU, SOUND, PF, VF0, VF1, NR };

static const struct berth_facts *host(void)
{
	static const char *const bdfs[NR] = { "0000:01:00.0", "0000:01:00.1", "0000:03:00.0",
					      "0000:03:10.0", "0000:03:10.2" };
	static const char *const keys[NR] = { "g1", "g1", "g3", "g4", "g5" };
	static struct berth_facts f[NR];

	for (size_t i = 0; i < NR; i++)
		f[i] = (struct berth_facts){ .bdf = bdfs[i],
					     .group_key = keys[i],
					     .vendor = 0x8086,
					     .device = (int32_t)i,
					     .class = i < PF ? 0x030000 : 0x020000,
					     .numa_node = BERTH_FACT_UNKNOWN,
					     .serial = i == SOUND ? "s-1" : NULL,
					     .is_vf = i > PF,
					     .vf_index = i > PF ? (int32_t)(i - VF0) :
								  BERTH_FACT_UNKNOWN,
					     .pf = i > PF ? &f[PF] : NULL };
	return f;
}

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_usage usage[NR];
	struct berth_world *world;
	struct berth_conflicts found;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_conflicts_done(&f->found);
	berth_world_free(f->world);
	berth_policy_free(f->policy);
	tmp_free(f->dir);
	free(f);
	return 0;
}

/* What is wrong with { "version": 1, NAMES, @body }, without NAMES when @body has devices; the time is 1000. */
static void find(struct fixture *f, const char *body)
{
	static const char names[] =
		"\"devices\": [ { \"name\": \"gpu\", \"match\": { \"pci.bdf\": \"01:00.0\" } },"
		" { \"name\": \"sound\", \"match\": { \"pci.bdf\": \"01:00.1\" } },"
		" { \"name\": \"pf\", \"match\": { \"pci.bdf\": \"03:00.0\" } } ],"
		"\"classes\": [ { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true } } ]";
	struct berth_world_input in = { NULL, host(), f->usage, NR, 1000 };
	struct berth_err err = BERTH_ERR_INIT;
	char path[512], *text;
	const char *paths[1];

	assert_true(asprintf(&text, "{ \"version\": 1, %s%s%s }",
			     strstr(body, "\"devices\"") ? "" : names,
			     *body && !strstr(body, "\"devices\"") ? ", " : "", body) > 0);
	tmp_text(f->dir, "p", text);
	free(text);
	paths[0] = tmp_path(f->dir, "p", path, sizeof(path));
	berth_conflicts_done(&f->found);
	berth_world_free(f->world);
	f->world = NULL;
	berth_policy_free(f->policy);
	f->policy = NULL;
	if (berth_policy_load_files(paths, 1, &f->policy, &err))
		fail_msg("%s", err.text);
	in.policy = f->policy;
	assert_int_equal(berth_world_new(&f->world, &in, &err), 0);
	assert_int_equal(berth_conflicts_find(f->world, &f->found, &err), 0);
}

/* Exactly these; -1 ends the list. */
static void expect(const struct fixture *f, const int *codes)
{
	size_t nr = 0;

	while (codes[nr] >= 0)
		nr++;
	for (size_t i = 0; i < f->found.nr; i++) {
		if (i >= nr || (int)f->found.items[i].code != codes[i])
			fail_msg("number %zu is %s", i, f->found.items[i].text);
	}
	assert_int_equal(f->found.nr, nr);
}
#define EXPECT(f, ...) expect(f, (const int[]){ __VA_ARGS__, -1 })
#define EXPECT_NONE(f) expect(f, (const int[]){ -1 })

#define RULE(effect, priority, subject, resource)                                                  \
	"{ \"effect\": \"" effect "\", \"priority\": " #priority ", \"subject\": { " subject       \
	" }, \"resource\": { " resource " } }"
#define VM(name) "\"vm\": \"" name "\""
#define ANY_VM	 "\"any_vm\": true"
#define GPU_IS	 "\"device\": \"gpu\""

static void a_policy_without_mistakes_has_none(void **state)
{
	struct fixture *f = *state;

	find(f, "");
	EXPECT_NONE(f);
	find(f, "\"rules\": [" RULE("allow", 1, ANY_VM, "\"class\": \"vf\"") "," RULE(
			"pin", 1, VM("db"), GPU_IS) "," RULE("deny", 0, VM("x"), GPU_IS) "]");
	EXPECT_NONE(f);
}

static void rules_of_equal_weight_contradict_each_other(void **state)
{
	struct fixture *f = *state;

	find(f, "\"rules\": [" RULE("allow", 7, VM("t*"), GPU_IS) "," RULE("pin", 7, VM("db"),
									   GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_EQUAL_WEIGHT);
	assert_int_equal(f->found.items[0].device, GPU);
	assert_string_equal(f->found.items[0].origin->pointer, "/rules/0");
	assert_string_equal(f->found.items[0].other->pointer, "/rules/1");
	assert_non_null(
		strstr(f->found.items[0].text, "gives 0000:01:00.0 to a VM that the rule at "));
	/* two pins */
	find(f, "\"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE("pin", 7, VM("b"),
									GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_EQUAL_WEIGHT);
	/* not when one is heavier, the subjects are the same, or a third one decides */
	find(f, "\"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE("allow", 7, VM("a"),
									GPU_IS) "]");
	EXPECT_NONE(f);
	find(f, "\"rules\": [" RULE("allow", 7, VM("a"), GPU_IS) "," RULE(
			"pin", 7, VM("b"), GPU_IS) "," RULE("deny", 0, VM("a"), GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_SHADOWED);
}

static void pins_may_not_split_a_group(void **state)
{
	struct fixture *f = *state;

	find(f, "\"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE(
			"pin", 7, VM("b"), "\"device\": \"sound\"") "]");
	EXPECT(f, BERTH_CONFLICT_PINS_SPLIT_GROUP);
	find(f, "\"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE(
			"pin", 7, VM("a"), "\"device\": \"sound\"") "]");
	EXPECT_NONE(f);
}

static void tenants_may_not_share_a_vm(void **state)
{
	struct fixture *f = *state;

	find(f, "\"tenants\": [ { \"name\": \"a\", \"vms\": [\"ml-*\"] },"
		" { \"name\": \"b\", \"vms\": [\"ml-?\"] } ]");
	EXPECT(f, BERTH_CONFLICT_TWO_TENANTS);
	find(f, "\"tenants\": [ { \"name\": \"a\", \"vms\": [\"ml-*\"] },"
		" { \"name\": \"b\", \"vms\": [\"db\"] } ]");
	EXPECT_NONE(f);
}

#define RESERVE(count, from, until)                                                                \
	"{ \"effect\": \"reserve\", \"subject\": { \"vm\": \"a\" }, \"resource\": "                \
	"{ \"class\": \"vf\", \"count\": " #count " }, \"from\": \"1970-01-01T0" from              \
	":00Z\", \"until\": \"1970-01-01T0" until ":00Z\" }"

static void reserves_at_once_may_not_want_more_than_there_is(void **state)
{
	struct fixture *f = *state;

	find(f, "\"rules\": [" RESERVE(1, "1", "3") "," RESERVE(2, "2", "4") "]");
	EXPECT(f, BERTH_CONFLICT_OVER_RESERVED);
	assert_string_equal(f->found.items[0].origin->pointer, "/rules/1");
	find(f, "\"rules\": [" RESERVE(1, "1", "3") "," RESERVE(1, "2", "4") "]");
	EXPECT_NONE(f);
	find(f, "\"rules\": [" RESERVE(2, "1", "2") "," RESERVE(2, "2", "4") "]");
	EXPECT_NONE(f);
	find(f, "\"rules\": [" RESERVE(3, "1", "2") "]");
	EXPECT(f, BERTH_CONFLICT_OVER_RESERVED);
}

static void what_may_be_meant_otherwise_is_a_warning(void **state)
{
	struct fixture *f = *state;

	find(f, "\"pools\": [ { \"name\": \"p\", \"class\": \"vf\" }, { \"name\": \"q\","
		" \"class\": \"vf\", \"match\": { \"pci.vf_index\": 0 } } ]");
	EXPECT(f, BERTH_CONFLICT_TWO_POOLS);
	assert_int_equal(f->found.items[0].device, VF0);
	assert_false(berth_conflict_is_error(f->found.items[0].code));

	find(f, "\"rules\": [" RULE("allow", 0, ANY_VM, "\"device\": \"pf\"") "," RULE(
			"allow", 0, ANY_VM, "\"class\": \"vf\"") "]");
	EXPECT(f, BERTH_CONFLICT_PF_AND_VFS);

	find(f, "\"rules\": [" RULE("allow", 0, ANY_VM,
				    "\"match\": { \"pci.id\": \"dead:beef\" }") "]");
	EXPECT(f, BERTH_CONFLICT_FITS_NOTHING);
	assert_non_null(
		strstr(f->found.items[0].text, ": /rules/0: the rule fits no device of this host"));

	find(f, "\"tenants\": [ { \"name\": \"a\", \"vms\": [\"x\"], \"quota\":"
		" { \"vf\": { \"hard\": 3 } } } ]");
	EXPECT(f, BERTH_CONFLICT_LARGE_QUOTA);
	find(f, "\"tenants\": [ { \"name\": \"a\", \"vms\": [\"x\"], \"quota\":"
		" { \"vf\": { \"hard\": 2 } } } ]");
	EXPECT_NONE(f);
}

static void what_is_protected_should_not_be_given(void **state)
{
	struct fixture *f = *state;

	find(f, "\"protect\": [ { \"name\": \"g\", \"match\": { \"pci.id\": \"8086:0000\" } } ],"
		"\"rules\": [" RULE("allow", 0, ANY_VM, GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_PROTECTED);
	f->usage[VF1].safety = "default-route";
	find(f, "\"rules\": [" RULE("allow", 0, ANY_VM, "\"class\": \"vf\"") "]");
	EXPECT(f, BERTH_CONFLICT_PROTECTED);
	assert_int_equal(f->found.items[0].device, VF1);
	/* who says every device means those that can be had */
	find(f, "\"rules\": [" RULE("allow", 0, ANY_VM, "\"any_device\": true") "]");
	EXPECT_NONE(f);
}

static void a_rule_behind_heavier_ones_never_decides(void **state)
{
	struct fixture *f = *state;

	find(f, "\"rules\": [" RULE("allow", 5, ANY_VM, GPU_IS) "," RULE("pin", 4, VM("a"),
									 GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_SHADOWED);
	assert_string_equal(f->found.items[0].origin->pointer, "/rules/1");
	find(f, "\"rules\": [" RULE("deny", 0, VM("t*"), GPU_IS) "," RULE("allow", 4, VM("t1"),
									  GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_SHADOWED);
	/* not for every VM, not for every device */
	find(f, "\"rules\": [" RULE("deny", 0, VM("t1"), GPU_IS) "," RULE("allow", 4, VM("t*"),
									  GPU_IS) "]");
	EXPECT_NONE(f);
	find(f, "\"rules\": [" RULE("allow", 5, ANY_VM, GPU_IS) "," RULE(
			"allow", 4, VM("a"), "\"any_device\": true") "]");
	EXPECT_NONE(f);
}

static void a_device_whose_serial_number_is_elsewhere_has_moved(void **state)
{
	struct fixture *f = *state;

	find(f, "\"devices\": [ { \"name\": \"card\", \"match\": { \"pci.path\": \"PC00/09.0\" },"
		" \"expect\": { \"serial\": \"s-1\" } } ]");
	EXPECT(f, BERTH_CONFLICT_MOVED);
	assert_int_equal(f->found.items[0].device, SOUND);
	assert_false(berth_conflict_is_error(f->found.items[0].code));
	assert_string_equal(berth_conflict_name(f->found.items[0].code), "MOVED");
	assert_non_null(strstr(f->found.items[0].text,
			       ":1:30: /devices/0: device \"card\" has moved from PC00/09.0 to "
			       "another place (0000:01:00.1, serial s-1); nothing follows it"));
	find(f, "\"devices\": [ { \"name\": \"card\", \"match\": { \"pci.bdf\": \"01:00.1\" },"
		" \"expect\": { \"serial\": \"s-1\" } } ]");
	EXPECT_NONE(f);
}

static void errors_come_first(void **state)
{
	struct fixture *f = *state;

	find(f, "\"pools\": [ { \"name\": \"p\", \"class\": \"vf\" }, { \"name\": \"q\","
		" \"class\": \"vf\" } ], \"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE(
			"pin", 7, VM("b"), GPU_IS) "]");
	EXPECT(f, BERTH_CONFLICT_EQUAL_WEIGHT, BERTH_CONFLICT_TWO_POOLS);
	assert_string_equal(berth_conflict_name(f->found.items[0].code), "EQUAL_WEIGHT");
}

/* Policies and what is found in them: the exact list, in order. */
struct row {
	const char *body;
	int codes[3]; /* -1 ends the list */
};

static void expect_rows(struct fixture *f, const struct row *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		find(f, rows[i].body);
		expect(f, rows[i].codes);
	}
}

#define TENANTS(a, b)                                                                              \
	"\"tenants\": [ { \"name\": \"t\", \"vms\": [\"" a                                         \
	"\"] }, { \"name\": \"u\", \"vms\": [\"" b "\"] } ], "
#define SOUND_IS      "\"device\": \"sound\""
#define VF_IS	      "\"class\": \"vf\""
#define NUMA_IS(node) "\"match\": { \"numa.node\": " #node " }" /* which nobody knows here */
#define TENANT(name)  "\"tenant\": \"" name "\""

static void who_a_rule_is_about_decides_whether_it_is_shadowed(void **state)
{
	static const struct row rows[] = {
		/* by tenant, and that tenant only */
		{ TENANTS("db", "web") "\"rules\": [" RULE("deny", 0, VM("db"), GPU_IS) "," RULE(
			  "allow", 4, TENANT("t"), GPU_IS) "]",
		  { BERTH_CONFLICT_SHADOWED, -1 } },
		{ TENANTS("db", "web") "\"rules\": [" RULE("deny", 0, VM("web"), GPU_IS) "," RULE(
			  "allow", 4, TENANT("t"), GPU_IS) "]",
		  { -1 } },
		/* a heavier pin to another VM */
		{ "\"rules\": [" RULE("pin", 7, VM("db"), GPU_IS) "," RULE("allow", 4, VM("t1"),
									   GPU_IS) "]",
		  { BERTH_CONFLICT_SHADOWED, -1 } },
		/* a pin does something for those whom it keeps away */
		{ "\"rules\": [" RULE("allow", 5, VM("a"), GPU_IS) "," RULE("pin", 4, VM("a"),
									    GPU_IS) "]",
		  { -1 } },
		/* two that deny are one too many, and no mistake */
		{ "\"rules\": [" RULE("deny", 5, ANY_VM, GPU_IS) "," RULE("deny", 4, VM("a"),
									  GPU_IS) "]",
		  { -1 } },
		/* of a device that may be meant as well nobody knows */
		{ "\"rules\": [" RULE("deny", 5, ANY_VM, GPU_IS) "," RULE(
			  "allow", 4, VM("a"),
			  "\"match\": { \"any\": [ { \"pci.bdf\": \"01:00.0\" }, { \"numa.node\": 0 } ] }") "]",
		  { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

#define IN_1970(effect, priority, resource, when)                                                  \
	"{ \"effect\": \"" effect "\", \"priority\": " #priority                                   \
	", \"subject\": { \"any_vm\": true }, \"resource\": { " resource " }, " when " }"

#define PAST_RESERVE                                                                                    \
	"{ \"effect\": \"reserve\", \"subject\": { \"vm\": \"a\" }, \"resource\": { \"class\": \"vf\"," \
	" \"count\": 3 }, \"until\": \"1970-01-01T00:10Z\" }"

/* The time is 1000 s after the beginning of 1970. */
static void rules_of_another_time_are_left_out(void **state)
{
	static const struct row rows[] = {
		/* denied for some hours only */
		{ "\"rules\": [" IN_1970("deny", 5, GPU_IS,
					 "\"until\": \"1970-01-01T05:00Z\"") "," RULE("allow", 4,
										      VM("a"),
										      GPU_IS) "]",
		  { -1 } },
		/* allowed from tomorrow on */
		{ "\"rules\": [" RULE("allow", 5, ANY_VM, GPU_IS) "," IN_1970(
			  "allow", 4, GPU_IS, "\"from\": \"1970-01-02T05:00Z\"") "]",
		  { -1 } },
		/* too many, but long ago */
		{ "\"rules\": [" PAST_RESERVE "]", { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

static void what_is_reserved_whole_counts_whole(void **state)
{
	static const struct row rows[] = {
		{ "\"rules\": [" RULE("reserve", 5, VM("a"), VF_IS) "," RULE(
			  "reserve", 6, VM("b"), VF_IS ", \"count\": 1") "]",
		  { BERTH_CONFLICT_OVER_RESERVED, -1 } },
		{ "\"rules\": [" RULE("reserve", 5, VM("a"), VF_IS) "," RULE("allow", 5, VM("t"),
									     VF_IS) "]",
		  { BERTH_CONFLICT_EQUAL_WEIGHT, -1 } },
		/* nothing to be reserved at all is said once; its class has no other name */
		{ "\"pools\": [ { \"name\": \"none\", \"class\": \"vf\", \"match\": { \"pci.id\":"
		  " \"dead:beef\" } } ], \"rules\": [" RULE("reserve", 5, VM("a"),
							    "\"pool\": \"none\", \"count\": 1") "]",
		  { BERTH_CONFLICT_FITS_NOTHING, -1 } },
		/* a number of them may come after others */
		{ "\"rules\": [" RULE("allow", 9, ANY_VM, VF_IS) "," RULE(
			  "reserve", 4, VM("a"), VF_IS ", \"count\": 1") "]",
		  { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

static void each_device_is_looked_at_by_its_own_rules(void **state)
{
	static const struct row rows[] = {
		/* as many sets as the GPU before it, but others; and more */
		{ "\"rules\": [" RULE("pin", 7, VM("a"), SOUND_IS) "," RULE("allow", 7, VM("t"),
									    SOUND_IS) "]",
		  { BERTH_CONFLICT_EQUAL_WEIGHT, -1 } },
		{ "\"rules\": [" RULE("pin", 7, VM("a"), "\"match\": { \"pci.bdf\": \"01:00.1\" }") "," RULE(
			  "allow", 7, VM("t"), "\"match\": { \"pci.bdf\": \"01:00.1\" }") "]",
		  { BERTH_CONFLICT_EQUAL_WEIGHT, -1 } },
		/* those who share a group may share it, and what only allows is no pin */
		{ "\"rules\": [" RULE("allow", 7, VM("a"), GPU_IS) "," RULE("allow", 7, VM("b"),
									    SOUND_IS) "]",
		  { -1 } },
		{ "\"rules\": [" RULE("pin", 7, VM("a"), GPU_IS) "," RULE(
			  "pin", 7, "\"vm\": [\"a\", \"b\"]", SOUND_IS) "]",
		  { -1 } },
		{ "\"rules\": [" RULE("pin", 7, "\"vm\": [\"a\", \"b\"]",
				      GPU_IS) "," RULE("pin", 7, VM("a"), SOUND_IS) "]",
		  { -1 } },
		/* of two pins the heavier one counts */
		{ "\"rules\": [" RULE("pin", 6, VM("a"), GPU_IS) "," RULE(
			  "pin", 8, VM("b"), GPU_IS) "," RULE("pin", 8, VM("b"), SOUND_IS) "]",
		  { BERTH_CONFLICT_SHADOWED, -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

static void what_only_may_fit_is_no_conflict(void **state)
{
	static const struct row rows[] = {
		{ "\"rules\": [" RULE("allow", 0, ANY_VM, NUMA_IS(0)) "]", { -1 } },
		{ "\"pools\": [ { \"name\": \"p\", \"class\": \"vf\" }, { \"name\": \"q\", \"class\": \"vf\", " NUMA_IS(
			  0) " } ]",
		  { -1 } },
		{ "\"taints\": [ { \"taint\": \"x\", \"effect\": \"no-new\", \"resource\": { " NUMA_IS(
			  0) " } } ]",
		  { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

static void what_fits_nothing_is_said_of_taints_and_protection_too(void **state)
{
	static const struct row rows[] = {
		{ "\"taints\": [ { \"taint\": \"x\", \"effect\": \"no-new\", \"resource\":"
		  " { \"match\": { \"pci.id\": \"dead:beef\" } } } ]",
		  { BERTH_CONFLICT_FITS_NOTHING, -1 } },
		{ "\"protect\": [ { \"name\": \"x\", \"match\": { \"pci.id\": \"dead:beef\" } } ]",
		  { BERTH_CONFLICT_FITS_NOTHING, -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

#define PROTECT_GPU                                                                                \
	"\"protect\": [ { \"name\": \"g\", \"match\": { \"pci.id\": \"8086:0000\" } } ], "

static void who_denies_or_lifts_protection_gives_nothing_protected(void **state)
{
	static const struct row rows[] = {
		{ PROTECT_GPU "\"rules\": [" RULE("deny", 0, ANY_VM, GPU_IS) "]", { -1 } },
		{ PROTECT_GPU "\"rules\": [ { \"effect\": \"allow\", \"subject\": { " ANY_VM
			      " }, \"resource\": { " GPU_IS " }, \"override_protect\": true } ]",
		  { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

/* The patterns have no name in common that one would think of, but this VM. */
static void the_vm_of_a_claim_may_be_of_two_tenants(void **state)
{
	static const struct row rows[] = {
		{ TENANTS("ml-*",
			  "*-x") "\"claims\": [ { \"vm\": \"ml-x\", \"requests\": [ { \"name\":"
				 " \"v\", \"class\": \"vf\" } ] } ]",
		  { BERTH_CONFLICT_TWO_TENANTS, -1 } },
		{ TENANTS("ml-*",
			  "*-x") "\"claims\": [ { \"vm\": \"ml-y\", \"requests\": [ { \"name\":"
				 " \"v\", \"class\": \"vf\" } ] } ]",
		  { -1 } },
	};

	expect_rows(*state, rows, BERTH_ARRAY_SIZE(rows));
}

/* Found last, but first in the file. */
static void of_equal_severity_the_place_decides(void **state)
{
	struct fixture *f = *state;

	find(f,
	     "\"rules\": [" RULE(
		     "allow", 0, ANY_VM,
		     "\"match\": { \"pci.id\": \"dead:beef\" }") "],"
								 "\"pools\": [ { \"name\": \"p\", \"class\": \"vf\" }, { \"name\": \"q\","
								 " \"class\": \"vf\" } ]");
	EXPECT(f, BERTH_CONFLICT_FITS_NOTHING, BERTH_CONFLICT_TWO_POOLS);
}

static void more_than_anybody_would_read_are_cut_off(void **state)
{
	static char body[(BERTH_CONFLICTS_MAX + 1) * 160] = "\"rules\": [ ";
	struct fixture *f = *state;
	size_t len = strlen(body);

	for (int i = 0; i <= BERTH_CONFLICTS_MAX; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%s%s", i ? ", " : "",
					RULE("allow", 0, ANY_VM,
					     "\"match\": { \"pci.id\": \"dead:beef\" }"));
	snprintf(body + len, sizeof(body) - len, " ]");
	find(f, body);
	assert_int_equal(f->found.nr, BERTH_CONFLICTS_MAX);
	assert_true(f->found.more);
	find(f, "");
	assert_false(f->found.more);
}

int main(void)
{
#define CONFLICT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CONFLICT_TEST(a_policy_without_mistakes_has_none),
		CONFLICT_TEST(rules_of_equal_weight_contradict_each_other),
		CONFLICT_TEST(pins_may_not_split_a_group),
		CONFLICT_TEST(tenants_may_not_share_a_vm),
		CONFLICT_TEST(reserves_at_once_may_not_want_more_than_there_is),
		CONFLICT_TEST(what_may_be_meant_otherwise_is_a_warning),
		CONFLICT_TEST(what_is_protected_should_not_be_given),
		CONFLICT_TEST(a_rule_behind_heavier_ones_never_decides),
		CONFLICT_TEST(a_device_whose_serial_number_is_elsewhere_has_moved),
		CONFLICT_TEST(errors_come_first),
		CONFLICT_TEST(who_a_rule_is_about_decides_whether_it_is_shadowed),
		CONFLICT_TEST(rules_of_another_time_are_left_out),
		CONFLICT_TEST(what_is_reserved_whole_counts_whole),
		CONFLICT_TEST(each_device_is_looked_at_by_its_own_rules),
		CONFLICT_TEST(what_only_may_fit_is_no_conflict),
		CONFLICT_TEST(what_fits_nothing_is_said_of_taints_and_protection_too),
		CONFLICT_TEST(who_denies_or_lifts_protection_gives_nothing_protected),
		CONFLICT_TEST(the_vm_of_a_claim_may_be_of_two_tenants),
		CONFLICT_TEST(of_equal_severity_the_place_decides),
		CONFLICT_TEST(more_than_anybody_would_read_are_cut_off),
	};

	return cmocka_run_group_tests_name("policy/conflict", tests, NULL, NULL);
}
