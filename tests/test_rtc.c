/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "vmm/bus.h"
#include "vmm/rtc.h"

struct board {
	struct berth_bus *pio;
	struct berth_rtc *rtc;
};

/* Tuesday, 31 December 2024, 23:59:58 UTC */
static time_t new_years_eve(void)
{
	return 1735689598;
}

static int setup(void **state)
{
	static struct board b;

	assert_int_equal(berth_bus_new(&b.pio, "pio"), 0);
	assert_int_equal(berth_rtc_new(&b.rtc, b.pio, new_years_eve, NULL), 0);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	berth_rtc_free(b->rtc);
	berth_bus_free(b->pio);
	return 0;
}

static uint8_t get(struct board *b, uint8_t index)
{
	uint8_t value = 0;

	berth_bus_write(b->pio, 0x70, 1, &index);
	berth_bus_read(b->pio, 0x71, 1, &value);
	return value;
}

static void set(struct board *b, uint8_t index, uint8_t value)
{
	berth_bus_write(b->pio, 0x70, 1, &index);
	berth_bus_write(b->pio, 0x71, 1, &value);
}

static void tells_the_time_in_bcd(void **state)
{
	assert_int_equal(get(*state, 0), 0x58);
	assert_int_equal(get(*state, 2), 0x59);
	assert_int_equal(get(*state, 4), 0x23);
	assert_int_equal(get(*state, 6), 3);
	assert_int_equal(get(*state, 7), 0x31);
	assert_int_equal(get(*state, 8), 0x12);
	assert_int_equal(get(*state, 9), 0x24);
	assert_int_equal(get(*state, 0x32), 0x20);
}

static void tells_it_in_binary_and_in_twelve_hours_when_asked(void **state)
{
	set(*state, 0x0b, 0x04);
	assert_int_equal(get(*state, 0), 58);
	assert_int_equal(get(*state, 4), 11 | 0x80);
	assert_int_equal(get(*state, 9), 24);
	set(*state, 0x0b, 0x00);
	assert_int_equal(get(*state, 4), 0x11 | 0x80);
}

static void is_ready_valid_and_silent(void **state)
{
	assert_int_equal(get(*state, 0x0a) & 0x80, 0);
	assert_int_equal(get(*state, 0x0b), 0x02);
	assert_int_equal(get(*state, 0x0c), 0);
	assert_int_equal(get(*state, 0x0d), 0x80);
}

static void keeps_bytes_but_not_a_time_that_the_guest_sets(void **state)
{
	set(*state, 0x40, 0x77);
	assert_int_equal(get(*state, 0x40), 0x77);
	assert_int_equal(get(*state, 0xc0), 0x77);
	set(*state, 0, 0x11);
	assert_int_equal(get(*state, 0), 0x58);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(tells_the_time_in_bcd),
		T(tells_it_in_binary_and_in_twelve_hours_when_asked),
		T(is_ready_valid_and_silent),
		T(keeps_bytes_but_not_a_time_that_the_guest_sets),
	};

	return cmocka_run_group_tests_name("vmm/rtc", tests, NULL, NULL);
}
