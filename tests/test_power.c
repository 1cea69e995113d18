/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <linux/kvm.h>

#include "base/cleanup.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/power.h"

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	return request == KVM_CHECK_EXTENSION ? 64 : 0;
}

struct board {
	unsigned int offs, resets;
};

static void on_off(void *opaque)
{
	((struct board *)opaque)->offs++;
}

static void on_reset(void *opaque)
{
	((struct board *)opaque)->resets++;
}

static const struct berth_power_ops ops = { on_off, on_reset };

static void only_the_right_writes_end_the_machine(void **state)
{
	static const struct {
		unsigned int port, len;
		uint32_t value;
		unsigned int offs, resets;
	} rows[] = {
		{ 0x600, 1, 5 << 2 | 0x20, 1, 0 }, /* S5, enabled */
		{ 0x600, 1, 5 << 2, 0, 0 },	   /* not enabled */
		{ 0x600, 1, 1 << 2 | 0x20, 0, 0 }, /* another state */
		{ 0x601, 1, 5 << 2 | 0x20, 0, 0 }, /* status register */
		{ 0x600, 2, 5 << 2 | 0x20, 0, 0 }, /* not a byte */
		{ 0xcf9, 1, 0x02, 0, 0 },	   /* prepare */
		{ 0xcf9, 1, 0x06, 0, 1 },	   /* hard reset */
		{ 0xcf9, 1, 0x0e, 0, 1 },	   /* full reset */
		{ 0xcf8, 4, 0x80000600, 0, 0 },	   /* a config address */
		{ 0x64, 1, 0xfe, 0, 1 },	   /* pulse the reset line */
		{ 0x64, 1, 0xd1, 0, 0 },	   /* another keyboard command */
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct board b = { 0, 0 };
		struct berth_power *power;
		struct berth_bus *pio;

		assert_int_equal(berth_bus_new(&pio, "pio"), 0);
		assert_int_equal(berth_power_new(&power, pio, &ops, &b, NULL), 0);
		berth_bus_write(pio, rows[i].port, rows[i].len, &rows[i].value);
		if (b.offs != rows[i].offs || b.resets != rows[i].resets)
			fail_msg("row %zu: %u off, %u resets", i, b.offs, b.resets);
		berth_power_free(power);
		berth_bus_free(pio);
	}
}

static void status_reads_as_nothing_pending(void **state)
{
	struct board b = { 0, 0 };
	struct berth_power *power;
	struct berth_bus *pio;
	uint8_t value = 0x55;

	(void)state;
	assert_int_equal(berth_bus_new(&pio, "pio"), 0);
	assert_int_equal(berth_power_new(&power, pio, &ops, &b, NULL), 0);
	berth_bus_read(pio, 0x601, 1, &value);
	assert_int_equal(value, 0);
	value = 0x55;
	berth_bus_read(pio, 0x64, 1, &value);
	assert_int_equal(value, 0);
	berth_power_free(power);
	berth_bus_free(pio);
}

/* The bytes that an assembler makes of: out 6 to port 0xcf9, then halt for ever. */
static void the_bios_entry_resets(void **state)
{
	static const uint8_t want[] = { 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd };
	struct berth_mem_config config = { .size = BERTH_MEM_MIN, .fd = -1 };
	struct berth_mem *mem;

	(void)state;
	assert_int_equal(berth_mem_new(&mem, 3, &config, NULL), 0);
	berth_power_put_reset_vector(mem);
	assert_memory_equal(berth_mem_at(mem, 0xffff0, sizeof(want)), want, sizeof(want));
	berth_mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_right_writes_end_the_machine),
		cmocka_unit_test(status_reads_as_nothing_pending),
		cmocka_unit_test(the_bios_entry_resets),
	};

	return cmocka_run_group_tests_name("vmm/power", tests, NULL, NULL);
}
