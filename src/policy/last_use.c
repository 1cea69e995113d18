/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/last_use.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/ledger.h"

void berth_last_use_list_free(struct berth_last_use_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct berth_last_use_list){ 0 };
}

static int find(struct berth_db *db, struct berth_last_use_list *list, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	/* SQLite compares text as memcmp() does (sqlite.org/datatype3.html 7.1, BINARY) */
	r = berth_db_prepare(db, &stmt, err, "SELECT path, time FROM last_use ORDER BY path", "");
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_last_use *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		bigger[list->nr] = (struct berth_last_use){ .time = berth_stmt_int(stmt, 1) };
		r = berth_stmt_dup(stmt, 0, &bigger[list->nr++].path, err);
	}
	return r;
}

int berth_last_use_all(struct berth_ledger *ledger, struct berth_last_use_list *ret,
		       struct berth_err *err)
{
	struct berth_last_use_list list = { 0 };
	int r = find(berth_ledger_db(ledger), &list, err);

	if (r < 0)
		berth_last_use_list_free(&list);
	else
		*ret = list;
	return r;
}

static int by_path(const void *path, const void *item)
{
	return strcmp(path, ((const struct berth_last_use *)item)->path);
}

int64_t berth_last_use_of(const struct berth_last_use_list *list, const char *path)
{
	const struct berth_last_use *found =
		path && list->nr ?
			bsearch(path, list->items, list->nr, sizeof(*list->items), by_path) :
			NULL;

	return found ? found->time : 0;
}

int berth_last_use_note(struct berth_db *db, int64_t id, int64_t time, struct berth_err *err)
{
	return berth_db_run(db, err,
			    "INSERT OR REPLACE INTO last_use(path, time)"
			    " SELECT path, ? FROM member WHERE assignment = ?",
			    "ii", time, id);
}
