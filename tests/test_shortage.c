/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "policy/shortage.h"
#include "tests/lib/made_claim.h"

struct fixture {
	struct made_claim *claim; /* owned */
	struct berth_shortage shortage;
	char text[512], remedy[512];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	made_claim_set_up((void **)&f->claim);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_shortage_done(&f->shortage);
	made_claim_tear_down((void **)&f->claim);
	free(f);
	return 0;
}

#define CLASSES                                                                                    \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"                         \
	" { 'name': 'nic', 'match': { 'pci.class': '0200' } } ]"
#define ALLOW                                                                                      \
	", 'rules': [ { 'name': 'all', 'effect': 'allow', 'subject': { 'any_vm': true },"          \
	" 'resource': { 'class': ['gpu', 'nic'] } } ]"
#define CLAIM(requests, more) ", 'claims': [ { 'vm': 'v', 'requests': [ " requests " ]" more " } ]"
#define GPUS(n)		      "{ 'name': 'gpu', 'class': 'gpu', 'count': " #n " }"
#define NICS(n)		      "{ 'name': 'nic', 'class': 'nic', 'count': " #n " }"

/* What is missing for the claim, which must not be met; with its sentences. */
static const struct berth_shortage *look(struct fixture *f, const char *policy)
{
	const struct berth_claim_answer *answer = made_claim_decide(f->claim, policy);
	const struct berth_world *w = f->claim->made->world;

	assert_int_not_equal(answer->outcome, BERTH_CLAIM_MET);
	assert_int_equal(berth_shortage_find(f->claim->candidates, answer, &f->shortage), 0);
	berth_shortage_text(w, answer, &f->shortage, f->text, sizeof(f->text));
	berth_shortage_remedy(w, answer, &f->shortage, f->remedy, sizeof(f->remedy));
	return &f->shortage;
}

static void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

static void too_few_that_fit_are_counted(void **state)
{
	struct fixture *f = *state;
	const struct berth_shortage *s;

	made_world_add_switches(f->claim->made, 1, 1, 2, 3);
	s = look(f, CLASSES ALLOW CLAIM(NICS(1) ", " GPUS(3), ""));
	assert_int_equal(s->nr_requests, 2);
	assert_int_equal(s->short_of, 1);
	assert_int_equal(s->culprit, SIZE_MAX);
	assert_int_equal(s->requests[0].wanted, 1);
	assert_int_equal(s->requests[0].fit, 3);
	assert_int_equal(s->requests[0].allowed, 3);
	assert_int_equal(s->requests[1].wanted, 3);
	assert_int_equal(s->requests[1].fit, 2);
	assert_int_equal(s->requests[1].allowed, 2);
	assert_false(s->requests[1].has_nearest);
	assert_string_equal(f->text, "v wants 3 of \"gpu\", and may have 2 of 2");
	assert_string_equal(f->remedy, "plug in more, or ask for fewer: nothing else fits \"gpu\"");
}

/* Of the first that is short it is spoken, even when a later one is, too. */
static void the_first_that_is_short_counts(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->claim->made, 1, 1, 1, 1);
	assert_int_equal(look(f, CLASSES ALLOW CLAIM(NICS(2) ", " GPUS(2), ""))->short_of, 0);
	assert_says(f->text, "v wants 2 of \"nic\"");
}

/* One is owned, one protected, one tainted, one nobody speaks of: the tainted one came farthest. */
static void what_keeps_the_others_is_counted_and_the_nearest_named(void **state)
{
	static const struct berth_usage_taint taint = { "smells", BERTH_TAINT_NO_NEW, NULL };
	struct fixture *f = *state;
	const struct berth_shortage_request *q;

	made_world_add_switches(f->claim->made, 1, 1, 4, 0);
	made_world_add(f->claim->made, MADE_NIC, 0, "R9");
	f->claim->made->usage[0].safety = "root-disk";
	f->claim->made->usage[1].taints = &taint;
	f->claim->made->usage[1].nr_taints = 1;
	f->claim->made->usage[2].vm = "w";
	q = &look(f, CLASSES ALLOW CLAIM(GPUS(2), ""))->requests[0];
	assert_int_equal(q->fit, 4);
	assert_int_equal(q->allowed, 1);
	assert_int_equal(q->refused[BERTH_REASON_PROTECTED], 1);
	assert_int_equal(q->refused[BERTH_REASON_TAINTED], 1);
	assert_int_equal(q->refused[BERTH_REASON_OWNED], 1);
	assert_int_equal(q->refused[BERTH_REASON_NO_RULE_ALLOWS], 0);
	assert_true(q->has_nearest);
	assert_int_equal(q->nearest.reason, BERTH_REASON_TAINTED);
	assert_int_equal(q->nearest.device, 1);
	assert_says(f->text, "may have 1 of 4, 1 PROTECTED, 1 OWNED, 1 TAINTED; nearest: ");
	assert_says(f->remedy, "clear the taint");
}

static void a_taint_that_the_claim_tolerates_keeps_nothing(void **state)
{
	static const struct berth_usage_taint taint = { "smells", BERTH_TAINT_NO_NEW, NULL };
	struct fixture *f = *state;

	made_world_add_switches(f->claim->made, 1, 1, 2, 0);
	f->claim->made->usage[1].taints = &taint;
	f->claim->made->usage[1].nr_taints = 1;
	assert_int_equal(look(f, CLASSES ALLOW CLAIM(GPUS(3), ", 'tolerate': [ 'smells' ]"))
				 ->requests[0]
				 .allowed,
			 2);
}

static void a_bridge_does_not_fit(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->claim->made, 1, 1, 2, 0);
	f->claim->made->facts[0].is_bridge = true;
	assert_int_equal(look(f, CLASSES ALLOW CLAIM(GPUS(2), ""))->requests[0].fit, 1);
}

/* A GPU and a NIC there are, but not behind one switch; the other constraint holds. */
static void the_constraint_in_the_way_is_found(void **state)
{
	struct fixture *f = *state;

	made_world_add(f->claim->made, MADE_GPU, 0, "R0/00.0/00.0/00.0/00.0");
	made_world_add(f->claim->made, MADE_NIC, 0, "R0/01.0/00.0/00.0/00.0");
	assert_int_equal(
		look(f,
		     CLASSES ALLOW CLAIM(
			     GPUS(1) ", " NICS(1),
			     ", 'constraints': [ { 'max_distance': 'SYS', 'pair': ['gpu', 'nic'] },"
			     " { 'max_distance': 'PIX', 'pair': ['gpu', 'nic'] } ]"))
			->culprit,
		1);
	assert_int_equal(f->shortage.short_of, SIZE_MAX);
	assert_says(f->text, "none that fit the constraint on distance (");
	assert_says(f->remedy, "relax /claims/0/constraints/1, or add an alternative");
}

/* Without either of them it would still not be met. */
static void of_two_constraints_neither_may_be_to_blame(void **state)
{
	struct fixture *f = *state;

	made_world_add(f->claim->made, MADE_GPU, 0, "R0/00.0/00.0/00.0/00.0");
	made_world_add(f->claim->made, MADE_NIC, 1, "R1/01.0/00.0/00.0/00.0");
	assert_int_equal(
		look(f,
		     CLASSES ALLOW CLAIM(
			     GPUS(1) ", " NICS(1),
			     ", 'constraints': [ { 'max_distance': 'PHB', 'pair': ['gpu', 'nic'] },"
			     " { 'max_distance': 'PIX', 'pair': ['gpu', 'nic'] } ]"))
			->culprit,
		SIZE_MAX);
	assert_says(f->text, "but not for all of them with all constraints");
	assert_string_equal(f->remedy, "");
}

/* Each by itself would be given, but two exceed the quota of the VM's tenant. */
static void a_count_in_the_way_is_named(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->claim->made, 1, 1, 2, 0);
	assert_int_equal(look(f, CLASSES ALLOW
			      ", 'tenants': [ { 'name': 't', 'vms': ['v'],"
			      " 'quota': { 'gpu': { 'hard': 1 } } } ]" CLAIM(GPUS(2), ""))
				 ->short_of,
			 SIZE_MAX);
	assert_true(f->claim->answer.limited);
	assert_says(f->text, "v could have each device, but not all of them: ");
	assert_int_not_equal(strlen(f->remedy), 0);
}

/* A search that ended at its bound proves nothing. */
static void a_search_that_gave_up_says_so(void **state)
{
	struct fixture *f = *state;
	const struct berth_claim_options options = { .max_nodes = 1 };
	const struct berth_world *w;

	made_world_add_switches(f->claim->made, 4, 2, 2, 1);
	made_claim_see(f->claim, CLASSES ALLOW CLAIM(GPUS(2) ", " NICS(2),
						     ", 'constraints': [ { 'max_distance': 'PIX',"
						     " 'pair': ['gpu', 'nic'], 'each': true } ]"));
	assert_int_equal(berth_claim_decide(f->claim->candidates, 0, &options, &f->claim->answer),
			 0);
	assert_int_equal(f->claim->answer.outcome, BERTH_CLAIM_GAVE_UP);
	f->shortage = (struct berth_shortage){ .short_of = SIZE_MAX, .culprit = SIZE_MAX };
	w = f->claim->made->world;
	berth_shortage_text(w, &f->claim->answer, &f->shortage, f->text, sizeof(f->text));
	assert_says(f->text, "no way was found within ");
	f->remedy[0] = '?';
	berth_shortage_remedy(w, &f->claim->answer, &f->shortage, f->remedy, sizeof(f->remedy));
	assert_string_equal(f->remedy, "");
}

static void a_short_buffer_holds_the_beginning(void **state)
{
	struct fixture *f = *state;
	char buf[16];

	made_world_add_switches(f->claim->made, 1, 1, 1, 0);
	look(f, CLASSES ALLOW CLAIM(GPUS(3), ""));
	memset(buf, 'x', sizeof(buf));
	berth_shortage_text(f->claim->made->world, &f->claim->answer, &f->shortage, buf, 8);
	assert_string_equal(buf, "v wants");
	assert_int_equal(buf[8], 'x');
	berth_shortage_remedy(f->claim->made->world, &f->claim->answer, &f->shortage, buf, 5);
	assert_string_equal(buf, "plug");
}

/* It is asked in the world as it is, and leaves that so. */
static void nothing_changes_by_asking(void **state)
{
	struct fixture *f = *state;

	made_world_add_switches(f->claim->made, 1, 1, 2, 0);
	f->claim->made->usage[1].vm = "w";
	look(f, CLASSES ALLOW CLAIM(GPUS(2), ""));
	assert_null(f->claim->made->world->usage[0].vm);
	assert_string_equal(f->claim->made->world->usage[1].vm, "w");
}

#define with_claim(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_claim(too_few_that_fit_are_counted),
		with_claim(the_first_that_is_short_counts),
		with_claim(what_keeps_the_others_is_counted_and_the_nearest_named),
		with_claim(a_taint_that_the_claim_tolerates_keeps_nothing),
		with_claim(a_bridge_does_not_fit),
		with_claim(the_constraint_in_the_way_is_found),
		with_claim(of_two_constraints_neither_may_be_to_blame),
		with_claim(a_count_in_the_way_is_named),
		with_claim(a_search_that_gave_up_says_so),
		with_claim(a_short_buffer_holds_the_beginning),
		with_claim(nothing_changes_by_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
