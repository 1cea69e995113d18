/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/evidence.h"
#include "policy/ledger.h"
#include "policy/schema.h"
#include "tests/lib/tmp.h"

#define PATH "PNP0A08:00/01.0/00.0"

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

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static struct berth_evidence row(const char *sentence)
{
	return (struct berth_evidence){
		.path = text(PATH),
		.bdf = text("0000:01:00.0"),
		.vm = text("t1"),
		.method = text("flr"),
		.checked = text("answers,no-dma"),
		.proven = true,
		.sentence = text(sentence),
	};
}

static void the_newest_row_is_what_is_known(void **state)
{
	struct fixture *f = *state;
	struct berth_evidence e = row("first"), got;

	assert_int_equal(berth_evidence_last(f->ledger, PATH, &got, &f->err), BERTH_ABSENT);
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	e = row("second");
	e.after = true;
	e.proven = false;
	e.checked = NULL;
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	assert_int_equal(berth_evidence_last(f->ledger, PATH, &got, &f->err), 0);
	assert_string_equal(got.sentence, "second");
	assert_string_equal(got.vm, "t1");
	assert_string_equal(got.bdf, "0000:01:00.0");
	assert_string_equal(got.method, "flr");
	assert_string_equal(got.checked, "");
	assert_true(got.after && !got.proven && got.time > 0);
	berth_evidence_done(&got);
	assert_int_equal(berth_evidence_last(f->ledger, "other", &got, &f->err), BERTH_ABSENT);
}

static void only_the_newest_image_stays(void **state)
{
	struct fixture *f = *state;
	struct berth_evidence e = row("with image");
	char *image = NULL;

	assert_int_equal(berth_evidence_image(f->ledger, PATH, &image, &f->err), BERTH_ABSENT);
	e.image = text("000:4:00000001");
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	e.image = text("000:4:00000002");
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	e.image = NULL;
	/* as long as there is no newer one, whatever happens */
	for (int i = 0; i < 3 * BERTH_EVIDENCE_KEEP; i++)
		assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	assert_int_equal(berth_evidence_image(f->ledger, PATH, &image, &f->err), 0);
	assert_string_equal(image, "000:4:00000002");
	free(image);
}

static int64_t count(struct fixture *f)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;

	assert_int_equal(berth_db_prepare(berth_ledger_db(f->ledger), &stmt, &f->err,
					  "SELECT count(*) FROM evidence", ""),
			 0);
	assert_int_equal(berth_stmt_step(stmt, &f->err), 1);
	return berth_stmt_int(stmt, 0);
}

static void old_rows_go(void **state)
{
	struct fixture *f = *state;
	struct berth_evidence e = row("one of many"), got;

	for (int i = 0; i < 3 * BERTH_EVIDENCE_KEEP; i++)
		assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	e.path = text("PNP0A08:00/02.0/00.0");
	e.sentence = text("another device");
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	assert_int_equal(count(f), BERTH_EVIDENCE_KEEP + 1);
	assert_int_equal(berth_evidence_last(f->ledger, PATH, &got, &f->err), 0);
	assert_string_equal(got.sentence, "one of many");
	berth_evidence_done(&got);
}

static void what_is_incomplete_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_evidence e = row("x");

	e.method = NULL;
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), -EINVAL);
	assert_int_equal(count(f), 0);
}

/* A ledger of the first format, with an assignment in it. */
static void an_old_ledger_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	const struct berth_db_format old = { .noun = berth_schema.noun,
					     .application_id = berth_schema.application_id,
					     .versions = berth_schema.versions,
					     .nr_versions = 1 };
	struct berth_evidence e = row("after the migration"), got;
	struct berth_assignment_list list;
	struct berth_db *db = NULL;

	berth_ledger_close(f->ledger);
	f->ledger = NULL;
	tmp_free(f->dir);
	f->dir = tmp_new();
	assert_int_equal(berth_db_open(&db, TMP_PATH(f->dir, "ledger.db"), true, &old, &f->err), 0);
	assert_int_equal(berth_db_begin(db, &f->err), 0);
	assert_int_equal(berth_db_run(db, &f->err,
				      "INSERT INTO assignment(claim, grp, vm, kind, state, gen,"
				      " boot_id, created, changed) VALUES(1, 'g', 't1', 'assign',"
				      " 'assigned', 1, 'b', 1, 1)",
				      ""),
			 1);
	assert_int_equal(berth_db_commit(db, &f->err), 0);
	berth_db_close(db);
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_READ, &f->err), 0);
	assert_int_equal(berth_evidence_last(f->ledger, PATH, &got, &f->err), BERTH_ABSENT);
	berth_ledger_close(f->ledger);
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
	assert_int_equal(
		berth_ledger_find(f->ledger, &(struct berth_ledger_query){ 0 }, &list, &f->err), 0);
	assert_int_equal(list.nr, 1);
	berth_assignment_list_free(&list);
	assert_int_equal(berth_evidence_add(f->ledger, &e, &f->err), 0);
	assert_int_equal(berth_evidence_last(f->ledger, PATH, &got, &f->err), 0);
	berth_evidence_done(&got);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_newest_row_is_what_is_known),
		T(only_the_newest_image_stays),
		T(old_rows_go),
		T(what_is_incomplete_is_refused),
		T(an_old_ledger_is_brought_up_to_date),
	};

	return cmocka_run_group_tests_name("policy/evidence", tests, NULL, NULL);
}
