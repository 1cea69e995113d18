/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/rom.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BERTH_LOG "vfio/rom"
#include "base/log.h"
#include "base/range.h"
#include "vfio/device.h"
#include "vfio/region.h"

#define CHUNK 4096u

struct berth_rom {
	struct berth_vfio_device *dev; /* borrowed */
	pthread_mutex_t lock;	       /* guards what follows until it is loaded */
	bool loaded;
	uint64_t size;
	uint8_t *image; /* owned; untouched before it is loaded, so that it costs nothing */
};

int berth_rom_new(struct berth_rom **ret, struct berth_vfio_device *dev)
{
	struct berth_rom *rom = calloc(1, sizeof(*rom));

	if (!rom)
		return -ENOMEM;
	rom->dev = dev;
	rom->size = berth_vfio_device_region(dev, BERTH_VFIO_REGION_ROM)->size;
	rom->image = malloc(rom->size);
	if (!rom->image) {
		free(rom);
		return -ENOMEM;
	}
	pthread_mutex_init(&rom->lock, NULL);
	*ret = rom;
	return 0;
}

void berth_rom_free(struct berth_rom *rom)
{
	if (!rom)
		return;
	pthread_mutex_destroy(&rom->lock);
	free(rom->image);
	free(rom);
}

/* Under the lock, once. A read that fails leaves ones, and the rest is not tried. */
static void load(struct berth_rom *rom)
{
	const struct berth_vfio_region *region =
		berth_vfio_device_region(rom->dev, BERTH_VFIO_REGION_ROM);
	uint64_t at = 0;
	int r = 0;

	rom->loaded = true;
	memset(rom->image, 0xff, rom->size);
	for (; r == 0 && at < rom->size; at += CHUNK) {
		uint64_t left = rom->size - at;

		r = berth_vfio_region_read(rom->dev, region, at, rom->image + at,
					   left < CHUNK ? left : CHUNK);
	}
	if (r < 0)
		log_info("%s: its ROM cannot be read: %s", berth_vfio_device_name(rom->dev),
			 strerror(-r));
}

void berth_rom_read(struct berth_rom *rom, uint64_t offset, unsigned int len, void *data)
{
	memset(data, 0xff, len);
	pthread_mutex_lock(&rom->lock);
	if (!rom->loaded)
		load(rom);
	if (berth_range_fits(offset, len, rom->size))
		memcpy(data, rom->image + offset, len);
	pthread_mutex_unlock(&rom->lock);
}
