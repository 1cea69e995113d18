/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
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

static void records_come_back_in_order_and_in_pages(void **state)
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
	assert_int_equal(berth_audit_find(f->ledger, 0, 0, &list, &f->err), 0);
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
	assert_int_equal(berth_audit_find(f->ledger, 1, 1, &list, &f->err), 0);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.items[0].seq, 2);
	berth_audit_list_free(&list);
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
	assert_int_equal(berth_audit_find(f->ledger, 0, 0, &list, NULL), 0);
	assert_int_equal(list.nr, 0);
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
		cmocka_unit_test_setup_teardown(records_come_back_in_order_and_in_pages, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_record_goes_with_its_change_or_not_at_all, setup,
						teardown),
		cmocka_unit_test(the_actor_is_the_user_behind_sudo),
	};

	return cmocka_run_group_tests_name("policy/audit", tests, NULL, NULL);
}
