/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/barmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BERTH_LOG "vmm/barmap"
#include "base/err.h"
#include "base/log.h"
#include "vfio/device.h"
#include "vfio/region.h"
#include "vmm/barspace.h"
#include "vmm/bus.h"

#define PAGE UINT64_C(4096) /* KVM's granularity on x86 */
/* Around table and PBA at most three pieces remain; sparse areas can make more. The rest is trapped. */
#define MAX_PIECES 32

struct berth_barmap {
	struct berth_barmap_config config;
	/* borrowed from the device; NULL: nothing of the BAR is the device's */
	const struct berth_vfio_region *region;
	void *base; /* owned; NULL when nothing of it can be mapped */
	size_t nr_pieces;
	struct berth_bar_piece pieces[MAX_PIECES]; /* what is mapped at base */
	/* while it is in the guest: */
	struct berth_bus_region *trap;	   /* owned; the whole BAR, under the pieces */
	struct berth_placement *placement; /* owned; NULL for ports */
};

/* Which emulated part does an access touch? Return: -1 none. */
static int part_at(const struct berth_barmap *map, struct berth_range what)
{
	for (int i = 0; i < BERTH_BARMAP_MAX_EMULATED; i++)
		if (berth_range_overlaps(map->config.emulated[i], what))
			return i;
	return -1;
}

static void trap_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	const struct berth_barmap *map = opaque;
	struct berth_range what = { offset, len };
	int part = part_at(map, what);

	memset(data, 0xff, len);
	if (part < 0 && map->region)
		berth_vfio_region_read(map->config.dev, map->region, offset, data, len);
	else if (part >= 0 && berth_range_contains(map->config.emulated[part], what))
		map->config.read(map->config.opaque, (unsigned int)part,
				 offset - map->config.emulated[part].start, len, data);
}

static void trap_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	const struct berth_barmap *map = opaque;
	struct berth_range what = { offset, len };
	int part = part_at(map, what);

	if (part < 0 && map->region)
		berth_vfio_region_write(map->config.dev, map->region, offset, data, len);
	else if (part >= 0 && berth_range_contains(map->config.emulated[part], what))
		map->config.write(map->config.opaque, (unsigned int)part,
				  offset - map->config.emulated[part].start, len, data);
}

static const struct berth_bus_ops trap_ops = { .read = trap_read, .write = trap_write };

/* Cut the pages of @hole out of the @nr ranges in @list, which has room for one more. Return: how many are left. */
static size_t cut_out(struct berth_range *list, size_t nr, struct berth_range hole)
{
	struct berth_range old[BERTH_BARMAP_MAX_EMULATED + 1];
	uint64_t from = berth_align_down(hole.start, PAGE), to;
	size_t out = 0;

	if (!hole.size || !berth_align_up(hole.start + hole.size, PAGE, &to))
		return nr;
	memcpy(old, list, nr * sizeof(*list));
	for (size_t i = 0; i < nr; i++) {
		uint64_t start = old[i].start, end = old[i].start + old[i].size;
		uint64_t low_end = end < from ? end : from, high_start = start > to ? start : to;

		if (low_end > start)
			list[out++] = (struct berth_range){ start, low_end - start };
		if (end > high_start)
			list[out++] = (struct berth_range){ high_start, end - high_start };
	}
	return out;
}

static int map_pieces(struct berth_barmap *map, struct berth_err *err)
{
	struct berth_range allow[BERTH_BARMAP_MAX_EMULATED + 1], mapped[MAX_PIECES];
	size_t nr = 1;
	int r;

	/* A slot must not reach beyond the BAR, but for what is left of its page. */
	if (map->config.io || !map->region || map->region->size > map->config.size)
		return 0;
	allow[0] = (struct berth_range){ 0, map->config.size < PAGE ? PAGE : map->config.size };
	for (int i = 0; i < BERTH_BARMAP_MAX_EMULATED; i++)
		nr = cut_out(allow, nr, map->config.emulated[i]);
	r = berth_vfio_region_mmap(map->config.dev, map->region, allow, nr, &map->base, mapped,
				   MAX_PIECES, err);
	for (int i = 0; i < r; i++)
		map->pieces[i] = (struct berth_bar_piece){ mapped[i],
							   (uint8_t *)map->base + mapped[i].start };
	map->nr_pieces = r > 0 ? (size_t)r : 0;
	return r < 0 ? r : 0;
}

int berth_barmap_new(struct berth_barmap **ret, const struct berth_barmap_config *config,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_barmap_freep) struct berth_barmap *map = calloc(1, sizeof(*map));
	struct berth_err why = BERTH_ERR_INIT;

	if (!map)
		return berth_err_set(err, -ENOMEM, "BAR %u: out of memory", config->bar);
	map->config = *config;
	map->region = berth_vfio_device_region(config->dev, config->bar);
	if (map_pieces(map, &why) < 0)
		log_warn("%s; every access of the guest to it goes through user space", why.text);
	*ret = BERTH_TAKE_PTR(map);
	return 0;
}

void berth_barmap_free(struct berth_barmap *map)
{
	if (!map)
		return;
	berth_barmap_remove(map);
	if (map->base)
		berth_vfio_region_munmap(map->region, map->base);
	free(map);
}

int berth_barmap_place(struct berth_barmap *map, uint64_t addr, struct berth_err *err)
{
	struct berth_placement_config config = {
		.owner = map->config.owner,
		.bar = map->config.bar,
		.at = { addr, map->config.size },
		.pieces = map->pieces,
		/* A small BAR can have a page only where one begins. */
		.nr_pieces = addr % PAGE ? 0 : map->nr_pieces,
	};
	int r;

	/* The trap first: an access that comes in between finds somebody. */
	r = berth_bus_add(map->config.bus, config.at, &trap_ops, map, &map->trap, err);
	if (r < 0 || map->config.io)
		return r;
	r = berth_barspace_place(map->config.space, &config, &map->placement, err);
	if (r < 0)
		berth_barmap_remove(map);
	return r;
}

void berth_barmap_remove(struct berth_barmap *map)
{
	berth_barspace_remove(map->placement);
	map->placement = NULL;
	berth_bus_remove(map->config.bus, map->trap);
	map->trap = NULL;
}

uint64_t berth_barmap_direct_bytes(const struct berth_barmap *map)
{
	return map->placement ? berth_placement_direct_bytes(map->placement) : 0;
}
