/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/journal.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	int64_t id;
	struct berth_err err;
};

static int setup(void **state)
{
	static const struct berth_claim claim = { .vm = "t1" };
	static const struct berth_claim_group group = { .group = "g:1" };
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
	assert_int_equal(berth_ledger_claim(f->ledger, &claim, &group, 1, &f->id, &f->err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_ledger_close(f->ledger);
	tmp_free(f->dir);
	free(f);
	return 0;
}

static int64_t step(struct fixture *f, int64_t assignment, const char *op)
{
	struct berth_intent intent = { .assignment = assignment, .op = strdupa(op) };
	int64_t seq = 0;

	if (berth_journal_intent(f->ledger, &intent, &seq, &f->err))
		fail_msg("%s", f->err.text);
	return seq;
}

static size_t count(struct fixture *f, int64_t assignment, unsigned int wanted)
{
	struct berth_intent_list list;
	size_t nr;

	assert_int_equal(berth_journal_find(f->ledger, assignment, wanted, &list, &f->err), 0);
	nr = list.nr;
	berth_intent_list_free(&list);
	return nr;
}

static void a_step_comes_back_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	struct berth_intent intent = { .assignment = f->id,
				       .bdf = (char[]){ "0000:01:00.0" },
				       .op = (char[]){ "unbind" },
				       .arg = (char[]){ "igb" },
				       .undo = (char[]){ "bind igb" } };
	struct berth_intent_list list;
	int64_t seq;

	assert_int_equal(berth_journal_intent(f->ledger, &intent, &seq, &f->err), 0);
	assert_int_equal(berth_journal_find(f->ledger, f->id, BERTH_STEP_OPEN, &list, &f->err), 0);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.items[0].seq, seq);
	assert_int_equal(list.items[0].assignment, f->id);
	assert_string_equal(list.items[0].bdf, "0000:01:00.0");
	assert_string_equal(list.items[0].op, "unbind");
	assert_string_equal(list.items[0].arg, "igb");
	assert_string_equal(list.items[0].undo, "bind igb");
	assert_int_equal(list.items[0].outcome, BERTH_STEP_OPEN);
	assert_true(list.items[0].started > 1600000000);
	assert_int_equal(list.items[0].ended, 0);
	assert_null(list.items[0].note);
	berth_intent_list_free(&list);
	assert_int_equal(berth_journal_outcome(f->ledger, seq, BERTH_STEP_FAILED, "EBUSY", NULL),
			 0);
	assert_int_equal(berth_journal_find(f->ledger, f->id, BERTH_STEP_FAILED, &list, &f->err),
			 0);
	assert_int_equal(list.items[0].outcome, BERTH_STEP_FAILED);
	assert_string_equal(list.items[0].note, "EBUSY");
	assert_true(list.items[0].ended > 1600000000);
	berth_intent_list_free(&list);
}

static void steps_are_found_by_outcome_the_newest_first(void **state)
{
	struct fixture *f = *state;
	int64_t a = step(f, f->id, "a"), b = step(f, f->id, "b"), host = step(f, 0, "numvfs");
	struct berth_intent_list list;

	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_DONE, NULL, NULL), 0);
	assert_int_equal(berth_journal_find(f->ledger, -1, BERTH_STEP_OPEN | BERTH_STEP_DONE, &list,
					    NULL),
			 0);
	assert_int_equal(list.nr, 3);
	assert_int_equal(list.items[0].seq, host);
	assert_int_equal(list.items[0].assignment, 0);
	assert_int_equal(list.items[1].seq, b);
	assert_int_equal(list.items[2].seq, a);
	berth_intent_list_free(&list);
	assert_int_equal(count(f, f->id, BERTH_STEP_OPEN), 1);
	assert_int_equal(count(f, f->id, BERTH_STEP_DONE), 1);
	assert_int_equal(count(f, 0, BERTH_STEP_OPEN), 1);
	assert_int_equal(count(f, -1, BERTH_STEP_UNDONE), 0);
	assert_int_equal(count(f, f->id + 1, BERTH_STEP_OPEN), 0);
}

static void an_outcome_is_final_but_done_can_be_undone(void **state)
{
	struct fixture *f = *state;
	int64_t a = step(f, f->id, "a"), b = step(f, f->id, "b");

	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_DONE, NULL, NULL), 0);
	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_DONE, NULL, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_FAILED, NULL, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_UNDONE, NULL, NULL), 0);
	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_DONE, NULL, &f->err),
			 BERTH_ABSENT);
	assert_string_equal(f->err.text, "journal: step 1 cannot become done");
	assert_int_equal(berth_journal_outcome(f->ledger, b, BERTH_STEP_UNDONE, NULL, NULL), 0);
	assert_int_equal(berth_journal_outcome(f->ledger, b + 1, BERTH_STEP_DONE, NULL, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_journal_outcome(f->ledger, b, BERTH_STEP_OPEN, NULL, NULL), -EINVAL);
}

static void open_steps_of_one_assignment_are_closed_at_once(void **state)
{
	struct fixture *f = *state;
	int64_t a = step(f, f->id, "a");

	step(f, f->id, "b");
	step(f, f->id, "c");
	step(f, 0, "numvfs");
	assert_int_equal(berth_journal_outcome(f->ledger, a, BERTH_STEP_FAILED, NULL, NULL), 0);
	assert_int_equal(berth_journal_close(f->ledger, f->id, BERTH_STEP_UNDONE, "why", &f->err),
			 2);
	assert_int_equal(count(f, f->id, BERTH_STEP_OPEN), 0);
	assert_int_equal(count(f, f->id, BERTH_STEP_UNDONE), 2);
	assert_int_equal(count(f, f->id, BERTH_STEP_FAILED), 1);
	assert_int_equal(count(f, 0, BERTH_STEP_OPEN), 1);
	assert_int_equal(berth_journal_close(f->ledger, f->id, BERTH_STEP_DONE, NULL, &f->err), 0);
	assert_int_equal(berth_journal_close(f->ledger, f->id, BERTH_STEP_OPEN, NULL, NULL),
			 -EINVAL);
}

static void a_step_without_a_name_or_of_no_assignment_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_intent intent = { .assignment = f->id };
	int64_t seq = -1;

	assert_int_equal(berth_journal_intent(f->ledger, &intent, &seq, NULL), -EINVAL);
	intent.op = (char[]){ "bind" };
	intent.assignment = 99;
	assert_int_equal(berth_journal_intent(f->ledger, &intent, &seq, NULL), -EINVAL);
	assert_int_equal(seq, -1);
	assert_int_equal(count(f, -1, BERTH_STEP_OPEN), 0);
}

/* What recovery relies on: the step is on the disk before the kernel is touched. */
static void an_acknowledged_intent_survives_a_kill(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	berth_ledger_close(f->ledger);
	f->ledger = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct berth_intent intent = { .assignment = f->id, .op = (char[]){ "unbind" } };
		int64_t seq;

		if (berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, NULL) ||
		    berth_journal_intent(f->ledger, &intent, &seq, NULL))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_READ, &f->err), 0);
	assert_int_equal(count(f, f->id, BERTH_STEP_OPEN), 1);
}

int main(void)
{
#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		JOURNAL_TEST(a_step_comes_back_as_it_was_written),
		JOURNAL_TEST(steps_are_found_by_outcome_the_newest_first),
		JOURNAL_TEST(an_outcome_is_final_but_done_can_be_undone),
		JOURNAL_TEST(open_steps_of_one_assignment_are_closed_at_once),
		JOURNAL_TEST(a_step_without_a_name_or_of_no_assignment_is_refused),
		JOURNAL_TEST(an_acknowledged_intent_survives_a_kill),
	};

	return cmocka_run_group_tests_name("policy/journal", tests, NULL, NULL);
}
