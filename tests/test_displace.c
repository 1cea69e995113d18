/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --preempt on a host whose kernel answers: who has to go goes first, whatever happens in between.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/claim.h"
#include "manager/context.h"
#include "manager/displace.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "policy/audit.h"
#include "policy/queue.h"
#include "tests/lib/fake_pci.h"

#define NIC1 "0000:01:00.0"
#define NIC2 "0000:02:00.0"

#define PORT(at, grp)                                                                              \
	{                                                                                          \
		.bdf = at, .vendor = 0x1b36, .device = 0xc, .class = 0x060400,                     \
		.driver = "pcieport", .group = grp                                                 \
	}
#define NIC(at, port, grp)                                                                         \
	{                                                                                          \
		.bdf = at, .parent = port, .vendor = 0x8086, .device = 0x10c9, .class = 0x020000,  \
		.driver = "igb", .group = grp                                                      \
	}

static const struct fake_fn fns[] = {
	PORT("0000:00:01.0", 1),
	PORT("0000:00:02.0", 2),
	NIC(NIC1, "0000:00:01.0", 13),
	NIC(NIC2, "0000:00:02.0", 14),
};

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_vm_claim *claim; /* of the VM that runs */
	pid_t supervisor;	      /* a child that stands for its supervisor; 0: none */
	bool ends;		      /* it does when it is nudged */
	unsigned int nudges;
	struct berth_report report;
	struct berth_err err;
};

/* hi wants both, low and mid may be displaced, firm may not. */
static const char policy[] =
	"{ \"version\": 1,"
	" \"classes\": [ { \"name\": \"nic\", \"match\": { \"pci.class\": \"0200\" } } ],"
	" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
	" \"resource\": { \"class\": \"nic\" }, \"preempt\": \"lower\" } ],"
	" \"claims\": [ { \"vm\": \"hi\", \"priority\": 5, \"requests\": ["
	" { \"name\": \"n\", \"class\": \"nic\", \"count\": 2 } ] },"
	" { \"vm\": \"low\", \"preemptible\": true, \"priority\": 1, \"requests\": ["
	" { \"name\": \"n\", \"class\": \"nic\" } ] },"
	" { \"vm\": \"mid\", \"preemptible\": true, \"priority\": 2, \"requests\": ["
	" { \"name\": \"n\", \"class\": \"nic\" } ] } ] }\n";

static void be_in_proc(const struct fixture *f, pid_t pid, bool there)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (there)
		fake_host_file(f->fake, path,
			       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n",
			       (int)pid);
	else
		fake_host_remove(f->fake, path);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	fake_host_file(f->fake, "etc/policy.d/10.json", "%s", policy);
	be_in_proc(f, getpid(), true);
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	f->report = (struct berth_report)BERTH_REPORT_INIT;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->supervisor) {
		kill(f->supervisor, SIGKILL);
		waitpid(f->supervisor, NULL, 0);
	}
	berth_vm_claim_free(f->claim);
	berth_report_done(&f->report);
	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static struct berth_manager *open_manager(struct fixture *f, enum berth_manager_mode mode)
{
	struct berth_manager *m = NULL;

	if (berth_manager_open(&m, f->host, mode, NULL, &f->err) != 0)
		fail_msg("open: %s", f->err.text);
	return m;
}

static void assign(struct fixture *f, const char *vm, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	if (berth_manager_assign(m, vm, &dev, 1, false, NULL, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

/* @vm runs with @dev; a child is its supervisor. */
static void run(struct fixture *f, const char *vm, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	/* before there is a lock that it would inherit */
	f->supervisor = fork();
	assert_true(f->supervisor >= 0);
	if (f->supervisor == 0) {
		alarm(100);
		pause();
		_exit(0);
	}
	be_in_proc(f, f->supervisor, true);
	m = open_manager(f, BERTH_MANAGER_CHANGE);
	if (berth_manager_claim(m, vm, &dev, 1, f->supervisor, &f->claim, NULL, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

/* What a supervisor does at the end of its VM. */
static void end(struct fixture *f)
{
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_CHANGE);

	for (size_t i = 0; i < f->claim->nr_devs; i++)
		f->claim->devs[i].reset.proven = true;
	assert_int_equal(berth_manager_unclaim(m, f->claim, NULL, &f->err), 0);
	berth_manager_close(m);
	be_in_proc(f, f->supervisor, false);
	kill(f->supervisor, SIGKILL);
	waitpid(f->supervisor, NULL, 0);
	f->supervisor = 0;
}

static void asked(void *arg, const char *vm)
{
	struct fixture *f = arg;

	(void)vm;
	f->nudges++;
	if (f->ends)
		end(f);
}

static int displace(struct fixture *f, const char *vm, unsigned int wait_ms)
{
	const struct berth_displace_how how = { .asked = asked, .arg = f, .wait_ms = wait_ms };

	berth_err_clear(&f->err);
	return berth_displace_assign(f->host, vm, &how, &f->report, &f->err);
}

static bool reported(const struct fixture *f, const char *what)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], what))
			return true;
	}
	return false;
}

/* Who has the device, as the ledger says without repairing anything; "" nobody, "?" when he is asked to let go. */
static const char *owner(struct fixture *f, const char *bdf)
{
	static char vm[80];
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_assignment_list live;

	assert_int_equal(berth_ledger_find(m->ledger, &(struct berth_ledger_query){ .bdf = bdf },
					   &live, NULL),
			 0);
	snprintf(vm, sizeof(vm), "%s%s", live.nr ? live.items[0].vm : "",
		 live.nr && live.items[0].evict ? "?" : "");
	berth_assignment_list_free(&live);
	return vm;
}

static size_t queued(struct fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_queue queue;
	size_t nr;

	assert_int_equal(berth_queue_read(m->ledger, &queue, NULL), 0);
	nr = queue.nr;
	berth_queue_free(&queue);
	return nr;
}

static size_t audited(struct fixture *f, const char *verb)
{
	BERTH_CLEANUP(berth_manager_closep)
	struct berth_manager *m = open_manager(f, BERTH_MANAGER_READ);
	struct berth_audit_list list;
	size_t nr = 0;

	assert_int_equal(berth_audit_find(m->ledger, &(struct berth_audit_query){ 0 }, &list, NULL),
			 0);
	for (size_t i = 0; i < list.nr; i++)
		nr += strcmp(list.items[i].verb, verb) == 0;
	berth_audit_list_free(&list);
	return nr;
}

/* --- it works --- */

static void who_is_idle_goes_and_the_claim_is_served(void **state)
{
	struct fixture *f = *state;

	assign(f, "low", NIC2);
	if (displace(f, "hi", 0) != 0)
		fail_msg("%s", f->err.text);
	assert_true(reported(f, "VM low is asked to let go: VM hi (priority 5) needs what it has"));
	assert_string_equal(owner(f, NIC1), "hi");
	assert_string_equal(owner(f, NIC2), "hi");
	assert_int_equal(audited(f, "preempt"), 1);
	assert_int_equal(queued(f), 0);
	assert_int_equal(f->nudges, 0);
}

static void who_runs_is_waited_for(void **state)
{
	struct fixture *f = *state;

	assign(f, "mid", NIC1);
	run(f, "low", NIC2);
	f->ends = true;
	if (displace(f, "hi", 20000) != 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(f->nudges, 1);
	assert_string_equal(owner(f, NIC1), "hi");
	assert_string_equal(owner(f, NIC2), "hi");
	assert_int_equal(queued(f), 0);
}

static void room_can_be_made_without_taking_it(void **state)
{
	struct fixture *f = *state;
	const struct berth_displace_how how = { 0 };
	struct berth_claimed got = { 0 };

	assign(f, "low", NIC2);
	assert_int_equal(berth_displace_make_room(f->host, "hi", &how, &got, &f->report, &f->err),
			 0);
	assert_int_equal(got.nr, 2);
	assert_int_equal(got.nr_victims, 0);
	berth_claimed_done(&got);
	assert_string_equal(owner(f, NIC2), "");
	assert_string_equal(fake_host_driver(f->fake, NIC2), "igb");
	assert_int_equal(queued(f), 0);
}

static void what_is_free_is_simply_taken(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(displace(f, "hi", 0), 0);
	assert_string_equal(owner(f, NIC1), "hi");
	assert_int_equal(audited(f, "preempt"), 0);
}

/* --- it does not --- */

static void nobody_goes_for_a_claim_that_would_still_not_fit(void **state)
{
	struct fixture *f = *state;

	assign(f, "low", NIC2);
	assign(f, "firm", NIC1);
	assert_int_equal(displace(f, "hi", 0), BERTH_REFUSED);
	assert_string_equal(owner(f, NIC2), "low");
	assert_int_equal(audited(f, "preempt"), 0);
	assert_int_equal(displace(f, "nobody", 0), -ENOENT);
}

/* Somebody more important waits for it, and would get what low lets go of. */
static void nobody_goes_for_who_would_not_be_next(void **state)
{
	struct fixture *f = *state;
	struct berth_manager *m;
	struct berth_assignment_list live;
	struct berth_queue_entry e = { .vm = (char[]){ "first" },
				       .priority = 6,
				       .request = (char[]){ NIC2 },
				       .pid = getpid(),
				       .pid_start = 4711 };
	int64_t id;

	assign(f, "low", NIC2);
	m = open_manager(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_ledger_find(m->ledger, &(struct berth_ledger_query){ .bdf = NIC2 },
					   &live, NULL),
			 0);
	e.boot_id = m->host->boot_id;
	e.groups = &live.items[0].group;
	e.nr_groups = 1;
	assert_int_equal(berth_queue_put(m->ledger, &e, &id, &f->err), 0);
	berth_assignment_list_free(&live);
	berth_manager_close(m);
	assert_int_equal(displace(f, "hi", 0), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "VM first waits for it with priority 6"));
	assert_string_equal(owner(f, NIC2), "low");
	assert_int_equal(queued(f), 1);
}

static void who_does_not_end_is_named(void **state)
{
	struct fixture *f = *state;

	run(f, "low", NIC2);
	assert_int_equal(displace(f, "hi", 100), -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "VM low was asked to let go for hi and has not ended"));
	assert_int_equal(f->nudges, 1);
	assert_int_equal(queued(f), 0);
	assert_string_equal(owner(f, NIC2), "low?");
	/* it ends later, and nothing of it stays */
	end(f);
	assert_string_equal(owner(f, NIC2), "");
	assert_string_equal(fake_host_driver(f->fake, NIC2), "igb");
}

static void a_look_says_who_would_go(void **state)
{
	struct fixture *f = *state;
	struct berth_manager *m;

	assign(f, "low", NIC2);
	m = open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_displace_look(m, "hi", &f->report, &f->err), 0);
	berth_manager_close(m);
	assert_true(reported(f, NIC2 ": VM low (priority 1) lets go of it for VM hi"));
	assert_true(reported(f, NIC1 ": then it is VM hi's"));
	assert_string_equal(owner(f, NIC2), "low");
}

/* --- it dies --- */

static void dies(void *arg, const char *vm)
{
	(void)arg, (void)vm;
	_exit(FAKE_KILLED);
}

/* In a process of its own, which is killed at kernel write @at, or with 0 between the phases. Return: its exit status. */
static int displace_and_die(struct fixture *f, unsigned int at)
{
	const struct berth_displace_how how = { .asked = dies, .arg = f };
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		be_in_proc(f, getpid(), true);
		f->fake->writes = 0;
		f->fake->fault = (struct fake_fault){ FAKE_FAULT_KILL_BEFORE, at };
		_exit(berth_displace_assign(f->host, "hi", &how, NULL, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	be_in_proc(f, pid, false);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void between_the_phases_the_victim_is_asked_and_nothing_is_half_done(void **state)
{
	struct fixture *f = *state;

	run(f, "low", NIC2);
	assert_int_equal(displace_and_die(f, 0), FAKE_KILLED);
	assert_string_equal(owner(f, NIC2), "low?");
	berth_manager_close(open_manager(f, BERTH_MANAGER_CHANGE));
	assert_int_equal(queued(f), 0); /* nobody waits for the dead */
	assert_string_equal(owner(f, NIC2), "low?");
	assert_string_equal(owner(f, NIC1), "");
	end(f);
	assert_string_equal(owner(f, NIC2), "");
	assert_string_equal(fake_host_driver(f->fake, NIC2), "igb");
}

static void at_every_write_the_next_verb_leaves_all_with_the_host_or_with_hi(void **state)
{
	unsigned int at = 1;

	(void)state;
	for (;; at++) {
		struct fixture *f;
		void *fixture;
		int status;

		set_up(&fixture);
		f = fixture;
		assign(f, "low", NIC2);
		status = displace_and_die(f, at);
		berth_manager_close(open_manager(f, BERTH_MANAGER_CHANGE));
		assert_int_equal(queued(f), 0);
		assert_true(strcmp(owner(f, NIC2), "low") && strcmp(owner(f, NIC2), "low?"));
		assert_string_equal(fake_host_driver(f->fake, NIC2),
				    *owner(f, NIC2) ? "vfio-pci" : "igb");
		assert_string_equal(fake_host_driver(f->fake, NIC1),
				    *owner(f, NIC1) ? "vfio-pci" : "igb");
		tear_down(&fixture);
		if (status != FAKE_KILLED)
			break;
	}
	assert_true(at > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(who_is_idle_goes_and_the_claim_is_served),
		T(who_runs_is_waited_for),
		T(room_can_be_made_without_taking_it),
		T(what_is_free_is_simply_taken),
		T(nobody_goes_for_a_claim_that_would_still_not_fit),
		T(nobody_goes_for_who_would_not_be_next),
		T(who_does_not_end_is_named),
		T(a_look_says_who_would_go),
		T(between_the_phases_the_victim_is_asked_and_nothing_is_half_done),
		cmocka_unit_test(at_every_write_the_next_verb_leaves_all_with_the_host_or_with_hi),
#undef T
	};

	return cmocka_run_group_tests_name("manager/displace", tests, NULL, NULL);
}
