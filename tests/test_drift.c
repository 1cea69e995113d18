/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/assign.h"
#include "manager/bind_verb.h"
#include "manager/drift.h"
#include "manager/manager.h"
#include "manager/owner.h"
#include "policy/assignment.h"
#include "tests/lib/fake_fixture.h"

#define NIC   "0000:01:00.0"
#define GPU   "0000:02:00.0"
#define AUDIO "0000:02:00.1"

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
	{ .bdf = GPU,
	  .vendor = 0x1234,
	  .device = 0x1111,
	  .class = 0x030000,
	  .driver = "bochs-drm",
	  .group = 14 },
	{ .bdf = AUDIO,
	  .vendor = 0x8086,
	  .device = 0x293e,
	  .class = 0x040300,
	  .driver = "snd_hda_intel",
	  .group = 14 },
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fake_fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

static struct berth_manager *open_manager(struct fake_fixture *f)
{
	struct berth_manager *m = NULL;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err), 0);
	return m;
}

static void assign(struct fake_fixture *f, const char *dev, bool force)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = open_manager(f);

	if (force)
		berth_manager_force(m);
	if (berth_manager_assign(m, "t1", &dev, 1, false, NULL, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

/* What is said of the one live assignment. */
static const char *drift(struct fake_fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = open_manager(f);
	struct berth_assignment_list live;
	static char text[600];

	assert_int_equal(berth_owner_all(m, &live, NULL), 0);
	assert_int_equal(live.nr, 1);
	memset(text, 'x', sizeof(text));
	assert_ptr_equal(berth_drift_of(m, &live.items[0], text, sizeof(text)), text);
	berth_assignment_list_free(&live);
	return text;
}

#define ALLOW(id)                                                                                  \
	"{ \"effect\": \"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"match\":"     \
	" { \"pci.id\": \"" id "\" } } }"
#define DENY_ALL                                                                                   \
	"{ \"name\": \"no\", \"effect\": \"deny\", \"subject\": { \"any_vm\": true }, "            \
	"\"resource\": { \"any_device\": true } }"

static void policy(const struct fake_fixture *f, const char *rules, const char *more)
{
	fake_host_file(f->fake, "etc/policy.d/10.json", "{ \"version\": 1, \"rules\": [ %s ]%s }",
		       rules, more);
}

static void without_a_policy_nothing_has_drifted(void **state)
{
	struct fake_fixture *f = *state;

	assign(f, NIC, false);
	assert_string_equal(drift(f), "");
}

static void what_policy_would_refuse_today_is_said_with_its_rule(void **state)
{
	struct fake_fixture *f = *state;

	assign(f, NIC, false);
	policy(f, ALLOW("8086:10c9"), "");
	assert_string_equal(drift(f), "");
	policy(f, DENY_ALL, "");
	assert_ptr_equal(strstr(drift(f), "RULE_DENIES: rule \"no\" ("), drift(f));
	policy(f, ALLOW("1234:1111"), "");
	assert_ptr_equal(strstr(drift(f), "NO_RULE_ALLOWS: "), drift(f));
}

/* The audio function only came along; asked for by itself it would not be given. */
static void a_companion_is_judged_as_one(void **state)
{
	struct fake_fixture *f = *state;

	policy(f, ALLOW("1234:1111"), "");
	assign(f, GPU, false);
	assert_string_equal(drift(f), "");
}

/* As if the user said so again. */
static void what_was_forced_then_needs_no_force_now(void **state)
{
	struct fake_fixture *f = *state;

	policy(f,
	       "{ \"effect\": \"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\":"
	       " { \"device\": \"nic\" }, \"override_protect\": true }",
	       ", \"devices\": [ { \"name\": \"nic\", \"match\": { \"pci.id\": \"8086:10c9\" } } ],"
	       " \"protect\": [ { \"name\": \"nics\", \"match\": { \"pci.class\": \"0200\" } } ]");
	assign(f, NIC, true);
	assert_string_equal(drift(f), "");
}

/* No VM has it: no rule is about that. */
static void what_was_bound_by_hand_is_no_matter_of_policy(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = open_manager(f);

	if (berth_manager_bind(m, NIC, "vfio-pci", false, NULL, &f->err) != 0)
		fail_msg("%s", f->err.text);
	berth_manager_close(m);
	policy(f, DENY_ALL, "");
	assert_string_equal(drift(f), "");
}

/* Without its NIC this host has the GPU at the same path: another card came into the slot. */
static void of_what_is_gone_nobody_can_tell(void **state)
{
	struct fake_fixture *f = *state;

	assign(f, NIC, false);
	policy(f, DENY_ALL, "");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC);
	assert_string_equal(drift(f), "");
	fake_host_remove(f->fake, "sys/bus/pci/devices/" GPU);
	fake_host_remove(f->fake, "sys/bus/pci/devices/" AUDIO);
	assert_string_equal(drift(f), "");
}

/* One function of the group is left, and it is the one that was asked for, or is not. */
static void what_is_left_of_a_group_counts(void **state)
{
	struct fake_fixture *f = *state;

	assign(f, GPU, false);
	policy(f, ALLOW("8086:293e"), "");
	assert_ptr_equal(strstr(drift(f), "NO_RULE_ALLOWS: "), drift(f));
	fake_host_remove(f->fake, "sys/bus/pci/devices/" AUDIO);
	assert_ptr_equal(strstr(drift(f), "NO_RULE_ALLOWS: "), drift(f));
}

static void a_policy_that_cannot_be_read_says_nothing(void **state)
{
	struct fake_fixture *f = *state;

	assign(f, NIC, false);
	fake_host_file(f->fake, "etc/policy.d/10.json", "{");
	assert_string_equal(drift(f), "");
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(without_a_policy_nothing_has_drifted),
		with_host(what_policy_would_refuse_today_is_said_with_its_rule),
		with_host(a_companion_is_judged_as_one),
		with_host(what_was_forced_then_needs_no_force_now),
		with_host(what_was_bound_by_hand_is_no_matter_of_policy),
		with_host(of_what_is_gone_nobody_can_tell),
		with_host(what_is_left_of_a_group_counts),
		with_host(a_policy_that_cannot_be_read_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
