/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/audit.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
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

static int find(struct fixture *f, struct berth_audit_query q, struct berth_audit_list *ret)
{
	return berth_audit_find(f->ledger, &q, ret, &f->err);
}

static void records_come_back_in_order_and_by_what_is_asked(void **state)
{
	struct fixture *f = *state;
	struct berth_audit row = { .uid = 4294967294u,
				   .verb = (char[]){ "assign" },
				   .vm = (char[]){ "t1" },
				   .device = (char[]){ "0000:01:00.0" },
				   .before = (char[]){ "host:igb" },
				   .after = (char[]){ "assigned" },
				   .reason = (char[]){ "asked for" } };
	struct berth_audit bare = { .verb = (char[]){ "recover" } };
	struct berth_audit_list list;

	assert_int_equal(berth_audit_append(f->ledger, &row, &f->err), 0);
	assert_int_equal(berth_audit_append(f->ledger, &bare, &f->err), 0);
	assert_int_equal(berth_audit_append(f->ledger, &row, &f->err), 0);
	assert_int_equal(find(f, (struct berth_audit_query){ 0 }, &list), 0);
	assert_int_equal(list.nr, 3);
	assert_int_equal(list.items[0].seq, 1);
	assert_true(list.items[0].time > 1600000000);
	assert_int_equal(list.items[0].uid, 4294967294u);
	assert_string_equal(list.items[0].verb, "assign");
	assert_string_equal(list.items[0].vm, "t1");
	assert_string_equal(list.items[0].device, "0000:01:00.0");
	assert_string_equal(list.items[0].before, "host:igb");
	assert_string_equal(list.items[0].after, "assigned");
	assert_string_equal(list.items[0].reason, "asked for");
	assert_null(list.items[1].vm);
	assert_null(list.items[1].reason);
	berth_audit_list_free(&list);
	assert_int_equal(find(f, (struct berth_audit_query){ .after = 1, .last = 1 }, &list), 0);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.items[0].seq, 3);
	berth_audit_list_free(&list);
	assert_int_equal(find(f, (struct berth_audit_query){ .vm = "t1" }, &list), 0);
	assert_int_equal(list.nr, 2);
	berth_audit_list_free(&list);
	assert_int_equal(find(f, (struct berth_audit_query){ .device = "0000:01:00.0" }, &list), 0);
	assert_int_equal(list.nr, 2);
	berth_audit_list_free(&list);
	assert_int_equal(find(f, (struct berth_audit_query){ .since = time(NULL) + 60 }, &list), 0);
	assert_int_equal(list.nr, 0);
	bare.verb = NULL;
	assert_int_equal(berth_audit_append(f->ledger, &bare, &f->err), -EINVAL);
}

static void a_record_goes_with_its_change_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct berth_audit row = { .verb = (char[]){ "assign" } };
	struct berth_audit_list list;

	assert_int_equal(berth_ledger_begin(f->ledger, NULL), 0);
	assert_int_equal(berth_audit_append(f->ledger, &row, NULL), 0);
	berth_ledger_rollback(f->ledger);
	assert_int_equal(find(f, (struct berth_audit_query){ 0 }, &list), 0);
	assert_int_equal(list.nr, 0);
}

/* --- the chain --- */

/* SQL of the test's own on the file, outside of the program's rules. */
static void sql(struct fixture *f, const char *text)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(TMP_PATH(f->dir, "ledger.db"), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct berth_audit_check verify(struct fixture *f)
{
	struct berth_audit_check c;

	if (berth_audit_verify(f->ledger, &c, &f->err))
		fail_msg("%s", f->err.text);
	return c;
}

static void add_rows(struct fixture *f, int nr)
{
	struct berth_audit row = { .verb = (char[]){ "assign" }, .vm = (char[]){ "t1" } };

	for (int i = 0; i < nr; i++)
		assert_int_equal(berth_audit_append(f->ledger, &row, &f->err), 0);
}

static void an_untouched_record_is_whole(void **state)
{
	struct fixture *f = *state;
	struct berth_audit_check c = verify(f);

	assert_int_equal(c.broken, 0);
	assert_int_equal(c.rows, 0);
	assert_string_equal(c.head, BERTH_CHAIN_START);
	add_rows(f, 5);
	c = verify(f);
	assert_int_equal(c.broken, 0);
	assert_int_equal(c.rows, 5);
	assert_string_equal(c.why, "");
}

static void whatever_is_done_to_a_row_shows(void **state)
{
	static const struct {
		const char *sql;
		int64_t broken;
		const char *why;
	} cases[] = {
		{ "UPDATE audit SET time = time + 1 WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET uid = 1 WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET uid = uid + 4294967296 WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET verb = 'release' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET vm = 't2' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET vm = NULL WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET vm = vm || char(0) || 'x' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET device = '' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET was = 'x' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET became = 'x' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET reason = 'x' WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET prev = hash WHERE seq = 3", 3, "does not follow" },
		{ "UPDATE audit SET hash = prev WHERE seq = 3", 3, "changed" },
		{ "UPDATE audit SET seq = 99 WHERE seq = 3", 3, "is missing" },
		{ "UPDATE audit SET seq = 99 WHERE seq = 5", 5, "is missing" },
		{ "DELETE FROM audit WHERE seq = 3", 3, "is missing" },
		{ "DELETE FROM audit WHERE seq = 1", 1, "is missing" },
		{ "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3",
		  3, "does not follow" },
		{ "UPDATE audit SET seq = -seq WHERE seq IN (2, 3);"
		  "UPDATE audit SET seq = 5 + seq WHERE seq < 0",
		  2, "does not follow" },
		{ "DELETE FROM audit WHERE seq = 5", 5, "cut off" },
		{ "DELETE FROM audit", 1, "cut off" },
		{ "DELETE FROM audit_head", 1, "is gone" },
		{ "UPDATE audit_head SET hash = 'x'", 5, "not the one" },
		{ "INSERT INTO audit SELECT 6, time, uid, verb, vm, device, was, became, reason, hash,"
		  " 'x' FROM audit WHERE seq = 5",
		  6, "changed" },
	};
	struct fixture *f = *state;

	add_rows(f, 5);
	sql(f, "CREATE TABLE keep AS SELECT * FROM audit; CREATE TABLE keep_head AS SELECT * FROM"
	       " audit_head");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(cases); i++) {
		struct berth_audit_check c;

		sql(f, cases[i].sql);
		c = verify(f);
		if (c.broken != cases[i].broken || !strstr(c.why, cases[i].why))
			fail_msg("%s: row %lld %s", cases[i].sql, (long long)c.broken, c.why);
		sql(f, "DELETE FROM audit; INSERT INTO audit SELECT * FROM keep;"
		       "DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM keep_head");
		assert_int_equal(verify(f).broken, 0);
	}
}

/* A cut tail does not heal by what is written later, nor does a head that was taken away. */
static void later_rows_do_not_hide_what_was_done(void **state)
{
	struct fixture *f = *state;

	add_rows(f, 3);
	sql(f, "DELETE FROM audit WHERE seq = 3");
	add_rows(f, 2);
	assert_int_equal(verify(f).broken, 3);
	sql(f, "DELETE FROM audit WHERE seq > 2; DELETE FROM audit_head");
	add_rows(f, 2);
	assert_int_equal(verify(f).broken, 3);
}

static void the_actor_is_the_user_behind_sudo(void **state)
{
	uid_t self = getuid();

	(void)state;
	unsetenv("SUDO_UID");
	assert_int_equal(berth_audit_actor(), self);
	setenv("SUDO_UID", "1000", 1);
	assert_int_equal(berth_audit_actor(), self == 0 ? 1000 : self);
	setenv("SUDO_UID", "1000x", 1);
	assert_int_equal(berth_audit_actor(), self);
	setenv("SUDO_UID", "-1", 1);
	assert_int_equal(berth_audit_actor(), self);
	setenv("SUDO_UID", "4294967295", 1);
	assert_int_equal(berth_audit_actor(), self);
	unsetenv("SUDO_UID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_come_back_in_order_and_by_what_is_asked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_goes_with_its_change_or_not_at_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_untouched_record_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(whatever_is_done_to_a_row_shows, setup, teardown),
		cmocka_unit_test_setup_teardown(later_rows_do_not_hide_what_was_done, setup,
						teardown),
		cmocka_unit_test(the_actor_is_the_user_behind_sudo),
	};

	return cmocka_run_group_tests_name("policy/audit", tests, NULL, NULL);
}
