/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include <linux/vfio.h>

#include "tests/lib/fake_vfio.h"
#include "vfio/rom.h"

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_rom *rom;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_vfio_new();
	fake_vfio_bar(f->fake, BERTH_VFIO_REGION_ROM, 0x3000, 0);
	memset(f->fake->region[BERTH_VFIO_REGION_ROM].mem, 0x77, 0x3000);
	memcpy(f->fake->region[BERTH_VFIO_REGION_ROM].mem, "\x55\xaa", 2);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_rom_new(&f->rom, f->dev), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_rom_free(f->rom);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

static uint32_t rd(struct fixture *f, uint64_t offset)
{
	uint32_t v;

	berth_rom_read(f->rom, offset, 4, &v);
	return v;
}

static void reads_what_is_there_and_ones_behind_it(void **state)
{
	assert_int_equal(rd(*state, 0), 0x7777aa55);
	assert_int_equal(rd(*state, 0x2ffc), 0x77777777);
	assert_int_equal(rd(*state, 0x2ffe), UINT32_MAX);
	assert_int_equal(rd(*state, 0x3000), UINT32_MAX);
}

static void looks_at_the_device_once_and_not_before_it_must(void **state)
{
	struct fixture *f = *state;

	f->fake->region[BERTH_VFIO_REGION_ROM].mem[0x100] = 1;
	assert_int_equal(rd(f, 0x100), 0x77777701);
	f->fake->gone = true;
	assert_int_equal(rd(f, 0), 0x7777aa55);
	assert_int_equal(rd(f, 0x2000), 0x77777777);
}

static void a_sick_one_reads_as_none(void **state)
{
	struct fixture *f = *state;

	f->fake->gone = true;
	assert_int_equal(rd(f, 0), UINT32_MAX);
	f->fake->gone = false;
	assert_int_equal(rd(f, 0), UINT32_MAX);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reads_what_is_there_and_ones_behind_it),
		T(looks_at_the_device_once_and_not_before_it_must),
		T(a_sick_one_reads_as_none),
	};

	return cmocka_run_group_tests_name("vfio/rom", tests, NULL, NULL);
}
