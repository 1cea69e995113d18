/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting and taints through the verbs. Who waits is a process of its own, on a host whose kernel answers; what it does is seen in
 * the ledger and by how it ends.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/manager.h"
#include "manager/obstacle.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/status.h"
#include "manager/taint.h"
#include "manager/wait.h"
#include "policy/ledger.h"
#include "policy/queue.h"
#include "tests/lib/fake_fixture.h"

#define NIC "0000:01:00.0"
#define GPU "0000:02:00.0"

/* How a waiting process ends. */
enum { GOT_IT = 40, REFUSED, INTERRUPTED, GAVE_UP, FAILED };

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
	{ .bdf = GPU,
	  .vendor = 0x1234,
	  .device = 0x1111,
	  .class = 0x030000,
	  .driver = "bochs-drm",
	  .group = 14 },
};

struct fixture {
	struct fake_fixture on;
	int stop[2]; /* a pipe: written to, the waiting process gives up */
};

static int set_up(void **state)
{
	struct fixture *f = fake_fixture_new(sizeof(*f), fns, BERTH_ARRAY_SIZE(fns));

	fake_host_file(f->on.fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	assert_int_equal(pipe(f->stop), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->stop[0]);
	close(f->stop[1]);
	return fake_fixture_tear_down(state);
}

static void fake_process(struct fixture *f, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	fake_host_file(f->on.fake, path,
		       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n", (int)pid);
}

/* --- verbs --- */

static int assign(struct fixture *f, const char *vm, const char *dev, struct berth_assign_how how)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	berth_err_clear(&f->on.err);
	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_CHANGE, NULL, &f->on.err),
			 0);
	return berth_manager_assign_how(m, vm, &dev, 1, &how, NULL, &f->on.err);
}

static void release(struct fixture *f, const char *vm)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	assert_int_equal(berth_manager_release(m, vm, NULL, 0, (struct berth_release_how){ 0 },
					       NULL, &f->on.err),
			 0);
}

static size_t waiting(struct fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_queue q;
	size_t nr;

	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_wait_queue(m, &q, NULL), 0);
	nr = q.nr;
	berth_queue_free(&q);
	return nr;
}

static bool owns(struct fixture *f, const char *vm)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_status s;
	bool yes = false;

	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	for (size_t i = 0; i < s.nr; i++)
		yes |= s.rows[i].vm && strcmp(s.rows[i].vm, vm) == 0;
	berth_status_done(&s);
	return yes;
}

/* --- who waits --- */

static void say(void *arg, const char *words)
{
	(void)arg;
	if (!strstr(words, NIC " (group 13) is owned by") && !strstr(words, "is waited for by"))
		_exit(FAILED);
}

static pid_t start(struct fixture *f, const char *vm, int priority, int64_t wait_s)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct berth_wait_how how = { .assign = { .priority = priority },
						    .wait_s = wait_s,
						    .stop_fd = f->stop[0],
						    .waiting = say };
		struct berth_report report = BERTH_REPORT_INIT;
		const char *dev = NIC;
		int r;

		fake_process(f, getpid());
		r = berth_wait_assign(f->on.host, vm, &dev, 1, &how, &report, NULL);
		_exit(r == 0		 ? GOT_IT :
		      r == BERTH_REFUSED ? REFUSED :
		      r == -EINTR	 ? INTERRUPTED :
		      r == -ETIMEDOUT	 ? GAVE_UP :
					   FAILED);
	}
	return pid;
}

static void until_waiting(struct fixture *f, size_t nr)
{
	for (int i = 0; i < 2000 && waiting(f) != nr; i++)
		usleep(5000);
	assert_int_equal(waiting(f), nr);
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- tests --- */

static const struct berth_assign_how plain;

static void who_waits_gets_it_as_soon_as_it_is_released(void **state)
{
	struct fixture *f = *state;
	int64_t since;
	pid_t pid;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	pid = start(f, "t2", 0, 0);
	until_waiting(f, 1);
	since = now_ms();
	release(f, "t1");
	assert_int_equal(end_of(pid), GOT_IT);
	/* not by the look each minute */
	assert_in_range(now_ms() - since, 0, 20000);
	assert_true(owns(f, "t2"));
	assert_int_equal(waiting(f), 0);
}

static void what_is_free_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(end_of(start(f, "t2", 0, 0)), GOT_IT);
	assert_true(owns(f, "t2"));
	assert_int_equal(waiting(f), 0);
}

static void the_larger_priority_is_served_first(void **state)
{
	struct fixture *f = *state;
	pid_t low, high;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	low = start(f, "low", 1, 0);
	until_waiting(f, 1);
	high = start(f, "high", 2, 0);
	until_waiting(f, 2);
	release(f, "t1");
	assert_int_equal(end_of(high), GOT_IT);
	assert_true(owns(f, "high"));
	until_waiting(f, 1);
	assert_int_equal(waitpid(low, NULL, WNOHANG), 0);
	release(f, "high");
	assert_int_equal(end_of(low), GOT_IT);
	assert_true(owns(f, "low"));
}

static void the_end_of_a_lease_is_waited_for(void **state)
{
	struct fixture *f = *state;
	int64_t since = now_ms();
	pid_t pid;

	assert_int_equal(assign(f, "t1", NIC, (struct berth_assign_how){ .lease = { .for_s = 3 } }),
			 0);
	pid = start(f, "t2", 0, 0);
	assert_int_equal(end_of(pid), GOT_IT);
	assert_in_range(now_ms() - since, 1900, 30000);
	assert_false(owns(f, "t1"));
}

static void who_is_told_to_stop_leaves_the_queue(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	pid = start(f, "t2", 0, 0);
	until_waiting(f, 1);
	assert_int_equal(write(f->stop[1], "x", 1), 1);
	assert_int_equal(end_of(pid), INTERRUPTED);
	assert_int_equal(waiting(f), 0);
	assert_true(owns(f, "t1"));
}

static void who_has_waited_long_enough_gives_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	assert_int_equal(end_of(start(f, "t2", 0, 1)), GAVE_UP);
	assert_int_equal(waiting(f), 0);
}

static void a_dead_one_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger *ledger;
	struct berth_queue q;
	char path[128];
	pid_t pid;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	pid = start(f, "t2", 9, 0);
	until_waiting(f, 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_of(pid), -SIGKILL);
	snprintf(path, sizeof(path), "%s/proc/%d/stat", f->on.fake->root, (int)pid);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(waiting(f), 0); /* nobody is kept out by it */
	release(f, "t1");
	assert_int_equal(berth_ledger_open(&ledger, f->on.host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_queue_read(ledger, &q, NULL), 0);
	assert_int_equal(q.nr, 0); /* and the verb has taken it out */
	berth_ledger_close(ledger);
	assert_int_equal(assign(f, "t3", NIC, plain), 0);
}

/* This very process stands in line for the NIC, with priority 5. */
static void who_comes_later_does_not_overtake(void **state)
{
	struct fixture *f = *state;
	struct berth_ledger *ledger;
	struct berth_assignment_list live;
	char vm[] = "t2", request[] = NIC;
	struct berth_queue_entry e = { .vm = vm,
				       .priority = 5,
				       .request = request,
				       .boot_id = f->on.host->boot_id,
				       .pid = getpid(),
				       .pid_start = 4711 };
	char *key;
	int64_t id;

	fake_process(f, getpid());
	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	assert_int_equal(berth_ledger_open(&ledger, f->on.host->state, BERTH_LEDGER_WRITE, NULL),
			 0);
	assert_int_equal(berth_ledger_find(ledger, &(struct berth_ledger_query){ 0 }, &live, NULL),
			 0);
	key = strdup(live.items[0].group);
	berth_assignment_list_free(&live);
	e.groups = &key;
	e.nr_groups = 1;
	assert_int_equal(berth_queue_put(ledger, &e, &id, NULL), 0);
	berth_ledger_close(ledger);
	free(key);
	release(f, "t1");

	assert_int_equal(assign(f, "t3", NIC, plain), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "QUEUED: " NIC " (group 13) is waited for by t2"));
	assert_int_equal(assign(f, "t3", NIC, (struct berth_assign_how){ .priority = 5 }),
			 BERTH_REFUSED);
	assert_int_equal(assign(f, "t3", GPU, plain), 0); /* nobody waits for that one */
	assert_int_equal(assign(f, "t3", NIC, (struct berth_assign_how){ .priority = 6 }), 0);
	/* what it has is its own, whoever waits */
	assert_int_equal(assign(f, "t3", NIC, plain), 0);
	release(f, "t3");
	assert_int_equal(
		assign(f, "t2", NIC, (struct berth_assign_how){ .priority = 5, .entry = id }), 0);
}

/* --- taints --- */

static int taint(struct fixture *f, enum berth_taint_effect effect)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	const struct berth_taint_how how = { .taint = "hw-fault", .effect = effect };

	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	return berth_manager_taint(m, NIC, &how, NULL, &f->on.err);
}

static int untaint(struct fixture *f, const char *name)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	const struct berth_taint_how how = { 0 };

	berth_err_clear(&f->on.err);
	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	return berth_manager_untaint(m, name, &how, NULL, &f->on.err);
}

static size_t obstacles(struct fixture *f, const char *code)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_obstacles list;
	struct berth_bdf at;
	size_t nr = 0;

	assert_int_equal(berth_bdf_parse(NIC, &at), 0);
	assert_int_equal(berth_manager_open(&m, f->on.host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_manager_obstacles(m, at, &list, NULL), 0);
	for (size_t i = 0; i < list.nr; i++)
		nr += strcmp(list.items[i].code, code) == 0;
	berth_obstacles_done(&list);
	return nr;
}

static void a_tainted_device_is_given_to_nobody_new(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	assert_int_equal(taint(f, BERTH_TAINT_NO_NEW), 0);
	assert_int_equal(assign(f, "t1", NIC, plain), 0); /* who has it keeps it */
	release(f, "t1");
	assert_int_equal(obstacles(f, "TAINTED"), 1);
	assert_int_equal(assign(f, "t1", NIC, plain), BERTH_REFUSED);
	assert_non_null(strstr(f->on.err.text, "TAINTED"));
	assert_non_null(strstr(f->on.err.text, "hw-fault"));
	assert_int_equal(end_of(start(f, "t2", 0, 0)), REFUSED); /* and is not waited for */
	assert_int_equal(untaint(f, NIC), 0);
	assert_int_equal(obstacles(f, "TAINTED"), 0);
	assert_int_equal(assign(f, "t1", NIC, plain), 0);
	assert_int_equal(untaint(f, NIC), -ENOENT);
}

static void one_that_is_only_told_of_stops_nobody(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(taint(f, BERTH_TAINT_REPORT), 0);
	assert_int_equal(obstacles(f, "TAINTED"), 0);
	assert_int_equal(assign(f, "t1", NIC, plain), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(who_waits_gets_it_as_soon_as_it_is_released),
		T(what_is_free_is_not_waited_for),
		T(the_larger_priority_is_served_first),
		T(the_end_of_a_lease_is_waited_for),
		T(who_is_told_to_stop_leaves_the_queue),
		T(who_has_waited_long_enough_gives_up),
		T(a_dead_one_is_dropped),
		T(who_comes_later_does_not_overtake),
		T(a_tainted_device_is_given_to_nobody_new),
		T(one_that_is_only_told_of_stops_nobody),
	};

	return cmocka_run_group_tests_name("manager/wait", tests, NULL, NULL);
}
