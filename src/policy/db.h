/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One SQLite file, as the ledger needs it: durable, exclusive while writing, honest about a failed commit.
 *
 * db.c and db_file.c are the places that include <sqlite3.h>. For src/policy/ only; the common returns and the rule
 * about fork() are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_DB_H
#define BERTH_POLICY_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_db;   /* opaque */
struct berth_stmt; /* opaque */

/*
 * A file format: each version is SQL that leads there from the one before (version 1 from nothing). In the last one there
 * must be two tables: txn(seq INTEGER PRIMARY KEY, token INTEGER NOT NULL), in which commits leave their mark, and
 * with @vital checked(id INTEGER PRIMARY KEY CHECK(id = 1), mark TEXT NOT NULL), which says when all of it was last read.
 */
struct berth_db_format {
	const char *noun;	 /* for errors: "ledger" */
	uint32_t application_id; /* sqlite.org/fileformat2.html 1.3.17 */
	const char *const *versions;
	/* NULL, or by version NULL or what SQL alone cannot do, run after the SQL of all versions, in the same transaction. */
	int (*const *fill)(struct berth_db *db, struct berth_err *err);
	size_t nr_versions;
	/*
	 * SHA-256 of the tables that the versions make, as tests/test_db.c prints it; NULL or another one: each opening
	 * makes them in memory to compare, which is two thirds of the work of a reading verb.
	 */
	const char *digest;
	/* Tables that are checked for damage more often than the rest; NULL at the end. NULL: all is checked each time. */
	const char *const *vital;
};

/**
 * berth_db_open() - open @file, for writing creating and migrating it
 * @format: borrowed, static
 *
 * A missing or still empty file opened for reading gives a handle on which every query finds nothing; one of an older format
 * is read as if it had been migrated, and stays as it is.
 */
int berth_db_open(struct berth_db **ret, const char *file, bool write,
		  const struct berth_db_format *format, struct berth_err *err);
void berth_db_close(struct berth_db *db);
BERTH_DEFINE_CLEANUP(struct berth_db *, berth_db_close);
void berth_db_set_deadline(struct berth_db *db, unsigned int deadline_ms);

int berth_db_begin(struct berth_db *db, struct berth_err *err);
int berth_db_commit(struct berth_db *db, struct berth_err *err);
void berth_db_rollback(struct berth_db *db);

/*
 * Join the caller's transaction or make one: enter, change, leave with the result so far. leave commits our own on 0 and
 * rolls it back otherwise; it passes @r through.
 */
int berth_db_enter(struct berth_db *db, bool *ret_own, struct berth_err *err);
int berth_db_leave(struct berth_db *db, bool own, int r, struct berth_err *err);

/**
 * berth_db_prepare() - a statement with its arguments bound
 * @args: one letter per argument: 'i' int64_t, 's' const char * (NULL gives NULL; must live until the statement is freed)
 * @ret: owned by the caller; NULL for a query on a file that does not exist
 */
int berth_db_prepare(struct berth_db *db, struct berth_stmt **ret, struct berth_err *err,
		     const char *sql, const char *args, ...);
/* Return: 1 there is a row; 0 there is none (more); < 0. @stmt may be NULL: 0. */
int berth_stmt_step(struct berth_stmt *stmt, struct berth_err *err);
int64_t berth_stmt_int(struct berth_stmt *stmt, int column); /* 0 for NULL */
const char *berth_stmt_text(struct berth_stmt *stmt,
			    int column); /* until the next step; NULL for NULL */
/* A copy owned by the caller into *ret, NULL for NULL. Return: 0; -ENOMEM. */
int berth_stmt_dup(struct berth_stmt *stmt, int column, char **ret, struct berth_err *err);
void berth_stmt_free(struct berth_stmt *stmt);
BERTH_DEFINE_CLEANUP(struct berth_stmt *, berth_stmt_free);

/**
 * berth_db_run() - one statement without rows
 *
 * Return: rows changed (a count, >= 0); < 0, among them -EEXIST for a constraint that it would break.
 */
int berth_db_run(struct berth_db *db, struct berth_err *err, const char *sql, const char *args,
		 ...);
int64_t berth_db_last_id(struct berth_db *db);

#endif
