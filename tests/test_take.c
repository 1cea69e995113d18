/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left when any single step of a verb fails, or the process dies at it. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "manager/manager.h"
#include "manager/recover.h"
#include "policy/journal.h"
#include "tests/lib/verbs.h"

/* How many kernel writes an undisturbed assign of @dev takes. */
static unsigned int count_writes(struct fake_fixture *f, const char *dev)
{
	unsigned int nr;

	f->fake->writes = 0;
	assert_int_equal(verbs_assign(f, "t1", dev, NULL), 0);
	nr = f->fake->writes;
	assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
	return nr;
}

static void failing_assign(struct fake_fixture *f, const char *dev, enum fake_fault_kind kind)
{
	unsigned int nr = count_writes(f, dev);
	char when[64];

	assert_true(nr >= 4);
	for (unsigned int i = 1; i <= nr; i++) {
		struct berth_err err = BERTH_ERR_INIT;
		int r;

		snprintf(when, sizeof(when), "fault %d at write %u of %s", (int)kind, i, dev);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ kind, i };
		r = verbs_assign(f, "t1", dev, &err);
		f->fake->fault.at = 0;
		/* Where there are two ways to bind, the second one may do. */
		if (r == 0) {
			assert_string_equal(fake_host_driver(f->fake, dev), "vfio-pci");
			assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
		}
		if (r > 0 || (r < 0 && !err.code))
			fail_msg("%s: returned %d, %s", when, r, err.text);
		verbs_expect_untouched(f, when);
	}
}

static void an_error_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, NIC, FAKE_FAULT_EIO);
	failing_assign(*state, GPU, FAKE_FAULT_EIO);
}

static void a_lie_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, NIC, FAKE_FAULT_LIE);
	failing_assign(*state, GPU, FAKE_FAULT_LIE);
}

static void a_timeout_at_any_step_takes_everything_back(void **state)
{
	failing_assign(*state, GPU, FAKE_FAULT_TIMEOUT);
}

static void a_failing_release_is_finished_by_the_next(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	char when[64];

	for (unsigned int i = 1; i <= 16; i++) {
		snprintf(when, sizeof(when), "release with write %u failing", i);
		assert_int_equal(verbs_assign(f, "t1", GPU, NULL), 0);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO, i };
		err = (struct berth_err)BERTH_ERR_INIT;
		if (verbs_release(f, "t1", NULL, &err) != 0) {
			f->fake->fault.at = 0;
			assert_int_not_equal(err.code, 0);
			verbs_expect_state(f, "faulted");
			err = (struct berth_err)BERTH_ERR_INIT;
			if (verbs_release(f, "t1", NULL, &err) != 0)
				fail_msg("%s, then again: %s", when, err.text);
		}
		f->fake->fault.at = 0;
		verbs_expect_untouched(f, when);
	}
}

/* `berth recover`, as the command does it. */
static int recover_again(struct fake_fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = verbs_open(f, BERTH_MANAGER_CHANGE);

	return berth_recover_again(m, NULL, NULL);
}

static void what_could_not_be_given_back_is_tried_once_more_by_recover_only(void **state)
{
	struct fake_fixture *f = *state;
	unsigned int faulted = 0;
	char when[64], row[32];

	for (unsigned int i = 1; i <= 16; i++) {
		snprintf(when, sizeof(when), "release with write %u failing", i);
		assert_int_equal(verbs_assign(f, "t1", GPU, NULL), 0);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO_FROM, i };
		verbs_release(f, "t1", NULL, NULL);
		/* Nothing works yet: the answer is no, and nothing is lost. */
		if (verbs_status(f, row) && strcmp(row, "faulted") == 0) {
			faulted++;
			assert_int_equal(recover_again(f), -EUCLEAN);
			verbs_expect_state(f, "faulted");
		}
		f->fake->fault.at = 0;
		verbs_recover(f);
		assert_int_equal(recover_again(f), 0);
		if (verbs_status(f, row))
			assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
		verbs_expect_untouched(f, when);
	}
	assert_true(faulted >= 4);
}

/* Steps in the journal that nobody knows the outcome of. */
static size_t open_steps(struct fake_fixture *f)
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

static void a_host_that_cannot_be_read_is_left_alone(void **state)
{
	struct fake_fixture *f = *state;
	int sys = f->host->sys_fd;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_manager *m = NULL;

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	/* A folder instead of a file: it opens and cannot be read. */
	assert_int_equal(renameat(sys, "bus/pci/devices/" NIC "/uevent", sys, "away"), 0);
	assert_int_equal(mkdirat(sys, "bus/pci/devices/" NIC "/uevent", 0755), 0);
	assert_true(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &err) < 0);
	assert_non_null(strstr(err.text, NIC));
	assert_int_equal(unlinkat(sys, "bus/pci/devices/" NIC "/uevent", AT_REMOVEDIR), 0);
	assert_int_equal(renameat(sys, "away", sys, "bus/pci/devices/" NIC "/uevent"), 0);
	verbs_expect_state(f, "assigned");
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

static void what_cannot_be_taken_back_is_faulted(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	/* Neither vfio-pci nor igb can be bound any more. */
	fake_host_remove(f->fake, "sys/bus/pci/drivers/vfio-pci/bind");
	f->fake->writes = 0;
	f->fake->fault = (struct fake_fault){ FAKE_FAULT_EIO_FROM, 3 };
	assert_true(verbs_assign(f, "t1", NIC, &err) < 0);
	assert_non_null(strstr(err.text, "could not be put back"));
	f->fake->fault.at = 0;
	verbs_expect_state(f, "faulted");
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(verbs_assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
	verbs_expect_untouched(f, "after release");
}

/* Run @verb in a child that the fault kills. Return: was it killed? */
static bool dies(struct fake_fixture *f, enum fake_fault_kind kind, unsigned int at,
		 void (*verb)(struct fake_fixture *f))
{
	int status;
	pid_t pid;

	f->fake->writes = 0;
	f->fake->fault = (struct fake_fault){ kind, at };
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		verb(f);
		_exit(0);
	}
	f->fake->fault.at = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAKE_KILLED);
	return WEXITSTATUS(status) == FAKE_KILLED;
}

static void assign_gpu(struct fake_fixture *f)
{
	verbs_assign(f, "t1", GPU, NULL);
}

static void release_gpu(struct fake_fixture *f)
{
	verbs_release(f, "t1", NULL, NULL);
}

static void an_assign_killed_anywhere_is_undone(void **state)
{
	static const enum fake_fault_kind kinds[] = { FAKE_FAULT_KILL_BEFORE,
						      FAKE_FAULT_KILL_AFTER };
	struct fake_fixture *f = *state;
	unsigned int killed = 0;
	char when[64];

	for (size_t k = 0; k < BERTH_ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 1; dies(f, kinds[k], i, assign_gpu); i++, killed++) {
			snprintf(when, sizeof(when), "kill %d at write %u", (int)kinds[k], i);
			verbs_expect_state(f, "preparing");
			verbs_recover(f);
			verbs_expect_untouched(f, when);
		}
		/* The one that was not killed any more. */
		verbs_expect_state(f, "assigned");
		assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
	}
	/* Override, unbind, probe of two functions, before and after. */
	assert_int_equal(killed, 12);
}

static void a_release_killed_anywhere_is_finished(void **state)
{
	static const enum fake_fault_kind kinds[] = { FAKE_FAULT_KILL_BEFORE,
						      FAKE_FAULT_KILL_AFTER };
	struct fake_fixture *f = *state;
	unsigned int killed = 0;
	char when[64];

	for (size_t k = 0; k < BERTH_ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 1;; i++, killed++) {
			char row[32];

			assert_int_equal(verbs_assign(f, "t1", GPU, NULL), 0);
			snprintf(when, sizeof(when), "kill %d at write %u", (int)kinds[k], i);
			if (!dies(f, kinds[k], i, release_gpu))
				break;
			verbs_recover(f);
			assert_int_equal(open_steps(f), 0);
			/* Killed while it was being reset: still assigned, and a release ends it. */
			if (verbs_status(f, row)) {
				assert_string_equal(row, "assigned");
				assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
			}
			verbs_expect_untouched(f, when);
		}
		verbs_expect_untouched(f, "the release that lived");
	}
	assert_true(killed >= 12);
}

static void recovery_itself_may_be_killed_anywhere(void **state)
{
	struct fake_fixture *f = *state;
	unsigned int pairs = 0;
	char when[64];

	for (unsigned int i = 1; dies(f, FAKE_FAULT_KILL_AFTER, i, assign_gpu); i++) {
		for (unsigned int j = 1; dies(f, FAKE_FAULT_KILL_AFTER, j, verbs_recover); j++)
			pairs++;
		snprintf(when, sizeof(when), "assign killed at %u, recoveries at each step", i);
		verbs_expect_untouched(f, when);
	}
	assert_true(pairs >= 6);
	assert_int_equal(verbs_release(f, "t1", NULL, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_error_at_any_step_takes_everything_back),
		T(a_lie_at_any_step_takes_everything_back),
		T(a_timeout_at_any_step_takes_everything_back),
		T(a_failing_release_is_finished_by_the_next),
		T(what_cannot_be_taken_back_is_faulted),
		T(what_could_not_be_given_back_is_tried_once_more_by_recover_only),
		T(a_host_that_cannot_be_read_is_left_alone),
		T(an_assign_killed_anywhere_is_undone),
		T(a_release_killed_anywhere_is_finished),
		T(recovery_itself_may_be_killed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
