/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INTx is level-triggered: one interrupt for each time the line goes up and is acknowledged, one more after each EOI that leaves it
 * up, and none that comes twice.
 */
#include "edu.h"

#define VECTOR 0x41
#define ROUNDS 1000

static uint32_t bar;
static volatile unsigned int leave_up; /* EOIs before the device is told */
static volatile unsigned int spurious;

static void handler(unsigned int vector)
{
	uint32_t status = tiny_read32(bar + EDU_IRQ_STATUS);

	(void)vector;
	spurious += status == 0;
	if (leave_up)
		leave_up--;
	else
		tiny_write32(bar + EDU_IRQ_ACK, status);
}

/* Time for an interrupt that should not come. */
static void settle(void)
{
	for (unsigned int i = 0; i < 200; i++)
		tiny_read32(bar + EDU_REG_ID);
}

void tiny_main(void)
{
	struct tiny_pci edu = tiny_pci_find(EDU_ID);
	unsigned int lost = 0, expected = 0;

	bar = tiny_pci_bar(&edu, 0);
	tiny_handler = handler;
	tiny_pci_command(&edu, PCI_COMMAND_MEM, PCI_COMMAND_NO_INTX);
	tiny_irq_init();
	tiny_intx_route(&edu, VECTOR, false);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool masked = i % 5 == 4;
		unsigned int again = i % 3;

		if (masked)
			tiny_intx_route(&edu, VECTOR, true);
		leave_up = again;
		expected += 1 + again;
		tiny_write32(bar + EDU_IRQ_RAISE, 1u << i % 32);
		if (masked) {
			settle();
			tiny_intx_route(&edu, VECTOR, false);
		}
		lost += !tiny_wait(tiny_count[VECTOR] >= expected);
		if (lost)
			break;
	}
	settle();
	tiny_check(lost == 0, "INTx: %u rounds, none lost", ROUNDS);
	tiny_check(tiny_count[VECTOR] == expected, "INTx: %u interrupts for %u", tiny_count[VECTOR],
		   expected);
	tiny_check(spurious == 0, "INTx: the line was up each time (%u not)", spurious);
	tiny_check(tiny_read32(bar + EDU_IRQ_STATUS) == 0, "INTx: the device is satisfied");
}
