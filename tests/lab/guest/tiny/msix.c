/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 10,000 rounds on the MSI-X table of an igb, which raises its vectors when told to (register EICS): mask, raise, aim elsewhere,
 * unmask. What is raised while a vector is masked stays pending, shows in the pending bits, merges into one, and arrives once,
 * where the vector is aimed at when it is unmasked (PCIe Base 6.0, 6.1.4.5).
 */
#include "edu.h"

#define IGB_ID	      0x10c98086u
#define ROUNDS	      10000
#define NR_VECTORS    5
#define NR_TARGETS    16 /* IDT vectors for each */
#define FIRST	      0x60
#define SETTLE	      20000000 /* ticks of the TSC; some 10 ms */
#define ENTRY_MASKED  1u
#define FUNCTION_MASK (1u << 30) /* bit 14 of message control, in the capability's first word */
#define MSIX_ENABLE   (1u << 31)

/* 82576 datasheet, 8.8 */
#define GPIE	  0x1514
#define GPIE_MSIX (1u << 4)
#define EICS	  0x1520
#define EIMS	  0x1524
#define EIAC	  0x152c /* cleared by the device itself when the message is sent */

static struct tiny_pci igb;
static unsigned int round_now;
static unsigned int cap;
static uint32_t regs, table, pba;
static unsigned int target[NR_VECTORS];
static uint32_t expected[NR_VECTORS][NR_TARGETS];
static unsigned int lost, not_pending, too_early, too_many;

static uint32_t entry(unsigned int v)
{
	return table + 16 * v;
}

static void mask(unsigned int v, bool masked)
{
	tiny_write32(entry(v) + 12, masked ? ENTRY_MASKED : 0);
}

static unsigned int idt_vector(unsigned int v)
{
	return FIRST + v * NR_TARGETS + target[v];
}

static void aim(unsigned int v, unsigned int to)
{
	target[v] = to;
	tiny_write32(entry(v), TINY_MSI_ADDRESS);
	tiny_write32(entry(v) + 4, 0);
	tiny_write32(entry(v) + 8, idt_vector(v));
}

static void raise(unsigned int v)
{
	tiny_write32(regs + EICS, 1u << v);
}

static void expect(unsigned int v)
{
	expected[v][target[v]]++;
	lost += !tiny_wait(tiny_count[idt_vector(v)] >= expected[v][target[v]]);
	if (tiny_count[idt_vector(v)] > expected[v][target[v]] && too_many++ < 5)
		tiny_print("# round %u: vector %u has come once too often\n", round_now, v);
}

/* Raised and masked: it must show in the pending bits, and nowhere else. */
static void raise_masked(unsigned int v)
{
	uint32_t before = tiny_count[idt_vector(v)];

	raise(v);
	not_pending += !tiny_wait(tiny_read32(pba) & 1u << v);
	too_early += tiny_count[idt_vector(v)] != before;
}

/*
 * A second one merges with the first. Its message is on its way through the host while we go on, and nothing shows when it is
 * there: the bit is set already. So give it time, or it would come after the vector is unmasked, for a second interrupt.
 */
static void raise_again(unsigned int v)
{
	uint64_t until = tiny_tsc() + SETTLE;

	raise(v);
	while (tiny_tsc() < until)
		__asm__ volatile("pause");
}

static void one_vector(unsigned int v)
{
	unsigned int times = tiny_random() % 2;

	mask(v, true);
	if (times)
		raise_masked(v);
	if (times && tiny_random() % 64 == 0)
		raise_again(v);
	if (tiny_random() % 2)
		aim(v, tiny_random() % NR_TARGETS);
	mask(v, false);
	if (times)
		expect(v);
	raise(v);
	expect(v);
}

static void whole_function(void)
{
	uint32_t head = tiny_pci_read(&igb, cap);

	tiny_pci_write(&igb, cap, head | FUNCTION_MASK);
	for (unsigned int v = 0; v < NR_VECTORS; v += 2)
		raise_masked(v);
	tiny_pci_write(&igb, cap, head);
	for (unsigned int v = 0; v < NR_VECTORS; v += 2)
		expect(v);
}

static void set_up(void)
{
	uint32_t word;

	igb = tiny_pci_find(IGB_ID);
	cap = tiny_pci_cap(&igb, PCI_CAP_MSIX);
	regs = tiny_pci_bar(&igb, 0);
	word = tiny_pci_read(&igb, cap + 4);
	table = tiny_pci_bar(&igb, word & 7) + (word & ~7u);
	word = tiny_pci_read(&igb, cap + 8);
	pba = tiny_pci_bar(&igb, word & 7) + (word & ~7u);
	tiny_pci_command(&igb, PCI_COMMAND_MEM | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX, 0);
	tiny_pci_write(&igb, cap, tiny_pci_read(&igb, cap) | MSIX_ENABLE);
	for (unsigned int v = 0; v < NR_VECTORS; v++) {
		aim(v, 0);
		mask(v, false);
	}
	tiny_write32(regs + GPIE, GPIE_MSIX);
	tiny_write32(regs + EIAC, (1u << NR_VECTORS) - 1);
	tiny_write32(regs + EIMS, (1u << NR_VECTORS) - 1);
}

static void report(void)
{
	unsigned int wrong = 0, total = 0, all = 0;

	for (unsigned int v = 0; v < NR_VECTORS; v++)
		for (unsigned int t = 0; t < NR_TARGETS; t++) {
			unsigned int n = tiny_count[FIRST + v * NR_TARGETS + t];

			if (n != expected[v][t])
				tiny_print("# vector %u, target %u: %u interrupts for %u\n", v, t,
					   n, expected[v][t]);
			wrong += n != expected[v][t];
			total += n;
		}
	for (unsigned int i = 0; i < 256; i++)
		all += tiny_count[i];
	tiny_check(lost == 0, "MSI-X: %u rounds of mask, raise, aim and unmask, none lost", ROUNDS);
	tiny_check(wrong == 0,
		   "MSI-X: %u interrupts, each once and where it was aimed (%u targets differ)",
		   total, wrong);
	tiny_check(not_pending == 0,
		   "MSI-X: what is raised while masked shows in the pending bits (%u did not)",
		   not_pending);
	tiny_check(too_early == 0, "MSI-X: and waits (%u did not)", too_early);
	tiny_check(all == total, "MSI-X: no interrupt came anywhere else (%u did)", all - total);
}

void tiny_main(void)
{
	tiny_irq_init();
	set_up();
	for (unsigned int i = 0; i < ROUNDS && !lost; i++) {
		round_now = i;
		if (i % 64 == 63)
			whole_function();
		else
			one_vector(tiny_random() % NR_VECTORS);
	}
	report();
}
