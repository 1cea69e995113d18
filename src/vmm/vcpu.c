/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vmm/vcpu"
#include "vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/err.h"
#include "base/log.h"
#include "vmm/bus.h"
#include "vmm/cpu_state.h"
#include "vmm/mem.h"

/* linux/kvm.h from 6.8 on: EFAULT of KVM_RUN with the address; not in the headers of Debian 12. */
#define EXIT_MEMORY_FAULT 39
struct memory_fault {
	uint64_t flags, gpa, size;
};
_Static_assert(sizeof(struct memory_fault) == 24, "struct kvm_run.memory_fault");

struct berth_vcpu {
	struct berth_vcpu_shared *shared; /* borrowed */
	unsigned int index;
	int fd;		     /* owned */
	struct kvm_run *run; /* owned mapping */
	size_t run_size;
	pthread_t thread;
	bool started; /* thread is valid */
	atomic_bool stop;
};

void berth_vcpu_shared_init(struct berth_vcpu_shared *shared)
{
	pthread_mutex_init(&shared->lock, NULL);
	pthread_cond_init(&shared->changed, NULL);
	shared->open = false;
}

void berth_vcpu_shared_done(struct berth_vcpu_shared *shared)
{
	pthread_cond_destroy(&shared->changed);
	pthread_mutex_destroy(&shared->lock);
}

void berth_vcpu_gate_open(struct berth_vcpu_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	shared->open = true;
	pthread_cond_broadcast(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
}

static void wait_at_gate(struct berth_vcpu_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	while (!shared->open)
		pthread_cond_wait(&shared->changed, &shared->lock);
	pthread_mutex_unlock(&shared->lock);
}

int berth_vcpu_signal(void)
{
	return SIGRTMIN;
}

/* Its arrival is all that is wanted: it makes KVM_RUN return. */
static void on_signal(int number)
{
	(void)number;
}

int berth_vcpu_install_signal(struct berth_err *err)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (sigaction(berth_vcpu_signal(), &action, NULL))
		return berth_err_set(err, -errno, "sigaction: %s", strerror(errno));
	return 0;
}

static int map_run(struct berth_vcpu *vcpu, struct berth_err *err)
{
	int size = ioctl(vcpu->shared->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return berth_err_set(err, size < 0 ? -errno : -EOPNOTSUPP,
				     "KVM_GET_VCPU_MMAP_SIZE: %d", size);
	vcpu->run_size = (size_t)size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return berth_err_set(err, -errno, "vCPU %u: mmap: %s", vcpu->index,
				     strerror(errno));
	}
	return 0;
}

int berth_vcpu_new(struct berth_vcpu **ret, struct berth_vcpu_shared *shared, unsigned int index,
		   const struct kvm_cpuid2 *cpuid, const struct berth_boot *boot,
		   struct berth_err *err)
{
	BERTH_CLEANUP(berth_vcpu_freep) struct berth_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int r;

	if (!vcpu)
		return berth_err_set(err, -ENOMEM, "out of memory");
	vcpu->shared = shared;
	vcpu->index = index;
	vcpu->fd = ioctl(shared->vm_fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return berth_err_set(err, -errno, "vCPU %u: KVM_CREATE_VCPU: %s", index,
				     strerror(errno));
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		return berth_err_set(err, -errno, "vCPU %u: KVM_SET_CPUID2: %s", index,
				     strerror(errno));
	r = map_run(vcpu, err);
	if (r == 0)
		r = berth_cpu_state_set_msrs(vcpu->fd, err);
	if (r == 0 && boot)
		r = berth_cpu_state_set_boot(vcpu->fd, boot, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(vcpu);
	return 0;
}

void berth_vcpu_free(struct berth_vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (vcpu->started) {
		berth_vcpu_stop(vcpu);
		berth_vcpu_gate_open(vcpu->shared);
		berth_vcpu_join(vcpu);
	}
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	free(vcpu);
}

/* One exit may stand for several transfers of a string instruction. */
static void handle_io(struct berth_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			berth_bus_read(vcpu->shared->pio, run->io.port, run->io.size, data);
		else
			berth_bus_write(vcpu->shared->pio, run->io.port, run->io.size, data);
	}
}

static void handle_mmio(struct berth_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->mmio.is_write)
		berth_bus_write(vcpu->shared->mmio, run->mmio.phys_addr, run->mmio.len,
				run->mmio.data);
	else
		berth_bus_read(vcpu->shared->mmio, run->mmio.phys_addr, run->mmio.len,
			       run->mmio.data);
}

/* Where the guest was, for the sentence. */
static uint64_t rip(const struct berth_vcpu *vcpu)
{
	struct kvm_regs regs;

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

static const char *suberror_text(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "it cannot emulate an instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "two exceptions at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an event could not be delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "the processor gave an unexpected exit reason";
	default:
		return "unknown reason";
	}
}

/* Return: 0 go on; else the error that ends the VM. */
static int handle_exit(struct berth_vcpu *vcpu, struct berth_err *err)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		return 0;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		return 0;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return 0;
	case KVM_EXIT_SHUTDOWN: /* no rip: KVM on AMD has reset the registers by now */
		return berth_err_set(err, -ENOTRECOVERABLE,
				     "the guest crashed: triple fault on vCPU %u", vcpu->index);
	case KVM_EXIT_INTERNAL_ERROR:
		return berth_err_set(err, -EIO,
				     "KVM gave up on vCPU %u at rip 0x%llx: internal error %u, %s",
				     vcpu->index, (unsigned long long)rip(vcpu),
				     run->internal.suberror, suberror_text(run->internal.suberror));
	case KVM_EXIT_FAIL_ENTRY:
		return berth_err_set(
			err, -EIO, "the processor refused to enter vCPU %u: hardware reason 0x%llx",
			vcpu->index,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		return berth_err_set(err, -EIO,
				     "KVM ended vCPU %u with exit reason %u, at rip 0x%llx",
				     vcpu->index, run->exit_reason, (unsigned long long)rip(vcpu));
	}
}

/*
 * The guest touched memory that cannot be faulted in: a BAR whose device does not decode at the moment. Without its slot
 * the access comes as MMIO next and is answered like every other one to nowhere.
 */
static int handle_efault(struct berth_vcpu *vcpu, struct berth_err *err)
{
	berth_gpa_t gpa = BERTH_GPA_UNKNOWN;
	struct memory_fault fault;

	if (vcpu->run->exit_reason == EXIT_MEMORY_FAULT) {
		memcpy(&fault, vcpu->run->padding, sizeof(fault));
		gpa = fault.gpa;
	}
	if (berth_mem_drop_faulting(vcpu->shared->mem, gpa)) {
		log_info("vCPU %u: device memory at 0x%llx cannot be reached, unmapped",
			 vcpu->index, (unsigned long long)gpa);
		return 0;
	}
	return berth_err_set(err, -EFAULT,
			     "vCPU %u: guest memory at 0x%llx cannot be reached, at rip 0x%llx",
			     vcpu->index, (unsigned long long)gpa, (unsigned long long)rip(vcpu));
}

static int run_once(struct berth_vcpu *vcpu, struct berth_err *err)
{
	/* KVM writes it on some paths only; a stale one must not be taken for this run's. */
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
		return handle_exit(vcpu, err);
	if (errno == EINTR || errno == EAGAIN)
		return 0;
	if (errno == EFAULT)
		return handle_efault(vcpu, err);
	return berth_err_set(err, -errno, "vCPU %u: KVM_RUN: %s", vcpu->index, strerror(errno));
}

static void *vcpu_thread(void *arg)
{
	struct berth_vcpu *vcpu = arg;
	struct berth_err err = BERTH_ERR_INIT;
	char name[16];
	int r = 0;

	/* By the thread itself: for another one, glibc opens a file below /proc, which is out of reach by now. */
	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	prctl(PR_SET_NAME, name);
	wait_at_gate(vcpu->shared);
	while (r == 0 && !atomic_load(&vcpu->stop))
		r = run_once(vcpu, &err);
	if (r < 0)
		vcpu->shared->failed(vcpu->shared->opaque, r, err.text);
	return NULL;
}

int berth_vcpu_start(struct berth_vcpu *vcpu, struct berth_err *err)
{
	int r = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);

	if (r)
		return berth_err_set(err, -r, "vCPU %u: cannot start its thread: %s", vcpu->index,
				     strerror(r));
	vcpu->started = true;
	return 0;
}

void berth_vcpu_stop(struct berth_vcpu *vcpu)
{
	atomic_store(&vcpu->stop, true);
	/* Covers the gap between the test of stop and KVM_RUN; the signal covers the time inside it. */
	vcpu->run->immediate_exit = 1;
	if (vcpu->started)
		pthread_kill(vcpu->thread, berth_vcpu_signal());
}

void berth_vcpu_join(struct berth_vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
