/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reset through VFIO that does not return: it costs its own group, for as long as the kernel takes. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "iommu/ioas.h"
#include "manager/assign.h"
#include "manager/busy.h"
#include "manager/claim.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/status.h"
#include "manager/take.h"
#include "policy/ledger.h"
#include "tests/lib/fake_pci.h"
#include "vfio/inventory.h"

#define NIC "0000:01:00.0"
#define SAS "0000:02:00.0"

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
	{ .bdf = SAS,
	  .vendor = 0x1b36,
	  .device = 0x0010,
	  .class = 0x010700,
	  .driver = "mpt3sas",
	  .group = 14 },
};

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_err err;
};

static bool hangs; /* the kernel, for whoever opens the SAS */

int __wrap_berth_ioas_choose(enum berth_ioas_want want, const struct berth_host *host,
			     const struct berth_bdf *at, size_t nr, bool p2p,
			     enum berth_ioas_kind *ret, struct berth_err *err);
int __wrap_berth_ioas_choose(enum berth_ioas_want want, const struct berth_host *host,
			     const struct berth_bdf *at, size_t nr, bool p2p,
			     enum berth_ioas_kind *ret, struct berth_err *err)
{
	(void)want, (void)host, (void)nr, (void)p2p, (void)ret;
	while (hangs && at[0].bus == 2)
		pause();
	return berth_err_set(err, -ENODEV, "this kernel has no VFIO");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	hangs = true;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static struct berth_manager *open_manager(struct fixture *f)
{
	struct berth_manager *m = NULL;

	berth_err_clear(&f->err);
	if (berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err) != 0)
		fail_msg("open: %s", f->err.text);
	m->reset_ms = 300;
	return m;
}

static int assign(struct fixture *f, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = open_manager(f);

	return berth_manager_assign(m, "t1", &dev, 1, false, NULL, &f->err);
}

static int release(struct fixture *f, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = open_manager(f);
	struct berth_release_how how = { 0 };

	return berth_manager_release(m, NULL, &dev, 1, how, NULL, &f->err);
}

/* A verb that has ended: @verb's process, whose answer must be -ETIMEDOUT with @words. */
static void expect_timeout(struct fixture *f, int (*verb)(struct fixture *f), const char *words)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(verb(f) == -ETIMEDOUT && strstr(f->err.text, words) ? 7 : 8);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static int release_sas(struct fixture *f)
{
	return release(f, SAS);
}

/* The VM's user has died, and a verb finds that out. */
static int use_ends(struct fixture *f)
{
	static const enum berth_owned_event events[] = { BERTH_ON_START, BERTH_ON_USER_GONE,
							 BERTH_ON_CLOSED };
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = open_manager(f);
	struct berth_assignment_list live;
	int r = 0;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(events) && r == 0; i++) {
		assert_int_equal(berth_owner_all(m, &live, NULL), 0);
		r = berth_take_mark(m, &live.items[0], events[i], "test", NULL, NULL);
		berth_assignment_list_free(&live);
	}
	assert_int_equal(berth_owner_all(m, &live, NULL), 0);
	if (r == 0)
		r = berth_release_used(m, &live.items[0], NULL, "test", NULL, &f->err);
	berth_assignment_list_free(&live);
	return r;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The process in the kernel, by the mark that it keeps; 0: nobody. */
static pid_t child_of(struct fixture *f, struct berth_busy_look *look)
{
	for (int64_t id = 1; id < 10; id++) {
		if (berth_busy_look_at(f->host, id, look))
			return look->child;
	}
	return 0;
}

static void expect_state(struct fixture *f, const char *want, const char *words)
{
	struct berth_manager *m = NULL;
	struct berth_status s;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_string_equal(s.nr ? s.rows[0].state : "", want);
	if (s.nr && !strstr(s.rows[0].note, words))
		fail_msg("'%s' is not in: %s", words, s.rows[0].note);
	berth_status_done(&s);
	berth_manager_close(m);
}

/* Reading what the kernel's locks are about would hang, too: a FIFO without a writer. */
static void reading_hangs(struct fixture *f, bool on)
{
	static const char *const names[] = { "config", "driver_override" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		char path[160], kept[200];

		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/" SAS "/%s", f->fake->root,
			 names[i]);
		snprintf(kept, sizeof(kept), "%s.kept", path);
		if (on) {
			assert_int_equal(rename(path, kept), 0);
			assert_int_equal(mkfifo(path, 0600), 0);
		} else {
			assert_int_equal(rename(kept, path), 0);
		}
	}
	alarm(on ? 60 : 0);
}

/* The kernel answers: the child's process ends. */
static void kernel_returns(struct fixture *f)
{
	struct berth_busy_look look;
	pid_t child = child_of(f, &look);

	assert_true(child > 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	for (int i = 0; i < 200 && child_of(f, &look); i++)
		usleep(10000);
	assert_int_equal(child_of(f, &look), 0);
	hangs = false;
}

static void release_ends_at_the_deadline_and_the_rest_goes_on(void **state)
{
	struct fixture *f = *state;
	long long start;

	assert_int_equal(assign(f, SAS), 0);
	start = now_ms();
	expect_timeout(f, release_sas, SAS ": no reset: no answer from the kernel");
	assert_true(now_ms() - start < 5000);
	reading_hangs(f, true);
	/* Neither is it reset in another way meanwhile, nor given back. */
	assert_string_equal(fake_host_driver(f->fake, SAS), "vfio-pci");
	expect_state(f, "stuck", ": resetting " SAS " through VFIO (process ");
	sleep(3); /* older than what a verb waits for on the way */
	start = now_ms();
	assert_int_equal(release(f, SAS), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "stuck since"));
	assert_int_equal(assign(f, NIC), 0);
	assert_int_equal(release(f, NIC), 0);
	assert_true(now_ms() - start < 2000);
	reading_hangs(f, false);
	kernel_returns(f);
	assert_int_equal(release(f, SAS), 0);
	assert_string_equal(fake_host_driver(f->fake, SAS), "mpt3sas");
	expect_state(f, "", "");
}

static void the_reset_after_a_dead_user_is_taken_up_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(assign(f, SAS), 0);
	expect_timeout(f, use_ends, "no answer from the kernel");
	/* Nobody calls it unproven before the kernel has answered; then it is reset, and is its VM's as before. */
	expect_state(f, "stuck", "resetting");
	kernel_returns(f);
	berth_manager_close(open_manager(f));
	expect_state(f, "assigned", "");
}

/* A supervisor marks the groups of its VM while it resets them. */
static void a_supervisors_reset_keeps_all_its_groups_marked(void **state)
{
	const int64_t ids[] = { 3, 5 };
	struct fixture *f = *state;
	struct berth_busy_guard guard;
	struct berth_busy_look look;

	berth_busy_guard_begin(&guard, f->host, ids, 2);
	assert_int_equal(guard.nr, 2);
	assert_ptr_equal(f->host->slow_write, &guard.slow);
	assert_true(berth_busy_look_at(f->host, 3, &look) && berth_busy_look_at(f->host, 5, &look));
	assert_false(berth_busy_look_at(f->host, 4, &look));
	assert_int_equal(guard.slow.nr_also, 1);
	berth_busy_guard_end(&guard, f->host);
	assert_null(f->host->slow_write);
	assert_false(berth_busy_look_at(f->host, 3, &look));
	assert_false(berth_busy_look_at(f->host, 5, &look));
}

static void whoever_comes_second_marks_nothing(void **state)
{
	const int64_t ids[] = { 3 };
	struct fixture *f = *state;
	struct berth_busy_guard first, second;
	struct berth_busy_look look;

	berth_busy_guard_begin(&first, f->host, ids, 1);
	f->host->slow_write = NULL;
	berth_busy_guard_begin(&second, f->host, ids, 1);
	assert_int_equal(second.nr, 0);
	assert_null(f->host->slow_write);
	berth_busy_guard_end(&second, f->host);
	assert_true(berth_busy_look_at(f->host, 3, &look));
	berth_busy_guard_end(&first, f->host);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(release_ends_at_the_deadline_and_the_rest_goes_on),
		T(the_reset_after_a_dead_user_is_taken_up_again),
		T(a_supervisors_reset_keeps_all_its_groups_marked),
		T(whoever_comes_second_marks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
