/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/audit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"

uid_t berth_audit_actor(void)
{
	const char *sudo = getenv("SUDO_UID");
	unsigned long uid;
	char *end;

	if (getuid() != 0 || !sudo || *sudo < '0' || *sudo > '9')
		return getuid();
	errno = 0;
	uid = strtoul(sudo, &end, 10);
	return errno || *end || uid >= (uid_t)-1 ? getuid() : (uid_t)uid;
}

/* Where the chain ends: *ret_seq 0 for no row yet. @hash: of that row. */
static int read_head(struct berth_db *db, int64_t *ret_seq, char hash[static BERTH_CHAIN_HASH],
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, "SELECT seq, hash FROM audit_head", "");

	*ret_seq = 0;
	strcpy(hash, BERTH_CHAIN_START);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r != 1)
		return r;
	*ret_seq = berth_stmt_int(stmt, 0);
	snprintf(hash, BERTH_CHAIN_HASH, "%s", berth_stmt_text(stmt, 1));
	return 0;
}

static int write_head(struct berth_db *db, int64_t seq, const char *hash, struct berth_err *err)
{
	int r = berth_db_run(db, err,
			     "INSERT OR REPLACE INTO audit_head(id, seq, hash) VALUES(1, ?, ?)",
			     "is", seq, hash);

	return r < 0 ? r : 0;
}

/* A row whose number is taken already was put there by somebody else: ours goes after it, and verify tells. */
static int next_seq(struct berth_db *db, int64_t head, int64_t *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r = berth_db_prepare(db, &stmt, err, "SELECT coalesce(max(seq), 0) FROM audit", "");

	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r < 0)
		return r;
	*ret = berth_stmt_int(stmt, 0) > head ? berth_stmt_int(stmt, 0) + 1 : head + 1;
	return 0;
}

static int append(struct berth_db *db, const struct berth_audit *row, struct berth_err *err)
{
	char prev[BERTH_CHAIN_HASH], hash[BERTH_CHAIN_HASH];
	struct berth_audit full = *row;
	int64_t head;
	int r = read_head(db, &head, prev, err);

	if (r == 0)
		r = next_seq(db, head, &full.seq, err);
	if (r < 0)
		return r;
	full.time = (int64_t)time(NULL);
	berth_chain_hash(&full, prev, hash);
	r = berth_db_run(
		db, err,
		"INSERT INTO audit(seq, time, uid, verb, vm, device, was, became, reason, prev, hash)"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"iiissssssss", full.seq, full.time, (int64_t)full.uid, full.verb, full.vm,
		full.device, full.before, full.after, full.reason, prev, hash);
	return r < 0 ? r : write_head(db, full.seq, hash, err);
}

int berth_audit_append(struct berth_ledger *ledger, const struct berth_audit *row,
		       struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r;

	if (!row->verb || !*row->verb)
		return berth_err_set(err, -EINVAL, "audit: a record without a verb");
	r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	return berth_db_leave(db, own, append(db, row, err), err);
}

static void row_done(struct berth_audit *row)
{
	free(row->verb);
	free(row->vm);
	free(row->device);
	free(row->before);
	free(row->after);
	free(row->reason);
}

void berth_audit_list_free(struct berth_audit_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		row_done(&list->items[i]);
	free(list->items);
	*list = (struct berth_audit_list){ 0 };
}

static int read_row(struct berth_stmt *stmt, struct berth_audit *row, struct berth_err *err)
{
	char **const texts[] = { &row->verb,   &row->vm,    &row->device,
				 &row->before, &row->after, &row->reason };
	int r = 0;

	row->seq = berth_stmt_int(stmt, 0);
	row->time = berth_stmt_int(stmt, 1);
	row->uid = (uid_t)berth_stmt_int(stmt, 2);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts) && r == 0; i++)
		r = berth_stmt_dup(stmt, 3 + (int)i, texts[i], err);
	return r;
}

static int find(struct berth_db *db, const struct berth_audit_query *q,
		struct berth_audit_list *list, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT * FROM (SELECT seq, time, uid, verb, vm, device, was, became, reason"
		" FROM audit WHERE seq > ?1 AND time >= ?2 AND (?3 IS NULL OR vm = ?3)"
		" AND (?4 IS NULL OR device = ?4) ORDER BY seq DESC LIMIT ?5) ORDER BY seq",
		"iissi", q->after, q->since, q->vm, q->device,
		q->last ? (int64_t)q->last : (int64_t)-1);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_audit *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		memset(&bigger[list->nr], 0, sizeof(*bigger));
		r = read_row(stmt, &bigger[list->nr++], err);
	}
	return r;
}

int berth_audit_find(struct berth_ledger *ledger, const struct berth_audit_query *query,
		     struct berth_audit_list *ret, struct berth_err *err)
{
	struct berth_audit_list list = { 0 };
	int r = find(berth_ledger_db(ledger), query, &list, err);

	if (r < 0) {
		berth_audit_list_free(&list);
		return r;
	}
	*ret = list;
	return 0;
}

/* --- the chain --- */

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

/* What is wrong with the row that @stmt is at; NULL: nothing. @last, @prev: number and hash of the row before. */
static const char *judge(struct berth_stmt *stmt, const struct berth_audit *row, int64_t last,
			 const char *prev)
{
	char hash[BERTH_CHAIN_HASH];
	size_t bytes = length(row->verb) + length(row->vm) + length(row->device) +
		       length(row->before) + length(row->after) + length(row->reason);

	if (row->seq != last + 1)
		return "is missing";
	if (strcmp(berth_stmt_text(stmt, 9), prev) != 0)
		return "does not follow the one before it: rows were removed, moved or put in between";
	/* What the struct cannot hold was not written by us: more than 32 bits, a NUL inside a text. */
	if ((int64_t)row->uid != berth_stmt_int(stmt, 2) ||
	    (int64_t)bytes != berth_stmt_int(stmt, 11) ||
	    strcmp(berth_chain_hash(row, prev, hash), berth_stmt_text(stmt, 10)) != 0)
		return "was changed after it was written";
	return NULL;
}

static int check_row(struct berth_stmt *stmt, struct berth_audit_check *c, struct berth_err *err)
{
	struct berth_audit row = { 0 };
	const char *why = NULL;
	int r = read_row(stmt, &row, err);

	if (r == 0)
		why = judge(stmt, &row, c->rows, c->head);
	row_done(&row);
	if (r < 0)
		return r;
	if (why) {
		c->broken = c->rows + 1;
		snprintf(c->why, sizeof(c->why), "%s", why);
	} else {
		c->rows++;
		snprintf(c->head, sizeof(c->head), "%s", berth_stmt_text(stmt, 10));
	}
	return 0;
}

static int check_rows(struct berth_db *db, struct berth_audit_check *c, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT seq, time, uid, verb, vm, device, was, became, reason, prev, hash,"
		" length(CAST(verb || coalesce(vm, '') || coalesce(device, '') ||"
		" coalesce(was, '') || coalesce(became, '') || coalesce(reason, '')"
		" AS BLOB)) FROM audit ORDER BY seq",
		"");
	while (r == 0 && !c->broken && (r = berth_stmt_step(stmt, err)) == 1)
		r = check_row(stmt, c, err);
	return r < 0 ? r : 0;
}

/* The last row is known twice: without its row it still stands in audit_head. */
static int check_head(struct berth_db *db, struct berth_audit_check *c, struct berth_err *err)
{
	char hash[BERTH_CHAIN_HASH];
	int64_t seq;
	int r = read_head(db, &seq, hash, err);

	if (r < 0 || c->broken || (seq == c->rows && strcmp(hash, c->head) == 0))
		return r;
	c->broken = seq < c->rows ? seq + 1 : c->rows + (seq > c->rows || c->rows == 0);
	snprintf(c->why, sizeof(c->why), "%s",
		 seq > c->rows ? "is missing: the end of the record was cut off" :
		 seq == c->rows ?
				 "is not the one that was written last" :
				 "was not written by berth, or the record of the last row is gone");
	return 0;
}

int berth_audit_verify(struct berth_ledger *ledger, struct berth_audit_check *ret,
		       struct berth_err *err)
{
	struct berth_audit_check c = { .head = BERTH_CHAIN_START };
	struct berth_db *db = berth_ledger_db(ledger);
	int r = check_rows(db, &c, err);

	if (r == 0)
		r = check_head(db, &c, err);
	if (r == 0)
		*ret = c;
	return r;
}

/* Chain the first row after @last. Return: 0; BERTH_ABSENT there is none; < 0. */
static int chain_next(struct berth_db *db, int64_t *last, char *prev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	char hash[BERTH_CHAIN_HASH];
	struct berth_audit row = { 0 };
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT seq, time, uid, verb, vm, device, was, became, reason"
			     " FROM audit WHERE seq > ? ORDER BY seq LIMIT 1",
			     "i", *last);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r < 0 ? r : BERTH_ABSENT;
	r = read_row(stmt, &row, err);
	*last = row.seq;
	if (r == 0)
		r = berth_db_run(db, err, "UPDATE audit SET prev = ?, hash = ? WHERE seq = ?",
				 "ssi", prev, berth_chain_hash(&row, prev, hash), row.seq);
	row_done(&row);
	if (r < 0)
		return r;
	memcpy(prev, hash, sizeof(hash));
	return 0;
}

int berth_audit_chain_all(struct berth_db *db, struct berth_err *err)
{
	char prev[BERTH_CHAIN_HASH] = BERTH_CHAIN_START;
	int64_t last = 0;
	int r;

	do {
		r = chain_next(db, &last, prev, err);
	} while (r == 0);
	return r < 0 ? r : last ? write_head(db, last, prev, err) : 0;
}
