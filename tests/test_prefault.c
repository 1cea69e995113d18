/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On this machine's real memory: mincore() says what is there. madvise is wrapped where a kernel is wanted that fails, or lacks
 * MADV_POPULATE_WRITE.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/prefault.h"

#define MIB   UINT64_C(0x100000)
#define SLICE (2 * MIB)

static _Atomic int answer;    /* of madvise, negative errno; 0: the kernel's */
static _Atomic int answer_at; /* the call from which on */
static _Atomic int calls;
static _Atomic int at_once, most_at_once;
static pthread_barrier_t *meet; /* every call waits here */

int __real_madvise(void *start, size_t len, int advice);
int __wrap_madvise(void *start, size_t len, int advice);
int __wrap_madvise(void *start, size_t len, int advice)
{
	int n = ++calls, now = ++at_once, r;

	while (now > most_at_once)
		most_at_once = now;
	if (meet)
		pthread_barrier_wait(meet);
	r = __real_madvise(start, len, advice);
	at_once--;
	if (answer && n > answer_at) {
		errno = -answer;
		return -1;
	}
	return r;
}

struct fixture {
	char *memory;
	/* 21 MiB and 8 MiB, with 3 MiB that nobody asked for between */
	struct berth_prefault_range ranges[2];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	answer = answer_at = calls = at_once = most_at_once = 0;
	meet = NULL;
	f->memory =
		mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(f->memory != MAP_FAILED);
	__real_madvise(f->memory, 32 * MIB, MADV_NOHUGEPAGE);
	f->ranges[0] = (struct berth_prefault_range){ f->memory, 21 * MIB };
	f->ranges[1] = (struct berth_prefault_range){ f->memory + 24 * MIB, 8 * MIB };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	munmap(f->memory, 32 * MIB);
	free(f);
	return 0;
}

/* Pages that are there in [start, start + len). */
static size_t present(const char *start, uint64_t len)
{
	static unsigned char map[32 * MIB / 4096];
	size_t n = 0;

	assert_int_equal(mincore((void *)(uintptr_t)start, len, map), 0);
	for (size_t i = 0; i < len / 4096; i++)
		n += map[i] & 1;
	return n;
}

static struct berth_prefault *start(struct fixture *f, unsigned int nr_threads)
{
	struct berth_prefault *p = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_prefault_start(&p, f->ranges, 2, SLICE, nr_threads, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void everything_is_there_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	for (unsigned int nr = 1; nr <= BERTH_PREFAULT_THREADS + 1; nr += 4) {
		struct berth_prefault *p = start(f, nr);

		assert_int_equal(berth_prefault_wait(p, 29 * MIB, NULL), 0);
		berth_prefault_free(p);
		assert_int_equal(present(f->memory, 21 * MIB), 21 * MIB / 4096);
		assert_int_equal(present(f->memory + 24 * MIB, 8 * MIB), 8 * MIB / 4096);
		assert_int_equal(present(f->memory + 21 * MIB, 3 * MIB), 0);
		assert_int_equal(__real_madvise(f->memory, 32 * MIB, MADV_DONTNEED), 0);
	}
}

/* What was waited for is there, for every amount; it may not take all of it to say so. */
static void a_wait_ends_when_its_bytes_are_there(void **state)
{
	struct fixture *f = *state;
	struct berth_prefault *p = start(f, 2);

	for (uint64_t mib = 1; mib <= 29; mib++) {
		assert_int_equal(berth_prefault_wait(p, mib * MIB, NULL), 0);
		if (mib <= 21)
			assert_int_equal(present(f->memory, mib * MIB), mib * MIB / 4096);
		else
			assert_int_equal(present(f->memory + 24 * MIB, (mib - 21) * MIB),
					 (mib - 21) * MIB / 4096);
	}
	assert_int_equal(berth_prefault_wait(p, UINT64_MAX, NULL), 0); /* more than there is */
	berth_prefault_free(p);
}

static void slices_are_populated_at_the_same_time(void **state)
{
	struct fixture *f = *state;
	pthread_barrier_t barrier;
	struct berth_prefault *p;

	/* 15 slices, three at a time: each call waits until two others have come */
	pthread_barrier_init(&barrier, NULL, 3);
	meet = &barrier;
	p = start(f, 3);
	assert_int_equal(berth_prefault_wait(p, 29 * MIB, NULL), 0);
	berth_prefault_free(p);
	assert_int_equal(calls, 15);
	assert_int_equal(most_at_once, 3);
	pthread_barrier_destroy(&barrier);
}

static void without_threads_nobody_waits(void **state)
{
	struct fixture *f = *state;
	struct berth_prefault *p = start(f, 0);

	assert_int_equal(berth_prefault_wait(p, 29 * MIB, NULL), 0);
	berth_prefault_free(p);
	assert_int_equal(present(f->memory, 32 * MIB), 0);
	assert_int_equal(calls, 0);
}

static void an_old_kernel_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct berth_prefault *p;

	answer = -EINVAL;
	p = start(f, 2);
	assert_int_equal(berth_prefault_wait(p, 29 * MIB, NULL), 0);
	berth_prefault_free(p);
	assert_true(calls <= 2);
}

static void failures_are_said_and_end_it(void **state)
{
	static const struct {
		int answer;
		const char *says;
	} rows[] = {
		{ -ENOMEM, "control group has no more" },
		{ -EFAULT, "no page left where" },
		{ -EIO, "faulting it in" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_prefault *p;

		answer = rows[i].answer;
		answer_at = 3;
		calls = 0;
		p = start(f, 1);
		assert_int_equal(berth_prefault_wait(p, 29 * MIB, &err), rows[i].answer);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_int_equal(berth_prefault_wait(p, 1, NULL), rows[i].answer);
		berth_prefault_free(p);
		assert_int_equal(calls, 4);
	}
}

static void an_interrupted_call_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct berth_prefault *p;

	/* every call says EINTR until the sixth has been made; then the kernel's own answer counts */
	answer = -EINTR;
	p = start(f, 1);
	while (calls < 6)
		sched_yield();
	answer = 0;
	assert_int_equal(berth_prefault_wait(p, 29 * MIB, NULL), 0);
	berth_prefault_free(p);
	assert_true(calls >= 6 + 14);
}

static void who_gives_up_waits_for_the_slice_in_hand_only(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 50; i++) {
		berth_prefault_free(start(f, 2));
		__real_madvise(f->memory, 32 * MIB, MADV_DONTNEED);
	}
	assert_true(calls < 50 * 15);
	berth_prefault_free(NULL);
}

static void threads_are_as_many_as_processors(void **state)
{
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(berth_prefault_threads(), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	if (CPU_COUNT(&before) > 1)
		assert_int_equal(berth_prefault_threads(),
				 CPU_COUNT(&before) < BERTH_PREFAULT_THREADS ?
					 CPU_COUNT(&before) :
					 BERTH_PREFAULT_THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(everything_is_there_and_nothing_else),
		T(a_wait_ends_when_its_bytes_are_there),
		T(slices_are_populated_at_the_same_time),
		T(without_threads_nobody_waits),
		T(an_old_kernel_is_no_error),
		T(failures_are_said_and_end_it),
		T(an_interrupted_call_is_made_again),
		T(who_gives_up_waits_for_the_slice_in_hand_only),
		T(threads_are_as_many_as_processors),
	};

	return cmocka_run_group_tests_name("vmm/prefault", tests, NULL, NULL);
}
