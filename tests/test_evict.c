/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking devices back, by a taint or by hand, on a host whose kernel answers.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/claim.h"
#include "manager/context.h"
#include "manager/evict.h"
#include "manager/manager.h"
#include "manager/recover.h"
#include "manager/report.h"
#include "manager/status.h"
#include "manager/taint.h"
#include "policy/audit.h"
#include "policy/lease.h"
#include "tests/lib/fake_pci.h"

#define NIC "0000:01:00.0"
#define GPU "0000:02:00.0"

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

/* t2 bears with what is hot. */
static const char policy[] =
	"{ \"version\": 1, \"classes\": [ { \"name\": \"nic\", \"match\": { \"pci.class\": \"0200\" } } ],"
	" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
	" \"resource\": { \"match\": { \"any_device\": true } } } ],"
	" \"claims\": [ { \"vm\": \"t2\", \"tolerate\": [ \"hot\" ], \"requests\": ["
	" { \"name\": \"n\", \"class\": \"nic\" } ] } ] }\n";

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_manager *m;
	struct berth_vm_claim *claim;
	struct berth_report report; /* of the last verb */
	struct berth_err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[64];

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	fake_host_file(f->fake, "etc/policy.d/10.json", "%s", policy);
	/* /proc/PID/stat of this process, as the fake host has it */
	snprintf(path, sizeof(path), "proc/%d/stat", (int)getpid());
	fake_host_file(f->fake, path,
		       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n",
		       (int)getpid());
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_vm_claim_free(f->claim);
	berth_report_done(&f->report);
	berth_manager_close(f->m);
	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

/* --- verbs --- */

static void open_manager(struct fixture *f, enum berth_manager_mode mode)
{
	berth_manager_close(f->m);
	f->m = NULL;
	berth_report_done(&f->report);
	f->report = (struct berth_report)BERTH_REPORT_INIT;
	berth_err_clear(&f->err);
	if (berth_manager_open(&f->m, f->host, mode, &f->report, &f->err) != 0)
		fail_msg("open: %s", f->err.text);
}

static void assign(struct fixture *f, const char *vm)
{
	const char *devs[] = { NIC, GPU };

	open_manager(f, BERTH_MANAGER_CHANGE);
	if (berth_manager_assign(f->m, vm, devs, 2, false, &f->report, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

/* @vm runs from now on; this process is its supervisor. */
static void run(struct fixture *f, const char *vm, const char *dev)
{
	open_manager(f, BERTH_MANAGER_CHANGE);
	if (berth_manager_claim(f->m, vm, &dev, 1, getpid(), &f->claim, &f->report, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

/* And now it has ended. */
static void end(struct fixture *f)
{
	for (size_t i = 0; i < f->claim->nr_devs; i++)
		f->claim->devs[i].reset.proven = true;
	open_manager(f, BERTH_MANAGER_CHANGE);
	if (berth_manager_unclaim(f->m, f->claim, &f->report, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

static int taint(struct fixture *f, const char *dev, const char *word,
		 enum berth_taint_effect effect, bool dry_run)
{
	const struct berth_taint_how how = {
		.taint = word, .effect = effect, .reason = "90 C", .dry_run = dry_run
	};

	open_manager(f, dry_run ? BERTH_MANAGER_READ : BERTH_MANAGER_CHANGE);
	return berth_manager_taint(f->m, dev, &how, &f->report, &f->err);
}

static int untaint(struct fixture *f, const char *dev, const char *word)
{
	const struct berth_taint_how how = { .taint = word };

	open_manager(f, BERTH_MANAGER_CHANGE);
	return berth_manager_untaint(f->m, dev, &how, &f->report, &f->err);
}

static bool reported(const struct fixture *f, const char *what)
{
	for (size_t i = 0; i < f->report.nr; i++) {
		if (strstr(f->report.lines[i], what))
			return true;
	}
	return false;
}

/* Why the owner of @group is asked to let go; "" it is not; NULL nobody owns it. Static text. */
static const char *asked(struct fixture *f, const char *bdf)
{
	static char why[200];
	struct berth_assignment_list live;
	const char *ret = NULL;

	open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_ledger_find(f->m->ledger, &(struct berth_ledger_query){ .bdf = bdf },
					   &live, NULL),
			 0);
	if (live.nr) {
		snprintf(why, sizeof(why), "%s", live.items[0].evict ? live.items[0].evict : "");
		ret = why;
	}
	berth_assignment_list_free(&live);
	return ret;
}

static size_t audited(struct fixture *f, const char *verb, const char *before, const char *after)
{
	struct berth_audit_list list;
	size_t nr = 0;

	open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(
		berth_audit_find(f->m->ledger, &(struct berth_audit_query){ 0 }, &list, NULL), 0);
	for (size_t i = 0; i < list.nr; i++)
		nr += strcmp(list.items[i].verb, verb) == 0 && list.items[i].before &&
		      strcmp(list.items[i].before, before) == 0 && list.items[i].after &&
		      strcmp(list.items[i].after, after) == 0;
	berth_audit_list_free(&list);
	return nr;
}

/* --- idle --- */

static void what_no_vm_uses_goes_back_at_once_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	assign(f, "t1");
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_true(reported(f, "t1 is asked to let go of it"));
	assert_true(reported(f, "given back to the host: tainted 'hot': 90 C"));
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
	assert_string_equal(fake_host_driver(f->fake, GPU), "vfio-pci");
	assert_null(asked(f, NIC));
	assert_string_equal(asked(f, GPU), "");
	assert_int_equal(audited(f, "taint", "assigned", "asked to let go"), 1);
	assert_int_equal(audited(f, "release", "returning", "host"), 1);
}

static void a_dry_run_says_so_and_does_nothing(void **state)
{
	struct fixture *f = *state;

	assign(f, "t1");
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, true), 0);
	assert_true(reported(f, "t1 is asked to let go of it"));
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_string_equal(asked(f, NIC), "");
}

static void other_effects_ask_nobody(void **state)
{
	struct fixture *f = *state;

	assign(f, "t1");
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_NO_NEW, false), 0);
	assert_int_equal(taint(f, NIC, "warm", BERTH_TAINT_REPORT, false), 0);
	assert_string_equal(asked(f, NIC), "");
}

static void who_tolerates_it_keeps_it(void **state)
{
	struct fixture *f = *state;

	assign(f, "t2");
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, true), 0);
	assert_false(reported(f, "asked to let go"));
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_string_equal(asked(f, NIC), "");
	assert_int_equal(taint(f, NIC, "burning", BERTH_TAINT_EVICT, false), 0);
	assert_null(asked(f, NIC));
}

/* Whoever asked died right after it had been written down. */
static void the_next_verb_gives_back_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct berth_assignment_list live;

	assign(f, "t1");
	assert_int_equal(berth_ledger_find(f->m->ledger, &(struct berth_ledger_query){ .bdf = GPU },
					   &live, NULL),
			 0);
	assert_int_equal(berth_ledger_begin(f->m->ledger, NULL), 0);
	assert_int_equal(berth_evict_ask(f->m, &live.items[0], "preempt", "t9 needs it", NULL), 0);
	assert_int_equal(berth_ledger_commit(f->m->ledger, NULL), 0);
	berth_assignment_list_free(&live);
	open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_recover_look(f->m, &f->report, NULL), 0);
	assert_true(reported(f, GPU ": t1 is asked to let go of it (t9 needs it)"));
	assert_string_equal(fake_host_driver(f->fake, GPU), "vfio-pci");
	open_manager(f, BERTH_MANAGER_CHANGE);
	assert_string_equal(fake_host_driver(f->fake, GPU), "bochs-drm");
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_int_equal(audited(f, "preempt", "assigned", "asked to let go"), 1);
}

/* --- running --- */

static void a_running_vm_hears_of_it_and_keeps_it_until_it_ends(void **state)
{
	struct fixture *f = *state;
	struct berth_assignment_list running;
	struct berth_lease lease;
	struct berth_status s;

	assign(f, "t1");
	run(f, "t1", NIC);
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, true), 0);
	assert_true(reported(f, "t1 is asked to let go of it: it is stopped"));
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	assert_int_equal(berth_evict_running(f->m, &running, NULL), 0);
	assert_int_equal(running.nr, 1);
	assert_string_equal(running.items[0].vm, "t1");
	berth_assignment_list_free(&running);
	assert_int_equal(berth_status_read(f->m, &s, NULL), 0);
	assert_string_equal(s.rows[0].note, "asked to let go: tainted 'hot': 90 C");
	berth_status_done(&s);
	assert_int_equal(berth_lease_soonest(f->m->ledger, f->claim->assignments,
					     f->claim->nr_groups, &lease, NULL),
			 0);
	assert_true(lease.evicted);
	assert_int_equal(lease.on_expiry, BERTH_EXPIRY_SHUTDOWN);
	assert_string_equal(lease.rule, "tainted 'hot': 90 C");
	assert_int_equal(lease.grace, 0);
	berth_lease_done(&lease);
	/* assigned before, it would stay so */
	end(f);
	assert_string_equal(fake_host_driver(f->fake, NIC), "igb");
	assert_string_equal(fake_host_driver(f->fake, GPU), "vfio-pci");
	assert_null(asked(f, NIC));
}

static void who_is_asked_comes_before_every_lease(void **state)
{
	struct fixture *f = *state;
	const char *devs[] = { NIC, GPU };
	struct berth_assignment_list live;
	/* over long since, and only told of */
	struct berth_lease lease = { .vm = (char[]){ "t1" }, .start = 1, .end = 2 };

	open_manager(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_assign(f->m, "t1", devs, 1, false, NULL, NULL), 0);
	assert_int_equal(berth_ledger_find(f->m->ledger, &(struct berth_ledger_query){ .bdf = NIC },
					   &live, NULL),
			 0);
	lease.claim = live.items[0].claim;
	berth_assignment_list_free(&live);
	assert_int_equal(berth_lease_grant(f->m->ledger, &lease, NULL), 0);
	assign(f, "t1");
	open_manager(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_claim(f->m, "t1", devs, 2, getpid(), &f->claim, NULL, NULL),
			 0);
	assert_int_equal(taint(f, GPU, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_int_equal(berth_lease_soonest(f->m->ledger, f->claim->assignments,
					     f->claim->nr_groups, &lease, NULL),
			 0);
	assert_true(lease.evicted);
	berth_lease_done(&lease);
	/* only the GPU is asked for */
	assert_int_equal(berth_evict_running(f->m, &live, NULL), 0);
	assert_int_equal(live.nr, 1);
	assert_string_equal(live.items[0].members[0].bdf, GPU);
	berth_assignment_list_free(&live);
	/* the NIC by itself has its own */
	open_manager(f, BERTH_MANAGER_READ);
	assert_int_equal(berth_ledger_find(f->m->ledger, &(struct berth_ledger_query){ .bdf = NIC },
					   &live, NULL),
			 0);
	assert_int_equal(berth_lease_soonest(f->m->ledger, &live.items[0].id, 1, &lease, NULL), 0);
	assert_false(lease.evicted);
	berth_lease_done(&lease);
	berth_assignment_list_free(&live);
}

static void untaint_takes_the_question_back(void **state)
{
	struct fixture *f = *state;

	run(f, "t1", NIC);
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_int_equal(taint(f, NIC, "wet", BERTH_TAINT_EVICT, false), 0);
	assert_int_equal(untaint(f, NIC, "hot"), 0);
	assert_string_not_equal(asked(f, NIC), ""); /* it is wet still */
	assert_int_equal(untaint(f, NIC, NULL), 0);
	assert_true(reported(f, "t1 may keep it"));
	assert_string_equal(asked(f, NIC), "");
	assert_int_equal(audited(f, "untaint", "asked to let go", "in-use"), 1);
	/* a weaker one in its place does the same */
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_NO_NEW, false), 0);
	assert_string_equal(asked(f, NIC), "");
}

/* What was asked for something else is nobody's to take back by a taint. */
static void untaint_leaves_other_questions(void **state)
{
	struct fixture *f = *state;
	struct berth_assignment_list live;

	run(f, "t1", NIC);
	assert_int_equal(berth_ledger_find(f->m->ledger, &(struct berth_ledger_query){ .bdf = NIC },
					   &live, NULL),
			 0);
	assert_int_equal(
		berth_ledger_set_evict(f->m->ledger, live.items[0].id, "t9 needs it", NULL), 0);
	berth_assignment_list_free(&live);
	assert_int_equal(taint(f, NIC, "hot", BERTH_TAINT_EVICT, false), 0);
	assert_int_equal(untaint(f, NIC, "hot"), 0);
	assert_string_equal(asked(f, NIC), "t9 needs it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(what_no_vm_uses_goes_back_at_once_and_nothing_else),
		T(a_dry_run_says_so_and_does_nothing),
		T(other_effects_ask_nobody),
		T(who_tolerates_it_keeps_it),
		T(the_next_verb_gives_back_what_was_asked_for),
		T(a_running_vm_hears_of_it_and_keeps_it_until_it_ends),
		T(who_is_asked_comes_before_every_lease),
		T(untaint_takes_the_question_back),
		T(untaint_leaves_other_questions),
#undef T
	};

	return cmocka_run_group_tests_name("manager/evict", tests, NULL, NULL);
}
