/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of berth_vfio_config, for config.c, which makes it of the table, and config_extras.c, which changes it as the VM's
 * settings say.
 */
#ifndef BERTH_VFIO_CONFIG_INSIDE_H
#define BERTH_VFIO_CONFIG_INSIDE_H

#include "vfio/config.h"

#define SIZE	    4096u /* 7.2.2 */
#define LEGACY_SIZE 256u
#define NR_BARS	    6u

struct berth_vfio_config {
	struct berth_vfio_device *dev; /* borrowed */
	unsigned int size;	       /* bytes that the device has: 256 or 4096 */
	struct berth_vfio_config_caps caps;
	struct berth_vfio_config_bar bars[NR_BARS + 1]; /* the last one: ROM */
	/* The byte and the bit that start a reset of the function (FLR); bit 0: the function has none. */
	struct {
		uint16_t at;
		uint8_t bit;
	} flr[2];
	/* As the device was found; read once, so that it cannot say two things. */
	uint8_t image[SIZE];
	uint8_t shadow[SIZE];  /* our answer */
	uint8_t initial[SIZE]; /* the same after a reset */
	uint8_t ours[SIZE];    /* bits answered by shadow */
	uint8_t write[SIZE];   /* bits of ours that the guest may change */
	uint8_t through[SIZE]; /* bits that are written to the device */
	uint8_t zero[SIZE];    /* bits never written back as the device has them */
};

static inline void berth_vfio_config_put(struct berth_vfio_config *cfg, unsigned int offset,
					 unsigned int len, uint32_t v)
{
	for (unsigned int i = 0; i < len; i++)
		cfg->shadow[offset + i] = (uint8_t)(v >> (8 * i));
}

void berth_vfio_config_setup_rom(struct berth_vfio_config *cfg);

#endif
