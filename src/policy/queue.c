/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/ledger.h"

bool berth_queue_before(const struct berth_queue_entry *a, const struct berth_queue_entry *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->id != 0 && (b->id == 0 || a->id < b->id);
}

bool berth_queue_wants(const struct berth_queue_entry *entry, const char *group)
{
	for (size_t i = 0; i < entry->nr_groups; i++) {
		if (strcmp(entry->groups[i], group) == 0)
			return true;
	}
	return false;
}

/* --- changing --- */

static int put_entry(struct berth_db *db, const struct berth_queue_entry *e, int64_t *ret_id,
		     struct berth_err *err)
{
	int r = berth_db_run(db, err,
			     "INSERT INTO queue(vm, priority, request, since, boot_id, pid, pstart)"
			     " VALUES(?, ?, ?, ?, ?, ?, ?)",
			     "sisisii", e->vm, (int64_t)e->priority, e->request ? e->request : "",
			     (int64_t)time(NULL), e->boot_id ? e->boot_id : "", (int64_t)e->pid,
			     (int64_t)e->pid_start);

	*ret_id = berth_db_last_id(db);
	return r < 0 ? r : 0;
}

static int forget_groups(struct berth_db *db, int64_t id, struct berth_err *err)
{
	int r = berth_db_run(db, err, "UPDATE queue SET vm = vm WHERE id = ?", "i", id);

	if (r == 0)
		return berth_err_set(err, BERTH_ABSENT, "nobody waits as number %" PRId64, id);
	if (r > 0)
		r = berth_db_run(db, err, "DELETE FROM queue_group WHERE entry = ?", "i", id);
	return r < 0 ? r : 0;
}

static int put(struct berth_db *db, const struct berth_queue_entry *e, int64_t *ret_id,
	       struct berth_err *err)
{
	int r;

	*ret_id = e->id;
	r = e->id ? forget_groups(db, e->id, err) : put_entry(db, e, ret_id, err);
	for (size_t i = 0; i < e->nr_groups && r == 0; i++) {
		r = berth_db_run(db, err,
				 "INSERT OR IGNORE INTO queue_group(entry, grp) VALUES(?, ?)", "is",
				 *ret_id, e->groups[i]);
		r = r < 0 ? r : 0;
	}
	return r;
}

int berth_queue_put(struct berth_ledger *ledger, const struct berth_queue_entry *e, int64_t *ret_id,
		    struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	int64_t id = 0;
	bool own;
	int r;

	if (!e->vm || !*e->vm || e->priority < 0 || e->priority > BERTH_QUEUE_PRIORITY_MAX)
		return berth_err_set(err, -EINVAL,
				     "queue: no VM, or a priority that is not from 0 to %d",
				     BERTH_QUEUE_PRIORITY_MAX);
	r = berth_db_enter(db, &own, err);
	if (r < 0)
		return r;
	r = berth_db_leave(db, own, put(db, e, &id, err), err);
	if (r == 0)
		*ret_id = id;
	return r;
}

int berth_queue_remove(struct berth_ledger *ledger, int64_t id, struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_db_enter(db, &own, err);

	if (r < 0)
		return r;
	/* its groups go with it: ON DELETE CASCADE */
	r = berth_db_run(db, err, "DELETE FROM queue WHERE id = ?", "i", id);
	return berth_db_leave(db, own, r < 0 ? r : 0, err);
}

/* --- reading --- */

static void entry_done(struct berth_queue_entry *e)
{
	for (size_t i = 0; i < e->nr_groups; i++)
		free(e->groups[i]);
	free(e->groups);
	free(e->vm);
	free(e->request);
	free(e->boot_id);
}

void berth_queue_free(struct berth_queue *queue)
{
	for (size_t i = 0; i < queue->nr; i++)
		entry_done(&queue->items[i]);
	free(queue->items);
	*queue = (struct berth_queue){ 0 };
}

static int read_groups(struct berth_db *db, struct berth_queue_entry *e, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT grp FROM queue_group WHERE entry = ? ORDER BY grp", "i",
			     e->id);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		char **bigger = reallocarray(e->groups, e->nr_groups + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		e->groups = bigger;
		r = berth_stmt_dup(stmt, 0, &bigger[e->nr_groups], err);
		if (r == 0)
			e->nr_groups++;
	}
	return r;
}

static int read_entry(struct berth_db *db, struct berth_stmt *stmt, struct berth_queue_entry *e,
		      struct berth_err *err)
{
	int r;

	e->id = berth_stmt_int(stmt, 0);
	e->priority = (int)berth_stmt_int(stmt, 1);
	e->since = berth_stmt_int(stmt, 2);
	e->pid = (pid_t)berth_stmt_int(stmt, 3);
	e->pid_start = (uint64_t)berth_stmt_int(stmt, 4);
	r = berth_stmt_dup(stmt, 5, &e->vm, err);
	if (r == 0)
		r = berth_stmt_dup(stmt, 6, &e->request, err);
	if (r == 0)
		r = berth_stmt_dup(stmt, 7, &e->boot_id, err);
	return r < 0 ? r : read_groups(db, e, err);
}

static int read_all(struct berth_db *db, struct berth_queue *queue, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT id, priority, since, pid, pstart, vm, request, boot_id"
			     " FROM queue ORDER BY priority DESC, id",
			     "");
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_queue_entry *bigger =
			reallocarray(queue->items, queue->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		queue->items = bigger;
		memset(&bigger[queue->nr], 0, sizeof(*bigger));
		r = read_entry(db, stmt, &bigger[queue->nr++], err);
	}
	return r;
}

int berth_queue_read(struct berth_ledger *ledger, struct berth_queue *ret, struct berth_err *err)
{
	struct berth_queue queue = { 0 };
	int r = read_all(berth_ledger_db(ledger), &queue, err);

	if (r < 0)
		berth_queue_free(&queue);
	else
		*ret = queue;
	return r;
}
