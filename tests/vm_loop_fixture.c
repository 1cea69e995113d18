/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "tests/vm_loop_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/fake_vfio.h"
#include "tools/terminal.h"
#include "vfio/watch.h"

struct loop_fixture *loop_current;

static void on_memory(void *arg)
{
	struct loop_fixture *f = arg;

	assert_int_equal(f->running, 0);
	f->ready++;
}

static void on_running(void *arg)
{
	struct loop_fixture *f = arg;

	f->running++;
}

static int on_go(void *arg)
{
	struct loop_fixture *f = arg;

	f->went++;
	return f->go;
}

int loop_set_up(void **state)
{
	struct loop_fixture *f = calloc(1, sizeof(*f));
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
	loop_current = f;
	*state = f;
	return 0;
}

int loop_tear_down(void **state)
{
	struct loop_fixture *f = *state;

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

void loop_run(struct loop_fixture *f, void (*vmm)(int control, int console))
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

void loop_expect(int control, enum berth_control_type type)
{
	struct berth_control msg;

	if (berth_control_recv(control, &msg) < 0 || msg.type != type)
		_exit(8);
}

void loop_start_up(int control)
{
	berth_control_say(control, BERTH_CONTROL_CONFINED);
	loop_expect(control, BERTH_CONTROL_GO);
	berth_control_say(control, BERTH_CONTROL_RUNNING);
}

void loop_end(int control, enum berth_control_outcome outcome, const char *text)
{
	struct berth_control msg = { .type = BERTH_CONTROL_ENDED, .outcome = outcome };

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	berth_control_send(control, &msg);
	_exit(outcome >= BERTH_ENDED_CRASHED);
}

int64_t loop_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
