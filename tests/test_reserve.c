/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth reserve and unreserve on a host whose kernel answers and whose clock is the test's.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/context.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "manager/reserve.h"
#include "manager/status.h"
#include "policy/audit.h"
#include "tests/lib/reported.h"

#define NIC  "0000:01:00.0"
#define GPU  "0000:02:00.0"
#define HOUR 3600

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
};

static const char policy[] =
	"{ \"version\": 1, \"classes\": [ { \"name\": \"nic\", \"match\": { \"pci.class\": \"0200\" } },"
	" { \"name\": \"any\", \"match\": { \"pci.class\": [ \"0200\", \"0300\" ] } } ],"
	" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
	" \"resource\": { \"match\": { \"any_device\": true } } } ],"
	" \"tenants\": [ { \"name\": \"ml\", \"vms\": [ \"ml-*\" ] } ] }\n";

static time_t now;

time_t __wrap_time(time_t *ret);
time_t __wrap_time(time_t *ret)
{
	if (ret)
		*ret = now;
	return now;
}

static int set_up(void **state)
{
	struct reported *f = reported_new(fns, BERTH_ARRAY_SIZE(fns));

	now = 1796143680; /* 2026-12-01T16:48:00Z */
	fake_host_file(f->on.fake, "etc/policy.d/10.json", "%s", policy);
	*state = f;
	return 0;
}

static int assign(struct reported *f, const char *vm, const char *dev, int64_t for_s)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = reported_open(f, BERTH_MANAGER_CHANGE);
	const struct berth_assign_how how = { .lease = { .for_s = for_s } };

	return berth_manager_assign_how(m, vm, &dev, 1, &how, &f->report, &f->on.err);
}

static int reserve(struct reported *f, struct berth_reservation wish, bool dry_run)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m =
		reported_open(f, dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);

	return berth_manager_reserve(m, &wish, dry_run, &f->report, &f->on.err);
}

static int unreserve(struct reported *f, const char *name, bool dry_run)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m =
		reported_open(f, dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);

	return berth_manager_unreserve(m, name, dry_run, &f->report, &f->on.err);
}

static char t1[] = "t1", ml[] = "ml", nic[] = "nic", any[] = "any", none[] = "none";

/* @count of class any for t1, from @from hours from now on, for an hour. */
static struct berth_reservation some(unsigned int count, int from)
{
	return (struct berth_reservation){ .vm = t1,
					   .kind = BERTH_RESOURCE_CLASS,
					   .what = any,
					   .count = count,
					   .from = now + from * HOUR,
					   .until = now + (from + 1) * HOUR };
}

static bool reported(const struct reported *f, const char *what)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], what))
			return true;
	}
	return false;
}

static size_t count(struct reported *f)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = reported_open(f, BERTH_MANAGER_READ);
	struct berth_status s;
	size_t nr;

	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	nr = s.reservations.nr;
	berth_status_done(&s);
	return nr;
}

static size_t audited(struct reported *f, const char *verb, bool made)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = reported_open(f, BERTH_MANAGER_READ);
	struct berth_audit_list list;
	size_t nr = 0;

	assert_int_equal(berth_audit_find(m->ledger, &(struct berth_audit_query){ 0 }, &list, NULL),
			 0);
	for (size_t i = 0; i < list.nr; i++)
		nr += strcmp(list.items[i].verb, verb) == 0 &&
		      (made ? list.items[i].after : list.items[i].before);
	berth_audit_list_free(&list);
	return nr;
}

static void a_device_is_kept_from_others_in_its_time(void **state)
{
	struct reported *f = *state;
	char dev[] = NIC;
	struct berth_reservation r = some(0, 1);

	r.kind = BERTH_RESOURCE_DEVICE;
	r.what = dev;
	assert_int_equal(reserve(f, r, false), 0);
	assert_true(reported(f, "reservation r1: device "));
	assert_true(reported(f, "for VM t1 from 2026-12-01T17:48:00Z until 2026-12-01T18:48:00Z"));
	assert_int_equal(count(f), 1);
	assert_int_equal(audited(f, "reserve", true), 1);
	now += HOUR;
	assert_int_equal(assign(f, "t2", NIC, 0), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "RESERVED"));
	assert_non_null(strstr(f->on.err.text, "the ledger"));
	assert_int_equal(assign(f, "t2", GPU, 0), 0);
	assert_int_equal(assign(f, "t1", NIC, 0), 0);
}

static void one_that_is_over_ends_by_itself(void **state)
{
	struct reported *f = *state;

	assert_int_equal(reserve(f, some(2, 0), false), 0);
	assert_int_equal(assign(f, "t2", NIC, 0), BERTH_REFUSED);
	now += HOUR - 1;
	assert_int_equal(assign(f, "t2", NIC, 0), BERTH_REFUSED);
	now += 1;
	assert_int_equal(assign(f, "t2", NIC, 0), 0);
	assert_true(reported(f, "reservation r1 is over: 2 of class any"));
	assert_int_equal(count(f), 0);
	assert_int_equal(audited(f, "reserve", false), 1);
}

static void more_than_there_is_is_refused(void **state)
{
	struct reported *f = *state;

	assert_int_equal(reserve(f, some(3, 1), false), BERTH_REFUSED);
	assert_non_null(
		strstr(f->on.err.text, "3 cannot be reserved: of 2 that could be given 2 are"));
	assert_int_equal(reserve(f, some(1, 1), false), 0);
	assert_int_equal(reserve(f, some(2, 1), false), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "1 is left at 2026-12-01T17:48:00Z (r1: 1)"));
	assert_int_equal(reserve(f, some(2, 2), false), 0);
	assert_int_equal(count(f), 2);
}

static void a_dry_run_leaves_nothing(void **state)
{
	struct reported *f = *state;

	assert_int_equal(reserve(f, some(1, 1), true), 0);
	assert_true(reported(f, "reservation r1: 1 of class any"));
	assert_int_equal(reserve(f, some(3, 1), true), BERTH_REFUSED);
	assert_int_equal(count(f), 0);
	assert_int_equal(reserve(f, some(1, 1), false), 0);
	assert_int_equal(unreserve(f, "r1", true), 0);
	assert_int_equal(count(f), 1);
}

static void it_is_taken_back_by_its_name(void **state)
{
	struct reported *f = *state;
	struct berth_reservation r = some(2, 0);
	char demo[] = "demo";

	r.name = demo;
	assert_int_equal(reserve(f, r, false), 0);
	r = some(1, 5);
	r.name = demo;
	assert_int_equal(reserve(f, r, false), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "there is a reservation 'demo' already"));
	assert_int_equal(assign(f, "t2", NIC, 0), BERTH_REFUSED);
	assert_int_equal(unreserve(f, "r1", false), -ENOENT);
	assert_int_equal(unreserve(f, "demo", false), 0);
	assert_int_equal(audited(f, "unreserve", false), 1);
	assert_int_equal(assign(f, "t2", NIC, 0), 0);
}

static void names_are_looked_up(void **state)
{
	struct reported *f = *state;
	struct berth_reservation r = some(1, 1);
	char gone[] = "0000:0f:00.0";

	r.what = none;
	assert_int_equal(reserve(f, r, false), -EINVAL);
	assert_non_null(strstr(f->on.err.text, "there is no class \"none\""));
	r = some(1, 1);
	r.vm = NULL;
	r.tenant = none;
	assert_int_equal(reserve(f, r, false), -EINVAL);
	r.tenant = ml;
	assert_int_equal(reserve(f, r, false), 0);
	r = some(0, 1);
	r.kind = BERTH_RESOURCE_DEVICE;
	r.what = gone;
	assert_int_equal(reserve(f, r, false), -ENODEV);
	r = some(1, -2);
	assert_int_equal(reserve(f, r, false), -EINVAL);
	assert_non_null(strstr(f->on.err.text, "over already"));
}

/* All of a class, for a tenant; and who has it keeps it, which is said. */
static void who_has_it_is_named_by_number(void **state)
{
	struct reported *f = *state;
	struct berth_reservation r = some(0, 1);

	assert_int_equal(assign(f, "t2", NIC, 0), 0);
	r.what = nic;
	r.vm = NULL;
	r.tenant = ml;
	assert_int_equal(reserve(f, r, false), 0);
	assert_true(reported(f, "1 of these devices is others' now"));
	assert_int_equal(unreserve(f, "r1", false), 0);
	r.vm = (char[]){ "t2" };
	r.tenant = NULL;
	assert_int_equal(reserve(f, r, false), 0);
	assert_false(reported(f, "others' now")); /* its own */
}

static void whose_lease_ends_before_is_not_in_the_way(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign(f, "t2", NIC, HOUR), 0);
	assert_int_equal(reserve(f, some(2, 1), false), 0);
	assert_false(reported(f, "others' now"));
	assert_int_equal(unreserve(f, "r1", false), 0);
	now -= 1;
	assert_int_equal(reserve(f, some(2, 1), false), 0);
	assert_true(reported(f, "others' now"));
}

static void without_a_policy_devices_can_be_reserved(void **state)
{
	struct reported *f = *state;
	struct berth_reservation r = some(0, 0);
	char dev[] = NIC;

	fake_host_remove(f->on.fake, "etc/policy.d/10.json");
	r.kind = BERTH_RESOURCE_DEVICE;
	r.what = dev;
	assert_int_equal(reserve(f, r, false), 0);
	assert_int_equal(assign(f, "t2", NIC, 0), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "RESERVED"));
	assert_int_equal(assign(f, "t2", GPU, 0), 0);
	assert_int_equal(assign(f, "t1", NIC, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, reported_tear_down)
		T(a_device_is_kept_from_others_in_its_time),
		T(one_that_is_over_ends_by_itself),
		T(more_than_there_is_is_refused),
		T(a_dry_run_leaves_nothing),
		T(it_is_taken_back_by_its_name),
		T(names_are_looked_up),
		T(who_has_it_is_named_by_number),
		T(whose_lease_ends_before_is_not_in_the_way),
		T(without_a_policy_devices_can_be_reserved),
#undef T
	};

	return cmocka_run_group_tests_name("manager/reserve", tests, NULL, NULL);
}
