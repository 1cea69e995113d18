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
	r = berth_db_run(db, err,
			 "INSERT INTO audit(time, uid, verb, vm, device, was, became, reason)"
			 " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
			 "iissssss", (int64_t)time(NULL), (int64_t)row->uid, row->verb, row->vm,
			 row->device, row->before, row->after, row->reason);
	return berth_db_leave(db, own, r < 0 ? r : 0, err);
}

void berth_audit_list_free(struct berth_audit_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		free(list->items[i].verb);
		free(list->items[i].vm);
		free(list->items[i].device);
		free(list->items[i].before);
		free(list->items[i].after);
		free(list->items[i].reason);
	}
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

static int find(struct berth_db *db, int64_t after, size_t max, struct berth_audit_list *list,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT seq, time, uid, verb, vm, device, was, became, reason FROM audit"
		" WHERE seq > ? ORDER BY seq LIMIT ?",
		"ii", after, max ? (int64_t)max : (int64_t)-1);
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

int berth_audit_find(struct berth_ledger *ledger, int64_t after, size_t max,
		     struct berth_audit_list *ret, struct berth_err *err)
{
	struct berth_audit_list list = { 0 };
	int r = find(berth_ledger_db(ledger), after, max, &list, err);

	if (r < 0) {
		berth_audit_list_free(&list);
		return r;
	}
	*ret = list;
	return 0;
}
