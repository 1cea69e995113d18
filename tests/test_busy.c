/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel write that does not return costs one device: others go on, and when it returns the next verb repairs. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/lock.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/report.h"
#include "manager/status.h"
#include "tests/lib/fake_fixture.h"

#define NIC    "0000:01:00.0"
#define GPU    "0000:02:00.0"
#define AUDIO  "0000:02:00.1"
#define UNBIND "bus/pci/devices/" GPU "/driver/unbind"

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
	  .class = 0x038000,
	  .driver = "bochs-drm",
	  .group = 14 },
	{ .bdf = AUDIO,
	  .vendor = 0x8086,
	  .device = 0x293e,
	  .class = 0x040300,
	  .driver = "snd_hda_intel",
	  .group = 14 },
};

static int set_up(void **state)
{
	struct fake_fixture *f = fake_fixture_new(sizeof(*f), fns, BERTH_ARRAY_SIZE(fns));

	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	*state = f;
	return 0;
}

static int assign(struct fake_fixture *f, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, err), 0);
	return berth_manager_assign(m, vm, &dev, 1, false, NULL, err);
}

static int release(struct fake_fixture *f, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_release_how how = { 0 };

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, err), 0);
	return berth_manager_release(m, NULL, &dev, 1, how, NULL, err);
}

/* The row of berth status that names @dev; its state "" when there is none. */
static void row_of(struct fake_fixture *f, const char *dev, char state[32], char note[512])
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_status s;

	state[0] = note[0] = '\0';
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	for (size_t i = 0; i < s.nr; i++) {
		if (!strstr(s.rows[i].devices, dev))
			continue;
		snprintf(state, 32, "%s", s.rows[i].state);
		snprintf(note, 512, "%s", s.rows[i].note);
	}
	berth_status_done(&s);
}

static void expect_row(struct fake_fixture *f, const char *dev, const char *want, const char *word)
{
	char state[32], note[512];

	row_of(f, dev, state, note);
	assert_string_equal(state, want);
	if (!strstr(note, word))
		fail_msg("'%s' is not in: %s", word, note);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait until a process has begun the write that hangs: its group is marked. */
static void wait_for_hang(struct fake_fixture *f)
{
	char state[32], note[512] = "";

	for (int i = 0; i < 500 && !strstr(note, "unbind"); i++) {
		usleep(10000);
		row_of(f, GPU, state, note);
	}
	assert_non_null(strstr(note, "unbind"));
}

/* `berth assign GPU --vm t1` in a process of its own; the unbind hangs for @hang_ms. */
static pid_t start_hanging_assign(struct fake_fixture *f, unsigned int hang_ms)
{
	pid_t pid;

	f->fake->fault = (struct fake_fault){ FAKE_FAULT_HANG, 2 };
	f->fake->hang_ms = hang_ms;
	f->fake->writes = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct berth_err err = BERTH_ERR_INIT;
		int r = assign(f, "t1", GPU, &err);

		_exit(r == -ETIMEDOUT && strstr(err.text, "no answer from the kernel") ? 7 : 8);
	}
	f->fake->fault = (struct fake_fault){ 0 };
	wait_for_hang(f);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void expect_untouched(struct fake_fixture *f)
{
	char state[32], note[512];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(fns); i++) {
		assert_string_equal(fake_host_driver(f->fake, fns[i].bdf), fns[i].driver);
		assert_string_equal(fake_host_override(f->fake, fns[i].bdf), "");
		row_of(f, fns[i].bdf, state, note);
		assert_string_equal(state, "");
	}
}

static void while_one_waits_another_device_is_assigned_at_once(void **state)
{
	struct fake_fixture *f = *state;
	pid_t pid = start_hanging_assign(f, 4000);
	long long start = now_ms();

	assert_int_equal(assign(f, "t2", NIC, NULL), 0);
	assert_true(now_ms() - start < 1000);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	expect_row(f, NIC, "assigned", "");
	/* The first is still at it, and nobody has taken it for a dead one. */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	expect_row(f, GPU, "preparing", "another berth is at work on it");
	start = now_ms();
	assert_int_equal(release(f, NIC, NULL), 0);
	assert_true(now_ms() - start < 1000);
	/* The kernel answers before the deadline: the first verb goes on as if nothing had been. */
	fake_host_return(f->fake, UNBIND, GPU);
	assert_int_equal(end_of(pid), 8);
	expect_row(f, GPU, "assigned", "");
	assert_string_equal(fake_host_driver(f->fake, AUDIO), "vfio-pci");
	assert_int_equal(release(f, GPU, NULL), 0);
	expect_untouched(f);
}

static void after_the_deadline_one_group_is_stuck(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	long long start;

	assert_int_equal(end_of(start_hanging_assign(f, 300)), 7);
	fake_host_file(f->fake, "sys/bus/pci/devices/" AUDIO "/sound/card0/controlC0/dev",
		       "116:0\n");
	fake_host_link(f->fake, "sys/class/sound/controlC0",
		       "../../devices/pci0000:00/" AUDIO "/sound/card0/controlC0");
	fake_host_file(f->fake, "proc/600/comm", "pipewire\n");
	fake_host_link(f->fake, "proc/600/fd/3", "/dev/snd/controlC0");
	/* Older than what a verb waits for on the way. */
	sleep(3);
	expect_row(f, GPU, "stuck", "driver/unbind");
	expect_row(f, GPU, "stuck", "stuck since 20");
	expect_row(f, GPU, "stuck", "pipewire (600, /dev/snd/controlC0)");
	start = now_ms();
	assert_int_equal(assign(f, "t2", GPU, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "stuck since"));
	berth_err_clear(&err);
	assert_int_equal(release(f, GPU, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "stuck since"));
	assert_int_equal(assign(f, "t2", NIC, NULL), 0);
	assert_int_equal(release(f, NIC, NULL), 0);
	assert_true(now_ms() - start < 1000);
	/* Nothing was taken back behind the kernel's back. */
	assert_string_equal(fake_host_driver(f->fake, GPU), "bochs-drm");
	assert_string_equal(fake_host_override(f->fake, GPU), "vfio-pci");
}

static void when_the_kernel_has_finished_the_next_verb_repairs(void **state)
{
	struct fake_fixture *f = *state;

	assert_int_equal(end_of(start_hanging_assign(f, 300)), 7);
	fake_host_return(f->fake, UNBIND, GPU);
	assert_string_equal(fake_host_driver(f->fake, GPU), "");
	assert_int_equal(assign(f, "t2", NIC, NULL), 0);
	assert_int_equal(release(f, NIC, NULL), 0);
	expect_untouched(f);
}

static void what_a_killed_verb_left_in_the_kernel_is_waited_for(void **state)
{
	struct fake_fixture *f = *state;
	pid_t pid = start_hanging_assign(f, 60000);
	pid_t kernel;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_of(pid), -SIGKILL);
	kernel = fork();
	assert_true(kernel >= 0);
	if (kernel == 0) {
		usleep(300000);
		fake_host_return(f->fake, UNBIND, GPU);
		_exit(0);
	}
	/* Not refused: half a second is no hang. */
	assert_int_equal(assign(f, "t2", GPU, NULL), 0);
	assert_int_equal(end_of(kernel), 0);
	expect_row(f, GPU, "assigned", "");
	assert_int_equal(release(f, GPU, NULL), 0);
	expect_untouched(f);
}

#define BUSY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUSY_TEST(while_one_waits_another_device_is_assigned_at_once),
		BUSY_TEST(after_the_deadline_one_group_is_stuck),
		BUSY_TEST(when_the_kernel_has_finished_the_next_verb_repairs),
		BUSY_TEST(what_a_killed_verb_left_in_the_kernel_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
