/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPUID tells the guest: everything KVM supports, with our own topology (one package, one thread per core).
 */
#ifndef BERTH_VMM_CPUID_H
#define BERTH_VMM_CPUID_H

#include "base/cleanup.h"

struct berth_err;
struct kvm_cpuid2;

/**
 * berth_cpuid_new() - what KVM_GET_SUPPORTED_CPUID says
 * @ret: owned by the caller, free()
 *
 * Return: 0; -ENOMEM; -errno.
 */
int berth_cpuid_new(struct kvm_cpuid2 **ret, int kvm_fd, struct berth_err *err);

/* Fill in what differs per vCPU: APIC ids, core counts, and the bits that KVM leaves to us. Call again for each vCPU. */
void berth_cpuid_set_vcpu(struct kvm_cpuid2 *cpuid, unsigned int index, unsigned int nr_vcpus);

/* Guest-physical address bits: leaf 0x80000008, 36 when the processor has none (AMD APM 3, E.4.7). */
unsigned int berth_cpuid_phys_bits(const struct kvm_cpuid2 *cpuid);

#endif
