/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports through which a guest switches itself off or asks for a reset.
 *
 * ACPI's sleep control and status registers (ACPI 6.5, 4.8.3.7), the reset control register at 0xCF9 that FADT names as
 * the reset register, and the keyboard controller's "pulse the reset line" command, which old code tries.
 *
 * And a BIOS entry that does nothing but reset: on hardware-reduced ACPI Linux takes it for granted that EFI does the
 * reset (reboot_init() in arch/x86/kernel/reboot.c); without EFI it tries neither of the above and jumps there.
 */
#ifndef BERTH_VMM_POWER_H
#define BERTH_VMM_POWER_H

#include "base/cleanup.h"

struct berth_bus;
struct berth_err;
struct berth_mem;
struct berth_power; /* opaque */

#define BERTH_POWER_SLEEP_CONTROL 0x600
#define BERTH_POWER_SLEEP_STATUS  0x601
#define BERTH_POWER_RESET	  0xcf9
#define BERTH_POWER_RESET_VALUE	  0x06 /* hard reset (bit 1), now (bit 2) */
#define BERTH_POWER_KEYBOARD	  0x64
#define BERTH_POWER_RESET_VECTOR  0xffff0 /* F000:FFF0, where a BIOS is entered at reset */
#define BERTH_POWER_S5		  5	  /* SLP_TYP of S5, as the DSDT's _S5 says */

struct berth_power_ops {
	void (*off)(void *opaque);   /* from a vCPU thread */
	void (*reset)(void *opaque); /* from a vCPU thread */
};

int berth_power_new(struct berth_power **ret, struct berth_bus *pio,
		    const struct berth_power_ops *ops, void *opaque, struct berth_err *err);
void berth_power_free(struct berth_power *power);
BERTH_DEFINE_CLEANUP(struct berth_power *, berth_power_free);

/* Write the BIOS entry at BERTH_POWER_RESET_VECTOR. */
void berth_power_put_reset_vector(const struct berth_mem *mem);

#endif
