/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "vmm/bus.h"

struct dev {
	uint64_t offset;
	unsigned int len;
	uint64_t written;
	atomic_uint calls;
	uint8_t answer;
	struct berth_bus *bus;
	struct berth_bus_region *self, *other;
};

static void dev_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	struct dev *d = opaque;

	d->offset = offset;
	d->len = len;
	atomic_fetch_add(&d->calls, 1);
	memset(data, d->answer, len);
}

static void dev_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct dev *d = opaque;

	d->offset = offset;
	d->len = len;
	d->written = 0;
	memcpy(&d->written, data, len);
}

static const struct berth_bus_ops dev_ops = { dev_read, dev_write };
static const struct berth_bus_ops deaf_ops = { NULL, NULL };

static int setup(void **state)
{
	struct berth_bus *bus;

	assert_int_equal(berth_bus_new(&bus, "test"), 0);
	*state = bus;
	return 0;
}

static int teardown(void **state)
{
	berth_bus_free(*state);
	return 0;
}

static uint32_t read32(struct berth_bus *bus, uint64_t addr)
{
	uint32_t value = 0;

	berth_bus_read(bus, addr, 4, &value);
	return value;
}

static void an_access_reaches_its_region_with_the_offset(void **state)
{
	struct dev d = { .answer = 0x5a };
	uint16_t value = 0x1234;

	assert_int_equal(berth_bus_add(*state, (struct berth_range){ 0x1000, 0x10 }, &dev_ops, &d,
				       NULL, NULL),
			 0);
	assert_int_equal(read32(*state, 0x100c), 0x5a5a5a5a);
	assert_int_equal(d.offset, 0xc);
	assert_int_equal(d.len, 4);
	assert_true(berth_bus_write(*state, 0x1002, 2, &value));
	assert_int_equal(d.offset, 2);
	assert_int_equal(d.written, 0x1234);
}

static void nobody_reads_as_all_ones(void **state)
{
	struct dev d = { .answer = 0 };
	uint64_t value = 0;

	berth_bus_add(*state, (struct berth_range){ 0x1000, 0x10 }, &dev_ops, &d, NULL, NULL);
	assert_false(berth_bus_read(*state, 0xff8, 8, &value));
	assert_int_equal(value, UINT64_MAX);
	assert_false(berth_bus_write(*state, 0x1010, 4, &value));
	/* across either end, and around the end of the address space */
	assert_int_equal(read32(*state, 0xffe), UINT32_MAX);
	assert_int_equal(read32(*state, 0x100d), UINT32_MAX);
	assert_int_equal(read32(*state, UINT64_MAX - 1), UINT32_MAX);
	assert_int_equal(d.calls, 0);
}

static void a_region_without_callbacks_reads_as_all_ones(void **state)
{
	uint32_t value = 0;

	berth_bus_add(*state, (struct berth_range){ 0, 8 }, &deaf_ops, NULL, NULL, NULL);
	assert_true(berth_bus_read(*state, 0, 4, &value));
	assert_int_equal(value, UINT32_MAX);
	assert_true(berth_bus_write(*state, 0, 4, &value));
}

static void the_first_of_two_overlapping_regions_answers_until_it_goes(void **state)
{
	struct dev a = { .answer = 0xaa }, b = { .answer = 0xbb };
	struct berth_bus_region *first;

	berth_bus_add(*state, (struct berth_range){ 0x100, 0x100 }, &dev_ops, &a, &first, NULL);
	berth_bus_add(*state, (struct berth_range){ 0x180, 0x100 }, &dev_ops, &b, NULL, NULL);
	assert_int_equal(read32(*state, 0x180), 0xaaaaaaaa);
	assert_int_equal(read32(*state, 0x200), 0xbbbbbbbb);
	berth_bus_remove(*state, first);
	assert_int_equal(read32(*state, 0x180), 0xbbbbbbbb);
	assert_int_equal(read32(*state, 0x100), UINT32_MAX);
	berth_bus_remove(*state, NULL);
}

static void impossible_ranges_are_refused(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_bus_add(*state, (struct berth_range){ 5, 0 }, &dev_ops, NULL, NULL,
				       &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "test bus"));
	assert_int_equal(berth_bus_add(*state, (struct berth_range){ UINT64_MAX, 2 }, &dev_ops,
				       NULL, NULL, NULL),
			 -EINVAL);
}

/* What a config write that moves a BAR does: from inside a callback. */
static void move_self(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct dev *d = opaque;

	(void)offset;
	(void)len;
	(void)data;
	berth_bus_remove(d->bus, d->other);
	berth_bus_add(d->bus, (struct berth_range){ 0x9000, 0x100 }, &dev_ops, d, &d->other, NULL);
}

static const struct berth_bus_ops move_ops = { NULL, move_self };

static void a_callback_may_move_regions(void **state)
{
	struct dev d = { .answer = 0x11, .bus = *state };
	uint8_t byte = 0;

	berth_bus_add(*state, (struct berth_range){ 0x10, 1 }, &move_ops, &d, &d.self, NULL);
	berth_bus_add(*state, (struct berth_range){ 0x8000, 0x100 }, &dev_ops, &d, &d.other, NULL);
	assert_int_equal(read32(*state, 0x8000), 0x11111111);
	assert_true(berth_bus_write(*state, 0x10, 1, &byte));
	assert_int_equal(read32(*state, 0x8000), UINT32_MAX);
	assert_int_equal(read32(*state, 0x9000), 0x11111111);
}

struct race {
	struct berth_bus *bus;
	atomic_bool stop;
	unsigned int wrong;
};

static void *reader(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		uint32_t moving = read32(race->bus, 0x2000);

		if (read32(race->bus, 0x1000) != 0x77777777)
			race->wrong++;
		if (moving != 0x77777777 && moving != UINT32_MAX)
			race->wrong++;
	}
	return NULL;
}

/* For the sanitizers too: a region is freed while other threads dispatch into it. */
static void regions_move_while_others_read(void **state)
{
	struct dev d = { .answer = 0x77 };
	struct race race = { .bus = *state };
	pthread_t threads[2];

	berth_bus_add(*state, (struct berth_range){ 0x1000, 4 }, &dev_ops, &d, NULL, NULL);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &race), 0);
	for (unsigned int i = 0; i < 2000; i++) {
		struct berth_bus_region *region;

		berth_bus_add(*state, (struct berth_range){ 0x2000, 4 }, &dev_ops, &d, &region,
			      NULL);
		berth_bus_remove(*state, region);
	}
	atomic_store(&race.stop, true);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(an_access_reaches_its_region_with_the_offset),
		T(nobody_reads_as_all_ones),
		T(a_region_without_callbacks_reads_as_all_ones),
		T(the_first_of_two_overlapping_regions_answers_until_it_goes),
		T(impossible_ranges_are_refused),
		T(a_callback_may_move_regions),
		T(regions_move_while_others_read),
	};

	return cmocka_run_group_tests_name("vmm/bus", tests, NULL, NULL);
}
