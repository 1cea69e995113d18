/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration space of a PCI Express root port: a type 1 header with bus numbers and windows that the guest may
 * change, a PCI Express capability and a power management capability. No interrupt, no hot-plug, no error reporting:
 * ACPI's _OSC keeps those from the guest.
 *
 * Source: PCIe Base 6.0, 7.5.1.3 (type 1 header), 7.5.3 (PCI Express capability); PCI PM 1.2, 3.2.
 */
#ifndef BERTH_VMM_ROOT_PORT_H
#define BERTH_VMM_ROOT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"
#include "vmm/pci_config.h"

struct berth_root_port {
	struct berth_pci_config config;
};

/* @number: physical slot number, from 1; @multifunction: other ports share its device number */
void berth_root_port_init(struct berth_root_port *port, unsigned int number, bool multifunction);

/* What firmware sets. Ranges: multiples of 1 MiB (memory) or 4 KiB (I/O), size 0 closes the window. */
void berth_root_port_set_bus(struct berth_root_port *port, uint8_t secondary);
void berth_root_port_set_io(struct berth_root_port *port, struct berth_range at);
void berth_root_port_set_memory(struct berth_root_port *port, struct berth_range at);
void berth_root_port_set_prefetch(struct berth_root_port *port, struct berth_range at);

/* The AtomicOps that it completes: enum berth_atomics. */
void berth_root_port_set_atomics(struct berth_root_port *port, unsigned int atomics);

/* The bus behind it as the guest has it now; 0 when it has none. */
uint8_t berth_root_port_bus(const struct berth_root_port *port);

#endif
