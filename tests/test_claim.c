/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/made_claim.h"

#define CLASSES                                                                                    \
	"'classes': [ { 'name': 'gpu', 'match': { 'pci.class': '03*' } },"                         \
	" { 'name': 'nic', 'match': { 'pci.class': '0200', 'pci.is_vf': false } },"                \
	" { 'name': 'vf', 'match': { 'pci.is_vf': true } } ]"
#define ALLOW                                                                                      \
	", 'rules': [ { 'name': 'all', 'effect': 'allow', 'subject': { 'any_vm': true },"          \
	" 'resource': { 'class': ['gpu', 'nic', 'vf'] } } ]"
#define POLICY CLASSES ALLOW

static enum berth_distance pair_distance(const struct made_claim *f, size_t a, size_t b)
{
	return berth_distance_between(&f->layout->places[f->answer.devices[a].device],
				      &f->layout->places[f->answer.devices[b].device]);
}

static bool has(const struct made_claim *f, uint32_t device)
{
	for (size_t i = 0; i < f->answer.nr_devices; i++) {
		if (f->answer.devices[i].device == device)
			return true;
	}
	return false;
}

#define PAIRS                                                                                      \
	", 'claims': [ { 'vm': 'ml', 'requests': [ { 'name': 'gpu', 'class': 'gpu', 'count': 2 }," \
	" { 'name': 'nic', 'class': 'nic', 'count': 2 } ],"                                        \
	" 'constraints': [ { 'max_distance': 'PIX', 'pair': ['gpu', 'nic'], 'each': true } ]"
#define END " } ]"

static void a_gpu_and_its_nic_are_behind_one_switch(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 4, 2, 2, 1);
	a = made_claim_decide(f, POLICY PAIRS END);
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_int_equal(a->alternative, BERTH_CLAIM_AS_IT_STANDS);
	assert_true(a->best);
	assert_int_equal(a->nr_devices, 4);
	assert_int_equal(a->devices[2].request, 1);
	assert_int_equal(a->devices[3].n, 1);
	assert_int_equal(pair_distance(f, 0, 2), BERTH_DISTANCE_PIX);
	assert_int_equal(pair_distance(f, 1, 3), BERTH_DISTANCE_PIX);
	/* one node for all: preferred where nothing is said */
	assert_int_equal(a->score.part[BERTH_SCORE_NUMA], 0);
	/* and the world is as before */
	for (uint32_t i = 0; i < f->made->world->nr; i++)
		assert_null(f->made->world->usage[i].vm);
}

static void an_alternative_is_taken_when_the_claim_as_it_stands_cannot_be(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	/* one NIC only is behind a switch with GPUs, the other one next to it */
	made_world_add_switches(f->made, 1, 1, 2, 1);
	made_world_add(f->made, MADE_NIC, 0, "R0/07.0/00.0");
	a = made_claim_decide(f,
			      POLICY PAIRS ", 'alternatives': [ { 'relax': ['max_distance=PXB'] },"
					   " { 'relax': ['max_distance=PHB'] } ]" END);
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_int_equal(a->alternative, 1);
	assert_int_equal(a->score.part[BERTH_SCORE_DISTANCE],
			 BERTH_DISTANCE_PIX + BERTH_DISTANCE_PHB);
}

static void what_another_vm_owns_is_not_given(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 2, 1, 1, 1);
	f->made->usage[1].vm = "db";
	a = made_claim_decide(f, POLICY PAIRS END);
	assert_int_equal(a->outcome, BERTH_CLAIM_UNMET);
	assert_int_equal(a->nr_devices, 0);
}

static void what_the_vm_has_already_it_keeps(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 4, 1, 2, 2);
	f->made->usage[13].vm = "ml"; /* the second GPU of the last switch */
	a = made_claim_decide(f, POLICY PAIRS END);
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_true(has(f, 13));
	assert_int_equal(a->score.part[BERTH_SCORE_NEW], 3);
}

static void a_device_that_is_not_allowed_is_no_candidate(void **state)
{
	struct made_claim *f = *state;

	made_world_add_switches(f->made, 2, 1, 1, 1);
	assert_int_equal(made_claim_decide(f, CLASSES PAIRS END)->outcome, BERTH_CLAIM_UNMET);
}

static void a_quota_counts_what_the_claim_takes_itself(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 4, 1, 1, 1);
	a = made_claim_decide(f, POLICY ", 'tenants': [ { 'name': 't', 'vms': ['ml'],"
					" 'quota': { 'gpu': { 'hard': 1 } } } ]" PAIRS END);
	assert_int_not_equal(a->outcome, BERTH_CLAIM_MET);
	assert_true(a->limited);
	assert_int_equal(a->limit.reason, BERTH_REASON_QUOTA);
	assert_int_equal(a->limit.have, 2);
	for (uint32_t i = 0; i < f->made->world->nr; i++)
		assert_null(f->made->world->usage[i].vm);
}

static void numa_required_without_a_node_is_one_node(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 2, 2, 1, 0);
	a = made_claim_decide(f,
			      POLICY ", 'claims': [ { 'vm': 'ml', 'numa': 'required', 'requests':"
				     " [ { 'name': 'gpu', 'class': 'gpu', 'count': 2 } ],"
				     " 'alternatives': [ { 'relax': ['numa=preferred'] } ] } ]");
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_int_equal(a->alternative, 0);
	assert_int_equal(a->score.part[BERTH_SCORE_NUMA], 1);
}

static void numa_required_with_a_node_is_that_node(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;

	made_world_add_switches(f->made, 2, 2, 1, 0);
	a = made_claim_decide(f, POLICY
			      ", 'claims': [ { 'vm': 'ml', 'numa': 'required', 'numa_node': 1,"
			      " 'requests': [ { 'name': 'gpu', 'class': 'gpu' } ] } ]");
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_true(has(f, 1));
}

static void vfs_of_different_pfs_are_distinct(void **state)
{
	struct made_claim *f = *state;
	struct berth_claim_answer *a;
	uint32_t pf[2];

	for (int i = 0; i < 2; i++) {
		pf[i] = made_world_add(f->made, MADE_NIC, 0, "R0/%02x.0/00.0", i);
		for (int vf = 0; vf < 4; vf++)
			made_world_add_vf(f->made, pf[i], vf);
	}
	a = made_claim_decide(
		f, POLICY ", 'claims': [ { 'vm': 'ml', 'requests': [ { 'name': 'vf', 'class': 'vf',"
			  " 'count': 2 } ],"
			  " 'constraints': [ { 'distinct': 'pf', 'of': ['vf'] } ] } ]");
	assert_int_equal(a->outcome, BERTH_CLAIM_MET);
	assert_int_equal(f->made->world->pf_of[a->devices[0].device], pf[0]);
	assert_int_equal(f->made->world->pf_of[a->devices[1].device], pf[1]);
}

static void a_pool_that_packs_fills_the_switch_in_use(void **state)
{
	struct made_claim *f = *state;

	made_world_add_switches(f->made, 3, 1, 3, 0);
	f->made->usage[4].vm = "db";
	made_claim_decide(
		f, POLICY
		", 'pools': [ { 'name': 'p', 'class': 'gpu', 'order': 'pack' } ], 'claims':"
		" [ { 'vm': 'ml', 'requests': [ { 'name': 'g', 'pool': 'p', 'count': 2 } ] } ]");
	assert_int_equal(f->answer.outcome, BERTH_CLAIM_MET);
	assert_true(has(f, 3) && has(f, 5));
}

static void a_taint_keeps_away_who_does_not_tolerate_it(void **state)
{
	struct made_claim *f = *state;

	made_world_add_switches(f->made, 1, 1, 2, 0);
	made_claim_decide(
		f, POLICY
		", 'taints': [ { 'resource': { 'match': { 'pci.path': '*/00.0/00.0' } },"
		" 'taint': 'hw', 'effect': 'no-new' } ], 'claims': [ { 'vm': 'ml', 'requests':"
		" [ { 'name': 'g', 'class': 'gpu' } ] }, { 'vm': 'mm', 'tolerate': ['hw'],"
		" 'requests': [ { 'name': 'g', 'class': 'gpu' } ] } ]");
	assert_true(has(f, 1));
	berth_claim_answer_done(&f->answer);
	assert_int_equal(berth_claim_decide(f->candidates, 1, NULL, &f->answer), 0);
	assert_true(has(f, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, made_claim_set_up, made_claim_tear_down)
		T(a_gpu_and_its_nic_are_behind_one_switch),
		T(an_alternative_is_taken_when_the_claim_as_it_stands_cannot_be),
		T(what_another_vm_owns_is_not_given),
		T(what_the_vm_has_already_it_keeps),
		T(a_device_that_is_not_allowed_is_no_candidate),
		T(a_quota_counts_what_the_claim_takes_itself),
		T(numa_required_without_a_node_is_one_node),
		T(numa_required_with_a_node_is_that_node),
		T(vfs_of_different_pfs_are_distinct),
		T(a_pool_that_packs_fills_the_switch_in_use),
		T(a_taint_keeps_away_who_does_not_tolerate_it),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
