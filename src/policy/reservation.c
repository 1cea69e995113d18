/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reservation.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"
#include "policy/db.h"
#include "policy/ledger.h"

static const char *const kind_names[] = {
	[BERTH_RESOURCE_DEVICE] = "device",
	[BERTH_RESOURCE_CLASS] = "class",
	[BERTH_RESOURCE_POOL] = "pool",
};

const char *berth_reservation_kind_name(enum berth_resource kind)
{
	assert(kind != BERTH_RESOURCE_MATCH);
	return kind_names[kind];
}

char *berth_reservation_words(const struct berth_reservation *r, char *buf, size_t size)
{
	if (r->kind == BERTH_RESOURCE_DEVICE)
		snprintf(buf, size, "device %s", r->what);
	else if (r->count)
		snprintf(buf, size, "%u of %s %s", r->count, kind_names[r->kind], r->what);
	else
		snprintf(buf, size, "all of %s %s", kind_names[r->kind], r->what);
	return buf;
}

int berth_reservation_name_check(const char *name, struct berth_err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > BERTH_RESERVATION_NAME_MAX || strchr(".-_", name[0]) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		    len)
		return berth_err_set(
			err, -EINVAL,
			"'%.80s' is no name for a reservation: letters, digits, '.', '_' "
			"and '-', starting with a letter or digit, at most %d",
			name, BERTH_RESERVATION_NAME_MAX);
	return 0;
}

/* --- changing --- */

static int insert(struct berth_db *db, const struct berth_reservation *r, struct berth_err *err)
{
	int n = berth_db_run(
		db, err,
		"INSERT OR IGNORE INTO reservation(name, vm, tenant, kind, what, count, start, until, since,"
		" uid) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"sssssiiiii", r->name, r->vm, r->tenant, kind_names[r->kind], r->what,
		(int64_t)r->count, r->from, r->until, (int64_t)time(NULL), (int64_t)r->uid);

	if (n == 0)
		return berth_err_set(err, BERTH_REFUSED,
				     "there is a reservation '%s' already; 'berth unreserve %s' "
				     "ends it, --name gives another one",
				     r->name, r->name);
	return n < 0 ? n : 0;
}

int berth_reservation_add(struct berth_ledger *ledger, const struct berth_reservation *r,
			  struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int ret = berth_reservation_name_check(r->name, err);

	/* OR IGNORE above is for the name alone: the rest is looked at here. */
	if (ret == 0 && (r->from >= r->until || !r->vm == !r->tenant || !r->what || !*r->what ||
			 r->kind == BERTH_RESOURCE_MATCH))
		ret = berth_err_set(err, -EINVAL,
				    "reservation '%s': of what, for whom, or from when to when?",
				    r->name);
	if (ret == 0)
		ret = berth_db_enter(db, &own, err);
	return ret < 0 ? ret : berth_db_leave(db, own, insert(db, r, err), err);
}

int berth_reservation_remove(struct berth_ledger *ledger, const char *name, struct berth_err *err)
{
	struct berth_db *db = berth_ledger_db(ledger);
	bool own;
	int r = berth_db_enter(db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(db, err, "DELETE FROM reservation WHERE name = ?", "s", name);
	if (r == 0)
		r = berth_err_set(err, BERTH_ABSENT,
				  "there is no reservation '%.80s'; 'berth reserve --list' lists "
				  "them",
				  name);
	return berth_db_leave(db, own, r > 0 && r != BERTH_ABSENT ? 0 : r, err);
}

/* --- reading --- */

void berth_reservation_list_free(struct berth_reservation_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		free(list->items[i].name);
		free(list->items[i].vm);
		free(list->items[i].tenant);
		free(list->items[i].what);
	}
	free(list->items);
	*list = (struct berth_reservation_list){ 0 };
}

static int read_row(struct berth_stmt *stmt, struct berth_reservation *r, struct berth_err *err)
{
	char **const texts[] = { &r->name, &r->vm, &r->tenant, &r->what };
	const char *kind = berth_stmt_text(stmt, 5);
	int ret = 0;

	r->count = (unsigned int)berth_stmt_int(stmt, 0);
	r->from = berth_stmt_int(stmt, 1);
	r->until = berth_stmt_int(stmt, 2);
	r->since = berth_stmt_int(stmt, 3);
	r->uid = (uid_t)berth_stmt_int(stmt, 4);
	/* the schema's CHECK keeps other words out */
	r->kind = strcmp(kind, "device") == 0 ? BERTH_RESOURCE_DEVICE :
		  strcmp(kind, "class") == 0  ? BERTH_RESOURCE_CLASS :
						BERTH_RESOURCE_POOL;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts) && ret == 0; i++)
		ret = berth_stmt_dup(stmt, 6 + (int)i, texts[i], err);
	return ret;
}

static int find(struct berth_db *db, struct berth_reservation_list *list, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT count, start, until, since, uid, kind, name, vm, tenant, what"
			     " FROM reservation ORDER BY start, name",
			     "");
	while (r == 0 && (r = berth_stmt_step(stmt, err)) == 1) {
		struct berth_reservation *bigger =
			reallocarray(list->items, list->nr + 1, sizeof(*bigger));

		if (!bigger)
			return berth_err_set(err, -ENOMEM, "out of memory");
		list->items = bigger;
		bigger[list->nr] = (struct berth_reservation){ 0 };
		r = read_row(stmt, &bigger[list->nr++], err);
	}
	return r;
}

int berth_reservation_all(struct berth_ledger *ledger, struct berth_reservation_list *ret,
			  struct berth_err *err)
{
	struct berth_reservation_list list = { 0 };
	int r = find(berth_ledger_db(ledger), &list, err);

	if (r < 0)
		berth_reservation_list_free(&list);
	else
		*ret = list;
	return r;
}

/* --- as a rule --- */

static const char origin[] = BERTH_RESERVATION_ORIGIN;

bool berth_reservation_is_rule(const struct berth_rule *rule)
{
	return rule->origin.file == origin;
}

bool berth_reservation_is_void(const struct berth_policy *policy, const struct berth_reservation *r)
{
	if (r->tenant && !berth_policy_tenant(policy, r->tenant))
		return true;
	if (r->kind == BERTH_RESOURCE_CLASS)
		return !berth_policy_class(policy, r->what);
	return r->kind == BERTH_RESOURCE_POOL && !berth_policy_pool(policy, r->what);
}

/* NULL-terminated. NULL: no memory. */
static char **one_text(const char *text)
{
	char **texts = calloc(2, sizeof(*texts));

	if (texts)
		texts[0] = strdup(text);
	if (texts && !texts[0]) {
		free(texts);
		return NULL;
	}
	return texts;
}

/* { "pci.path": @path }. Nothing in a path is a wildcard. Return: 0; -errno. */
static int match_path(const char *path, struct berth_match **ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	json_t *object = json_pack("{s:s}", "pci.path", path);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int r = text ? berth_json_load_text("reservation", text, strlen(text), NULL, &doc, err) :
		       berth_err_set(err, -ENOMEM, "out of memory");

	if (r == 0) {
		struct berth_json_at root = berth_json_root(doc);

		r = berth_match_load(&root, ret, err);
	}
	free(text);
	json_decref(object);
	return r;
}

static int fill_rule(struct berth_rule *rule, const struct berth_reservation *r,
		     struct berth_err *err)
{
	*rule = (struct berth_rule){
		.name = strdup(r->name),
		.effect = BERTH_EFFECT_RESERVE,
		.priority = BERTH_POLICY_MAX_PRIORITY,
		.vms = r->vm ? one_text(r->vm) : NULL,
		.tenants = r->tenant ? one_text(r->tenant) : NULL,
		.from = r->from,
		.until = r->until,
		.count = r->count,
		.origin = { .file = origin },
	};
	if (asprintf(&rule->origin.pointer, "/reservations/%s", r->name) < 0)
		rule->origin.pointer = NULL;
	if (!rule->name || (!rule->vms && !rule->tenants) || !rule->origin.pointer)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (r->kind == BERTH_RESOURCE_DEVICE) {
		rule->resource.kind = BERTH_RESOURCE_MATCH;
		return match_path(r->what, &rule->resource.match, err);
	}
	rule->resource.kind = r->kind;
	rule->resource.names = one_text(r->what);
	return rule->resource.names ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

int berth_reservation_enter(struct berth_policy *policy, const struct berth_reservation *r,
			    int64_t now, struct berth_err *err)
{
	struct berth_rule *bigger;

	if (r->until <= now || berth_reservation_is_void(policy, r))
		return 0;
	bigger = reallocarray(policy->rules, policy->nr_rules + 1, sizeof(*bigger));
	if (!bigger)
		return berth_err_set(err, -ENOMEM, "out of memory");
	policy->rules = bigger;
	/* counted first: what is half filled is freed with the policy */
	return fill_rule(&bigger[policy->nr_rules++], r, err);
}
