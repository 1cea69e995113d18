/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one document can say beyond devices, classes, pools and plain rules, which test_load.c has. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/load.h"
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

/* A policy of one file "a.json". Returns what loading returned. */
static int load(struct fixture *f, const char *text)
{
	char path[512];
	const char *const paths[] = { tmp_path(f->dir, "a.json", path, sizeof(path)) };

	berth_policy_free(f->policy);
	f->policy = NULL;
	berth_err_clear(&f->err);
	tmp_text(f->dir, "a.json", text);
	return berth_policy_load_files(paths, 1, &f->policy, &f->err);
}

/* The error without the folder in front. */
static const char *error(const struct fixture *f)
{
	size_t len = strlen(f->dir) + 1;

	return strlen(f->err.text) > len ? f->err.text + len : f->err.text;
}

static const char full[] =
	"{ \"version\": 1,\n"
	"  \"defaults\": { \"min_isolation\": \"multifunction\", \"numa\": \"required\", \"unbind_timeout_s\": 20 },\n"
	"  \"protect\": [ { \"name\": \"mgmt\", \"match\": { \"pci.id\": \"1a03:*\" } } ],\n"
	"  \"devices\": [ { \"name\": \"nic-0\", \"match\": { \"pci.path\": \"PC00/01.0/00.0\" } },\n"
	"               { \"name\": \"bmc\", \"match\": { \"pci.path\": \"PC00/02.0/00.0\" } } ],\n"
	"  \"classes\": [ { \"name\": \"gpu\", \"match\": { \"pci.class\": \"03??\" } },\n"
	"               { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true } } ],\n"
	"  \"sriov\": [ { \"pf\": \"nic-0\", \"num_vfs\": 8, \"vf_defaults\": { \"spoofchk\": true, \"vlan\": 7 } } ],\n"
	"  \"pools\": [ { \"name\": \"train\", \"class\": \"gpu\", \"order\": \"pack\", \"keep_free\": 1 },\n"
	"             { \"name\": \"wide\", \"class\": [\"gpu\", \"vf\"], \"order\": \"spread\" } ],\n"
	"  \"tenants\": [ { \"name\": \"ml\", \"vms\": [\"ml-*\"], \"users\": [\"mlops\", \"ci\"], \"max_priority\": 500,\n"
	"                 \"quota\": { \"gpu\": { \"hard\": 4 }, \"train\": { \"hard\": 0 } } },\n"
	"               { \"name\": \"db\", \"vms\": \"db1\" } ],\n"
	"  \"rules\": [\n"
	"    { \"name\": \"ml-gpus\", \"priority\": 100, \"effect\": \"allow\", \"subject\": { \"tenant\": \"ml\" },\n"
	"      \"resource\": { \"pool\": \"train\" }, \"preempt\": \"lower\",\n"
	"      \"lease\": { \"max\": \"72h\", \"renew\": true, \"grace\": \"10m\", \"on_expiry\": \"shutdown\" } },\n"
	"    { \"name\": \"db-nic\", \"priority\": 900, \"effect\": \"pin\", \"subject\": { \"vm\": \"db1\" },\n"
	"      \"resource\": { \"device\": \"nic-0\" } },\n"
	"    { \"name\": \"demo\", \"effect\": \"reserve\", \"subject\": { \"tenant\": [\"ml\", \"db\"] },\n"
	"      \"resource\": { \"pool\": \"train\", \"count\": 2 },\n"
	"      \"from\": \"2026-10-01T08:00Z\", \"until\": \"2026-10-02T10:00+02:00\" },\n"
	"    { \"effect\": \"allow\", \"override_protect\": true, \"subject\": { \"vm\": \"fw\" },\n"
	"      \"resource\": { \"device\": \"bmc\" } } ],\n"
	"  \"taints\": [ { \"taint\": \"hw-fault\", \"effect\": \"no-new\", \"resource\": { \"device\": \"bmc\" } },\n"
	"              { \"taint\": \"hot\", \"effect\": \"evict\", \"resource\": { \"any_device\": true } } ],\n"
	"  \"claims\": [ { \"vm\": \"ml-7\", \"priority\": 300, \"preemptible\": true, \"numa_node\": 1,\n"
	"    \"requests\": [ { \"name\": \"gpu\", \"pool\": \"train\", \"count\": 2 },\n"
	"                  { \"name\": \"nic\", \"class\": \"vf\", \"count\": 2, \"net\": { \"vlan\": 40 } },\n"
	"                  { \"name\": \"any\", \"any_device\": true } ],\n"
	"    \"constraints\": [ { \"max_distance\": \"PIX\", \"pair\": [\"gpu\", \"nic\"], \"each\": true },\n"
	"                     { \"same\": \"numa.node\", \"of\": [\"gpu\"] }, { \"distinct\": \"pf\", \"of\": \"nic\" } ],\n"
	"    \"alternatives\": [ { \"relax\": [\"max_distance=PXB\"] },\n"
	"                      { \"relax\": [\"max_distance=SYS\", \"same\", \"distinct\", \"numa=none\"] } ],\n"
	"    \"tolerate\": [\"hot\"] },\n"
	"    { \"vm\": \"a\", \"numa\": \"none\", \"requests\": [ { \"name\": \"x\", \"device\": \"nic-0\" } ] } ]\n"
	"}\n";

static void load_full(struct fixture *f)
{
	if (load(f, full))
		fail_msg("%s", f->err.text);
}

static void defaults_protection_and_sriov_are_read(void **state)
{
	struct fixture *f = *state;
	const struct berth_policy *p;

	load_full(f);
	p = f->policy;
	assert_string_equal(p->defaults.min_isolation, "multifunction");
	assert_int_equal(p->defaults.numa, BERTH_NUMA_REQUIRED);
	assert_int_equal(p->defaults.unbind_timeout_s, 20);
	assert_string_equal(p->defaults.origin.pointer, "/defaults");
	assert_int_equal(p->defaults.origin.line, 2);
	assert_true(p->defaults.has_min_isolation && p->defaults.has_numa &&
		    p->defaults.has_unbind_timeout);
	assert_int_equal(p->nr_protects, 1);
	assert_string_equal(p->protects[0].name, "mgmt");
	assert_int_equal(p->nr_sriovs, 1);
	assert_string_equal(p->sriovs[0].pf, "nic-0");
	assert_int_equal(p->sriovs[0].num_vfs, 8);
	assert_true(p->sriovs[0].vf_defaults.has_spoofchk && p->sriovs[0].vf_defaults.spoofchk);
	assert_int_equal(p->sriovs[0].vf_defaults.vlan, 7);
	assert_int_equal(berth_policy_pool(p, "train")->order, BERTH_ORDER_PACK);
	assert_int_equal(berth_policy_pool(p, "train")->keep_free, 1);
	assert_int_equal(berth_policy_pool(p, "wide")->order, BERTH_ORDER_SPREAD);
	assert_int_equal(berth_policy_pool(p, "wide")->keep_free, 0);
	assert_int_equal(load(f, "{\"version\": 1}"), 0);
	assert_false(f->policy->defaults.has_min_isolation || f->policy->defaults.has_numa);
}

static void tenants_are_read_with_their_quotas(void **state)
{
	struct fixture *f = *state;
	const struct berth_tenant_entry *t;

	load_full(f);
	assert_int_equal(f->policy->nr_tenants, 2);
	t = berth_policy_tenant(f->policy, "ml");
	assert_string_equal(t->vms[0], "ml-*");
	assert_string_equal(t->users[1], "ci");
	assert_int_equal(t->max_priority, 500);
	assert_int_equal(t->nr_quotas, 2);
	assert_string_equal(t->quotas[0].of, "gpu");
	assert_false(t->quotas[0].pool);
	assert_int_equal(t->quotas[0].hard, 4);
	assert_string_equal(t->quotas[0].origin.pointer, "/tenants/0/quota/gpu");
	assert_true(t->quotas[1].pool);
	assert_int_equal(t->quotas[1].hard, 0);
	t = berth_policy_tenant(f->policy, "db");
	assert_int_equal(t->max_priority, 999);
	assert_null(t->users);
	assert_null(berth_policy_tenant(f->policy, "ml-7"));
}

static void rules_are_read_with_all_they_can_say(void **state)
{
	struct fixture *f = *state;
	const struct berth_rule *r;

	load_full(f);
	assert_int_equal(f->policy->nr_rules, 4);
	r = &f->policy->rules[0];
	assert_string_equal(r->tenants[0], "ml");
	assert_null(r->vms);
	assert_true(r->has_lease && r->lease.renew && r->lease.has_on_expiry && r->preempt_lower);
	assert_int_equal(r->lease.max_s, 72 * 3600);
	assert_int_equal(r->lease.grace_s, 600);
	assert_int_equal(r->lease.on_expiry, BERTH_EXPIRY_SHUTDOWN);
	r = &f->policy->rules[1];
	assert_int_equal(r->effect, BERTH_EFFECT_PIN);
	assert_false(r->has_lease || r->preempt_lower || r->from || r->until);
	r = &f->policy->rules[2];
	assert_int_equal(r->effect, BERTH_EFFECT_RESERVE);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->from, 1790841600);
	assert_int_equal(r->until, 1790841600 + 86400);
	assert_string_equal(r->tenants[1], "db");
	assert_true(f->policy->rules[3].override_protect);
	assert_int_equal(f->policy->nr_taints, 2);
	assert_string_equal(f->policy->taints[0].taint, "hw-fault");
	assert_int_equal(f->policy->taints[0].effect, BERTH_TAINT_NO_NEW);
	assert_string_equal(f->policy->taints[0].resource.names[0], "bmc");
	assert_int_equal(f->policy->taints[1].effect, BERTH_TAINT_EVICT);
	assert_int_equal(f->policy->taints[1].resource.kind, BERTH_RESOURCE_MATCH);
}

static void claims_are_read_with_all_they_can_say(void **state)
{
	struct fixture *f = *state;
	const struct berth_claim_entry *c;

	load_full(f);
	c = berth_policy_claim(f->policy, "ml-7");
	assert_non_null(c);
	assert_int_equal(c->priority, 300);
	assert_true(c->preemptible);
	assert_int_equal(c->numa, BERTH_NUMA_REQUIRED);
	assert_int_equal(c->numa_node, 1);
	assert_int_equal(c->nr_requests, 3);
	assert_string_equal(c->requests[0].name, "gpu");
	assert_int_equal(c->requests[0].count, 2);
	assert_int_equal(c->requests[0].resource.kind, BERTH_RESOURCE_POOL);
	assert_string_equal(c->requests[0].origin.pointer, "/claims/0/requests/0");
	assert_true(c->requests[1].has_net);
	assert_int_equal(c->requests[1].net.vlan, 40);
	assert_int_equal(c->requests[2].count, 1);
	assert_int_equal(c->requests[2].resource.kind, BERTH_RESOURCE_MATCH);
	assert_int_equal(c->nr_constraints, 3);
	assert_int_equal(c->constraints[0].kind, BERTH_CONSTRAINT_DISTANCE);
	assert_int_equal(c->constraints[0].max_distance, BERTH_DISTANCE_PIX);
	assert_true(c->constraints[0].each);
	assert_string_equal(c->constraints[0].of[1], "nic");
	assert_int_equal(c->constraints[1].kind, BERTH_CONSTRAINT_SAME);
	assert_string_equal(c->constraints[1].attribute, "numa.node");
	assert_int_equal(c->constraints[2].kind, BERTH_CONSTRAINT_DISTINCT);
	assert_string_equal(c->constraints[2].of[0], "nic");
	assert_int_equal(c->nr_alternatives, 2);
	assert_true(c->alternatives[0].has_distance);
	assert_int_equal(c->alternatives[0].max_distance, BERTH_DISTANCE_PXB);
	assert_false(c->alternatives[0].drop_same || c->alternatives[0].has_numa);
	assert_true(c->alternatives[1].drop_same && c->alternatives[1].drop_distinct);
	assert_true(c->alternatives[1].has_numa);
	assert_int_equal(c->alternatives[1].numa, BERTH_NUMA_NONE);
	assert_string_equal(c->tolerate[0], "hot");
	c = berth_policy_claim(f->policy, "a");
	assert_int_equal(c->numa, BERTH_NUMA_NONE);
	assert_int_equal(c->numa_node, BERTH_FACT_UNKNOWN);
	assert_int_equal(c->priority, 0);
	assert_null(c->tolerate);
}

#define V1  "{\"version\": 1, "
#define CLS "\"classes\": [{\"name\": \"c\", \"match\": {\"any_device\": true}}], "
#define RUL V1 CLS "\"rules\": [{\"subject\": {\"vm\": \"a\"}, \"resource\": {\"class\": \"c\"}, "
#define CLM                                                                                        \
	V1 CLS "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"c\"}, " \
	       "{\"name\": \"y\", \"class\": \"c\", \"count\": 2}], "

static void every_mistake_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ V1 "\"defaults\": []}", "/defaults: must be an object" },
		{ V1 "\"defaults\": {\"assign\": \"deny\"}}", "/defaults: unknown key \"assign\"" },
		{ V1 "\"defaults\": {\"min_isolation\": \"no-iommu\"}}",
		  "/defaults/min_isolation: must be \"isolated\", \"multifunction\", \"shared\" or "
		  "\"acs-override\"" },
		{ V1 "\"defaults\": {\"unbind_timeout_s\": 0}}",
		  "/defaults/unbind_timeout_s: must be from 1 to 3600" },
		{ V1 "\"protect\": [{\"match\": {\"any_device\": true}}]}",
		  "/protect/0: \"name\" is missing" },
		{ V1 "\"sriov\": [{\"pf\": \"x\"}]}", "/sriov/0: \"num_vfs\" is missing" },
		{ V1 "\"sriov\": [{\"pf\": \"x\", \"num_vfs\": 65536}]}",
		  "/sriov/0/num_vfs: must be from 0 to 65535" },
		{ V1 "\"sriov\": [{\"pf\": \"x\", \"num_vfs\": 1, \"eswitch\": \"legacy\"}]}",
		  "/sriov/0: unknown key \"eswitch\"" },
		{ V1
		  "\"sriov\": [{\"pf\": \"x\", \"num_vfs\": 1, \"vf_defaults\": {\"mac\": \"02:00:00:00:00:01\"}}]}",
		  "/sriov/0/vf_defaults: \"mac\" would give all" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"class\": \"c\", \"order\": \"random\"}]}",
		  "/pools/0/order: must be \"listed\", \"pack\" or \"spread\"" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"class\": \"c\", \"keep_free\": -1}]}",
		  "/pools/0/keep_free: must be from 0 to 4096" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"class\": \"c\", \"mode\": \"exclusive\"}]}",
		  "/pools/0: unknown key \"mode\"" },
		{ V1 "\"tenants\": [{\"name\": \"t\"}]}", "/tenants/0: \"vms\" is missing" },
		{ V1 "\"tenants\": [{\"name\": \"t\", \"vms\": \"a\", \"users\": \"a:b\"}]}",
		  "/tenants/0/users: must be the name of a user" },
		{ V1
		  "\"tenants\": [{\"name\": \"t\", \"vms\": \"a\", \"quota\": {\"c\": {\"soft\": 1}}}]}",
		  "/tenants/0/quota/c: unknown key \"soft\"" },
		{ V1 "\"tenants\": [{\"name\": \"t\", \"vms\": \"a\", \"quota\": {\"c\": {}}}]}",
		  "/tenants/0/quota/c: \"hard\" is missing" },
		{ V1
		  "\"tenants\": [{\"name\": \"t\", \"vms\": \"a\", \"quota\": {\"c d\": {\"hard\": 1}}}]}",
		  "/tenants/0/quota/c d: the name of a class or pool must be 1 to 63" },
		{ V1 "\"tenants\": [{\"name\": \"t\", \"vms\": \"a\", \"max_priority\": 1000}]}",
		  "/tenants/0/max_priority: must be from 0 to 999" },
		{ RUL "\"effect\": \"allow\", \"lease\": {\"max\": \"0s\"}}]}",
		  "/rules/0/lease/max: must be longer than nothing" },
		{ RUL "\"effect\": \"allow\", \"lease\": {\"max\": 3}}]}",
		  "/rules/0/lease/max: must be a duration such as" },
		{ RUL "\"effect\": \"allow\", \"lease\": {\"on_expiry\": \"evict\"}}]}",
		  "/rules/0/lease/on_expiry: must be \"notify\", \"detach\" or \"shutdown\"" },
		{ RUL "\"effect\": \"deny\", \"lease\": {\"max\": \"1h\"}}]}",
		  "/rules/0: a deny gives nothing that \"lease\"" },
		{ RUL "\"effect\": \"deny\", \"preempt\": \"lower\"}]}",
		  "/rules/0: a deny gives nothing to" },
		{ RUL "\"effect\": \"allow\", \"preempt\": \"always\"}]}",
		  "/rules/0/preempt: must be \"never\" or \"lower\"" },
		{ RUL "\"effect\": \"allow\", \"from\": \"2026-10-01 08:00\"}]}",
		  "/rules/0/from: must be a time with an offset" },
		{ RUL
		  "\"effect\": \"allow\", \"from\": \"2026-10-01T08:00Z\", \"until\": \"2026-10-01T08:00Z\"}]}",
		  "/rules/0: \"until\" must be later than \"from\"" },
		{ RUL "\"effect\": \"allow\", \"override_protect\": true}]}",
		  "/rules/0: \"override_protect\" is for" },
		{ RUL "\"effect\": \"allow\", \"count\": 2}]}", "/rules/0: unknown key \"count\"" },
		{ V1 CLS
		  "\"rules\": [{\"effect\": \"allow\", \"subject\": {\"vm\": \"a\"}, \"resource\": {\"class\": \"c\", \"count\": 2}}]}",
		  "/rules/0: \"count\" is for the effect" },
		{ V1 CLS
		  "\"rules\": [{\"effect\": \"reserve\", \"subject\": {\"vm\": \"a\"}, \"resource\": {\"class\": \"c\", \"count\": 0}}]}",
		  "/rules/0/resource/count: must be from 1 to 4096" },
		{ V1 CLS
		  "\"rules\": [{\"effect\": \"reserve\", \"subject\": {\"vm\": \"a\"}, \"resource\": {\"any_device\": true}}]}",
		  "/rules/0: reserve is for some devices" },
		{ V1 CLS
		  "\"rules\": [{\"effect\": \"pin\", \"subject\": {\"any_vm\": true}, \"resource\": {\"class\": \"c\"}}]}",
		  "/rules/0: pin and reserve keep all others out" },
		{ V1 CLS
		  "\"rules\": [{\"effect\": \"allow\", \"subject\": {\"tenant\": \"t\", \"vm\": \"a\"}, \"resource\": {\"class\": \"c\"}}]}",
		  "/rules/0/subject: must be { \"vm\"" },
		{ V1 "\"taints\": [{\"taint\": \"x\", \"effect\": \"no-new\"}]}",
		  "/taints/0: \"resource\" is missing" },
		{ V1
		  "\"taints\": [{\"taint\": \"x\", \"effect\": \"kill\", \"resource\": {\"any_device\": true}}]}",
		  "/taints/0/effect: must be \"report\", \"no-new\" or \"evict\"" },
		{ V1
		  "\"taints\": [{\"taint\": \"x\", \"effect\": \"evict\", \"resource\": {\"any_device\": true, \"count\": 1}}]}",
		  "/taints/0/resource: unknown key \"count\"" },
		{ V1 "\"claims\": [{\"vm\": \"a\"}]}", "/claims/0: \"requests\" is missing" },
		{ V1 "\"claims\": [{\"vm\": \"a*\"}]}",
		  "/claims/0/vm: must be the name of one VM, not a pattern" },
		{ V1 "\"claims\": [{\"vm\": \"a\", \"requests\": []}]}",
		  "/claims/0/requests: is empty: the claim asks for nothing" },
		{ V1 "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\"}]}]}",
		  "/claims/0/requests/0: must have one of \"device\"" },
		{ V1
		  "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"c\", \"pool\": \"p\"}]}]}",
		  "/claims/0/requests/0: must have one of \"device\"" },
		{ V1
		  "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"c\", \"count\": 2, \"net\": {\"mac\": \"02:00:00:00:00:01\"}}]}]}",
		  "/claims/0/requests/0: \"mac\" would give 2 devices" },
		{ V1
		  "\"claims\": [{\"vm\": \"a\", \"requests\": [{\"name\": \"x\", \"class\": \"c\"}, {\"name\": \"x\", \"class\": \"c\"}]}]}",
		  "/claims/0/requests/1: there is a request \"x\" already" },
		{ CLM "\"constraints\": [{\"same\": \"numa.node\", \"of\": \"z\"}]}]}",
		  "/claims/0/constraints/0: the claim has no request \"z\"" },
		{ CLM "\"constraints\": [{\"same\": \"numa.nod\", \"of\": \"x\"}]}]}",
		  "/claims/0/constraints/0/same: there is no attribute \"numa.nod\"; did you mean \"numa.node\"?" },
		{ CLM "\"constraints\": [{\"of\": \"x\"}]}]}",
		  "/claims/0/constraints/0: must have one of \"max_distance\"" },
		{ CLM
		  "\"constraints\": [{\"same\": \"pf\", \"distinct\": \"pf\", \"of\": \"x\"}]}]}",
		  "/claims/0/constraints/0: cannot have both \"same\" and" },
		{ CLM
		  "\"constraints\": [{\"same\": \"pf\", \"max_distance\": \"PIX\", \"of\": \"x\"}]}]}",
		  "/claims/0/constraints/0: must have one of \"max_distance\"" },
		{ CLM "\"constraints\": [{\"max_distance\": \"PIX\"}]}]}",
		  "/claims/0/constraints/0: \"pair\" is missing" },
		{ CLM "\"constraints\": [{\"max_distance\": \"PIX\", \"of\": [\"x\", \"y\"]}]}]}",
		  "/claims/0/constraints/0: \"pair\" belongs to" },
		{ CLM "\"constraints\": [{\"max_distance\": \"pix\", \"pair\": [\"x\", \"y\"]}]}]}",
		  "/claims/0/constraints/0/max_distance: must be \"PIX\", \"PXB\"" },
		{ CLM "\"constraints\": [{\"max_distance\": \"PIX\", \"pair\": [\"x\"]}]}]}",
		  "/claims/0/constraints/0: \"pair\" must name two requests" },
		{ CLM
		  "\"constraints\": [{\"max_distance\": \"PIX\", \"pair\": [\"x\", \"y\"], \"each\": true}]}]}",
		  "/claims/0/constraints/0: \"each\" pairs one by one, but there are 1 of \"x\" and 2" },
		{ CLM
		  "\"constraints\": [{\"max_distance\": \"PIX\", \"pair\": [\"x\", \"x\"], \"each\": true}]}]}",
		  "/claims/0/constraints/0: \"each\" pairs the devices of two" },
		{ CLM "\"constraints\": [{\"same\": \"pf\", \"of\": \"x\", \"each\": true}]}]}",
		  "/claims/0/constraints/0: \"each\" belongs to" },
		{ CLM "\"alternatives\": [{\"relax\": []}]}]}",
		  "/claims/0/alternatives/0/relax: must be an array of 1 to 8" },
		{ CLM "\"alternatives\": [{\"relax\": [\"max_distance=PIX\"]}]}]}",
		  "/claims/0/alternatives/0/relax/0: must be \"max_distance=PXB\"" },
		{ CLM "\"alternatives\": [{\"relax\": [\"numa=required\"]}]}]}",
		  "/claims/0/alternatives/0/relax/0: must be \"max_distance=PXB\"" },
		{ CLM "\"alternatives\": [{\"relax\": [\"same\"]}]}]}",
		  "/claims/0/alternatives/0: relaxes a constraint that the claim has not" },
		{ CLM "\"numa\": \"none\", \"numa_node\": 0}]}",
		  "/claims/0: \"numa_node\" means nothing" },
		{ CLM "\"numa_node\": -1}]}", "/claims/0/numa_node: must be from 0 to 1023" },
		{ CLM "\"tolerate\": [\"\"]}]}", "/claims/0/tolerate/0: must be 1 to 63" },
		{ CLM "\"priority\": 1000}]}", "/claims/0/priority: must be from 0 to 999" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		int r = load(f, rows[i].text);

		if (r != -EINVAL || f->policy)
			fail_msg("row %zu: %d: %s", i, r, rows[i].text);
		if (strncmp(error(f), "a.json:1:", 9) || !strstr(error(f), rows[i].want))
			fail_msg("row %zu: \"%s\", wanted \"%s\"", i, error(f), rows[i].want);
	}
}

int main(void)
{
#define READ_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		READ_TEST(defaults_protection_and_sriov_are_read),
		READ_TEST(tenants_are_read_with_their_quotas),
		READ_TEST(rules_are_read_with_all_they_can_say),
		READ_TEST(claims_are_read_with_all_they_can_say),
		READ_TEST(every_mistake_is_named_with_its_place),
	};

	return cmocka_run_group_tests_name("policy/read", tests, NULL, NULL);
}
