/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/journal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"

static const struct {
	enum berth_outcome_of_step outcome;
	const char *name;
} outcomes[] = {
	{ BERTH_STEP_DONE, "done" },
	{ BERTH_STEP_FAILED, "failed" },
	{ BERTH_STEP_UNDONE, "undone" },
};

static const char *name_of(enum berth_outcome_of_step outcome)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(outcomes); i++) {
		if (outcomes[i].outcome == outcome)
			return outcomes[i].name;
	}
	return NULL;
}

static enum berth_outcome_of_step outcome_of(const char *name)
{
	for (size_t i = 0; name && i < BERTH_ARRAY_SIZE(outcomes); i++) {
		if (strcmp(outcomes[i].name, name) == 0)
			return outcomes[i].outcome;
	}
	return BERTH_STEP_OPEN;
}

static int add(struct berth_db *db, const struct berth_intent *intent, int64_t *ret_seq,
	       struct berth_err *err)
{
	int r;

	/* nullif: 0 stands for "no assignment", which the foreign key knows as NULL */
	r = berth_db_run(db, err,
			 "INSERT INTO intent(assignment, bdf, op, arg, undo, started)"
			 " VALUES(nullif(?, 0), ?, ?, ?, ?, ?)",
			 "issssi", intent->assignment, intent->bdf, intent->op, intent->arg,
			 intent->undo, (int64_t)time(NULL));
	if (r < 0)
		return r == -EEXIST ? -EINVAL : r;
	*ret_seq = berth_db_last_id(db);
	return 0;
}

int berth_journal_intent(struct berth_ledger *ledger, const struct berth_intent *intent,
			 int64_t *ret_seq, struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	int64_t seq = 0;
	bool own;
	int r;

	if (!intent->op || !*intent->op)
		return berth_err_set(err, -EINVAL, "journal: a step without a name");
	r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	r = berth_db_leave(db, own, add(db, intent, &seq, err), err);
	if (r == 0)
		*ret_seq = seq;
	return r;
}

int berth_journal_outcome(struct berth_ledger *ledger, int64_t seq,
			  enum berth_outcome_of_step outcome, const char *note,
			  struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	const char *name = name_of(outcome);
	bool own;
	int r;

	if (!name)
		return berth_err_set(err, -EINVAL, "journal: not an outcome");
	r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	r = berth_db_run(
		db, err,
		"UPDATE intent SET outcome = ?1, note = coalesce(?2, note), ended = ?3 WHERE seq = ?4"
		" AND (outcome IS NULL OR (outcome = 'done' AND ?1 = 'undone'))",
		"ssii", name, note, (int64_t)time(NULL), seq);
	if (r == 0)
		r = berth_err_set(err, BERTH_ABSENT, "journal: step %lld cannot become %s",
				  (long long)seq, name);
	else if (r > 0)
		r = 0;
	return berth_db_leave(db, own, r, err);
}

int berth_journal_close(struct berth_ledger *ledger, int64_t assignment,
			enum berth_outcome_of_step outcome, const char *note, struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	const char *name = name_of(outcome);
	bool own;
	int r, nr;

	if (!name)
		return berth_err_set(err, -EINVAL, "journal: not an outcome");
	r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	nr = berth_db_run(db, err,
			  "UPDATE intent SET outcome = ?1, note = coalesce(?2, note), ended = ?3"
			  " WHERE assignment = ?4 AND outcome IS NULL",
			  "ssii", name, note, (int64_t)time(NULL), assignment);
	r = berth_db_leave(db, own, nr < 0 ? nr : 0, err);
	return r < 0 ? r : nr;
}

void berth_intent_list_free(struct berth_intent_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		free(list->items[i].bdf);
		free(list->items[i].op);
		free(list->items[i].arg);
		free(list->items[i].undo);
		free(list->items[i].note);
	}
	free(list->items);
	*list = (struct berth_intent_list){ 0 };
}

static int read_row(struct berth_stmt *stmt, struct berth_intent *intent, struct berth_err *err)
{
	char **const texts[] = { &intent->bdf, &intent->op, &intent->arg, &intent->undo,
				 &intent->note };
	int r = 0;

	intent->seq = berth_stmt_int(stmt, 0);
	intent->assignment = berth_stmt_int(stmt, 1);
	intent->started = berth_stmt_int(stmt, 2);
	intent->ended = berth_stmt_int(stmt, 3);
	intent->outcome = outcome_of(berth_stmt_text(stmt, 4));
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts) && r == 0; i++)
		r = berth_stmt_dup(stmt, 5 + (int)i, texts[i], err);
	return r;
}

static int find(struct berth_db *db, int64_t assignment, unsigned int wanted,
		struct berth_intent_list *list, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT seq, assignment, started, ended, outcome, bdf, op, arg, undo, note"
		" FROM intent WHERE (?1 = -1 OR coalesce(assignment, 0) = ?1) AND"
		" CASE outcome WHEN 'done' THEN ?2 WHEN 'failed' THEN ?3 WHEN 'undone' THEN ?4"
		" ELSE ?5 END ORDER BY seq DESC",
		"iiiii", assignment, (int64_t)(wanted & BERTH_STEP_DONE),
		(int64_t)(wanted & BERTH_STEP_FAILED), (int64_t)(wanted & BERTH_STEP_UNDONE),
		(int64_t)(wanted & BERTH_STEP_OPEN));
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_intent *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		memset(&bigger[list->nr], 0, sizeof(*bigger));
		r = read_row(stmt, &bigger[list->nr++], err);
	}
	return r;
}

int berth_journal_find(struct berth_ledger *ledger, int64_t assignment, unsigned int wanted,
		       struct berth_intent_list *ret, struct berth_err *err)
{
	struct berth_intent_list list = { 0 };
	int r = find(berth_ledger_db(ledger), assignment, wanted, &list, err);

	if (r < 0) {
		berth_intent_list_free(&list);
		return r;
	}
	*ret = list;
	return 0;
}
