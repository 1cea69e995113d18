/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/load.h"
#include "policy/world.h"
#include "tests/lib/tmp.h"

/* A bridge, a GPU and its sound function in its group, a PF with two VFs, and a card without a group. */
enum { BRIDGE, GPU, SOUND, PF, VF0, VF1, ODD, NR };

static const struct berth_facts *host(void)
{
	static struct berth_facts f[NR];
	static const char *const bdfs[NR] = { "0000:00:01.0", "0000:01:00.0", "0000:01:00.1",
					      "0000:03:00.0", "0000:03:10.0", "0000:03:10.2",
					      "0000:05:00.0" };
	static const char *const keys[NR] = { "g1", "g1", "g1", "g3", "g4", "g5", NULL };

	for (size_t i = 0; i < NR; i++)
		f[i] = (struct berth_facts){ .bdf = bdfs[i],
					     .group_key = keys[i],
					     .vendor = 0x8086,
					     .device = (int32_t)i,
					     .numa_node = BERTH_FACT_UNKNOWN,
					     .vf_index = BERTH_FACT_UNKNOWN };
	f[BRIDGE].is_bridge = true;
	f[GPU].class = 0x030000;
	f[VF0].is_vf = f[VF1].is_vf = true;
	f[VF0].vf_index = 0;
	f[VF1].vf_index = 1;
	f[VF0].pf = f[VF1].pf = &f[PF];
	return f;
}

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_usage usage[NR];
	struct berth_world *world;
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

static void see(struct fixture *f, const char *body)
{
	const struct berth_world_input in = { NULL, host(), f->usage, NR, 1000 };
	struct berth_world_input now = in;
	struct berth_err err = BERTH_ERR_INIT;
	const char *paths[1];
	char path[512], *text;

	assert_true(asprintf(&text, "{ \"version\": 1, %s }", body) > 0);
	tmp_text(f->dir, "p", text);
	free(text);
	paths[0] = tmp_path(f->dir, "p", path, sizeof(path));
	if (berth_policy_load_files(paths, 1, &f->policy, &err))
		fail_msg("%s", err.text);
	now.policy = f->policy;
	assert_int_equal(berth_world_new(&f->world, &now, &err), 0);
}

#define GPUS "\"classes\": [ { \"name\": \"gpu\", \"match\": { \"pci.class\": \"03??\" } } ]"
#define VFS                                                                                        \
	"\"classes\": [ { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true } } ],"               \
	"\"pools\": [ { \"name\": \"first\", \"class\": \"vf\", \"match\": { \"pci.vf_index\": 0 } } ]"

static void groups_hold_their_endpoints(void **state)
{
	struct fixture *f = *state;
	const struct berth_world_group *group;

	see(f, GPUS);
	assert_int_equal(f->world->group_of[BRIDGE], BERTH_WORLD_NONE);
	assert_int_equal(f->world->group_of[GPU], f->world->group_of[SOUND]);
	group = &f->world->groups[f->world->group_of[GPU]];
	assert_string_equal(group->key, "g1");
	assert_int_equal(group->nr, 2);
	assert_int_equal(group->members[0], GPU);
	assert_int_equal(group->members[1], SOUND);
	group = &f->world->groups[f->world->group_of[ODD]];
	assert_null(group->key);
	assert_int_equal(group->nr, 1);
	assert_int_equal(f->world->nr_groups, 5);
	assert_int_equal(f->world->pf_of[VF1], PF);
	assert_int_equal(f->world->pf_of[PF], BERTH_WORLD_NONE);
}

static void rules_share_the_set_of_what_they_name(void **state)
{
	struct fixture *f = *state;
	const struct berth_world_member *in;
	uint32_t nr, pool;

	see(f, VFS ", \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
		   " \"resource\": { \"pool\": \"first\" } },"
		   " { \"effect\": \"allow\", \"subject\": { \"vm\": \"t*\" },"
		   " \"resource\": { \"match\": { \"numa.node\": 1 } } } ]");
	pool = berth_world_pool_set(f->world, 0);
	assert_int_equal(berth_world_rule_set(f->world, 0), pool);
	assert_int_equal(f->world->sets[pool].nr_yes, 1);
	assert_int_equal(f->world->sets[pool].yes[0], VF0);
	assert_int_equal(f->world->sets[berth_world_rule_set(f->world, 1)].nr_maybe, NR);
	in = berth_world_sets_of(f->world, VF0, &nr);
	assert_int_equal(nr, 3);
	assert_int_equal(in[0].set, berth_world_class_set(f->world, 0));
	assert_int_equal(in[1].set, pool);
	assert_int_equal(in[1].in, BERTH_YES);
	assert_int_equal(in[2].in, BERTH_UNKNOWN);
}

static void free_devices_are_those_without_owner_that_nothing_keeps(void **state)
{
	struct fixture *f = *state;
	const struct berth_devset *vfs;

	f->usage[VF0].vm = "t1";
	see(f, VFS);
	vfs = &f->world->sets[berth_world_class_set(f->world, 0)];
	assert_int_equal(vfs->nr_yes, 2);
	assert_int_equal(vfs->nr_free, 1);
	assert_int_equal(f->world->owned_vfs[PF], 1);
	berth_world_set_owner(f->world, VF1, "t2");
	assert_int_equal(vfs->nr_free, 0);
	assert_int_equal(f->world->owned_vfs[PF], 2);
	berth_world_set_owner(f->world, VF0, NULL);
	assert_int_equal(vfs->nr_free, 1);
	assert_int_equal(f->world->owned_vfs[PF], 1);
	/* from one to another */
	berth_world_set_owner(f->world, VF1, "t3");
	assert_int_equal(vfs->nr_free, 1);
	assert_int_equal(f->world->owned_vfs[PF], 1);
}

static void what_the_host_needs_or_a_taint_keeps_is_not_free(void **state)
{
	static const struct berth_usage_taint taints[] = {
		{ "odd", BERTH_TAINT_REPORT, NULL }, { "hw-fault", BERTH_TAINT_NO_NEW, NULL }
	};
	struct fixture *f = *state;

	f->usage[VF0].safety = "HOST_USES";
	f->usage[VF1].taints = taints;
	f->usage[VF1].nr_taints = 2;
	f->usage[GPU].taints = taints;
	f->usage[GPU].nr_taints = 1;
	see(f, VFS);
	assert_int_equal(f->world->sets[berth_world_class_set(f->world, 0)].nr_free, 0);
	assert_false(f->world->usable[VF0]);
	assert_false(f->world->usable[VF1]);
	assert_true(f->world->usable[GPU]);
}

static void identity_is_what_the_device_entries_expect(void **state)
{
	struct fixture *f = *state;
	const struct berth_group_entry *entry;

	see(f, "\"devices\": [ { \"name\": \"a\", \"match\": { \"pci.bdf\": \"01:00.0\" },"
	       " \"expect\": { \"pci.id\": \"8086:0001\" } },"
	       " { \"name\": \"b\", \"match\": { \"pci.bdf\": \"03:10.0\" },"
	       " \"expect\": { \"pci.id\": \"8086:9999\" } },"
	       " { \"name\": \"c\", \"match\": { \"pci.bdf\": \"03:10.2\" },"
	       " \"expect\": { \"serial\": \"x\" } } ]");
	assert_int_equal(berth_world_identity(f->world, GPU, &entry), BERTH_YES);
	assert_null(entry);
	assert_int_equal(berth_world_identity(f->world, VF0, &entry), BERTH_NO);
	assert_string_equal(entry->name, "b");
	assert_int_equal(berth_world_identity(f->world, VF1, &entry), BERTH_UNKNOWN);
	assert_string_equal(entry->name, "c");
	assert_false(f->world->usable[VF0]);
	assert_false(f->world->usable[VF1]);
}

static void a_subject_knows_which_rules_are_about_it(void **state)
{
	struct fixture *f = *state;
	const struct berth_subject *s;

	see(f, GPUS ", \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
		    " \"resource\": { \"class\": \"gpu\" } },"
		    " { \"effect\": \"allow\", \"subject\": { \"vm\": \"t*\" },"
		    " \"resource\": { \"class\": \"gpu\" } } ]");
	s = berth_world_subject(f->world, "t1");
	assert_int_equal(berth_world_fits(f->world, s, 0), BERTH_YES);
	assert_int_equal(berth_world_fits(f->world, s, 1), BERTH_YES);
	assert_int_equal(s->tenant, BERTH_WORLD_NONE);
	s = berth_world_subject(f->world, "db");
	assert_int_equal(berth_world_fits(f->world, s, 0), BERTH_YES);
	assert_int_equal(berth_world_fits(f->world, s, 1), BERTH_NO);
	s = berth_world_subject(f->world, NULL);
	assert_int_equal(berth_world_fits(f->world, s, 0), BERTH_YES);
	assert_int_equal(berth_world_fits(f->world, s, 1), BERTH_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(groups_hold_their_endpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_share_the_set_of_what_they_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			free_devices_are_those_without_owner_that_nothing_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_host_needs_or_a_taint_keeps_is_not_free,
						setup, teardown),
		cmocka_unit_test_setup_teardown(identity_is_what_the_device_entries_expect, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_subject_knows_which_rules_are_about_it, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
