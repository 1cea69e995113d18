/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/ledger.h"

static const char *const expiry_names[] = {
	[BERTH_EXPIRY_NOTIFY] = "notify",
	[BERTH_EXPIRY_DETACH] = "detach",
	[BERTH_EXPIRY_SHUTDOWN] = "shutdown",
};

const char *berth_expiry_name(enum berth_expiry on_expiry)
{
	return expiry_names[on_expiry];
}

int berth_expiry_parse(const char *word, enum berth_expiry *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(expiry_names); i++) {
		if (strcmp(expiry_names[i], word) == 0) {
			*ret = (enum berth_expiry)i;
			return 0;
		}
	}
	return -EINVAL;
}

int64_t berth_lease_over(const struct berth_lease *lease)
{
	return lease->on_expiry == BERTH_EXPIRY_NOTIFY ? 0 : lease->end + lease->grace;
}

/* --- words --- */

char *berth_lease_span(int64_t seconds, char buf[static 32])
{
	const int64_t days = seconds / 86400, hours = seconds / 3600 % 24,
		      minutes = seconds / 60 % 60;

	if (days)
		snprintf(buf, 32, "%" PRId64 " d %" PRId64 " h", days, hours);
	else if (hours)
		snprintf(buf, 32, "%" PRId64 " h %" PRId64 " min", hours, minutes);
	else if (minutes)
		snprintf(buf, 32, "%" PRId64 " min", minutes);
	else
		snprintf(buf, 32, "%" PRId64 " s", seconds);
	return buf;
}

char *berth_lease_moment(int64_t moment, char buf[static 32])
{
	time_t t = (time_t)moment;
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&t, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

char *berth_lease_words(int64_t end, int64_t now, char buf[static BERTH_LEASE_WORDS])
{
	char moment[32], span[32];

	berth_lease_moment(end, moment);
	if (end > now)
		snprintf(buf, BERTH_LEASE_WORDS, "until %s (in %s)", moment,
			 berth_lease_span(end - now, span));
	else
		snprintf(buf, BERTH_LEASE_WORDS, "ended %s (%s ago)", moment,
			 berth_lease_span(now - end, span));
	return buf;
}

/* --- changing --- */

static int none(int64_t claim, struct berth_err *err)
{
	return berth_err_set(err, BERTH_ABSENT, "claim %" PRId64 " has no lease", claim);
}

/* Does anything of @claim live, and has it a lease? Return: 0 lives; BERTH_ABSENT it does not; < 0. */
static int look(struct berth_db *db, int64_t claim, bool *ret_has, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT EXISTS (SELECT 1 FROM lease WHERE claim = ?1) WHERE EXISTS"
			     " (SELECT 1 FROM assignment WHERE claim = ?1 AND ended IS NULL)",
			     "i", claim);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return berth_err_set(err, BERTH_ABSENT, "claim %" PRId64 " is over", claim);
	*ret_has = berth_stmt_int(stmt, 0);
	return 0;
}

static int grant(struct berth_db *db, const struct berth_lease *lease, struct berth_err *err)
{
	bool has = false;
	int r = look(db, lease->claim, &has, err);

	if (r != 0)
		return r;
	if (has)
		return berth_err_set(err, BERTH_REFUSED,
				     "claim %" PRId64 " has a lease; 'berth renew' changes its end",
				     lease->claim);
	r = berth_db_run(db, err,
			 "INSERT INTO lease(claim, vm, start, until, grace, on_expiry, rule)"
			 " VALUES(?, ?, ?, ?, ?, ?, ?)",
			 "isiiiss", lease->claim, lease->vm, lease->start, lease->end, lease->grace,
			 expiry_names[lease->on_expiry], lease->rule);
	return r < 0 ? r : 0;
}

int berth_lease_grant(struct berth_ledger *ledger, const struct berth_lease *lease,
		      struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r;

	if (!lease->vm || !*lease->vm || lease->end <= lease->start || lease->grace < 0)
		return berth_err_set(err, -EINVAL, "a lease that ends before it begins");
	r = berth_db_enter(db, &own, err);
	return r < 0 ? r : berth_db_leave(db, own, grant(db, lease, err), err);
}

static int renew(struct berth_db *db, const struct berth_lease *lease, struct berth_err *err)
{
	bool has = false;
	int r = look(db, lease->claim, &has, err);

	if (r != 0)
		return r;
	if (!has)
		return none(lease->claim, err);
	r = berth_db_run(db, err,
			 "UPDATE lease SET until = ?, grace = ?, on_expiry = ?, rule = ?,"
			 " renewals = renewals + 1, notified = 0 WHERE claim = ?",
			 "iissi", lease->end, lease->grace, expiry_names[lease->on_expiry],
			 lease->rule, lease->claim);
	return r < 0 ? r : 0;
}

int berth_lease_renew(struct berth_ledger *ledger, const struct berth_lease *lease,
		      struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_db_enter(db, &own, err);

	return r < 0 ? r : berth_db_leave(db, own, renew(db, lease, err), err);
}

int berth_lease_set_told(struct berth_ledger *ledger, int64_t claim, enum berth_lease_told told,
			 struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_db_enter(db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(db, err, "UPDATE lease SET notified = ? WHERE claim = ?", "ii",
			 (int64_t)told, claim);
	return berth_db_leave(db, own, r < 0 ? r : r == 0 ? none(claim, err) : 0, err);
}

/* --- reading --- */

void berth_lease_done(struct berth_lease *lease)
{
	free(lease->vm);
	free(lease->rule);
	*lease = (struct berth_lease){ 0 };
}

void berth_lease_list_free(struct berth_lease_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		berth_lease_done(&list->items[i]);
	free(list->items);
	*list = (struct berth_lease_list){ 0 };
}

static int read_row(struct berth_stmt *stmt, struct berth_lease *lease, struct berth_err *err)
{
	int r;

	lease->claim = berth_stmt_int(stmt, 0);
	lease->start = berth_stmt_int(stmt, 1);
	lease->end = berth_stmt_int(stmt, 2);
	lease->renewals = (unsigned int)berth_stmt_int(stmt, 3);
	lease->grace = berth_stmt_int(stmt, 4);
	lease->told = (enum berth_lease_told)berth_stmt_int(stmt, 5);
	/* the schema's CHECK keeps other words out */
	if (berth_expiry_parse(berth_stmt_text(stmt, 6), &lease->on_expiry) < 0)
		return berth_err_set(err, -EUCLEAN, "ledger: a lease with an unknown action");
	r = berth_stmt_dup(stmt, 7, &lease->vm, err);
	return r < 0 ? r : berth_stmt_dup(stmt, 8, &lease->rule, err);
}

static int find(struct berth_db *db, int64_t claim, struct berth_lease_list *list,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT claim, start, until, renewals, grace, notified, on_expiry, vm, rule FROM lease"
		" WHERE (?1 = 0 OR claim = ?1) AND claim IN"
		" (SELECT claim FROM assignment WHERE ended IS NULL) ORDER BY until, claim",
		"i", claim);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_lease *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		memset(&bigger[list->nr], 0, sizeof(*bigger));
		r = read_row(stmt, &bigger[list->nr++], err);
	}
	return r;
}

int berth_lease_all(struct berth_ledger *ledger, struct berth_lease_list *ret,
		    struct berth_err *err)
{
	struct berth_lease_list list = { 0 };
	int r = find(berth_ledger_db(ledger), 0, &list, err);

	if (r < 0)
		berth_lease_list_free(&list);
	else
		*ret = list;
	return r;
}

int berth_lease_of(struct berth_ledger *ledger, int64_t claim, struct berth_lease *ret,
		   struct berth_err *err)
{
	struct berth_lease_list list = { 0 };
	int r = claim ? find(berth_ledger_db(ledger), claim, &list, err) : 0;

	if (r == 0 && list.nr == 1) {
		*ret = list.items[0];
		free(list.items);
		return 0;
	}
	berth_lease_list_free(&list);
	return r < 0 ? r : BERTH_ABSENT;
}

/* What an assignment that is to be let go of is to its VM. */
static int read_evicted(struct berth_stmt *stmt, struct berth_lease *ret, struct berth_err *err)
{
	struct berth_lease l = { .claim = berth_stmt_int(stmt, 0),
				 .end = berth_stmt_int(stmt, 1),
				 .on_expiry = BERTH_EXPIRY_SHUTDOWN,
				 .evicted = true };
	int r = berth_stmt_dup(stmt, 2, &l.vm, err);

	l.start = l.end - 1;
	if (r == 0)
		r = berth_stmt_dup(stmt, 3, &l.rule, err);
	if (r < 0)
		berth_lease_done(&l);
	else
		*ret = l;
	return r;
}

/* That of a live assignment. Return: as berth_lease_of(). */
static int lease_of_assignment(struct berth_ledger *ledger, int64_t id, struct berth_lease *ret,
			       struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(berth_ledger_db(ledger), &stmt, err,
			     "SELECT claim, changed, vm, evict FROM assignment"
			     " WHERE id = ? AND ended IS NULL",
			     "i", id);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r < 0 ? r : BERTH_ABSENT;
	if (berth_stmt_text(stmt, 3))
		return read_evicted(stmt, ret, err);
	return berth_lease_of(ledger, berth_stmt_int(stmt, 0), ret, err);
}

static bool is_sooner(const struct berth_lease *a, const struct berth_lease *b)
{
	return a->evicted != b->evicted ? a->evicted : a->end < b->end;
}

int berth_lease_soonest(struct berth_ledger *ledger, const int64_t *ids, size_t nr,
			struct berth_lease *ret, struct berth_err *err)
{
	struct berth_lease best = { 0 }, lease;
	int r = 0;

	for (size_t i = 0; i < nr && r >= 0; i++) {
		r = lease_of_assignment(ledger, ids[i], &lease, err);
		if (r != 0)
			continue;
		if (best.end && !is_sooner(&lease, &best)) {
			berth_lease_done(&lease);
			continue;
		}
		berth_lease_done(&best);
		best = lease;
	}
	if (r >= 0 && best.end) {
		*ret = best;
		return 0;
	}
	berth_lease_done(&best);
	return r < 0 ? r : BERTH_ABSENT;
}
