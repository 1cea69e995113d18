/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the loader puts things in the first MiB of guest memory, and the memory map that it tells the kernel.
 */
#ifndef BERTH_VMM_BOOT_MAP_H
#define BERTH_VMM_BOOT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_mem;

#define BERTH_BOOT_GDT	       0x500
#define BERTH_BOOT_PVH_INFO    0x6000
#define BERTH_BOOT_ZERO_PAGE   0x7000
#define BERTH_BOOT_PAGE_TABLES 0x9000 /* six pages: PML4, PDPT, four page directories */
#define BERTH_BOOT_CMDLINE     0x20000
#define BERTH_BOOT_LOW_END     0x9f000 /* an EBDA was here; kernels keep away */
#define BERTH_BOOT_KERNEL_MIN  0x100000

/* Types of the BIOS call E820 (ACPI 6.5, table 15.4); the PVH map has the same numbers. */
enum berth_boot_type { BERTH_BOOT_RAM = 1, BERTH_BOOT_RESERVED = 2, BERTH_BOOT_ACPI = 3 };

struct berth_boot_region {
	struct berth_range at;
	enum berth_boot_type type;
};

#define BERTH_BOOT_MAX_REGIONS 64

/* @ecam: reserved in the map. Return: number of regions, by rising address. */
size_t berth_boot_map(const struct berth_mem *mem, struct berth_range ecam,
		      struct berth_boot_region ret[static BERTH_BOOT_MAX_REGIONS]);

#endif
