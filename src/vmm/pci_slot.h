/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slot from the inside, for the two files that know it: pci_host.c and pci_firmware.c.
 */
#ifndef BERTH_VMM_PCI_SLOT_H
#define BERTH_VMM_PCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/pci_host.h"
#include "vmm/root_port.h"

#define BERTH_PCI_NR_FUNCTIONS 8

struct berth_pci_slot {
	struct berth_pci_host *host; /* borrowed */
	uint8_t dev, fn;	     /* of the root port, on bus 0 */
	uint8_t bus;		     /* behind it, as firmware numbers it */
	struct berth_root_port port;
	bool atomics_said;    /* a function has said */
	unsigned int atomics; /* enum berth_atomics, what all who said have in common */
	struct berth_pci_function *functions[BERTH_PCI_NR_FUNCTIONS]; /* borrowed */
};

#endif
