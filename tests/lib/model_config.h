/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device with one of everything, and what a guest may do with each bit of its config space: written down by hand here,
 * as a second opinion to the table in src/vfio/config_table.c.
 */
#ifndef BERTH_TESTS_MODEL_CONFIG_H
#define BERTH_TESTS_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/fake_vfio.h"

/* Where the rich device has its capabilities. */
enum {
	RICH_PM = 0x40,
	RICH_MSI = 0x50, /* 4 vectors, 64-bit, maskable */
	RICH_MSIX = 0x70,
	RICH_EXP = 0x80, /* version 2, with FLR */
	RICH_VPD = 0xc0,
	RICH_VNDR = 0xc8,
	RICH_AF = 0xd8,	  /* with FLR */
	RICH_PCIX = 0xe0, /* hidden */
	RICH_AER = 0x100,
	RICH_DSN = 0x140,
	RICH_ARI = 0x150,   /* hidden */
	RICH_SRIOV = 0x160, /* hidden */
	RICH_EXT_VNDR = 0x1a0,
	RICH_REBAR = 0x1c0, /* BAR 2 of 1 MiB */
	RICH_PWR = 0x1e0,
	RICH_ODD = 0x200,      /* an id that nobody knows: hidden */
	RICH_ODD_END = 0x1000, /* hidden up to here */

	RICH_MSIX_VECTORS = 10,
	RICH_TABLE = 0x2000, /* in BAR 0 */
	RICH_PBA = 0x3000,
};

/* BAR 0: 16 KiB, 64-bit; BAR 2: 1 MiB; BAR 3: 32 ports. Register bytes that mean nothing hold noise. */
void fake_rich_device(struct fake_vfio *f);

struct model_config {
	uint8_t ours[4096], guest[4096], zero[4096], shadow[4096], initial[4096];
};

/* For the rich device, right after berth_vfio_config_new(). */
void model_config_init(struct model_config *m, const struct fake_vfio *f);

/* What one guest write does. */
struct model_write {
	bool to_device; /* one write of the same place and size */
	uint32_t value;
	bool reset;
};

struct model_write model_config_write(struct model_config *m, const struct fake_vfio *f,
				      unsigned int offset, unsigned int len, uint32_t value);
/* What a guest reads while the device holds what is in @f. */
uint32_t model_config_read(const struct model_config *m, const struct fake_vfio *f,
			   unsigned int offset, unsigned int len);

#endif
