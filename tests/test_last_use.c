/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "policy/last_use.h"
#include "policy/ledger.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_last_use_list uses;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_last_use_list_free(&f->uses);
	berth_ledger_close(f->ledger);
	tmp_free(f->dir);
	free(f);
	return 0;
}

static int64_t own(struct fixture *f, const char *vm, char *path)
{
	const struct berth_claim claim = { .vm = vm, .boot_id = "b" };
	const struct berth_claim_group group = { .group = path };
	const struct berth_member member = { .bdf = "0000:01:00.0", .path = path };
	int64_t id;

	assert_int_equal(berth_ledger_claim(f->ledger, &claim, &group, 1, &id, NULL), 0);
	assert_int_equal(berth_ledger_add_member(f->ledger, id, &member, NULL), 0);
	return id;
}

static void give_back(struct fixture *f, int64_t id)
{
	static const enum berth_owned_event way[] = { BERTH_ON_BOUND, BERTH_ON_GIVE };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(way); i++)
		assert_int_equal(berth_ledger_move(f->ledger, id, way[i], NULL, NULL, NULL), 0);
	assert_int_equal(berth_ledger_end(f->ledger, id, NULL, NULL), 0);
}

static int64_t used(struct fixture *f, const char *path)
{
	berth_last_use_list_free(&f->uses);
	assert_int_equal(berth_last_use_all(f->ledger, &f->uses, NULL), 0);
	return berth_last_use_of(&f->uses, path);
}

static void a_device_that_is_given_back_was_used_until_then(void **state)
{
	struct fixture *f = *state;
	char a[] = "PC00/01.0", b[] = "PC00/02.0", c[] = "PC00/00.0";
	int64_t before = (int64_t)time(NULL);

	assert_int_equal(used(f, a), 0);
	give_back(f, own(f, "t1", b));
	give_back(f, own(f, "t1", a));
	give_back(f, own(f, "t2", c));
	give_back(f, own(f, "t2", a)); /* once more: still one row */
	assert_in_range(used(f, a), before, before + 10);
	assert_int_equal(f->uses.nr, 3);
	assert_in_range(used(f, b), before, before + 10);
	assert_in_range(used(f, c), before, before + 10);
	assert_int_equal(used(f, "PC00/03.0"), 0);
	assert_int_equal(berth_last_use_of(&f->uses, NULL), 0);
}

static void what_never_got_to_its_vm_was_not_used(void **state)
{
	struct fixture *f = *state;
	char a[] = "PC00/01.0";

	assert_int_equal(berth_ledger_end(f->ledger, own(f, "t1", a), "undone", NULL), 0);
	assert_int_equal(used(f, a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_device_that_is_given_back_was_used_until_then,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_never_got_to_its_vm_was_not_used, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("policy/last_use", tests, NULL, NULL);
}
