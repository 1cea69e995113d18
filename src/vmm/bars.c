/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/bars.h"

#include <string.h>

/* PCIe Base 6.0, 7.5.1.2.1: flag bits below the address */
#define MEM_FLAGS UINT64_C(0xf)
#define IO_FLAGS  UINT64_C(0x3)
#define ROM_FLAGS UINT64_C(0x7ff) /* 7.5.1.2.4 */
#define ROM_ON	  1u

void berth_bars_init(struct berth_bars *bars, const struct berth_bars_ops *ops, void *opaque)
{
	memset(bars, 0, sizeof(*bars));
	bars->ops = ops;
	bars->opaque = opaque;
}

void berth_bars_define(struct berth_bars *bars, unsigned int bar, uint64_t size, bool is64, bool io)
{
	bars->bar[bar].size = size;
	bars->bar[bar].is64 = is64;
	bars->bar[bar].io = io;
}

static uint64_t address(const struct berth_bars *bars, unsigned int i)
{
	uint64_t v = bars->reg[i];

	if (bars->bar[i].is64)
		v |= (uint64_t)bars->reg[i + 1] << 32;
	return v &
	       ~(bars->bar[i].io     ? IO_FLAGS :
		 i == BERTH_BARS_ROM ? ROM_FLAGS :
				       MEM_FLAGS) &
	       ~(bars->bar[i].size - 1);
}

static bool is_on(const struct berth_bars *bars, unsigned int i)
{
	if (bars->bar[i].io)
		return bars->io_on;
	return bars->mem_on && (i != BERTH_BARS_ROM || (bars->reg[i] & ROM_ON));
}

static bool is_sizing(const struct berth_bars *bars, unsigned int i)
{
	return bars->sizing & (bars->bar[i].is64 ? 3u << i : 1u << i);
}

static void unmap(struct berth_bars *bars, unsigned int i)
{
	if (bars->bar[i].mapped)
		bars->ops->unmap(bars->opaque, i);
	bars->bar[i].mapped = false;
}

static void place(struct berth_bars *bars, unsigned int i)
{
	uint64_t at = address(bars, i);
	bool ok;

	bars->bar[i].half[0] = bars->bar[i].half[1] = false;
	if (!is_on(bars, i)) {
		unmap(bars, i);
		return;
	}
	if (is_sizing(bars, i))
		return;
	ok = at != 0 && bars->ops->ok(bars->opaque, i, at);
	if (bars->bar[i].mapped && (!ok || bars->bar[i].at != at))
		unmap(bars, i);
	if (!ok || bars->bar[i].mapped)
		return;
	bars->ops->map(bars->opaque, i, at);
	bars->bar[i].mapped = true;
	bars->bar[i].at = at;
}

/* Is BAR @i, with these registers @written just now, waiting for its other half? */
static bool waits(struct berth_bars *bars, unsigned int i, unsigned int written)
{
	bool low = written & 1u << i, high = written & 2u << i;

	if (!bars->bar[i].is64 || !bars->mem_on || low == high)
		return false;
	if (bars->bar[i].half[low]) /* half[0] is the low one: low == 1 asks for the high one */
		return false;
	bars->bar[i].half[!low] = true;
	return true;
}

void berth_bars_update(struct berth_bars *bars, bool mem_on, bool io_on,
		       const uint32_t reg[BERTH_BARS_NR], unsigned int written, unsigned int ones)
{
	bool was_on = bars->mem_on;

	bars->mem_on = mem_on;
	bars->io_on = io_on;
	bars->sizing = (bars->sizing & ~written) | ones;
	memcpy(bars->reg, reg, sizeof(bars->reg));
	/* Leave old places before taking new ones, so that two BARs can swap theirs. */
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		if (bars->bar[i].size && !is_on(bars, i))
			unmap(bars, i);
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		if (bars->bar[i].size && !(was_on && waits(bars, i, written)))
			place(bars, i);
}

void berth_bars_settle(struct berth_bars *bars)
{
	for (unsigned int i = 0; i < BERTH_BARS_NR; i++)
		if (bars->bar[i].half[0] || bars->bar[i].half[1])
			place(bars, i);
}
