/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "policy/claim.h"
#include "tests/lib/made_world.h"

static uint32_t below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(*seed >> 8) * n) >> 24);
}

static struct made_world *random_host(uint32_t *seed)
{
	static const char *const owners[] = { NULL, NULL, NULL, "db", "ml" };
	struct made_world *made = made_world_new(128);
	int switches = 1 + (int)below(seed, 3);

	made_world_add_switches(made, switches, 1 + (int)below(seed, 2), (int)below(seed, 8), 1);
	for (uint32_t i = 0, nr = (uint32_t)made->nr; i < nr; i++) {
		for (uint32_t vf = below(seed, 8); made->facts[i].vendor == 0x15b3 && vf > 0; vf--)
			made_world_add_vf(made, i, (int32_t)vf);
	}
	for (uint32_t i = 0; i < made->nr; i++) {
		made->usage[i].vm = owners[below(seed, BERTH_ARRAY_SIZE(owners))];
		made->usage[i].last_use = below(seed, 5);
		if (below(seed, 10) == 0)
			made->facts[i].isolation = "shared";
		if (made->facts[i].is_vf && made->usage[i].vm)
			made->usage[i].vm = NULL;
	}
	return made;
}

/* With a constraint that tells each device from each, nothing is left out for being like another; it changes nothing else. */
static void see(struct made_world *made, uint32_t seed, bool whole)
{
	static const char *const orders[] = { "listed", "pack", "spread" };
	static const char *const rules[] = {
		"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"
		" { 'name': 'vf', 'match': { 'pci.is_vf': true } } ],"
		" 'defaults': { 'min_isolation': 'isolated' },"
		" 'rules': [ { 'effect': 'allow', 'subject': { 'vm': 'ml' },"
		" 'resource': { 'class': ['gpu', 'vf'] } },",
		" { 'effect': 'deny', 'subject': { 'vm': 'ml' }, 'resource': { 'match':"
		" { 'pcie.switch': 'R0/01.0/00.0' } } }, ",
		"",
	};
	char policy[2048];

	snprintf(
		policy, sizeof(policy),
		"%s%s { 'effect': 'deny', 'subject': { 'vm': 'x' }, 'resource': { 'class': 'vf' } } ],"
		" 'pools': [ { 'name': 'g', 'class': 'gpu', 'order': '%s', 'keep_free': %u },"
		" { 'name': 'v', 'class': 'vf', 'order': '%s' } ],"
		" 'claims': [ { 'vm': 'ml', 'requests': [ { 'name': 'a', 'pool': 'g', 'count': %u },"
		" { 'name': 'b', 'pool': 'v', 'count': %u } ], 'constraints': ["
		" { 'max_distance': '%s', 'pair': ['a', 'b'] }%s ] } ]",
		rules[0], rules[1 + below(&seed, 2)], orders[seed % 3], below(&seed, 2),
		orders[seed % 3], 1 + below(&seed, 2), 1 + below(&seed, 2),
		below(&seed, 2) ? "PIX" : "NODE",
		whole ? ", { 'distinct': 'pci.path', 'of': ['a', 'b'] }" : "");
	made_world_see(made, policy);
}

struct result {
	struct berth_claim_answer answer;
	size_t items;
};

/* What the claim gets; and every device on offer is one that the decision allows. */
static struct result decide(struct made_world *made)
{
	struct berth_candidates_ask ask = { 0 };
	struct berth_question q = berth_question_for(made->policy, "ml");
	struct berth_candidates *c;
	struct berth_layout *layout;
	struct result result;

	assert_int_equal(berth_layout_new(&layout, made->world), 0);
	assert_int_equal(berth_candidates_new(&c, layout), 0);
	assert_int_equal(berth_candidates_fill(c, &ask, NULL), 0);
	for (size_t i = 0; i < c->nr; i++) {
		struct berth_verdict v;

		assert_int_equal(berth_decide_group(made->world,
						    made->world->group_of[c->devices[i]],
						    &c->devices[i], 1, &q, &v, NULL),
				 0);
		assert_true(v.allow);
		assert_true(!i || layout->rank[c->devices[i - 1]] < layout->rank[c->devices[i]]);
	}
	result.items = c->nr;
	assert_int_equal(berth_claim_decide(c, 0, NULL, &result.answer), 0);
	berth_candidates_free(c);
	berth_layout_free(layout);
	return result;
}

static size_t count_allowed(struct made_world *made)
{
	struct berth_question q = berth_question_for(made->policy, "ml");
	size_t nr = 0;

	for (uint32_t i = 0; i < made->nr; i++) {
		struct berth_verdict v;
		bool wanted = false;

		for (uint32_t r = 0; r < 2; r++)
			wanted |= berth_devset_has(&made->world->sets[berth_world_request_set(
							   made->world, 0, r)],
						   i) == BERTH_YES;
		assert_int_equal(berth_decide_group(made->world, made->world->group_of[i], &i, 1,
						    &q, &v, NULL),
				 0);
		nr += wanted && v.allow;
	}
	return nr;
}

static void leaving_out_what_is_like_another_changes_no_answer(void **state)
{
	size_t met = 0, fewer = 0;

	(void)state;
	for (uint32_t round = 0; round < 600; round++) {
		uint32_t seed = round * 2654435761U, again = seed;
		struct made_world *a = random_host(&seed), *b = random_host(&again);
		struct result thin, whole;

		see(a, seed, false);
		see(b, again, true);
		thin = decide(a);
		whole = decide(b);
		assert_int_equal(whole.items, count_allowed(b));
		if (thin.answer.outcome != whole.answer.outcome)
			fail_msg("round %u: %s, but %s with all of them", round,
				 berth_claim_outcome_name(thin.answer.outcome),
				 berth_claim_outcome_name(whole.answer.outcome));
		if (thin.answer.outcome == BERTH_CLAIM_MET) {
			met++;
			assert_int_equal(berth_score_cmp(&thin.answer.score, &whole.answer.score),
					 0);
		}
		fewer += thin.items < whole.items;
		berth_claim_answer_done(&thin.answer);
		berth_claim_answer_done(&whole.answer);
		made_world_free(a);
		made_world_free(b);
	}
	assert_true(met > 60 && met < 540);
	assert_true(fewer > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaving_out_what_is_like_another_changes_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
