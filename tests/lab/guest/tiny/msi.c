/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI, switched off and on and aimed elsewhere between interrupts: each arrives once, where it was aimed at that moment. */
#include "edu.h"

#define ROUNDS	   2000
#define FIRST	   0x50
#define NR_TARGETS 32
#define MSI_ENABLE (1u << 16)
#define MSI_64	   (1u << 23)

static struct tiny_pci edu;
static unsigned int cap;

static void aim(unsigned int vector, bool off_first)
{
	uint32_t head = tiny_pci_read(&edu, cap);

	if (off_first)
		tiny_pci_write(&edu, cap, head & ~MSI_ENABLE);
	tiny_pci_write(&edu, cap + 4, TINY_MSI_ADDRESS);
	if (head & MSI_64)
		tiny_pci_write(&edu, cap + 8, 0);
	tiny_pci_write(&edu, cap + (head & MSI_64 ? 12 : 8), vector);
	tiny_pci_write(&edu, cap, head | MSI_ENABLE);
}

void tiny_main(void)
{
	static uint32_t expected[NR_TARGETS];
	unsigned int lost = 0, wrong = 0, total = 0;
	uint32_t bar;

	edu = tiny_pci_find(EDU_ID);
	cap = tiny_pci_cap(&edu, PCI_CAP_MSI);
	bar = tiny_pci_bar(&edu, 0);
	tiny_pci_command(&edu, PCI_COMMAND_MEM | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX, 0);
	tiny_irq_init();
	for (unsigned int i = 0; i < ROUNDS && !lost; i++) {
		unsigned int target = tiny_random() % NR_TARGETS;

		aim(FIRST + target, i % 2);
		expected[target]++;
		tiny_write32(bar + EDU_IRQ_RAISE, 1);
		lost += !tiny_wait(tiny_count[FIRST + target] >= expected[target]);
		tiny_write32(bar + EDU_IRQ_ACK, 1);
	}
	for (unsigned int i = 0; i < 256; i++) {
		bool ours = i >= FIRST && i < FIRST + NR_TARGETS;

		wrong += tiny_count[i] != (ours ? expected[i - FIRST] : 0);
		total += tiny_count[i];
	}
	tiny_check(lost == 0, "MSI: %u rounds, none lost", ROUNDS);
	tiny_check(wrong == 0 && total == ROUNDS,
		   "MSI: %u interrupts, each once and where it was aimed (%u vectors differ)",
		   total, wrong);
}
