/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plain configuration space: 256 bytes, and for each bit whether the guest may write it.
 *
 * For functions that are all ours (host bridge, root ports). Offsets from 256 on read 0: no extended capabilities.
 * Bounds are checked here; what is outside or unaligned reads all-ones.
 */
#ifndef BERTH_VMM_PCI_CONFIG_H
#define BERTH_VMM_PCI_CONFIG_H

#include <stdint.h>

#define BERTH_PCI_CONFIG_PLAIN 256

struct berth_pci_config {
	uint8_t data[BERTH_PCI_CONFIG_PLAIN];
	uint8_t writable[BERTH_PCI_CONFIG_PLAIN]; /* bits */
};

/* Set @value, of which the guest may write the bits in @writable. @len: 1, 2 or 4; offset + len <= 256. */
void berth_pci_config_set(struct berth_pci_config *config, unsigned int offset, unsigned int len,
			  uint32_t value, uint32_t writable);
/* Little-endian value; all-ones of @len for an access that no bus would make. */
uint32_t berth_pci_config_read(const struct berth_pci_config *config, unsigned int offset,
			       unsigned int len);
void berth_pci_config_write(struct berth_pci_config *config, unsigned int offset, unsigned int len,
			    uint32_t value);

#endif
