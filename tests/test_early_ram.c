/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On this machine's real memory: mincore() says what is there. How many processors there are is wrapped.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "vmm/early_ram.h"
#include "vmm/prefault.h"

#define MIB  (UINT64_C(1) << 20)
#define SIZE (192 * MIB) /* three slices */
#define PAGE 4096

static unsigned int nr_processors;

unsigned int __wrap_berth_prefault_threads(void);
unsigned int __wrap_berth_prefault_threads(void)
{
	return nr_processors < 2 ? 0 : nr_processors;
}

static const struct berth_backing_config config = {
	.pages = BERTH_PAGES_SMALL,
	.node = BERTH_NODE_ANY,
	.fd = -1,
	.size = SIZE,
};

static size_t pages_there(const struct berth_early_ram *ram)
{
	static unsigned char there[SIZE / PAGE];
	size_t nr = 0;

	assert_int_equal(mincore(berth_early_ram_start(ram), SIZE, there), 0);
	for (size_t i = 0; i < SIZE / PAGE; i++)
		nr += there[i] & 1;
	return nr;
}

/* The supervisor takes its time. */
static void wait_for_pages(const struct berth_early_ram *ram, size_t nr)
{
	for (unsigned int ms = 0; pages_there(ram) < nr; ms += 5) {
		assert_true(ms < 60000);
		usleep(5000);
	}
}

static void a_single_processor_faults_in_while_the_devices_are_not_there(void **state)
{
	struct berth_early_ram *ram = NULL;

	(void)state;
	nr_processors = 1;
	assert_int_equal(berth_early_ram_new(&ram, &config, NULL), 0);
	wait_for_pages(ram, SIZE / PAGE);
	assert_null(berth_early_ram_rest(ram));
	berth_early_ram_free(ram);
}

static void and_stops_when_they_are(void **state)
{
	struct berth_early_ram *ram = NULL;
	size_t nr;

	(void)state;
	nr_processors = 1;
	assert_int_equal(berth_early_ram_new(&ram, &config, NULL), 0);
	assert_null(berth_early_ram_rest(ram));
	nr = pages_there(ram);
	assert_true(nr < SIZE / PAGE);
	usleep(20000);
	assert_int_equal(pages_there(ram), nr);
	berth_early_ram_free(ram);
}

static void several_go_on(void **state)
{
	struct berth_early_ram *ram = NULL;
	struct berth_prefault *rest;

	(void)state;
	nr_processors = 2;
	assert_int_equal(berth_early_ram_new(&ram, &config, NULL), 0);
	rest = berth_early_ram_rest(ram);
	assert_non_null(rest);
	assert_int_equal(berth_prefault_wait(rest, SIZE, NULL), 0);
	assert_int_equal(pages_there(ram), SIZE / PAGE);
	berth_early_ram_settle(ram);
	berth_early_ram_settle(ram);
	assert_null(berth_early_ram_rest(ram));
	berth_early_ram_free(ram);
}

static void what_cannot_be_is_said(void **state)
{
	struct berth_backing_config impossible = config;
	struct berth_early_ram *ram = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	impossible.pages = BERTH_PAGES_2M; /* but without a file */
	assert_int_equal(berth_early_ram_new(&ram, &impossible, &err), -EINVAL);
	assert_true(err.text[0]);
	assert_null(ram);
	berth_early_ram_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_processor_faults_in_while_the_devices_are_not_there),
		cmocka_unit_test(and_stops_when_they_are),
		cmocka_unit_test(several_go_on),
		cmocka_unit_test(what_cannot_be_is_said),
	};

	return cmocka_run_group_tests_name("vmm/early_ram", tests, NULL, NULL);
}
