/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/ledger.h"
#include "policy/taint.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_err err;
};

static char path[] = "PC00/01.0", other[] = "PC00/02.0", bdf[] = "0000:01:00.0", hw[] = "hw-fault",
	    slow[] = "slow", why[] = "drops packets";

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

static void set(struct fixture *f, char *at, char *taint, enum berth_taint_effect effect)
{
	const struct berth_taint t = {
		.path = at, .taint = taint, .effect = effect, .bdf = bdf, .uid = 1000, .reason = why
	};

	if (berth_taint_set(f->ledger, &t, &f->err))
		fail_msg("%s", f->err.text);
}

static size_t count(struct fixture *f, const char *at)
{
	struct berth_taint_list list;
	size_t nr;

	assert_int_equal(berth_taint_find(f->ledger, at, &list, &f->err), 0);
	nr = list.nr;
	berth_taint_list_free(&list);
	return nr;
}

static void a_taint_comes_back_and_is_replaced_by_its_name(void **state)
{
	struct fixture *f = *state;
	struct berth_taint_list list;

	set(f, path, hw, BERTH_TAINT_REPORT);
	set(f, path, hw, BERTH_TAINT_NO_NEW);
	assert_int_equal(berth_taint_find(f->ledger, path, &list, &f->err), 0);
	assert_int_equal(list.nr, 1);
	assert_string_equal(list.items[0].path, path);
	assert_string_equal(list.items[0].taint, "hw-fault");
	assert_int_equal(list.items[0].effect, BERTH_TAINT_NO_NEW);
	assert_string_equal(list.items[0].bdf, bdf);
	assert_true(list.items[0].since > 1600000000);
	assert_int_equal(list.items[0].uid, 1000);
	assert_string_equal(list.items[0].reason, why);
	berth_taint_list_free(&list);
}

static void taints_are_taken_away_one_by_one_or_all(void **state)
{
	struct fixture *f = *state;

	set(f, path, hw, BERTH_TAINT_REPORT);
	set(f, path, slow, BERTH_TAINT_REPORT);
	set(f, other, slow, BERTH_TAINT_REPORT);
	assert_int_equal(count(f, NULL), 3);
	assert_int_equal(count(f, path), 2);
	assert_int_equal(berth_taint_clear(f->ledger, path, "none-such", &f->err), BERTH_ABSENT);
	assert_int_equal(berth_taint_clear(f->ledger, path, slow, NULL), 0);
	assert_int_equal(count(f, path), 1);
	set(f, path, slow, BERTH_TAINT_REPORT);
	assert_int_equal(berth_taint_clear(f->ledger, path, NULL, NULL), 0);
	assert_int_equal(count(f, path), 0);
	assert_int_equal(count(f, other), 1);
	assert_int_equal(berth_taint_clear(f->ledger, path, NULL, NULL), BERTH_ABSENT);
}

static void names_are_words(void **state)
{
	static const char *const bad[] = { "",	       "HW", "9lives", "hw fault",
					   "hw_fault", "-x", "@x",     "h\xc3\xa4" };
	struct fixture *f = *state;
	char name[] = "hw fault";
	const struct berth_taint t = { .path = path, .taint = name, .bdf = bdf };
	enum berth_taint_effect e;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++)
		assert_int_equal(berth_taint_name_check(bad[i], NULL), -EINVAL);
	assert_int_equal(berth_taint_name_check("hw-fault.2", NULL), 0);
	assert_int_equal(berth_taint_set(f->ledger, &t, NULL), -EINVAL);
	for (int i = 0; i <= BERTH_TAINT_EVICT; i++) {
		assert_int_equal(berth_taint_effect_parse(
					 berth_taint_effect_name((enum berth_taint_effect)i), &e),
				 0);
		assert_int_equal(e, i);
	}
	assert_int_equal(berth_taint_effect_parse("noexecute", &e), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_taint_comes_back_and_is_replaced_by_its_name),
		T(taints_are_taken_away_one_by_one_or_all),
		T(names_are_words),
	};

	return cmocka_run_group_tests_name("policy/taint", tests, NULL, NULL);
}
