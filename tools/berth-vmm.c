/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-vmm: one virtual machine, without privilege. Started by `berth run` only, with a control socket as descriptor 3;
 * what happens in which order is vmm() below.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "tools/vm_spawn.h"
#include "vmm/control.h"
#include "vmm/early_ram.h"
#include "vmm/guest.h"
#include "vmm/launch.h"
#include "vmm/sandbox.h"
#include "vmm/vm.h"

/* vCPUs, the main thread, and a few for the sanitizers or a library. */
#define SPARE_THREADS 8

static enum berth_sandbox_devices devices_of(const struct berth_launch *launch)
{
	if (!launch->devices_follow)
		return BERTH_SANDBOX_NO_DEVICES;
	return launch->ioas_kind == BERTH_IOAS_IOMMUFD ? BERTH_SANDBOX_IOMMUFD :
							 BERTH_SANDBOX_TYPE1;
}

static int confine(const struct berth_launch *launch, struct berth_err *err)
{
	int keep[BERTH_FD_MAX_PASS + 1];
	struct berth_sandbox s = { .uid = launch->uid, .keep = keep };
	struct berth_sandbox_fds fds = { BERTH_VMM_CONTROL_FD, launch->console_fd, -1 };
	int r;

	s.nr_keep = berth_launch_machine_fds(launch, keep);
	keep[s.nr_keep++] = BERTH_VMM_CONTROL_FD;
	s.nr_threads = launch->nr_cpus + SPARE_THREADS;
	r = berth_sandbox_confine(&s, err);
	if (r == 0)
		r = berth_sandbox_filter(BERTH_SANDBOX_SETUP, devices_of(launch), &fds, err);
	return r;
}

static int say_confined(struct berth_err *err)
{
	int r = berth_control_say(BERTH_VMM_CONTROL_FD, BERTH_CONTROL_CONFINED);

	return r < 0 ? berth_err_set(err, r, "telling the supervisor: %s", strerror(-r)) : 0;
}

static void on_control(struct berth_vm *vm, int fd, void *opaque)
{
	struct berth_control msg;
	int r = berth_control_recv(fd, &msg);

	(void)opaque;
	if (r == -ECONNRESET)
		_exit(1); /* nobody is left to tell, and the devices are the next verb's to reset */
	if (r == 0 && msg.type == BERTH_CONTROL_STOP)
		berth_vm_stop(vm);
	else if (r != 0)
		berth_vm_fail(vm, r, "control socket: %s", strerror(-r));
}

static int run(struct berth_guest *guest, const struct berth_launch *launch, enum berth_vm_end *ret,
	       struct berth_err *err)
{
	struct berth_vm *vm = berth_guest_vm(guest);
	struct berth_sandbox_fds fds = { BERTH_VMM_CONTROL_FD, launch->console_fd,
					 berth_guest_p2p_fd(guest) };
	int r = berth_vm_watch_fd(vm, BERTH_VMM_CONTROL_FD, on_control, NULL, err);

	if (r == 0)
		r = berth_sandbox_filter(BERTH_SANDBOX_RUN, devices_of(launch), &fds, err);
	if (r == 0)
		r = berth_control_say(BERTH_VMM_CONTROL_FD, BERTH_CONTROL_RUNNING);
	return r < 0 ? r : berth_vm_run(vm, ret, err);
}

static void on_ram(void *opaque, uint64_t done, uint64_t total)
{
	const struct berth_control msg = {
		.type = BERTH_CONTROL_MEMORY,
		.done = done,
		.total = total,
	};

	(void)opaque;
	/* A supervisor that is gone is noticed by the next who waits for it. */
	(void)berth_control_send(BERTH_VMM_CONTROL_FD, &msg);
}

/* RAM is faulted in while the supervisor resets the devices; without devices only what the guest touches. */
static int begin_ram(struct berth_early_ram **ret, const struct berth_launch *launch,
		     struct berth_err *err)
{
	const struct berth_backing_config config = {
		.pages = launch->pages,
		.node = launch->numa_node,
		.fd = launch->memory_fd,
		.size = launch->memory,
	};

	return launch->devices_follow ? berth_early_ram_new(ret, &config, err) : 0;
}

/* The supervisor must be alive to answer; one that died before we asked for its death signal does not. */
static int wait_for_go(struct berth_launch *launch, struct berth_err *err)
{
	struct berth_control msg;
	int r = berth_control_recv(BERTH_VMM_CONTROL_FD, &msg);

	if (r == 0 && msg.type != BERTH_CONTROL_GO)
		r = -EPROTO;
	if (r < 0)
		return berth_err_set(err, r, "waiting for the supervisor: %s", strerror(-r));
	return launch->devices_follow ?
		       berth_launch_recv_devices(BERTH_VMM_CONTROL_FD, launch, err) :
		       0;
}

/* Everything, in order. Return: 0 and how the guest ended; -errno. */
static int vmm(struct berth_launch *launch, enum berth_vm_end *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_early_ram_freep) struct berth_early_ram *ram = NULL;
	BERTH_CLEANUP(berth_guest_freep) struct berth_guest *guest = NULL; /* is freed first */
	int r = berth_launch_recv(BERTH_VMM_CONTROL_FD, launch, err);

	if (r == 0)
		r = confine(launch, err);
	if (r == 0)
		r = say_confined(err);
	if (r == 0)
		r = begin_ram(&ram, launch, err);
	if (r == 0)
		r = wait_for_go(launch, err);
	if (r == 0)
		r = berth_guest_new(&guest, launch, ram, on_ram, err);
	if (r == 0)
		r = run(guest, launch, ret, err);
	return r;
}

static enum berth_control_outcome outcome(int r, enum berth_vm_end end)
{
	if (r == -ENOTRECOVERABLE)
		return BERTH_ENDED_CRASHED;
	if (r < 0)
		return BERTH_ENDED_FAILED;
	switch (end) {
	case BERTH_VM_POWEROFF:
		return BERTH_ENDED_POWEROFF;
	case BERTH_VM_REBOOT:
		return BERTH_ENDED_REBOOT;
	case BERTH_VM_STOPPED:
		return BERTH_ENDED_STOPPED;
	}
	return BERTH_ENDED_FAILED;
}

int main(void)
{
	static struct berth_launch launch;
	struct berth_control msg = { .type = BERTH_CONTROL_ENDED };
	struct berth_err err = BERTH_ERR_INIT;
	enum berth_vm_end end = BERTH_VM_STOPPED;
	struct stat st;
	int r;

	if (fstat(BERTH_VMM_CONTROL_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "berth-vmm: started by 'berth run', not by hand\n");
		return 2;
	}
	/* The clock of the guest calls gmtime_r(), and that reads the time zone once: not from a file out of reach. */
	setenv("TZ", "UTC0", 1);
	tzset();
	berth_launch_init(&launch);
	r = vmm(&launch, &end, &err);
	msg.outcome = outcome(r, end);
	if (r < 0)
		snprintf(msg.text, sizeof(msg.text), "%s", err.code ? err.text : strerror(-r));
	berth_launch_done(&launch);
	berth_control_send(BERTH_VMM_CONTROL_FD, &msg);
	return r < 0;
}
