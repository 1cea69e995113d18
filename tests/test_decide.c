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
#include "policy/vote.h"
#include "tests/lib/tmp.h"

/* The same host for all: a GPU with its sound function, a PF with three VFs, a second GPU whose serial is unknown. */
enum { GPU, SOUND, PF, VF0, VF1, VF2, GPU2, NR };

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_usage usage[NR];
	int64_t now;
	const char *isolation;
	struct berth_world *world;
	struct berth_verdict verdict;
	char text[512];
	struct berth_err err;
};

static const struct berth_facts *host(const struct fixture *fixture)
{
	static struct berth_facts f[NR];

	for (size_t i = 0; i < NR; i++)
		f[i] = (struct berth_facts){ .isolation = fixture->isolation,
					     .subsystem_vendor = BERTH_FACT_UNKNOWN,
					     .subsystem_device = BERTH_FACT_UNKNOWN,
					     .numa_node = BERTH_FACT_UNKNOWN,
					     .vf_index = BERTH_FACT_UNKNOWN,
					     .vendor = 0x8086 };
	f[GPU].bdf = "0000:01:00.0";
	f[GPU].path = "P/1";
	f[GPU].group_key = f[SOUND].group_key = "g1";
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
	const struct berth_world_input in = { f->policy, host(f), f->usage, NR, f->now };

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
	assert_int_equal(trace.nr, 7);
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
	assert_int_equal(c[6].code, BERTH_REASON_GROUP_SPLIT);
	berth_trace_done(&trace);
	/* without all_rules, those about other devices are left out */
	ask(f, GPU, false, &(struct berth_question){ .vm = "t1" }, &trace);
	assert_int_equal(trace.nr, 6);
	berth_trace_done(&trace);
	ask(f, GPU, false, &(struct berth_question){ .vm = NULL }, &trace);
	assert_int_equal(trace.items[3].vm, BERTH_UNKNOWN);
	berth_trace_done(&trace);
}

/* A rule with everything: @effect and @subject without braces, @resource as in ALLOW. */
#define RULE(name, effect, priority, subject, resource)                                            \
	"{ \"name\": \"" name "\", \"effect\": \"" effect "\", \"priority\": " #priority           \
	", \"subject\": { " subject " }, \"resource\": { " resource " } }"
#define VM(name)   "\"vm\": \"" name "\""
#define TENANT(t)  "\"tenant\": \"" t "\""
#define ANY_VM	   "\"any_vm\": true"
#define ANY_DEVICE "\"any_device\": true"
#define GPU_A	   "\"devices\": [ { \"name\": \"a\", \"match\": { \"pci.bdf\": \"01:00.0\" } } ]"

static void a_pin_gives_to_its_vm_and_to_nobody_else(void **state)
{
	struct fixture *f = *state;

	policy(f, GPU_A ", \"rules\": [" RULE("all", "allow", 100, ANY_VM, ANY_DEVICE) "," RULE(
			  "mine", "pin", 100, VM("db"), "\"device\": \"a\"") "]");
	assert_int_equal(decide(f, GPU, "db"), BERTH_REASON_RULE_ALLOWS);
	assert_string_equal(f->verdict.rule->name, "mine"); /* as heavy, but more exact */
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_PINS_ELSEWHERE);
	assert_string_equal(f->verdict.rule->name, "mine");
	assert_non_null(strstr(f->text, "pins 0000:01:00.0 to others than VM t1"));
	assert_int_equal(decide(f, GPU2, "t1"), BERTH_REASON_RULE_ALLOWS);
	/* it denies to others, but grants nothing to them elsewhere */
	assert_int_equal(ask(f, GPU, true, &(struct berth_question){ .vm = "t1" }, NULL),
			 BERTH_REASON_RULE_PINS_ELSEWHERE);
}

static void the_larger_priority_wins(void **state)
{
	struct fixture *f = *state;

	policy(f, GPU_A ", \"rules\": [" RULE("all", "allow", 101, ANY_VM, ANY_DEVICE) "," RULE(
			  "mine", "pin", 100, VM("db"), "\"device\": \"a\"") "]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_string_equal(f->verdict.rule->name, "all");
}

static void equal_weight_and_different_outcome_is_a_conflict(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES
	       ", \"rules\": [" RULE("y", "allow", 5, VM("t*"), "\"class\": \"gpu\"") "," RULE(
		       "x", "pin", 5, VM("db"), "\"class\": \"gpu\"") "]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_CONFLICT);
	assert_false(f->verdict.allow);
	assert_string_equal(f->verdict.rule->name, "y");
	assert_string_equal(f->verdict.rival->name, "x");
	assert_non_null(strstr(f->text, "/rules/0"));
	assert_non_null(strstr(f->text, "/rules/1"));
	/* it touches nobody but those */
	assert_int_equal(decide(f, GPU, "db"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, PF, "db"), BERTH_REASON_NO_RULE_ALLOWS);
}

static void the_more_exact_resource_wins_among_equals(void **state)
{
	static const struct {
		const char *resource;
		int specificity;
	} rows[] = {
		{ "\"device\": \"a\"", 6 },
		{ "\"match\": { \"pci.path\": \"P/1\", \"pci.id\": \"1234:*\" }", 5 },
		{ "\"match\": { \"pci.path\": \"P/1\" }", 4 },
		{ "\"match\": { \"serial\": \"gpu-one\" }", 3 },
		{ "\"class\": \"gpu\"", 2 },
		{ "\"match\": { \"pci.class\": \"03??\" }", 1 },
		{ "\"match\": { \"any\": [ { \"serial\": \"gpu-one\" }, { \"pci.id\": \"1234:*\" } ] }",
		  1 },
		{ ANY_DEVICE, 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		char *text;

		assert_true(asprintf(&text,
				     GPU_A "," CLASSES ", \"rules\": [ { \"effect\": \"allow\","
					   " \"subject\": { \"any_vm\": true },"
					   " \"resource\": { %s } } ]",
				     rows[i].resource) > 0);
		policy(f, text);
		free(text);
		assert_int_equal(berth_rule_specificity(&f->policy->rules[0]), rows[i].specificity);
	}
	policy(f,
	       GPU_A "," CLASSES
		     ", \"rules\": [" RULE("b", "pin", 0, VM("x"), "\"class\": \"gpu\"") "," RULE(
			     "a", "allow", 0, VM("t1"), "\"device\": \"a\"") "]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
}

static void what_the_host_needs_goes_to_nobody(void **state)
{
	struct fixture *f = *state;
	struct berth_question force = { .vm = "t1", .force = true };

	policy(f,
	       GPU_A ", \"rules\": [ { \"effect\": \"allow\", \"override_protect\": true,"
		     " \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"device\": \"a\" } } ]");
	f->usage[GPU].safety = "root-disk";
	f->usage[GPU].safety_text = "it carries /";
	assert_int_equal(ask(f, GPU, false, &force, NULL), BERTH_REASON_PROTECTED);
	assert_string_equal(f->text, "the host needs 0000:01:00.0: root-disk: it carries /");
	assert_false(f->verdict.forceable);
	f->usage[GPU].safety = NULL;
	assert_int_equal(ask(f, GPU, false, &force, NULL), BERTH_REASON_RULE_ALLOWS);
}

static void a_protect_is_lifted_by_a_named_allow_and_force_only(void **state)
{
	struct fixture *f = *state;
	struct berth_question q = { .vm = "t1" }, force = { .vm = "t1", .force = true };

	policy(f, GPU_A
	       ", \"protect\": [ { \"name\": \"gpus\", \"match\": { \"serial\": \"gpu-*\" } } ],"
	       "\"rules\": [ " RULE(
		       "any", "allow", 9, ANY_VM,
		       ANY_DEVICE) ", { \"effect\": \"allow\","
				   " \"override_protect\": true, \"name\": \"o\", \"subject\": { \"vm\": \"t1\" },"
				   " \"resource\": { \"device\": \"a\" } } ]");
	assert_int_equal(ask(f, GPU, false, &q, NULL), BERTH_REASON_PROTECTED);
	assert_string_equal(f->verdict.name, "gpus");
	assert_true(f->verdict.forceable);
	assert_int_equal(ask(f, GPU, false, &force, NULL), BERTH_REASON_RULE_ALLOWS);
	force.vm = "t2";
	assert_int_equal(ask(f, GPU, false, &force, NULL), BERTH_REASON_PROTECTED);
	assert_false(f->verdict.forceable);
	/* its serial is not known: perhaps protected */
	assert_int_equal(ask(f, GPU2, false, &force, NULL), BERTH_REASON_PROTECTED);
	assert_true(f->verdict.unknown);
	assert_non_null(strstr(f->text, "its serial is not known"));
}

#define RESERVE(count, window)                                                                     \
	"{ \"name\": \"demo\", \"effect\": \"reserve\", \"priority\": 200, \"subject\": "          \
	"{ \"vm\": \"ml-*\" }, \"resource\": { \"class\": \"vf\"" count " }" window " }"

static void a_reserve_withholds_its_number_in_its_time(void **state)
{
	struct fixture *f = *state;

	policy(f,
	       CLASSES ", \"rules\": [" RULE("all", "allow", 1, ANY_VM, ANY_DEVICE) "," RESERVE(
		       ", \"count\": 2",
		       ", \"from\": \"1970-01-01T01:00Z\", \"until\": \"1970-01-01T02:00Z\"") "]");
	f->now = 3600;
	/* three VFs, two kept: one is left for others */
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_RULE_ALLOWS);
	f->usage[VF0].vm = "t1";
	assert_int_equal(decide(f, VF1, "t1"), BERTH_REASON_RESERVED);
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_RULE_ALLOWS); /* its own already */
	assert_int_equal(decide(f, VF1, "ml-1"), BERTH_REASON_RULE_ALLOWS);
	assert_string_equal(f->verdict.rule->name, "demo");
	/* what its subjects have is no longer withheld, and no longer granted by it */
	f->usage[VF1].vm = "ml-1";
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_RESERVED);
	f->usage[VF0].vm = "ml-2";
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, VF2, "ml-1"), BERTH_REASON_RULE_ALLOWS);
	assert_string_equal(f->verdict.rule->name, "all");
	/* outside of its time it says nothing */
	f->usage[VF0].vm = "t1";
	f->now = 3599;
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_RULE_ALLOWS);
	f->now = 7200;
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_RULE_ALLOWS);
	f->now = 7199;
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_RESERVED);
}

static void a_reserve_without_a_number_keeps_all(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES ", \"rules\": [" RULE("all", "allow", 1, ANY_VM,
						ANY_DEVICE) "," RESERVE("", "") "]");
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_RESERVED);
	assert_int_equal(decide(f, VF0, "ml-1"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_RULE_ALLOWS);
}

#define TENANTS                                                                                    \
	"\"tenants\": [ { \"name\": \"ml\", \"vms\": [\"ml-*\"],"                                  \
	" \"quota\": { \"vf\": { \"hard\": 2 } } }, { \"name\": \"db\", \"vms\": [\"db\"] } ]"

static void rules_are_about_tenants_too(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASSES "," TENANTS
			  ", \"rules\": [" RULE("r", "allow", 0, TENANT("db"), ANY_DEVICE) "]");
	assert_int_equal(decide(f, GPU, "db"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "ml-1"), BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "other"), BERTH_REASON_NO_RULE_ALLOWS);
}

static void a_vm_of_two_tenants_gets_nothing(void **state)
{
	struct fixture *f = *state;

	policy(f, "\"tenants\": [ { \"name\": \"a\", \"vms\": [\"x-*\"] },"
		  " { \"name\": \"b\", \"vms\": [\"*-x\"] } ], \"rules\": [" RULE(
			  "r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	assert_int_equal(decide(f, GPU, "x-x"), BERTH_REASON_CONFLICT);
	assert_non_null(strstr(f->text, "belongs to two tenants"));
	assert_int_equal(decide(f, GPU, "x-y"), BERTH_REASON_RULE_ALLOWS);
}

static void a_quota_counts_what_the_tenants_vms_own(void **state)
{
	struct fixture *f = *state;

	policy(f,
	       CLASSES "," TENANTS ", \"rules\": [" RULE("r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	f->usage[VF0].vm = "ml-1";
	assert_int_equal(decide(f, VF1, "ml-2"), BERTH_REASON_RULE_ALLOWS);
	f->usage[VF1].vm = "ml-2";
	assert_int_equal(decide(f, VF2, "ml-2"), BERTH_REASON_QUOTA);
	assert_int_equal(f->verdict.have, 3);
	assert_int_equal(f->verdict.want, 2);
	assert_int_equal(decide(f, VF1, "ml-2"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, VF2, "db"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, GPU, "ml-2"), BERTH_REASON_RULE_ALLOWS);
}

static void a_pool_keeps_some_free(void **state)
{
	struct fixture *f = *state;

	policy(f,
	       CLASSES ", \"pools\": [ { \"name\": \"p\", \"class\": \"vf\", \"keep_free\": 1 } ],"
		       "\"rules\": [" RULE("r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	f->usage[VF0].vm = "t1";
	assert_int_equal(decide(f, VF1, "t1"), BERTH_REASON_RULE_ALLOWS);
	f->usage[VF1].vm = "t1";
	assert_int_equal(decide(f, VF2, "t1"), BERTH_REASON_KEEP_FREE);
	assert_int_equal(f->verdict.have, 0);
	assert_int_equal(decide(f, VF1, "t1"), BERTH_REASON_RULE_ALLOWS);
	/* what nobody can have does not count as free */
	f->usage[VF1].vm = NULL;
	f->usage[VF2].safety = "mounted";
	assert_int_equal(decide(f, VF1, "t1"), BERTH_REASON_KEEP_FREE);
}

static void a_taint_keeps_from_new_owners_unless_tolerated(void **state)
{
	static const struct berth_usage_taint taints[] = {
		{ "hot", BERTH_TAINT_REPORT, NULL },
		{ "slow", BERTH_TAINT_NO_NEW, "link trained at x1" },
	};
	static char *tolerated[] = { (char *)"slow", NULL };
	struct fixture *f = *state;
	struct berth_question q = { .vm = "t1", .tolerate = tolerated };

	policy(f, CLASSES ", \"taints\": [ { \"taint\": \"hw-fault\", \"effect\": \"evict\","
			  " \"resource\": { \"match\": { \"serial\": \"gpu-one\" } } } ],"
			  "\"rules\": [" RULE("r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_TAINTED);
	assert_string_equal(f->verdict.name, "hw-fault");
	assert_int_equal(decide(f, GPU2, "t1"), BERTH_REASON_TAINTED);
	assert_true(f->verdict.unknown);
	f->usage[GPU].vm = "t1"; /* and shall go from who has it */
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_TAINTED);
	f->usage[PF].taints = taints;
	f->usage[PF].nr_taints = 1;
	f->usage[VF0].taints = taints;
	f->usage[VF0].nr_taints = 2;
	policy(f, "\"rules\": [" RULE("r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	assert_int_equal(decide(f, PF, "t1"), BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_TAINTED);
	assert_string_equal(f->verdict.name, "slow");
	assert_null(f->verdict.origin);
	assert_int_equal(ask(f, VF0, false, &q, NULL), BERTH_REASON_RULE_ALLOWS);
	f->usage[VF0].vm = "t1";
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_RULE_ALLOWS);
}

static void isolation_has_a_least(void **state)
{
	static const struct {
		const char *isolation;
		enum berth_reason reason;
	} rows[] = { { "isolated", BERTH_REASON_RULE_ALLOWS },
		     { "multifunction", BERTH_REASON_RULE_ALLOWS },
		     { "shared", BERTH_REASON_ISOLATION_BELOW_MIN },
		     { "acs-override", BERTH_REASON_ISOLATION_BELOW_MIN },
		     { "no-iommu", BERTH_REASON_ISOLATION_BELOW_MIN },
		     { NULL, BERTH_REASON_ISOLATION_BELOW_MIN } };
	struct fixture *f = *state;

	policy(f, "\"defaults\": { \"min_isolation\": \"multifunction\" }, \"rules\": [" RULE(
			  "r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		f->isolation = rows[i].isolation;
		assert_int_equal(decide(f, GPU, "t1"), rows[i].reason);
	}
	assert_true(f->verdict.unknown);
}

static void who_has_it_keeps_it(void **state)
{
	struct fixture *f = *state;
	char text[256];

	policy(f, "\"rules\": [" RULE("r", "allow", 0, ANY_VM, ANY_DEVICE) "]");
	f->usage[GPU].vm = "db";
	f->usage[GPU].lease_end = 7200;
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_OWNED);
	assert_string_equal(f->text, "0000:01:00.0 is owned by VM db");
	assert_string_equal(berth_explain_remedy(f->world, &f->verdict, text, sizeof(text)),
			    "run 'berth release --vm db', or wait until its lease ends at "
			    "1970-01-01T02:00Z");
	assert_int_equal(decide(f, GPU, "db"), BERTH_REASON_RULE_ALLOWS);
	f->usage[VF1].vm = "db";
	assert_int_equal(decide(f, PF, "t1"), BERTH_REASON_PF_HAS_VFS);
	f->usage[VF1].vm = NULL;
	f->usage[PF].vm = "db";
	assert_int_equal(decide(f, VF0, "t1"), BERTH_REASON_PF_OWNED);
	assert_int_equal(decide(f, VF0, "db"), BERTH_REASON_PF_OWNED);
}

static void a_group_is_decided_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct berth_question q = { .vm = "t1" };
	uint32_t asked[] = { GPU };

	policy(f, CLASSES
	       ", \"rules\": [" RULE("g", "allow", 0, VM("t*"), "\"class\": \"gpu\"") "," RULE(
		       "d", "deny", 0, VM("t2"), "\"match\": { \"pci.class\": \"0403\" }") "]");
	look(f);
	assert_int_equal(f->world->group_of[GPU], f->world->group_of[SOUND]);
	assert_int_equal(berth_decide_group(f->world, f->world->group_of[GPU], asked, 1, &q,
					    &f->verdict, NULL),
			 0);
	assert_int_equal(f->verdict.reason, BERTH_REASON_RULE_ALLOWS);
	assert_int_equal(f->verdict.device, GPU);
	/* all of it asked for: the sound function is given to nobody */
	berth_decide_group(f->world, f->world->group_of[GPU], NULL, 0, &q, &f->verdict, NULL);
	assert_int_equal(f->verdict.reason, BERTH_REASON_NO_RULE_ALLOWS);
	assert_int_equal(f->verdict.device, SOUND);
	/* a deny of what comes along stops it all */
	q.vm = "t2";
	berth_decide_group(f->world, f->world->group_of[GPU], asked, 1, &q, &f->verdict, NULL);
	assert_int_equal(f->verdict.reason, BERTH_REASON_RULE_DENIES);
	/* and so does another owner of a part */
	f->usage[SOUND].vm = "db";
	assert_int_equal(decide(f, GPU, "t1"), BERTH_REASON_GROUP_SPLIT);
}

static void a_lease_comes_with_the_rule_that_allows(void **state)
{
	struct fixture *f = *state;

	policy(f, "\"rules\": [ { \"effect\": \"allow\", \"priority\": 2, \"subject\": { " ANY_VM
		  " }, \"resource\": { " ANY_DEVICE
		  " }, \"lease\": { \"max\": \"2h\", \"grace\": \"10m\","
		  " \"on_expiry\": \"shutdown\" } }, { \"effect\": \"allow\", \"priority\": 3,"
		  " \"subject\": { \"vm\": \"db\" }, \"resource\": { " ANY_DEVICE " } } ]");
	decide(f, GPU, "t1");
	assert_non_null(f->verdict.lease);
	assert_int_equal(f->verdict.lease->max_s, 7200);
	assert_int_equal(f->verdict.lease->on_expiry, BERTH_EXPIRY_SHUTDOWN);
	decide(f, GPU, "db");
	assert_null(f->verdict.lease);
}

static void a_trace_goes_on_after_the_first_refusal(void **state)
{
	struct fixture *f = *state;
	struct berth_trace trace = { 0 };
	size_t passed, failed;

	policy(f,
	       CLASSES "," TENANTS ", \"rules\": [" RULE("r", "deny", 0, ANY_VM, ANY_DEVICE) "]");
	f->usage[VF0].vm = f->usage[VF1].vm = "ml-1";
	f->usage[VF2].vm = "db";
	assert_int_equal(ask(f, VF2, false, &(struct berth_question){ .vm = "ml-1" }, &trace),
			 BERTH_REASON_RULE_DENIES);
	berth_explain_count(&trace, &passed, &failed);
	assert_int_equal(passed, 1); /* the quota: somebody else's is not one more */
	assert_int_equal(failed, 2); /* the deny, the owner */
	berth_trace_done(&trace);
}

static void the_claim_of_a_vm_tolerates(void **state)
{
	struct fixture *f = *state;
	struct berth_question q;

	policy(f, CLASSES ", \"claims\": [ { \"vm\": \"t1\", \"requests\": [ { \"name\": \"g\","
			  " \"class\": \"gpu\" } ], \"tolerate\": [\"slow\"] } ]");
	q = berth_question_for(f->policy, "t1");
	assert_string_equal(q.tolerate[0], "slow");
	assert_string_equal(q.vm, "t1");
	assert_false(q.force);
	q = berth_question_for(f->policy, "t2");
	assert_null(q.tolerate);
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
		DECIDE_TEST(a_pin_gives_to_its_vm_and_to_nobody_else),
		DECIDE_TEST(the_larger_priority_wins),
		DECIDE_TEST(equal_weight_and_different_outcome_is_a_conflict),
		DECIDE_TEST(the_more_exact_resource_wins_among_equals),
		DECIDE_TEST(what_the_host_needs_goes_to_nobody),
		DECIDE_TEST(a_protect_is_lifted_by_a_named_allow_and_force_only),
		DECIDE_TEST(a_reserve_withholds_its_number_in_its_time),
		DECIDE_TEST(a_reserve_without_a_number_keeps_all),
		DECIDE_TEST(rules_are_about_tenants_too),
		DECIDE_TEST(a_vm_of_two_tenants_gets_nothing),
		DECIDE_TEST(a_quota_counts_what_the_tenants_vms_own),
		DECIDE_TEST(a_pool_keeps_some_free),
		DECIDE_TEST(a_taint_keeps_from_new_owners_unless_tolerated),
		DECIDE_TEST(isolation_has_a_least),
		DECIDE_TEST(who_has_it_keeps_it),
		DECIDE_TEST(a_group_is_decided_as_a_whole),
		DECIDE_TEST(a_lease_comes_with_the_rule_that_allows),
		DECIDE_TEST(a_trace_goes_on_after_the_first_refusal),
		DECIDE_TEST(the_claim_of_a_vm_tolerates),
		cmocka_unit_test(reasons_have_stable_names),
	};

	return cmocka_run_group_tests_name("policy/decide", tests, NULL, NULL);
}
