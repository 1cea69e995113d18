/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/vm_loop_fixture.h"
#include "tools/vm_lease.h"

/* The ledger of this test: one lease, or none. */
struct ledger {
	struct berth_lease lease;
	int r, reads;
};

static int read_lease(void *arg, struct berth_lease *ret)
{
	struct ledger *l = arg;

	l->reads++;
	*ret = l->lease;
	return l->r;
}

static int setup(void **state)
{
	static struct ledger l;

	l = (struct ledger){ .lease = { .start = 10000,
					.end = 20000,
					.grace = 600,
					.on_expiry = BERTH_EXPIRY_SHUTDOWN } };
	*state = &l;
	return 0;
}

static void it_warns_ends_and_stops_once_each(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };

	assert_int_equal(berth_vm_lease_tick(&v, 10001), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 19699), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 19700), BERTH_VM_LEASE_WARN);
	assert_int_equal(berth_vm_lease_tick(&v, 19701), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
	assert_int_equal(berth_vm_lease_tick(&v, 20599), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_STOP);
	assert_int_equal(berth_vm_lease_tick(&v, 30000), BERTH_VM_LEASE_NOTHING);
}

static void only_shutdown_stops(void **state)
{
	static const enum berth_expiry actions[] = { BERTH_EXPIRY_NOTIFY, BERTH_EXPIRY_DETACH };
	struct ledger *l = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(actions); i++) {
		struct berth_vm_lease v = { .read = read_lease, .arg = l };

		l->lease.on_expiry = actions[i];
		assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
		assert_int_equal(berth_vm_lease_tick(&v, 99999), BERTH_VM_LEASE_NOTHING);
	}
}

/* What was renewed just before is not acted on, however long ago the old end was read. */
static void a_renewed_lease_begins_again(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
	l->lease.end = 40000;
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 39800), BERTH_VM_LEASE_WARN);
	l->lease.end = 39810;
	assert_int_equal(berth_vm_lease_tick(&v, 39805), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 39900), BERTH_VM_LEASE_ENDED);
}

static void it_looks_again_within_a_minute(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	l->r = BERTH_ABSENT;
	assert_int_equal(berth_vm_lease_wait(&v, 10000), 0);
	assert_int_equal(berth_vm_lease_tick(&v, 10000), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(l->reads, 1);
	assert_int_equal(berth_vm_lease_wait(&v, 10000), 60000);
	assert_int_equal(berth_vm_lease_tick(&v, 10059), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(l->reads, 1);
	l->r = 0; /* it has got one */
	assert_int_equal(berth_vm_lease_tick(&v, 10060), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(v.end, 20000);
	assert_int_equal(berth_vm_lease_tick(&v, 19690), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_wait(&v, 19690), 10000);
}

static void a_ledger_that_cannot_be_read_leaves_the_last_word(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	assert_int_equal(berth_vm_lease_tick(&v, 10001), BERTH_VM_LEASE_NOTHING);
	l->r = -EIO;
	l->lease.end = 1;
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_STOP);
}

static void a_short_lease_warns_at_half_of_it(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	l->lease.end = 10100;
	assert_int_equal(berth_vm_lease_tick(&v, 10049), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 10050), BERTH_VM_LEASE_WARN);
}

/* Whatever its lease says, and once. */
static void who_is_asked_to_let_go_is_stopped_at_once(void **state)
{
	struct ledger *l = *state;
	struct berth_vm_lease v = { .read = read_lease, .arg = l };

	assert_int_equal(berth_vm_lease_tick(&v, 15000), BERTH_VM_LEASE_NOTHING);
	assert_string_equal(v.evict, "");
	l->lease = (struct berth_lease){ .start = 14999,
					 .end = 15000,
					 .on_expiry = BERTH_EXPIRY_SHUTDOWN,
					 .evicted = true,
					 .rule = strdup("tainted 'hot'") };
	/* nobody nudges: within a minute */
	assert_int_equal(berth_vm_lease_tick(&v, 15001), BERTH_VM_LEASE_NOTHING);
	v.look_at = 0;
	assert_int_equal(berth_vm_lease_tick(&v, 15002), BERTH_VM_LEASE_STOP);
	assert_string_equal(v.evict, "tainted 'hot'");
	l->lease.rule = NULL; /* was freed */
	assert_int_equal(berth_vm_lease_tick(&v, 15003), BERTH_VM_LEASE_NOTHING);
}

/* --- what the loop does about it --- */

/* The ledger: what is read the first time, and from then on. */
struct two_leases {
	struct berth_lease first, then;
	int reads;
};

static int read_two(void *arg, struct berth_lease *ret)
{
	struct two_leases *l = arg;

	*ret = l->reads++ ? l->then : l->first;
	return 0;
}

static struct berth_lease ending_in(int64_t seconds, int64_t grace, enum berth_expiry on_expiry)
{
	int64_t now = (int64_t)time(NULL);

	return (struct berth_lease){
		.start = now - 10000, .end = now + seconds, .grace = grace, .on_expiry = on_expiry
	};
}

/* Run with such leases. What was logged is in @log. */
static void run_leased(struct loop_fixture *f, struct two_leases leases,
		       void (*vmm)(int control, int console), char log[4096])
{
	struct berth_vm_lease lease = { .read = read_two, .arg = &leases };
	int saved = dup(STDERR_FILENO), out[2];
	ssize_t n;

	f->config.lease = &lease;
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	dup2(out[1], STDERR_FILENO);
	loop_run(f, vmm);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(out[0], log, 4095);
	log[n > 0 ? n : 0] = '\0';
	close(out[0]);
	close(out[1]);
}

/* Ends by itself after @ms; asked to stop before that, it stops, unless that is too early. */
static void wait_for_stop(int control, int too_early_ms, int ms)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	int64_t start;

	loop_start_up(control);
	start = loop_now_ms();
	if (poll(&p, 1, ms) == 0)
		loop_end(control, BERTH_ENDED_POWEROFF, "");
	loop_expect(control, BERTH_CONTROL_STOP);
	if (loop_now_ms() - start < too_early_ms)
		_exit(8);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void lives_a_while(int control, int console)
{
	(void)console;
	wait_for_stop(control, 0, 500);
}

static void lives_longer(int control, int console)
{
	(void)console;
	wait_for_stop(control, 0, 2500);
}

static void is_stopped_after_a_second(int control, int console)
{
	(void)console;
	wait_for_stop(control, 900, 20000);
}

static void the_end_of_a_lease_is_told_and_the_vm_goes_on(void **state)
{
	static const enum berth_expiry actions[] = { BERTH_EXPIRY_NOTIFY, BERTH_EXPIRY_DETACH };
	struct loop_fixture *f = *state;
	char log[4096];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(actions); i++) {
		struct berth_lease over = ending_in(-1, 0, actions[i]);

		run_leased(f, (struct two_leases){ over, over, 0 }, lives_a_while, log);
		assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
		assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
		assert_non_null(strstr(log, "VM t1: the lease of its devices ended"));
		assert_ptr_equal(strstr(strstr(log, "lease") + 1, "lease"), NULL); /* once */
		berth_vm_loop_free(f->loop, "ok");
		f->loop = NULL;
		berth_console_done(&f->console);
		berth_vm_process_done(&f->process);
	}
}

static void a_lease_that_ends_soon_is_warned_of(void **state)
{
	struct loop_fixture *f = *state;
	struct berth_lease soon = ending_in(100, 0, BERTH_EXPIRY_SHUTDOWN);
	char log[4096];

	run_leased(f, (struct two_leases){ soon, soon, 0 }, lives_a_while, log);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_non_null(strstr(log, "VM t1: the lease of its devices is until "));
}

static void with_shutdown_it_stops_the_vm(void **state)
{
	struct loop_fixture *f = *state;
	struct berth_lease over = ending_in(1, 0, BERTH_EXPIRY_SHUTDOWN);
	char log[4096];

	run_leased(f, (struct two_leases){ over, over, 0 }, lives_longer, log);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_LEASE);
	assert_true(f->end.said);
	assert_int_equal(f->end.ended.outcome, BERTH_ENDED_STOPPED);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -ETIMEDOUT);
	assert_non_null(strstr(f->err.text, "the lease of its devices ended"));
}

static void but_not_before_its_grace_is_over(void **state)
{
	struct loop_fixture *f = *state;
	struct berth_lease over = ending_in(0, 2, BERTH_EXPIRY_SHUTDOWN);
	char log[4096];

	run_leased(f, (struct two_leases){ over, over, 0 }, is_stopped_after_a_second, log);
	assert_int_equal(f->end.status, 0);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_LEASE);
	assert_non_null(strstr(log, "VM t1: the lease of its devices ended"));
}

static void nor_when_it_has_been_renewed(void **state)
{
	struct loop_fixture *f = *state;
	char log[4096];

	run_leased(f,
		   (struct two_leases){ ending_in(1, 0, BERTH_EXPIRY_SHUTDOWN),
					ending_in(10000, 0, BERTH_EXPIRY_SHUTDOWN), 0 },
		   lives_longer, log);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_int_equal(f->end.ended.outcome, BERTH_ENDED_POWEROFF);
	assert_null(strstr(log, "ended"));
}

int main(void)
{
#define IN_LOOP(t) cmocka_unit_test_setup_teardown(t, loop_set_up, loop_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_warns_ends_and_stops_once_each, setup),
		cmocka_unit_test_setup(only_shutdown_stops, setup),
		cmocka_unit_test_setup(a_renewed_lease_begins_again, setup),
		cmocka_unit_test_setup(it_looks_again_within_a_minute, setup),
		cmocka_unit_test_setup(a_ledger_that_cannot_be_read_leaves_the_last_word, setup),
		cmocka_unit_test_setup(a_short_lease_warns_at_half_of_it, setup),
		cmocka_unit_test_setup(who_is_asked_to_let_go_is_stopped_at_once, setup),
		IN_LOOP(the_end_of_a_lease_is_told_and_the_vm_goes_on),
		IN_LOOP(a_lease_that_ends_soon_is_warned_of),
		IN_LOOP(with_shutdown_it_stops_the_vm),
		IN_LOOP(but_not_before_its_grace_is_over),
		IN_LOOP(nor_when_it_has_been_renewed),
	};

	return cmocka_run_group_tests_name("tools/vm_lease", tests, NULL, NULL);
}
