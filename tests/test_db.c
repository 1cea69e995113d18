/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger's file under faults: foreign, damaged and newer files, and a disk that answers with errors. SQLite's writes and
 * syncs come through this program's own pwrite64(), fsync() and fdatasync(), which the dynamic linker prefers to libc's.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/chain.h"
#include "policy/db.h"
#include "policy/ledger.h"
#include "policy/schema.h"
#include "tests/lib/tmp.h"

/* Calls number @from and the @nr - 1 after it fail with @error; counted while armed. */
static struct fault {
	bool armed;
	bool of_syncs; /* else of writes */
	unsigned int count, from, nr;
	int error;
} fault;

static bool fails(bool sync)
{
	if (!fault.armed || sync != fault.of_syncs)
		return false;
	fault.count++;
	if (fault.count < fault.from || fault.count - fault.from >= fault.nr)
		return false;
	errno = fault.error;
	return true;
}

int fdatasync(int fd)
{
	return fails(true) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return fails(true) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	return fails(false) ? -1 : syscall(SYS_pwrite64, fd, buf, len, at);
}

static int setup(void **state)
{
	*state = tmp_new();
	return 0;
}

static int teardown(void **state)
{
	fault.armed = false;
	tmp_free(*state);
	return 0;
}

static struct berth_db *open_db(const char *dir)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_db *db = NULL;

	if (berth_db_open(&db, TMP_PATH(dir, "ledger.db"), true, &berth_schema, &err))
		fail_msg("%s", err.text);
	return db;
}

static int open_result(const char *dir, bool write, struct berth_err *err)
{
	struct berth_db *db;
	int r;

	*err = (struct berth_err)BERTH_ERR_INIT;
	r = berth_db_open(&db, TMP_PATH(dir, "ledger.db"), write, &berth_schema, err);
	if (r == 0)
		berth_db_close(db);
	return r;
}

/* SQL of the test's own on the file, outside of the program's rules. */
static void sql(const char *dir, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(TMP_PATH(dir, "ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_foreign_file_is_refused_and_left_alone(void **state)
{
	const char *dir = *state;
	struct berth_err err;
	struct stat before, after;

	tmp_text(dir, "ledger.db",
		 "This is no database at all, but it is long enough to look like "
		 "one, if one only looks at the length of what there is to read.");
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "file is not a database; move it aside (keep it"));
	assert_int_equal(open_result(dir, false, &err), -EUCLEAN);
	assert_int_equal(unlink(TMP_PATH(dir, "ledger.db")), 0);

	sql(dir, "CREATE TABLE photos(id)");
	assert_int_equal(stat(TMP_PATH(dir, "ledger.db"), &before), 0);
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "not a file of berth's"));
	assert_int_equal(open_result(dir, false, &err), -EUCLEAN);
	assert_int_equal(stat(TMP_PATH(dir, "ledger.db"), &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

static void a_newer_format_is_refused(void **state)
{
	const char *dir = *state;
	struct berth_err err;
	char want[96];

	snprintf(want, sizeof(want),
		 "written by a newer berth (format 99, this one knows up to %zu)",
		 berth_schema.nr_versions);
	berth_db_close(open_db(dir));
	sql(dir, "PRAGMA user_version=99");
	assert_int_equal(open_result(dir, true, &err), -EPROTO);
	assert_non_null(strstr(err.text, want));
	assert_int_equal(open_result(dir, false, &err), -EPROTO);
}

static void a_file_without_its_unique_index_is_refused(void **state)
{
	const char *dir = *state;
	struct berth_err err;

	berth_db_close(open_db(dir));
	sql(dir, "DROP INDEX one_owner");
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "its tables have been altered"));
	assert_int_equal(open_result(dir, false, &err), -EUCLEAN);
	sql(dir, "CREATE UNIQUE INDEX one_owner ON assignment(grp) WHERE ended IS NULL");
	assert_int_equal(open_result(dir, true, &err), 0);
	sql(dir, "CREATE TRIGGER t AFTER INSERT ON audit BEGIN DELETE FROM audit; END");
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
}

/* After the SQL of a new version this fails, and prints what belongs into src/policy/schema.c. */
static void the_digest_of_the_tables_is_the_one_that_is_written_down(void **state)
{
	const char *dir = *state;
	char hash[BERTH_CHAIN_HASH];
	sqlite3_stmt *stmt;
	sqlite3 *db;

	berth_db_close(open_db(dir));
	assert_int_equal(sqlite3_open(TMP_PATH(dir, "ledger.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT group_concat(s, x'0a') FROM (SELECT type || ' ' || "
				   "name || ' ' || coalesce(sql, '') AS s FROM "
				   "sqlite_schema ORDER BY type, name)",
				   -1, &stmt, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal(berth_chain_hash_text((const char *)sqlite3_column_text(stmt, 0), hash),
			    berth_schema.digest);
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_digest_that_is_out_of_date_refuses_nothing(void **state)
{
	struct berth_db_format old = berth_schema;
	struct berth_err err = BERTH_ERR_INIT;
	const char *dir = *state;
	struct berth_db *db;

	old.digest = BERTH_CHAIN_START;
	assert_int_equal(berth_db_open(&db, TMP_PATH(dir, "ledger.db"), true, &old, &err), 0);
	berth_db_close(db);
	sql(dir, "DROP INDEX one_owner");
	assert_int_equal(berth_db_open(&db, TMP_PATH(dir, "ledger.db"), true, &old, &err),
			 -EUCLEAN);
}

static void a_creation_that_was_cut_short_is_empty_and_is_finished(void **state)
{
	const char *dir = *state;
	struct berth_err err;

	tmp_text(dir, "ledger.db", "");
	assert_int_equal(open_result(dir, false, &err), 0);
	sql(dir, "PRAGMA journal_mode=WAL");
	assert_int_equal(open_result(dir, false, &err), 0);
	assert_int_equal(open_result(dir, true, &err), 0);
	berth_db_close(open_db(dir));
}

/* The page of the file that is the root of the table @name, overwritten. */
static void spoil_table(const char *dir, const char *name)
{
	char rubbish[65536], query[160];
	sqlite3_stmt *stmt;
	sqlite3 *db;
	off_t page, size;
	int fd;

	assert_int_equal(sqlite3_open(TMP_PATH(dir, "ledger.db"), &db), SQLITE_OK);
	snprintf(
		query, sizeof(query),
		"SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = '%s'",
		name);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	page = sqlite3_column_int64(stmt, 0);
	size = sqlite3_column_int64(stmt, 1);
	assert_in_range(size, 512, sizeof(rubbish));
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	memset(rubbish, 0x5a, sizeof(rubbish));
	fd = open(TMP_PATH(dir, "ledger.db"), O_RDWR);
	assert_int_equal(pwrite(fd, rubbish, (size_t)size, (page - 1) * size), size);
	close(fd);
}

static void who_owns_what_is_checked_at_each_opening_history_once_per_boot(void **state)
{
	const char *dir = *state;
	struct berth_err err;

	berth_db_close(open_db(dir));
	spoil_table(dir, "evidence");
	assert_int_equal(open_result(dir, true, &err), 0); /* read in this boot already */
	sql(dir, "UPDATE checked SET mark = 'another boot'");
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
	assert_int_equal(unlink(TMP_PATH(dir, "ledger.db")), 0);

	berth_db_close(open_db(dir));
	spoil_table(dir, "member");
	assert_int_equal(open_result(dir, true, &err), -EUCLEAN);
}

static const struct berth_claim claim = { .vm = "t1", .boot_id = "b" };
static const struct berth_claim_group group = { .group = "g:1" };

/* Any page of the file overwritten with rubbish: refused, or read without a second owner; never a crash. */
static void rubbish_in_any_page_never_makes_two_owners(void **state)
{
	const char *dir = *state;
	struct berth_ledger *ledger;
	struct berth_err err = BERTH_ERR_INIT;
	unsigned int refused = 0, opened = 0, seed = 7;
	char *good;
	off_t size;
	int64_t id;
	int fd;

	assert_int_equal(berth_ledger_open(&ledger, dir, BERTH_LEDGER_WRITE, &err), 0);
	assert_int_equal(berth_ledger_claim(ledger, &claim, &group, 1, &id, &err), 0);
	berth_ledger_close(ledger);
	fd = open(TMP_PATH(dir, "ledger.db"), O_RDWR);
	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	good = malloc((size_t)size);
	assert_int_equal(pread(fd, good, (size_t)size, 0), size);
	for (int round = 0; round < 400; round++) {
		struct berth_assignment_list list = { 0 };
		unsigned char byte = (unsigned char)rand_r(&seed);
		off_t at = rand_r(&seed) % size;

		/* one byte, or a whole sector */
		assert_int_equal(pwrite(fd, good, (size_t)size, 0), size);
		assert_int_equal(ftruncate(fd, size), 0);
		if (round % 2) {
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		} else {
			char sector[512];

			memset(sector, byte, sizeof(sector));
			at -= at % 512;
			assert_int_equal(pwrite(fd, sector, 512, at), 512);
		}
		berth_err_clear(&err);
		if (berth_ledger_open(&ledger, dir, BERTH_LEDGER_WRITE, &err)) {
			assert_true(err.text[0] != '\0');
			refused++;
			continue;
		}
		opened++;
		if (berth_ledger_claim(ledger, &claim, &group, 1, &id, &err) == 0 ||
		    berth_ledger_find(ledger, &(struct berth_ledger_query){ .group = "g:1" }, &list,
				      &err) == 0)
			assert_true(list.nr <= 1);
		berth_assignment_list_free(&list);
		berth_ledger_close(ledger);
	}
	close(fd);
	free(good);
	assert_true(refused > 20);
	assert_true(opened > 20);
}

/* --- a disk with errors --- */

static int put(struct berth_db *db, const char *device, struct berth_err *err)
{
	int r = berth_db_begin(db, err);

	if (r < 0)
		return r;
	r = berth_db_run(db, err, "INSERT INTO intent(op, bdf, started) VALUES('x', ?, 1)", "s",
			 device);
	if (r >= 0)
		r = berth_db_commit(db, err);
	else
		berth_db_rollback(db);
	return r < 0 ? r : 0;
}

static int count_of(struct berth_db *db, const char *device)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_db_prepare(db, &stmt, &err,
					  "SELECT count(*) FROM intent WHERE bdf = ?", "s", device),
			 0);
	assert_int_equal(berth_stmt_step(stmt, &err), 1);
	return (int)berth_stmt_int(stmt, 0);
}

/* What a process that comes later reads, when it has to recover the log because nobody has it open. */
static int count_after_recovery(const char *dir, const char *device)
{
	struct berth_db *db = open_db(dir);
	int n = count_of(db, device);

	berth_db_close(db);
	return n;
}

static void copy_file(const char *from, const char *to)
{
	static char buf[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	ssize_t n = in < 0 ? 0 : read(in, buf, sizeof(buf));

	assert_in_range(n, 0, sizeof(buf) - 1);
	assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/*
 * What is read when everybody was killed just now: nobody closed the file, its log is recovered. With @log false the machine
 * lost power, and of the log with it what no successful sync had covered: all of it, at worst.
 */
static int count_after_crash(const char *dir, const char *device, bool log)
{
	struct berth_db *db;
	int n;

	assert_true(mkdir(TMP_PATH(dir, "crash"), 0700) == 0 || errno == EEXIST);
	copy_file(TMP_PATH(dir, "ledger.db"), TMP_PATH(dir, "crash/ledger.db"));
	unlink(TMP_PATH(dir, "crash/ledger.db-wal"));
	if (log)
		copy_file(TMP_PATH(dir, "ledger.db-wal"), TMP_PATH(dir, "crash/ledger.db-wal"));
	db = open_db(TMP_PATH(dir, "crash"));
	n = count_of(db, device);
	berth_db_close(db);
	return n;
}

struct tally {
	unsigned int yes, no, unknown;
};

/*
 * One commit while the disk fails as told. 0 must be there, an error other than -EBADMSG must not be there: for the same
 * process, for others now, after a crash of everybody, and after an orderly end.
 */
static void try_commit(const char *dir, bool with_company, struct tally *tally)
{
	struct berth_db *company = with_company ? open_db(dir) : NULL, *db = open_db(dir);
	struct berth_err err = BERTH_ERR_INIT;
	static int serial;
	char device[32];
	int r;

	snprintf(device, sizeof(device), "d%d", ++serial);
	assert_int_equal(put(db, "before", &err), 0);
	if (company)
		assert_true(count_of(company, "before") >
			    0); /* it reads, so the log's index stays */
	fault.armed = true;
	fault.count = 0;
	r = put(db, device, &err);
	fault.armed = false;
	if (r != -EBADMSG)
		assert_int_equal(count_of(db, device), r == 0);
	else
		assert_int_equal(put(db, "after", NULL), -EBADMSG);
	if (company && r != -EBADMSG)
		assert_int_equal(count_of(company, device), r == 0);
	if (r != -EBADMSG)
		assert_int_equal(count_after_crash(dir, device, true), r == 0);
	if (r == 0 && fault.count >= fault.from)
		assert_int_equal(count_after_crash(dir, device, false), 1);
	berth_db_close(db);
	berth_db_close(company);
	if (r != -EBADMSG)
		assert_int_equal(count_after_recovery(dir, device), r == 0);
	*(r == 0 ? &tally->yes : r == -EBADMSG ? &tally->unknown : &tally->no) += 1;
}

static void a_failed_commit_is_answered_with_the_truth(void **state)
{
	static const unsigned int lengths[] = { 1, 2, 3, 1000 };
	const char *dir = *state;
	struct tally tally = { 0 };

	for (int with_company = 0; with_company < 2; with_company++) {
		for (int of_syncs = 0; of_syncs < 2; of_syncs++) {
			for (size_t k = 0; k < BERTH_ARRAY_SIZE(lengths); k++) {
				for (unsigned int from = 1; from <= 8; from++) {
					fault = (struct fault){ .of_syncs = of_syncs,
								.from = from,
								.nr = lengths[k],
								.error = from % 2 ? EIO : ENOSPC };
					try_commit(dir, with_company, &tally);
				}
			}
		}
	}
	print_message("commits: %u there, %u not there, %u unknown\n", tally.yes, tally.no,
		      tally.unknown);
	/* each of the three answers was given, or the faults did not reach what they should */
	assert_true(tally.yes > 0);
	assert_true(tally.no > 0);
	assert_true(tally.unknown > 0);
}

static void a_full_disk_says_so(void **state)
{
	const char *dir = *state;
	struct berth_db *db = open_db(dir);
	struct berth_err err = BERTH_ERR_INIT;

	fault = (struct fault){ .armed = true, .from = 1, .nr = 1, .error = ENOSPC };
	assert_int_equal(put(db, "x", &err), -ENOSPC);
	fault.armed = false;
	assert_non_null(strstr(err.text, "no space left"));
	assert_int_equal(count_of(db, "x"), 0);
	assert_int_equal(put(db, "x", NULL), 0);
	berth_db_close(db);
}

static void every_commit_reaches_the_disk_before_it_is_acknowledged(void **state)
{
	const char *dir = *state;
	struct berth_db *db = open_db(dir);

	assert_int_equal(put(db, "warm up", NULL), 0);
	fault = (struct fault){ .armed = true, .of_syncs = true, .from = 1000, .nr = 1 };
	for (unsigned int i = 1; i <= 5; i++) {
		assert_int_equal(put(db, "x", NULL), 0);
		assert_int_equal(fault.count, i);
	}
	fault.armed = false;
	berth_db_close(db);
}

static void marks_of_old_commits_are_forgotten(void **state)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	const char *dir = *state;
	struct berth_db *db = open_db(dir);

	for (int i = 0; i < 100; i++)
		assert_int_equal(put(db, "x", NULL), 0);
	assert_int_equal(
		berth_db_prepare(db, &stmt, NULL, "SELECT count(*), max(seq) FROM txn", ""), 0);
	assert_int_equal(berth_stmt_step(stmt, NULL), 1);
	assert_int_equal(berth_stmt_int(stmt, 0), 64);
	assert_int_equal(berth_stmt_int(stmt, 1), 100);
	berth_stmt_free(stmt);
	stmt = NULL;
	berth_db_close(db);
}

static void a_broken_constraint_is_an_error_with_words(void **state)
{
	const char *dir = *state;
	struct berth_db *db = open_db(dir);
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_db_begin(db, NULL), 0);
	assert_int_equal(berth_db_run(db, &err, "INSERT INTO intent(op, started) VALUES('', 1)",
				      ""),
			 -EEXIST);
	assert_non_null(strstr(err.text, "CHECK constraint failed"));
	berth_db_rollback(db);
	berth_db_close(db);
}

int main(void)
{
#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		DB_TEST(a_foreign_file_is_refused_and_left_alone),
		DB_TEST(a_newer_format_is_refused),
		DB_TEST(a_file_without_its_unique_index_is_refused),
		DB_TEST(the_digest_of_the_tables_is_the_one_that_is_written_down),
		DB_TEST(a_digest_that_is_out_of_date_refuses_nothing),
		DB_TEST(a_creation_that_was_cut_short_is_empty_and_is_finished),
		DB_TEST(who_owns_what_is_checked_at_each_opening_history_once_per_boot),
		DB_TEST(rubbish_in_any_page_never_makes_two_owners),
		DB_TEST(a_failed_commit_is_answered_with_the_truth),
		DB_TEST(a_full_disk_says_so),
		DB_TEST(every_commit_reaches_the_disk_before_it_is_acknowledged),
		DB_TEST(marks_of_old_commits_are_forgotten),
		DB_TEST(a_broken_constraint_is_an_error_with_words),
	};

	return cmocka_run_group_tests_name("policy/db", tests, NULL, NULL);
}
