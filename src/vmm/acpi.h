/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables: RSDP, XSDT, FADT (hardware-reduced), MADT, MCFG, DSDT. A pure function from numbers to bytes.
 *
 * The DSDT's _OSC gives the guest its own way with PCI Express capabilities but not with hot-plug, power management events
 * and error reporting, for which the root ports have no interrupt; MSI does not depend on it.
 * Source: ACPI 6.5; PCI Firmware 3.3, 4.1 (MCFG) and 4.5 (_OSC).
 */
#ifndef BERTH_VMM_ACPI_H
#define BERTH_VMM_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_err;

#define BERTH_ACPI_BASE 0xe0000 /* where x86 guests look for the RSDP too: ACPI 6.5, 5.2.5.1 */
#define BERTH_ACPI_SIZE 0x1f000 /* up to the page of BERTH_POWER_RESET_VECTOR */

struct berth_acpi_config {
	unsigned int nr_vcpus; /* APIC ids 0 … nr_vcpus - 1 */
	unsigned int nr_buses; /* PCI buses 0 … nr_buses - 1: the ECAM ends there */
	unsigned int last_dev; /* highest device number on bus 0, for _PRT */
	unsigned int (*gsi)(unsigned int dev,
			    unsigned int pin); /* of INTA (1) … INTD (4) on bus 0 */
	const struct berth_range *windows;     /* memory windows of the PCI host; borrowed */
	size_t nr_windows;
};

/**
 * berth_acpi_build() - write all tables
 * @area: gets BERTH_ACPI_SIZE bytes, the guest sees it at BERTH_ACPI_BASE; starts with the RSDP
 *
 * Return: 0; -ENOSPC the tables do not fit, @area is then useless.
 */
int berth_acpi_build(uint8_t *area, const struct berth_acpi_config *config, struct berth_err *err);

#endif
