/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_loop.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/console.h"
#include "tools/terminal.h"
#include "tools/vm_lease.h"
#include "tools/vm_lines.h"
#include "tools/vm_request.h"
#include "vfio/device.h"
#include "vfio/dma_fault.h"
#include "vfio/watch.h"

#define BERTH_LOG "berth-vmm"
#include "base/log.h"

#define MAX_CLIENTS 8

/* DMA faults of one VM that we tell of. The kernel limits them, too, but its limit is for the whole host. */
#define FAULTS_TOLD 20

enum phase { CONFINING, MAKING, RUNNING, STOPPING, DYING };

enum {
	POLL_PROCESS,
	POLL_CONTROL,
	POLL_SIGNAL,
	POLL_LISTEN,
	POLL_STDERR,
	POLL_WATCH,
	POLL_FAULTS,
	POLL_CLIENT,
	POLL_CONSOLE = POLL_CLIENT + MAX_CLIENTS
};
#define NR_POLLS (POLL_CONSOLE + BERTH_CONSOLE_POLLS)

struct berth_vm_loop {
	struct berth_vm_loop_config config;
	struct berth_vm_ending end;
	enum phase phase;
	int64_t made_since;  /* ms; of GO */
	uint64_t ready, ram; /* bytes ready for DMA, and in all; 0 before MEMORY has come */
	bool shown;	     /* the progress line stands on the terminal */
	int64_t deadline;    /* ms; of the phase; INT64_MAX: none */
	int64_t end_of_time; /* ms; of --timeout */
	bool control_open;
	bool paused;		     /* berth-vmm has had SIGSTOP */
	int clients[MAX_CLIENTS];    /* owned, -1: free */
	unsigned int nr_faults;	     /* DMA faults told of */
	struct berth_vm_lines lines; /* of its stderr */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void berth_vm_loop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCONT);
}

/* Return: the next signal; 0 none. */
static int next_signal(int signal_fd)
{
	struct signalfd_siginfo info;

	return read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo :
									       0;
}

bool berth_vm_loop_interrupted(int signal_fd)
{
	bool yes = false;
	int sig;

	while ((sig = next_signal(signal_fd)) != 0)
		yes |= sig != SIGCONT;
	return yes;
}

/* --- ending it --- */

/* Its threads stop where they are, or go on. Devices and interrupts are not ours to stop: the latter wait in the kernel. */
static void pause_it(struct berth_vm_loop *l, bool paused)
{
	if (l->paused == paused || kill(l->config.process->pid, paused ? SIGSTOP : SIGCONT) < 0)
		return;
	l->paused = paused;
}

static void kill_it(struct berth_vm_loop *l)
{
	if (l->phase == DYING)
		return;
	berth_vm_process_kill(l->config.process);
	l->phase = DYING;
	l->deadline = now_ms() + BERTH_VM_DIE_MS;
}

static void ask_to_end(struct berth_vm_loop *l, enum berth_vm_stop why)
{
	if (l->end.stop == BERTH_VM_STOP_NOT)
		l->end.stop = why;
	if (l->phase >= STOPPING || !l->control_open)
		return;
	pause_it(l, false);
	/* Before GO it listens to nothing else. */
	if (l->phase == CONFINING ||
	    berth_control_say(l->config.process->control_fd, BERTH_CONTROL_STOP) < 0) {
		kill_it(l);
		return;
	}
	l->phase = STOPPING;
	l->deadline = now_ms() + BERTH_VM_STOP_MS;
}

static void ask_or_kill(struct berth_vm_loop *l)
{
	if (l->phase < STOPPING) {
		ask_to_end(l, BERTH_VM_STOP_ASKED);
		return;
	}
	l->end.stop = BERTH_VM_STOP_KILLED;
	kill_it(l);
}

static void on_deadline(struct berth_vm_loop *l)
{
	switch (l->phase) {
	case CONFINING:
	case MAKING:
		l->end.stop = BERTH_VM_STOP_SILENT;
		kill_it(l);
		break;
	case RUNNING:
	case STOPPING:
		kill_it(l);
		break;
	case DYING:
		break;
	}
}

/* --- devices --- */

/* Somebody in the host waits for it, and the kernel holds them until it is closed. */
static void reclaim(struct berth_vm_loop *l, const char *device, bool gone)
{
	if (l->end.stop == BERTH_VM_STOP_DEVICE)
		return; /* it asks again and again */
	snprintf(l->end.why, sizeof(l->end.why),
		 gone ? "%s was removed from the host" :
			"the host wants %s back (it is being unbound or removed)",
		 device);
	log_warn("VM %s: %s", l->config.name, l->end.why);
	ask_to_end(l, BERTH_VM_STOP_DEVICE);
	if (l->phase == STOPPING && l->deadline > now_ms() + BERTH_VM_RECLAIM_MS)
		l->deadline = now_ms() + BERTH_VM_RECLAIM_MS;
}

static void on_device_error(struct berth_vm_loop *l, const char *device)
{
	snprintf(l->end.why, sizeof(l->end.why), "%s reported an uncorrectable error (PCIe AER)",
		 device);
	/* A VM that is still being made is not worth keeping for inspection. */
	if (l->config.on_error == BERTH_VM_ERROR_PASS) {
		log_warn("VM %s: %s; it goes on", l->config.name, l->end.why);
	} else if (l->config.on_error == BERTH_VM_ERROR_PAUSE && l->phase == RUNNING) {
		log_warn("VM %s: %s; it is paused, 'berth vm resume %s' lets it go on",
			 l->config.name, l->end.why, l->config.name);
		pause_it(l, true);
	} else {
		ask_to_end(l, BERTH_VM_STOP_DEVICE);
	}
}

static void on_watch(struct berth_vm_loop *l)
{
	struct berth_vfio_device *dev;
	enum berth_vfio_event event;

	while ((event = berth_vfio_watch_next(l->config.watch, &dev)) != BERTH_VFIO_EVENT_NONE) {
		const char *name = berth_vfio_device_name(dev);

		if (event == BERTH_VFIO_EVENT_ERROR)
			on_device_error(l, name);
		else
			reclaim(l, name, event == BERTH_VFIO_EVENT_GONE);
	}
}

/* --- what comes in --- */

/* On stderr, which is a terminal: a line that is overwritten, and gone when there is something else to see. */
static void show_progress(struct berth_vm_loop *l)
{
	if (!l->config.progress || l->phase != MAKING || !l->ram ||
	    now_ms() - l->made_since < BERTH_VM_PROGRESS_MS)
		return;
	fprintf(stderr, "\rVM %s: memory: %" PRIu64 " of %" PRIu64 " GiB ready", l->config.name,
		l->ready >> 30, l->ram >> 30);
	l->shown = true;
}

static void wipe_progress(struct berth_vm_loop *l)
{
	if (l->shown)
		fprintf(stderr, "\r\033[K");
	l->shown = false;
}

static void on_memory(struct berth_vm_loop *l, const struct berth_control *msg)
{
	bool had_all = l->ram && l->ready == l->ram;

	if (l->phase != MAKING || had_all)
		return;
	l->ready = msg->done;
	l->ram = msg->total;
	show_progress(l);
	if (l->ready == l->ram && l->config.on_memory)
		l->config.on_memory(l->config.arg);
}

static void on_running(struct berth_vm_loop *l)
{
	wipe_progress(l);
	l->end.ran = true;
	if (l->phase == MAKING) {
		l->phase = RUNNING;
		l->deadline = INT64_MAX;
	}
	if (l->config.on_running)
		l->config.on_running(l->config.arg);
}

/* Devices are reset by now, or there would be no loop. */
static void on_confined(struct berth_vm_loop *l)
{
	if (l->phase != CONFINING)
		return;
	l->phase = MAKING;
	l->made_since = now_ms();
	l->deadline = l->made_since + BERTH_VM_MAKE_MS +
		      (int64_t)(l->config.memory >> 30) * BERTH_VM_MAKE_MS_PER_GIB;
	if (berth_control_say(l->config.process->control_fd, BERTH_CONTROL_GO) < 0 ||
	    (l->config.on_go && l->config.on_go(l->config.arg) < 0))
		kill_it(l);
}

static void on_message(struct berth_vm_loop *l, const struct berth_control *msg)
{
	switch (msg->type) {
	case BERTH_CONTROL_CONFINED:
		on_confined(l);
		return;
	case BERTH_CONTROL_RUNNING:
		on_running(l);
		return;
	case BERTH_CONTROL_MEMORY:
		on_memory(l, msg);
		return;
	case BERTH_CONTROL_ENDED:
		wipe_progress(l);
		if (!l->end.said)
			l->end.ended = *msg;
		l->end.said = true;
		if (l->phase < STOPPING) {
			l->phase = STOPPING;
			l->deadline = now_ms() + BERTH_VM_STOP_MS;
		}
		return;
	case BERTH_CONTROL_GO:
	case BERTH_CONTROL_STOP:
		return; /* ours to say */
	}
}

static void on_control(struct berth_vm_loop *l)
{
	struct berth_control msg;
	int r = berth_control_recv(l->config.process->control_fd, &msg);

	if (r == 0) {
		on_message(l, &msg);
		return;
	}
	l->control_open = false;
	/* A peer that speaks nonsense has been taken over; one that is gone ends by itself. */
	if (r == -EPROTO) {
		log_warn("VM %s: berth-vmm sent a malformed message, killing it", l->config.name);
		kill_it(l);
	}
}

static void on_signals(struct berth_vm_loop *l)
{
	int sig;

	while ((sig = next_signal(l->config.signal_fd)) != 0) {
		if (sig == SIGCONT)
			berth_terminal_resume(l->config.console->terminal);
		else
			ask_or_kill(l);
	}
}

static void on_fault(struct berth_vm_loop *l, const struct berth_dma_fault *fault)
{
	char words[sizeof(l->end.why)];

	snprintf(words, sizeof(words),
		 "%s tried to reach 0x%" PRIx64 " by DMA, which is not the VM's",
		 BERTH_BDF_STR(fault->at), fault->addr);
	if (l->config.faults->stop) {
		if (l->end.stop == BERTH_VM_STOP_NOT)
			memcpy(l->end.why, words, sizeof(words));
		ask_to_end(l, BERTH_VM_STOP_DEVICE);
	} else if (l->nr_faults < FAULTS_TOLD) {
		l->nr_faults++;
		log_warn("VM %s: %s; the IOMMU stopped it%s", l->config.name, words,
			 l->nr_faults == FAULTS_TOLD ? ", and more is not told here" : "");
	}
}

static void on_faults(struct berth_vm_loop *l)
{
	const struct berth_vm_faults *faults = l->config.faults;
	struct berth_dma_fault fault;
	int r;

	while ((r = berth_dma_fault_next(faults->fd, faults->devices, faults->nr, &fault)) == 0)
		on_fault(l, &fault);
	if (r != -EAGAIN) {
		log_warn("VM %s: the kernel's log: %s; DMA faults are not noticed any more",
			 l->config.name, strerror(-r));
		l->config.faults = NULL;
	}
}

/* --- its lease --- */

static int64_t now_s(void)
{
	return (int64_t)time(NULL);
}

static void on_lease(struct berth_vm_loop *l)
{
	struct berth_vm_lease *lease = l->config.lease;
	enum berth_vm_lease_event event = berth_vm_lease_tick(lease, now_s());
	char words[BERTH_LEASE_WORDS];

	if (event == BERTH_VM_LEASE_NOTHING)
		return;
	berth_lease_words(lease->end, now_s(), words);
	if (event != BERTH_VM_LEASE_STOP) {
		log_warn("VM %s: the lease of its devices %s%s", l->config.name,
			 event == BERTH_VM_LEASE_WARN ? "is " : "", words);
		return;
	}
	if (*lease->evict)
		log_warn("VM %s: it is asked to let go of its devices: %s", l->config.name,
			 lease->evict);
	if (l->end.stop == BERTH_VM_STOP_NOT && *lease->evict)
		snprintf(l->end.why, sizeof(l->end.why), "it had to let go of its devices: %.90s",
			 lease->evict);
	else if (l->end.stop == BERTH_VM_STOP_NOT)
		snprintf(l->end.why, sizeof(l->end.why), "the lease of its devices %s", words);
	ask_to_end(l, BERTH_VM_STOP_LEASE);
}

/* --- requests --- */

static void on_listen(struct berth_vm_loop *l)
{
	int fd = accept4(l->config.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (int i = 0; fd >= 0 && i < MAX_CLIENTS; i++) {
		if (l->clients[i] < 0) {
			l->clients[i] = fd;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

static void on_resume(struct berth_vm_loop *l, int client)
{
	char answer[128] = "ok";

	if (!l->paused)
		snprintf(answer, sizeof(answer), "VM %s is not paused", l->config.name);
	pause_it(l, false);
	send(client, answer, strlen(answer), MSG_NOSIGNAL);
}

/* Somebody has changed the ledger and does not want to wait until we look. */
static void on_look(struct berth_vm_loop *l, int client)
{
	if (l->config.lease)
		l->config.lease->look_at = 0;
	send(client, "ok", 2, MSG_NOSIGNAL);
}

static void on_client(struct berth_vm_loop *l, int *client)
{
	static const char unknown[] =
		"this supervisor knows the requests stop, kill, resume and lease";
	char buf[BERTH_VM_REQUEST_MAX];
	ssize_t n = recv(*client, buf, sizeof(buf) - 1, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		buf[n] = '\0';
		if (strcmp(buf, "stop") == 0) {
			ask_to_end(l, BERTH_VM_STOP_ASKED);
			return;
		}
		if (strcmp(buf, "kill") == 0) {
			l->end.stop = BERTH_VM_STOP_KILLED;
			kill_it(l);
			return;
		}
		if (strcmp(buf, "resume") == 0)
			on_resume(l, *client);
		else if (strcmp(buf, "lease") == 0)
			on_look(l, *client);
		else
			send(*client, unknown, sizeof(unknown) - 1, MSG_NOSIGNAL);
	}
	close(*client);
	*client = -1;
}

/* --- the loop --- */

static void fill_polls(const struct berth_vm_loop *l, struct pollfd polls[static NR_POLLS])
{
	const struct berth_vm_process *p = l->config.process;
	bool room = false;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		polls[POLL_CLIENT + i] = (struct pollfd){ .fd = l->clients[i], .events = POLLIN };
		room |= l->clients[i] < 0;
	}
	polls[POLL_PROCESS] = (struct pollfd){ .fd = p->pidfd, .events = POLLIN };
	polls[POLL_CONTROL] =
		(struct pollfd){ .fd = l->control_open ? p->control_fd : -1, .events = POLLIN };
	polls[POLL_SIGNAL] = (struct pollfd){ .fd = l->config.signal_fd, .events = POLLIN };
	polls[POLL_LISTEN] =
		(struct pollfd){ .fd = room ? l->config.listen_fd : -1, .events = POLLIN };
	polls[POLL_STDERR] = (struct pollfd){ .fd = p->stderr_fd, .events = POLLIN };
	polls[POLL_WATCH] =
		(struct pollfd){ .fd = l->config.watch ? berth_vfio_watch_fd(l->config.watch) : -1,
				 .events = POLLIN };
	polls[POLL_FAULTS] = (struct pollfd){ .fd = l->config.faults ? l->config.faults->fd : -1,
					      .events = POLLIN };
	berth_console_poll(l->config.console, polls + POLL_CONSOLE);
}

static int poll_timeout(const struct berth_vm_loop *l)
{
	int64_t until = l->deadline < l->end_of_time ? l->deadline : l->end_of_time, left;
	int64_t most = l->config.lease ? berth_vm_lease_wait(l->config.lease, now_s()) : 60000;

	if (until == INT64_MAX && !l->config.lease)
		return -1;
	left = until - now_ms();
	return left < 0 ? 0 : left > most ? (int)most : (int)left;
}

static void serve(struct berth_vm_loop *l, const struct pollfd polls[static NR_POLLS])
{
	if (polls[POLL_CONTROL].revents)
		on_control(l);
	if (polls[POLL_SIGNAL].revents)
		on_signals(l);
	if (polls[POLL_STDERR].revents)
		berth_vm_lines_read(&l->lines, &l->config.process->stderr_fd);
	if (polls[POLL_WATCH].revents)
		on_watch(l);
	if (polls[POLL_FAULTS].revents)
		on_faults(l);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (polls[POLL_CLIENT + i].revents)
			on_client(l, &l->clients[i]);
	}
	if (polls[POLL_LISTEN].revents)
		on_listen(l);
	if (berth_console_serve(l->config.console, polls + POLL_CONSOLE))
		ask_or_kill(l);
	if (l->config.lease)
		on_lease(l);
	if (now_ms() >= l->deadline)
		on_deadline(l);
	if (now_ms() >= l->end_of_time) {
		l->end_of_time = INT64_MAX;
		ask_to_end(l, BERTH_VM_STOP_TIMEOUT);
	}
}

/* Take the exit status, and what it said before. */
static void reap(struct berth_vm_loop *l)
{
	siginfo_t info = { 0 };

	while (l->control_open) {
		struct pollfd p = { .fd = l->config.process->control_fd, .events = POLLIN };

		if (poll(&p, 1, 0) != 1)
			break;
		on_control(l);
	}
	berth_vm_lines_end(&l->lines, &l->config.process->stderr_fd);
	if (waitid(P_PIDFD, (id_t)l->config.process->pidfd, &info, WEXITED) < 0)
		return;
	l->end.reaped = true;
	l->end.signalled = info.si_code != CLD_EXITED;
	l->end.status = info.si_status;
}

int berth_vm_loop_run(struct berth_vm_loop **ret_loop, const struct berth_vm_loop_config *config,
		      struct berth_vm_ending *ret, struct berth_err *err)
{
	struct berth_vm_loop *l = calloc(1, sizeof(*l));
	struct pollfd polls[NR_POLLS];
	int64_t start = now_ms();

	if (!l)
		return berth_err_set(err, -ENOMEM, "out of memory");
	l->config = *config;
	l->control_open = true;
	l->deadline = start + BERTH_VM_CONFINE_MS;
	l->end_of_time = config->timeout_s ? start + 1000ll * config->timeout_s : INT64_MAX;
	berth_vm_lines_init(&l->lines, config->name);
	for (int i = 0; i < MAX_CLIENTS; i++)
		l->clients[i] = -1;
	for (;;) {
		fill_polls(l, polls);
		if (poll(polls, NR_POLLS, poll_timeout(l)) < 0)
			continue; /* EINTR; our signals are blocked, so hardly ever */
		if (polls[POLL_PROCESS].revents) {
			reap(l);
			break;
		}
		serve(l, polls);
		if (l->phase == DYING && now_ms() >= l->deadline)
			break;
	}
	wipe_progress(l);
	berth_console_drain(config->console, 2000);
	*ret = l->end;
	*ret_loop = l;
	return 0;
}

void berth_vm_loop_free(struct berth_vm_loop *loop, const char *answer)
{
	if (!loop)
		return;
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (loop->clients[i] < 0)
			continue;
		send(loop->clients[i], answer, strnlen(answer, BERTH_VM_REQUEST_MAX - 1),
		     MSG_NOSIGNAL);
		close(loop->clients[i]);
	}
	free(loop);
}
