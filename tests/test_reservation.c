/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/decide.h"
#include "policy/explain.h"
#include "policy/ledger.h"
#include "policy/reservation.h"
#include "tests/lib/made_world.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct made_world *made;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	made_world_free(f->made);
	berth_ledger_close(f->ledger);
	tmp_free(f->dir);
	free(f);
	return 0;
}

static struct berth_reservation one(char *name, int64_t from, int64_t until)
{
	static char vm[] = "t1", gpu[] = "gpu";

	return (struct berth_reservation){ .name = name,
					   .vm = vm,
					   .kind = BERTH_RESOURCE_CLASS,
					   .what = gpu,
					   .count = 2,
					   .from = from,
					   .until = until,
					   .uid = 1000 };
}

static void they_come_back_by_their_beginning(void **state)
{
	struct fixture *f = *state;
	char late[] = "late", early[] = "early", ml[] = "ml", path[] = "PC00/01.0";
	struct berth_reservation a = one(late, 200, 300), b = one(early, 100, 150);
	struct berth_reservation_list all;
	char words[64];

	b.vm = NULL;
	b.tenant = ml;
	b.kind = BERTH_RESOURCE_DEVICE;
	b.what = path;
	b.count = 0;
	assert_int_equal(berth_reservation_add(f->ledger, &a, &f->err), 0);
	assert_int_equal(berth_reservation_add(f->ledger, &b, &f->err), 0);
	assert_int_equal(berth_reservation_add(f->ledger, &a, &f->err), BERTH_REFUSED);
	assert_int_equal(berth_reservation_all(f->ledger, &all, NULL), 0);
	assert_int_equal(all.nr, 2);
	assert_string_equal(all.items[0].name, "early");
	assert_null(all.items[0].vm);
	assert_string_equal(all.items[0].tenant, "ml");
	assert_int_equal(all.items[0].kind, BERTH_RESOURCE_DEVICE);
	assert_string_equal(berth_reservation_words(&all.items[0], words, sizeof(words)),
			    "device PC00/01.0");
	assert_string_equal(all.items[1].vm, "t1");
	assert_null(all.items[1].tenant);
	assert_int_equal(all.items[1].count, 2);
	assert_int_equal(all.items[1].from, 200);
	assert_int_equal(all.items[1].until, 300);
	assert_int_equal(all.items[1].uid, 1000);
	assert_true(all.items[1].since > 1600000000);
	assert_string_equal(berth_reservation_words(&all.items[1], words, sizeof(words)),
			    "2 of class gpu");
	berth_reservation_list_free(&all);
	assert_int_equal(berth_reservation_remove(f->ledger, "late", NULL), 0);
	assert_int_equal(berth_reservation_remove(f->ledger, "late", NULL), BERTH_ABSENT);
	assert_int_equal(berth_reservation_all(f->ledger, &all, NULL), 0);
	assert_int_equal(all.nr, 1);
	berth_reservation_list_free(&all);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = { "", "-x", ".x", "a b", "h\xc3\xa4", "a/b" };
	struct fixture *f = *state;
	char name[] = "x";
	struct berth_reservation r = one(name, 200, 200);

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++)
		assert_int_equal(berth_reservation_name_check(bad[i], NULL), -EINVAL);
	assert_int_equal(berth_reservation_add(f->ledger, &r, NULL), -EINVAL);
	r = one(name, 1, 2);
	r.vm = NULL;
	assert_int_equal(berth_reservation_add(f->ledger, &r, NULL), -EINVAL);
	r = one(name, 1, 2);
	r.tenant = r.vm;
	assert_int_equal(berth_reservation_add(f->ledger, &r, NULL), -EINVAL);
	r = one(name, 1, 2);
	r.what = NULL;
	assert_int_equal(berth_reservation_add(f->ledger, &r, NULL), -EINVAL);
	r = one(name, 1, 2);
	r.kind = BERTH_RESOURCE_MATCH;
	assert_int_equal(berth_reservation_add(f->ledger, &r, NULL), -EINVAL);
}

/* --- in the policy --- */

#define POLICY                                                                                     \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } } ], 'rules': [ {"          \
	" 'effect': 'allow', 'priority': 998, 'subject': { 'any_vm': true },"                      \
	" 'resource': { 'class': 'gpu' } } ]"

/* Three GPUs, and what is in the ledger; the world sees @now. */
static void see(struct fixture *f, const char *policy, const struct berth_reservation *r,
		int64_t now)
{
	struct berth_world_input in;

	made_world_free(f->made);
	f->made = made_world_new(3);
	made_world_add_switches(f->made, 1, 1, 3, 0);
	made_world_see(f->made, policy);
	assert_int_equal(berth_reservation_enter(f->made->policy, r, now, &f->err), 0);
	berth_world_free(f->made->world);
	in = (struct berth_world_input){ .policy = f->made->policy,
					 .facts = f->made->facts,
					 .usage = f->made->usage,
					 .nr = f->made->nr,
					 .now = now };
	assert_int_equal(berth_world_new(&f->made->world, &in, &f->err), 0);
}

static struct berth_verdict decide(struct fixture *f, uint32_t device, const char *vm)
{
	struct berth_question q = berth_question_for(f->made->policy, vm);
	struct berth_verdict v;

	assert_int_equal(berth_decide(f->made->world, device, false, &q, &v, NULL), 0);
	return v;
}

static void a_number_is_withheld_while_its_time_is(void **state)
{
	struct fixture *f = *state;
	char name[] = "demo", text[512];
	const struct berth_reservation r = one(name, 200, 300);
	struct berth_verdict v;

	see(f, POLICY, &r, 199);
	assert_true(decide(f, 0, "t2").allow);
	see(f, POLICY, &r, 200);
	assert_true(decide(f, 0, "t2").allow); /* two stay free */
	assert_true(decide(f, 0, "t1").allow);
	berth_world_set_owner(f->made->world, 0, "t2");
	v = decide(f, 1, "t2");
	assert_false(v.allow);
	assert_int_equal(v.reason, BERTH_REASON_RESERVED);
	berth_explain_verdict(f->made->world, &v, text, sizeof(text));
	assert_non_null(strstr(text, "rule \"demo\" (the ledger ('berth reserve --list'), "
				     "/reservations/demo) reserves "));
	berth_explain_remedy(f->made->world, &v, text, sizeof(text));
	assert_string_equal(text, "wait until 1970-01-01T00:05Z, or 'berth unreserve demo'");
	assert_true(decide(f, 1, "t1").allow);
	see(f, POLICY, &r, 299);
	berth_world_set_owner(f->made->world, 0, "t2");
	assert_false(decide(f, 1, "t2").allow);
	see(f, POLICY, &r, 300);
	berth_world_set_owner(f->made->world, 0, "t2");
	assert_true(decide(f, 1, "t2").allow);
	assert_int_equal(f->made->policy->nr_rules, 1); /* over: it is no rule any more */
}

static void a_device_is_kept_by_its_path(void **state)
{
	struct fixture *f = *state;
	char name[] = "mine", path[256];
	struct berth_reservation r = one(name, 100, 300);

	see(f, POLICY, &r, 50);
	snprintf(path, sizeof(path), "%s", f->made->facts[1].path);
	r.kind = BERTH_RESOURCE_DEVICE;
	r.what = path;
	r.count = 0;
	see(f, POLICY, &r, 200);
	assert_true(decide(f, 0, "t2").allow);
	assert_false(decide(f, 1, "t2").allow);
	assert_int_equal(decide(f, 1, "t2").reason, BERTH_REASON_RESERVED);
	assert_true(decide(f, 1, "t1").allow);
}

static void it_gives_leave_to_whom_it_is_for(void **state)
{
	struct fixture *f = *state;
	char name[] = "demo";
	const struct berth_reservation r = one(name, 100, 300);

	see(f, "'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } } ]", &r, 200);
	assert_true(decide(f, 0, "t1").allow);
	assert_false(decide(f, 0, "t2").allow);
}

/* Root may assign whatever safety allows, but not what was promised to another. */
static void without_a_policy_it_keeps_others_out(void **state)
{
	struct fixture *f = *state;
	char name[] = "mine", path[256];
	struct berth_reservation r = one(name, 100, 300);

	see(f, POLICY, &r, 50);
	snprintf(path, sizeof(path), "%s", f->made->facts[1].path);
	r.kind = BERTH_RESOURCE_DEVICE;
	r.what = path;
	r.count = 0;
	see(f, "'classes': []", &r, 200);
	f->made->policy->nr_files = 0; /* as when there is none */
	assert_int_equal(decide(f, 0, "t2").reason, BERTH_REASON_NO_POLICY);
	assert_true(decide(f, 0, "t2").allow);
	assert_int_equal(decide(f, 1, "t2").reason, BERTH_REASON_RESERVED);
	assert_false(decide(f, 1, "t2").allow);
	assert_true(decide(f, 1, "t1").allow);
	f->made->policy->nr_files = 1; /* and it is freed as it was made */
}

static void what_the_policy_does_not_know_is_void(void **state)
{
	struct fixture *f = *state;
	char name[] = "demo", ml[] = "ml", pool[] = "none";
	struct berth_reservation r = one(name, 100, 300);

	r.kind = BERTH_RESOURCE_POOL;
	r.what = pool;
	see(f, POLICY, &r, 200);
	assert_int_equal(f->made->policy->nr_rules, 1);
	assert_true(berth_reservation_is_void(f->made->policy, &r));
	r = one(name, 100, 300);
	assert_false(berth_reservation_is_void(f->made->policy, &r));
	r.vm = NULL;
	r.tenant = ml;
	see(f, POLICY, &r, 200);
	assert_int_equal(f->made->policy->nr_rules, 1);
	see(f, POLICY ", 'tenants': [ { 'name': 'ml', 'vms': [ 'ml-*' ] } ]", &r, 200);
	assert_int_equal(f->made->policy->nr_rules, 2);
	berth_world_set_owner(f->made->world, 0, "t2");
	assert_true(decide(f, 1, "ml-3").allow);
	assert_false(decide(f, 1, "t2").allow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(they_come_back_by_their_beginning),	   T(what_makes_no_sense_is_refused),
		T(a_number_is_withheld_while_its_time_is), T(a_device_is_kept_by_its_path),
		T(it_gives_leave_to_whom_it_is_for),	   T(without_a_policy_it_keeps_others_out),
		T(what_the_policy_does_not_know_is_void),
#undef T
	};

	return cmocka_run_group_tests_name("policy/reservation", tests, NULL, NULL);
}
