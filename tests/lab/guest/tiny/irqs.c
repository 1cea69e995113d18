/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Not a test: interrupts by MSI one after the other, for bench/irq-exits, which counts KVM's exits between the marks. */
#include "edu.h"

#define ROUNDS 3
#define COUNT  10000
#define VECTOR 0x50
/* Ticks of the TSC: long enough to be heard outside, and for counters to be read there. */
#define PAUSE 300000000ull

static uint32_t bar;

static void pause_for(uint64_t ticks)
{
	uint64_t until = tiny_tsc() + ticks;

	while (tiny_tsc() < until)
		__asm__ volatile("pause");
}

static void mark(const char *text)
{
	tiny_print("%s\n", text);
	pause_for(PAUSE);
}

static void storm(void)
{
	uint32_t before = tiny_count[VECTOR];

	mark("begin");
	for (uint32_t i = 1; i <= COUNT; i++) {
		tiny_write32(bar + EDU_IRQ_RAISE, 1);
		if (!tiny_wait(tiny_count[VECTOR] - before >= i))
			tiny_die("interrupt %u did not come", i);
		tiny_write32(bar + EDU_IRQ_ACK, 1);
	}
	mark("stop");
	tiny_print("end %u %u interrupts by MSI, with %u writes to a BAR\n", COUNT, COUNT,
		   2 * COUNT);
}

void tiny_main(void)
{
	struct tiny_pci edu = tiny_pci_find(EDU_ID);
	unsigned int cap = tiny_pci_cap(&edu, PCI_CAP_MSI);
	uint32_t head = tiny_pci_read(&edu, cap);

	bar = tiny_pci_bar(&edu, 0);
	tiny_pci_command(&edu, PCI_COMMAND_MEM | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX, 0);
	tiny_irq_init();
	tiny_pci_write(&edu, cap + 4, TINY_MSI_ADDRESS);
	if (head & (1u << 23)) /* 64-bit address, PCIe Base 6.0, 7.7.1.2 */
		tiny_pci_write(&edu, cap + 8, 0);
	tiny_pci_write(&edu, cap + (head & (1u << 23) ? 12 : 8), VECTOR);
	tiny_pci_write(&edu, cap, head | (1u << 16));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		mark("begin");
		mark("stop");
		mark("end 0 nothing, for comparison");
		storm();
	}
}
