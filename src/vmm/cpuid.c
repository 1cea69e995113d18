/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"

#define MAX_ENTRIES 256 /* KVM_MAX_CPUID_ENTRIES */

/* Leaves and bits: Intel SDM 2A, CPUID; AMD APM 3, appendix E. */
#define L1_EBX_COUNT_SHIFT  16
#define L1_EBX_APIC_SHIFT   24
#define L1_ECX_X2APIC	    (1u << 21)
#define L1_ECX_TSC_DEADLINE (1u << 24)
#define L1_ECX_HYPERVISOR   (1u << 31)
#define L1_EDX_MTRR	    (1u << 12)
#define L1_EDX_HTT	    (1u << 28)
#define L4_EAX_SHARE_MASK   (0xfffu << 14)
#define L4_EAX_SHARE_SHIFT  14
#define L4_EAX_CORES_SHIFT  26
#define LEVEL_SMT	    1
#define LEVEL_CORE	    2
#define AMD_CMP_LEGACY	    (1u << 1)
#define NESTED_4_LEVEL_BITS 48 /* Intel SDM 3, 29.3.2 */
#define DEFAULT_PHYS_BITS   36

int berth_cpuid_new(struct kvm_cpuid2 **ret, int kvm_fd, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2));

	if (!cpuid)
		return berth_err_set(err, -ENOMEM, "out of memory");
	cpuid->nent = MAX_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		return berth_err_set(err, -errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	*ret = BERTH_TAKE_PTR(cpuid);
	return 0;
}

/* Bits needed to number @nr things. */
static unsigned int bits_for(unsigned int nr)
{
	return nr > 1 ? 32 - (unsigned int)__builtin_clz(nr - 1) : 0;
}

static void set_leaf_1(struct kvm_cpuid_entry2 *e, unsigned int index, unsigned int nr)
{
	e->ebx &= 0xffff;
	e->ebx |= index << L1_EBX_APIC_SHIFT | (nr > 255 ? 255 : nr) << L1_EBX_COUNT_SHIFT;
	e->ecx |= L1_ECX_X2APIC | L1_ECX_TSC_DEADLINE | L1_ECX_HYPERVISOR;
	e->edx |= L1_EDX_MTRR;
	e->edx &= ~L1_EDX_HTT;
	if (nr > 1)
		e->edx |= L1_EDX_HTT;
}

/* Cache topology, Intel's leaf 4 and AMD's 0x8000001D: levels 1 and 2 are a core's own, level 3 is the package's. */
static void set_cache(struct kvm_cpuid_entry2 *e, unsigned int nr)
{
	unsigned int level = e->eax >> 5 & 7, all = (1u << bits_for(nr)) - 1;

	if ((e->eax & 0x1f) == 0)
		return;
	e->eax &= ~L4_EAX_SHARE_MASK;
	if (level >= 3)
		e->eax |= all << L4_EAX_SHARE_SHIFT;
}

static void set_topology(struct kvm_cpuid_entry2 *e, unsigned int index, unsigned int nr)
{
	e->edx = index;
	e->eax = e->ebx = 0;
	e->ecx = e->index;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_SMT << 8;
	} else if (e->index == 1) {
		e->eax = bits_for(nr);
		e->ebx = nr;
		e->ecx |= LEVEL_CORE << 8;
	}
}

void berth_cpuid_set_vcpu(struct kvm_cpuid2 *cpuid, unsigned int index, unsigned int nr)
{
	for (unsigned int i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		switch (e->function) {
		case 0x1:
			set_leaf_1(e, index, nr);
			break;
		case 0x4:
			set_cache(e, nr);
			e->eax &= (1u << L4_EAX_CORES_SHIFT) - 1;
			if (e->eax & 0x1f)
				e->eax |= ((1u << bits_for(nr)) - 1) << L4_EAX_CORES_SHIFT;
			break;
		case 0xb:
		case 0x1f:
			set_topology(e, index, nr);
			break;
		case 0x80000001:
			e->ecx &= ~AMD_CMP_LEGACY;
			if (nr > 1)
				e->ecx |= AMD_CMP_LEGACY;
			break;
		case 0x80000008: /* ApicIdSize and NC; the address bits in EAX stay the host's */
			e->ecx &= ~0xf0ffu;
			e->ecx |= bits_for(nr) << 12 | (nr - 1);
			break;
		case 0x8000001d:
			set_cache(e, nr);
			break;
		case 0x8000001e: /* extended APIC id; one thread per core, one node */
			e->eax = index;
			e->ebx = index & 0xff;
			e->ecx = 0;
			break;
		default:
			break;
		}
	}
}

unsigned int berth_cpuid_phys_bits(const struct kvm_cpuid2 *cpuid)
{
	for (unsigned int i = 0; i < cpuid->nent; i++) {
		unsigned int bits = cpuid->entries[i].eax & 0xff;
		unsigned int reach = cpuid->entries[i].eax >> 16 & 0xff;

		if (cpuid->entries[i].function != 0x80000008 || !bits)
			continue;
		/*
		 * KVM from 6.9 on says in GuestPhysAddrSize what its page tables map, if that is less: four levels of
		 * them reach 48 bits. Before that it does not say.
		 */
		if (!reach)
			reach = NESTED_4_LEVEL_BITS;
		return bits < reach ? bits : reach;
	}
	return DEFAULT_PHYS_BITS;
}
