/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/load.h"
#include "policy/whole.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_err err;
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

	berth_policy_free(f->policy);
	tmp_free(f->dir);
	free(f);
	return 0;
}

/* A policy of two files "a.json" and "b.json"; in this order, or the other when @back. */
static int load(struct fixture *f, const char *a, const char *b, bool back)
{
	char path_a[512], path_b[512];
	const char *paths[] = { tmp_path(f->dir, "a.json", path_a, sizeof(path_a)),
				tmp_path(f->dir, "b.json", path_b, sizeof(path_b)) };
	const char *const turned[] = { paths[1], paths[0] };

	berth_policy_free(f->policy);
	f->policy = NULL;
	berth_err_clear(&f->err);
	tmp_text(f->dir, "a.json", a);
	tmp_text(f->dir, "b.json", b);
	return berth_policy_load_files(back ? turned : paths, 2, &f->policy, &f->err);
}

#define V1  "{\"version\": 1, "
#define ANY "{\"any_device\": true}"
#define THINGS                                                                                                  \
	V1 "\"devices\": [{\"name\": \"nic-0\", \"match\": " ANY "}], "                                         \
	   "\"classes\": [{\"name\": \"gpu\", \"match\": " ANY                                                  \
	   "}, {\"name\": \"both\", \"match\": " ANY "}], "                                                     \
	   "\"pools\": [{\"name\": \"train\", \"class\": \"gpu\"}, {\"name\": \"both\", \"class\": \"gpu\"}], " \
	   "\"tenants\": [{\"name\": \"ml\", \"vms\": [\"ml-*\", \"lone\"], \"max_priority\": 500}]}"

static void a_mistake_that_only_the_whole_shows_names_its_place(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ V1 "\"protect\": [{\"name\": \"p\", \"match\": " ANY
		     "}, {\"name\": \"p\", \"match\": " ANY "}]}",
		  "b.json:1:74: /protect/1: there is a protect entry \"p\" already, at " },
		{ V1
		  "\"sriov\": [{\"pf\": \"nic-0\", \"num_vfs\": 1}, {\"pf\": \"nic-0\", \"num_vfs\": 1}]}",
		  "/sriov/1: there is a sriov entry of \"nic-0\" already" },
		{ V1 "\"sriov\": [{\"pf\": \"nic-1\", \"num_vfs\": 1}]}",
		  "/sriov/0: there is no device \"nic-1\" in the policy; did you mean \"nic-0\"?" },
		{ V1 "\"tenants\": [{\"name\": \"ml\", \"vms\": \"x\"}]}",
		  "/tenants/0: there is a tenant \"ml\" already" },
		{ V1 "\"tenants\": [{\"name\": \"b\", \"vms\": \"lone\"}]}",
		  "the VM \"lone\" belongs to the tenant \"b\" already" },
		{ V1 "\"tenants\": [{\"name\": \"b\", \"vms\": \"ml-*\"}]}",
		  "the VM \"ml-*\" belongs to the tenant \"b\" already" },
		{ V1 "\"tenants\": [{\"name\": \"b\", \"vms\": [\"y\", \"ml-7\"]}]}",
		  "b.json:1:28: /tenants/0: the VM \"ml-7\" belongs to the tenant \"ml\" already" },
		{ V1 "\"tenants\": [{\"name\": \"b\", \"vms\": \"lon?\"}]}",
		  "the VM \"lone\" belongs to the tenant \"b\" already" },
		{ V1
		  "\"tenants\": [{\"name\": \"b\", \"vms\": \"y\", \"quota\": {\"gpv\": {\"hard\": 1}}}]}",
		  "/tenants/0/quota/gpv: there is no class \"gpv\" in the policy; did you mean \"gpu\"?" },
		{ V1
		  "\"tenants\": [{\"name\": \"b\", \"vms\": \"y\", \"quota\": {\"both\": {\"hard\": 1}}}]}",
		  "/tenants/0/quota/both: there are both a class and a pool \"both\"" },
		{ V1
		  "\"rules\": [{\"effect\": \"allow\", \"subject\": {\"tenant\": \"m\"}, \"resource\": " ANY
		  "}]}",
		  "/rules/0: there is no tenant \"m\" in the policy" },
		{ V1
		  "\"taints\": [{\"taint\": \"t\", \"effect\": \"evict\", \"resource\": {\"pool\": \"tran\"}}]}",
		  "/taints/0: there is no pool \"tran\" in the policy; did you mean \"train\"?" },
		{ V1
		  "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"gp\"}]}]}",
		  "/claims/0/requests/0: there is no class \"gp\" in the policy; did you mean \"gpu\"?" },
		{ V1
		  "\"claims\": [{\"vm\": \"ml-1\", \"priority\": 501, \"requests\": [{\"name\": \"x\", \"class\": \"gpu\"}]}]}",
		  "/claims/0: priority 501 is above 500, the \"max_priority\" of the tenant \"ml\"" },
		{ V1
		  "\"defaults\": {}, \"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"gpu\"}]}, "
		  "{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"gpu\"}]}]}",
		  "/claims/1: there is a claim of \"a\" already" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		char forth[BERTH_ERR_TEXT];

		if (load(f, THINGS, rows[i].text, false) != -EINVAL ||
		    !strstr(f->err.text, rows[i].want))
			fail_msg("row %zu: \"%s\", wanted \"%s\"", i, f->err.text, rows[i].want);
		strcpy(forth, f->err.text);
		assert_int_equal(load(f, THINGS, rows[i].text, true), -EINVAL);
		assert_string_equal(f->err.text, forth);
	}
}

static void what_belongs_together_may_stand_in_any_file(void **state)
{
	struct fixture *f = *state;

	if (load(f, THINGS,
		 V1
		 "\"defaults\": {\"numa\": \"none\"}, \"tenants\": [{\"name\": \"b\", \"vms\": [\"b-*\", \"b-1\"], "
		 "\"quota\": {\"train\": {\"hard\": 1}}}], "
		 "\"claims\": [{\"vm\": \"ml-1\", \"priority\": 500, \"requests\": [{\"name\": \"x\", \"pool\": \"train\"}]}, "
		 "{\"vm\": \"free\", \"priority\": 999, \"numa\": \"required\", \"requests\": [{\"name\": \"x\", \"pool\": \"train\"}]}]}",
		 true))
		fail_msg("%s", f->err.text);
	assert_true(berth_policy_tenant(f->policy, "b")->quotas[0].pool);
	assert_int_equal(berth_policy_claim(f->policy, "ml-1")->numa, BERTH_NUMA_NONE);
	assert_int_equal(berth_policy_claim(f->policy, "free")->numa, BERTH_NUMA_REQUIRED);
}

static void defaults_are_said_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, V1 "\"defaults\": {}}", V1 "\"defaults\": {}}", false), -EINVAL);
	assert_non_null(strstr(f->err.text, "/defaults: there are defaults already, at "));
}

/* Comparing every name with every pattern stays cheap only while there are not too many. */
static void tenants_have_no_more_than_so_many_vms(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(1 << 20);
	size_t n = (size_t)sprintf(text, V1 "\"tenants\": [");

	for (int t = 0; t <= BERTH_POLICY_MAX_TENANT_VMS / 256; t++) {
		n += (size_t)sprintf(text + n, "%s{\"name\": \"t%d\", \"vms\": [\"t%d\"",
				     t ? "," : "", t, t);
		for (int vm = 1; vm < 256; vm++)
			n += (size_t)sprintf(text + n, ",\"t%d-%d\"", t, vm);
		n += (size_t)sprintf(text + n, "]}");
	}
	strcpy(text + n, "]}");
	assert_int_equal(load(f, text, "{\"version\": 1}", false), -EINVAL);
	assert_non_null(strstr(f->err.text, "the tenants have more than 4096 names and patterns"));
	free(text);
}

int main(void)
{
#define WHOLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		WHOLE_TEST(a_mistake_that_only_the_whole_shows_names_its_place),
		WHOLE_TEST(what_belongs_together_may_stand_in_any_file),
		WHOLE_TEST(defaults_are_said_once),
		WHOLE_TEST(tenants_have_no_more_than_so_many_vms),
	};

	return cmocka_run_group_tests_name("policy/whole", tests, NULL, NULL);
}
