/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/boot_map.h"

#include <assert.h>
#include <stdbool.h>

#include "vmm/acpi.h"
#include "vmm/mem.h"

struct map {
	struct berth_boot_region *regions;
	size_t nr;
};

static void add(struct map *map, uint64_t start, uint64_t end, enum berth_boot_type type)
{
	assert(map->nr < BERTH_BOOT_MAX_REGIONS);
	map->regions[map->nr++] = (struct berth_boot_region){ { start, end - start }, type };
}

size_t berth_boot_map(const struct berth_mem *mem, struct berth_range ecam,
		      struct berth_boot_region ret[static BERTH_BOOT_MAX_REGIONS])
{
	struct map map = { ret, 0 };
	bool ecam_done = false;
	size_t nr;
	const struct berth_mem_range *ram = berth_mem_ram_ranges(mem, &nr);

	add(&map, 0, BERTH_BOOT_LOW_END, BERTH_BOOT_RAM);
	add(&map, BERTH_ACPI_BASE, BERTH_ACPI_BASE + BERTH_ACPI_SIZE, BERTH_BOOT_ACPI);
	add(&map, BERTH_ACPI_BASE + BERTH_ACPI_SIZE, BERTH_BOOT_KERNEL_MIN, BERTH_BOOT_RESERVED);
	for (size_t i = 0; i < nr; i++) {
		uint64_t start = i ? ram[i].gpa : BERTH_BOOT_KERNEL_MIN;

		if (!ecam_done && start > ecam.start) {
			add(&map, ecam.start, berth_range_last(ecam) + 1, BERTH_BOOT_RESERVED);
			ecam_done = true;
		}
		add(&map, start, ram[i].gpa + ram[i].size, BERTH_BOOT_RAM);
	}
	if (!ecam_done)
		add(&map, ecam.start, berth_range_last(ecam) + 1, BERTH_BOOT_RESERVED);
	return map.nr;
}
