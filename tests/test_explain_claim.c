/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/explain_claim.h"
#include "tests/lib/made_world.h"

struct fixture {
	struct made_world *made;
	struct berth_plan *plan;
	json_t *claim, *requests;
	char text[BERTH_EXPLAIN_CLAIM_TEXT], remedy[512];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->made = made_world_new(64);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->claim);
	json_decref(f->requests);
	berth_plan_free(f->plan);
	made_world_free(f->made);
	free(f);
	return 0;
}

#define POLICY                                                                                     \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"                         \
	" { 'name': 'nic', 'match': { 'pci.class': '02*' } } ],"                                   \
	" 'rules': [ { 'name': 'all', 'effect': 'allow', 'subject': { 'any_vm': true },"           \
	" 'resource': { 'class': ['gpu', 'nic'] } } ], 'claims': [ { 'vm': 'ml', 'requests': ["    \
	" { 'name': 'gpu', 'class': 'gpu', 'count': 1 },"                                          \
	" { 'name': 'nic', 'class': 'nic', 'count': 1 } ],"                                        \
	" 'constraints': [ { 'max_distance': 'PIX', 'pair': ['gpu', 'nic'], 'each': true } ] } ]"

static void explain(struct fixture *f, const char *policy)
{
	struct berth_err err = BERTH_ERR_INIT;

	made_world_see(f->made, policy);
	assert_int_equal(berth_plan_new(&f->plan, f->made->world, "ml", &err), 0);
	berth_explain_claim(f->plan, f->plan->nr - 1, f->text, sizeof(f->text));
	berth_explain_claim_remedy(f->plan, f->plan->nr - 1, f->remedy, sizeof(f->remedy));
	f->claim = berth_explain_claim_json(f->plan, f->plan->nr - 1);
	f->requests = berth_explain_claim_requests(f->plan);
	assert_non_null(f->requests);
}

static json_t *candidate(const struct fixture *f, size_t request, size_t i)
{
	return json_array_get(json_object_get(json_array_get(f->requests, request), "candidates"),
			      i);
}

static json_t *check(json_t *candidate_, const char *code)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(candidate_, "checks"), i, c)
	{
		if (strcmp(json_string_value(json_object_get(c, "code")), code) == 0)
			return c;
	}
	fail_msg("no check %s", code);
	return NULL;
}

#define STR(o, key) json_string_value(json_object_get((o), (key)))

static void what_is_met_names_the_devices_and_the_scores(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 2, 1, 1, 1);
	explain(f, POLICY);
	assert_string_equal(f->text, "ml gets 0000:00:00.0 0000:01:00.0");
	assert_string_equal(f->remedy, "");
	assert_string_equal(STR(f->claim, "outcome"), "met");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(f->claim, "score"), "distance")),
		BERTH_DISTANCE_PIX);
	assert_true(json_is_true(json_object_get(candidate(f, 0, 0), "chosen")));
	assert_true(json_is_false(json_object_get(candidate(f, 0, 1), "chosen")));
	assert_string_equal(STR(check(candidate(f, 0, 0), "DISTANCE"), "result"), "pass");
}

static void a_constraint_in_the_way_is_named_and_shown_on_each_candidate(void **state)
{
	struct fixture *f = *state;
	json_t *distance;

	made_world_add_switches(f->made, 1, 1, 1, 0);
	made_world_add(f->made, MADE_NIC, 0, "R0/07.0/00.0");
	explain(f, POLICY);
	assert_non_null(strstr(f->text, "none that fit the constraint on distance"));
	assert_string_equal(f->remedy,
			    "relax /claims/0/constraints/0, or add an alternative that does");
	distance = check(candidate(f, 0, 0), "DISTANCE");
	assert_string_equal(STR(distance, "result"), "fail");
	assert_string_equal(STR(distance, "observed"), "PHB");
	assert_string_equal(STR(distance, "wanted"), "PIX");
	assert_string_equal(STR(distance, "to"), "0000:01:00.0");
	assert_string_equal(STR(distance, "pointer"), "/claims/0/constraints/0");
	assert_true(json_is_true(json_object_get(candidate(f, 0, 0), "allowed")));
}

static void the_nearest_miss_and_its_remedy_are_named(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 1, 1);
	f->made->usage[1].vm = "db1";
	f->made->usage[1].lease_end = 1790000000;
	explain(f, POLICY);
	assert_non_null(strstr(f->text,
			       "ml wants 1 of \"nic\", and may have 0 of 1, 1 OWNED; nearest: "
			       "0000:01:00.0 is owned by VM db1"));
	assert_non_null(strstr(f->remedy, "berth release --vm db1"));
	assert_non_null(strstr(f->remedy, "2026-09-21T"));
	assert_string_equal(STR(candidate(f, 1, 0), "reason"), "OWNED");
	assert_string_equal(STR(check(candidate(f, 1, 0), "OWNED"), "result"), "fail");
	assert_int_equal(json_integer_value(json_object_get(candidate(f, 1, 0), "failed")), 1);
}

/* Nobody has it: there is nothing to release. */
static void what_a_larger_claim_gets_first_is_not_called_owned(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 1, 1);
	explain(f,
		"'classes': [ { 'name': 'nic', 'match': { 'pci.class': '02*' } } ],"
		" 'rules': [ { 'effect': 'allow', 'subject': { 'any_vm': true },"
		" 'resource': { 'class': 'nic' } } ], 'claims': ["
		" { 'vm': 'ml', 'requests': [ { 'name': 'n', 'class': 'nic' } ] },"
		" { 'vm': 'db1', 'priority': 5, 'requests': [ { 'name': 'n', 'class': 'nic' } ] } ]");
	assert_non_null(
		strstr(f->text, "0000:01:00.0 goes to VM db1, whose claim is served first"));
	assert_string_equal(
		f->remedy, "give its claim a larger priority than that of VM db1, or ask for less");
}

/* Of a device that is denied and one that is owned the second came farther. */
static void the_nearest_is_the_one_that_came_farthest(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 1, 1);
	made_world_add(f->made, MADE_NIC, 0, "R0/07.0/00.0");
	f->made->usage[1].vm = "db1";
	explain(f,
		POLICY ", 'protect': [ { 'name': 'p', 'match': { 'pci.path': 'R0/07.0/00.0' } } ]");
	assert_non_null(strstr(f->text, "1 PROTECTED, 1 OWNED; nearest: 0000:01:00.0 is owned"));
	teardown(state);
	setup(state);
	f = *state;
	made_world_add_switches(f->made, 1, 1, 1, 1);
	made_world_add(f->made, MADE_NIC, 0, "R0/07.0/00.0");
	f->made->usage[2].vm = "db1";
	explain(f,
		POLICY ", 'protect': [ { 'name': 'p', 'match': { 'pci.bdf': '0000:01:00.0' } } ]");
	assert_non_null(strstr(f->text, "1 PROTECTED, 1 OWNED; nearest: 0000:02:00.0 is owned"));
}

static void nothing_that_fits_at_all_is_said(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 1, 0);
	explain(f, POLICY);
	assert_non_null(strstr(f->text, "ml wants 1 of \"nic\", and may have 0 of 0"));
	assert_non_null(strstr(f->remedy, "plug in more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(what_is_met_names_the_devices_and_the_scores),
		T(a_constraint_in_the_way_is_named_and_shown_on_each_candidate),
		T(the_nearest_miss_and_its_remedy_are_named),
		T(what_a_larger_claim_gets_first_is_not_called_owned),
		T(the_nearest_is_the_one_that_came_farthest),
		T(nothing_that_fits_at_all_is_said),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
