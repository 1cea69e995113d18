/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop against a berth-vmm played by a child of the test.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "tests/lib/fake_vfio.h"
#include "tests/vm_loop_fixture.h"
#include "tools/vm_lease.h"
#include "tools/vm_request.h"

static void powers_off(int control, int console)
{
	loop_start_up(control);
	if (berth_write_all(console, "hello\n", 6) < 0)
		_exit(7);
	loop_end(control, BERTH_ENDED_POWEROFF, "");
}

static void good_end_is_good(void **state)
{
	struct loop_fixture *f = *state;
	char *text;

	loop_run(f, powers_off);
	assert_int_equal(f->running, 1);
	assert_int_equal(f->went, 1);
	assert_true(f->end.ran);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
	assert_int_equal(berth_read_file(AT_FDCWD, f->output, 100, &text, NULL), 0);
	assert_string_equal(text, "hello\n");
	free(text);
}

static void waits_after_go(int control, int console)
{
	(void)console;
	berth_control_say(control, BERTH_CONTROL_CONFINED);
	loop_expect(control, BERTH_CONTROL_GO);
	pause();
}

static void one_that_cannot_get_its_devices_is_killed(void **state)
{
	struct loop_fixture *f = *state;

	f->go = -EMFILE;
	loop_run(f, waits_after_go);
	assert_int_equal(f->went, 1);
	assert_int_equal(f->running, 0);
	assert_true(f->end.signalled);
	assert_int_equal(f->end.status, SIGKILL);
}

static void reports_memory(int control, int console)
{
	struct berth_control msg = { .type = BERTH_CONTROL_MEMORY, .total = 4ull << 30 };

	(void)console;
	berth_control_say(control, BERTH_CONTROL_CONFINED);
	loop_expect(control, BERTH_CONTROL_GO);
	for (msg.done = 1ull << 30; msg.done <= msg.total; msg.done += 1ull << 30) {
		berth_control_send(control, &msg);
		usleep(700000);
	}
	msg.done = msg.total;
	berth_control_send(control, &msg); /* once too often */
	berth_control_say(control, BERTH_CONTROL_RUNNING);
	berth_control_send(control, &msg); /* and too late */
	loop_end(control, BERTH_ENDED_POWEROFF, "");
}

/* Where the loop's progress goes: stderr of this process. */
static char *stderr_of(struct loop_fixture *f, void (*vmm)(int control, int console))
{
	char path[] = "/tmp/berth-test-stderr-XXXXXX", *text;
	int saved = dup(STDERR_FILENO), fd = mkstemp(path);

	assert_true(fd >= 0);
	dup2(fd, STDERR_FILENO);
	loop_run(f, vmm);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(berth_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
	unlink(path);
	return text;
}

static void memory_that_takes_long_is_told_and_wiped_away(void **state)
{
	struct loop_fixture *f = *state;
	char *text;

	f->config.progress = true;
	text = stderr_of(f, reports_memory);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->running, 1);
	/* after 2.1 seconds at the earliest: not at the first and second GiB */
	assert_null(strstr(text, "memory: 1 of 4 GiB"));
	assert_non_null(strstr(text, "VM t1: memory: 4 of 4 GiB ready"));
	assert_string_equal(text + strlen(text) - 4, "\r\x1b[K");
	free(text);
}

static void nothing_is_told_where_nobody_looks(void **state)
{
	struct loop_fixture *f = *state;
	char *text = stderr_of(f, reports_memory);

	assert_string_equal(text, "");
	assert_int_equal(f->ready, 1);
	free(text);
}

static void crashes(int control, int console)
{
	(void)console;
	loop_start_up(control);
	loop_end(control, BERTH_ENDED_CRASHED, "triple fault at rip 0x0");
}

static void error_of_the_vmm_is_told(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, crashes);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text, "VM t1: triple fault at rip 0x0");
}

static void dies(int control, int console)
{
	(void)control, (void)console;
	raise(SIGKILL);
}

static void death_of_the_vmm_is_told(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, dies);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "killed by signal 9"));
}

static void stops_when_asked(int control, int console)
{
	(void)console;
	loop_start_up(control);
	kill(getppid(), SIGTERM);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void signal_asks_it_to_stop(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, stops_when_asked);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_ASKED);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
}

static void ignores_stop(int control, int console)
{
	(void)console;
	loop_start_up(control);
	kill(getppid(), SIGINT);
	loop_expect(control, BERTH_CONTROL_STOP);
	kill(getppid(), SIGINT);
	pause();
}

static void second_signal_kills(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, ignores_stop);
	assert_true(f->end.signalled);
	assert_int_equal(f->end.status, SIGKILL);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text, "VM t1 was killed as asked");
}

static void talks_nonsense(int control, int console)
{
	(void)console;
	if (berth_fd_send(control, "nonsense", 8, NULL, 0) < 0)
		_exit(7);
	pause();
}

static void nonsense_is_answered_with_kill(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, talks_nonsense);
	assert_true(f->end.signalled);
	assert_int_equal(f->end.status, SIGKILL);
}

static void stops_late(int control, int console)
{
	(void)console;
	loop_start_up(control);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void time_limit_ends_it_and_is_a_failure(void **state)
{
	struct loop_fixture *f = *state;

	f->config.timeout_s = 1;
	loop_run(f, stops_late);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_TIMEOUT);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -ETIMEDOUT);
}

static const struct berth_bdf fault_devices[] = { { 0, 1, 0, 0 }, { 0, 3, 0, 0 } };

/* A log with a fault of somebody else's device, and one of ours. */
static struct berth_vm_faults log_with_faults(int sock[2], bool stop)
{
	static const char *const records[] = {
		"3,1,1,-;DMAR: [DMA Read NO_PASID] Request device [09:00.0] fault addr 0x1000 [",
		"3,2,2,-;DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x4000000 [",
	};

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sock), 0);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(records); i++)
		assert_true(send(sock[1], records[i], strlen(records[i]), 0) > 0);
	return (struct berth_vm_faults){ sock[0], fault_devices, BERTH_ARRAY_SIZE(fault_devices),
					 stop };
}

static void dma_fault_stops_it_when_it_is_to(void **state)
{
	struct loop_fixture *f = *state;
	int sock[2];
	struct berth_vm_faults faults = log_with_faults(sock, true);

	f->config.faults = &faults;
	loop_run(f, stops_late);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_DEVICE);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text,
			    "VM t1: 0000:03:00.0 tried to reach 0x4000000 by DMA, which is not the "
			    "VM's; the VM was stopped");
	close(sock[0]);
	close(sock[1]);
}

static void goes_on_for_a_while(int control, int console)
{
	(void)console;
	loop_start_up(control);
	usleep(300000);
	loop_end(control, BERTH_ENDED_POWEROFF, "");
}

static void dma_fault_is_told_and_the_vm_goes_on(void **state)
{
	struct loop_fixture *f = *state;
	int sock[2];
	struct berth_vm_faults faults = log_with_faults(sock, false);
	char *text;

	f->config.faults = &faults;
	text = stderr_of(f, goes_on_for_a_while);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
	assert_non_null(strstr(text, "0000:03:00.0 tried to reach 0x4000000 by DMA"));
	assert_null(strstr(text, "09:00.0"));
	free(text);
	close(sock[0]);
	close(sock[1]);
}

static void log_that_breaks_is_not_asked_again(void **state)
{
	struct loop_fixture *f = *state;
	int sock[2];
	struct berth_vm_faults faults;
	char *text;

	assert_int_equal(pipe(sock), 0);
	close(sock[0]);
	faults =
		(struct berth_vm_faults){ sock[1], fault_devices, 1, true }; /* reads fail: EBADF */
	f->config.faults = &faults;
	text = stderr_of(f, goes_on_for_a_while);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
	assert_non_null(strstr(text, "not noticed any more"));
	assert_null(strstr(strstr(text, "not noticed any more") + 1, "not noticed any more"));
	free(text);
	close(sock[1]);
}

static int ask(const struct sockaddr_un *addr, const char *what)
{
	struct berth_err err = BERTH_ERR_INIT;
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		_exit(1);
	r = berth_vm_request(sock, what, 20000, &err);
	close(sock);
	return r;
}

/* A client in a process of its own: first a request that there is not, answered at once, then one that ends the VM. */
static pid_t start_client(const struct sockaddr_un *addr)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		if (ask(addr, "dance") != -EIO || ask(addr, "resume") != -EIO)
			_exit(2);
		_exit(ask(addr, "stop") == 0 ? 0 : 3);
	}
	return pid;
}

static int listen_at(struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "berth-test-loop-%d",
		 (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void request_stops_it_and_is_answered_at_the_end(void **state)
{
	struct loop_fixture *f = *state;
	struct sockaddr_un addr;
	int status;
	pid_t client;

	f->config.listen_fd = listen_at(&addr);
	client = start_client(&addr);
	loop_run(f, stops_late);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_ASKED);
	assert_int_equal(waitpid(client, &status, WNOHANG), 0); /* not answered yet */
	berth_vm_loop_free(f->loop, "ok");
	f->loop = NULL;
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
}

/* --- devices --- */

/* What the kernel does with an eventfd of ours. */
static void fire(int index)
{
	uint64_t one = 1;

	if (write(loop_current->fake->irq[index].fd[0], &one, sizeof(one)) < 0)
		_exit(7);
}

static void is_wanted_back(int control, int console)
{
	(void)console;
	loop_start_up(control);
	fire(VFIO_PCI_REQ_IRQ_INDEX);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void a_device_that_is_wanted_back_ends_the_vm(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, is_wanted_back);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_DEVICE);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text,
			    "VM t1: the host wants 0000:01:00.0 back (it is being unbound or "
			    "removed); the VM was stopped");
}

static void hangs_meanwhile(int control, int console)
{
	(void)console;
	loop_start_up(control);
	fire(VFIO_PCI_REQ_IRQ_INDEX);
	pause();
}

static void and_quickly_even_if_berth_vmm_hangs(void **state)
{
	struct loop_fixture *f = *state;
	int64_t start = loop_now_ms();

	loop_run(f, hangs_meanwhile);
	assert_true(loop_now_ms() - start < BERTH_VM_RECLAIM_MS + 2000);
	assert_true(f->end.signalled);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "the host wants 0000:01:00.0 back"));
}

static void a_device_that_is_gone_is_told(void **state)
{
	struct loop_fixture *f = *state;

	f->fake->gone = true;
	loop_run(f, is_wanted_back);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text, "VM t1: 0000:01:00.0 was removed from the host; the VM "
					 "was stopped");
}

static void has_an_error(int control, int console)
{
	(void)console;
	loop_start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void an_error_of_a_device_ends_the_vm(void **state)
{
	struct loop_fixture *f = *state;

	loop_run(f, has_an_error);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text,
			    "VM t1: 0000:01:00.0 reported an uncorrectable error (PCIe "
			    "AER); the VM was stopped");
}

static void has_an_error_and_goes_on(int control, int console)
{
	(void)console;
	loop_start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	usleep(300000);
	loop_end(control, BERTH_ENDED_POWEROFF, "");
}

static void or_is_passed_over_when_that_was_asked(void **state)
{
	struct loop_fixture *f = *state;

	f->config.on_error = BERTH_VM_ERROR_PASS;
	loop_run(f, has_an_error_and_goes_on);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
}

/* Resume it once it has stood still for longer than it wanted to live. */
static pid_t start_resumer(const struct sockaddr_un *addr)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		usleep(1500000);
		_exit(ask(addr, "resume") == 0 ? 0 : 2);
	}
	return pid;
}

static void or_pauses_it_until_resumed(void **state)
{
	struct loop_fixture *f = *state;
	int64_t start = loop_now_ms();
	struct sockaddr_un addr;
	int status;
	pid_t client;

	f->config.on_error = BERTH_VM_ERROR_PAUSE;
	f->config.listen_fd = listen_at(&addr);
	client = start_resumer(&addr);
	loop_run(f, has_an_error_and_goes_on);
	assert_true(loop_now_ms() - start >= 1400);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
}

/* Asks nothing back when it is first read, and then does. */
static int read_evicted(void *arg, struct berth_lease *ret)
{
	int *reads = arg;

	if ((*reads)++ == 0)
		return BERTH_ABSENT;
	*ret = (struct berth_lease){ .start = 1,
				     .end = 2,
				     .on_expiry = BERTH_EXPIRY_SHUTDOWN,
				     .evicted = true,
				     .rule = strdup("t2 needs it") };
	return 0;
}

static pid_t start_nudger(const struct sockaddr_un *addr)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		usleep(300000);
		_exit(ask(addr, "lease") == 0 ? 0 : 2);
	}
	return pid;
}

static void waits_for_stop(int control, int console)
{
	(void)console;
	loop_start_up(control);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

/* By itself it would look once a minute. */
static void a_nudge_makes_it_look_at_its_lease(void **state)
{
	struct loop_fixture *f = *state;
	int64_t start = loop_now_ms();
	int reads = 0, status;
	struct berth_vm_lease lease = { .read = read_evicted, .arg = &reads };
	struct sockaddr_un addr;
	pid_t client;

	f->config.lease = &lease;
	f->config.listen_fd = listen_at(&addr);
	client = start_nudger(&addr);
	loop_run(f, waits_for_stop);
	assert_in_range(loop_now_ms() - start, 250, 20000);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_LEASE);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -ETIMEDOUT);
	assert_string_equal(
		f->err.text,
		"VM t1: it had to let go of its devices: t2 needs it; the VM was stopped");
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
}

static void is_stopped_while_paused(int control, int console)
{
	(void)console;
	loop_start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	loop_expect(control, BERTH_CONTROL_STOP);
	loop_end(control, BERTH_ENDED_STOPPED, "");
}

static void a_paused_vm_can_be_stopped(void **state)
{
	struct loop_fixture *f = *state;
	int64_t start = loop_now_ms();

	f->config.on_error = BERTH_VM_ERROR_PAUSE;
	f->config.timeout_s = 1;
	loop_run(f, is_stopped_while_paused);
	assert_false(f->end.signalled);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_TIMEOUT);
	assert_true(loop_now_ms() - start < BERTH_VM_STOP_MS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, loop_set_up, loop_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(good_end_is_good, loop_set_up, loop_tear_down),
		cmocka_unit_test_setup_teardown(one_that_cannot_get_its_devices_is_killed,
						loop_set_up, loop_tear_down),
		cmocka_unit_test_setup_teardown(memory_that_takes_long_is_told_and_wiped_away,
						loop_set_up, loop_tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_told_where_nobody_looks, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(error_of_the_vmm_is_told, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(death_of_the_vmm_is_told, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(signal_asks_it_to_stop, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(second_signal_kills, loop_set_up, loop_tear_down),
		cmocka_unit_test_setup_teardown(nonsense_is_answered_with_kill, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(dma_fault_stops_it_when_it_is_to, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(dma_fault_is_told_and_the_vm_goes_on, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(log_that_breaks_is_not_asked_again, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(time_limit_ends_it_and_is_a_failure, loop_set_up,
						loop_tear_down),
		cmocka_unit_test_setup_teardown(request_stops_it_and_is_answered_at_the_end,
						loop_set_up, loop_tear_down),
		T(a_device_that_is_wanted_back_ends_the_vm),
		T(and_quickly_even_if_berth_vmm_hangs),
		T(a_device_that_is_gone_is_told),
		T(an_error_of_a_device_ends_the_vm),
		T(or_is_passed_over_when_that_was_asked),
		T(or_pauses_it_until_resumed),
		T(a_nudge_makes_it_look_at_its_lease),
		T(a_paused_vm_can_be_stopped),
	};

	return cmocka_run_group_tests_name("tools/vm_loop", tests, NULL, NULL);
}
