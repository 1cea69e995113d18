/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest without an operating system: one processor in 64-bit mode with memory identity-mapped below 4 GiB, a serial port, PCI
 * through the ECAM, local APIC and IOAPIC. Each test_*() file beside it is one guest and shows one property of passthrough.
 *
 * A guest prints "ok - …" and "not ok - …", and at the end switches itself off.
 */
#ifndef TINY_H
#define TINY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB 0x100000u

/* The test. */
void tiny_main(void);

/* %s, %u, %x, %lu, %lx, %% */
void tiny_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tiny_check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The next byte that comes in on the serial port, which may take for ever. */
char tiny_getc(void);
/* What cannot go on: "not ok", and off. */
_Noreturn void tiny_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A xorshift generator: the same numbers in each run. */
uint32_t tiny_random(void);
uint64_t tiny_tsc(void);

/* Wait until @cond holds, for some seconds at most. True when it does. */
#define TINY_DEADLINE 20000000000ull /* ticks of the TSC; 5 to 20 seconds */
#define tiny_wait(cond)                                                                            \
	({                                                                                         \
		uint64_t until_ = tiny_tsc() + TINY_DEADLINE;                                      \
		while (!(cond) && tiny_tsc() < until_)                                             \
			__asm__ volatile("pause" ::: "memory");                                    \
		(cond);                                                                            \
	})

static inline uint32_t tiny_read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static inline void tiny_write32(uint64_t at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

/* --- PCI --- */

#define PCI_COMMAND	    0x04
#define PCI_COMMAND_MEM	    0x0002
#define PCI_COMMAND_MASTER  0x0004
#define PCI_COMMAND_NO_INTX 0x0400
#define PCI_BAR0	    0x10
#define PCI_INTERRUPT_PIN   0x3d
#define PCI_CAP_MSI	    0x05
#define PCI_CAP_MSIX	    0x11
#define PCI_WINDOW_START    0xc0000000u /* where 32-bit BARs may go in this machine */
#define PCI_WINDOW_END	    0xf0000000u

struct tiny_pci {
	uint64_t config; /* address of its configuration space in the ECAM */
	uint64_t port;	 /* that of the root port above */
	unsigned int port_dev;
};

/* The function with this ID, or tiny_die(). */
struct tiny_pci tiny_pci_find(uint32_t id);
uint32_t tiny_pci_read(const struct tiny_pci *p, unsigned int at);
void tiny_pci_write(const struct tiny_pci *p, unsigned int at, uint32_t value);
/* Of the low 16 bits of the command register. */
void tiny_pci_command(const struct tiny_pci *p, uint32_t set, uint32_t clear);
/* Where a capability is, or tiny_die(). */
unsigned int tiny_pci_cap(const struct tiny_pci *p, unsigned int id);
/* The address in a 32-bit BAR. */
uint32_t tiny_pci_bar(const struct tiny_pci *p, unsigned int bar);
/* Open the port's memory window over all of the machine's 32-bit one, so that BARs may go anywhere in it. */
void tiny_pci_open_window(const struct tiny_pci *p);

/* --- interrupts --- */

#define TINY_MSI_ADDRESS 0xfee00000u /* local APIC 0, Intel SDM 3A, 10.11.1 */

extern volatile uint32_t tiny_count[256];		   /* interrupts by vector */
extern void (*volatile tiny_handler)(unsigned int vector); /* called before EOI; may be NULL */

/* Local APIC on, the old PIC off, processor takes interrupts. */
void tiny_irq_init(void);
/* Pin @pin (1 … 4) of a function at @vector, level-triggered. */
void tiny_intx_route(const struct tiny_pci *p, unsigned int vector, bool masked);

#endif
