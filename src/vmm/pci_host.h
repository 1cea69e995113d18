/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's PCI Express hierarchy: one segment, a host bridge at 00:00.0, and one root port per slot.
 *
 * A slot holds the functions of one device; they sit behind their own root port, on their own bus, as device 0. The
 * host also does what firmware does on a real board: berth_pci_host_assign() gives out bus numbers, BAR addresses and
 * bridge windows, through the functions' own config_write, with memory and I/O decoding left off.
 *
 * Guest-physical map below 4 GiB (mem.h: RAM ends at 3 GiB):
 *   0xC0000000 … 0xEFFFFFFF  32-bit window: 32-bit BARs, non-prefetchable BARs and ROMs
 *   0xF0000000 …             ECAM, 1 MiB per bus, as many buses as there are
 *   0xFEC00000, 0xFEE00000   IOAPIC, LAPIC (in KVM)
 * The 64-bit window lies above RAM and takes 64-bit prefetchable BARs; its size follows from the devices.
 * I/O BARs go to ports 0x1000 … 0xFFFF, 4 KiB per root port (PCI-to-PCI Bridge 1.2, 3.2.5.6).
 */
#ifndef BERTH_VMM_PCI_HOST_H
#define BERTH_VMM_PCI_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"

struct berth_bus;
struct berth_err;
struct berth_mem;
struct berth_pci_function;
struct berth_pci_host; /* opaque */
struct berth_pci_slot; /* opaque */

#define BERTH_PCI_CONFIG_SIZE  4096 /* PCIe Base 6.0, 7.2.2: extended configuration space */
#define BERTH_PCI_NR_BARS      7    /* BAR 0 … 5, and the expansion ROM as number 6 */
#define BERTH_PCI_ROM_BAR      6
#define BERTH_PCI_MAX_SLOTS    128
#define BERTH_PCI_MMIO32_START UINT64_C(0xC0000000)
#define BERTH_PCI_MMIO32_END   UINT64_C(0xF0000000)
#define BERTH_PCI_ECAM_BASE    UINT64_C(0xF0000000)
#define BERTH_PCI_IO_START     UINT64_C(0x1000)
#define BERTH_PCI_IO_END       UINT64_C(0x10000)

/*
 * Config accesses are bounded (offset + len <= 4096), len is 1, 2 or 4, and aligned to len; one at a time for the whole
 * host, under its config lock, so a function needs no lock of its own for its config space. A callback may call the bus,
 * memslot and irq functions; it must not call back into the pci_host.
 */
struct berth_pci_function_ops {
	uint32_t (*config_read)(struct berth_pci_function *self, unsigned int offset,
				unsigned int len);
	void (*config_write)(struct berth_pci_function *self, unsigned int offset, unsigned int len,
			     uint32_t value);
};

struct berth_pci_bar {
	/* bytes, a power of two; 0: no such BAR, or the upper half of a 64-bit one */
	uint64_t size;
	bool is64;     /* takes this and the next register */
	bool prefetch; /* prefetchable: may go to the 64-bit window when is64 */
	bool io;       /* I/O ports */
	/* set by berth_pci_host_assign(): where the firmware put it; the guest may move it later */
	uint64_t addr;
};

/* Embed this in a device; its owner fills the first part, the host the second. */
struct berth_pci_function {
	const struct berth_pci_function_ops *ops; /* borrowed, for ever */
	const char *name;			  /* borrowed; for messages: "0000:03:00.0" */
	struct berth_pci_bar bars[BERTH_PCI_NR_BARS];

	struct berth_pci_slot *slot; /* borrowed; set by berth_pci_slot_add() */
	uint8_t bus, dev, fn;	     /* its address in the guest; bus is set at once, dev is 0 */
};

/**
 * berth_pci_host_new() - host bridge, ECAM and ports 0xCF8/0xCFC
 * @mmio, @pio: borrowed, outlive the host; the host adds itself there (ECAM at berth_pci_host_assign())
 * @mem: borrowed, outlives the host; says where RAM ends and what is reserved
 * @phys_bits: guest-physical address bits, CPUID 0x80000008 EAX[7:0]
 */
int berth_pci_host_new(struct berth_pci_host **ret, struct berth_bus *mmio, struct berth_bus *pio,
		       const struct berth_mem *mem, unsigned int phys_bits, struct berth_err *err);
/* Frees the slots; functions belong to their owners and must not be used by vCPUs any more. */
void berth_pci_host_free(struct berth_pci_host *host);
BERTH_DEFINE_CLEANUP(struct berth_pci_host *, berth_pci_host_free);

/* A new slot with its root port. Return: 0; -ENOSPC BERTH_PCI_MAX_SLOTS are in use; -EBUSY after assign; -ENOMEM. */
int berth_pci_host_add_slot(struct berth_pci_host *host, struct berth_pci_slot **ret,
			    struct berth_err *err);

/**
 * berth_pci_slot_add() - plug a function into a slot
 * @fn: 0 … 7; a slot without function 0 is invisible to a guest and refused by berth_pci_host_assign()
 * @function: borrowed until berth_pci_host_free(); ops, name and bars filled in
 *
 * Header type bit 7 (multifunction) is the function's own to show: set it in function 0 of a slot with several.
 *
 * Return: 0; -EINVAL bad number, a BAR size that is no power of two, or too small (memory 16, I/O 4 bytes);
 *         -EEXIST that number is taken; -EBUSY after assign.
 */
int berth_pci_slot_add(struct berth_pci_slot *slot, unsigned int fn,
		       struct berth_pci_function *function, struct berth_err *err);

/**
 * berth_pci_slot_atomics() - which AtomicOps of a function in this slot arrive in memory
 * @atomics: enum berth_atomics; what all functions of a slot have in common shows in its root port. Before assign
 */
void berth_pci_slot_atomics(struct berth_pci_slot *slot, unsigned int atomics);

/* Take a function out again that was plugged in and cannot be had after all. Before assign. */
void berth_pci_slot_remove(struct berth_pci_function *function);

/**
 * berth_pci_host_assign() - be the firmware: bus numbers, windows, BARs; called once by berth_vm_load()
 *
 * Return: 0; -ENOSPC a window is too small (the sentence says which, how much is needed and by whom), or RAM lies beyond
 *         the address bits; -EINVAL a slot has no function 0.
 */
int berth_pci_host_assign(struct berth_pci_host *host, struct berth_err *err);

/**
 * berth_pci_host_mmio_windows() - where a BAR may lie; valid after assign
 * @ret: up to two ranges, 32-bit window first; the 64-bit window is missing when no device needs one
 *
 * A memory BAR that the guest puts elsewhere (into RAM, over the IOAPIC) is to be left unmapped.
 * Return: number of ranges.
 */
size_t berth_pci_host_mmio_windows(const struct berth_pci_host *host,
				   struct berth_range ret[static 2]);

/* Is the whole range inside one of these windows? */
bool berth_pci_host_mmio_ok(const struct berth_pci_host *host, struct berth_range at);

/**
 * berth_pci_intx_gsi() - the IOAPIC pin behind INTA … INTD of a function, fixed for the life of the VM
 * @pin: 1 = INTA … 4 = INTD, as in the Interrupt Pin register
 *
 * Follows the swizzle of PCI-to-PCI Bridge 1.2, 9.1 through the root port; the guest reads the same from _PRT. Pins are
 * shared between slots. Valid after berth_pci_slot_add(). Return: GSI 16 … 23.
 */
unsigned int berth_pci_intx_gsi(const struct berth_pci_function *function, unsigned int pin);

/* For the ACPI tables. Valid after assign. */
unsigned int berth_pci_host_nr_buses(const struct berth_pci_host *host);
/* The GSI of @pin (1 … 4) of device number @dev on bus 0; what _PRT says. */
unsigned int berth_pci_root_gsi(unsigned int dev, unsigned int pin);
/* Highest device number in use on bus 0. */
unsigned int berth_pci_host_last_dev(const struct berth_pci_host *host);

#endif
