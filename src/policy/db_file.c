/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening the file of a struct berth_db: is it ours, of which format, and whole?
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "policy/chain.h"
#include "policy/db_impl.h"

/* Bytes of a file whose vital tables are read at each opening for writing. */
#define ALWAYS_CHECKED (4 << 20)

/*
 * A claim changes a dozen pages by a row each, and all of them are written before it counts: small pages are less to write. This
 * is for new files; one that there is keeps its size.
 */
#define NEW_FILE "PRAGMA page_size=1024; PRAGMA journal_mode=WAL"

/* SQLite does not wait for others by itself when it changes the journal mode. */
static int set_wal(struct berth_db *db, struct berth_err *err)
{
	int64_t end = berth_db_now_ms() + db->deadline_ms;
	int rc;

	for (;;) {
		rc = sqlite3_exec(db->sql, NEW_FILE, NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			return 0;
		if ((rc & 0xff) != SQLITE_BUSY || berth_db_now_ms() > end)
			return berth_db_fail_as(db, rc, err);
		sqlite3_sleep(5);
	}
}

/* Is this file ours, and which version? */
static int read_version(struct berth_db *db, int64_t *ret, struct berth_err *err)
{
	int64_t tables = 0, id = 0;
	int r;

	r = berth_db_query_int(db, &tables, "SELECT count(*) FROM sqlite_schema", err);
	if (r == 0)
		r = berth_db_query_int(db, &id, "PRAGMA application_id", err);
	if (r == 0)
		r = berth_db_query_int(db, ret, "PRAGMA user_version", err);
	if (r != 0)
		return r;
	if (tables == 0 && *ret == 0)
		return 0;
	if ((uint32_t)id != db->format->application_id || *ret < 1)
		return berth_db_damaged(db, err, "not a file of berth's");
	if (*ret > (int64_t)db->format->nr_versions)
		return berth_err_set(err, -EPROTO,
				     "%s %s: written by a newer berth (format %lld, this one knows "
				     "up to %zu); install the newer berth",
				     db->format->noun, db->file, (long long)*ret,
				     db->format->nr_versions);
	return 0;
}

/* Version by version, on the file or on a scratch database. */
static int run_versions(sqlite3 *sql, const struct berth_db_format *format, int64_t from)
{
	char pragma[96];
	int rc = SQLITE_OK;

	for (size_t i = (size_t)from; i < format->nr_versions && rc == SQLITE_OK; i++)
		rc = sqlite3_exec(sql, format->versions[i], NULL, NULL, NULL);
	snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%u; PRAGMA user_version=%zu",
		 format->application_id, format->nr_versions);
	return rc == SQLITE_OK ? sqlite3_exec(sql, pragma, NULL, NULL, NULL) : rc;
}

/* What SQL cannot say, for each version above @from. */
static int fill_versions(struct berth_db *db, int64_t from, struct berth_err *err)
{
	int r = 0;

	db->in_txn = true;
	for (size_t i = (size_t)from; i < db->format->nr_versions && r == 0; i++) {
		if (db->format->fill && db->format->fill[i])
			r = db->format->fill[i](db, err);
	}
	db->in_txn = false;
	return r;
}

static int migrate(struct berth_db *db, struct berth_err *err)
{
	int64_t version = 0;
	int r = read_version(db, &version, err);

	if (r < 0 || version == (int64_t)db->format->nr_versions)
		return r;
	r = berth_db_exec(db, "BEGIN IMMEDIATE", err);
	if (r < 0)
		return r;
	/* Again, now that nobody else can do it at the same time. */
	r = read_version(db, &version, err);
	if (r == 0 && run_versions(db->sql, db->format, version) != SQLITE_OK)
		r = berth_db_fail(db, err);
	if (r == 0)
		r = fill_versions(db, version, err);
	if (r == 0)
		r = berth_failpoint_before("ledger", "migrate", err);
	if (r == 0)
		r = berth_db_exec(db, "COMMIT", err);
	if (r == 0)
		r = berth_failpoint_after("ledger", "migrate", err);
	if (r < 0 && !sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int schema_text(sqlite3 *sql, char **ret)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(
		sql,
		"SELECT group_concat(s, x'0a') FROM (SELECT type || ' ' || name || ' ' || "
		"coalesce(sql, '') AS s FROM sqlite_schema ORDER BY type, name)",
		-1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		*ret = strdup(text ? text : "");
		rc = *ret ? SQLITE_OK : SQLITE_NOMEM;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static bool is_known_schema(const struct berth_db_format *format, const char *text)
{
	char hash[BERTH_CHAIN_HASH];

	return format->digest && strcmp(berth_chain_hash_text(text, hash), format->digest) == 0;
}

/*
 * Are the tables, and above all the unique indexes, the ones that our SQL makes? A file without them would still open and
 * would let a device have two owners.
 */
static int check_schema(struct berth_db *db, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *want = NULL;
	BERTH_CLEANUP(berth_freep) char *have = NULL;
	sqlite3 *scratch = NULL;
	int rc;

	rc = schema_text(db->sql, &have);
	if (rc == SQLITE_OK && is_known_schema(db->format, have))
		return 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_open(":memory:", &scratch);
	if (rc == SQLITE_OK)
		rc = run_versions(scratch, db->format, 0);
	if (rc == SQLITE_OK)
		rc = schema_text(scratch, &want);
	sqlite3_close(scratch);
	if (rc != SQLITE_OK)
		return berth_db_fail_as(db, rc, err);
	return strcmp(want, have) ? berth_db_damaged(db, err, "its tables have been altered") : 0;
}

static int quick_check(struct berth_db *db, const char *pragma, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, pragma, "");

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r;
	/* SQLite reports a page that it could not read among those that are damaged; to move the file aside would be wrong. */
	if (strstr(berth_stmt_text(stmt, 0), "unable to get the page"))
		return berth_err_set(err, -EIO, "%s %s: reading it failed; try again",
				     db->format->noun, db->file);
	return strcmp(berth_stmt_text(stmt, 0), "ok") ?
		       berth_db_damaged(db, err, berth_stmt_text(stmt, 0)) :
		       0;
}

/* Names this file in this boot: another one that is put in its place, or a reboot, has another mark. */
static void mark_of(const struct berth_db *db, char *buf, size_t size)
{
	BERTH_CLEANUP(berth_fclosep) FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char boot[40] = "";
	struct stat st = { 0 };

	if (f && fgets(boot, sizeof(boot), f))
		boot[strcspn(boot, "\n")] = '\0';
	stat(db->file, &st);
	snprintf(buf, size, "%s %llu", boot, (unsigned long long)st.st_ino);
}

/* Return: 0 all of it was read in this boot, and found whole; BERTH_ABSENT it was not; < 0. */
static int find_checked(struct berth_db *db, const char *mark, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, "SELECT 1 FROM checked WHERE mark = ?", "s", mark);

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	return r < 0 ? r : r == 1 ? 0 : BERTH_ABSENT;
}

/* Not written down: checked again, that is all. Its failed commit may surface later, and is then just as right. */
static void note_checked(struct berth_db *db, const char *mark)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_failpoint_before("ledger", "checked", NULL) || berth_db_begin(db, &err) < 0)
		return;
	if (berth_db_run(db, &err, "INSERT OR REPLACE INTO checked(id, mark) VALUES(1, ?)", "s",
			 mark) > 0)
		sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
	berth_db_rollback(db);
	(void)berth_failpoint_after("ledger", "checked", NULL);
}

/*
 * Damage comes from disks and power cuts, not from our own crashes, which the log undoes: all is read once per boot. The
 * tables that say who owns what are read each time, but only as long as that takes few milliseconds (some 15 for
 * 2,500 assignments, which are 4 MiB with their journal): history is never deleted, and a verb must not slow down with it.
 */
static int check_content(struct berth_db *db, struct berth_err *err)
{
	int64_t pages = 0, page_size = 0;
	char mark[80], pragma[64];
	int r;

	if (!db->format->vital)
		return quick_check(db, "PRAGMA quick_check(1)", err);
	mark_of(db, mark, sizeof(mark));
	r = find_checked(db, mark, err);
	if (r == BERTH_ABSENT) {
		r = quick_check(db, "PRAGMA quick_check(1)", err);
		if (r == 0)
			note_checked(db, mark);
		return r;
	}
	if (r == 0)
		r = berth_db_query_int(db, &pages, "PRAGMA page_count", err);
	if (r == 0)
		r = berth_db_query_int(db, &page_size, "PRAGMA page_size", err);
	if (r < 0 || pages * page_size > ALWAYS_CHECKED)
		return r;
	for (const char *const *t = db->format->vital; *t && r == 0; t++) {
		snprintf(pragma, sizeof(pragma), "PRAGMA quick_check('%s')", *t);
		r = quick_check(db, pragma, err);
	}
	return r;
}

static int prepare_to_write(struct berth_db *db, struct berth_err *err)
{
	int64_t version;
	int r = read_version(db, &version, err); /* before anything is changed in a foreign file */

	if (r == 0)
		r = set_wal(db, err);
	if (r == 0)
		r = berth_db_exec(db, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON", err);
	if (r == 0)
		r = migrate(db, err);
	if (r == 0)
		r = check_schema(db, err);
	return r == 0 ? check_content(db, err) : r;
}

static int copy_all(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");

	if (!copy)
		return sqlite3_errcode(to);
	sqlite3_backup_step(copy, -1);
	return sqlite3_backup_finish(copy);
}

/* An older format is read through a copy in memory that has been brought up to date: only a writer changes the file. */
static int read_as_new(struct berth_db *db, struct berth_err *err)
{
	sqlite3 *copy = NULL;
	int rc = sqlite3_open_v2(":memory:", &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
				 NULL);
	int r;

	if (rc == SQLITE_OK)
		rc = copy_all(copy, db->sql);
	if (rc != SQLITE_OK) {
		sqlite3_close(copy);
		return berth_db_fail_as(db, rc, err);
	}
	berth_db_disconnect(db);
	db->sql = copy;
	r = migrate(db, err);
	return r == 0 ? berth_db_exec(db, "PRAGMA query_only=ON", err) : r;
}

static int prepare_to_read(struct berth_db *db, struct berth_err *err)
{
	int64_t version = 0;
	int r = berth_db_exec(db, "PRAGMA query_only=ON", err);

	if (r == 0)
		r = read_version(db, &version, err);
	if (r != 0)
		return r;
	if (version == 0) { /* its creator died, or has not got further yet: nothing in it */
		berth_db_disconnect(db);
		return 0;
	}
	if (version < (int64_t)db->format->nr_versions)
		r = read_as_new(db, err);
	return r == 0 ? check_schema(db, err) : r;
}

static int connect_to(struct berth_db *db, struct berth_err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
	int rc = sqlite3_open_v2(db->file, &db->sql, flags | (db->write ? SQLITE_OPEN_CREATE : 0),
				 NULL);

	if (rc != SQLITE_OK) {
		berth_db_disconnect(db);
		return berth_db_fail_as(db, rc, err);
	}
	sqlite3_busy_timeout(db->sql, (int)db->deadline_ms);
	/* What a hostile file could use against its reader: functions in views and triggers, writes to the schema. */
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	return berth_db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", err);
}

int berth_db_file_open(struct berth_db *db, struct berth_err *err)
{
	struct stat st;
	int r;

	if (!db->write && stat(db->file, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return berth_err_set(
			err, -errno,
			"%s %s: %s (ownership is unknown without reading it; ask root)",
			db->format->noun, db->file, strerror(errno));
	}
	r = connect_to(db, err);
	if (r == 0)
		r = db->write ? prepare_to_write(db, err) : prepare_to_read(db, err);
	return r;
}
