/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/preempt.h"
#include "tests/lib/made_claim.h"

/* GPUs of one switch; "boss" claims some of them with priority 5. */
#define CLASSES "'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } } ]"
#define RULE(more)                                                                                 \
	", 'rules': [ { 'effect': 'allow', 'subject': { 'any_vm': true },"                         \
	" 'resource': { 'class': 'gpu' }" more " } ]"
#define BOSS(count)                                                                                \
	", 'claims': [ { 'vm': 'boss', 'priority': 5, 'requests': [ { 'name': 'g', 'class': "      \
	"'gpu', 'count': " #count " } ] } ]"
#define LOWER(count) CLASSES RULE(", 'preempt': 'lower'") BOSS(count)

static void owns(struct made_claim *f, uint32_t device, const char *vm, int priority,
		 bool preemptible)
{
	struct berth_usage *u = &f->made->usage[device];

	u->vm = vm;
	u->priority = priority;
	u->preemptible = preemptible;
}

static void add_gpus(struct made_claim *f, int nr)
{
	made_world_add_switches(f->made, 1, 1, nr, 0);
}

/* Who has to go: "a b"; "-" when nobody's going helps. The world must be as before in either case. */
static const char *victims(struct made_claim *f, const char *policy)
{
	static char text[128];
	const char *before[64];
	int r;

	made_claim_see(f, policy);
	for (uint32_t i = 0; i < f->made->nr; i++)
		before[i] = f->made->world->usage[i].vm;
	r = berth_preempt(f->candidates, 0, &f->answer);
	for (uint32_t i = 0; i < f->made->nr; i++)
		assert_ptr_equal(f->made->world->usage[i].vm, before[i]);
	snprintf(text, sizeof(text), "%s", r == BERTH_ABSENT ? "-" : "");
	assert_true(r == BERTH_ABSENT || r == 0);
	if (r == 0)
		assert_int_equal(f->answer.outcome, BERTH_CLAIM_MET);
	for (size_t i = 0; r == 0 && f->answer.victims[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 f->answer.victims[i]);
	return text;
}

static void only_a_strictly_lower_priority_has_to_go(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 3);
	owns(f, 0, "equal", 5, true);
	owns(f, 1, "above", 6, true);
	owns(f, 2, "below", 4, true);
	assert_string_equal(victims(f, LOWER(1)), "below");
	assert_int_equal(f->answer.nr_devices, 1);
	assert_int_equal(f->answer.devices[0].device, 2);
}

static void an_equal_priority_stays(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 1);
	owns(f, 0, "equal", 5, true);
	assert_string_equal(victims(f, LOWER(1)), "-");
}

static void who_is_not_preemptible_stays(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 1);
	owns(f, 0, "firm", 0, false);
	assert_string_equal(victims(f, LOWER(1)), "-");
}

static void nobody_goes_without_a_rule_that_says_so(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 1);
	owns(f, 0, "low", 0, true);
	assert_string_equal(victims(f, CLASSES RULE("") BOSS(1)), "-");
}

/* Two are wanted, and one could be had: then that one stays as well. */
static void nobody_goes_in_vain(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 2);
	owns(f, 0, "low", 0, true);
	owns(f, 1, "firm", 0, false);
	assert_string_equal(victims(f, LOWER(2)), "-");
}

static void what_is_free_is_counted_first(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 3);
	owns(f, 0, "b", 1, true);
	owns(f, 2, "a", 1, true);
	assert_string_equal(victims(f, LOWER(2)), "a");
}

static void the_fewest_go(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 4);
	owns(f, 0, "a", 1, true);
	owns(f, 1, "b", 1, true);
	owns(f, 2, "two", 3, true);
	owns(f, 3, "two", 3, true);
	assert_string_equal(victims(f, LOWER(2)), "two");
}

static void of_equally_many_the_lowest_then_by_name(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 4);
	owns(f, 0, "c", 1, true);
	owns(f, 1, "b", 1, true);
	owns(f, 2, "a", 2, true);
	owns(f, 3, "d", 1, true);
	assert_string_equal(victims(f, LOWER(2)), "b c");
}

/* A VM ends as a whole: with one device that was given for more, or that is nobody's to take, it stays. */
static void a_vm_is_worth_what_the_dearest_of_its_devices_is(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 3);
	owns(f, 0, "a", 1, true);
	owns(f, 1, "a", 4, true);
	owns(f, 2, "b", 3, true);
	assert_string_equal(victims(f, LOWER(1)), "b");
}

static void one_device_that_is_not_to_be_taken_keeps_the_vm(void **state)
{
	static const char *const states[] = { "quarantined", "faulted", "lost" };
	struct made_claim *f = *state;

	add_gpus(f, 2);
	owns(f, 0, "a", 0, true);
	owns(f, 1, "a", 0, true);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(states); i++) {
		f->made->usage[1].state = states[i];
		assert_string_equal(victims(f, LOWER(1)), "-");
		berth_candidates_free(f->candidates);
		berth_layout_free(f->layout);
		berth_world_free(f->made->world);
		berth_policy_free(f->made->policy);
	}
	f->made->usage[0].state = "assigned";
	f->made->usage[1].state = "in-use";
	assert_string_equal(victims(f, LOWER(1)), "a");
}

static void nobody_displaces_itself(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 1);
	owns(f, 0, "boss", 0, true);
	assert_string_equal(victims(f, LOWER(2)), "-");
}

/* It has nothing that is asked for. */
static void who_has_something_else_stays(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 1);
	made_world_add(f->made, MADE_NIC, 0, "R9");
	owns(f, 0, "a", 1, true);
	owns(f, 1, "b", 0, true);
	assert_string_equal(victims(f, LOWER(1)), "a");
}

/* The functions of one group go together, and are given together. */
static void a_group_is_freed_as_a_whole(void **state)
{
	struct made_claim *f = *state;

	add_gpus(f, 2);
	free((char *)f->made->facts[1].group_key);
	f->made->facts[1].group_key = strdup(f->made->facts[0].group_key);
	owns(f, 0, "a", 1, true);
	owns(f, 1, "a", 1, true);
	assert_string_equal(victims(f, LOWER(2)), "a");
	assert_int_equal(f->answer.nr_devices, 2);
}

#define with_claim(t) cmocka_unit_test_setup_teardown(t, made_claim_set_up, made_claim_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_claim(only_a_strictly_lower_priority_has_to_go),
		with_claim(an_equal_priority_stays),
		with_claim(who_is_not_preemptible_stays),
		with_claim(nobody_goes_without_a_rule_that_says_so),
		with_claim(nobody_goes_in_vain),
		with_claim(what_is_free_is_counted_first),
		with_claim(the_fewest_go),
		with_claim(of_equally_many_the_lowest_then_by_name),
		with_claim(a_vm_is_worth_what_the_dearest_of_its_devices_is),
		with_claim(one_device_that_is_not_to_be_taken_keeps_the_vm),
		with_claim(nobody_displaces_itself),
		with_claim(who_has_something_else_stays),
		with_claim(a_group_is_freed_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
