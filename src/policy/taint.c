/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/taint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/ledger.h"

static const char *const effect_names[] = {
	[BERTH_TAINT_REPORT] = "report",
	[BERTH_TAINT_NO_NEW] = "no-new",
	[BERTH_TAINT_EVICT] = "evict",
};

const char *berth_taint_effect_name(enum berth_taint_effect effect)
{
	return effect_names[effect];
}

int berth_taint_effect_parse(const char *word, enum berth_taint_effect *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(effect_names); i++) {
		if (strcmp(effect_names[i], word) == 0) {
			*ret = (enum berth_taint_effect)i;
			return 0;
		}
	}
	return -EINVAL;
}

int berth_taint_name_check(const char *taint, struct berth_err *err)
{
	size_t len = strlen(taint);

	if (len == 0 || len > BERTH_TAINT_NAME_MAX || taint[0] < 'a' || taint[0] > 'z' ||
	    strspn(taint, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len)
		return berth_err_set(
			err, -EINVAL,
			"'%.80s' is no name for a taint: lower-case letters, digits, '-' "
			"and '.', starting with a letter, at most %d",
			taint, BERTH_TAINT_NAME_MAX);
	return 0;
}

int berth_taint_set(struct berth_ledger *ledger, const struct berth_taint *t, struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_taint_name_check(t->taint ? t->taint : "", err);

	if (r == 0 && (!t->path || !*t->path || !t->bdf))
		r = berth_err_set(err, -EINVAL, "taint %s: on which device?", t->taint);
	if (r == 0)
		r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	r = berth_db_run(
		db, err,
		"INSERT OR REPLACE INTO taint(path, taint, effect, bdf, since, uid, reason)"
		" VALUES(?, ?, ?, ?, ?, ?, ?)",
		"ssssiis", t->path, t->taint, effect_names[t->effect], t->bdf, (int64_t)time(NULL),
		(int64_t)t->uid, t->reason);
	return berth_db_leave(db, own, r < 0 ? r : 0, err);
}

int berth_taint_clear(struct berth_ledger *ledger, const char *path, const char *taint,
		      struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_db_enter(db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(db, err,
			 "DELETE FROM taint WHERE path = ?1 AND (?2 IS NULL OR taint = ?2)", "ss",
			 path, taint);
	if (r == 0)
		r = berth_err_set(err, BERTH_ABSENT, "%s has no taint%s%s", path, taint ? " " : "",
				  taint ? taint : "");
	else if (r > 0)
		r = 0;
	return berth_db_leave(db, own, r, err);
}

/* --- reading --- */

void berth_taint_list_free(struct berth_taint_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		free(list->items[i].path);
		free(list->items[i].taint);
		free(list->items[i].bdf);
		free(list->items[i].reason);
	}
	free(list->items);
	*list = (struct berth_taint_list){ 0 };
}

static int read_row(struct berth_stmt *stmt, struct berth_taint *t, struct berth_err *err)
{
	char **const texts[] = { &t->path, &t->taint, &t->bdf, &t->reason };
	int r = 0;

	t->since = berth_stmt_int(stmt, 0);
	t->uid = (uid_t)berth_stmt_int(stmt, 1);
	/* the schema's CHECK keeps other words out */
	if (berth_taint_effect_parse(berth_stmt_text(stmt, 2), &t->effect) < 0)
		return berth_err_set(err, -EUCLEAN, "ledger: a taint with an unknown effect");
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts) && r == 0; i++)
		r = berth_stmt_dup(stmt, 3 + (int)i, texts[i], err);
	return r;
}

static int find(struct berth_db *db, const char *path, struct berth_taint_list *list,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT since, uid, effect, path, taint, bdf, reason FROM taint"
			     " WHERE ?1 IS NULL OR path = ?1 ORDER BY path, taint",
			     "s", path);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_taint *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		memset(&bigger[list->nr], 0, sizeof(*bigger));
		r = read_row(stmt, &bigger[list->nr++], err);
	}
	return r;
}

int berth_taint_find(struct berth_ledger *ledger, const char *path, struct berth_taint_list *ret,
		     struct berth_err *err)
{
	struct berth_taint_list list = { 0 };
	int r = find(berth_ledger_db(ledger), path, &list, err);

	if (r < 0)
		berth_taint_list_free(&list);
	else
		*ret = list;
	return r;
}
