/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/plan.h"
#include "tests/lib/made_world.h"

struct fixture {
	struct made_world *made;
	struct berth_plan *plan;
	struct berth_err err;
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

	berth_plan_free(f->plan);
	made_world_free(f->made);
	free(f);
	return 0;
}

#define CLASSES "'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } } ], "
#define RULES(preempt)                                                                                          \
	"'rules': [ { 'effect': 'allow', 'subject': { 'any_vm': true }, 'resource': { 'class': 'gpu' }" preempt \
	" } ], "
#define CLAIM(vm, priority, preemptible, count)                                                    \
	"{ 'vm': '" vm "', 'priority': " #priority ", 'preemptible': " #preemptible                \
	", 'requests': [ { 'name': 'g', 'class': 'gpu', 'count': " #count " } ] }"

static const struct berth_claim_answer *answer(const struct fixture *f, const char *vm)
{
	for (size_t i = 0; i < f->plan->nr; i++) {
		if (strcmp(f->plan->answers[i].claim->vm, vm) == 0)
			return &f->plan->answers[i];
	}
	fail_msg("no answer for %s", vm);
	return NULL;
}

static void plan(struct fixture *f, const char *policy, const char *only)
{
	made_world_see(f->made, policy);
	assert_int_equal(berth_plan_new(&f->plan, f->made->world, only, &f->err), 0);
}

static void claims_are_served_by_priority_then_by_name(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 3, 0);
	plan(f,
	     CLASSES RULES("") "'claims': [ " CLAIM("a", 1, false, 1) ", " CLAIM(
		     "b", 5, false, 2) ", " CLAIM("c", 1, false, 1) " ]",
	     NULL);
	assert_int_equal(f->plan->nr, 3);
	assert_string_equal(f->plan->answers[0].claim->vm, "b");
	assert_string_equal(f->plan->answers[1].claim->vm, "a");
	assert_int_equal(answer(f, "b")->outcome, BERTH_CLAIM_MET);
	assert_int_equal(answer(f, "a")->outcome, BERTH_CLAIM_MET);
	assert_int_equal(answer(f, "c")->outcome, BERTH_CLAIM_UNMET);
	for (uint32_t i = 0; i < 3; i++)
		assert_non_null(f->made->world->usage[i].vm);
}

static void only_stops_after_the_vm_and_leaves_it_as_its_claim_finds_it(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 3, 0);
	plan(f,
	     CLASSES RULES("") "'claims': [ " CLAIM("a", 1, false, 1) ", " CLAIM("b", 5, false,
										 2) " ]",
	     "b");
	assert_int_equal(f->plan->nr, 1);
	for (uint32_t i = 0; i < 3; i++)
		assert_null(f->made->world->usage[i].vm);
}

static void a_vm_without_a_claim_is_absent(void **state)
{
	struct fixture *f = *state;

	made_world_see(f->made, CLASSES RULES("") "'claims': [ " CLAIM("a", 1, false, 1) " ]");
	assert_int_equal(berth_plan_new(&f->plan, f->made->world, "x", &f->err), BERTH_ABSENT);
	assert_non_null(strstr(f->err.text, "VM x"));
}

static void one_group_never_serves_two_vms(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	free((char *)f->made->facts[1].group_key);
	f->made->facts[1].group_key = strdup(f->made->facts[0].group_key);
	plan(f,
	     CLASSES RULES("") "'claims': [ " CLAIM("a", 1, false, 1) ", " CLAIM("b", 1, false,
										 1) " ]",
	     NULL);
	assert_int_equal(answer(f, "a")->outcome, BERTH_CLAIM_MET);
	assert_int_equal(answer(f, "b")->outcome, BERTH_CLAIM_UNMET);
	assert_string_equal(f->made->world->usage[1].vm, "a");
}

/* --- preemption --- */

#define LOWER ", 'preempt': 'lower'"

static void own(struct fixture *f, uint32_t device, const char *vm, int priority)
{
	f->made->usage[device] =
		(struct berth_usage){ .vm = vm, .priority = priority, .preemptible = true };
}

/* Four GPUs: w1 (priority 1) has one, w2 (2) two, w3 (1, not preemptible) one. */
static void occupy(struct fixture *f)
{
	static const struct berth_usage usage[] = {
		{ .vm = "w1", .priority = 1, .preemptible = true },
		{ .vm = "w2", .priority = 2, .preemptible = true },
		{ .vm = "w2", .priority = 2, .preemptible = true },
		{ .vm = "w3", .priority = 1 },
	};

	made_world_add_switches(f->made, 1, 1, 4, 0);
	memcpy(f->made->usage, usage, sizeof(usage));
}
#define VICTIMS CLAIM("w1", 1, true, 1) ", " CLAIM("w2", 2, true, 2) ", " CLAIM("w3", 1, false, 1)

static const char *victims(const struct fixture *f, const char *vm, char *buf, size_t size)
{
	const struct berth_claim_answer *a = answer(f, vm);

	*buf = '\0';
	for (const char **v = a->victims; v && *v; v++) {
		strncat(buf, *buf ? " " : "", size - strlen(buf) - 1);
		strncat(buf, *v, size - strlen(buf) - 1);
	}
	return buf;
}

static void as_few_as_possible_have_to_go_the_cheapest_first(void **state)
{
	static const struct {
		const char *claim, *want;
		enum berth_claim_outcome outcome;
	} rows[] = {
		{ CLAIM("hi", 9, false, 1), "w1", BERTH_CLAIM_MET },
		{ CLAIM("hi", 9, false, 2), "w2", BERTH_CLAIM_MET },
		{ CLAIM("hi", 9, false, 3), "w1 w2", BERTH_CLAIM_MET },
		{ CLAIM("hi", 9, false, 4), "",
		  BERTH_CLAIM_UNMET }, /* w3 does not go: nobody does */
		{ CLAIM("hi", 2, false, 1), "w1", BERTH_CLAIM_MET },
		{ CLAIM("hi", 2, false, 2), "", BERTH_CLAIM_UNMET }, /* w2 is as important */
		{ CLAIM("hi", 1, false, 1), "", BERTH_CLAIM_UNMET },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fixture f = { .made = made_world_new(4) };
		char policy[2048], got[64];

		occupy(&f);
		snprintf(policy, sizeof(policy),
			 CLASSES RULES(LOWER) "'claims': [ %s, " VICTIMS " ]", rows[i].claim);
		plan(&f, policy, "hi");
		assert_int_equal(answer(&f, "hi")->outcome, rows[i].outcome);
		assert_string_equal(victims(&f, "hi", got, sizeof(got)), rows[i].want);
		assert_string_equal(f.made->world->usage[0].vm, "w1");
		assert_string_equal(f.made->world->usage[1].vm, "w2");
		berth_plan_free(f.plan);
		made_world_free(f.made);
	}
}

static void without_a_rule_that_lets_them_nobody_goes(void **state)
{
	struct fixture *f = *state;

	occupy(f);
	plan(f, CLASSES RULES("") "'claims': [ " CLAIM("hi", 9, false, 1) ", " VICTIMS " ]", "hi");
	assert_int_equal(answer(f, "hi")->outcome, BERTH_CLAIM_UNMET);
	assert_null(answer(f, "hi")->victims);
}

static void what_is_free_is_taken_before_anybody_goes(void **state)
{
	struct fixture *f = *state;

	occupy(f);
	made_world_add(f->made, MADE_GPU, 0, "R0/07.0/00.0");
	plan(f, CLASSES RULES(LOWER) "'claims': [ " CLAIM("hi", 9, false, 1) ", " VICTIMS " ]",
	     "hi");
	assert_null(answer(f, "hi")->victims);
	assert_int_equal(answer(f, "hi")->devices[0].device, 4);
}

/* One VM with two devices rather than two with one each, though it is worth more. */
static void one_victim_is_better_than_two(void **state)
{
	static const char *const owners[] = { "a", "b", "c", "c" };
	struct fixture *f = *state;
	char got[64];

	made_world_add_switches(f->made, 1, 1, 4, 0);
	for (uint32_t i = 0; i < 4; i++)
		own(f, i, owners[i], i < 2 ? 1 : 2);
	plan(f,
	     CLASSES RULES(LOWER) "'claims': [ " CLAIM("hi", 9, false, 2) ", " CLAIM(
		     "a", 1, true, 1) ", " CLAIM("b", 1, true, 1) ", " CLAIM("c", 2, true, 2) " ]",
	     "hi");
	assert_string_equal(victims(f, "hi", got, sizeof(got)), "c");
}

/* Both rules allow; only one lets others go for it. */
static void a_device_under_another_rule_is_not_taken_from_anybody(void **state)
{
	struct fixture *f = *state;
	char got[64];

	made_world_add(f->made, MADE_GPU, 0, "R0/01.0/00.0");
	made_world_add(f->made, MADE_GPU, 1, "R1/01.0/00.0");
	own(f, 0, "a", 1);
	own(f, 1, "b", 2);
	plan(f,
	     CLASSES "'rules': [ { 'effect': 'allow', 'subject': { 'any_vm': true }, 'resource':"
		     " { 'match': { 'numa.node': 0 } } }, { 'effect': 'allow', 'subject':"
		     " { 'any_vm': true }, 'resource': { 'match': { 'numa.node': 1 } }" LOWER
		     " } ], 'claims': [ " CLAIM("hi", 9, false, 1) ", " CLAIM(
			     "a", 1, true, 1) ", " CLAIM("b", 2, true, 1) " ]",
	     "hi");
	assert_string_equal(victims(f, "hi", got, sizeof(got)), "b");
}

/* What it was given for counts, whatever the policy says of its VM today. */
static void who_has_no_claim_any_more_goes_by_what_it_was_given_for(void **state)
{
	struct fixture *f = *state;
	char got[64];

	made_world_add_switches(f->made, 1, 1, 1, 0);
	own(f, 0, "old", 8);
	plan(f,
	     CLASSES RULES(LOWER) "'claims': [ " CLAIM("hi", 9, false, 1) ", " CLAIM("eq", 8, false,
										     1) " ]",
	     "hi");
	assert_string_equal(victims(f, "hi", got, sizeof(got)), "old");
	berth_plan_free(f->plan);
	f->plan = NULL;
	assert_int_equal(berth_plan_new(&f->plan, f->made->world, NULL, &f->err), 0);
	assert_int_equal(answer(f, "eq")->outcome, BERTH_CLAIM_UNMET);
	assert_string_equal(f->made->world->usage[0].vm, "hi");
	assert_int_equal(f->made->world->usage[0].priority, 9);
	assert_false(f->made->world->usage[0].preemptible);
}

/* A VM ends as a whole. */
static void a_vm_stays_for_one_device_that_is_not_to_be_taken(void **state)
{
	static const struct berth_usage kept[] = {
		{ .vm = "a", .priority = 1 },			   /* not preemptible */
		{ .vm = "a", .priority = 9, .preemptible = true }, /* as important */
		{ .vm = "a", .state = "quarantined", .priority = 1, .preemptible = true },
		{ .vm = "a", .state = "faulted", .priority = 1, .preemptible = true },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(kept); i++) {
		struct fixture f = { .made = made_world_new(2) };

		made_world_add(f.made, MADE_GPU, 0, "R0/01.0/00.0");
		made_world_add(f.made, MADE_NIC, 0, "R0/02.0/00.0");
		own(&f, 0, "a", 1);
		f.made->usage[1] = kept[i];
		plan(&f, CLASSES RULES(LOWER) "'claims': [ " CLAIM("hi", 9, false, 1) " ]", "hi");
		assert_int_equal(answer(&f, "hi")->outcome, BERTH_CLAIM_UNMET);
		berth_plan_free(f.plan);
		made_world_free(f.made);
	}
}

/* What the first claim takes counts when the second one is spread. */
static void claims_are_spread_over_switches(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->made, 3, 1, 2, 0);
	plan(f,
	     CLASSES RULES(
		     "") "'pools': [ { 'name': 'p', 'class': 'gpu', 'order': 'spread' } ],"
			 " 'claims': [ { 'vm': 'a', 'requests': [ { 'name': 'g', 'pool': 'p' } ] },"
			 " { 'vm': 'b', 'requests': [ { 'name': 'g', 'pool': 'p' } ] },"
			 " { 'vm': 'c', 'requests': [ { 'name': 'g', 'pool': 'p' } ] } ]",
	     NULL);
	assert_int_equal(answer(f, "a")->devices[0].device, 0);
	assert_int_equal(answer(f, "b")->devices[0].device, 2);
	assert_int_equal(answer(f, "c")->devices[0].device, 4);
}

static void in_a_plan_who_has_to_go_looks_for_something_else(void **state)
{
	struct fixture *f = *state;

	occupy(f);
	plan(f, CLASSES RULES(LOWER) "'claims': [ " CLAIM("hi", 9, false, 1) ", " VICTIMS " ]",
	     NULL);
	assert_int_equal(answer(f, "hi")->outcome, BERTH_CLAIM_MET);
	assert_int_equal(answer(f, "w1")->outcome, BERTH_CLAIM_UNMET);
	assert_string_equal(f->made->world->usage[0].vm, "hi");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(claims_are_served_by_priority_then_by_name),
		T(only_stops_after_the_vm_and_leaves_it_as_its_claim_finds_it),
		T(a_vm_without_a_claim_is_absent),
		T(one_group_never_serves_two_vms),
		cmocka_unit_test(as_few_as_possible_have_to_go_the_cheapest_first),
		T(without_a_rule_that_lets_them_nobody_goes),
		T(what_is_free_is_taken_before_anybody_goes),
		T(one_victim_is_better_than_two),
		T(a_device_under_another_rule_is_not_taken_from_anybody),
		T(who_has_no_claim_any_more_goes_by_what_it_was_given_for),
		cmocka_unit_test(a_vm_stays_for_one_device_that_is_not_to_be_taken),
		T(claims_are_spread_over_switches),
		T(in_a_plan_who_has_to_go_looks_for_something_else),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
