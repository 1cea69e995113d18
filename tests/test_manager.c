/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What policy says to the verbs. */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "manager/assign.h"
#include "manager/context.h"
#include "manager/manager.h"
#include "manager/status.h"
#include "policy/taint.h"
#include "tests/lib/verbs.h"
#include "vfio/inventory.h"

static void policy_is_asked(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_host_file(f->fake, "etc/policy.d/10-nic.json",
		       "{\"version\": 1, \"rules\": [ { \"name\": \"t1-nic\", \"effect\": "
		       "\"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"match\": { "
		       "\"pci.id\": \"8086:10c9\" } } } ]}\n");
	assert_int_equal(verbs_assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "NO_RULE_ALLOWS"));
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
}

static void what_policy_takes_back_is_said_and_kept(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_status s;
	struct berth_manager *m;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"rules\": [ { \"name\": \"no\", \"effect\": \"deny\","
		" \"subject\": { \"any_vm\": true }, \"resource\": { \"any_device\": true } } ] }");
	m = verbs_open(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_int_equal(s.nr, 1);
	assert_string_equal(s.rows[0].state, "assigned");
	assert_non_null(strstr(s.rows[0].drift, "RULE_DENIES: rule \"no\" ("));
	berth_status_done(&s);
	berth_manager_close(m);
	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"rules\": [ { \"effect\": \"allow\","
		" \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"any_device\": true } } ] }");
	m = verbs_open(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_string_equal(s.rows[0].drift, "");
	berth_status_done(&s);
	berth_manager_close(m);
}

static void what_is_tainted_is_not_handed_out(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);
	const struct berth_device *nic = NULL;

	assert_int_equal(berth_inventory_resolve(m->inv, NIC, &nic, &err), 0);
	assert_int_equal(berth_taint_set(m->ledger,
					 &(struct berth_taint){ .path = nic->path,
								.taint = (char *)"hw-fault",
								.effect = BERTH_TAINT_NO_NEW,
								.bdf = (char *)NIC },
					 &err),
			 0);
	berth_manager_close(m);
	assert_int_equal(verbs_assign(f, "t1", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "TAINTED: "));
	assert_non_null(strstr(err.text, "has the taint \"hw-fault\""));
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(verbs_assign(f, "t1", GPU, &err), 0);
}

static void what_is_protected_needs_force_and_a_rule(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m;
	const char *nic = NIC;

	fake_host_file(
		f->fake, "etc/policy.d/10-nic.json",
		"{ \"version\": 1, \"devices\": [ { \"name\": \"nic\", \"match\":"
		" { \"pci.bdf\": \"" NIC "\" }, \"expect\": { \"pci.id\": \"8086:*\" } } ],"
		" \"protect\": [ { \"name\": \"mgmt\", \"match\": { \"pci.bdf\": \"" NIC
		"\" } } ], \"rules\": [ { \"effect\": \"allow\", \"override_protect\": true,"
		" \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"device\": \"nic\" } } ] }");
	assert_int_equal(verbs_assign(f, "t1", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "PROTECTED: \"mgmt\" ("));
	assert_non_null(strstr(err.text, "repeat with --force"));
	err = (struct berth_err)BERTH_ERR_INIT;
	m = verbs_open(f, BERTH_MANAGER_CHANGE);
	berth_manager_force(m);
	assert_int_equal(berth_manager_assign(m, "t2", &nic, 1, false, NULL, &err), BERTH_REFUSED);
	err = (struct berth_err)BERTH_ERR_INIT;
	if (berth_manager_assign(m, "t1", &nic, 1, false, NULL, &err) != 0)
		fail_msg("%s", err.text);
	berth_manager_close(m);
}

static void a_quota_counts_the_whole_request(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m;
	const char *two[] = { NIC, GPU };

	fake_host_file(
		f->fake, "etc/policy.d/10-q.json",
		"{ \"version\": 1, \"classes\": [ { \"name\": \"cards\", \"match\":"
		" { \"pci.class\": [\"0200\", \"0300\"] } } ], \"tenants\": [ { \"name\": \"t\","
		" \"vms\": [\"t*\"], \"quota\": { \"cards\": { \"hard\": 1 } } } ],"
		" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
		" \"resource\": { \"any_device\": true } } ] }");
	m = verbs_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_assign(m, "t1", two, 2, false, NULL, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "QUOTA: the tenant of VM t1 would own 2 of \"cards\""));
	err = (struct berth_err)BERTH_ERR_INIT;
	if (berth_manager_assign(m, "t1", two, 1, false, NULL, &err) != 0)
		fail_msg("%s", err.text);
	/* the same manager sees what it has just given */
	assert_int_equal(berth_manager_assign(m, "t2", two + 1, 1, false, NULL, &err),
			 BERTH_REFUSED);
	berth_manager_close(m);
}

static void a_mistake_in_policy_stops_assign_but_not_release(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	fake_host_file(f->fake, "etc/policy.d/10-nic.json",
		       "{\"version\": 1,\n \"rules\": [ } ]}\n");
	assert_true(verbs_assign(f, "t1", GPU, &err) < 0);
	assert_non_null(strstr(err.text, "10-nic.json:2:"));
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(policy_is_asked),
		T(what_policy_takes_back_is_said_and_kept),
		T(what_is_tainted_is_not_handed_out),
		T(what_is_protected_needs_force_and_a_rule),
		T(a_quota_counts_the_whole_request),
		T(a_mistake_in_policy_stops_assign_but_not_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
