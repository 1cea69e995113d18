/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vfio.h"
#include "vmm/vectors.h"

#define MSIX BERTH_VFIO_IRQ_MSIX
#define MSI  BERTH_VFIO_IRQ_MSI
#define NR   8

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vectors *v;
};

static int make(void **state, bool noresize)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	fake_irq_reset();
	f->fake = fake_vfio_new();
	fake_vfio_msi(f->fake, 0x50, 3, true, false);
	fake_vfio_msix(f->fake, 0x70, NR, 0, 0x1000, noresize);
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	return berth_vectors_new(&f->v, NULL, f->dev, NR, NULL);
}

static int setup(void **state)
{
	return make(state, false);
}

static int setup_noresize(void **state)
{
	return make(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vectors_free(f->v);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

/* Vector n's message is 0x100 + n. */
static void arm(struct fixture *f, unsigned int n)
{
	assert_int_equal(berth_vectors_arm(f->v, n, 0xfee00000, 0x100 + n, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
}

static void enabled_with_nothing_armed_shows_in_the_device(void **state)
{
	struct fixture *f = *state;

	berth_vectors_enable(f->v, MSIX, NR);
	assert_false(f->fake->irq[MSIX].enabled);
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	assert_true(f->fake->irq[MSIX].enabled);
	assert_int_equal(f->fake->irq[MSIX].nr, 1);
	assert_int_equal(f->fake->irq[MSIX].fd[0], -1);
	arm(f, 0);
	assert_true(fake_irq_raise(f->fake, MSIX, 0));
	assert_int_equal(fake_irq_injected(0x100), 1);
}

static void vectors_are_added_without_disturbing_the_others(void **state)
{
	struct fixture *f = *state;

	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 1);
	arm(f, 5);
	arm(f, 3);
	assert_int_equal(f->fake->irq[MSIX].nr_enables, 1);
	assert_int_equal(f->fake->irq[MSIX].nr_disables, 0);
	assert_int_equal(f->fake->irq[MSIX].fd[0], -1);
	for (unsigned int n = 1; n <= 5; n += 2) {
		assert_true(fake_irq_raise(f->fake, MSIX, n));
		assert_int_equal(fake_irq_injected(0x100 + n), 1);
	}
}

static void where_vectors_cannot_be_added_all_are_there_from_the_start(void **state)
{
	struct fixture *f = *state;

	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 1);
	assert_int_equal(f->fake->irq[MSIX].nr, NR);
	assert_int_equal(f->fake->irq[MSIX].fd[5], -1);
	arm(f, 0);
	arm(f, 5);
	assert_int_equal(f->fake->irq[MSIX].nr_enables, 1);
	assert_int_equal(f->fake->irq[MSIX].nr_disables, 0);
	assert_int_equal(f->fake->irq[MSIX].nr_calls, 3);
	for (unsigned int n = 0; n < NR; n++) {
		bool armed = n == 0 || n == 1 || n == 5;

		assert_int_equal(fake_irq_raise(f->fake, MSIX, n), armed);
		assert_int_equal(fake_irq_injected(0x100 + n), armed);
	}
}

/* The host has 3 of 8 vectors, later more: only then is the device set up anew, and what may have been lost made good. */
static void with_too_few_vectors_those_that_there_are_work(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	f->fake->irq[MSIX].host_has = 3;
	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 2);
	assert_int_equal(f->fake->irq[MSIX].nr, 3);
	assert_true(fake_irq_raise(f->fake, MSIX, 2));
	assert_int_equal(fake_irq_injected(0x102), 1);
	for (int i = 0; i < 2;
	     i++) { /* the second time it is known, and the device left in peace */
		assert_int_equal(berth_vectors_arm(f->v, 6, 0xfee00000, 0x106, NULL), 0);
		assert_int_equal(berth_vectors_commit(f->v, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "the host has 3 interrupt vectors for it"));
		assert_int_equal(f->fake->irq[MSIX].nr_disables, 1);
	}
	berth_vectors_disable(f->v);
	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 1);
	f->fake->irq[MSIX].host_has = 0;
	arm(f, 6);
	assert_int_equal(f->fake->irq[MSIX].nr, NR);
	assert_int_equal(f->fake->irq[MSIX].nr_disables, 3);
	for (unsigned int n = 0; n < NR; n++) {
		struct pollfd p = { .fd = f->fake->irq[MSIX].fd[n], .events = POLLIN };

		assert_int_equal(poll(&p, 1, 0), n == 1);
	}
}

static void vectors_that_can_be_added_end_where_the_host_has_no_more(void **state)
{
	struct fixture *f = *state;

	f->fake->irq[MSIX].host_has = 3;
	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 1);
	assert_int_equal(berth_vectors_arm(f->v, 6, 0xfee00000, 0x106, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), -ENOSPC);
	assert_int_equal(f->fake->irq[MSIX].nr_disables, 0);
	assert_true(fake_irq_raise(f->fake, MSIX, 1));
	assert_int_equal(fake_irq_injected(0x101), 1);
	berth_vectors_hold(f->v, 6);
	arm(f, 2);
	assert_true(fake_irq_raise(f->fake, MSIX, 2));
}

static void a_host_without_any_vector_is_told(void **state)
{
	struct fixture *f = *state;

	f->fake->irq[MSIX].fail = -ENOMEM;
	berth_vectors_enable(f->v, MSIX, NR);
	assert_int_equal(berth_vectors_commit(f->v, NULL), -ENOMEM);
	f->fake->irq[MSIX].fail = 0;
	arm(f, 3);
	assert_true(fake_irq_raise(f->fake, MSIX, 3));
}

/* 2,048 vectors: one table when they come together, one call to VFIO; and each can be had by itself. */
static void two_thousand_vectors_cost_one_commit(void **state)
{
	struct fixture *f = *state;
	struct fake_vfio *k = f->fake;
	unsigned int before = fake_irq.nr_commits;
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	berth_vectors_free(BERTH_TAKE_PTR(f->v));
	k->irq[MSIX].count = 2048;
	assert_int_equal(berth_vectors_new(&f->v, NULL, f->dev, 2048, NULL), 0);
	berth_vectors_enable(f->v, MSIX, 2048);
	for (unsigned int n = 0; n < 2048; n++)
		assert_int_equal(berth_vectors_arm(f->v, n, 0xfee00000, 0x10000 + n, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	assert_int_equal(fake_irq.nr_commits, before + 1);
	assert_int_equal(k->irq[MSIX].nr_calls, 1);
	for (unsigned int n = 0; n < 2048; n++) {
		assert_true(fake_irq_raise(k, MSIX, n));
		assert_int_equal(fake_irq_injected(0x10000 + n), 1);
	}
	for (unsigned int n = 0; n < 2048; n++)
		berth_vectors_hold(f->v, n);
	for (unsigned int n = 2048; n-- > 0;) {
		assert_true(fake_irq_raise(k, MSIX, n));
		assert_true(berth_vectors_pending(f->v, n));
		assert_int_equal(berth_vectors_arm(f->v, n, 0xfee00000, 0x10000 + n, NULL), 0);
	}
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	assert_int_equal(fake_irq.nr_commits, before + 2);
	assert_int_equal(k->irq[MSIX].nr_calls, 1);
	for (unsigned int n = 0; n < 2048; n++)
		assert_int_equal(fake_irq_injected(0x10000 + n), 2);
}

static void one_commit_makes_one_table_and_one_call(void **state)
{
	struct fixture *f = *state;
	unsigned int before = fake_irq.nr_commits;

	berth_vectors_enable(f->v, MSIX, NR);
	for (unsigned int n = 0; n < NR; n++)
		assert_int_equal(berth_vectors_arm(f->v, n, 0xfee00000, 0x100 + n, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	assert_int_equal(fake_irq.nr_commits, before + 1);
	assert_int_equal(f->fake->irq[MSIX].nr_enables, 1);
}

static void what_comes_while_held_is_pending_and_delivered_once(void **state)
{
	struct fixture *f = *state;

	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 2);
	berth_vectors_hold(f->v, 2);
	assert_false(berth_vectors_pending(f->v, 2));
	for (int i = 0; i < 3; i++)
		assert_true(fake_irq_raise(f->fake, MSIX, 2));
	assert_int_equal(fake_irq_injected(0x102), 0);
	assert_true(berth_vectors_pending(f->v, 2));
	arm(f, 2);
	assert_int_equal(fake_irq_injected(0x102), 1);
	berth_vectors_hold(f->v, 2); /* nothing came since */
	assert_false(berth_vectors_pending(f->v, 2));
	arm(f, 2);
	assert_int_equal(fake_irq_injected(0x102), 1);
}

static void disabling_forgets_and_gives_everything_back(void **state)
{
	struct fixture *f = *state;

	berth_vectors_enable(f->v, MSIX, NR);
	arm(f, 2);
	berth_vectors_hold(f->v, 2);
	fake_irq_raise(f->fake, MSIX, 2);
	berth_vectors_disable(f->v);
	assert_false(f->fake->irq[MSIX].enabled);
	assert_false(berth_vectors_pending(f->v, 2));
	for (unsigned int g = 24; g < FAKE_GSIS; g++)
		assert_false(fake_irq.gsi[g].allocated);
	/* and the other kind can be had at once */
	berth_vectors_enable(f->v, MSI, 4);
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(berth_vectors_arm(f->v, n, 0xfee00000, 0x40 + n, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	assert_int_equal(f->fake->irq[MSI].nr, 4);
	assert_int_equal(fake_irq_injected(0x42), 0);
	fake_irq_raise(f->fake, MSI, 2);
	assert_int_equal(fake_irq_injected(0x42), 1);
}

static void failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	berth_vectors_enable(f->v, MSIX, NR);
	f->fake->irq[MSIX].fail = -ENOSPC;
	assert_int_equal(berth_vectors_arm(f->v, 0, 0xfee00000, 1, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "0000:01:00.0: enable MSI-X"));
	f->fake->irq[MSIX].fail = 0;
	fake_irq.attach_result = -EBUSY;
	assert_int_equal(berth_vectors_arm(f->v, 1, 0xfee00000, 1, NULL), 0);
	assert_int_equal(berth_vectors_commit(f->v, NULL), -EBUSY);
}

static void too_few_descriptors_are_told_with_the_limit(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vectors *v = NULL;
	struct rlimit old, few;

	getrlimit(RLIMIT_NOFILE, &old);
	few = (struct rlimit){ 100, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(berth_vectors_new(&v, NULL, f->dev, 2048, &err), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_non_null(strstr(err.text, "2048"));
	assert_non_null(strstr(err.text, "100 descriptors"));
}

/* Random masking, raising and switching off: each vector delivers exactly what the model says. */
static void in_a_storm_every_interrupt_is_seen_exactly_once(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("BERTH_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	bool armed[NR] = { false }, pending[NR] = { false }, known[NR] = { false },
	     kept[NR] = { false };
	unsigned int want[NR] = { 0 };

	print_message("seed %u (BERTH_SEED=%u repeats it)\n", seed, seed);
	berth_vectors_enable(f->v, MSIX, NR);
	/* As the guest's write to the control word does: from here on the device keeps what is raised. */
	assert_int_equal(berth_vectors_commit(f->v, NULL), 0);
	for (int step = 0; step < 20000; step++) {
		unsigned int n = (unsigned int)rand_r(&seed) % NR;

		switch (rand_r(&seed) % 4) {
		case 0:
			arm(f, n);
			if (pending[n] || kept[n])
				want[n]++;
			pending[n] = kept[n] = false;
			armed[n] = known[n] = true;
			break;
		case 1:
			berth_vectors_hold(f->v, n);
			armed[n] = false;
			break;
		default:
			if (fake_irq_raise(f->fake, MSIX, n) != known[n])
				fail_msg("step %d: vector %u: signal %d", step, n, known[n]);
			if (armed[n])
				want[n]++;
			else if (known[n])
				pending[n] = true;
			/* by the device */
			else
				kept[n] = true;
			break;
		}
		for (n = 0; n < NR; n++) {
			if (fake_irq_injected(0x100 + n) != want[n])
				fail_msg("step %d: vector %u delivered %u times, not %u", step, n,
					 fake_irq_injected(0x100 + n), want[n]);
			if (berth_vectors_pending(f->v, n) != pending[n])
				fail_msg("step %d: vector %u pending %d", step, n, !pending[n]);
		}
	}
}

int main(void)
{
#define T(name)	      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_NORES(name) cmocka_unit_test_setup_teardown(name, setup_noresize, teardown)
	const struct CMUnitTest tests[] = {
		T(enabled_with_nothing_armed_shows_in_the_device),
		T(vectors_are_added_without_disturbing_the_others),
		T_NORES(where_vectors_cannot_be_added_all_are_there_from_the_start),
		T_NORES(with_too_few_vectors_those_that_there_are_work),
		T(vectors_that_can_be_added_end_where_the_host_has_no_more),
		T(a_host_without_any_vector_is_told),
		T_NORES(two_thousand_vectors_cost_one_commit),
		T(one_commit_makes_one_table_and_one_call),
		T(what_comes_while_held_is_pending_and_delivered_once),
		T(disabling_forgets_and_gives_everything_back),
		T(failures_are_told),
		T(too_few_descriptors_are_told_with_the_limit),
		T(in_a_storm_every_interrupt_is_seen_exactly_once),
		T_NORES(in_a_storm_every_interrupt_is_seen_exactly_once),
	};

	return cmocka_run_group_tests_name("vmm/vectors", tests, NULL, NULL);
}
