/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/ledger.h"
#include "policy/queue.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir;
	struct berth_ledger *ledger;
	struct berth_err err;
};

static char vm[] = "t1", boot[] = "b", request[] = "01:00.0 pool:gpus", g1[] = "g:1", g2[] = "g:2";

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(berth_ledger_open(&f->ledger, f->dir, BERTH_LEDGER_WRITE, &f->err), 0);
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

static int64_t put(struct fixture *f, int64_t id, int priority, char **groups, size_t nr)
{
	struct berth_queue_entry e = { .id = id,
				       .vm = vm,
				       .priority = priority,
				       .request = request,
				       .boot_id = boot,
				       .pid = 77,
				       .pid_start = 1234,
				       .groups = groups,
				       .nr_groups = nr };

	if (berth_queue_put(f->ledger, &e, &id, &f->err))
		fail_msg("%s", f->err.text);
	return id;
}

static struct berth_queue all(struct fixture *f)
{
	struct berth_queue q;

	assert_int_equal(berth_queue_read(f->ledger, &q, &f->err), 0);
	return q;
}

static void an_entry_comes_back_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	char *both[] = { g2, g1 }, *one[] = { g2 };
	int64_t id = put(f, 0, 5, both, 2);
	struct berth_queue q = all(f);

	assert_int_equal(q.nr, 1);
	assert_int_equal(q.items[0].id, id);
	assert_string_equal(q.items[0].vm, "t1");
	assert_int_equal(q.items[0].priority, 5);
	assert_string_equal(q.items[0].request, "01:00.0 pool:gpus");
	assert_true(q.items[0].since > 1600000000);
	assert_string_equal(q.items[0].boot_id, "b");
	assert_int_equal(q.items[0].pid, 77);
	assert_int_equal(q.items[0].pid_start, 1234);
	assert_true(berth_queue_wants(&q.items[0], "g:1"));
	assert_true(berth_queue_wants(&q.items[0], "g:2"));
	berth_queue_free(&q);
	/* other wishes, the same place */
	assert_int_equal(put(f, id, 5, one, 1), id);
	q = all(f);
	assert_int_equal(q.nr, 1);
	assert_false(berth_queue_wants(&q.items[0], "g:1"));
	assert_true(berth_queue_wants(&q.items[0], "g:2"));
	berth_queue_free(&q);
	assert_int_equal(berth_queue_remove(f->ledger, id, NULL), 0);
	assert_int_equal(berth_queue_remove(f->ledger, id, NULL), 0);
	q = all(f);
	assert_int_equal(q.nr, 0);
}

static void the_larger_priority_comes_first_then_who_came_first(void **state)
{
	struct fixture *f = *state;
	int64_t a = put(f, 0, 1, NULL, 0), b = put(f, 0, 9, NULL, 0), c = put(f, 0, 9, NULL, 0);
	const struct berth_queue_entry newcomer = { .priority = 9 };
	struct berth_queue q = all(f);

	assert_int_equal(q.items[0].id, b);
	assert_int_equal(q.items[1].id, c);
	assert_int_equal(q.items[2].id, a);
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(berth_queue_before(&q.items[i], &q.items[j]), i < j);
	}
	assert_true(berth_queue_before(&q.items[1], &newcomer));
	assert_false(berth_queue_before(&newcomer, &q.items[1]));
	assert_true(berth_queue_before(&newcomer, &q.items[2]));
	berth_queue_free(&q);
}

static void nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_queue_entry e = { .vm = vm, .priority = 1000 };
	int64_t id;

	assert_int_equal(berth_queue_put(f->ledger, &e, &id, NULL), -EINVAL);
	e.priority = -1;
	assert_int_equal(berth_queue_put(f->ledger, &e, &id, NULL), -EINVAL);
	e.priority = 0;
	e.vm = NULL;
	assert_int_equal(berth_queue_put(f->ledger, &e, &id, NULL), -EINVAL);
	e.vm = vm;
	e.id = 4711;
	assert_int_equal(berth_queue_put(f->ledger, &e, &id, NULL), BERTH_ABSENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_entry_comes_back_as_it_was_put),
		T(the_larger_priority_comes_first_then_who_came_first),
		T(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("policy/queue", tests, NULL, NULL);
}
