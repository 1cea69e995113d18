/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policies of docs/examples, each loaded and asked on a host that was made up for it: what their comments promise holds.
 */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/decide.h"
#include "policy/load.h"
#include "policy/lookup.h"
#include "policy/plan.h"
#include "policy/reason.h"

#define MOST 64

struct fixture {
	struct berth_policy *policy;
	struct berth_world *world;
	struct berth_facts facts[MOST];
	char texts[MOST][4][64]; /* of each: BDF, path, group, serial */
	size_t nr;
	int64_t now;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->now = 1790000000; /* 2026-09-21 */
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_world_free(f->world);
	berth_policy_free(f->policy);
	free(f);
	return 0;
}

/* A function alone in its group, isolated, with a bus of its own. */
static struct berth_facts *add(struct fixture *f, const char *path, uint32_t class, int32_t vendor,
			       int32_t device, int node)
{
	struct berth_facts *facts = &f->facts[f->nr];
	char(*text)[64] = f->texts[f->nr];

	assert_true(f->nr < MOST);
	snprintf(text[0], 64, "0000:%02zx:00.0", f->nr + 1);
	snprintf(text[1], 64, "%s", path);
	snprintf(text[2], 64, "g:%zu", f->nr);
	snprintf(text[3], 64, "48-b0-2d-ff-ff-00-00-%02zx", f->nr);
	f->nr++;
	*facts = (struct berth_facts){ .bdf = text[0],
				       .path = text[1],
				       .group_key = text[2],
				       .serial = text[3],
				       .class = class,
				       .vendor = vendor,
				       .device = device,
				       .subsystem_vendor = vendor,
				       .subsystem_device = 1,
				       .driver = "",
				       .reset = "flr",
				       .isolation = "isolated",
				       .numa_node = node,
				       .group_size = 1,
				       .vf_index = BERTH_FACT_UNKNOWN };
	return facts;
}

static void load(struct fixture *f, const char *name)
{
	struct berth_err err = BERTH_ERR_INIT;
	const struct berth_world_input in = { NULL, f->facts, NULL, f->nr, f->now };
	struct berth_world_input with;
	char path[128];
	const char *const paths[] = { path };

	snprintf(path, sizeof(path), "docs/examples/policy-%s.json", name);
	if (berth_policy_load_files(paths, 1, &f->policy, &err))
		fail_msg("%s", err.text);
	with = in;
	with.policy = f->policy;
	if (berth_world_new(&f->world, &with, &err))
		fail_msg("%s", err.text);
}

static enum berth_reason decide(struct fixture *f, size_t device, const char *vm)
{
	struct berth_question q = berth_question_for(f->policy, vm);
	struct berth_verdict verdict;

	assert_int_equal(berth_decide(f->world, (uint32_t)device, false, &q, &verdict, NULL), 0);
	return verdict.reason;
}

static bool allowed(struct fixture *f, size_t device, const char *vm)
{
	struct berth_question q = berth_question_for(f->policy, vm);
	struct berth_verdict verdict;

	assert_int_equal(berth_decide(f->world, (uint32_t)device, false, &q, &verdict, NULL), 0);
	return verdict.allow;
}

static void workstation_gives_one_vm_its_card(void **state)
{
	struct fixture *f = *state;
	struct berth_facts *screen;

	add(f, "PNP0A08:00/01.0/00.0", 0x030000, 0x10de, 0x2684, 0);
	add(f, "PNP0A08:00/1c.4/00.0", 0x0c0330, 0x1b21, 0x2142, 0);
	screen = add(f, "PNP0A08:00/02.0", 0x030000, 0x8086, 0x4680, 0);
	screen->boot_vga = BERTH_YES;
	load(f, "gpu-workstation");
	assert_true(allowed(f, 0, "games"));
	assert_true(allowed(f, 1, "games"));
	assert_false(allowed(f, 0, "other"));
	assert_false(allowed(f, 2, "games"));
	assert_int_equal(decide(f, 2, "games"), BERTH_REASON_PROTECTED);
}

static void workstation_refuses_another_card_in_the_slot(void **state)
{
	struct fixture *f = *state;

	add(f, "PNP0A08:00/01.0/00.0", 0x030000, 0x10de, 0x2704, 0);
	load(f, "gpu-workstation");
	assert_int_equal(decide(f, 0, "games"), BERTH_REASON_IDENTITY_CHANGED);
}

/* Eight GPUs and four network cards with two VFs each, two GPUs and a card under each of four switches. */
static void add_compute_host(struct fixture *f)
{
	for (int sw = 0; sw < 4; sw++) {
		struct berth_facts *pf;
		char path[64];

		for (int gpu = 0; gpu < 2; gpu++) {
			snprintf(path, sizeof(path), "PC%02d/01.0/00.0/%02d.0/00.0", sw, gpu);
			add(f, path, 0x030200, 0x10de, 0x2335, sw / 2);
		}
		snprintf(path, sizeof(path), "PC%02d/01.0/00.0/04.0/00.0", sw);
		pf = add(f, path, 0x020000, 0x15b3, 0x1021, sw / 2);
		pf->vfs_total = 8;
		for (int vf = 0; vf < 2; vf++) {
			struct berth_facts *facts;

			snprintf(path, sizeof(path), "PC%02d/01.0/00.0/04.0/00.0#vf%d", sw, vf);
			facts = add(f, path, 0x020000, 0x15b3, 0x101e, sw / 2);
			facts->is_vf = true;
			facts->vf_index = vf;
			facts->pf = pf;
		}
	}
}

static const char *root_of(const struct fixture *f, uint32_t device)
{
	return f->facts[device].path;
}

static void compute_host_pairs_gpus_with_functions_under_one_switch(void **state)
{
	struct fixture *f = *state;
	struct berth_plan *plan = NULL;
	const struct berth_claim_answer *ml, *train;
	int gpus[4] = { 0 };

	add_compute_host(f);
	load(f, "gpu-host");
	assert_int_equal(berth_plan_new(&plan, f->world, NULL, NULL), 0);
	assert_int_equal(plan->nr, 2);
	ml = &plan->answers[0];
	assert_string_equal(ml->claim->vm, "ml-1");
	assert_int_equal(ml->outcome, BERTH_CLAIM_MET);
	assert_true(ml->alternative == BERTH_CLAIM_AS_IT_STANDS);
	assert_int_equal(ml->nr_devices, 4);
	for (size_t i = 0; i < 2; i++) {
		const struct berth_claim_device *gpu = &ml->devices[i], *nic = &ml->devices[i + 2];

		assert_int_equal(gpu->n, nic->n);
		assert_int_equal(f->facts[gpu->device].vendor, 0x10de);
		assert_true(f->facts[nic->device].is_vf);
		assert_memory_equal(root_of(f, gpu->device), root_of(f, nic->device),
				    strlen("PC00/01.0/00.0"));
		assert_int_equal(f->facts[gpu->device].numa_node,
				 f->facts[ml->devices[0].device].numa_node);
	}
	train = &plan->answers[1];
	assert_string_equal(train->claim->vm, "train-1");
	assert_int_equal(train->outcome, BERTH_CLAIM_MET);
	assert_int_equal(train->nr_devices, 4);
	for (size_t i = 0; i < 4; i++)
		gpus[root_of(f, train->devices[i].device)[3] - '0']++;
	for (int sw = 0; sw < 4; sw++)
		assert_true(gpus[sw] <= 2);
	berth_plan_free(plan);
}

static void compute_host_keeps_what_shares_its_isolation(void **state)
{
	struct fixture *f = *state;
	struct berth_facts *gpu;

	gpu = add(f, "PC00/01.0/00.0", 0x030200, 0x10de, 0x2335, 0);
	gpu->isolation = "shared";
	add(f, "PC00/02.0/00.0", 0x030000, 0x1a03, 0x2000, 0);
	load(f, "gpu-host");
	assert_false(allowed(f, 0, "ml-1"));
	assert_int_equal(decide(f, 1, "ml-1"), BERTH_REASON_PROTECTED);
}

static void nfv_host_gives_functions_but_not_the_card(void **state)
{
	struct fixture *f = *state;
	struct berth_facts *pf = add(f, "PNP0A08:00/03.0/00.0", 0x020000, 0x8086, 0x10c9, 0);
	size_t found[MOST], nr;
	struct berth_net_policy net;

	pf->vfs_total = 8;
	for (int i = 0; i < 8; i++) {
		char path[64];
		struct berth_facts *vf;

		snprintf(path, sizeof(path), "PNP0A08:00/03.0/00.0#vf%d", i);
		vf = add(f, path, 0x020000, 0x8086, 0x10ca, 0);
		vf->is_vf = true;
		vf->vf_index = i;
		vf->pf = pf;
	}
	load(f, "sriov-nfv");
	assert_int_equal(decide(f, 0, "fw"), BERTH_REASON_PROTECTED);
	assert_true(allowed(f, 1, "fw"));
	assert_true(allowed(f, 2, "fw"));
	assert_false(allowed(f, 3, "fw"));
	assert_false(allowed(f, 1, "nf-1"));
	assert_true(allowed(f, 3, "nf-1"));
	assert_int_equal(berth_policy_find_pool(f->policy, "nf", f->facts, f->nr, found, &nr, NULL),
			 0);
	assert_int_equal(nr, 6);
	assert_int_equal(berth_policy_net(f->policy, &f->facts[1], &net, NULL), 0);
	assert_int_equal(net.vlan, 100);
	assert_int_equal(berth_policy_net(f->policy, &f->facts[8], &net, NULL), 0);
	assert_int_equal(net.vlan, 300);
	assert_int_equal(f->policy->sriovs[0].num_vfs, 8);
}

static void add_accelerators(struct fixture *f, int nr)
{
	for (int i = 0; i < nr; i++) {
		char path[64];

		snprintf(path, sizeof(path), "PC00/%02d.0/00.0", i);
		add(f, path, 0x120000, 0x1db7, 0x0001, 0);
	}
}

static void shared_pool_holds_teams_to_their_quotas(void **state)
{
	struct fixture *f = *state;

	add_accelerators(f, 8);
	load(f, "shared-pool");
	assert_true(allowed(f, 0, "guest-1"));
	berth_world_set_owner(f->world, 0, "guest-1");
	assert_int_equal(decide(f, 1, "guest-1"), BERTH_REASON_QUOTA);
	assert_int_equal(decide(f, 1, "guest-2"), BERTH_REASON_QUOTA);
	assert_true(allowed(f, 1, "speech-1"));
	assert_false(allowed(f, 1, "stranger"));
}

static void shared_pool_keeps_the_doubtful_card_for_the_test(void **state)
{
	struct fixture *f = *state;

	add_accelerators(f, 8);
	load(f, "shared-pool");
	assert_int_equal(decide(f, 7, "speech-1"), BERTH_REASON_TAINTED);
	assert_true(allowed(f, 7, "vision-test"));
}

static void shared_pool_is_booked_for_the_day_of_the_demonstration(void **state)
{
	struct fixture *f = *state;

	f->now = 1790841600; /* 2026-10-01T08:00Z */
	add_accelerators(f, 2);
	load(f, "shared-pool");
	assert_true(allowed(f, 0, "vision-demo"));
	assert_int_equal(decide(f, 0, "speech-1"), BERTH_REASON_RESERVED);
}

int main(void)
{
#define EXAMPLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		EXAMPLE_TEST(workstation_gives_one_vm_its_card),
		EXAMPLE_TEST(workstation_refuses_another_card_in_the_slot),
		EXAMPLE_TEST(compute_host_pairs_gpus_with_functions_under_one_switch),
		EXAMPLE_TEST(compute_host_keeps_what_shares_its_isolation),
		EXAMPLE_TEST(nfv_host_gives_functions_but_not_the_card),
		EXAMPLE_TEST(shared_pool_holds_teams_to_their_quotas),
		EXAMPLE_TEST(shared_pool_keeps_the_doubtful_card_for_the_test),
		EXAMPLE_TEST(shared_pool_is_booked_for_the_day_of_the_demonstration),
	};

	return cmocka_run_group_tests_name("docs/examples", tests, NULL, NULL);
}
