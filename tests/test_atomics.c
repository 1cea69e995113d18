/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "tests/lib/fake_vfio.h"
#include "vfio/atomics.h"

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fake = fake_vfio_new();
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

/* A capability behind struct vfio_device_info, which has 24 bytes. */
static void cap(struct fixture *f, unsigned int at, uint16_t id, uint32_t next, uint32_t flags)
{
	uint8_t *p = f->fake->info_caps + at - 24;

	memcpy(p, &id, 2);
	memcpy(p + 4, &next, 4);
	memcpy(p + 8, &flags, 4);
	if (f->fake->info_caps_len < at - 24 + 16)
		f->fake->info_caps_len = at - 24 + 16;
}

static void a_kernel_that_says_nothing_means_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(berth_vfio_atomics(f->dev), 0);
}

static void the_widths_are_found_in_the_chain(void **state)
{
	struct fixture *f = *state;

	cap(f, 24, 5, 0, 3);
	assert_int_equal(berth_vfio_atomics(f->dev), BERTH_ATOMICS_32 | BERTH_ATOMICS_64);
	cap(f, 24, 1, 40, 7);
	cap(f, 40, 5, 0, 0xfffffffc);
	assert_int_equal(berth_vfio_atomics(f->dev), BERTH_ATOMICS_128);
}

static void a_broken_chain_means_none(void **state)
{
	static const uint32_t next[] = { 24, 20, 4, 56, 41, UINT32_MAX };
	struct fixture *f = *state;

	for (size_t i = 0; i < 6; i++) {
		cap(f, 24, 1, next[i], 7);
		cap(f, 40, 2, 0, 7);
		assert_int_equal(berth_vfio_atomics(f->dev), 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_kernel_that_says_nothing_means_none),
		T(the_widths_are_found_in_the_chain),
		T(a_broken_chain_means_none),
	};

	return cmocka_run_group_tests_name("vfio/atomics", tests, NULL, NULL);
}
