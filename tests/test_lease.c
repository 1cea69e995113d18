/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/lease.h"
#include "policy/ledger.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_err err;
	int64_t ids[2]; /* one claim of t1 */
};

static const struct berth_claim for_t1 = { .vm = "t1",
					   .kind = BERTH_OWNED_BY_ASSIGN,
					   .boot_id = "b" };

static int setup(void **state)
{
	static const struct berth_claim_group groups[] = { { "g:1", NULL }, { "g:2", NULL } };
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, groups, 2, f->ids, &f->err), 0);
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

static char vm[] = "t1", rule[] = "demo";

static struct berth_lease of_t1(const struct fixture *f)
{
	return (struct berth_lease){ .claim = f->ids[0],
				     .vm = vm,
				     .start = 1000,
				     .end = 2000,
				     .grace = 30,
				     .on_expiry = BERTH_EXPIRY_SHUTDOWN,
				     .rule = rule };
}

static void a_lease_comes_back_as_it_was_granted(void **state)
{
	struct fixture *f = *state;
	struct berth_lease l = of_t1(f), got;

	assert_int_equal(berth_lease_of(f->ledger, f->ids[0], &got, NULL), BERTH_ABSENT);
	assert_int_equal(berth_lease_grant(f->ledger, &l, &f->err), 0);
	assert_int_equal(berth_lease_of(f->ledger, f->ids[0], &got, &f->err), 0);
	assert_string_equal(got.vm, "t1");
	assert_int_equal(got.start, 1000);
	assert_int_equal(got.end, 2000);
	assert_int_equal(got.grace, 30);
	assert_int_equal(got.on_expiry, BERTH_EXPIRY_SHUTDOWN);
	assert_string_equal(got.rule, "demo");
	assert_int_equal(got.renewals, 0);
	assert_int_equal(got.told, BERTH_LEASE_UNTOLD);
	assert_int_equal(berth_lease_over(&got), 2030);
	got.on_expiry = BERTH_EXPIRY_NOTIFY;
	assert_int_equal(berth_lease_over(&got), 0);
	berth_lease_done(&got);
	assert_int_equal(berth_lease_grant(f->ledger, &l, &f->err), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "'berth renew' changes its end"));
}

static void renewing_counts_and_forgets_who_was_told(void **state)
{
	struct fixture *f = *state;
	struct berth_lease l = of_t1(f), got;

	assert_int_equal(berth_lease_renew(f->ledger, &l, &f->err), BERTH_ABSENT);
	assert_int_equal(berth_lease_set_told(f->ledger, f->ids[0], BERTH_LEASE_ENDED, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), 0);
	assert_int_equal(berth_lease_set_told(f->ledger, f->ids[0], BERTH_LEASE_ENDED, NULL), 0);
	assert_int_equal(berth_lease_of(f->ledger, f->ids[0], &got, NULL), 0);
	assert_int_equal(got.told, BERTH_LEASE_ENDED);
	berth_lease_done(&got);
	l.end = 5000;
	l.on_expiry = BERTH_EXPIRY_DETACH;
	assert_int_equal(berth_lease_renew(f->ledger, &l, NULL), 0);
	assert_int_equal(berth_lease_of(f->ledger, f->ids[0], &got, NULL), 0);
	assert_int_equal(got.end, 5000);
	assert_int_equal(got.renewals, 1);
	assert_int_equal(got.told, BERTH_LEASE_UNTOLD);
	assert_int_equal(got.on_expiry, BERTH_EXPIRY_DETACH);
	berth_lease_done(&got);
}

static void it_lives_as_long_as_anything_of_its_claim(void **state)
{
	struct fixture *f = *state;
	struct berth_lease l = of_t1(f), got;
	struct berth_lease_list all;

	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), 0);
	/* the first of the claim goes, the second one keeps it */
	assert_int_equal(berth_ledger_end(f->ledger, f->ids[0], NULL, NULL), 0);
	assert_int_equal(berth_lease_soonest(f->ledger, f->ids, 2, &got, NULL), 0);
	assert_int_equal(got.end, 2000);
	berth_lease_done(&got);
	assert_int_equal(berth_ledger_end(f->ledger, f->ids[1], NULL, NULL), 0);
	assert_int_equal(berth_lease_of(f->ledger, f->ids[0], &got, NULL), BERTH_ABSENT);
	assert_int_equal(berth_lease_soonest(f->ledger, f->ids, 2, &got, NULL), BERTH_ABSENT);
	assert_int_equal(berth_lease_all(f->ledger, &all, NULL), 0);
	assert_int_equal(all.nr, 0);
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), BERTH_ABSENT);
	assert_int_equal(berth_lease_renew(f->ledger, &l, NULL), BERTH_ABSENT);
}

static void the_soonest_end_comes_first(void **state)
{
	static const struct berth_claim_group group = { "g:3", NULL };
	struct fixture *f = *state;
	struct berth_lease l = of_t1(f), got;
	struct berth_lease_list all;
	int64_t ids[2] = { f->ids[0] };

	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, &group, 1, &ids[1], NULL), 0);
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), 0);
	l.claim = ids[1];
	l.end = 1500;
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), 0);
	assert_int_equal(berth_lease_all(f->ledger, &all, NULL), 0);
	assert_int_equal(all.nr, 2);
	assert_int_equal(all.items[0].end, 1500);
	berth_lease_list_free(&all);
	assert_int_equal(berth_lease_soonest(f->ledger, ids, 2, &got, NULL), 0);
	assert_int_equal(got.end, 1500);
	berth_lease_done(&got);
}

static void nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_lease l = of_t1(f);
	enum berth_expiry e;

	l.end = l.start;
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), -EINVAL);
	l.end = l.start + 1;
	l.grace = -1;
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), -EINVAL);
	l.grace = 0;
	l.vm = NULL;
	assert_int_equal(berth_lease_grant(f->ledger, &l, NULL), -EINVAL);
	assert_int_equal(berth_expiry_parse("shut down", &e), -EINVAL);
	for (int i = 0; i <= BERTH_EXPIRY_SHUTDOWN; i++) {
		assert_int_equal(berth_expiry_parse(berth_expiry_name((enum berth_expiry)i), &e),
				 0);
		assert_int_equal(e, i);
	}
}

static void times_are_put_into_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *words;
	} spans[] = { { 0, "0 s" },	      { 59, "59 s" },		{ 60, "1 min" },
		      { 4359, "1 h 12 min" }, { 86399, "23 h 59 min" }, { 270000, "3 d 3 h" } };
	char buf[BERTH_LEASE_WORDS];

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(spans); i++)
		assert_string_equal(berth_lease_span(spans[i].seconds, buf), spans[i].words);
	assert_string_equal(berth_lease_words(1796148000, 1796143680, buf),
			    "until 2026-12-01T18:00:00Z (in 1 h 12 min)");
	assert_string_equal(berth_lease_words(1796148000, 1796148300, buf),
			    "ended 2026-12-01T18:00:00Z (5 min ago)");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_lease_comes_back_as_it_was_granted),
		T(renewing_counts_and_forgets_who_was_told),
		T(it_lives_as_long_as_anything_of_its_claim),
		T(the_soonest_end_comes_first),
		T(nonsense_is_refused),
		cmocka_unit_test(times_are_put_into_words),
	};

	return cmocka_run_group_tests_name("policy/lease", tests, NULL, NULL);
}
