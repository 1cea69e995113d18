/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/pci_config.h"

#include <assert.h>
#include <stdbool.h>

#include "base/range.h"

#define EXTENDED_SIZE 4096

void berth_pci_config_set(struct berth_pci_config *config, unsigned int offset, unsigned int len,
			  uint32_t value, uint32_t writable)
{
	assert(len <= 4 && offset + len <= sizeof(config->data));
	for (unsigned int i = 0; i < len; i++) {
		config->data[offset + i] = (uint8_t)(value >> 8 * i);
		config->writable[offset + i] = (uint8_t)(writable >> 8 * i);
	}
}

static bool sane(unsigned int offset, unsigned int len)
{
	return (len == 1 || len == 2 || len == 4) && offset % len == 0 &&
	       berth_range_fits(offset, len, EXTENDED_SIZE);
}

uint32_t berth_pci_config_read(const struct berth_pci_config *config, unsigned int offset,
			       unsigned int len)
{
	uint32_t value = 0;

	if (!sane(offset, len))
		return UINT32_MAX;
	for (unsigned int i = 0; i < len && offset + i < sizeof(config->data); i++)
		value |= (uint32_t)config->data[offset + i] << 8 * i;
	return value;
}

void berth_pci_config_write(struct berth_pci_config *config, unsigned int offset, unsigned int len,
			    uint32_t value)
{
	if (!sane(offset, len))
		return;
	for (unsigned int i = 0; i < len && offset + i < sizeof(config->data); i++) {
		uint8_t mask = config->writable[offset + i];
		uint8_t *byte = &config->data[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | ((value >> 8 * i) & mask));
	}
}
