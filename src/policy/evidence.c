/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/ledger.h"

void berth_evidence_done(struct berth_evidence *e)
{
	free(e->path);
	free(e->bdf);
	free(e->vm);
	free(e->method);
	free(e->checked);
	free(e->sentence);
	free(e->image);
	*e = (struct berth_evidence){ 0 };
}

static int forget_old(struct berth_db *db, const struct berth_evidence *e, struct berth_err *err)
{
	int r = 0;

	if (e->image)
		r = berth_db_run(db, err, "UPDATE evidence SET image = NULL WHERE path = ?", "s",
				 e->path);
	if (r >= 0)
		r = berth_db_run(db, err,
				 "DELETE FROM evidence WHERE path = ?1 AND image IS NULL AND seq <="
				 " (SELECT seq FROM evidence WHERE path = ?1 ORDER BY seq DESC"
				 " LIMIT 1 OFFSET ?2)",
				 "si", e->path, (int64_t)BERTH_EVIDENCE_KEEP - 1);
	return r < 0 ? r : 0;
}

static int add(struct berth_db *db, const struct berth_evidence *e, struct berth_err *err)
{
	int r = forget_old(db, e, err);

	if (r == 0)
		r = berth_db_run(db, err,
				 "INSERT INTO evidence(time, path, bdf, vm, after, method, checked,"
				 " proven, sentence, image) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
				 "isssississ", (int64_t)time(NULL), e->path, e->bdf, e->vm,
				 (int64_t)e->after, e->method, e->checked ? e->checked : "",
				 (int64_t)e->proven, e->sentence, e->image);
	return r < 0 ? r : 0;
}

int berth_evidence_add(struct berth_ledger *ledger, const struct berth_evidence *e,
		       struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r;

	if (!e->path || !e->bdf || !e->vm || !e->method || !e->sentence)
		return berth_err_set(err, -EINVAL, "evidence of a reset: something is missing");
	r = berth_db_enter(db, &own, err);
	return r < 0 ? r : berth_db_leave(db, own, add(db, e, err), err);
}

static int read_row(struct berth_stmt *stmt, struct berth_evidence *e, struct berth_err *err)
{
	char **const texts[] = { &e->path, &e->bdf, &e->vm, &e->method, &e->checked, &e->sentence };
	int r = 0;

	e->time = berth_stmt_int(stmt, 0);
	e->after = berth_stmt_int(stmt, 1);
	e->proven = berth_stmt_int(stmt, 2);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts) && r == 0; i++)
		r = berth_stmt_dup(stmt, 3 + (int)i, texts[i], err);
	return r;
}

int berth_evidence_last(struct berth_ledger *ledger, const char *path, struct berth_evidence *ret,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	struct berth_evidence e = { 0 };
	int r = berth_db_prepare(berth_ledger_db(ledger), &stmt, err,
				 "SELECT time, after, proven, path, bdf, vm, method, checked,"
				 " sentence FROM evidence WHERE path = ? ORDER BY seq DESC LIMIT 1",
				 "s", path);

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r < 0 ? r : BERTH_ABSENT;
	r = read_row(stmt, &e, err);
	if (r < 0)
		berth_evidence_done(&e);
	else
		*ret = e;
	return r;
}

int berth_evidence_image(struct berth_ledger *ledger, const char *path, char **ret,
			 struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(berth_ledger_db(ledger), &stmt, err,
				 "SELECT image FROM evidence WHERE path = ? AND image IS NOT NULL"
				 " ORDER BY seq DESC LIMIT 1",
				 "s", path);

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r < 0 ? r : BERTH_ABSENT;
	return berth_stmt_dup(stmt, 0, ret, err);
}
