/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM without KVM: real buses, memory layout, PCI host and BAR space, so that a whole passed-through function runs
 * anywhere. Link with --wrap for WRAP_VM and WRAP_IRQ of the Makefile: the berth_vm_… calls are answered here, ioctl keeps
 * the memory slots that KVM would have, and insists that they never overlap.
 */
#ifndef BERTH_TESTS_FAKE_VM_H
#define BERTH_TESTS_FAKE_VM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/range.h"

struct berth_vm;

#define FAKE_VM_RAM   (UINT64_C(16) << 20)
#define FAKE_VM_SLOTS 64

struct fake_vm {
	struct berth_bus *mmio, *pio; /* owned */
	struct berth_mem *mem;	      /* owned */
	struct berth_pci_host *host;  /* owned */
	struct berth_barspace *space; /* owned */
	struct berth_pci_slot *slot;  /* one, of the host */
	unsigned int nr_watched;      /* descriptors */
	int failed;		      /* what berth_vm_fail() was told */
};

/* Memory slots as KVM has them; size 0: free. */
extern struct berth_range fake_vm_slots[FAKE_VM_SLOTS];

struct fake_vm *fake_vm_new(void);
void fake_vm_free(struct fake_vm *vm);
/* To hand to what wants a VM. */
struct berth_vm *fake_vm_as_vm(struct fake_vm *vm);

#endif
