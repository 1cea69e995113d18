/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/db.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "policy/db_impl.h"

#define DEADLINE_MS 10000
#define REMEMBERED_COMMITS                                                                         \
	64 /* marks kept in the table txn; only the youngest are ever looked for */

struct berth_stmt {
	struct berth_db *db; /* borrowed */
	sqlite3_stmt *sql;   /* owned */
};

/* --- errors --- */

int berth_db_damaged(const struct berth_db *db, struct berth_err *err, const char *what)
{
	return berth_err_set(err, -EUCLEAN,
			     "%s %s: %s; move it aside (keep it, it says how devices were found), "
			     "then run 'berth recover'",
			     db->format->noun, db->file, what);
}

int berth_db_fail_as(const struct berth_db *db, int rc, struct berth_err *err)
{
	const char *noun = db->format->noun, *why = sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return berth_err_set(err, -ETIMEDOUT,
				     "%s %s: another process has held it for %u ms; try again",
				     noun, db->file, db->deadline_ms);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return berth_db_damaged(db, err, why);
	case SQLITE_FULL:
		return berth_err_set(err, -ENOSPC, "%s %s: no space left", noun, db->file);
	case SQLITE_NOMEM:
		return berth_err_set(err, -ENOMEM, "%s %s: out of memory", noun, db->file);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return berth_err_set(err, -EACCES, "%s %s: %s (%s)", noun, db->file, why,
				     db->write ?
					     "writing it needs root" :
					     "ownership is unknown without reading it; ask root");
	case SQLITE_CONSTRAINT:
		return berth_err_set(err, -EEXIST, "%s %s: %s", noun, db->file,
				     db->sql ? sqlite3_errmsg(db->sql) : why);
	default:
		return berth_err_set(err, rc == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO, "%s %s: %s",
				     noun, db->file, why);
	}
}

/* For a failed call on db->sql. */
int berth_db_fail(const struct berth_db *db, struct berth_err *err)
{
	return berth_db_fail_as(db, sqlite3_extended_errcode(db->sql), err);
}

static int usable(const struct berth_db *db, struct berth_err *err)
{
	if (!db->lost)
		return 0;
	return berth_err_set(
		err, -EBADMSG,
		"%s %s: an earlier commit failed and its result is unknown; start again",
		db->format->noun, db->file);
}

/* --- statements --- */

static int bind_args(sqlite3_stmt *sql, const char *args, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *args && rc == SQLITE_OK; args++, i++) {
		const char *text;

		if (*args == 'i') {
			rc = sqlite3_bind_int64(sql, i, va_arg(ap, int64_t));
			continue;
		}
		assert(*args == 's');
		text = va_arg(ap, const char *);
		rc = text ? sqlite3_bind_text(sql, i, text, -1, SQLITE_STATIC) :
			    sqlite3_bind_null(sql, i);
	}
	return rc;
}

/* An idle one of the same text, taken out; NULL: there is none. */
static sqlite3_stmt *take_idle(struct berth_db *db, const char *sql)
{
	for (size_t i = 0; i < BERTH_DB_IDLE; i++) {
		sqlite3_stmt *stmt = db->idle[i];

		if (stmt && strcmp(sqlite3_sql(stmt), sql) == 0) {
			db->idle[i] = NULL;
			return stmt;
		}
	}
	return NULL;
}

/* Keep it for the next time, when there is room. */
static void put_idle(struct berth_db *db, sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	for (size_t i = 0; i < BERTH_DB_IDLE; i++) {
		if (!db->idle[i]) {
			db->idle[i] = stmt;
			return;
		}
	}
	sqlite3_finalize(stmt);
}

void berth_db_disconnect(struct berth_db *db)
{
	for (size_t i = 0; i < BERTH_DB_IDLE; i++) {
		sqlite3_finalize(db->idle[i]);
		db->idle[i] = NULL;
	}
	sqlite3_close(db->sql);
	db->sql = NULL;
}

static int prepare_va(struct berth_db *db, struct berth_stmt **ret, struct berth_err *err,
		      const char *sql, const char *args, va_list ap)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = usable(db, err);

	if (r < 0)
		return r;
	if (!db->sql) {
		*ret = NULL;
		return 0;
	}
	stmt = calloc(1, sizeof(*stmt));
	if (!stmt)
		return berth_err_set(err, -ENOMEM, "out of memory");
	stmt->db = db;
	stmt->sql = take_idle(db, sql);
	if (!stmt->sql && sqlite3_prepare_v2(db->sql, sql, -1, &stmt->sql, NULL) != SQLITE_OK)
		return berth_db_fail(db, err);
	if (bind_args(stmt->sql, args, ap) != SQLITE_OK)
		return berth_db_fail(db, err);
	*ret = BERTH_TAKE_PTR(stmt);
	return 0;
}

int berth_db_prepare(struct berth_db *db, struct berth_stmt **ret, struct berth_err *err,
		     const char *sql, const char *args, ...)
{
	va_list ap;
	int r;

	va_start(ap, args);
	r = prepare_va(db, ret, err, sql, args, ap);
	va_end(ap);
	return r;
}

int berth_stmt_step(struct berth_stmt *stmt, struct berth_err *err)
{
	int rc;

	if (!stmt)
		return 0;
	rc = sqlite3_step(stmt->sql);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : berth_db_fail(stmt->db, err);
}

int64_t berth_stmt_int(struct berth_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt->sql, column);
}

const char *berth_stmt_text(struct berth_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt->sql, column);

	/* NULL also means that memory ran out, and a NOT NULL column has no NULL for its reader to expect */
	return text || sqlite3_column_type(stmt->sql, column) == SQLITE_NULL ? text : "";
}

int berth_stmt_dup(struct berth_stmt *stmt, int column, char **ret, struct berth_err *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt->sql, column);

	if (sqlite3_column_type(stmt->sql, column) == SQLITE_NULL) {
		*ret = NULL;
		return 0;
	}
	*ret = text ? strdup(text) : NULL;
	return *ret ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

void berth_stmt_free(struct berth_stmt *stmt)
{
	if (!stmt)
		return;
	if (stmt->sql)
		put_idle(stmt->db, stmt->sql);
	free(stmt);
}

int berth_db_run(struct berth_db *db, struct berth_err *err, const char *sql, const char *args, ...)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	va_list ap;
	int r;

	assert(db->in_txn);
	va_start(ap, args);
	r = prepare_va(db, &stmt, err, sql, args, ap);
	va_end(ap);
	if (r < 0)
		return r;
	/* SQLite rolls back by itself after some errors; what came next would no longer be one change with the rest. */
	if (sqlite3_get_autocommit(db->sql))
		return berth_err_set(err, -EIO,
				     "%s %s: the transaction was rolled back by an error",
				     db->format->noun, db->file);
	r = berth_stmt_step(stmt, err);
	return r < 0 ? r : sqlite3_changes(db->sql);
}

int64_t berth_db_last_id(struct berth_db *db)
{
	return sqlite3_last_insert_rowid(db->sql);
}

/* SQL without arguments and rows. */
int berth_db_exec(struct berth_db *db, const char *sql, struct berth_err *err)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 :
									   berth_db_fail(db, err);
}

/* The first column of the first row. Return: 0; BERTH_ABSENT no row; < 0. */
int berth_db_query_int(struct berth_db *db, int64_t *ret, const char *sql, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, sql, "");

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r < 0 ? r : BERTH_ABSENT;
	*ret = berth_stmt_int(stmt, 0);
	return 0;
}

int64_t berth_db_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- opening --- */

int berth_db_open(struct berth_db **ret, const char *file, bool write,
		  const struct berth_db_format *format, struct berth_err *err)
{
	BERTH_CLEANUP(berth_db_closep) struct berth_db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return berth_err_set(err, -ENOMEM, "out of memory");
	db->format = format;
	db->deadline_ms = DEADLINE_MS;
	db->write = write;
	db->file = strdup(file);
	if (!db->file)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_db_file_open(db, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(db);
	return 0;
}

void berth_db_close(struct berth_db *db)
{
	if (!db)
		return;
	berth_db_disconnect(db); /* rolls back; no statement in use outlives its function */
	free(db->file);
	free(db);
}

void berth_db_set_deadline(struct berth_db *db, unsigned int deadline_ms)
{
	db->deadline_ms = deadline_ms;
	if (db->sql)
		sqlite3_busy_timeout(db->sql, (int)deadline_ms);
}

/* --- transactions --- */

int berth_db_begin(struct berth_db *db, struct berth_err *err)
{
	int r = usable(db, err);

	if (r < 0)
		return r;
	if (!db->write)
		return berth_err_set(err, -EROFS, "%s %s: opened for reading only",
				     db->format->noun, db->file);
	if (db->in_txn)
		return berth_err_set(err, -EBUSY, "%s %s: a transaction is already open",
				     db->format->noun, db->file);
	r = berth_db_exec(db, "BEGIN IMMEDIATE", err);
	db->in_txn = r == 0;
	return r;
}

void berth_db_rollback(struct berth_db *db)
{
	if (db->sql && !sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	db->in_txn = false;
}

/* Leave our mark in the open transaction: number *ret_seq, a random @token. */
static int leave_mark(struct berth_db *db, int64_t token, int64_t *ret_seq, struct berth_err *err)
{
	int r = berth_db_run(
		db, err, "INSERT INTO txn(seq, token) SELECT coalesce(max(seq), 0) + 1, ? FROM txn",
		"i", token);

	if (r < 0)
		return r;
	*ret_seq = berth_db_last_id(db);
	r = berth_db_run(db, err, "DELETE FROM txn WHERE seq <= ?", "i",
			 *ret_seq - REMEMBERED_COMMITS);
	return r < 0 ? r : 0;
}

/* A commit that can only succeed or fail: the ambiguity is the caller's to resolve. */
static int plain_commit(struct berth_db *db)
{
	int rc = berth_failpoint_before("ledger", "commit", NULL) ?
			 SQLITE_IOERR :
			 sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);

	db->in_txn = false;
	if (rc == SQLITE_OK && berth_failpoint_after("ledger", "commit", NULL))
		rc = SQLITE_IOERR;
	return rc;
}

/* Is the mark there? Return: 0 yes; BERTH_ABSENT no; < 0. */
static int find_mark(struct berth_db *db, int64_t seq, int64_t token, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, "SELECT 1 FROM txn WHERE seq = ? AND token = ?",
				 "ii", seq, token);

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	return r < 0 ? r : r == 1 ? 0 : BERTH_ABSENT;
}

/*
 * A commit whose frames reached the log although the call failed may surface when the log is next recovered. Writing
 * another commit over the same place of the log ends that.
 */
static int write_fence(struct berth_db *db, struct berth_err *err)
{
	int64_t seq;
	int r = berth_db_begin(db, err);

	if (r == 0)
		r = leave_mark(db, 0, &seq, err);
	if (r == 0 && plain_commit(db) != SQLITE_OK)
		r = berth_db_fail(db, err);
	berth_db_rollback(db);
	return r;
}

/* After a failed sync the kernel may forget dirty pages: copy the log into the file and sync that one. */
static int force_to_disk(struct berth_db *db, struct berth_err *err)
{
	int64_t busy = 1;
	int r = berth_db_query_int(db, &busy, "PRAGMA wal_checkpoint(FULL)", err);

	if (r == 0 && busy)
		return berth_db_fail_as(db, SQLITE_BUSY, err);
	return r;
}

/*
 * COMMIT failed with @rc. SQLite can answer so and have the transaction in the file: forget the connection, read again,
 * and make the answer final. Return: 0 it is there; BERTH_ABSENT it is not; < 0 cannot tell.
 */
static int resolve_commit(struct berth_db *db, int64_t seq, int64_t token, struct berth_err *err)
{
	int r, found;

	berth_db_disconnect(db);
	r = berth_db_file_open(db, err);
	if (r < 0)
		return r;
	found = find_mark(db, seq, token, err);
	if (found < 0)
		return found;
	r = write_fence(db, err);
	if (r == 0 && found == BERTH_ABSENT) {
		/* Recovered in the meantime by someone else? Final now. */
		found = find_mark(db, seq, token, err);
		if (found < 0)
			return found;
	}
	if (r == 0 && found == 0)
		r = force_to_disk(db, err);
	return r < 0 ? r : found;
}

int berth_db_commit(struct berth_db *db, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int64_t seq = 0, token = 0;
	int r, rc;

	assert(db->in_txn);
	if (getrandom(&token, sizeof(token), 0) != sizeof(token))
		token = berth_db_now_ms();
	token |= 1; /* 0 marks a fence */
	r = leave_mark(db, token, &seq, err);
	if (r < 0) {
		berth_db_rollback(db);
		return r;
	}
	rc = plain_commit(db);
	if (rc == SQLITE_OK)
		return 0;
	r = resolve_commit(db, seq, token, &why);
	if (r == 0)
		return 0;
	if (r == BERTH_ABSENT) /* nothing was changed, and nothing will be */
		return berth_err_prefix(err, berth_db_fail_as(db, rc, err), "not recorded");
	berth_db_disconnect(db);
	db->lost = true;
	return berth_err_set(err, -EBADMSG,
			     "%s %s: a commit failed (%s) and its result cannot be read back: %s",
			     db->format->noun, db->file, sqlite3_errstr(rc), why.text);
}

int berth_db_enter(struct berth_db *db, bool *ret_own, struct berth_err *err)
{
	int r = usable(db, err);

	if (r < 0)
		return r;
	*ret_own = !db->in_txn;
	return *ret_own ? berth_db_begin(db, err) : 0;
}

int berth_db_leave(struct berth_db *db, bool own, int r, struct berth_err *err)
{
	if (!own)
		return r;
	if (r == 0)
		return berth_db_commit(db, err);
	berth_db_rollback(db);
	return r;
}
