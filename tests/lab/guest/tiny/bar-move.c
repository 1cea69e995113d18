/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A BAR follows what the guest writes into its register, 1,000 times: to other places of the window, over RAM, over the IOAPIC and
 * outside of everything, with decoding on and off. It is at the new place at once, at the old one no more, and RAM is RAM.
 */
#include "edu.h"

#define MOVES	   1000
#define RAM_PLACE  0x2000000u  /* 32 MiB: RAM of ours that nothing else uses */
#define VOID_PLACE 0x80000000u /* above RAM, below the window */
#define IOAPIC	   0xfec00000u

static unsigned int wrong_here, wrong_there, wrong_register, wrong_ram, wrong_off;

static uint32_t id_at(uint32_t at)
{
	return tiny_read32(at + EDU_REG_ID);
}

static void move(const struct tiny_pci *edu, uint32_t to)
{
	tiny_pci_write(edu, PCI_BAR0, to);
	wrong_register += tiny_pci_bar(edu, 0) != to;
}

static uint32_t somewhere(uint32_t not_here)
{
	uint32_t to;

	do
		to = PCI_WINDOW_START +
		     tiny_random() % ((PCI_WINDOW_END - PCI_WINDOW_START) / MIB) * MIB;
	while (to == not_here);
	return to;
}

/* Somewhere it cannot be. Nothing answers as the device does, and what is there is left alone. */
static void move_away(const struct tiny_pci *edu, uint32_t from)
{
	static const uint32_t places[] = { RAM_PLACE, VOID_PLACE, IOAPIC, 0 };
	uint32_t to = places[tiny_random() % 4], ram = tiny_random();

	tiny_write32(RAM_PLACE + EDU_REG_INVERT, ram);
	move(edu, to);
	wrong_there += id_at(from) != UINT32_MAX;
	wrong_ram += tiny_read32(RAM_PLACE + EDU_REG_INVERT) != ram;
	if (to == VOID_PLACE)
		wrong_there += id_at(to) == EDU_IDENTITY;
}

void tiny_main(void)
{
	struct tiny_pci edu = tiny_pci_find(EDU_ID);
	uint32_t home = tiny_pci_bar(&edu, 0), at = home;

	tiny_pci_open_window(&edu);
	tiny_pci_command(&edu, PCI_COMMAND_MEM, 0);
	tiny_check(id_at(home) == EDU_IDENTITY, "edu answers where the firmware put it, %x", home);
	for (unsigned int i = 0; i < MOVES; i++) {
		uint32_t to = somewhere(at), word = tiny_random();
		bool with_decode = tiny_random() % 2;

		if (i % 7 == 0)
			move_away(&edu, at);
		if (!with_decode)
			tiny_pci_command(&edu, 0, PCI_COMMAND_MEM);
		move(&edu, to);
		if (!with_decode) {
			wrong_off += id_at(to) != UINT32_MAX;
			tiny_pci_command(&edu, PCI_COMMAND_MEM, 0);
		}
		tiny_write32(to + EDU_REG_INVERT, word);
		wrong_here += id_at(to) != EDU_IDENTITY ||
			      tiny_read32(to + EDU_REG_INVERT) != ~word;
		wrong_there += id_at(at) != UINT32_MAX;
		at = to;
	}
	tiny_check(wrong_here == 0, "the BAR is where it was moved to, %u times (%u wrong)", MOVES,
		   wrong_here);
	tiny_check(wrong_there == 0, "and nowhere else (%u wrong)", wrong_there);
	tiny_check(wrong_register == 0, "its register holds what was written (%u wrong)",
		   wrong_register);
	tiny_check(wrong_ram == 0, "RAM under a BAR stays RAM (%u wrong)", wrong_ram);
	tiny_check(wrong_off == 0, "with decoding off it is nowhere (%u wrong)", wrong_off);
}
