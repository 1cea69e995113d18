/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quarantined, and back on its host driver after a rescan of the bus: said, kept, and let go of only with proof. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/recover.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/retake.h"
#include "manager/status.h"
#include "manager/take.h"
#include "policy/ledger.h"
#include "tests/lib/reported.h"

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
	  .class = 0x038000,
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
	struct reported *f = reported_new(fns, BERTH_ARRAY_SIZE(fns));

	*state = f;
	return 0;
}

/* What the kernel does when a function is removed and the bus is scanned again. */
static void rescan(struct reported *f, const struct fake_fn *fn)
{
	char path[128];

	fake_host_bind(f->on.fake, fn->bdf, fn->driver);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver_override", fn->bdf);
	fake_host_file(f->on.fake, path, "(null)\n");
}

/* @dev is t1's and quarantined, on vfio-pci still. */
static void quarantine(struct reported *f, const char *dev)
{
	static const enum berth_owned_event events[] = { BERTH_ON_START, BERTH_ON_USER_GONE,
							 BERTH_ON_CLOSED, BERTH_ON_UNPROVEN };
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = reported_open(f, BERTH_MANAGER_CHANGE);
	struct berth_assignment_list live;

	assert_int_equal(berth_manager_assign(m, "t1", &dev, 1, false, NULL, NULL), 0);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(events); i++) {
		assert_int_equal(berth_owner_all(m, &live, NULL), 0);
		assert_int_equal(live.nr, 1);
		assert_int_equal(berth_take_mark(m, &live.items[0], events[i], "test",
						 "the guest went wild", NULL),
				 0);
		berth_assignment_list_free(&live);
	}
}

/* Quarantined, then removed and found again: with the host. */
static void quarantine_and_rescan(struct reported *f)
{
	quarantine(f, NIC);
	rescan(f, &fns[0]);
	f->on.fake->writes = 0;
}

static int release(struct reported *f, const char *dev, struct berth_release_how how)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m =
		reported_open(f, how.dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);

	return berth_manager_release(m, NULL, &dev, 1, how, &f->report, &f->on.err);
}

static bool reported(const struct reported *f, const char *words)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], words))
			return true;
	}
	return false;
}

/* State and note of the first row of berth status; "" for none. */
static void expect_row(struct reported *f, const char *state, const char *words)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = reported_open(f, BERTH_MANAGER_READ);
	struct berth_status s;

	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_string_equal(s.nr ? s.rows[0].state : "", state);
	if (*words && !strstr(s.rows[0].note, words))
		fail_msg("'%s' is not in: %s", words, s.rows[0].note);
	berth_status_done(&s);
}

static void expect_with_host(struct reported *f)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		assert_string_equal(fake_host_driver(f->on.fake, fns[i].bdf), fns[i].driver);
		assert_string_equal(fake_host_override(f->on.fake, fns[i].bdf), "");
	}
	expect_row(f, "", "");
}

static void recover_says_that_it_runs_unproven_and_changes_nothing(void **state)
{
	struct reported *f = *state;
	struct berth_manager *m;

	quarantine_and_rescan(f);
	m = reported_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(f->report.nr, 0);
	assert_int_equal(berth_recover_again(m, &f->report, &f->on.err), 0);
	berth_manager_close(m);
	assert_int_equal(f->report.nr, 1);
	assert_true(reported(f,
			     NIC " of t1 (quarantined): it is off vfio-pci and not proven clean; "
				 "'berth release' binds it there and resets it (it runs on igb "
				 "unproven)"));
	assert_int_equal(f->on.fake->writes, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	expect_row(f, "quarantined", "it runs on igb unproven); the guest went wild");
	m = reported_open(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_recover_look(m, &f->report, &f->on.err), 0);
	berth_manager_close(m);
	assert_true(reported(f, "it runs on igb unproven"));
	assert_false(reported(f, "nothing to be done"));
}

static void on_vfio_it_is_nothing_to_speak_of(void **state)
{
	struct reported *f = *state;
	struct berth_manager *m;

	quarantine(f, NIC);
	m = reported_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_recover_again(m, &f->report, &f->on.err), 0);
	berth_manager_close(m);
	assert_int_equal(f->report.nr, 0);
	expect_row(f, "quarantined", "the guest went wild");
}

static void release_binds_it_again_resets_it_and_gives_it_back(void **state)
{
	struct reported *f = *state;

	quarantine_and_rescan(f);
	if (release(f, NIC, (struct berth_release_how){ 0 }) != 0)
		fail_msg("%s", f->on.err.text);
	assert_true(reported(f, NIC " igb → vfio-pci, to be reset with proof"));
	assert_true(reported(f, NIC " vfio-pci → igb, no longer owned by t1"));
	expect_with_host(f);
}

static void every_function_of_its_group_goes_along(void **state)
{
	struct reported *f = *state;

	quarantine(f, GPU);
	rescan(f, &fns[2]);
	assert_int_equal(release(f, GPU, (struct berth_release_how){ 0 }), 0);
	assert_true(reported(f, AUDIO " snd_hda_intel → vfio-pci, to be reset with proof"));
	assert_false(reported(f, GPU " vfio-pci → vfio-pci"));
	expect_with_host(f);
}

static void what_the_host_uses_meanwhile_is_refused(void **state)
{
	struct reported *f = *state;

	quarantine_and_rescan(f);
	fake_host_file(f->on.fake, "sys/bus/pci/devices/" NIC "/net/eth0/ifindex", "2\n");
	fake_host_link(f->on.fake, "sys/class/net/eth0", "../../bus/pci/devices/" NIC "/net/eth0");
	fake_host_link(f->on.fake, "sys/bus/pci/devices/" NIC "/net/eth0/device", "../..");
	fake_host_file(f->on.fake, "proc/net/route",
		       "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
		       "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n");
	assert_int_equal(release(f, NIC, (struct berth_release_how){ .dry_run = true }),
			 BERTH_REFUSED);
	assert_int_equal(release(f, NIC, (struct berth_release_how){ 0 }), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "runs on igb"));
	assert_non_null(strstr(f->on.err.text, "default-route"));
	assert_non_null(strstr(f->on.err.text, "--unclean"));
	assert_int_equal(f->on.fake->writes, 0);
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "igb");
	expect_row(f, "quarantined", "the guest went wild");
	/* Who says that they know gets rid of the row, and the host keeps what it works with. */
	assert_int_equal(release(f, NIC, (struct berth_release_how){ .unclean = true }), 0);
	assert_true(reported(f, "not reset: " NIC ": no reset: it runs on igb"));
	expect_with_host(f);
}

static void a_dry_run_says_it_and_changes_nothing(void **state)
{
	struct reported *f = *state;

	quarantine_and_rescan(f);
	assert_int_equal(release(f, NIC, (struct berth_release_how){ .dry_run = true }), 0);
	assert_true(reported(f, NIC " igb → vfio-pci, to be reset with proof"));
	assert_int_equal(f->on.fake->writes, 0);
	expect_row(f, "quarantined", "unproven");
}

static void without_proof_it_stays_quarantined_on_vfio(void **state)
{
	struct reported *f = *state;

	quarantine_and_rescan(f);
	fake_host_remove(f->on.fake, "sys/bus/pci/devices/" NIC "/reset");
	assert_int_equal(release(f, NIC, (struct berth_release_how){ 0 }), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "its reset is not proven"));
	assert_string_equal(fake_host_driver(f->on.fake, NIC), "vfio-pci");
	expect_row(f, "quarantined", "its reset is not proven");
}

/* Each write of it fails once: never a lie, never lost, and the next release does all of it. */
static void a_step_that_fails_leaves_it_quarantined(void **state)
{
	struct reported *f = *state;
	unsigned int failed = 0;

	for (unsigned int at = 1; at <= 3; at++) {
		quarantine_and_rescan(f);
		f->on.fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, at };
		if (release(f, NIC, (struct berth_release_how){ 0 }) < 0) {
			failed++;
			expect_row(f, "quarantined", "writing");
		}
		f->on.fake->fault = (struct fake_fault){ 0 };
		if (failed == at)
			assert_int_equal(release(f, NIC, (struct berth_release_how){ 0 }), 0);
		expect_with_host(f);
	}
	assert_int_equal(failed, 3);
}

static void a_step_that_hangs_leaves_it_as_it_is(void **state)
{
	struct reported *f = *state;

	quarantine_and_rescan(f);
	f->on.fake->fault = (struct fake_fault){ FAKE_FAULT_HANG, 2 };
	f->on.fake->hang_ms = 200;
	assert_int_equal(release(f, NIC, (struct berth_release_how){ 0 }), -ETIMEDOUT);
	f->on.fake->fault = (struct fake_fault){ 0 };
	fake_host_return(f->on.fake, "bus/pci/devices/" NIC "/driver/unbind", NIC);
	assert_true(wait(NULL) > 0); /* the child in the kernel, and with it the mark */
	expect_row(f, "quarantined", "it has no driver");
	assert_int_equal(release(f, NIC, (struct berth_release_how){ 0 }), 0);
	expect_with_host(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, reported_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(recover_says_that_it_runs_unproven_and_changes_nothing),
		T(on_vfio_it_is_nothing_to_speak_of),
		T(release_binds_it_again_resets_it_and_gives_it_back),
		T(every_function_of_its_group_goes_along),
		T(what_the_host_uses_meanwhile_is_refused),
		T(a_dry_run_says_it_and_changes_nothing),
		T(without_proof_it_stays_quarantined_on_vfio),
		T(a_step_that_fails_leaves_it_quarantined),
		T(a_step_that_hangs_leaves_it_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
