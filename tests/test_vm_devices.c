/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How berth run asks for its devices: at once or when they are free, with what priority, and insisting or not. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/claim.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/wait.h"
#include "policy/queue.h"
#include "tests/lib/fake_pci.h"
#include "tools/vm_devices.h"

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

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_vm_devices devices;
	struct berth_err err;
	int stop[2]; /* a pipe: written to, who waits gives up */
};

static void in_proc(struct fixture *f, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	fake_host_file(f->fake, path,
		       "%d (berth) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n", (int)pid);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	assert_int_equal(pipe(f->stop), 0);
	berth_vm_devices_init(&f->devices, f->host);
	in_proc(f, getpid());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vm_claim_free(f->devices.claim);
	close(f->stop[0]);
	close(f->stop[1]);
	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static int ask(struct fixture *f, const char *dev, struct berth_vm_wish wish)
{
	char *names[] = { (char *)(uintptr_t)dev };

	berth_err_clear(&f->err);
	return berth_vm_devices_claim(&f->devices, "t2", names, 1, &wish, f->stop[0], &f->err);
}

static void assign(struct fixture *f, const char *vm)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	const char *dev = NIC;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	assert_int_equal(berth_manager_assign(m, vm, &dev, 1, false, NULL, NULL), 0);
}

static void release(struct fixture *f, const char *vm)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	assert_int_equal(berth_manager_release(m, vm, NULL, 0, (struct berth_release_how){ 0 },
					       NULL, NULL),
			 0);
}

static int first_priority(struct fixture *f)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_queue q;
	int priority;

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_wait_queue(m, &q, NULL), 0);
	priority = q.nr ? q.items[0].priority : -1;
	berth_queue_free(&q);
	return priority;
}

static void what_is_free_is_claimed_with_or_without_waiting(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = true }), 0);
	assert_non_null(f->devices.claim);
	assert_int_equal(f->devices.claim->nr_devs, 1);
	berth_vm_claim_free(f->devices.claim);
	f->devices.claim = NULL;
	assert_int_equal(ask(f, GPU, (struct berth_vm_wish){ .wait = false }), 0);
	assert_string_equal(BERTH_BDF_STR(f->devices.claim->devs[0].at), GPU);
}

static void what_another_has_is_refused_at_once_or_after_the_wait(void **state)
{
	struct fixture *f = *state;

	assign(f, "t1");
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = false }), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "t1"));
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = true, .wait_s = 1 }),
			 -ETIMEDOUT);
	assert_null(f->devices.claim);
	assert_int_equal(write(f->stop[1], "x", 1), 1);
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = true }), -EINTR);
	assert_int_equal(first_priority(f), -1);
}

/* The one that waits is a process, as it is in life; that it holds the device afterwards is for itself to see. */
static void who_waits_holds_it_when_it_is_released(void **state)
{
	struct fixture *f = *state;
	int status, priority = -1;
	pid_t pid;

	assign(f, "t1");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		in_proc(f, getpid());
		_exit(ask(f, NIC, (struct berth_vm_wish){ .wait = true, .priority = 7 }) == 0 &&
				      f->devices.claim && f->devices.claim->nr_groups == 1 ?
			      42 :
			      43);
	}
	for (int i = 0; i < 2000 && priority < 0; i++, usleep(5000))
		priority = first_priority(f);
	release(f, "t1");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(priority, 7);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void force_lifts_what_the_policy_lets_it_lift(void **state)
{
	struct fixture *f = *state;

	fake_host_file(
		f->fake, "etc/policy.d/10.json",
		"{ \"version\": 1, \"devices\": [ { \"name\": \"nic\", \"match\": { \"pci.bdf\": "
		"\"" NIC "\" } } ],"
		" \"protect\": [ { \"name\": \"keep\", \"match\": { \"pci.bdf\": \"" NIC "\" } } ],"
		" \"rules\": [ { \"effect\": \"allow\", \"override_protect\": true,"
		" \"subject\": { \"vm\": \"t2\" }, \"resource\": { \"device\": \"nic\" } } ] }\n");
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = false }), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "--force"));
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = true }), BERTH_REFUSED);
	assert_int_equal(ask(f, NIC, (struct berth_vm_wish){ .wait = true, .force = true }), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_free_is_claimed_with_or_without_waiting),
		T(what_another_has_is_refused_at_once_or_after_the_wait),
		T(who_waits_holds_it_when_it_is_released),
		T(force_lifts_what_the_policy_lets_it_lift),
	};

	return cmocka_run_group_tests_name("tools/vm_devices", tests, NULL, NULL);
}
