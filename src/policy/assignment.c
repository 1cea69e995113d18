/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/assignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/db.h"

static const char *const state_names[] = {
	[BERTH_OWNED_PREPARING] = "preparing",
	[BERTH_OWNED_ASSIGNED] = "assigned",
	[BERTH_OWNED_IN_USE] = "in-use",
	[BERTH_OWNED_RELEASING] = "releasing",
	[BERTH_OWNED_SANITISING] = "sanitising",
	[BERTH_OWNED_RETURNING] = "returning",
	[BERTH_OWNED_FAULTED] = "faulted",
	[BERTH_OWNED_QUARANTINED] = "quarantined",
	[BERTH_OWNED_IDENTITY_CHANGED] = "identity-changed",
};

static const char *const kind_names[] = {
	[BERTH_OWNED_BY_ASSIGN] = "assign",
	[BERTH_OWNED_BY_RUN] = "run",
	[BERTH_OWNED_BY_BIND] = "bind",
	[BERTH_OWNED_BY_CHILDREN] = "children",
};

const char *berth_owned_state_name(enum berth_owned_state state)
{
	return state_names[state];
}

const char *berth_owned_kind_name(enum berth_owned_kind kind)
{
	return kind_names[kind];
}

/* Return: index of @name, or -1; the schema's CHECKs keep other names out. */
static int index_of(const char *const *names, size_t nr, const char *name)
{
	for (size_t i = 0; name && i < nr; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

int berth_owned_state_from_name(const char *name)
{
	return index_of(state_names, BERTH_ARRAY_SIZE(state_names), name);
}

int berth_owned_kind_from_name(const char *name)
{
	return index_of(kind_names, BERTH_ARRAY_SIZE(kind_names), name);
}

static void member_done(struct berth_member *m)
{
	free(m->path);
	free(m->found_driver);
	free(m->found_override);
	free(m->found_power);
	free(m->found_net);
	free(m->found_more);
	free(m->serial);
}

static void assignment_done(struct berth_assignment *a)
{
	for (size_t i = 0; i < a->nr_members; i++)
		member_done(&a->members[i]);
	free(a->members);
	free(a->group);
	free(a->parent);
	free(a->vm);
	free(a->boot_id);
	free(a->reason);
	free(a->evict);
}

void berth_assignment_list_free(struct berth_assignment_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		assignment_done(&list->items[i]);
	free(list->items);
	*list = (struct berth_assignment_list){ 0 };
}

/* Room for one more zeroed element of @size at the end of a vector of @nr; NULL when memory runs out. */
static void *grow(void **vector, size_t nr, size_t size)
{
	char *bigger = reallocarray(*vector, nr + 1, size);

	if (!bigger)
		return NULL;
	*vector = bigger;
	return memset(bigger + nr * size, 0, size);
}

static int dup_columns(struct berth_stmt *stmt, int first, char **const *fields, size_t nr,
		       struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = berth_stmt_dup(stmt, first + (int)i, fields[i], err);
	return r;
}

static int read_member(struct berth_stmt *stmt, struct berth_member *m, struct berth_err *err)
{
	char **const texts[] = { &m->path,	  &m->found_driver, &m->found_override,
				 &m->found_power, &m->found_net,    &m->found_more,
				 &m->serial };

	snprintf(m->bdf, sizeof(m->bdf), "%s", berth_stmt_text(stmt, 0));
	m->vendor = (uint16_t)berth_stmt_int(stmt, 1);
	m->device = (uint16_t)berth_stmt_int(stmt, 2);
	m->companion = berth_stmt_int(stmt, 3);
	m->restored = berth_stmt_int(stmt, 4);
	return dup_columns(stmt, 5, texts, BERTH_ARRAY_SIZE(texts), err);
}

static int read_members(struct berth_db *db, struct berth_assignment *a, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT bdf, vendor, device, companion, restored, path, found_driver,"
			     " found_override, found_power, found_net, found_more, serial"
			     " FROM member WHERE assignment = ? ORDER BY bdf",
			     "i", a->id);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_member *m = grow((void **)&a->members, a->nr_members, sizeof(*m));

		if (!m)
			return berth_err_set(err, -ENOMEM, "out of memory");
		a->nr_members++;
		r = read_member(stmt, m, err);
	}
	return r;
}

static int read_assignment(struct berth_stmt *stmt, struct berth_assignment *a,
			   struct berth_err *err)
{
	char **const texts[] = {
		&a->group, &a->parent, &a->vm, &a->boot_id, &a->reason, &a->evict
	};
	int kind, state;

	a->id = berth_stmt_int(stmt, 0);
	a->claim = berth_stmt_int(stmt, 1);
	a->generation = berth_stmt_int(stmt, 2);
	a->pid = (pid_t)berth_stmt_int(stmt, 3);
	a->pid_start = (uint64_t)berth_stmt_int(stmt, 4);
	a->created = berth_stmt_int(stmt, 5);
	a->changed = berth_stmt_int(stmt, 6);
	a->ended = berth_stmt_int(stmt, 7);
	a->priority = (int)berth_stmt_int(stmt, 8);
	a->preemptible = berth_stmt_int(stmt, 9);
	kind = index_of(kind_names, BERTH_ARRAY_SIZE(kind_names), berth_stmt_text(stmt, 10));
	state = index_of(state_names, BERTH_ARRAY_SIZE(state_names), berth_stmt_text(stmt, 11));
	if (kind < 0 || state < 0)
		return berth_err_set(err, -EUCLEAN,
				     "ledger: assignment %lld: unknown kind or state",
				     (long long)a->id);
	a->kind = (enum berth_owned_kind)kind;
	a->state = (enum berth_owned_state)state;
	return dup_columns(stmt, 12, texts, BERTH_ARRAY_SIZE(texts), err);
}

static int find(struct berth_db *db, const struct berth_ledger_query *q,
		struct berth_assignment_list *list, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(
		db, &stmt, err,
		"SELECT id, claim, gen, pid, pstart, created, changed, ended, priority, preemptible, kind,"
		" state, grp, parent, vm, boot_id, reason, evict FROM assignment WHERE kind <> 'children' AND (?1 = 0 OR id = ?1)"
		" AND (?2 IS NULL OR grp = ?2) AND (?3 IS NULL OR vm = ?3)"
		" AND (?4 IS NULL OR id IN (SELECT assignment FROM member WHERE bdf = ?4))"
		" AND (?5 IS NULL OR id IN (SELECT assignment FROM member WHERE path = ?5))"
		" AND (?6 OR ended IS NULL) ORDER BY id",
		"issssi", q->id, q->group, q->vm, q->bdf, q->path, (int64_t)q->with_ended);
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_assignment *a = grow((void **)&list->items, list->nr, sizeof(*a));

		if (!a)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->nr++;
		r = read_assignment(stmt, a, err);
		if (r == 0)
			r = read_members(db, a, err);
	}
	return r;
}

int berth_assignment_find(struct berth_db *db, const struct berth_ledger_query *query,
			  struct berth_assignment_list *ret, struct berth_err *err)
{
	struct berth_assignment_list list = { 0 };
	int r = find(db, query, &list, err);

	if (r < 0) {
		berth_assignment_list_free(&list);
		return r;
	}
	*ret = list;
	return 0;
}
