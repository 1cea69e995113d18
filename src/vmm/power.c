/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/power.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/range.h"
#include "vmm/bus.h"
#include "vmm/mem.h"

#define SLP_EN		0x20 /* sleep control, ACPI 6.5, table 4.22 */
#define SLP_TYP_SHIFT	2
#define SLP_TYP_MASK	0x07
#define RESET_NOW	0x04 /* 0xCF9 bit 2: a change from 0 to 1 resets */
#define KEYBOARD_PULSE	0xfe /* 8042: pulse output line 0, the CPU's reset */
#define KEYBOARD_RESULT 0x00 /* status: no data, ready for a command */

struct berth_power {
	const struct berth_power_ops *ops;		   /* borrowed */
	void *opaque;					   /* borrowed */
	struct berth_bus *pio;				   /* borrowed */
	struct berth_bus_region *sleep, *reset, *keyboard; /* owned */
};

/* Control reads as 0; status too: we never wake from anything. */
static void zero_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	(void)opaque;
	(void)offset;
	for (unsigned int i = 0; i < len; i++)
		((uint8_t *)data)[i] = 0;
}

static void sleep_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_power *p = opaque;
	uint8_t value = *(const uint8_t *)data;

	if (offset != 0 || len != 1 || !(value & SLP_EN))
		return;
	if ((value >> SLP_TYP_SHIFT & SLP_TYP_MASK) == BERTH_POWER_S5)
		p->ops->off(p->opaque);
}

static void reset_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_power *p = opaque;

	(void)offset;
	if (len == 1 && (*(const uint8_t *)data & RESET_NOW))
		p->ops->reset(p->opaque);
}

static void keyboard_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	(void)opaque;
	(void)offset;
	if (len == 1)
		*(uint8_t *)data = KEYBOARD_RESULT;
}

static void keyboard_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_power *p = opaque;

	(void)offset;
	if (len == 1 && *(const uint8_t *)data == KEYBOARD_PULSE)
		p->ops->reset(p->opaque);
}

static const struct berth_bus_ops sleep_ops = { zero_read, sleep_write };
static const struct berth_bus_ops reset_ops = { zero_read, reset_write };
static const struct berth_bus_ops keyboard_ops = { keyboard_read, keyboard_write };

int berth_power_new(struct berth_power **ret, struct berth_bus *pio,
		    const struct berth_power_ops *ops, void *opaque, struct berth_err *err)
{
	BERTH_CLEANUP(berth_power_freep) struct berth_power *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return berth_err_set(err, -ENOMEM, "out of memory");
	p->ops = ops;
	p->opaque = opaque;
	p->pio = pio;
	r = berth_bus_add(pio, (struct berth_range){ BERTH_POWER_SLEEP_CONTROL, 2 }, &sleep_ops, p,
			  &p->sleep, err);
	if (r == 0)
		r = berth_bus_add(pio, (struct berth_range){ BERTH_POWER_RESET, 1 }, &reset_ops, p,
				  &p->reset, err);
	if (r == 0)
		r = berth_bus_add(pio, (struct berth_range){ BERTH_POWER_KEYBOARD, 1 },
				  &keyboard_ops, p, &p->keyboard, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(p);
	return 0;
}

void berth_power_free(struct berth_power *p)
{
	if (!p)
		return;
	berth_bus_remove(p->pio, p->keyboard);
	berth_bus_remove(p->pio, p->reset);
	berth_bus_remove(p->pio, p->sleep);
	free(p);
}

void berth_power_put_reset_vector(const struct berth_mem *mem)
{
	static const uint8_t code[] = {
		0xba,
		BERTH_POWER_RESET & 0xff,
		BERTH_POWER_RESET >> 8, /* mov dx, 0xcf9 */
		0xb0,
		BERTH_POWER_RESET_VALUE, /* mov al, 6 */
		0xee,			 /* out dx, al */
		0xf4,			 /* hlt */
		0xeb,
		0xfd, /* jmp to the hlt */
	};
	void *at = berth_mem_at(mem, BERTH_POWER_RESET_VECTOR, sizeof(code));

	assert(at);
	memcpy(at, code, sizeof(code));
}
