/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "manager/appear.h"
#include "tests/lib/fake_fixture.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"

/* --- the decision --- */

#define FREE(bound, grp, bind_mode)                                                                \
	.policy_loads = true, .policy_clear = true, .group = grp, .driver = bound, .mode = bind_mode
#define AUTO(bound, grp) FREE(bound, grp, BERTH_BIND_AUTO)
#define OWNED_WITH(s, loads, same, bind_mode)                                                      \
	.policy_loads = loads, .policy_clear = true, .group = 5, .driver = "", .mode = bind_mode,  \
	.owner = "db1", .state = BERTH_OWNED_##s, .same_ids = same, .trouble = "x"
#define OWNED(s) OWNED_WITH(s, true, true, BERTH_BIND_ON_ASSIGN)

static const struct {
	const char *name;
	struct berth_appear_facts facts;
	enum berth_appear what;
	bool say, for_owner;
	const char *text; /* in the sentence */
} rows[] = {
	{ "default policy",
	  { FREE("", 5, BERTH_BIND_ON_ASSIGN) },
	  BERTH_APPEAR_LEAVE,
	  false,
	  false,
	  "leaves it" },
	{ "auto", { AUTO("", 5) }, BERTH_APPEAR_TAKE, false, false, "\"auto\"" },
	{ "auto, host driver has it",
	  { AUTO("igb", 5) },
	  BERTH_APPEAR_TAKE,
	  false,
	  false,
	  "\"auto\"" },
	{ "auto, done", { AUTO("vfio-pci", 5) }, BERTH_APPEAR_KEEP, false, false, "on vfio" },
	{ "auto, the host stands on it",
	  { AUTO("nvme", 5), .needed = "it carries /" },
	  BERTH_APPEAR_LEAVE,
	  true,
	  false,
	  "it carries /" },
	{ "auto, no IOMMU", { AUTO("", -1) }, BERTH_APPEAR_LEAVE, true, false, "no IOMMU group" },
	{ "auto, a bridge",
	  { AUTO("", 5), .bridge = true },
	  BERTH_APPEAR_LEAVE,
	  true,
	  false,
	  "bridges" },
	{ "policy does not load",
	  { .policy_loads = false, .trouble = "a.json:1:2", .driver = "", .group = 5 },
	  BERTH_APPEAR_LEAVE,
	  true,
	  false,
	  "a.json:1:2" },
	{ "policy contradicts itself",
	  { .policy_loads = true, .trouble = "twice", .driver = "", .group = 5 },
	  BERTH_APPEAR_LEAVE,
	  true,
	  false,
	  "twice" },
	{ "owned", { OWNED(ASSIGNED) }, BERTH_APPEAR_TAKE, false, true, "kept for db1" },
	{ "owned, was running", { OWNED(IN_USE) }, BERTH_APPEAR_TAKE, false, true, "kept for db1" },
	{ "quarantined", { OWNED(QUARANTINED) }, BERTH_APPEAR_TAKE, false, true, "kept for db1" },
	{ "faulted", { OWNED(FAULTED) }, BERTH_APPEAR_TAKE, false, true, "kept for db1" },
	{ "owned, policy broken",
	  { OWNED_WITH(ASSIGNED, false, true, BERTH_BIND_ON_ASSIGN) },
	  BERTH_APPEAR_TAKE,
	  false,
	  true,
	  "kept for db1" },
	{ "being taken", { OWNED(PREPARING) }, BERTH_APPEAR_LEAVE, false, false, "at work" },
	{ "being given back",
	  { OWNED_WITH(RETURNING, true, true, BERTH_BIND_AUTO) },
	  BERTH_APPEAR_LEAVE,
	  false,
	  false,
	  "at work" },
	{ "another device at an owned place",
	  { OWNED_WITH(ASSIGNED, true, false, BERTH_BIND_AUTO) },
	  BERTH_APPEAR_LEAVE,
	  true,
	  false,
	  "another device" },
};

static void each_situation_has_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_appear_verdict v;

		berth_appear_decide(&rows[i].facts, &v);
		if (v.what != rows[i].what || v.say != rows[i].say ||
		    v.for_owner != rows[i].for_owner || !strstr(v.text, rows[i].text))
			fail_msg("%s: %d, say %d, for owner %d: %s", rows[i].name, v.what, v.say,
				 v.for_owner, v.text);
	}
}

/* --- the deed --- */

#define NIC "0000:01:00.0"
#define EDU "0000:02:00.0"

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14 },
	{ .bdf = EDU,
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = 15 },
};

struct fixture {
	struct fake_fixture on;
	struct berth_appear_verdict verdict;
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

static int appear(struct fixture *f, const char *name)
{
	struct berth_bdf at;

	assert_int_equal(berth_bdf_parse(name, &at), 0);
	berth_err_clear(&f->on.err);
	return berth_manager_appear(f->on.host, at, &f->verdict, &f->on.err);
}

static void policy(struct fixture *f, const char *text)
{
	fake_host_file(f->on.fake, "etc/policy.d/10-test.json", "%s", text);
}

#define CLASS(bind)                                                                                \
	"{ \"version\": 1, \"classes\": [ { \"name\": \"t\", \"match\": { \"pci.id\": "            \
	"[\"1234:11e8\", \"8086:10c9\"] }, \"bind\": \"" bind "\" } ] }"

static void without_policy_nothing_is_touched(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(appear(f, EDU), 0);
	assert_int_equal(f->verdict.what, BERTH_APPEAR_LEAVE);
	assert_int_equal(f->on.fake->writes, 0);
}

static void auto_devices_go_to_vfio_pci(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASS("auto"));
	assert_int_equal(appear(f, EDU), 0);
	assert_string_equal(fake_host_driver(f->on.fake, EDU), "vfio-pci");
	assert_string_equal(fake_host_override(f->on.fake, EDU), "vfio-pci");
	/* a driver that was faster has to let go */
	assert_int_equal(appear(f, NIC), 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
	f->on.fake->writes = 0;
	assert_int_equal(appear(f, NIC), 0);
	assert_int_equal(f->verdict.what, BERTH_APPEAR_KEEP);
	assert_int_equal(f->on.fake->writes, 0);
}

static void on_assign_devices_stay(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASS("on-assign"));
	assert_int_equal(appear(f, NIC), 0);
	assert_int_equal(f->on.fake->writes, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
}

static void a_wrong_policy_leaves_everything_to_the_host(void **state)
{
	struct fixture *f = *state;

	policy(f, "{ \"version\": 1, ");
	assert_int_equal(appear(f, NIC), 0);
	assert_int_equal(f->verdict.what, BERTH_APPEAR_LEAVE);
	assert_true(f->verdict.say);
	assert_non_null(strstr(f->verdict.text, "10-test.json"));
	assert_int_equal(f->on.fake->writes, 0);
}

static void what_vfio_pci_does_not_take_goes_back(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASS("auto"));
	/* override, unbind, config, probe: the probe does nothing, nor does its second try by name */
	fake_host_remove(f->on.fake, "sys/bus/pci/drivers/vfio-pci");
	assert_true(appear(f, NIC) < 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	assert_string_equal(fake_host_override(f->on.fake, NIC), "");
}

/* udev and a verb at the same time: the other one has bound it since we looked, so that a step of ours fails. */
static void work_that_another_process_did_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct berth_bind_state found = { .driver = "" };
	struct berth_bdf at = { 0, 2, 0, 0 };

	fake_host_file(f->on.fake, "sys/bus/pci/devices/" EDU "/driver_override", "vfio-pci\n");
	fake_host_bind(f->on.fake, EDU, "vfio-pci");
	assert_int_equal(berth_appear_bind(f->on.host, at, &found, false, &f->on.err), 0);
	assert_int_equal(f->on.err.code, 0);
	assert_string_equal(fake_host_driver(f->on.fake, EDU), "vfio-pci");
}

static void own_device(struct fixture *f, const char *bdf, const char *path, uint16_t device)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_claim claim = { .vm = "db1", .boot_id = "x" };
	struct berth_claim_group group = { .group = path };
	struct berth_member member = { .path = (char *)(uintptr_t)path,
				       .vendor = 0x1234,
				       .device = device };
	int64_t id;

	snprintf(member.bdf, sizeof(member.bdf), "%s", bdf);
	assert_int_equal(
		berth_ledger_open(&ledger, f->on.host->state, BERTH_LEDGER_WRITE, &f->on.err), 0);
	assert_int_equal(berth_ledger_claim(ledger, &claim, &group, 1, &id, NULL), 0);
	assert_int_equal(berth_ledger_add_member(ledger, id, &member, NULL), 0);
	assert_int_equal(berth_ledger_move(ledger, id, BERTH_ON_BOUND, NULL, NULL, NULL), 0);
}

static char *path_of(struct fixture *f, const char *name)
{
	BERTH_CLEANUP(berth_inventory_freep) struct berth_inventory *inv = NULL;
	const struct berth_device *dev;
	struct berth_bdf at;

	assert_int_equal(berth_bdf_parse(name, &at), 0);
	assert_int_equal(berth_inventory_read(&inv, f->on.host, NULL), 0);
	dev = berth_inventory_find(inv, at);
	assert_non_null(dev);
	return strdup(dev->path);
}

static void a_device_that_returns_is_its_owners_again(void **state)
{
	struct fixture *f = *state;
	char *path = path_of(f, EDU);

	own_device(f, EDU, path, 0x11e8);
	free(path);
	assert_int_equal(appear(f, EDU), 0);
	assert_true(f->verdict.for_owner);
	assert_string_equal(fake_host_driver(f->on.fake, EDU), "vfio-pci");
	/* the neighbour is nobody's */
	assert_int_equal(appear(f, NIC), 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
}

static void another_device_in_its_place_is_not(void **state)
{
	struct fixture *f = *state;
	char *path = path_of(f, EDU);

	own_device(f, EDU, path, 0x1111);
	free(path);
	assert_int_equal(appear(f, EDU), 0);
	assert_true(f->verdict.say);
	assert_int_equal(f->on.fake->writes, 0);
}

static void a_function_that_went_away_is_an_error(void **state)
{
	struct fixture *f = *state;

	policy(f, CLASS("auto"));
	assert_int_equal(appear(f, "0000:09:00.0"), -ENODEV);
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_situation_has_its_verdict),
		with_host(without_policy_nothing_is_touched),
		with_host(auto_devices_go_to_vfio_pci),
		with_host(on_assign_devices_stay),
		with_host(a_wrong_policy_leaves_everything_to_the_host),
		with_host(what_vfio_pci_does_not_take_goes_back),
		with_host(work_that_another_process_did_is_no_failure),
		with_host(a_device_that_returns_is_its_owners_again),
		with_host(another_device_in_its_place_is_not),
		with_host(a_function_that_went_away_is_an_error),
	};

	return cmocka_run_group_tests_name("manager/appear", tests, NULL, NULL);
}
