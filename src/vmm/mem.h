/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory: RAM, and the KVM memory slots that put RAM and device BARs into the guest.
 *
 * RAM lies at [0, 3 GiB) and from 4 GiB up, less what the caller reserved (IOVA holes of the platform). The area
 * between is for devices: pci_host.h says what lies where in it. Slots may be set and deleted by any thread; the RAM
 * layout never changes after berth_mem_new(), so the translator takes no lock.
 */
#ifndef BERTH_VMM_MEM_H
#define BERTH_VMM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"
#include "vmm/backing.h"

struct berth_err;
struct berth_mem;     /* opaque */
struct berth_memslot; /* opaque */

typedef uint64_t berth_gpa_t; /* guest-physical address, bytes */

#define BERTH_MEM_LOW_END    UINT64_C(0xC0000000)  /* RAM below 4 GiB ends here */
#define BERTH_MEM_HIGH_START UINT64_C(0x100000000) /* and goes on here */
#define BERTH_MEM_MIN	     (UINT64_C(16) << 20)  /* less holds no kernel that we load */

struct berth_mem_config {
	uint64_t size; /* bytes of RAM, a multiple of 4 KiB */
	int fd;	       /* borrowed memfd to map shared, at least @size long; -1: anonymous memory */
	const struct berth_range *reserved; /* borrowed; guest addresses that RAM must leave free */
	size_t nr_reserved;
	enum berth_pages pages; /* what RAM is made of */
	bool on_node;		/* all of it on NUMA node: */
	unsigned int node;
	/* borrowed; @size bytes that are there already, aligned as RAM has to be; NULL: none are, and the rest counts */
	void *start;
};

/* One piece of RAM, contiguous both in the guest and here. */
struct berth_mem_range {
	berth_gpa_t gpa;
	uint64_t size; /* bytes */
	void *hva;     /* borrowed from the berth_mem */
};

/**
 * berth_mem_new() - map guest RAM and hand it to KVM
 * @vm_fd: borrowed, outlives the berth_mem; from KVM_CREATE_VM
 *
 * Every piece of RAM starts at a multiple of berth_pages_align() in the guest and here, and all but the last end at one.
 *
 * Return: 0; -EINVAL size 0, not page aligned or below BERTH_MEM_MIN, or the start of memory is reserved; -E2BIG too
 *         many pieces; -ENOMEM; -errno of KVM_SET_USER_MEMORY_REGION; what berth_backing_map() returns.
 */
int berth_mem_new(struct berth_mem **ret, int vm_fd, const struct berth_mem_config *config,
		  struct berth_err *err);
/* Frees the slots that are left and unmaps RAM. Only after all vCPUs have stopped; KVM forgets with its VM fd. */
void berth_mem_free(struct berth_mem *mem);
BERTH_DEFINE_CLEANUP(struct berth_mem *, berth_mem_free);

/* The pieces of RAM by rising address; borrowed, constant for the life of @mem. What devices may reach by DMA. */
const struct berth_mem_range *berth_mem_ram_ranges(const struct berth_mem *mem, size_t *ret_nr);

uint64_t berth_mem_size(const struct berth_mem *mem);	/* bytes of RAM in all */
berth_gpa_t berth_mem_top(const struct berth_mem *mem); /* first address above all RAM */
bool berth_mem_overlaps_ram(const struct berth_mem *mem, struct berth_range at);

/* The ranges that the caller reserved, in its order; borrowed. */
const struct berth_range *berth_mem_reserved(const struct berth_mem *mem, size_t *ret_nr);

/**
 * berth_mem_at() - the one way from a guest address to a pointer
 *
 * RAM only: device memory is never reached through it, so an emulated device cannot be made to write into another one.
 *
 * Return: pointer to @len bytes; NULL when @len is 0 or the bytes are not all in one piece of RAM.
 */
void *berth_mem_at(const struct berth_mem *mem, berth_gpa_t gpa, uint64_t len);

enum berth_memslot_flags {
	BERTH_MEMSLOT_READONLY = 1, /* guest writes leave KVM as MMIO (KVM_MEM_READONLY) */
};

/**
 * berth_memslot_set() - let the guest reach host memory, a BAR for example, without an exit
 * @at: guest-physical; start and size multiples of 4 KiB, size > 0, free of RAM and of other slots
 * @hva: borrowed; 4 KiB aligned; stays mapped until berth_memslot_del()
 * @flags: enum berth_memslot_flags
 *
 * A slot never moves: delete it and set a new one.
 * Source: linux/kvm.h, struct kvm_userspace_memory_region.
 *
 * Return: 0; -EINVAL alignment or empty; -EEXIST overlaps RAM or another slot; -ENOSPC no slot number left
 *         (KVM_CAP_NR_MEMSLOTS); -errno as KVM answered. *ret only on success.
 */
int berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva, unsigned int flags,
		      struct berth_memslot **ret, struct berth_err *err);
/* Take it out of the guest and free @slot. NULL is allowed. When this returns no vCPU uses the memory any more. */
void berth_memslot_del(struct berth_memslot *slot);

/**
 * berth_memslot_on_drop() - be told when berth_mem_drop_faulting() takes this slot out
 * @fn: called on the vCPU's thread under the lock of memory slots: it must not set or delete one. Called at once when that
 *      has happened already. Never after berth_memslot_del() returned.
 */
void berth_memslot_on_drop(struct berth_memslot *slot, void (*fn)(void *opaque), void *opaque);

/**
 * berth_mem_drop_faulting() - KVM_RUN failed with EFAULT: take the slot out that could not be faulted in
 * @gpa: the faulting address, or BERTH_GPA_UNKNOWN when the kernel did not say (before KVM_EXIT_MEMORY_FAULT):
 *       then every slot that is not RAM goes
 *
 * The handle stays valid for its owner's berth_memslot_del(); accesses arrive at the bus from now on.
 *
 * Return: number of slots taken out; 0 means that the fault was in RAM or was already dealt with.
 */
unsigned int berth_mem_drop_faulting(struct berth_mem *mem, berth_gpa_t gpa);
#define BERTH_GPA_UNKNOWN UINT64_MAX

#endif
