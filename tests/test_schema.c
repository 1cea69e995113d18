/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/data/ledger/format-2.db was written by the last program that wrote format 2: two groups of t1 assigned together, one
 * of t2 ended, three audit rows, a journal step, one piece of evidence. format-4.db likewise: a group of t1 with a lease, one of
 * t2 that was given back at 1790000500, one of t3 that was undone on its way in, a taint.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/audit.h"
#include "policy/db.h"
#include "policy/evidence.h"
#include "policy/journal.h"
#include "policy/last_use.h"
#include "policy/lease.h"
#include "policy/ledger.h"
#include "policy/schema.h"
#include "tests/lib/tmp.h"

static int copy(void **state, const char *file)
{
	static char buf[1 << 17];
	char *dir = tmp_new();
	int fd = open(file, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));

	assert_in_range(n, 4096, sizeof(buf) - 1);
	close(fd);
	tmp_write(dir, "ledger.db", buf, (size_t)n);
	*state = dir;
	return 0;
}

static int setup(void **state)
{
	return copy(state, "tests/data/ledger/format-2.db");
}

static int setup_4(void **state)
{
	return copy(state, "tests/data/ledger/format-4.db");
}

static int teardown(void **state)
{
	tmp_free(*state);
	return 0;
}

static int64_t number(const char *dir, const char *query)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(TMP_PATH(dir, "ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

static void expect_content(struct berth_ledger *l)
{
	struct berth_assignment_list owned;
	struct berth_audit_check check;
	struct berth_audit_list audit;
	struct berth_intent_list steps;
	struct berth_evidence e;

	assert_int_equal(berth_ledger_find(l, &(struct berth_ledger_query){ .with_ended = true },
					   &owned, NULL),
			 0);
	assert_int_equal(owned.nr, 3);
	assert_string_equal(owned.items[0].vm, "t1");
	assert_int_equal(owned.items[0].state, BERTH_OWNED_ASSIGNED);
	assert_string_equal(owned.items[0].members[0].found_driver, "igb");
	assert_int_equal(owned.items[1].claim, owned.items[0].id);
	assert_true(owned.items[2].ended > 0);
	berth_assignment_list_free(&owned);
	assert_int_equal(berth_audit_find(l, &(struct berth_audit_query){ 0 }, &audit, NULL), 0);
	assert_int_equal(audit.nr, 3);
	assert_int_equal(audit.items[0].uid, 1000);
	assert_string_equal(audit.items[2].verb, "release");
	berth_audit_list_free(&audit);
	assert_int_equal(berth_audit_verify(l, &check, NULL), 0);
	assert_int_equal(check.broken, 0);
	assert_int_equal(check.rows, 3);
	assert_int_equal(berth_journal_find(l, -1, BERTH_STEP_DONE, &steps, NULL), 0);
	assert_int_equal(steps.nr, 1);
	berth_intent_list_free(&steps);
	assert_int_equal(berth_evidence_last(l, "PC00/02.0/00.0", &e, NULL), 0);
	assert_string_equal(e.method, "flr");
	berth_evidence_done(&e);
}

static void format_2_is_migrated_with_all_that_is_in_it(void **state)
{
	const char *dir = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_audit row = { .verb = (char[]){ "recover" } };
	struct berth_audit_check check;
	struct berth_ledger *l;

	assert_int_equal(number(dir, "PRAGMA user_version"), 2);
	for (int round = 0; round < 2; round++) {
		if (berth_ledger_open(&l, dir, BERTH_LEDGER_WRITE, &err))
			fail_msg("%s", err.text);
		expect_content(l);
		berth_ledger_close(l);
		assert_int_equal(number(dir, "PRAGMA user_version"), (int)berth_schema.nr_versions);
	}
	/* and what is written from now on follows what there was */
	assert_int_equal(berth_ledger_open(&l, dir, BERTH_LEDGER_WRITE, &err), 0);
	assert_int_equal(berth_audit_append(l, &row, NULL), 0);
	assert_int_equal(berth_audit_verify(l, &check, NULL), 0);
	assert_int_equal(check.broken, 0);
	assert_int_equal(check.rows, 4);
	berth_ledger_close(l);
}

static void format_2_can_be_read_and_is_left_as_it_is(void **state)
{
	const char *dir = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_audit row = { .verb = (char[]){ "recover" } };
	struct berth_ledger *l;

	if (berth_ledger_open(&l, dir, BERTH_LEDGER_READ, &err))
		fail_msg("%s", err.text);
	expect_content(l);
	assert_int_equal(berth_audit_append(l, &row, NULL), -EROFS);
	berth_ledger_close(l);
	assert_int_equal(number(dir, "PRAGMA user_version"), 2);
	assert_int_equal(number(dir, "SELECT count(*) FROM sqlite_schema WHERE name = 'lease'"), 0);
}

/* What nobody has written down is taken to be nothing: not preemptible, asked by nobody, reserved for nobody. */
static void format_4_gets_what_claims_and_devices_were_used_for(void **state)
{
	const char *dir = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_assignment_list owned;
	struct berth_last_use_list uses;
	struct berth_lease lease;
	struct berth_ledger *l;

	assert_int_equal(number(dir, "PRAGMA user_version"), 4);
	if (berth_ledger_open(&l, dir, BERTH_LEDGER_WRITE, &err))
		fail_msg("%s", err.text);
	assert_int_equal(berth_ledger_find(l, &(struct berth_ledger_query){ 0 }, &owned, NULL), 0);
	assert_int_equal(owned.nr, 1);
	assert_string_equal(owned.items[0].vm, "t1");
	assert_int_equal(owned.items[0].state, BERTH_OWNED_ASSIGNED);
	assert_int_equal(owned.items[0].priority, 0);
	assert_false(owned.items[0].preemptible);
	assert_null(owned.items[0].evict);
	assert_int_equal(berth_lease_of(l, owned.items[0].claim, &lease, NULL), 0);
	assert_int_equal(lease.end, 1890000000);
	berth_lease_done(&lease);
	assert_int_equal(berth_last_use_all(l, &uses, NULL), 0);
	assert_int_equal(uses.nr, 1);
	assert_int_equal(berth_last_use_of(&uses, "PC00/02.0/00.0"), 1790000500);
	assert_int_equal(berth_last_use_of(&uses, "PC00/03.0/00.0"), 0);
	berth_last_use_list_free(&uses);
	berth_assignment_list_free(&owned);
	berth_ledger_close(l);
	assert_int_equal(number(dir, "SELECT count(*) FROM reservation"), 0);
	assert_int_equal(number(dir, "SELECT count(*) FROM taint"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(format_2_is_migrated_with_all_that_is_in_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(format_2_can_be_read_and_is_left_as_it_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(format_4_gets_what_claims_and_devices_were_used_for,
						setup_4, teardown),
	};

	return cmocka_run_group_tests_name("policy/schema", tests, NULL, NULL);
}
