/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM of a device, as a copy that is made when a guest first looks at it: each read through VFIO maps and unmaps
 * the ROM, and some devices do not bear to be looked at.
 *
 * What cannot be read is all-ones from there on; a ROM that does not start with 55 AA is then none, as any firmware sees it
 * (PCI Firmware Specification 3.3, 5.1.1).
 */
#ifndef BERTH_VFIO_ROM_H
#define BERTH_VFIO_ROM_H

#include <stdint.h>

#include "base/cleanup.h"

struct berth_rom; /* opaque */
struct berth_vfio_device;

/* @dev: borrowed, outlives the result; has a ROM region. Return: 0; -ENOMEM. */
int berth_rom_new(struct berth_rom **ret, struct berth_vfio_device *dev);
void berth_rom_free(struct berth_rom *rom);
BERTH_DEFINE_CLEANUP(struct berth_rom *, berth_rom_free);

/* Any thread. Beyond the ROM: all-ones. */
void berth_rom_read(struct berth_rom *rom, uint64_t offset, unsigned int len, void *data);

#endif
