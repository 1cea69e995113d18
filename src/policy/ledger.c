/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/ledger.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "policy/db.h"
#include "policy/last_use.h"
#include "policy/schema.h"
#include "policy/transitions.h"

struct berth_ledger {
	struct berth_db *db; /* owned */
};

static int64_t now(void)
{
	return (int64_t)time(NULL);
}

/* --- open and close --- */

static int make_dir(const char *dir, struct berth_err *err)
{
	struct stat st;

	/* Only root may look inside: the ledger's own files inherit no protection from their modes. */
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return berth_err_set(err, -errno, "state folder %s: %s", dir, strerror(errno));
	if (stat(dir, &st) < 0)
		return berth_err_set(err, -errno, "state folder %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return berth_err_set(err, -ENOTDIR, "state folder %s: not a folder", dir);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return berth_err_set(err, -EPERM,
				     "state folder %s: others may write to it (mode %03o); "
				     "run 'chmod go-w %s'",
				     dir, st.st_mode & 0777, dir);
	return 0;
}

int berth_ledger_open(struct berth_ledger **ret, const char *dir, enum berth_ledger_mode mode,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	BERTH_CLEANUP(berth_freep) char *file = NULL;
	int r;

	if (mode == BERTH_LEDGER_WRITE) {
		r = make_dir(dir, err);
		if (r < 0)
			return r;
	}
	ledger = calloc(1, sizeof(*ledger));
	if (!ledger || asprintf(&file, "%s/ledger.db", dir) < 0)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_db_open(&ledger->db, file, mode == BERTH_LEDGER_WRITE, &berth_schema, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(ledger);
	return 0;
}

void berth_ledger_close(struct berth_ledger *ledger)
{
	if (!ledger)
		return;
	berth_db_close(ledger->db);
	free(ledger);
}

struct berth_db *berth_ledger_db(struct berth_ledger *ledger)
{
	return ledger->db;
}

void berth_ledger_set_deadline(struct berth_ledger *ledger, unsigned int deadline_ms)
{
	berth_db_set_deadline(ledger->db, deadline_ms);
}

int berth_ledger_begin(struct berth_ledger *ledger, struct berth_err *err)
{
	return berth_db_begin(ledger->db, err);
}

int berth_ledger_commit(struct berth_ledger *ledger, struct berth_err *err)
{
	return berth_db_commit(ledger->db, err);
}

void berth_ledger_rollback(struct berth_ledger *ledger)
{
	berth_db_rollback(ledger->db);
}

/* --- claiming --- */

static const char *owner_for_people(const char *vm)
{
	if (strcmp(vm, BERTH_LEDGER_VM_BIND) == 0)
		return "'berth bind'";
	if (strcmp(vm, BERTH_LEDGER_VM_CHILDREN) == 0)
		return "the owners of its VFs";
	return vm;
}

/* One sentence about the live owner of @group, if there is one. */
static int check_free(struct berth_db *db, const char *group, bool as_parent, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	const char *vm;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT vm, state, id,"
			     " (SELECT group_concat(bdf, ', ') FROM member WHERE assignment = a.id)"
			     " FROM assignment a WHERE grp = ? AND ended IS NULL",
			     "s", group);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r;
	vm = berth_stmt_text(stmt, 0);
	if (as_parent && strcmp(vm, BERTH_LEDGER_VM_CHILDREN) == 0)
		return 0;
	return berth_err_set(
		err, BERTH_REFUSED,
		"group %s%s%s%s%s is owned by %s (%s, assignment %lld); release it first", group,
		as_parent ? ", the PF of this VF," : "", berth_stmt_text(stmt, 3) ? " (" : "",
		berth_stmt_text(stmt, 3) ? berth_stmt_text(stmt, 3) : "",
		berth_stmt_text(stmt, 3) ? ")" : "", owner_for_people(vm), berth_stmt_text(stmt, 1),
		(long long)berth_stmt_int(stmt, 2));
}

static int check_claim(const struct berth_claim *claim, const struct berth_claim_group *groups,
		       size_t nr, struct berth_err *err)
{
	bool bind = claim->kind == BERTH_OWNED_BY_BIND;

	if (!claim->vm || !*claim->vm || claim->kind == BERTH_OWNED_BY_CHILDREN)
		return berth_err_set(err, -EINVAL, "claim: no VM name");
	if (bind != (strcmp(claim->vm, BERTH_LEDGER_VM_BIND) == 0) ||
	    (!bind && claim->vm[0] == '@'))
		return berth_err_set(err, -EINVAL,
				     "claim: %s cannot be the name of a VM: '@' is reserved",
				     claim->vm);
	for (size_t i = 0; i < nr; i++) {
		if (!groups[i].group || !*groups[i].group)
			return berth_err_set(err, -EINVAL, "claim: empty group key");
		for (size_t j = 0; j < i; j++) {
			if (strcmp(groups[i].group, groups[j].group) == 0)
				return berth_err_set(err, BERTH_REFUSED,
						     "group %s is asked for twice",
						     groups[i].group);
		}
	}
	return 0;
}

static int insert(struct berth_db *db, const struct berth_claim *claim, const char *vm,
		  enum berth_owned_kind kind, const struct berth_claim_group *group,
		  int64_t *ret_id, struct berth_err *err)
{
	enum berth_owned_event event = kind == BERTH_OWNED_BY_CHILDREN ? BERTH_ON_VF_CLAIM :
									 BERTH_ON_CLAIM;
	const struct berth_transition *t = berth_transition_find(BERTH_OWNED_HOST, event, kind);
	int r;

	assert(t);
	r = berth_db_run(
		db, err,
		"INSERT INTO assignment(claim, grp, parent, vm, kind, state, gen, boot_id, created,"
		" changed, priority, preemptible)"
		" SELECT 0, ?1, ?2, ?3, ?4, ?5, coalesce(max(gen), 0) + 1, ?6, ?7, ?7, ?8, ?9"
		" FROM assignment WHERE grp = ?1",
		"ssssssiii", group->group, group->parent, vm, berth_owned_kind_name(kind),
		berth_owned_state_name(t->to), claim->boot_id ? claim->boot_id : "", now(),
		(int64_t)claim->priority, (int64_t)claim->preemptible);
	if (r < 0)
		return r;
	*ret_id = berth_db_last_id(db);
	return 0;
}

/* The PF's own row, so that one index rules out both "PF and a VF" and "two owners". */
static int hold_parent(struct berth_db *db, const struct berth_claim *claim, const char *parent,
		       struct berth_err *err)
{
	struct berth_claim_group group = { .group = parent };
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int64_t id;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT 1 FROM assignment WHERE grp = ? AND ended IS NULL", "s",
			     parent);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = insert(db, claim, BERTH_LEDGER_VM_CHILDREN, BERTH_OWNED_BY_CHILDREN, &group, &id, err);
	return r < 0 ? r :
		       berth_db_run(db, err, "UPDATE assignment SET claim = id WHERE id = ?", "i",
				    id);
}

static int claim_one(struct berth_db *db, const struct berth_claim *claim,
		     const struct berth_claim_group *group, int64_t *first, int64_t *ret_id,
		     struct berth_err *err)
{
	int r = 0;

	if (group->parent)
		r = hold_parent(db, claim, group->parent, err);
	if (r >= 0)
		r = insert(db, claim, claim->vm, claim->kind, group, ret_id, err);
	if (r < 0)
		return r;
	if (!*first)
		*first = *ret_id;
	r = berth_db_run(db, err, "UPDATE assignment SET claim = ? WHERE id = ?", "ii", *first,
			 *ret_id);
	if (r >= 0 && claim->pid)
		r = berth_db_run(db, err, "UPDATE assignment SET pid = ?, pstart = ? WHERE id = ?",
				 "iii", (int64_t)claim->pid, (int64_t)claim->pid_start, *ret_id);
	return r < 0 ? r : 0;
}

static int claim_all(struct berth_db *db, const struct berth_claim *claim,
		     const struct berth_claim_group *groups, size_t nr, int64_t *ids,
		     struct berth_err *err)
{
	int64_t first = 0;
	int r = 0;

	/* All looked at before the first is written: a refusal leaves the caller's transaction as it was. */
	for (size_t i = 0; i < nr && r == 0; i++) {
		r = check_free(db, groups[i].group, false, err);
		if (r == 0 && groups[i].parent)
			r = check_free(db, groups[i].parent, true, err);
		for (size_t j = 0; j < nr && r == 0; j++) {
			if (groups[i].parent && strcmp(groups[i].parent, groups[j].group) == 0)
				r = berth_err_set(
					err, BERTH_REFUSED,
					"group %s is the PF of %s; one VM can have the PF or "
					"VFs of it, not both",
					groups[j].group, groups[i].group);
		}
	}
	for (size_t i = 0; i < nr && r == 0; i++)
		r = claim_one(db, claim, &groups[i], &first, &ids[i], err);
	return r;
}

int berth_ledger_claim(struct berth_ledger *ledger, const struct berth_claim *claim,
		       const struct berth_claim_group *groups, size_t nr, int64_t *ret_ids,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) int64_t *ids = calloc(nr ? nr : 1, sizeof(*ids));
	bool own;
	int r = check_claim(claim, groups, nr, err);

	if (r != 0)
		return r;
	if (!ids)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_db_enter(ledger->db, &own, err);
	if (r < 0)
		return r;
	r = claim_all(ledger->db, claim, groups, nr, ids, err);
	r = berth_db_leave(ledger->db, own, r, err);
	if (r == 0 && nr)
		memcpy(ret_ids, ids, nr * sizeof(*ids));
	return r;
}

/* --- changing --- */

static int not_live(int64_t id, struct berth_err *err)
{
	return berth_err_set(err, BERTH_ABSENT, "assignment %lld is over", (long long)id);
}

/* Where a live assignment stands. */
struct standing {
	enum berth_owned_state state;
	enum berth_owned_kind kind;
};

/* Return: 0; BERTH_ABSENT with text; < 0. */
static int standing_of(struct berth_db *db, int64_t id, struct standing *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r, state, kind;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT state, kind FROM assignment WHERE id = ? AND ended IS NULL",
			     "i", id);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return not_live(id, err);
	state = berth_owned_state_from_name(berth_stmt_text(stmt, 0));
	kind = berth_owned_kind_from_name(berth_stmt_text(stmt, 1));
	if (state < 0 || kind < 0)
		return berth_err_set(err, -EUCLEAN,
				     "ledger: assignment %lld: unknown kind or state",
				     (long long)id);
	ret->state = (enum berth_owned_state)state;
	ret->kind = (enum berth_owned_kind)kind;
	return 0;
}

/* "bdf (path)" is taken by a live assignment? Return: 0; BERTH_REFUSED with text; < 0. */
static int check_device_free(struct berth_db *db, const struct berth_member *member,
			     struct berth_err *err)
{
	BERTH_CLEANUP(berth_stmt_freep) struct berth_stmt *stmt = NULL;
	int r;

	r = berth_db_prepare(db, &stmt, err,
			     "SELECT a.vm, a.state, a.id FROM member m JOIN assignment a"
			     " ON a.id = m.assignment WHERE m.path = ? AND m.live = 1",
			     "s", member->path);
	if (r == 0)
		r = berth_stmt_step(stmt, err);
	if (r <= 0)
		return r;
	return berth_err_set(err, BERTH_REFUSED,
			     "%s (%s) is owned by %s (%s, assignment %lld); release it first",
			     member->bdf, member->path, owner_for_people(berth_stmt_text(stmt, 0)),
			     berth_stmt_text(stmt, 1), (long long)berth_stmt_int(stmt, 2));
}

static int add_member(struct berth_db *db, int64_t id, const struct berth_member *m,
		      struct berth_err *err)
{
	struct standing at;
	int r = standing_of(db, id, &at, err);

	if (r == 0)
		r = check_device_free(db, m, err);
	if (r != 0)
		return r;
	r = berth_db_run(
		db, err,
		"INSERT INTO member(assignment, bdf, path, vendor, device, companion, found_driver,"
		" found_override, found_power, found_net, found_more, restored, serial)"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"issiiisssssis", id, m->bdf, m->path, (int64_t)m->vendor, (int64_t)m->device,
		(int64_t)m->companion, m->found_driver, m->found_override, m->found_power,
		m->found_net, m->found_more, (int64_t)m->restored, m->serial);
	return r < 0 ? r : 0;
}

int berth_ledger_add_member(struct berth_ledger *ledger, int64_t id,
			    const struct berth_member *member, struct berth_err *err)
{
	bool own;
	int r;

	if (!member->bdf[0] || !member->path || !*member->path)
		return berth_err_set(err, -EINVAL, "ledger: a member without place or identity");
	r = berth_db_enter(ledger->db, &own, err);
	if (r < 0)
		return r;
	return berth_db_leave(ledger->db, own, add_member(ledger->db, id, member, err), err);
}

int berth_ledger_set_restored(struct berth_ledger *ledger, int64_t id, const char *bdf,
			      struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(ledger->db, err,
			 "UPDATE member SET restored = 1 WHERE assignment = ? AND bdf = ?", "is",
			 id, bdf);
	if (r == 0)
		r = berth_err_set(err, BERTH_ABSENT, "assignment %lld has no member %s",
				  (long long)id, bdf);
	else if (r > 0)
		r = 0;
	return berth_db_leave(ledger->db, own, r, err);
}

static int move(struct berth_db *db, int64_t id, enum berth_owned_event event, const char *reason,
		enum berth_owned_state *ret_state, struct berth_err *err)
{
	const struct berth_transition *t;
	struct standing at;
	int r = standing_of(db, id, &at, err);

	if (r != 0)
		return r;
	t = berth_transition_find(at.state, event, at.kind);
	if (!t || t->to == BERTH_OWNED_HOST)
		return berth_err_set(err, -EPROTO,
				     "assignment %lld (%s) is %s: '%s' does not move it from there",
				     (long long)id, berth_owned_kind_name(at.kind),
				     berth_owned_state_name(at.state),
				     berth_owned_event_name(event));
	r = berth_db_run(db, err,
			 "UPDATE assignment SET state = ?, reason = ?, changed = ? WHERE id = ?",
			 "ssii", berth_owned_state_name(t->to), reason, now(), id);
	if (r < 0)
		return r;
	if (ret_state)
		*ret_state = t->to;
	return 0;
}

int berth_ledger_move(struct berth_ledger *ledger, int64_t id, enum berth_owned_event event,
		      const char *reason, enum berth_owned_state *ret_state, struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	return berth_db_leave(ledger->db, own, move(ledger->db, id, event, reason, ret_state, err),
			      err);
}

/* Of an UPDATE that only touches live assignments. */
static int one_changed(int r, int64_t id, struct berth_err *err)
{
	return r < 0 ? r : r == 0 ? not_live(id, err) : 0;
}

int berth_ledger_set_holder(struct berth_ledger *ledger, int64_t id, const char *boot_id, pid_t pid,
			    uint64_t pid_start, struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	if (pid)
		r = berth_db_run(
			ledger->db, err,
			"UPDATE assignment SET boot_id = ?, pid = ?, pstart = ?, changed = ?"
			" WHERE id = ? AND ended IS NULL",
			"siiii", boot_id, (int64_t)pid, (int64_t)pid_start, now(), id);
	else
		r = berth_db_run(
			ledger->db, err,
			"UPDATE assignment SET boot_id = ?, pid = NULL, pstart = NULL, changed = ?"
			" WHERE id = ? AND ended IS NULL",
			"sii", boot_id, now(), id);
	return berth_db_leave(ledger->db, own, one_changed(r, id, err), err);
}

int berth_ledger_set_kind(struct berth_ledger *ledger, int64_t id, enum berth_owned_kind kind,
			  struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(
		ledger->db, err,
		"UPDATE assignment SET kind = ?, changed = ? WHERE id = ? AND ended IS NULL", "sii",
		berth_owned_kind_name(kind), now(), id);
	return berth_db_leave(ledger->db, own, one_changed(r, id, err), err);
}

int berth_ledger_set_evict(struct berth_ledger *ledger, int64_t id, const char *why,
			   struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	r = berth_db_run(
		ledger->db, err,
		"UPDATE assignment SET evict = ?, changed = ? WHERE id = ? AND ended IS NULL",
		"sii", why, now(), id);
	return berth_db_leave(ledger->db, own, one_changed(r, id, err), err);
}

static int end(struct berth_db *db, int64_t id, const char *reason, struct berth_err *err)
{
	struct standing at;
	int r = standing_of(db, id, &at, err);

	if (r != 0)
		return r;
	if (!berth_transition_end(at.state, at.kind))
		return berth_err_set(err, -EPROTO,
				     "assignment %lld (%s) is %s: it cannot end there",
				     (long long)id, berth_owned_kind_name(at.kind),
				     berth_owned_state_name(at.state));
	r = berth_db_run(
		db, err,
		"UPDATE assignment SET ended = ?1, changed = ?1, pid = NULL, pstart = NULL,"
		" reason = coalesce(?2, reason) WHERE id = ?3 AND ended IS NULL",
		"isi", now(), reason, id);
	r = one_changed(r, id, err);
	if (r != 0)
		return r;
	r = berth_db_run(db, err, "UPDATE member SET live = 0 WHERE assignment = ?", "i", id);
	/* One that was undone on its way in was of no use to anybody. */
	if (r >= 0 && at.state == BERTH_OWNED_RETURNING)
		r = berth_last_use_note(db, id, now(), err);
	if (r < 0)
		return r;
	/* The last VF is gone: its PF is free again. */
	r = berth_db_run(
		db, err,
		"UPDATE assignment SET ended = ?1, changed = ?1 WHERE ended IS NULL AND"
		" kind = 'children' AND grp = (SELECT parent FROM assignment WHERE id = ?2) AND"
		" NOT EXISTS (SELECT 1 FROM assignment c WHERE c.parent = assignment.grp AND"
		" c.ended IS NULL)",
		"ii", now(), id);
	return r < 0 ? r : 0;
}

int berth_ledger_end(struct berth_ledger *ledger, int64_t id, const char *reason,
		     struct berth_err *err)
{
	bool own;
	int r = berth_db_enter(ledger->db, &own, err);

	if (r < 0)
		return r;
	return berth_db_leave(ledger->db, own, end(ledger->db, id, reason, err), err);
}

int berth_ledger_find(struct berth_ledger *ledger, const struct berth_ledger_query *query,
		      struct berth_assignment_list *ret, struct berth_err *err)
{
	return berth_assignment_find(ledger->db, query, ret, err);
}
