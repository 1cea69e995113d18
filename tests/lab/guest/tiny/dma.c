/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device reaches the guest's RAM and nothing else: what it writes outside changes nothing inside, what it reads there is not
 * in its buffer afterwards, and inside it works on. The host logs the attempts; t_tiny.sh looks. Started with 64 MiB.
 */
#include "edu.h"

#define BUFFER	 0x1000000u /* 16 MiB */
#define LEN	 4096u
#define RAM_END	 0x4000000u
#define GUARDS	 0x3c00000u /* the last 4 MiB of RAM */
#define OUTSIDE	 0x4000000u /* the first page above */
#define FAR_AWAY 0x8000000u /* 128 MiB; edu has 28 address bits */

static uint32_t bar;

static void fill(uint32_t at, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i += 4)
		tiny_write32(at + i, (seed + i) * 2654435761u);
}

static unsigned int differs(uint32_t at, uint32_t len, uint32_t seed)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < len; i += 4)
		n += tiny_read32(at + i) != (seed + i) * 2654435761u;
	return n;
}

static bool dma(uint64_t from, uint64_t to, uint32_t command)
{
	*(volatile uint64_t *)(uint64_t)(bar + EDU_DMA_SRC) = from;
	*(volatile uint64_t *)(uint64_t)(bar + EDU_DMA_DST) = to;
	*(volatile uint64_t *)(uint64_t)(bar + EDU_DMA_COUNT) = LEN;
	*(volatile uint64_t *)(uint64_t)(bar + EDU_DMA_CMD) = command | EDU_DMA_START;
	return tiny_wait(!(tiny_read32(bar + EDU_DMA_CMD) & EDU_DMA_START));
}

static bool to_ram(uint32_t at)
{
	return dma(EDU_BUFFER, at, EDU_DMA_TO_RAM);
}

static bool from_ram(uint32_t at)
{
	return dma(at, EDU_BUFFER, 0);
}

static void inside(uint32_t seed, const char *when)
{
	fill(BUFFER, LEN, seed);
	fill(BUFFER + LEN, LEN, 0);
	tiny_check(from_ram(BUFFER) && to_ram(BUFFER + LEN) &&
			   differs(BUFFER + LEN, LEN, seed) == 0,
		   "DMA inside RAM arrives%s", when);
}

void tiny_main(void)
{
	struct tiny_pci edu = tiny_pci_find(EDU_ID);
	bool done;

	bar = tiny_pci_bar(&edu, 0);
	tiny_pci_command(&edu, PCI_COMMAND_MEM | PCI_COMMAND_MASTER, 0);
	inside(1, "");
	fill(GUARDS, RAM_END - GUARDS, 7);
	done = to_ram(OUTSIDE) && to_ram(FAR_AWAY);
	tiny_check(done && differs(GUARDS, RAM_END - GUARDS, 7) == 0,
		   "DMA to addresses above RAM changes none of %u guard pages",
		   (RAM_END - GUARDS) / LEN);
	tiny_check(differs(BUFFER, LEN, 1) == 0 && differs(BUFFER + LEN, LEN, 1) == 0,
		   "nor what it wrote before");
	done = from_ram(OUTSIDE);
	tiny_check(done && to_ram(BUFFER + 2 * LEN) && differs(BUFFER + 2 * LEN, LEN, 7) > 0,
		   "DMA from there brings nothing of ours");
	inside(2, " afterwards, too");
}
