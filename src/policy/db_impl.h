/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside struct berth_db, for db.c (statements, transactions) and db_file.c (opening, checking, migrating the file) only.
 */
#ifndef BERTH_POLICY_DB_IMPL_H
#define BERTH_POLICY_DB_IMPL_H

#include "policy/db.h"

struct sqlite3;
struct sqlite3_stmt;

#define BERTH_DB_IDLE 64

struct berth_db {
	char *file;			      /* owned */
	struct sqlite3 *sql;		      /* owned; NULL: nothing to read, or lost */
	const struct berth_db_format *format; /* borrowed, static */
	unsigned int deadline_ms;
	bool write;
	bool in_txn;
	/* Statements that nobody uses now: to compile one takes longer than to run it. */
	struct sqlite3_stmt *idle[BERTH_DB_IDLE]; /* owned; NULL: free place */
	bool lost; /* a commit could not be cleared up; nothing more through this handle */
};

/* One sentence about a file that must not be used. Return: -EUCLEAN. */
int berth_db_damaged(const struct berth_db *db, struct berth_err *err, const char *what);
/* The errno and the sentence for SQLite's result @rc; berth_db_fail(): of the last call on db->sql. */
int berth_db_fail_as(const struct berth_db *db, int rc, struct berth_err *err);
int berth_db_fail(const struct berth_db *db, struct berth_err *err);

/* SQL without arguments and rows. */
int berth_db_exec(struct berth_db *db, const char *sql, struct berth_err *err);
/* The first column of the first row. Return: 0; BERTH_ABSENT no row; < 0. */
int berth_db_query_int(struct berth_db *db, int64_t *ret, const char *sql, struct berth_err *err);

/* Close db->sql and all that hangs on it. */
void berth_db_disconnect(struct berth_db *db);

int64_t berth_db_now_ms(void); /* of the monotonic clock */

/* Connect db->sql to db->file, and look at, create or migrate it as db->write says. A missing file to read: db->sql NULL. */
int berth_db_file_open(struct berth_db *db, struct berth_err *err);

#endif
