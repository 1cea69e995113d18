/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With memory decoding off every read of a BAR is all ones, in each width, and writes go nowhere. */
#include "edu.h"

#define ROUNDS 1000

void tiny_main(void)
{
	struct tiny_pci edu = tiny_pci_find(EDU_ID);
	uint32_t bar = tiny_pci_bar(&edu, 0);
	unsigned int wrong_off = 0, wrong_on = 0, wrong_write = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t word = tiny_random(), at = bar + tiny_random() % (EDU_BAR_SIZE / 4) * 4;

		tiny_pci_command(&edu, PCI_COMMAND_MEM, 0);
		wrong_on += tiny_read32(bar + EDU_REG_ID) != EDU_IDENTITY;
		tiny_write32(bar + EDU_REG_INVERT, word);
		tiny_pci_command(&edu, 0, PCI_COMMAND_MEM);
		tiny_write32(bar + EDU_REG_INVERT, ~word);
		wrong_off += tiny_read32(bar + EDU_REG_ID) != UINT32_MAX ||
			     tiny_read32(at) != UINT32_MAX ||
			     *(volatile uint64_t *)(uint64_t)(bar & ~7u) != UINT64_MAX ||
			     *(volatile uint16_t *)(uint64_t)at != UINT16_MAX ||
			     *(volatile uint8_t *)(uint64_t)at != UINT8_MAX;
		tiny_pci_command(&edu, PCI_COMMAND_MEM, 0);
		wrong_write += tiny_read32(bar + EDU_REG_INVERT) != ~word;
	}
	tiny_check(wrong_off == 0, "decoding off: all ones, %u times (%u wrong)", ROUNDS,
		   wrong_off);
	tiny_check(wrong_on == 0, "decoding on: the device (%u wrong)", wrong_on);
	tiny_check(wrong_write == 0, "what was written with decoding off went nowhere (%u wrong)",
		   wrong_write);
}
