/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/schema.h"

#include "policy/audit.h"

/*
 * one_owner is what makes a second owner of a group impossible whatever the programs do; one_owner_of_device does the same
 * for a device whose group has another key than it had (a new kernel or firmware cuts the groups differently).
 * member.live is 1 while its assignment is live, because a partial index cannot look into another table.
 */
static const char version_1[] =
	"CREATE TABLE txn(seq INTEGER PRIMARY KEY, token INTEGER NOT NULL) STRICT;"

	"CREATE TABLE assignment("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" claim INTEGER NOT NULL,"
	" grp TEXT NOT NULL CHECK(grp <> ''),"
	" parent TEXT CHECK(parent <> grp),"
	" vm TEXT NOT NULL CHECK(vm <> ''),"
	" kind TEXT NOT NULL CHECK(kind IN ('assign', 'run', 'bind', 'children')),"
	" state TEXT NOT NULL CHECK(state IN ('preparing', 'assigned', 'in-use', 'releasing', 'sanitising',"
	"  'returning', 'faulted', 'quarantined', 'identity-changed')),"
	" gen INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" pid INTEGER,"
	" pstart INTEGER,"
	" created INTEGER NOT NULL,"
	" changed INTEGER NOT NULL,"
	" ended INTEGER,"
	" reason TEXT,"
	" CHECK((pid IS NULL) = (pstart IS NULL))) STRICT;"
	"CREATE UNIQUE INDEX one_owner ON assignment(grp) WHERE ended IS NULL;"
	"CREATE UNIQUE INDEX one_generation ON assignment(grp, gen);"
	"CREATE INDEX live_children ON assignment(parent) WHERE ended IS NULL;"

	"CREATE TABLE member("
	" assignment INTEGER NOT NULL REFERENCES assignment(id),"
	" bdf TEXT NOT NULL,"
	" path TEXT NOT NULL CHECK(path <> ''),"
	" vendor INTEGER NOT NULL,"
	" device INTEGER NOT NULL,"
	" companion INTEGER NOT NULL,"
	" found_driver TEXT,"
	" found_override TEXT,"
	" found_power TEXT,"
	" found_net TEXT,"
	" found_more TEXT,"
	" restored INTEGER NOT NULL DEFAULT 0,"
	" live INTEGER NOT NULL DEFAULT 1,"
	" PRIMARY KEY(assignment, bdf)) STRICT;"
	"CREATE UNIQUE INDEX one_owner_of_device ON member(path) WHERE live = 1;"

	"CREATE TABLE intent("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" assignment INTEGER REFERENCES assignment(id),"
	" bdf TEXT,"
	" op TEXT NOT NULL CHECK(op <> ''),"
	" arg TEXT,"
	" undo TEXT,"
	" started INTEGER NOT NULL,"
	" ended INTEGER,"
	" outcome TEXT CHECK(outcome IN ('done', 'failed', 'undone')),"
	" note TEXT,"
	" CHECK((ended IS NULL) = (outcome IS NULL))) STRICT;"
	"CREATE INDEX intent_of ON intent(assignment, outcome);"

	"CREATE TABLE audit("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" time INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" verb TEXT NOT NULL CHECK(verb <> ''),"
	" vm TEXT,"
	" device TEXT,"
	" was TEXT,"
	" became TEXT,"
	" reason TEXT) STRICT;";

/* What resets have shown; about a device, not about an assignment, which may have ended long ago. */
static const char version_2[] = "CREATE TABLE evidence("
				" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
				" time INTEGER NOT NULL,"
				" path TEXT NOT NULL CHECK(path <> ''),"
				" bdf TEXT NOT NULL,"
				" vm TEXT NOT NULL,"
				" after INTEGER NOT NULL CHECK(after IN (0, 1)),"
				" method TEXT NOT NULL CHECK(method <> ''),"
				" checked TEXT NOT NULL,"
				" proven INTEGER NOT NULL CHECK(proven IN (0, 1)),"
				" sentence TEXT NOT NULL,"
				" image TEXT) STRICT;"
				"CREATE INDEX evidence_of ON evidence(path, seq);";

/*
 * Who changed what is chained: hash is over the row and prev, the hash of the row before (policy/chain.h), and audit_head
 * has the last one once more. A lease is about all assignments of a claim, and over when they are. A taint is about a place
 * (struct berth_member.path), owned or not. queue_group has the groups that a waiting request needs.
 */
static const char version_3[] =
	"ALTER TABLE audit RENAME TO audit_old;"
	"CREATE TABLE audit("
	" seq INTEGER PRIMARY KEY,"
	" time INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" verb TEXT NOT NULL CHECK(verb <> ''),"
	" vm TEXT,"
	" device TEXT,"
	" was TEXT,"
	" became TEXT,"
	" reason TEXT,"
	" prev TEXT NOT NULL,"
	" hash TEXT NOT NULL) STRICT;"
	"INSERT INTO audit SELECT row_number() OVER (ORDER BY seq), time, uid, verb, vm, device, was, became, reason, '', ''"
	" FROM audit_old;"
	"DROP TABLE audit_old;"
	"CREATE TABLE audit_head("
	" id INTEGER PRIMARY KEY CHECK(id = 1),"
	" seq INTEGER NOT NULL,"
	" hash TEXT NOT NULL) STRICT;"

	"CREATE TABLE checked("
	" id INTEGER PRIMARY KEY CHECK(id = 1),"
	" mark TEXT NOT NULL) STRICT;"

	"CREATE INDEX live_claim ON assignment(claim) WHERE ended IS NULL;"
	"CREATE TABLE lease("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" claim INTEGER NOT NULL UNIQUE REFERENCES assignment(id),"
	" vm TEXT NOT NULL CHECK(vm <> ''),"
	" start INTEGER NOT NULL,"
	" until INTEGER NOT NULL,"
	" renewals INTEGER NOT NULL DEFAULT 0,"
	" grace INTEGER NOT NULL CHECK(grace >= 0),"
	" on_expiry TEXT NOT NULL CHECK(on_expiry IN ('notify', 'detach', 'shutdown')),"
	" rule TEXT,"
	" notified INTEGER NOT NULL DEFAULT 0 CHECK(notified IN (0, 1, 2))) STRICT;"

	"CREATE TABLE taint("
	" path TEXT NOT NULL CHECK(path <> ''),"
	" taint TEXT NOT NULL CHECK(taint <> ''),"
	" effect TEXT NOT NULL CHECK(effect IN ('report', 'no-new', 'evict')),"
	" bdf TEXT NOT NULL,"
	" since INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" reason TEXT,"
	" PRIMARY KEY(path, taint)) STRICT;"

	"CREATE TABLE queue("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" vm TEXT NOT NULL CHECK(vm <> ''),"
	" priority INTEGER NOT NULL CHECK(priority BETWEEN 0 AND 999),"
	" request TEXT NOT NULL,"
	" since INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" pid INTEGER NOT NULL,"
	" pstart INTEGER NOT NULL) STRICT;"
	"CREATE TABLE queue_group("
	" entry INTEGER NOT NULL REFERENCES queue(id) ON DELETE CASCADE,"
	" grp TEXT NOT NULL CHECK(grp <> ''),"
	" PRIMARY KEY(entry, grp)) STRICT;";

/* Two cards of one kind differ in nothing else. */
static const char version_4[] = "ALTER TABLE member ADD COLUMN serial TEXT;";

/*
 * What an owner was given its groups for, and why it is asked to let go of them; last_use is about a place, as evidence is. A
 * reservation is for one VM or one tenant, of one device (its path) or so many of a pool or class (0: all).
 */
static const char version_5[] =
	"ALTER TABLE assignment ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK(priority BETWEEN 0 AND 999);"
	"ALTER TABLE assignment ADD COLUMN preemptible INTEGER NOT NULL DEFAULT 0 CHECK(preemptible IN (0, 1));"
	"ALTER TABLE assignment ADD COLUMN evict TEXT;"

	"CREATE TABLE last_use("
	" path TEXT PRIMARY KEY CHECK(path <> ''),"
	" time INTEGER NOT NULL) STRICT;"
	"INSERT INTO last_use SELECT m.path, max(a.ended) FROM member m JOIN assignment a ON a.id = m.assignment"
	" WHERE a.ended IS NOT NULL AND a.state = 'returning' GROUP BY m.path;"

	"CREATE TABLE reservation("
	" name TEXT PRIMARY KEY CHECK(name <> ''),"
	" vm TEXT,"
	" tenant TEXT,"
	" kind TEXT NOT NULL CHECK(kind IN ('device', 'class', 'pool')),"
	" what TEXT NOT NULL CHECK(what <> ''),"
	" count INTEGER NOT NULL CHECK(count >= 0),"
	" start INTEGER NOT NULL,"
	" until INTEGER NOT NULL CHECK(until > start),"
	" since INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" CHECK((vm IS NULL) <> (tenant IS NULL))) STRICT;";

static const char *const versions[] = { version_1, version_2, version_3, version_4, version_5 };

static int (*const fill[])(struct berth_db *db, struct berth_err *err) = {
	NULL, NULL, berth_audit_chain_all, NULL, NULL,
};

static const char *const vital[] = { "assignment", "member", NULL };

const struct berth_db_format berth_schema = {
	.noun = "ledger",
	.application_id = 0x42727468, /* "Brth" */
	.versions = versions,
	.fill = fill,
	.nr_versions = BERTH_ARRAY_SIZE(versions),
	.digest = "375d07ee5b569d5a1f62ab4bf87c5fcb09991584e543f512a06a802f90721e54",
	.vital = vital,
};
