/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases through the verbs, on a host whose kernel answers and whose clock is the test's: given with assign and run, limited
 * by a rule, prolonged, ended.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/claim.h"
#include "manager/lease.h"
#include "manager/manager.h"
#include "manager/recover.h"
#include "manager/renew.h"
#include "manager/report.h"
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

/* One rule that lends anything for two hours, to be prolonged or not. */
#define POLICY(lease)                                                                              \
	"{\"version\": 1, \"rules\": [ { \"name\": \"lent\", \"effect\": \"allow\", \"subject\": " \
	"{ \"any_vm\": true }, \"resource\": { \"match\": { \"any_device\": true } }, \"lease\": " \
	"{ \"max\": \"2h\", \"grace\": \"10m\", " lease " } } ] }\n"

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
	*state = f;
	return 0;
}

static int assign(struct reported *f, const char *dev, struct berth_assign_how how)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m =
		reported_open(f, how.dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);

	return berth_manager_assign_how(m, "t1", &dev, 1, &how, &f->report, &f->on.err);
}

static int assign_for(struct reported *f, const char *dev, int64_t for_s, enum berth_expiry what)
{
	return assign(f, dev,
		      (struct berth_assign_how){ .lease = { .for_s = for_s,
							    .has_on_expiry = true,
							    .on_expiry = what } });
}

static int renew(struct reported *f, const char *dev, int64_t for_s, bool dry_run)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m =
		reported_open(f, dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);
	struct berth_renew_how how = { .dry_run = dry_run, .wish = { .for_s = for_s } };

	return berth_manager_renew(m, dev ? NULL : "t1", &dev, dev ? 1 : 0, &how, &f->report,
				   &f->on.err);
}

static void recover(struct reported *f)
{
	berth_manager_close(reported_open(f, BERTH_MANAGER_CHANGE));
}

static bool reported(const struct reported *f, const char *what)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], what))
			return true;
	}
	return false;
}

/* The first row of berth status; devices NULL: there is none. */
static struct berth_status_row row(struct reported *f)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = NULL;
	struct berth_status_row ret = { 0 };
	struct berth_status s;

	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	if (s.nr)
		ret = s.rows[0];
	berth_status_done(&s);
	return ret;
}

static void expect_audit(struct reported *f, const char *verb, const char *before,
			 const char *after)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_audit_list list;
	bool found = false;

	assert_int_equal(berth_ledger_open(&ledger, f->on.host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_audit_find(ledger, &(struct berth_audit_query){ 0 }, &list, NULL),
			 0);
	for (size_t i = 0; i < list.nr; i++)
		found |= strcmp(list.items[i].verb, verb) == 0 && list.items[i].before &&
			 strcmp(list.items[i].before, before) == 0 && list.items[i].after &&
			 strcmp(list.items[i].after, after) == 0;
	if (!found)
		fail_msg("no audit row %s: %s -> %s", verb, before, after);
	berth_audit_list_free(&list);
}

/* --- the end --- */

static void a_lease_that_is_over_goes_back_to_the_host(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_DETACH), 0);
	assert_true(
		reported(f, "lease for t1 until 2026-12-01T17:48:00Z (in 1 h 0 min), then detach"));
	assert_int_equal(row(f).lease_end, now + HOUR);
	assert_int_equal(row(f).free_at, now + HOUR);
	expect_audit(f, "assign", "no lease", "until 2026-12-01T17:48:00Z, then detach");
	now += HOUR - 1;
	recover(f);
	assert_int_equal(f->report.nr, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
	now += 1;
	recover(f);
	assert_true(reported(f, "the lease of t1 ended 2026-12-01T17:48:00Z (0 s ago)"));
	assert_true(reported(f, NIC ": the lease of t1 is over"));
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	assert_null(row(f).state);
	expect_audit(f, "lease", "until 2026-12-01T17:48:00Z", "ended 2026-12-01T17:48:00Z");
	expect_audit(f, "release", "returning", "host");
	recover(f);
	assert_int_equal(f->report.nr, 0);
}

static void notify_is_told_once_and_takes_nothing(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_NOTIFY), 0);
	assert_int_equal(row(f).free_at, 0);
	now += 5 * HOUR;
	recover(f);
	assert_int_equal(f->report.nr, 1);
	assert_true(reported(f, "the lease of t1 ended 2026-12-01T17:48:00Z (4 h 0 min ago)"));
	recover(f);
	assert_int_equal(f->report.nr, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
}

static void what_has_no_lease_stays(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign(f, NIC, (struct berth_assign_how){ 0 }), 0);
	assert_int_equal(row(f).lease_end, 0);
	now += 10000 * HOUR;
	recover(f);
	assert_int_equal(f->report.nr, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
}

/* Looking says what would be done, and does nothing. */
static void a_look_changes_nothing(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_DETACH), 0);
	now += HOUR;
	{
		BERTH_CLEANUP(berth_manager_closep)
		struct berth_manager *m = reported_open(f, BERTH_MANAGER_READ);

		assert_int_equal(berth_recover_look(m, &f->report, NULL), 0);
	}
	assert_true(reported(f, "give it back to the host"));
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
}

static void a_running_vm_keeps_its_devices_until_it_ends(void **state)
{
	struct reported *f = *state;
	struct berth_lease_wish wish = { .for_s = HOUR };
	struct berth_vm_claim *claim = NULL;
	struct berth_manager *m;
	const char *dev = NIC;
	char path[64];

	/* /proc/PID/stat of this process, as the fake host has it */
	snprintf(path, sizeof(path), "proc/%d/stat", (int)getpid());
	fake_host_file(f->on.fake, path,
		       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n",
		       (int)getpid());
	/* lent before by assign: it would stay assigned after the run, were it not over by then */
	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_DETACH), 0);
	m = reported_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_claim_leased(m, "t1", &dev, 1, getpid(), &wish, &claim,
						    &f->report, &f->on.err),
			 0);
	berth_manager_close(m);
	assert_int_equal(row(f).free_at, 0); /* it may go on as long as it likes */
	now += 2 * HOUR;
	recover(f);
	assert_string_equal(row(f).state, "in-use");
	for (size_t i = 0; i < claim->nr_devs; i++)
		claim->devs[i].reset.proven = true;
	m = reported_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_unclaim(m, claim, &f->report, &f->on.err), 0);
	berth_manager_close(m);
	berth_vm_claim_free(claim);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	assert_null(row(f).state);
}

/* --- what a rule allows --- */

static void a_rule_gives_its_time_and_not_more(void **state)
{
	struct reported *f = *state;

	fake_host_file(f->on.fake, "etc/policy.d/10-lent.json",
		       POLICY("\"renew\": true, \"on_expiry\": \"detach\""));
	assert_int_equal(assign_for(f, NIC, 2 * HOUR + 1, BERTH_EXPIRY_DETACH), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "rule 'lent' ("));
	assert_non_null(
		strstr(f->on.err.text, "/rules/0) lets t1 have this for 2 h 0 min at most"));
	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_NOTIFY), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "wants detach when the lease is over, not notify"));
	assert_null(row(f).state);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	assert_int_equal(assign(f, NIC, (struct berth_assign_how){ 0 }), 0);
	assert_int_equal(row(f).lease_end, now + 2 * HOUR);
	assert_int_equal(row(f).free_at, now + 2 * HOUR + 600);
	now += 2 * HOUR + 599; /* in its grace */
	recover(f);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
	now++;
	recover(f);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
}

static void a_rule_may_forbid_to_prolong(void **state)
{
	struct reported *f = *state;

	fake_host_file(f->on.fake, "etc/policy.d/10-lent.json", POLICY("\"renew\": false"));
	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_DETACH), 0);
	assert_int_equal(renew(f, NIC, HOUR + 1, false), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "does not let t1 prolong its lease"));
	assert_int_equal(row(f).lease_end, now + HOUR);
	assert_int_equal(renew(f, NIC, HOUR / 2, false), 0); /* earlier is always allowed */
	assert_int_equal(row(f).lease_end, now + HOUR / 2);
}

static void a_rule_lets_prolong_before_the_end_only(void **state)
{
	struct reported *f = *state;

	fake_host_file(f->on.fake, "etc/policy.d/10-lent.json",
		       POLICY("\"renew\": true, \"on_expiry\": \"notify\""));
	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_NOTIFY), 0);
	now += HOUR - 1;
	assert_int_equal(renew(f, NIC, 0, false), 0); /* as long as the rule gives */
	assert_int_equal(row(f).lease_end, now + 2 * HOUR);
	assert_int_equal(renew(f, NIC, 3 * HOUR, false), BERTH_REFUSED);
	now += 2 * HOUR;
	assert_int_equal(renew(f, NIC, HOUR, false), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "after its end it cannot be prolonged"));
}

/* --- renew --- */

static void renewing_moves_the_end_and_keeps_what_happens_then(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_SHUTDOWN), 0);
	assert_int_equal(renew(f, NIC, 3 * HOUR, true), 0);
	assert_true(reported(f, "then shutdown; was until 2026-12-01T17:48:00Z"));
	assert_int_equal(row(f).lease_end, now + HOUR);
	assert_int_equal(renew(f, NULL, 3 * HOUR, false), 0);
	assert_int_equal(row(f).lease_end, now + 3 * HOUR);
	expect_audit(f, "renew", "until 2026-12-01T17:48:00Z",
		     "until 2026-12-01T19:48:00Z, then shutdown");
	now += 2 * HOUR;
	recover(f);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
}

static void renewing_gives_a_lease_to_what_has_none(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign(f, NIC, (struct berth_assign_how){ 0 }), 0);
	assert_int_equal(renew(f, NIC, 0, false), -EINVAL);
	assert_non_null(strstr(f->on.err.text, "until when?"));
	assert_int_equal(renew(f, NIC, HOUR, false), 0);
	assert_true(reported(f, "then detach; it had none"));
	assert_int_equal(row(f).lease_end, now + HOUR);
}

static void renewing_what_one_does_not_own_is_refused(void **state)
{
	struct reported *f = *state;

	assert_int_equal(renew(f, NIC, HOUR, false), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "is not owned by any VM"));
	assert_int_equal(renew(f, NULL, HOUR, false), -ENOENT);
	assert_int_equal(renew(f, "0000:77:00.0", HOUR, false), -ENODEV);
}

static void a_moment_that_has_passed_is_no_end(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign(f, NIC, (struct berth_assign_how){ .lease = { .until = now } }),
			 -EINVAL);
	assert_non_null(strstr(f->on.err.text, "it has passed"));
	assert_null(row(f).state);
}

/* What it has already keeps its lease; only what is new gets one. */
static void what_was_there_before_keeps_its_end(void **state)
{
	struct reported *f = *state;

	assert_int_equal(assign(f, NIC, (struct berth_assign_how){ 0 }), 0);
	assert_int_equal(assign_for(f, NIC, HOUR, BERTH_EXPIRY_DETACH), 0);
	assert_int_equal(row(f).lease_end, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, reported_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_lease_that_is_over_goes_back_to_the_host),
		T(notify_is_told_once_and_takes_nothing),
		T(what_has_no_lease_stays),
		T(a_look_changes_nothing),
		T(a_running_vm_keeps_its_devices_until_it_ends),
		T(a_rule_gives_its_time_and_not_more),
		T(a_rule_may_forbid_to_prolong),
		T(a_rule_lets_prolong_before_the_end_only),
		T(renewing_moves_the_end_and_keeps_what_happens_then),
		T(renewing_gives_a_lease_to_what_has_none),
		T(renewing_what_one_does_not_own_is_refused),
		T(a_moment_that_has_passed_is_no_end),
		T(what_was_there_before_keeps_its_end),
	};

	return cmocka_run_group_tests_name("manager/expire", tests, NULL, NULL);
}
