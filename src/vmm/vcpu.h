/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual processor: its KVM vCPU, its thread, and what is done about each of its exits.
 *
 * berth_vcpu_start() makes the thread, which waits at the gate until berth_vcpu_gate_open(). It ends when the vCPU was
 * told to stop or cannot go on; then it calls the gate's `ended` and the rest is the VM's to do.
 */
#ifndef BERTH_VMM_VCPU_H
#define BERTH_VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>

#include "base/cleanup.h"

struct berth_boot;
struct berth_bus;
struct berth_err;
struct berth_mem;
struct berth_vcpu; /* opaque */
struct kvm_cpuid2;

/* What all vCPUs of a VM share; lives longer than they. */
struct berth_vcpu_shared {
	int kvm_fd, vm_fd;	      /* borrowed */
	struct berth_bus *mmio, *pio; /* borrowed */
	struct berth_mem *mem;	      /* borrowed */
	/* A vCPU cannot go on. From its thread. @code: negative errno; @text: the sentence. */
	void (*failed)(void *opaque, int code, const char *text);
	void *opaque;

	pthread_mutex_t lock; /* guards open */
	pthread_cond_t changed;
	bool open; /* the gate */
};

void berth_vcpu_shared_init(struct berth_vcpu_shared *shared);
void berth_vcpu_shared_done(struct berth_vcpu_shared *shared);
/* Let all vCPUs run that were started or will be. Those told to stop before do not. */
void berth_vcpu_gate_open(struct berth_vcpu_shared *shared);

/**
 * berth_vcpu_new() - create number @index, with its CPUID and MSRs
 * @cpuid: borrowed for the call; as berth_cpuid_set_vcpu() left it for this vCPU
 * @boot: for the first vCPU; NULL for the others, which wait for INIT and SIPI
 *
 * Return: 0; -ENOMEM; -errno of a KVM call.
 */
int berth_vcpu_new(struct berth_vcpu **ret, struct berth_vcpu_shared *shared, unsigned int index,
		   const struct kvm_cpuid2 *cpuid, const struct berth_boot *boot,
		   struct berth_err *err);
/* Stops and joins the thread if there is one. */
void berth_vcpu_free(struct berth_vcpu *vcpu);
BERTH_DEFINE_CLEANUP(struct berth_vcpu *, berth_vcpu_free);

int berth_vcpu_start(struct berth_vcpu *vcpu, struct berth_err *err);
/* Get it out of the guest for good: returns at once. Any thread; again does no harm. */
void berth_vcpu_stop(struct berth_vcpu *vcpu);
/* Wait for the end of its thread. */
void berth_vcpu_join(struct berth_vcpu *vcpu);

/* The signal behind berth_vcpu_stop(), and installing its empty handler. */
int berth_vcpu_signal(void);
int berth_vcpu_install_signal(struct berth_err *err);

#endif
