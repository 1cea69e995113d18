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
#include "tools/console.h"
#include "tools/terminal.h"
#include "tools/vm_lease.h"
#include "tools/vm_loop.h"
#include "tools/vm_request.h"
#include "vfio/watch.h"
#include "vmm/control.h"

struct fixture {
	struct berth_vm_process process;
	struct berth_terminal *terminal;
	struct berth_console console;
	struct berth_vm_loop_config config;
	struct berth_vm_loop *loop;
	struct berth_vm_ending end;
	struct berth_err err;
	char output[64];
	int running; /* calls of on_running */
	int went;    /* calls of on_go */
	int go;	     /* and what it answers */
	int ready;   /* calls of on_memory */
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vfio_watch *watch;
};

/* What the child finds in its copy of the test's memory. */
static struct fixture *current;

static void on_memory(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(f->running, 0);
	f->ready++;
}

static void on_running(void *arg)
{
	struct fixture *f = arg;

	f->running++;
}

static int on_go(void *arg)
{
	struct fixture *f = arg;

	f->went++;
	return f->go;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	sigset_t set;
	int fd;

	assert_non_null(f);
	berth_vm_loop_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	strcpy(f->output, "/tmp/berth-test-loop-XXXXXX");
	fd = mkstemp(f->output);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(berth_terminal_open(&f->terminal, f->output, NULL), 0);
	f->process = (struct berth_vm_process)BERTH_VM_PROCESS_INIT;
	f->config = (struct berth_vm_loop_config){
		.name = "t1",
		.process = &f->process,
		.console = &f->console,
		.listen_fd = -1,
		.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.on_memory = on_memory,
		.on_go = on_go,
		.on_running = on_running,
		.arg = f,
	};
	f->fake = fake_vfio_new();
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_watch_new(&f->watch, &f->dev, 1, NULL), 0);
	f->config.watch = f->watch;
	current = f;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_vfio_watch_free(f->watch);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	berth_vm_loop_interrupted(f->config.signal_fd);
	berth_vm_loop_free(f->loop, "ok");
	berth_console_done(&f->console);
	berth_terminal_close(f->terminal);
	berth_vm_process_done(&f->process);
	close(f->config.signal_fd);
	if (f->config.listen_fd >= 0)
		close(f->config.listen_fd);
	unlink(f->output);
	free(f);
	return 0;
}

/* Runs the loop with @vmm as the child. */
static void run_with(struct fixture *f, void (*vmm)(int control, int console))
{
	int control[2], console[2], errors[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console), 0);
	assert_int_equal(pipe2(errors, O_CLOEXEC | O_NONBLOCK), 0);
	f->process.pid = fork();
	assert_true(f->process.pid >= 0);
	if (f->process.pid == 0) {
		alarm(30);
		close(control[0]);
		dup2(errors[1], STDERR_FILENO);
		vmm(control[1], console[1]);
		_exit(9);
	}
	close(control[1]);
	close(console[1]);
	close(errors[1]);
	f->process.pidfd = (int)syscall(SYS_pidfd_open, f->process.pid, 0);
	f->process.control_fd = control[0];
	f->process.stderr_fd = errors[0];
	berth_console_init(&f->console, f->terminal, console[0]);
	assert_int_equal(berth_vm_loop_run(&f->loop, &f->config, &f->end, &f->err), 0);
	assert_true(f->end.reaped);
}

static void expect(int control, enum berth_control_type type)
{
	struct berth_control msg;

	if (berth_control_recv(control, &msg) < 0 || msg.type != type)
		_exit(8);
}

static void start_up(int control)
{
	berth_control_say(control, BERTH_CONTROL_CONFINED);
	expect(control, BERTH_CONTROL_GO);
	berth_control_say(control, BERTH_CONTROL_RUNNING);
}

static void end(int control, enum berth_control_outcome outcome, const char *text)
{
	struct berth_control msg = { .type = BERTH_CONTROL_ENDED, .outcome = outcome };

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	berth_control_send(control, &msg);
	_exit(outcome >= BERTH_ENDED_CRASHED);
}

static void powers_off(int control, int console)
{
	start_up(control);
	if (berth_write_all(console, "hello\n", 6) < 0)
		_exit(7);
	end(control, BERTH_ENDED_POWEROFF, "");
}

static void good_end_is_good(void **state)
{
	struct fixture *f = *state;
	char *text;

	run_with(f, powers_off);
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
	expect(control, BERTH_CONTROL_GO);
	pause();
}

static void one_that_cannot_get_its_devices_is_killed(void **state)
{
	struct fixture *f = *state;

	f->go = -EMFILE;
	run_with(f, waits_after_go);
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
	expect(control, BERTH_CONTROL_GO);
	for (msg.done = 1ull << 30; msg.done <= msg.total; msg.done += 1ull << 30) {
		berth_control_send(control, &msg);
		usleep(700000);
	}
	msg.done = msg.total;
	berth_control_send(control, &msg); /* once too often */
	berth_control_say(control, BERTH_CONTROL_RUNNING);
	berth_control_send(control, &msg); /* and too late */
	end(control, BERTH_ENDED_POWEROFF, "");
}

/* Where the loop's progress goes: stderr of this process. */
static char *stderr_of(struct fixture *f, void (*vmm)(int control, int console))
{
	char path[] = "/tmp/berth-test-stderr-XXXXXX", *text;
	int saved = dup(STDERR_FILENO), fd = mkstemp(path);

	assert_true(fd >= 0);
	dup2(fd, STDERR_FILENO);
	run_with(f, vmm);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(berth_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
	unlink(path);
	return text;
}

static void memory_that_takes_long_is_told_and_wiped_away(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;
	char *text = stderr_of(f, reports_memory);

	assert_string_equal(text, "");
	assert_int_equal(f->ready, 1);
	free(text);
}

static void crashes(int control, int console)
{
	(void)console;
	start_up(control);
	end(control, BERTH_ENDED_CRASHED, "triple fault at rip 0x0");
}

static void error_of_the_vmm_is_told(void **state)
{
	struct fixture *f = *state;

	run_with(f, crashes);
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
	struct fixture *f = *state;

	run_with(f, dies);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "killed by signal 9"));
}

static void stops_when_asked(int control, int console)
{
	(void)console;
	start_up(control);
	kill(getppid(), SIGTERM);
	expect(control, BERTH_CONTROL_STOP);
	end(control, BERTH_ENDED_STOPPED, "");
}

static void signal_asks_it_to_stop(void **state)
{
	struct fixture *f = *state;

	run_with(f, stops_when_asked);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_ASKED);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
}

static void ignores_stop(int control, int console)
{
	(void)console;
	start_up(control);
	kill(getppid(), SIGINT);
	expect(control, BERTH_CONTROL_STOP);
	kill(getppid(), SIGINT);
	pause();
}

static void second_signal_kills(void **state)
{
	struct fixture *f = *state;

	run_with(f, ignores_stop);
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
	struct fixture *f = *state;

	run_with(f, talks_nonsense);
	assert_true(f->end.signalled);
	assert_int_equal(f->end.status, SIGKILL);
}

static void stops_late(int control, int console)
{
	(void)console;
	start_up(control);
	expect(control, BERTH_CONTROL_STOP);
	end(control, BERTH_ENDED_STOPPED, "");
}

static void time_limit_ends_it_and_is_a_failure(void **state)
{
	struct fixture *f = *state;

	f->config.timeout_s = 1;
	run_with(f, stops_late);
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
	struct fixture *f = *state;
	int sock[2];
	struct berth_vm_faults faults = log_with_faults(sock, true);

	f->config.faults = &faults;
	run_with(f, stops_late);
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
	start_up(control);
	usleep(300000);
	end(control, BERTH_ENDED_POWEROFF, "");
}

static void dma_fault_is_told_and_the_vm_goes_on(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;
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
	struct fixture *f = *state;
	struct sockaddr_un addr;
	int status;
	pid_t client;

	f->config.listen_fd = listen_at(&addr);
	client = start_client(&addr);
	run_with(f, stops_late);
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

	if (write(current->fake->irq[index].fd[0], &one, sizeof(one)) < 0)
		_exit(7);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void is_wanted_back(int control, int console)
{
	(void)console;
	start_up(control);
	fire(VFIO_PCI_REQ_IRQ_INDEX);
	expect(control, BERTH_CONTROL_STOP);
	end(control, BERTH_ENDED_STOPPED, "");
}

static void a_device_that_is_wanted_back_ends_the_vm(void **state)
{
	struct fixture *f = *state;

	run_with(f, is_wanted_back);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_DEVICE);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text,
			    "VM t1: the host wants 0000:01:00.0 back (it is being unbound or "
			    "removed); the VM was stopped");
}

static void hangs_meanwhile(int control, int console)
{
	(void)console;
	start_up(control);
	fire(VFIO_PCI_REQ_IRQ_INDEX);
	pause();
}

static void and_quickly_even_if_berth_vmm_hangs(void **state)
{
	struct fixture *f = *state;
	int64_t start = now_ms();

	run_with(f, hangs_meanwhile);
	assert_true(now_ms() - start < BERTH_VM_RECLAIM_MS + 2000);
	assert_true(f->end.signalled);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "the host wants 0000:01:00.0 back"));
}

static void a_device_that_is_gone_is_told(void **state)
{
	struct fixture *f = *state;

	f->fake->gone = true;
	run_with(f, is_wanted_back);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text, "VM t1: 0000:01:00.0 was removed from the host; the VM "
					 "was stopped");
}

static void has_an_error(int control, int console)
{
	(void)console;
	start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	expect(control, BERTH_CONTROL_STOP);
	end(control, BERTH_ENDED_STOPPED, "");
}

static void an_error_of_a_device_ends_the_vm(void **state)
{
	struct fixture *f = *state;

	run_with(f, has_an_error);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), -EIO);
	assert_string_equal(f->err.text,
			    "VM t1: 0000:01:00.0 reported an uncorrectable error (PCIe "
			    "AER); the VM was stopped");
}

static void has_an_error_and_goes_on(int control, int console)
{
	(void)console;
	start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	usleep(300000);
	end(control, BERTH_ENDED_POWEROFF, "");
}

static void or_is_passed_over_when_that_was_asked(void **state)
{
	struct fixture *f = *state;

	f->config.on_error = BERTH_VM_ERROR_PASS;
	run_with(f, has_an_error_and_goes_on);
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
	struct fixture *f = *state;
	int64_t start = now_ms();
	struct sockaddr_un addr;
	int status;
	pid_t client;

	f->config.on_error = BERTH_VM_ERROR_PAUSE;
	f->config.listen_fd = listen_at(&addr);
	client = start_resumer(&addr);
	run_with(f, has_an_error_and_goes_on);
	assert_true(now_ms() - start >= 1400);
	assert_int_equal(berth_vm_ending_judge(&f->end, "t1", &f->err), 0);
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
}

static void is_stopped_while_paused(int control, int console)
{
	(void)console;
	start_up(control);
	fire(VFIO_PCI_ERR_IRQ_INDEX);
	expect(control, BERTH_CONTROL_STOP);
	end(control, BERTH_ENDED_STOPPED, "");
}

static void a_paused_vm_can_be_stopped(void **state)
{
	struct fixture *f = *state;
	int64_t start = now_ms();

	f->config.on_error = BERTH_VM_ERROR_PAUSE;
	f->config.timeout_s = 1;
	run_with(f, is_stopped_while_paused);
	assert_false(f->end.signalled);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_TIMEOUT);
	assert_true(now_ms() - start < BERTH_VM_STOP_MS);
}

/* --- its lease --- */

/* The ledger: what is read the first time, and from then on. */
struct two_leases {
	struct berth_lease first, then;
	int reads;
};

static int read_lease(void *arg, struct berth_lease *ret)
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
static void run_leased(struct fixture *f, struct two_leases leases,
		       void (*vmm)(int control, int console), char log[4096])
{
	struct berth_vm_lease lease = { .read = read_lease, .arg = &leases };
	int saved = dup(STDERR_FILENO), out[2];
	ssize_t n;

	f->config.lease = &lease;
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	dup2(out[1], STDERR_FILENO);
	run_with(f, vmm);
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

	start_up(control);
	start = now_ms();
	if (poll(&p, 1, ms) == 0)
		end(control, BERTH_ENDED_POWEROFF, "");
	expect(control, BERTH_CONTROL_STOP);
	if (now_ms() - start < too_early_ms)
		_exit(8);
	end(control, BERTH_ENDED_STOPPED, "");
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
	struct fixture *f = *state;
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
	struct fixture *f = *state;
	struct berth_lease soon = ending_in(100, 0, BERTH_EXPIRY_SHUTDOWN);
	char log[4096];

	run_leased(f, (struct two_leases){ soon, soon, 0 }, lives_a_while, log);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_NOT);
	assert_non_null(strstr(log, "VM t1: the lease of its devices is until "));
}

static void with_shutdown_it_stops_the_vm(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;
	struct berth_lease over = ending_in(0, 2, BERTH_EXPIRY_SHUTDOWN);
	char log[4096];

	run_leased(f, (struct two_leases){ over, over, 0 }, is_stopped_after_a_second, log);
	assert_int_equal(f->end.status, 0);
	assert_int_equal(f->end.stop, BERTH_VM_STOP_LEASE);
	assert_non_null(strstr(log, "VM t1: the lease of its devices ended"));
}

static void nor_when_it_has_been_renewed(void **state)
{
	struct fixture *f = *state;
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
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(good_end_is_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_cannot_get_its_devices_is_killed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_that_takes_long_is_told_and_wiped_away,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_told_where_nobody_looks, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(error_of_the_vmm_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(death_of_the_vmm_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signal_asks_it_to_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(second_signal_kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_is_answered_with_kill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dma_fault_stops_it_when_it_is_to, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(dma_fault_is_told_and_the_vm_goes_on, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(log_that_breaks_is_not_asked_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(time_limit_ends_it_and_is_a_failure, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(request_stops_it_and_is_answered_at_the_end, set_up,
						tear_down),
		T(a_device_that_is_wanted_back_ends_the_vm),
		T(and_quickly_even_if_berth_vmm_hangs),
		T(a_device_that_is_gone_is_told),
		T(an_error_of_a_device_ends_the_vm),
		T(or_is_passed_over_when_that_was_asked),
		T(or_pauses_it_until_resumed),
		T(a_paused_vm_can_be_stopped),
		T(the_end_of_a_lease_is_told_and_the_vm_goes_on),
		T(a_lease_that_ends_soon_is_warned_of),
		T(with_shutdown_it_stops_the_vm),
		T(but_not_before_its_grace_is_over),
		T(nor_when_it_has_been_renewed),
	};

	return cmocka_run_group_tests_name("tools/vm_loop", tests, NULL, NULL);
}
