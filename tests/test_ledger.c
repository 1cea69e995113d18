/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/ledger.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	if (berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err))
		fail_msg("%s", f->err.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_ledger_close(f->ledger);
	tmp_free(f->dir);
	free(f);
	return 0;
}

/* Look at the file with a new connection. */
static void reopen(struct fixture *f)
{
	berth_ledger_close(f->ledger);
	f->ledger = NULL;
	if (berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err))
		fail_msg("%s", f->err.text);
}

static const struct berth_claim for_t1 = {
	.vm = "t1",
	.kind = BERTH_OWNED_BY_ASSIGN,
	.boot_id = "boot-1",
	.pid = 77,
	.pid_start = 1234,
};

static int64_t claim(struct fixture *f, const char *vm, const char *group, const char *parent)
{
	struct berth_claim c = for_t1;
	struct berth_claim_group g = { .group = group, .parent = parent };
	int64_t id = 0;

	c.vm = vm;
	if (berth_ledger_claim(f->ledger, &c, &g, 1, &id, &f->err))
		fail_msg("%s", f->err.text);
	return id;
}

static int try_claim(struct fixture *f, const char *vm, const char *group, const char *parent)
{
	struct berth_claim c = for_t1;
	struct berth_claim_group g = { .group = group, .parent = parent };
	int64_t id;

	c.vm = vm;
	berth_err_clear(&f->err);
	return berth_ledger_claim(f->ledger, &c, &g, 1, &id, &f->err);
}

static struct berth_assignment_list find(struct fixture *f, struct berth_ledger_query q)
{
	struct berth_assignment_list list = { 0 };

	berth_err_clear(&f->err);
	if (berth_ledger_find(f->ledger, &q, &list, &f->err))
		fail_msg("%s", f->err.text);
	return list;
}

static size_t count(struct fixture *f, struct berth_ledger_query q)
{
	struct berth_assignment_list list = find(f, q);
	size_t nr = list.nr;

	berth_assignment_list_free(&list);
	return nr;
}

static void add(struct fixture *f, int64_t id, const char *bdf, char *path)
{
	struct berth_member m = { .path = path, .vendor = 0x8086, .device = 0x10c9 };

	snprintf(m.bdf, sizeof(m.bdf), "%s", bdf);
	if (berth_ledger_add_member(f->ledger, id, &m, &f->err))
		fail_msg("%s", f->err.text);
}

static void an_assignment_comes_back_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	struct berth_assignment_list list;
	int64_t id = claim(f, "t1", "g:1", NULL);
	struct berth_member m = {
		.bdf = "0000:01:00.0",
		.path = (char[]){ "PC00/01.0/00.0" },
		.vendor = 0x10de,
		.device = 0x2335,
		.companion = true,
		.found_driver = (char[]){ "igb" },
		.found_override = (char[]){ "x" },
		.found_power = (char[]){ "auto" },
		.found_net = (char[]){ "{}" },
		.found_more = (char[]){ "{ \"d3cold\": 1 }" },
		.serial = (char[]){ "00-1b-21-ff-ff-01-02-03" },
	};

	assert_int_equal(berth_ledger_add_member(f->ledger, id, &m, &f->err), 0);
	add(f, id, "0000:00:1f.0", (char[]){ "PC00/1f.0" });
	reopen(f);
	list = find(f, (struct berth_ledger_query){ 0 });
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.items[0].id, id);
	assert_int_equal(list.items[0].claim, id);
	assert_string_equal(list.items[0].group, "g:1");
	assert_null(list.items[0].parent);
	assert_string_equal(list.items[0].vm, "t1");
	assert_int_equal(list.items[0].kind, BERTH_OWNED_BY_ASSIGN);
	assert_int_equal(list.items[0].state, BERTH_OWNED_PREPARING);
	assert_int_equal(list.items[0].generation, 1);
	assert_string_equal(list.items[0].boot_id, "boot-1");
	assert_int_equal(list.items[0].pid, 77);
	assert_int_equal(list.items[0].pid_start, 1234);
	assert_true(list.items[0].created > 1600000000);
	assert_int_equal(list.items[0].ended, 0);
	assert_null(list.items[0].reason);
	assert_int_equal(list.items[0].nr_members, 2);
	assert_string_equal(list.items[0].members[0].bdf, "0000:00:1f.0");
	assert_null(list.items[0].members[0].found_driver);
	assert_null(list.items[0].members[0].found_override);
	assert_null(list.items[0].members[0].found_net);
	assert_false(list.items[0].members[0].companion);
	assert_string_equal(list.items[0].members[1].bdf, m.bdf);
	assert_string_equal(list.items[0].members[1].path, m.path);
	assert_int_equal(list.items[0].members[1].vendor, 0x10de);
	assert_int_equal(list.items[0].members[1].device, 0x2335);
	assert_true(list.items[0].members[1].companion);
	assert_false(list.items[0].members[1].restored);
	assert_string_equal(list.items[0].members[1].found_driver, "igb");
	assert_string_equal(list.items[0].members[1].found_override, "x");
	assert_string_equal(list.items[0].members[1].found_power, "auto");
	assert_string_equal(list.items[0].members[1].found_net, "{}");
	assert_string_equal(list.items[0].members[1].found_more, "{ \"d3cold\": 1 }");
	assert_string_equal(list.items[0].members[1].serial, "00-1b-21-ff-ff-01-02-03");
	assert_null(list.items[0].members[0].serial);
	berth_assignment_list_free(&list);
}

static void a_taken_group_is_refused_by_owner_name(void **state)
{
	struct fixture *f = *state;
	int64_t id = claim(f, "db1", "g:1", NULL);

	add(f, id, "0000:01:00.0", (char[]){ "PC00/01.0/00.0" });
	assert_int_equal(try_claim(f, "t1", "g:1", NULL), BERTH_REFUSED);
	assert_string_equal(f->err.text,
			    "group g:1 (0000:01:00.0) is owned by db1 (preparing, assignment "
			    "1); release it first");
	assert_int_equal(try_claim(f, "db1", "g:1", NULL), BERTH_REFUSED);
	assert_int_equal(count(f, (struct berth_ledger_query){ .with_ended = true }), 1);
}

static void several_groups_are_claimed_all_or_none(void **state)
{
	static const struct berth_claim_group three[] = { { "g:1", NULL },
							  { "g:2", NULL },
							  { "g:3", NULL } };
	static const struct berth_claim_group twice[] = { { "g:8", NULL }, { "g:8", NULL } };
	struct fixture *f = *state;
	struct berth_assignment_list list;
	int64_t ids[3] = { -1, -1, -1 }, taken = claim(f, "db1", "g:3", NULL);

	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, three, 3, ids, &f->err),
			 BERTH_REFUSED);
	assert_int_equal(ids[0], -1);
	assert_int_equal(count(f, (struct berth_ledger_query){ .vm = "t1" }), 0);
	assert_int_equal(berth_ledger_end(f->ledger, taken, NULL, NULL), 0);
	berth_err_clear(&f->err);
	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, three, 3, ids, &f->err), 0);
	list = find(f, (struct berth_ledger_query){ .vm = "t1" });
	assert_int_equal(list.nr, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(list.items[i].id, ids[i]);
		assert_int_equal(list.items[i].claim, ids[0]);
	}
	assert_int_equal(list.items[2].generation, 2);
	berth_assignment_list_free(&list);
	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, twice, 2, ids, &f->err),
			 BERTH_REFUSED);
	assert_string_equal(f->err.text, "group g:8 is asked for twice");
}

static void a_refused_claim_leaves_the_callers_transaction_alone(void **state)
{
	static const struct berth_claim_group two[] = { { "g:2", NULL }, { "g:1", NULL } };
	struct fixture *f = *state;
	int64_t ids[2];

	claim(f, "db1", "g:1", NULL);
	assert_int_equal(berth_ledger_begin(f->ledger, &f->err), 0);
	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, two, 2, ids, &f->err),
			 BERTH_REFUSED);
	claim(f, "t1", "g:7", NULL);
	assert_int_equal(berth_ledger_commit(f->ledger, &f->err), 0);
	assert_int_equal(count(f, (struct berth_ledger_query){ .vm = "t1" }), 1);
	assert_int_equal(count(f, (struct berth_ledger_query){ .group = "g:7" }), 1);
}

static void names_that_are_ours_cannot_claim(void **state)
{
	struct fixture *f = *state;
	struct berth_claim bind = { .vm = BERTH_LEDGER_VM_BIND, .kind = BERTH_OWNED_BY_BIND };
	struct berth_claim_group g = { .group = "g:1" };
	int64_t id;

	assert_int_equal(try_claim(f, "", "g:1", NULL), -EINVAL);
	assert_int_equal(try_claim(f, "@children", "g:1", NULL), -EINVAL);
	assert_int_equal(try_claim(f, "@bind", "g:1", NULL), -EINVAL);
	assert_int_equal(try_claim(f, "t1", "", NULL), -EINVAL);
	assert_int_equal(berth_ledger_claim(f->ledger, &bind, &g, 1, &id, NULL), 0);
	bind.vm = "t1";
	assert_int_equal(berth_ledger_claim(f->ledger, &bind, &g, 1, &id, NULL), -EINVAL);
	assert_int_equal(try_claim(f, "t1", "g:1", NULL), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "is owned by 'berth bind' (preparing"));
}

static void a_rolled_back_claim_never_was(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_ledger_begin(f->ledger, &f->err), 0);
	assert_int_equal(berth_ledger_begin(f->ledger, NULL), -EBUSY);
	claim(f, "t1", "g:1", NULL);
	assert_int_equal(count(f, (struct berth_ledger_query){ 0 }), 1);
	berth_ledger_rollback(f->ledger);
	berth_ledger_rollback(f->ledger);
	assert_int_equal(count(f, (struct berth_ledger_query){ .with_ended = true }), 0);
	claim(f, "t2", "g:1", NULL);
}

static void a_pf_and_its_vfs_exclude_each_other(void **state)
{
	static const struct berth_claim_group both[] = { { "g:vf9", "g:pf9" }, { "g:pf9", NULL } };
	struct fixture *f = *state;
	int64_t vf0, vf1, pf, ids[2];

	vf0 = claim(f, "t1", "g:vf0", "g:pf");
	vf1 = claim(f, "t2", "g:vf1", "g:pf");
	assert_int_equal(count(f, (struct berth_ledger_query){ 0 }), 2);
	assert_int_equal(try_claim(f, "t3", "g:pf", NULL), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "g:pf is owned by the owners of its VFs"));
	assert_int_equal(berth_ledger_end(f->ledger, vf0, NULL, NULL), 0);
	assert_int_equal(try_claim(f, "t3", "g:pf", NULL), BERTH_REFUSED);
	assert_int_equal(berth_ledger_end(f->ledger, vf1, NULL, NULL), 0);
	pf = claim(f, "t3", "g:pf", NULL);
	assert_int_equal(try_claim(f, "t1", "g:vf0", "g:pf"), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "g:pf, the PF of this VF, is owned by t3"));
	assert_int_equal(berth_ledger_end(f->ledger, pf, NULL, NULL), 0);
	claim(f, "t1", "g:vf0", "g:pf");
	assert_int_equal(berth_ledger_claim(f->ledger, &for_t1, both, 2, ids, NULL), BERTH_REFUSED);
}

static void states_move_only_as_the_table_says(void **state)
{
	struct fixture *f = *state;
	int64_t id = claim(f, "t1", "g:1", NULL);
	struct berth_assignment_list list;
	enum berth_owned_state now;

	assert_int_equal(berth_ledger_move(f->ledger, id, BERTH_ON_START, NULL, NULL, &f->err),
			 -EPROTO);
	assert_string_equal(
		f->err.text,
		"assignment 1 (assign) is preparing: 'start' does not move it from there");
	assert_int_equal(berth_ledger_move(f->ledger, id, BERTH_ON_BOUND, NULL, &now, NULL), 0);
	assert_int_equal(now, BERTH_OWNED_ASSIGNED);
	assert_int_equal(
		berth_ledger_move(f->ledger, id, BERTH_ON_FAULT, "unbind stuck", NULL, NULL), 0);
	list = find(f, (struct berth_ledger_query){ .id = id });
	assert_int_equal(list.items[0].state, BERTH_OWNED_FAULTED);
	assert_string_equal(list.items[0].reason, "unbind stuck");
	berth_assignment_list_free(&list);
	berth_err_clear(&f->err);
	assert_int_equal(berth_ledger_end(f->ledger, id, NULL, &f->err), -EPROTO);
	assert_string_equal(f->err.text, "assignment 1 (assign) is faulted: it cannot end there");
	assert_int_equal(berth_ledger_move(f->ledger, id, BERTH_ON_GIVE, NULL, NULL, NULL), 0);
	assert_int_equal(berth_ledger_end(f->ledger, id, NULL, NULL), 0);
	berth_err_clear(&f->err);
	assert_int_equal(berth_ledger_move(f->ledger, id, BERTH_ON_GIVE, NULL, NULL, &f->err),
			 BERTH_ABSENT);
	assert_string_equal(f->err.text, "assignment 1 is over");
}

/* The ways to each state, from "preparing". */
static void every_state_has_its_name_and_survives_the_file(void **state)
{
	static const struct {
		const char *name;
		enum berth_owned_event events[4];
		size_t nr;
	} ways[] = {
		[BERTH_OWNED_PREPARING] = { "preparing", { 0 }, 0 },
		[BERTH_OWNED_ASSIGNED] = { "assigned", { BERTH_ON_BOUND }, 1 },
		[BERTH_OWNED_IN_USE] = { "in-use", { BERTH_ON_BOUND, BERTH_ON_START }, 2 },
		[BERTH_OWNED_RELEASING] = { "releasing",
					    { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE },
					    3 },
		[BERTH_OWNED_SANITISING] = { "sanitising",
					     { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE,
					       BERTH_ON_CLOSED },
					     4 },
		[BERTH_OWNED_RETURNING] = { "returning", { BERTH_ON_BOUND, BERTH_ON_GIVE }, 2 },
		[BERTH_OWNED_FAULTED] = { "faulted", { BERTH_ON_FAULT }, 1 },
		[BERTH_OWNED_QUARANTINED] = { "quarantined",
					      { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE,
						BERTH_ON_STILL_OPEN },
					      4 },
		[BERTH_OWNED_IDENTITY_CHANGED] = { "identity-changed", { BERTH_ON_IDENTITY }, 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(ways); i++) {
		struct berth_assignment_list list;
		char group[16];
		int64_t id;

		snprintf(group, sizeof(group), "g:%zu", i);
		id = claim(f, "t1", group, NULL);
		for (size_t j = 0; j < ways[i].nr; j++)
			assert_int_equal(berth_ledger_move(f->ledger, id, ways[i].events[j], NULL,
							   NULL, NULL),
					 0);
		assert_string_equal(berth_owned_state_name((enum berth_owned_state)i),
				    ways[i].name);
		list = find(f, (struct berth_ledger_query){ .id = id });
		assert_int_equal(list.items[0].state, i);
		berth_assignment_list_free(&list);
	}
}

static void every_kind_has_its_name_and_survives_the_file(void **state)
{
	static const char *const kinds[] = { "assign", "run", "bind" };
	struct fixture *f = *state;
	int64_t id = claim(f, "t1", "g:1", NULL);

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(kinds); i++) {
		struct berth_assignment_list list;

		assert_string_equal(berth_owned_kind_name((enum berth_owned_kind)i), kinds[i]);
		assert_int_equal(
			berth_ledger_set_kind(f->ledger, id, (enum berth_owned_kind)i, NULL), 0);
		list = find(f, (struct berth_ledger_query){ .id = id });
		assert_int_equal(list.items[0].kind, i);
		berth_assignment_list_free(&list);
	}
}

static void the_holder_is_recorded_and_cleared(void **state)
{
	struct fixture *f = *state;
	int64_t id = claim(f, "t1", "g:1", NULL);
	struct berth_assignment_list list;

	assert_int_equal(berth_ledger_set_holder(f->ledger, id, "boot-2", 4321, 99, NULL), 0);
	list = find(f, (struct berth_ledger_query){ .id = id });
	assert_int_equal(list.items[0].pid, 4321);
	assert_int_equal(list.items[0].pid_start, 99);
	assert_string_equal(list.items[0].boot_id, "boot-2");
	berth_assignment_list_free(&list);
	assert_int_equal(berth_ledger_set_holder(f->ledger, id, "boot-2", 0, 0, NULL), 0);
	list = find(f, (struct berth_ledger_query){ .id = id });
	assert_int_equal(list.items[0].pid, 0);
	berth_assignment_list_free(&list);
	assert_int_equal(berth_ledger_set_holder(f->ledger, 99, "boot-2", 1, 1, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_ledger_set_kind(f->ledger, 99, BERTH_OWNED_BY_RUN, NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_ledger_end(f->ledger, 99, NULL, NULL), BERTH_ABSENT);
}

static void an_ended_assignment_frees_group_and_devices_and_stays_as_history(void **state)
{
	struct fixture *f = *state;
	int64_t id = claim(f, "t1", "g:1", NULL);
	struct berth_assignment_list list;

	add(f, id, "0000:01:00.0", (char[]){ "PC00/01.0/00.0" });
	assert_int_equal(berth_ledger_set_restored(f->ledger, id, "0000:01:00.0", NULL), 0);
	assert_int_equal(berth_ledger_set_restored(f->ledger, id, "0000:02:00.0", NULL),
			 BERTH_ABSENT);
	assert_int_equal(berth_ledger_end(f->ledger, id, "released", NULL), 0);
	assert_int_equal(berth_ledger_end(f->ledger, id, NULL, NULL), BERTH_ABSENT);
	assert_int_equal(count(f, (struct berth_ledger_query){ 0 }), 0);
	id = claim(f, "t2", "g:1", NULL);
	add(f, id, "0000:01:00.0", (char[]){ "PC00/01.0/00.0" });
	list = find(f, (struct berth_ledger_query){ .group = "g:1", .with_ended = true });
	assert_int_equal(list.nr, 2);
	assert_true(list.items[0].ended != 0);
	assert_string_equal(list.items[0].reason, "released");
	assert_true(list.items[0].members[0].restored);
	assert_int_equal(list.items[1].generation, 2);
	berth_assignment_list_free(&list);
}

static void a_device_has_one_owner_even_when_its_group_got_another_key(void **state)
{
	struct fixture *f = *state;
	int64_t old = claim(f, "t1", "g:old", NULL), new = claim(f, "t2", "g:new", NULL);
	struct berth_member m = { .bdf = "0000:02:00.0", .path = (char[]){ "PC00/01.0/00.0" } };

	add(f, old, "0000:01:00.0", (char[]){ "PC00/01.0/00.0" });
	assert_int_equal(berth_ledger_add_member(f->ledger, new, &m, &f->err), BERTH_REFUSED);
	assert_string_equal(f->err.text, "0000:02:00.0 (PC00/01.0/00.0) is owned by t1 (preparing, "
					 "assignment 1); release it first");
	assert_int_equal(berth_ledger_end(f->ledger, old, NULL, NULL), 0);
	assert_int_equal(berth_ledger_add_member(f->ledger, new, &m, NULL), 0);
	assert_int_equal(berth_ledger_add_member(f->ledger, old, &m, NULL), BERTH_ABSENT);
	m.path = NULL;
	assert_int_equal(berth_ledger_add_member(f->ledger, new, &m, NULL), -EINVAL);
}

static void assignments_are_found_by_vm_group_place_and_identity(void **state)
{
	struct fixture *f = *state;
	int64_t a = claim(f, "t1", "g:1", NULL), b = claim(f, "t1", "g:2", NULL);

	claim(f, "t2", "g:3", NULL);
	add(f, a, "0000:01:00.0", (char[]){ "PC00/01.0/00.0" });
	add(f, b, "0000:02:00.0", (char[]){ "PC00/02.0/00.0" });
	assert_int_equal(count(f, (struct berth_ledger_query){ .vm = "t1" }), 2);
	assert_int_equal(count(f, (struct berth_ledger_query){ .group = "g:3" }), 1);
	assert_int_equal(count(f, (struct berth_ledger_query){ .bdf = "0000:02:00.0" }), 1);
	assert_int_equal(count(f, (struct berth_ledger_query){ .path = "PC00/01.0/00.0" }), 1);
	assert_int_equal(
		count(f, (struct berth_ledger_query){ .path = "PC00/01.0/00.0", .vm = "t2" }), 0);
	assert_int_equal(count(f, (struct berth_ledger_query){ .id = b, .bdf = "0000:02:00.0" }),
			 1);
}

static void reading_a_missing_ledger_finds_nothing_and_creates_nothing(void **state)
{
	struct fixture *f = *state;
	struct berth_assignment_list list = { 0 };
	struct berth_ledger *reader = NULL;
	struct berth_ledger_query all = { 0 };

	assert_int_equal(berth_ledger_open(&reader, TMP_PATH(f->dir, "none"), BERTH_LEDGER_READ,
					   &f->err),
			 0);
	assert_int_equal(berth_ledger_find(reader, &all, &list, &f->err), 0);
	assert_int_equal(list.nr, 0);
	assert_int_equal(berth_ledger_begin(reader, &f->err), -EROFS);
	berth_ledger_close(reader);
	assert_int_equal(access(TMP_PATH(f->dir, "none"), F_OK), -1);
}

static void a_reader_sees_what_is_committed_while_a_writer_works(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger_query all = { 0 };
	struct berth_assignment_list list;
	struct berth_ledger *reader;

	claim(f, "t1", "g:1", NULL);
	assert_int_equal(berth_ledger_begin(f->ledger, NULL), 0);
	claim(f, "t2", "g:2", NULL);
	assert_int_equal(berth_ledger_open(&reader, f->dir, BERTH_LEDGER_READ, &f->err), 0);
	assert_int_equal(berth_ledger_find(reader, &all, &list, &f->err), 0);
	assert_int_equal(list.nr, 1);
	berth_assignment_list_free(&list);
	assert_int_equal(berth_ledger_commit(f->ledger, NULL), 0);
	assert_int_equal(berth_ledger_find(reader, &all, &list, &f->err), 0);
	assert_int_equal(list.nr, 2);
	berth_assignment_list_free(&list);
	assert_int_equal(berth_ledger_set_kind(reader, 1, BERTH_OWNED_BY_RUN, NULL), -EROFS);
	berth_ledger_close(reader);
}

static void a_writer_in_the_way_is_waited_for_and_then_named(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger *other;

	assert_int_equal(berth_ledger_open(&other, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
	assert_int_equal(berth_ledger_begin(other, &f->err), 0);
	berth_ledger_set_deadline(f->ledger, 50);
	assert_int_equal(try_claim(f, "t1", "g:1", NULL), -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "another process has held it for 50 ms; try again"));
	berth_ledger_rollback(other);
	claim(f, "t1", "g:1", NULL);
	berth_ledger_close(other);
}

static void the_folder_is_private_and_a_writable_one_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger *ledger;
	struct stat st;

	assert_int_equal(
		berth_ledger_open(&ledger, TMP_PATH(f->dir, "new"), BERTH_LEDGER_WRITE, NULL), 0);
	berth_ledger_close(ledger);
	assert_int_equal(stat(TMP_PATH(f->dir, "new"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(TMP_PATH(f->dir, "new"), 0770), 0);
	assert_int_equal(berth_ledger_open(&ledger, TMP_PATH(f->dir, "new"), BERTH_LEDGER_WRITE,
					   &f->err),
			 -EPERM);
	assert_non_null(strstr(f->err.text, "others may write to it (mode 770)"));
	tmp_text(f->dir, "file", "");
	assert_int_equal(berth_ledger_open(&ledger, TMP_PATH(f->dir, "file"), BERTH_LEDGER_WRITE,
					   NULL),
			 -ENOTDIR);
}

static void who_may_not_read_is_told_that_ownership_is_unknown(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger *ledger;
	struct berth_err err = BERTH_ERR_INIT;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skip: needs root to become somebody else\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int ok = setresuid(65534, 65534, 65534) == 0 &&
			 berth_ledger_open(&ledger, f->dir, BERTH_LEDGER_READ, &err) == -EACCES &&
			 strstr(err.text, "ownership is unknown without reading it; ask root");

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- several processes --- */

#define RACERS 8
#define ROUNDS 200

struct race {
	volatile int go;
	volatile int won[RACERS];
};

static int race_once(const char *dir, int64_t *ret_id)
{
	static const struct berth_claim_group group = { .group = "g:1" };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ledger *ledger;
	int r = berth_ledger_open(&ledger, dir, BERTH_LEDGER_WRITE, &err);

	if (r == 0) {
		r = berth_ledger_claim(ledger, &for_t1, &group, 1, ret_id, &err);
		berth_ledger_close(ledger);
	}
	if (r < 0)
		fprintf(stderr, "racer: %s\n", err.text);
	return r;
}

/* Exit status 0: won; 1: refused; anything else: neither. */
static void racer(struct race *race, const char *dir)
{
	int64_t id;
	int r;

	while (!race->go)
		usleep(100);
	r = race_once(dir, &id);
	_exit(r == 0 ? 0 : r == BERTH_REFUSED ? 1 : 2);
}

static void of_eight_that_claim_at_once_exactly_one_wins(void **state)
{
	struct fixture *f = *state;
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct berth_assignment_list list;

	assert_ptr_not_equal(race, MAP_FAILED);
	berth_ledger_close(f->ledger);
	f->ledger = NULL;
	for (int round = 0; round < ROUNDS; round++) {
		int winners = 0, losers = 0;
		pid_t pids[RACERS];

		race->go = 0;
		for (int i = 0; i < RACERS; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0)
				racer(race, f->dir);
		}
		race->go = 1;
		for (int i = 0; i < RACERS; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			winners += WIFEXITED(status) && WEXITSTATUS(status) == 0;
			losers += WIFEXITED(status) && WEXITSTATUS(status) == 1;
		}
		assert_int_equal(winners, 1);
		assert_int_equal(losers, RACERS - 1);
		reopen(f);
		list = find(f, (struct berth_ledger_query){ 0 });
		assert_int_equal(list.nr, 1);
		assert_int_equal(list.items[0].generation, round + 1);
		assert_int_equal(berth_ledger_end(f->ledger, list.items[0].id, NULL, NULL), 0);
		berth_assignment_list_free(&list);
		berth_ledger_close(f->ledger);
		f->ledger = NULL;
	}
	munmap(race, sizeof(*race));
}

/* Claim a group of five members and give it up again, for ever; every acknowledged step goes to @done. */
static void worker(const char *dir, volatile int *done)
{
	static const struct berth_claim_group group = { .group = "g:1" };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_ledger *l;

	if (berth_ledger_open(&l, dir, BERTH_LEDGER_WRITE, &err))
		_exit(2);
	for (;;) {
		int64_t id;

		if (berth_ledger_begin(l, &err) ||
		    berth_ledger_claim(l, &for_t1, &group, 1, &id, &err))
			_exit(3);
		for (int i = 0; i < 5; i++) {
			char path[32];
			struct berth_member m = { .path = path };

			snprintf(path, sizeof(path), "PC00/%02x.0", i);
			snprintf(m.bdf, sizeof(m.bdf), "0000:00:%02x.0", i);
			if (berth_ledger_add_member(l, id, &m, &err))
				_exit(4);
		}
		if (berth_ledger_commit(l, &err))
			_exit(5);
		*done = *done + 1;
		if (berth_ledger_end(l, id, NULL, &err))
			_exit(6);
		*done = *done + 1;
	}
}

static void a_kill_at_any_moment_leaves_whole_transactions_only(void **state)
{
	struct fixture *f = *state;
	volatile int *done =
		mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 1;

	assert_ptr_not_equal(done, MAP_FAILED);
	for (int round = 0; round < 60; round++) {
		struct berth_assignment_list list;
		size_t last;
		int status;
		pid_t pid;

		berth_ledger_close(f->ledger);
		f->ledger = NULL;
		*done = 0;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			worker(f->dir, done);
		usleep(2000 + (unsigned int)rand_r(&seed) % 20000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		reopen(f); /* checks the schema and the content */
		list = find(f, (struct berth_ledger_query){ .with_ended = true });
		/* acknowledged is never lost, and at most the step under way came on top */
		last = 0;
		for (size_t i = 0; i < list.nr; i++) {
			assert_int_equal(list.items[i].nr_members, 5);
			last += list.items[i].ended ? 2 : 1;
		}
		assert_in_range(last, *done, *done + 1);
		/* start the next round with an empty history */
		berth_assignment_list_free(&list);
		berth_ledger_close(f->ledger);
		f->ledger = NULL;
		unlink(TMP_PATH(f->dir, "ledger.db"));
		unlink(TMP_PATH(f->dir, "ledger.db-wal"));
		unlink(TMP_PATH(f->dir, "ledger.db-shm"));
		reopen(f);
	}
	munmap((void *)done, sizeof(int));
}

int main(void)
{
#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LEDGER_TEST(an_assignment_comes_back_as_it_was_written),
		LEDGER_TEST(a_taken_group_is_refused_by_owner_name),
		LEDGER_TEST(several_groups_are_claimed_all_or_none),
		LEDGER_TEST(a_refused_claim_leaves_the_callers_transaction_alone),
		LEDGER_TEST(names_that_are_ours_cannot_claim),
		LEDGER_TEST(a_rolled_back_claim_never_was),
		LEDGER_TEST(a_pf_and_its_vfs_exclude_each_other),
		LEDGER_TEST(states_move_only_as_the_table_says),
		LEDGER_TEST(every_state_has_its_name_and_survives_the_file),
		LEDGER_TEST(every_kind_has_its_name_and_survives_the_file),
		LEDGER_TEST(the_holder_is_recorded_and_cleared),
		LEDGER_TEST(an_ended_assignment_frees_group_and_devices_and_stays_as_history),
		LEDGER_TEST(a_device_has_one_owner_even_when_its_group_got_another_key),
		LEDGER_TEST(assignments_are_found_by_vm_group_place_and_identity),
		LEDGER_TEST(reading_a_missing_ledger_finds_nothing_and_creates_nothing),
		LEDGER_TEST(a_reader_sees_what_is_committed_while_a_writer_works),
		LEDGER_TEST(a_writer_in_the_way_is_waited_for_and_then_named),
		LEDGER_TEST(the_folder_is_private_and_a_writable_one_is_refused),
		LEDGER_TEST(who_may_not_read_is_told_that_ownership_is_unknown),
		LEDGER_TEST(of_eight_that_claim_at_once_exactly_one_wins),
		LEDGER_TEST(a_kill_at_any_moment_leaves_whole_transactions_only),
	};

	return cmocka_run_group_tests_name("policy/ledger", tests, NULL, NULL);
}
