/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/json.h"
#include "policy/explain.h"
#include "policy/load.h"
#include "tests/lib/tmp.h"

/* The same host for all: a GPU with its sound function, a PF with three VFs, a second GPU whose serial is unknown. */
enum { GPU, SOUND, PF, VF0, VF1, VF2, GPU2, NR };

static const struct berth_facts *host(void)
{
	static struct berth_facts f[NR];

	for (size_t i = 0; i < NR; i++)
		f[i] = (struct berth_facts){ .subsystem_vendor = BERTH_FACT_UNKNOWN,
					     .subsystem_device = BERTH_FACT_UNKNOWN,
					     .numa_node = BERTH_FACT_UNKNOWN,
					     .vf_index = BERTH_FACT_UNKNOWN,
					     .vendor = 0x8086 };
	f[GPU].bdf = "0000:01:00.0";
	f[GPU].class = 0x030000;
	f[GPU].vendor = 0x1234;
	f[GPU].device = 0x1111;
	f[GPU].serial = "gpu-one";
	f[GPU].numa_node = 0;
	f[SOUND].bdf = "0000:01:00.1";
	f[SOUND].class = 0x040300;
	f[SOUND].device = 0x2668;
	f[PF].bdf = "0000:03:00.0";
	f[PF].class = 0x020000;
	f[PF].device = 0x10c9;
	for (int i = 0; i < 3; i++) {
		static const char *const bdfs[] = { "0000:03:10.0", "0000:03:10.2",
						    "0000:03:10.4" };

		f[VF0 + i].bdf = bdfs[i];
		f[VF0 + i].class = 0x020000;
		f[VF0 + i].device = 0x10ca;
		f[VF0 + i].is_vf = true;
		f[VF0 + i].vf_index = i;
		f[VF0 + i].pf = &f[PF];
	}
	f[GPU2].bdf = "0000:02:00.0";
	f[GPU2].class = 0x030000;
	f[GPU2].vendor = 0x1234;
	f[GPU2].device = 0x1111;
	return f;
}

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_usage usage[NR];
	int64_t now;
	struct berth_world *world;
	struct berth_verdict verdict;
	char text[512];
	struct berth_err err;
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

	berth_world_free(f->world);
	berth_policy_free(f->policy);
	tmp_free(f->dir);
	free(f);
	return 0;
}

/* The policy { "version": 1, @body }. */
static void policy(struct fixture *f, const char *body)
{
	char path[512];
	const char *const paths[] = { path };
	char *text;

	assert_true(asprintf(&text, "{ \"version\": 1%s%s }", *body ? ", " : "", body) > 0);
	tmp_text(f->dir, "p", text);
	free(text);
	tmp_path(f->dir, "p", path, sizeof(path));
	berth_policy_free(f->policy);
	f->policy = NULL;
	berth_err_clear(&f->err);
	if (berth_policy_load_files(paths, 1, &f->policy, &f->err))
		fail_msg("%s", f->err.text);
}

/* The world anew, from f->policy, f->usage and f->now. */
static void look(struct fixture *f)
{
	const struct berth_world_input in = { f->policy, host(), f->usage, NR, f->now };

	berth_world_free(f->world);
	f->world = NULL;
	assert_int_equal(berth_world_new(&f->world, &in, &f->err), 0);
}

static enum berth_reason ask(struct fixture *f, uint32_t device, bool companion,
			     const struct berth_question *q, struct berth_trace *trace)
{
	look(f);
	assert_int_equal(berth_decide(f->world, device, companion, q, &f->verdict, trace), 0);
	berth_explain_verdict(f->world, &f->verdict, f->text, sizeof(f->text));
	return f->verdict.reason;
}

static enum berth_reason decide(struct fixture *f, uint32_t device, const char *vm)
{
	return ask(f, device, false, &(struct berth_question){ .vm = vm }, NULL);
}

#define CLASSES                                                                                    \
	"\"classes\": [ { \"name\": \"gpu\", \"match\": { \"pci.class\": \"03??\" } },"            \
	" { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true, \"pf.pci.bdf\": \"03:00.0\" } } ]"
#define ALLOW(vm, resource)                                                                        \
	"{ \"effect\": \"allow\", \"subject\": { \"vm\": \"" vm "\" }, \"resource\": { " resource  \
	" } }"
#define DENY(vm, resource)                                                                         \
	"{ \"effect\": \"deny\", \"subject\": { \"vm\": \"" vm "\" }, \"resource\": { " resource   \
	" } }"

static void without_a_file_everything_is_allowed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_policy_load(&(struct berth_host){ .lib = f->dir,
								 .etc = f->dir,
								 .run = f->dir },
					   &f->policy, &f->err),
			 0);
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_NO_POLICY);
	assert_true(f->verdict.allow);
	assert_string_equal(f->text, "there is no policy file: root decides about 0000:01:00.0");
}

static void with_a_file_what_no_rule_allows_is_refused(void **state)
{
	struct fixture *f = *state;

	policy(f, "");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_false(f->verdict.allow);
	assert_null(f->verdict.origin);
	assert_string_equal(f->text,
			    "no policy rule allows 0000:01:00.0 for VM t1; 'berth policy explain "
			    "0000:01:00.0 --vm t1' shows every rule");
}

static void a_rule_allows_by_vm_glob_and_class(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES ", \"rules\": [" ALLOW("ml-*", "\"class\": \"gpu\"") "]");
	assert_int_equal(decide(f, GPU, "ml-7"), BERTH_REASON_RULE_ALLOWS);
	assert_true(f->verdict.allow);
	assert_non_null(strstr(f->text, "/p:1:"));
	assert_non_null(strstr(f->text, ", /rules/0) allows 0000:01:00.0 for VM ml-7"));
	assert_int_equal(decide(f, GPU, "db"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, PF, "ml-7"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, VF1, "ml-7"), BERTH_REASON_NO_RULE_ALLOWS);
}

static void rules_reach_devices_pools_and_matches(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES
	       ", \"devices\": [ { \"name\": \"one\", \"match\": { \"serial\": \"gpu-one\" } } ],"
	       "\"pools\": [ { \"name\": \"low\", \"class\": [\"gpu\", \"vf\"], "
	       "\"match\": { \"pci.vf_index\": \"0-1\" } } ], \"rules\": [" ALLOW("a", "\"device\": \"one\"") "," ALLOW(
		       "b",
		       "\"pool\": \"low\"") "," ALLOW("c",
						      "\"match\": { \"pci.id\": \"8086:*\" }") "," ALLOW("d",
													 "\"any_device\": true") "]");
	assert_int_equal(decide(f, GPU, "a"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU2, "a"),
			 BERTH_REASON_NO_RULE_ALLOWS); /* its serial is unknown */
	assert_int_equal(decide(f, VF1, "b"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, VF2, "b"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "b"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, SOUND, "c"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "c"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU2, "d"), BERTH_REASON_RULE_ALLOWS);
}

static void a_deny_beats_every_allow_whatever_the_priority(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES
	       ", \"rules\": [ { \"name\": \"no\", \"priority\": 1, \"effect\": \"deny\", "
	       "\"subject\": { \"any_vm\": true }, \"resource\": { \"class\": \"gpu\" } },"
	       "{ \"name\": \"yes\", \"priority\": 999, \"effect\": \"allow\", "
	       "\"subject\": { \"vm\": \"t1\" }, \"resource\": { \"any_device\": true } } ]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_DENIES);
	assert_false(f->verdict.allow);
	assert_non_null(strstr(f->text, "rule \"no\" ("));
	assert_non_null(strstr(f->text, ", /rules/0) denies 0000:01:00.0 to VM t1"));
	assert_string_equal(f->verdict.origin->pointer, "/rules/0");
	assert_int_equal(decide(f, PF, "t1"), BERTH_REASON_RULE_ALLOWS);
}

static void a_deny_that_may_apply_counts(void **state)
{
	struct fixture *f = *state;

	policy(f, "\"rules\": [" DENY("*", "\"match\": { \"serial\": \"bad\" }") "," ALLOW(
			  "*", "\"any_device\": true") "]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU2, "t1"), BERTH_REASON_RULE_MAY_DENY);
	assert_false(f->verdict.allow);
	assert_non_null(strstr(f->text, "its serial is not known, and unknown means no"));
}

static void the_strongest_allow_is_named(void **state)
{
	struct fixture *f = *state;

	policy(f,
	       "\"rules\": [ { \"priority\": 5, \"effect\": \"allow\", \"subject\": { \"any_vm\": true }, "
	       "\"resource\": { \"any_device\": true } },"
	       "{ \"priority\": 7, \"effect\": \"allow\", \"subject\": { \"any_vm\": true }, "
	       "\"resource\": { \"any_device\": true } },"
	       "{ \"priority\": 7, \"effect\": \"allow\", \"subject\": { \"any_vm\": true }, "
	       "\"resource\": { \"any_device\": true } } ]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_string_equal(f->verdict.origin->pointer, "/rules/1");
}

static void a_companion_needs_no_allow_but_bows_to_a_deny(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES ", \"rules\": [" ALLOW("t1", "\"class\": \"gpu\"") "," DENY(
			  "t2", "\"match\": { \"pci.class\": \"0403\" }") "]");
	ask(f, SOUND, true, &(struct berth_question){ .vm = "t1" }, NULL);
	assert_int_equal(f->verdict.reason, BERTH_REASON_COMPANION);
	assert_true(f->verdict.allow);
	ask(f, SOUND, true, &(struct berth_question){ .vm = "t2" }, NULL);
	assert_int_equal(f->verdict.reason, BERTH_REASON_RULE_DENIES);
	assert_false(f->verdict.allow);
}

#define GPU_AT(expect)                                                                                         \
	"\"devices\": [ { \"name\": \"g\", \"match\": { \"pci.bdf\": \"01:00.0\" }, \"bind\": \"auto\","       \
	" \"net\": { \"vlan\": 7 }, \"expect\": { " expect " } },"                                             \
	" { \"name\": \"g2\", \"match\": { \"pci.bdf\": \"02:00.0\" }, \"expect\": { \"serial\": \"x\" } } ]," \
	"\"rules\": [" ALLOW("*", "\"any_device\": true") "]"

static void a_changed_identity_goes_to_nobody(void **state)
{
	struct fixture *f = *state;

	policy(f, GPU_AT("\"pci.id\": \"1234:1111\""));
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU2, "t1"), BERTH_REASON_IDENTITY_UNKNOWN);
	assert_non_null(strstr(f->text, "but its serial is unknown"));

	policy(f, GPU_AT("\"pci.id\": \"10de:*\""));
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_IDENTITY_CHANGED);
	assert_false(f->verdict.allow);
	assert_non_null(strstr(f->text, "0000:01:00.0 is where policy expects device \"g\" ("));
	assert_non_null(strstr(f->text, ", /devices/0), but its pci.id is 1234:1111"));
	ask(f, GPU, true, &(struct berth_question){ .vm = "t1" }, NULL);
	assert_false(f->verdict.allow);
}

static void the_trace_holds_every_check(void **state)
{
	struct fixture *f = *state;
	struct berth_trace trace = { .all_rules = true };
	const struct berth_check *c;

	policy(f, CLASSES
	       ", \"devices\": [ { \"name\": \"g\", \"match\": { \"pci.bdf\": \"01:00.0\" }, "
	       "\"expect\": { \"pci.id\": \"1234:*\" } }, { \"name\": \"other\", \"match\": "
	       "{ \"pci.bdf\": \"09:00.0\" } } ], \"rules\": [" ALLOW(
		       "t*", "\"class\": \"gpu\"") "," DENY("x",
							    "\"match\": { \"numa.node\": 1 }") "]");
	ask(f, GPU, false, &(struct berth_question){ .vm = "t1" }, &trace);
	assert_int_equal(trace.nr, 6);
	c = trace.items;
	assert_string_equal(c[0].what, "device");
	assert_string_equal(c[0].name, "g");
	assert_int_equal(c[0].device, BERTH_YES);
	assert_int_equal(c[0].result, BERTH_CHECK_NONE);
	assert_string_equal(c[1].effect, "expect");
	assert_int_equal(c[1].device, BERTH_YES);
	assert_int_equal(c[1].result, BERTH_CHECK_PASS);
	assert_string_equal(c[2].what, "class");
	assert_string_equal(c[2].name, "gpu");
	assert_string_equal(c[3].effect, "allow");
	assert_int_equal(c[3].vm, BERTH_YES);
	assert_int_equal(c[3].device, BERTH_YES);
	assert_int_equal(c[3].result, BERTH_CHECK_PASS);
	assert_int_equal(c[3].vote, BERTH_VOTE_ALLOW);
	assert_string_equal(c[4].effect, "deny");
	assert_int_equal(c[4].vm, BERTH_NO);
	assert_int_equal(c[4].device, BERTH_NO);
	assert_string_equal(c[4].term, "numa.node");
	assert_int_equal(c[4].result, BERTH_CHECK_NONE);
	assert_int_equal(c[5].code, BERTH_REASON_OWNED);
	assert_int_equal(c[5].result, BERTH_CHECK_PASS);
	berth_trace_done(&trace);
	/* without all_rules, those about other devices are left out */
	ask(f, GPU, false, &(struct berth_question){ .vm = "t1" }, &trace);
	assert_int_equal(trace.nr, 5);
	berth_trace_done(&trace);
	ask(f, GPU, false, &(struct berth_question){ .vm = NULL }, &trace);
	assert_int_equal(trace.items[3].vm, BERTH_UNKNOWN);
	berth_trace_done(&trace);
}

static void reasons_have_stable_names(void **state)
{
	static const char *const names[] = {
		"NO_POLICY",
		"RULE_ALLOWS",
		"COMPANION",
		"IDENTITY_CHANGED",
		"IDENTITY_UNKNOWN",
		"PROTECTED",
		"RULE_DENIES",
		"RULE_MAY_DENY",
		"NO_RULE_ALLOWS",
		"RULE_PINS_ELSEWHERE",
		"RESERVED",
		"CONFLICT",
		"OWNED",
		"GROUP_SPLIT",
		"PF_HAS_VFS",
		"PF_OWNED",
		"TAINTED",
		"ISOLATION_BELOW_MIN",
		"QUOTA",
		"KEEP_FREE",
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++)
		assert_string_equal(berth_reason_name((enum berth_reason)i), names[i]);
	assert_int_equal(BERTH_ARRAY_SIZE(names), BERTH_REASON_KEEP_FREE + 1);
}

int main(void)
{
#define DECIDE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		DECIDE_TEST(without_a_file_everything_is_allowed),
		DECIDE_TEST(with_a_file_what_no_rule_allows_is_refused),
		DECIDE_TEST(a_rule_allows_by_vm_glob_and_class),
		DECIDE_TEST(rules_reach_devices_pools_and_matches),
		DECIDE_TEST(a_deny_beats_every_allow_whatever_the_priority),
		DECIDE_TEST(a_deny_that_may_apply_counts),
		DECIDE_TEST(the_strongest_allow_is_named),
		DECIDE_TEST(a_companion_needs_no_allow_but_bows_to_a_deny),
		DECIDE_TEST(a_changed_identity_goes_to_nobody),
		DECIDE_TEST(the_trace_holds_every_check),
		cmocka_unit_test(reasons_have_stable_names),
	};

	return cmocka_run_group_tests_name("policy/decide", tests, NULL, NULL);
}
