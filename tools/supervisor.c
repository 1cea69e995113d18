/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "iommu/ioas.h"
#include "manager/claim.h"
#include "tools/console.h"
#include "tools/run_config.h"
#include "tools/terminal.h"
#include "tools/vm_devices.h"
#include "tools/vm_dir.h"
#include "tools/vm_lease.h"
#include "tools/vm_loop.h"
#include "tools/vm_memory.h"
#include "tools/vm_spawn.h"
#include "vfio/dma_fault.h"
#include "vmm/launch.h"

#define BERTH_LOG "run"
#include "base/log.h"

/* Descriptors of berth-vmm beside those that come with devices: stdio, epoll, KVM, one per vCPU, eventfds. */
#define SPARE_FDS 64
/* What berth-vmm may lock when no device wants its RAM pinned: the kernel's own default. */
#define MEMLOCK_DEFAULT (UINT64_C(8) << 20)

struct supervisor {
	struct berth_host *host;			/* borrowed */
	const struct berth_run_config *config;		/* borrowed */
	const struct berth_supervisor_options *options; /* borrowed */
	struct berth_launch launch;			/* owned descriptors */
	struct berth_vm_dir *dir;			/* owned */
	struct berth_vm_info info;
	struct berth_vm_memory memory;
	struct berth_vm_faults faults; /* fd is owned, -1 when unset */
	struct berth_vm_devices devices;
	struct berth_vm_lease lease;
	struct berth_terminal *terminal; /* owned */
	struct berth_console console;
	struct berth_vm_process process;
	struct berth_vm_loop *loop; /* owned */
	struct berth_vm_ending ending;
	int64_t since; /* ms of the monotonic clock; when we were called */
	int signal_fd; /* owned */
	int listen_fd; /* borrowed from @dir */
};

/* --- files --- */

static int open_regular(const char *path, const char *what, uint64_t *ret_size,
			struct berth_err *err)
{
	/* O_NONBLOCK: a pipe or a device in the place of the file must not hold us up. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return berth_err_set(err, -errno, "%s %s: %s", what, path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return berth_err_set(err, -EINVAL, "%s %s: not a regular file", what, path);
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

/*
 * Is it worth taking devices from the host for this file? A look at its magic only; berth-vmm, which has nothing to lose,
 * reads the rest. bzImage: "HdrS" at 0x202 (Documentation/arch/x86/boot.rst); else ELF.
 */
static int check_kernel(int fd, const char *path, struct berth_err *err)
{
	char head[0x206] = "";
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return berth_err_set(err, -errno, "kernel %s: %s", path, strerror(errno));
	if (n >= 4 && memcmp(head, "\177ELF", 4) == 0)
		return 0;
	if (n == (ssize_t)sizeof(head) && memcmp(head + 0x202, "HdrS", 4) == 0)
		return 0;
	return berth_err_set(err, -ENOEXEC,
			     "kernel %s: not a kernel, neither bzImage nor ELF with a PVH entry",
			     path);
}

static int open_kvm(const struct berth_host *host, unsigned int nr_cpus, struct berth_err *err)
{
	int fd = openat(host->dev_fd, "kvm", O_RDWR | O_CLOEXEC), max;

	if (fd < 0)
		return berth_err_set(
			err, -errno, "/dev/kvm: %s%s", strerror(errno),
			errno == ENOENT || errno == ENODEV ?
				"; switch virtualisation on in the firmware and load the module "
				"kvm_intel or kvm_amd" :
				"");
	max = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (max > 0 && nr_cpus > (unsigned int)max) {
		close(fd);
		return berth_err_set(err, -EINVAL, "%u CPUs: KVM on this host allows %d", nr_cpus,
				     max);
	}
	return fd;
}

static int open_files(const struct berth_host *host, const struct berth_run_config *c,
		      struct berth_launch *l, struct berth_err *err)
{
	uint64_t size;
	int r;

	l->kernel_fd = r = open_regular(c->kernel, "kernel", &size, err);
	if (r >= 0)
		r = check_kernel(l->kernel_fd, c->kernel, err);
	if (r >= 0 && c->initrd) {
		l->initrd_fd = r = open_regular(c->initrd, "initrd", &size, err);
		if (r >= 0 && size >= c->memory)
			r = berth_err_set(err, -EFBIG,
					  "initrd %s: %" PRIu64 " bytes do not fit into %" PRIu64
					  " bytes of memory; give the VM more with --memory",
					  c->initrd, size, c->memory);
	}
	if (r >= 0)
		l->kvm_fd = r = open_kvm(host, c->nr_cpus, err);
	return r < 0 ? r : 0;
}

/* Devices need all of the guest's memory locked: known now, and refused now, before any is taken from the host. */
static int check_memlock(const struct berth_run_config *c, struct berth_err *err)
{
	int r = 0;

	if (c->nr_devices)
		r = berth_ioas_memlock_allow(berth_ioas_memlock_need(c->memory), err);
	return r < 0 ? berth_err_prefix(err, r, "VM %s", c->name) : 0;
}

int berth_supervisor_check(const struct berth_host *host, const struct berth_run_config *config,
			   struct berth_err *err)
{
	struct berth_vm_memory memory = BERTH_VM_MEMORY_INIT;
	struct berth_launch l;
	int r;

	berth_launch_init(&l);
	r = open_files(host, config, &l, err);
	if (r == 0)
		r = check_memlock(config, err);
	if (r == 0)
		r = berth_vm_memory_reserve(&memory, host, config, err);
	berth_vm_memory_done(&memory);
	berth_launch_done(&l);
	return r;
}

/* --- up --- */

static int block_signals(struct supervisor *s, struct berth_err *err)
{
	sigset_t set;

	berth_vm_loop_signals(&set);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return berth_err_set(err, -errno, "blocking signals: %s", strerror(errno));
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? berth_err_set(err, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static void fill_launch(struct supervisor *s)
{
	const struct berth_run_config *c = s->config;
	struct berth_launch *l = &s->launch;

	snprintf(l->name, sizeof(l->name), "%s", c->name);
	snprintf(l->cmdline, sizeof(l->cmdline), "%s", c->cmdline ? c->cmdline : BERTH_RUN_CMDLINE);
	l->nr_cpus = c->nr_cpus;
	l->memory = c->memory;
	l->p2p = c->p2p;
	l->pages = c->pages;
}

static int take_dir(struct supervisor *s, struct berth_err *err)
{
	int r = berth_vm_dir_take(&s->dir, s->host, s->config->name, err);

	if (r == 0)
		r = berth_vm_dir_take_uid(s->dir, &s->launch.uid, err);
	if (r == 0)
		s->listen_fd = r = berth_vm_dir_listen(s->dir, err);
	return r < 0 || r == BERTH_REFUSED ? r : 0;
}

/* Only for `berth vm` and for the words to a second supervisor: the VM runs without. */
static void write_info(struct supervisor *s)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vm_dir_write(s->dir, &s->info, &err) < 0)
		log_warn("%s, going on without", err.text);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* At least 1: 0 stands for what has not happened. */
static uint64_t ms_since(const struct supervisor *s)
{
	int64_t ms = now_ms() - s->since;

	return ms > 0 ? (uint64_t)ms : 1;
}

static void fill_info(struct supervisor *s)
{
	struct berth_vm_info *i = &s->info;

	snprintf(i->name, sizeof(i->name), "%s", s->launch.name);
	snprintf(i->kernel, sizeof(i->kernel), "%s", s->config->kernel);
	i->nr_cpus = s->launch.nr_cpus;
	i->memory = s->launch.memory;
	i->uid = s->launch.uid;
	snprintf(i->hugepages, sizeof(i->hugepages), "%s", berth_pages_name(s->launch.pages));
	i->numa_node = s->memory.config.node;
	i->since = (int64_t)time(NULL);
	if (s->launch.nr_devices)
		snprintf(i->iommu, sizeof(i->iommu), "%s",
			 berth_ioas_kind_name(s->launch.ioas_kind));
	i->nr_devices = s->launch.nr_devices;
	for (unsigned int k = 0; k < i->nr_devices; k++)
		i->devices[k] = s->launch.devices[k].host;
}

static void choose_node(struct supervisor *s)
{
	const struct berth_vm_claim *claim = s->devices.claim;
	struct berth_bdf at[BERTH_LAUNCH_DEVICES] = { 0 };
	size_t nr = 0;

	if (!claim)
		return;
	for (size_t i = 0; i < claim->nr_devs && nr < BERTH_LAUNCH_DEVICES; i++)
		if (claim->devs[i].asked)
			at[nr++] = claim->devs[i].at;
	berth_vm_memory_choose_node(&s->memory, s->host, s->config, at, nr);
}

static int claim_devices(struct supervisor *s, struct berth_err *err)
{
	int r = berth_vm_devices_claim(&s->devices, s->config->name, s->config->devices,
				       s->config->nr_devices, &s->options->wish, s->signal_fd, err);

	if (r != 0)
		return r;
	choose_node(s);
	s->launch.devices_follow = s->devices.claim;
	return berth_vm_devices_choose(&s->devices, s->config->iommu, s->config->p2p,
				       &s->launch.ioas_kind, err);
}

static int open_devices(struct supervisor *s, struct berth_err *err)
{
	int r = berth_vm_devices_open(&s->devices, err);

	if (r == 0 && s->devices.claim)
		s->info.devices_ms = ms_since(s);
	return r == 0 ? berth_vm_devices_lend(&s->devices, s->config->options, &s->launch, err) : r;
}

static uint64_t nofile(const struct supervisor *s)
{
	return SPARE_FDS + s->launch.nr_cpus + s->launch.nr_groups + s->launch.nr_devices +
	       berth_vm_devices_nr_fds(&s->devices);
}

/* The terminal comes later: what is said until then is ours. */
static int make_console_socket(struct supervisor *s, struct berth_err *err)
{
	int sock[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		return berth_err_set(err, -errno, "socket for the console: %s", strerror(errno));
	s->console.sock = sock[0];
	s->launch.console_fd = sock[1];
	return 0;
}

static int open_terminal(struct supervisor *s, struct berth_err *err)
{
	int r = berth_terminal_open(&s->terminal, s->options->console, err);

	if (r == 0)
		berth_console_init(&s->console, s->terminal, s->console.sock);
	return r;
}

/* It has no device yet: it confines itself and faults RAM in while we open and reset them. */
static int start_process(struct supervisor *s, struct berth_err *err)
{
	struct berth_vm_limits limits = { .memlock = MEMLOCK_DEFAULT, .nofile = nofile(s) };
	int r;

	if (s->launch.devices_follow)
		limits.memlock = berth_ioas_memlock_need(s->launch.memory);
	r = berth_vm_spawn(&s->process, s->launch.name, &limits, err);
	if (r < 0)
		return r;
	s->info.vmm_pid = s->process.pid;
	s->launch.numa_node = s->memory.config.node;
	s->launch.memory_fd = BERTH_TAKE_FD(s->memory.config.fd);
	return berth_launch_send(s->process.control_fd, &s->launch, err);
}

static int on_go(void *arg)
{
	struct supervisor *s = arg;
	struct berth_err err = BERTH_ERR_INIT;
	int r = 0;

	if (s->launch.devices_follow) {
		s->devices.used = true;
		r = berth_vm_process_allow(&s->process, nofile(s), &err);
		if (r == 0)
			r = berth_launch_send_devices(s->process.control_fd, &s->launch, &err);
	}
	if (r < 0)
		log_warn("%s", err.text);
	/* Our copies: what berth-vmm has must end when it ends. */
	berth_launch_done(&s->launch);
	return r;
}

static void on_memory(void *arg)
{
	struct supervisor *s = arg;

	s->info.memory_ms = ms_since(s);
}

static void on_running(void *arg)
{
	struct supervisor *s = arg;

	s->info.ready_ms = ms_since(s);
	write_info(s);
	log_info("VM %s runs as process %d", s->config->name, (int)s->process.pid);
}

/* Before the guest runs, so that no fault of its devices is missed. */
static int watch_faults(struct supervisor *s, struct berth_err *err)
{
	int r;

	s->faults = (struct berth_vm_faults){
		.devices = s->info.devices,
		.nr = s->info.nr_devices,
		.stop = s->config->stop_on_dma_fault,
		.fd = -1,
	};
	if (s->info.nr_devices == 0)
		return 0;
	s->faults.fd = r = berth_dma_fault_open(s->host, err);
	if (r >= 0)
		return 0;
	if (s->faults.stop)
		return berth_err_prefix(err, r, "VM %s: to stop it on a DMA fault",
					s->config->name);
	log_warn("VM %s: %s; DMA faults of its devices are not noticed", s->config->name,
		 err->text);
	berth_err_clear(err);
	return 0;
}

static int supervise(struct supervisor *s, struct berth_err *err)
{
	struct berth_vm_loop_config config = {
		.name = s->config->name,
		.process = &s->process,
		.console = &s->console,
		.listen_fd = s->listen_fd,
		.signal_fd = s->signal_fd,
		.faults = s->faults.fd >= 0 ? &s->faults : NULL,
		.memory = s->config->memory,
		.timeout_s = s->options->timeout_s,
		.progress = isatty(STDERR_FILENO),
		.on_memory = on_memory,
		.on_go = on_go,
		.watch = s->devices.watch,
		.lease = s->devices.claim ? &s->lease : NULL,
		.on_error = s->config->on_error,
		.on_running = on_running,
		.arg = s,
	};
	int r = berth_vm_loop_run(&s->loop, &config, &s->ending, err);

	return r < 0 ? r : berth_vm_ending_judge(&s->ending, s->config->name, err);
}

/* What can be refused: nothing runs yet, and no device is open. */
static int take(struct supervisor *s, struct berth_err *err)
{
	int r = block_signals(s, err);

	if (r == 0)
		r = open_files(s->host, s->config, &s->launch, err);
	if (r == 0)
		r = check_memlock(s->config, err);
	if (r == 0)
		r = berth_vm_memory_reserve(&s->memory, s->host, s->config, err);
	if (r == 0)
		r = take_dir(s, err);
	if (r != 0)
		return r;
	fill_info(s);
	write_info(s);
	return claim_devices(s, err);
}

static int bring_up(struct supervisor *s, struct berth_err *err)
{
	int r = take(s, err);

	if (r == 0)
		r = make_console_socket(s, err);
	if (r == 0)
		r = start_process(s, err);
	if (r != 0)
		return r;
	write_info(s);
	r = open_devices(s, err);
	if (r == 0 && berth_vm_loop_interrupted(s->signal_fd))
		r = berth_err_set(err, -EINTR, "VM %s: interrupted before it was started",
				  s->config->name);
	if (r == 0)
		r = open_terminal(s, err);
	if (r != 0)
		return r;
	fill_info(s);
	write_info(s);
	return watch_faults(s, err);
}

/* --- down --- */

static void end_process(struct supervisor *s)
{
	berth_console_done(&s->console);
	berth_vm_process_done(&s->process);
	berth_launch_done(&s->launch);
	berth_terminal_close(s->terminal);
	s->terminal = NULL;
}

/* Return: what should be reported: @r, or the first thing that went wrong on the way down. */
static int take_down(struct supervisor *s, int r, struct berth_err *err)
{
	struct berth_err down = BERTH_ERR_INIT;
	int r2;

	berth_vm_memory_done(&s->memory);
	end_process(s);
	r2 = berth_vm_devices_give_back(&s->devices, &down);
	if (r2 != 0 && r != 0)
		log_warn("%s", down.text);
	else if (r2 != 0)
		r = berth_err_set(err, r2, "%s", down.text);
	/* For `berth vm kill` a VM that was killed has ended well. */
	berth_vm_loop_free(s->loop, r == 0 || (s->ending.stop == BERTH_VM_STOP_KILLED && r2 == 0) ?
					    "ok" :
					    err->text);
	berth_vm_dir_drop(s->dir);
	berth_closep(&s->faults.fd);
	berth_closep(&s->signal_fd);
	return r;
}

int berth_supervisor_run(struct berth_host *host, const struct berth_run_config *config,
			 const struct berth_supervisor_options *options, struct berth_err *err)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return berth_err_set(err, -ENOMEM, "out of memory");
	s->host = host;
	s->config = config;
	s->options = options;
	s->signal_fd = s->console.sock = s->faults.fd = -1;
	s->since = now_ms();
	s->process = (struct berth_vm_process)BERTH_VM_PROCESS_INIT;
	berth_launch_init(&s->launch);
	s->memory = (struct berth_vm_memory)BERTH_VM_MEMORY_INIT;
	berth_vm_devices_init(&s->devices, host);
	s->lease = (struct berth_vm_lease){ .read = berth_vm_devices_lease, .arg = &s->devices };
	fill_launch(s);
	r = bring_up(s, err);
	if (r == 0)
		r = supervise(s, err);
	else
		berth_vm_process_end(&s->process, BERTH_VM_DIE_MS);
	r = take_down(s, r, err);
	free(s);
	return r;
}
