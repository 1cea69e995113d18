/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/sriov_show.h"
#include "manager/sriov_verb.h"
#include "manager/status.h"
#include "policy/journal.h"
#include "policy/ledger.h"
#include "tests/lib/fake_pci.h"
#include "vfio/sriov.h"

#define PF  "0000:01:00.0"
#define VF0 "0000:01:10.0"
#define VF1 "0000:01:10.2"
#define VF2 "0000:01:10.4"
#define EDU "0000:02:00.0"

#define VF(n, at)                                                                                  \
	{                                                                                          \
		.bdf = at, .pf = PF, .vf = n, .vendor = 0x8086, .device = 0x10ca,                  \
		.class = 0x020000, .driver = "igbvf", .group = 20 + (n)                            \
	}

static const struct fake_fn fns[] = {
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14,
	  .total_vfs = 3 },
	{ .bdf = EDU,
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = 15 },
	VF(0, VF0),
	VF(1, VF1),
	VF(2, VF2),
};

/* The first two VFs are ours, the third stays with the host. */
static const char policy[] =
	"{ \"version\": 1,\n"
	"  \"classes\": [ { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true, "
	"\"pci.vf_index\": [0, 1] }, \"bind\": \"auto\" } ],\n"
	"  \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"vm\": \"*\" }, "
	"\"resource\": { \"any_device\": true } } ] }\n";

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_err err;
	struct berth_report report;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	/* the host has the driver of the VFs, loaded */
	fake_host_file(f->fake, "sys/bus/pci/drivers/igbvf/bind", "%s", "");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_report_done(&f->report);
	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static void write_policy(struct fixture *f)
{
	fake_host_file(f->fake, "etc/policy.d/10-test.json", "%s", policy);
}

static int run(struct fixture *f, enum berth_manager_mode mode, const char *pf, unsigned int num)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	berth_err_clear(&f->err);
	berth_report_done(&f->report);
	if (berth_manager_open(&m, f->host, mode, &f->report, &f->err) != 0)
		fail_msg("open: %s", f->err.text);
	return berth_manager_sriov_set(m, pf, num, mode == BERTH_MANAGER_READ, &f->report, &f->err);
}

static int set(struct fixture *f, unsigned int num)
{
	return run(f, BERTH_MANAGER_CHANGE, PF, num);
}

static struct berth_sriov facts(struct fixture *f)
{
	struct berth_sriov s;

	assert_int_equal(berth_sriov_read(f->host, (struct berth_bdf){ 0, 1, 0, 0 }, &s, NULL), 0);
	return s;
}

static bool reported(const struct fixture *f, const char *text)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], text))
			return true;
	}
	return false;
}

static void each_vf_gets_the_driver_that_policy_says(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(set(f, 3), 0);
	assert_string_equal(fake_host_driver(f->fake, VF0), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF1), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF2), "igbvf");
	assert_string_equal(fake_host_override(f->fake, VF2), "");
	assert_true(facts(f).autoprobe);
	assert_true(reported(f, VF1 " (VF 1): bound to vfio-pci"));
	assert_true(reported(f, VF2 " (VF 2): with the host, driver igbvf"));
}

static void without_policy_all_go_to_the_host(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 2), 0);
	assert_string_equal(fake_host_driver(f->fake, VF0), "igbvf");
	assert_string_equal(fake_host_driver(f->fake, VF1), "igbvf");
}

static void autoprobe_that_was_off_stays_off(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	fake_host_file(f->fake, "sys/bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0\n");
	assert_int_equal(set(f, 3), 0);
	assert_false(facts(f).autoprobe);
	assert_string_equal(fake_host_driver(f->fake, VF0), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF2), "");
}

static void ours_and_idle_ones_of_the_host_can_be_removed(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(set(f, 3), 0);
	assert_int_equal(set(f, 0), 0);
	assert_int_equal(facts(f).num, 0);
	assert_true(facts(f).autoprobe);
}

static int assign(struct fixture *f, const char *dev, const char *vm)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	if (berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err) != 0)
		return -1;
	return berth_manager_assign(m, vm, &dev, 1, false, &f->report, &f->err);
}

static void an_owned_vf_keeps_the_others_in_place(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(set(f, 3), 0);
	if (assign(f, VF1, "db1") != 0)
		fail_msg("assign: %s", f->err.text);
	f->fake->writes = 0;
	assert_int_equal(set(f, 0), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, VF1 " is owned by db1"));
	assert_int_equal(set(f, 2), BERTH_REFUSED);
	assert_int_equal(f->fake->writes, 0);
	assert_int_equal(facts(f).num, 3);
	/* the count it has is no change */
	assert_int_equal(set(f, 3), 0);
}

static void a_vf_somebody_else_has_on_vfio_pci_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 1), 0);
	fake_host_bind(f->fake, VF0, "vfio-pci");
	assert_int_equal(set(f, 0), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "neither by a VM of berth nor by its policy"));
}

static void an_owned_pf_gets_no_vfs(void **state)
{
	struct fixture *f = *state;

	if (assign(f, PF, "db1") != 0)
		fail_msg("assign: %s", f->err.text);
	assert_int_equal(set(f, 2), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, PF " is owned by db1"));
}

static void says_what_is_wrong_with_the_wish(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 4), -ERANGE);
	assert_int_equal(run(f, BERTH_MANAGER_CHANGE, EDU, 1), BERTH_ABSENT);
	assert_int_equal(run(f, BERTH_MANAGER_CHANGE, "01:00.0x", 1), -EINVAL);
	assert_int_equal(run(f, BERTH_MANAGER_CHANGE, "0000:07:00.0", 1), -ENODEV);
	assert_int_equal(f->fake->writes, 0);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(run(f, BERTH_MANAGER_READ, PF, 3), 0);
	assert_int_equal(f->fake->writes, 0);
	assert_int_equal(facts(f).num, 0);
	assert_true(reported(f, "would make 3 virtual functions"));
	assert_true(reported(f, VF0 " (VF 0): would go to vfio-pci"));
	assert_true(reported(f, VF2 " (VF 2): would go to the host's driver"));
}

static void the_same_count_again_leaves_the_hosts_alone(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(set(f, 3), 0);
	fake_host_bind(f->fake, VF2, "");
	fake_host_bind(f->fake, VF0, "");
	assert_int_equal(set(f, 3), 0);
	assert_string_equal(fake_host_driver(f->fake, VF2), "");
	assert_string_equal(fake_host_driver(f->fake, VF0), "vfio-pci");
}

static void a_vf_that_cannot_be_bound_does_not_stop_the_others(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	/* 1 autoprobe, 2 the count, 3 driver_override of VF 0 */
	f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, 3 };
	assert_int_equal(set(f, 3), -EIO);
	assert_non_null(strstr(f->err.text, "VF 0"));
	assert_string_equal(fake_host_driver(f->fake, VF1), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF2), "igbvf");
	assert_true(facts(f).autoprobe);
}

static size_t open_steps(struct fixture *f)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_intent_list list;
	size_t nr;

	assert_int_equal(berth_ledger_open(&ledger, f->host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_journal_find(ledger, -1, BERTH_STEP_OPEN, &list, NULL), 0);
	nr = list.nr;
	berth_intent_list_free(&list);
	return nr;
}

/* Die before and after each kernel write; the next verb, whatever it is, finishes the job. */
static void a_crash_anywhere_is_finished_by_the_next_verb(void **state)
{
	struct fixture *f = *state;
	unsigned int at, crashes = 0;

	write_policy(f);
	for (at = 1; at < 40; at++) {
		BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
		enum fake_fault_kind kind = at % 2 ? FAKE_FAULT_KILL_BEFORE : FAKE_FAULT_KILL_AFTER;
		int status;
		pid_t pid;

		assert_int_equal(set(f, 0), 0);
		pid = fork();
		if (pid == 0) {
			f->fake->writes = 0;
			f->fake->fault = (struct fake_fault){ kind, (at + 1) / 2 };
			_exit(set(f, 3) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WEXITSTATUS(status) == 0)
			break;
		assert_int_equal(WEXITSTATUS(status), FAKE_KILLED);
		crashes++;
		if (berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err) != 0)
			fail_msg("crash %u: %s", at, f->err.text);
		assert_int_equal(facts(f).num, 3);
		assert_true(facts(f).autoprobe);
		assert_string_equal(fake_host_driver(f->fake, VF0), "vfio-pci");
		assert_string_equal(fake_host_driver(f->fake, VF1), "vfio-pci");
		assert_string_equal(fake_host_driver(f->fake, VF2), "igbvf");
		assert_int_equal(open_steps(f), 0);
	}
	/* autoprobe, count, two VFs with override and probe, autoprobe, a third probe: 8 writes or more */
	assert_in_range(crashes, 16, 39);
}

/* Two wishes; the second card is not here, and that is no fault of this host. */
static const char wishes[] =
	"{ \"version\": 1,\n"
	"  \"devices\": [ { \"name\": \"nic\", \"match\": { \"pci.bdf\": \"" PF "\" } },\n"
	"    { \"name\": \"other\", \"match\": { \"pci.bdf\": \"0000:77:00.0\" } } ],\n"
	"  \"sriov\": [ { \"pf\": \"other\", \"num_vfs\": 4 }, { \"pf\": \"nic\", \"num_vfs\": %u } ] }\n";

static int apply(struct fixture *f, const char *pf, enum berth_manager_mode mode)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	berth_err_clear(&f->err);
	berth_report_done(&f->report);
	assert_int_equal(berth_manager_open(&m, f->host, mode, NULL, &f->err), 0);
	return berth_manager_sriov_apply(m, pf, mode == BERTH_MANAGER_READ, &f->report, &f->err);
}

static void the_wishes_of_policy_are_done_where_their_device_is(void **state)
{
	struct fixture *f = *state;
	struct berth_sriov now;

	fake_host_file(f->fake, "etc/policy.d/10-test.json", wishes, 2);
	assert_int_equal(apply(f, NULL, BERTH_MANAGER_READ), 0);
	assert_int_equal(berth_sriov_read(f->host, (struct berth_bdf){ 0, 1, 0, 0 }, &now, NULL),
			 0);
	assert_int_equal(now.num, 0);
	assert_int_equal(apply(f, NULL, BERTH_MANAGER_CHANGE), 0);
	assert_int_equal(berth_sriov_read(f->host, (struct berth_bdf){ 0, 1, 0, 0 }, &now, NULL),
			 0);
	assert_int_equal(now.num, 2);
	assert_non_null(strstr(f->report.lines[f->report.nr - 1], "other: not on this host"));
	assert_int_equal(apply(f, PF, BERTH_MANAGER_CHANGE), 0); /* by any of its names */
	assert_int_equal(apply(f, EDU, BERTH_MANAGER_CHANGE), BERTH_ABSENT);
	assert_non_null(strstr(f->err.text, "no \"sriov\" wish for " EDU));
}

static void a_wish_that_cannot_be_met_names_its_place(void **state)
{
	struct fixture *f = *state;

	fake_host_file(f->fake, "etc/policy.d/10-test.json", wishes, 9);
	assert_int_equal(apply(f, NULL, BERTH_MANAGER_CHANGE), -ERANGE);
	assert_non_null(strstr(f->err.text, "/sriov/1"));
	assert_non_null(strstr(f->err.text, "9 are too many"));
}

static void shows_pfs_with_their_vfs_and_owners(void **state)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_sriov_view_freep) struct berth_sriov_view *view = NULL;
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(set(f, 3), 0);
	assert_int_equal(assign(f, VF1, "db1"), 0);
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_manager_sriov_show(m, NULL, &view, &f->err), 0);
	assert_int_equal(view->nr, 4);
	assert_false(view->fns[0].is_vf);
	assert_int_equal(view->fns[0].pf.num, 3);
	assert_null(view->fns[0].owner);
	assert_int_equal(view->fns[2].index, 1);
	assert_string_equal(view->fns[2].owner, "db1");
	assert_string_equal(view->fns[3].driver, "igbvf");
	berth_sriov_view_free(view);
	view = NULL;
	assert_int_equal(berth_manager_sriov_show(m, EDU, &view, &f->err), BERTH_ABSENT);
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

/* --- a driver that does not answer --- */

#define NUMVFS "bus/pci/devices/" PF "/sriov_numvfs"

/* `berth sriov set PF 3` in a process of its own; its driver hangs, and it waits for @hang_ms. */
static pid_t start_hanging_set(struct fixture *f, unsigned int hang_ms)
{
	char fifo[200];
	pid_t pid;

	f->fake->fault = (struct fake_fault){ FAKE_FAULT_HANG, 2 };
	f->fake->hang_ms = hang_ms;
	f->fake->writes = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = set(f, 3);

		_exit(r == 0 ? 0 : r == -ETIMEDOUT && f->fake->writes == 2 ? 7 : 8);
	}
	f->fake->fault = (struct fake_fault){ 0 };
	snprintf(fifo, sizeof(fifo), "%s/sys/hangs/" NUMVFS, f->fake->root);
	for (int i = 0; i < 500 && access(fifo, F_OK) < 0; i++)
		usleep(10000);
	usleep(200000); /* past the moment from which the verb lets others in */
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int release(struct fixture *f, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_release_how how = { 0 };

	if (berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err) != 0)
		return -1;
	return berth_manager_release(m, NULL, &dev, 1, how, NULL, &f->err);
}

static void expect_others_go_on(struct fixture *f)
{
	berth_err_clear(&f->err);
	if (assign(f, EDU, "t2") != 0)
		fail_msg("assign: %s", f->err.text);
	assert_int_equal(release(f, EDU), 0);
}

static void expect_pf_refused(struct fixture *f, const char *words)
{
	berth_err_clear(&f->err);
	assert_int_equal(assign(f, PF, "t3"), BERTH_REFUSED);
	if (!strstr(f->err.text, "BUSY") || !strstr(f->err.text, words))
		fail_msg("'%s' is not in: %s", words, f->err.text);
	assert_int_equal(set(f, 1), BERTH_REFUSED);
	if (!strstr(f->err.text, words))
		fail_msg("'%s' is not in: %s", words, f->err.text);
}

static void while_a_driver_makes_vfs_other_devices_are_free_to_all(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	write_policy(f);
	pid = start_hanging_set(f, 20000);
	expect_others_go_on(f);
	expect_pf_refused(f, "another berth is at work on it");
	/* Nobody has taken its verb for a dead one: it goes on where it was. */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	fake_host_return(f->fake, NUMVFS, "3");
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(facts(f).num, 3);
	assert_true(facts(f).autoprobe);
	assert_string_equal(fake_host_driver(f->fake, VF0), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF2), "igbvf");
}

static void expect_stuck_row(struct fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	const struct berth_status_row *row;
	struct berth_status s;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, &f->err), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	row = berth_status_of(&s, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_non_null(row);
	assert_string_equal(row->devices, PF);
	assert_string_equal(row->state, "stuck");
	assert_int_equal(row->group, 14);
	assert_non_null(strstr(row->note, "writing \"3\" to /sys/"));
	assert_null(berth_status_of(&s, (struct berth_bdf){ 0, 2, 0, 0 }));
	berth_status_done(&s);
}

static void after_the_deadline_only_the_pf_is_stuck(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(end_of(start_hanging_set(f, 400)), 7);
	sleep(3);
	expect_others_go_on(f);
	expect_pf_refused(f, "stuck since");
	expect_pf_refused(f, "sriov_numvfs");
	expect_stuck_row(f);
	/* Nothing was taken back behind the kernel's back. */
	assert_false(facts(f).autoprobe);
}

static void when_the_driver_has_answered_the_next_verb_finishes(void **state)
{
	struct fixture *f = *state;

	write_policy(f);
	assert_int_equal(end_of(start_hanging_set(f, 400)), 7);
	fake_host_return(f->fake, NUMVFS, "3");
	expect_others_go_on(f);
	assert_int_equal(facts(f).num, 3);
	assert_true(facts(f).autoprobe);
	assert_string_equal(fake_host_driver(f->fake, VF1), "vfio-pci");
	assert_string_equal(fake_host_driver(f->fake, VF2), "igbvf");
	assert_int_equal(set(f, 0), 0);
}

static void a_killed_verbs_write_is_not_done_twice_at_once(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	write_policy(f);
	pid = start_hanging_set(f, 20000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_of(pid), -SIGKILL);
	sleep(3);
	f->fake->writes = 0;
	assert_int_equal(run(f, BERTH_MANAGER_CHANGE, PF, 2), BERTH_REFUSED);
	assert_true(reported(f, "virtual functions of " PF ": stuck since"));
	assert_int_equal(f->fake->writes, 0);
	fake_host_return(f->fake, NUMVFS, "3");
	expect_others_go_on(f);
	assert_int_equal(facts(f).num, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(each_vf_gets_the_driver_that_policy_says),
		with_host(without_policy_all_go_to_the_host),
		with_host(autoprobe_that_was_off_stays_off),
		with_host(ours_and_idle_ones_of_the_host_can_be_removed),
		with_host(an_owned_vf_keeps_the_others_in_place),
		with_host(a_vf_somebody_else_has_on_vfio_pci_is_left_alone),
		with_host(an_owned_pf_gets_no_vfs),
		with_host(says_what_is_wrong_with_the_wish),
		with_host(a_dry_run_tells_and_changes_nothing),
		with_host(the_same_count_again_leaves_the_hosts_alone),
		with_host(a_vf_that_cannot_be_bound_does_not_stop_the_others),
		with_host(a_crash_anywhere_is_finished_by_the_next_verb),
		with_host(the_wishes_of_policy_are_done_where_their_device_is),
		with_host(a_wish_that_cannot_be_met_names_its_place),
		with_host(shows_pfs_with_their_vfs_and_owners),
		with_host(while_a_driver_makes_vfs_other_devices_are_free_to_all),
		with_host(after_the_deadline_only_the_pf_is_stuck),
		with_host(when_the_driver_has_answered_the_next_verb_finishes),
		with_host(a_killed_verbs_write_is_not_done_twice_at_once),
	};

	return cmocka_run_group_tests_name("manager/sriov_verb", tests, NULL, NULL);
}
