/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>

#include "base/err.h"
#include "tools/vm_lease.h"

/* The ledger of this test: one lease, or none. */
struct ledger {
	struct berth_lease lease;
	int r, reads;
};

static int read_lease(void *arg, struct berth_lease *ret)
{
	struct ledger *l = arg;

	l->reads++;
	*ret = l->lease;
	return l->r;
}

static int setup(void **state)
{
	static struct ledger l;

	l = (struct ledger){ .lease = { .start = 10000,
					.end = 20000,
					.grace = 600,
					.on_expiry = BERTH_EXPIRY_SHUTDOWN } };
	*state = &l;
	return 0;
}

static void it_warns_ends_and_stops_once_each(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };

	assert_int_equal(berth_vm_lease_tick(&v, 10001), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 19699), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 19700), BERTH_VM_LEASE_WARN);
	assert_int_equal(berth_vm_lease_tick(&v, 19701), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
	assert_int_equal(berth_vm_lease_tick(&v, 20599), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_STOP);
	assert_int_equal(berth_vm_lease_tick(&v, 30000), BERTH_VM_LEASE_NOTHING);
}

static void only_shutdown_stops(void **state)
{
	static const enum berth_expiry actions[] = { BERTH_EXPIRY_NOTIFY, BERTH_EXPIRY_DETACH };
	struct ledger *l = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(actions); i++) {
		struct berth_vm_lease v = { .read = read_lease, .arg = l };

		l->lease.on_expiry = actions[i];
		assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
		assert_int_equal(berth_vm_lease_tick(&v, 99999), BERTH_VM_LEASE_NOTHING);
	}
}

/* What was renewed just before is not acted on, however long ago the old end was read. */
static void a_renewed_lease_begins_again(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	assert_int_equal(berth_vm_lease_tick(&v, 20000), BERTH_VM_LEASE_ENDED);
	l->lease.end = 40000;
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 39800), BERTH_VM_LEASE_WARN);
	l->lease.end = 39810;
	assert_int_equal(berth_vm_lease_tick(&v, 39805), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 39900), BERTH_VM_LEASE_ENDED);
}

static void it_looks_again_within_a_minute(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	l->r = BERTH_ABSENT;
	assert_int_equal(berth_vm_lease_wait(&v, 10000), 0);
	assert_int_equal(berth_vm_lease_tick(&v, 10000), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(l->reads, 1);
	assert_int_equal(berth_vm_lease_wait(&v, 10000), 60000);
	assert_int_equal(berth_vm_lease_tick(&v, 10059), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(l->reads, 1);
	l->r = 0; /* it has got one */
	assert_int_equal(berth_vm_lease_tick(&v, 10060), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(v.end, 20000);
	assert_int_equal(berth_vm_lease_tick(&v, 19690), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_wait(&v, 19690), 10000);
}

static void a_ledger_that_cannot_be_read_leaves_the_last_word(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	assert_int_equal(berth_vm_lease_tick(&v, 10001), BERTH_VM_LEASE_NOTHING);
	l->r = -EIO;
	l->lease.end = 1;
	assert_int_equal(berth_vm_lease_tick(&v, 20600), BERTH_VM_LEASE_STOP);
}

static void a_short_lease_warns_at_half_of_it(void **state)
{
	struct berth_vm_lease v = { .read = read_lease, .arg = *state };
	struct ledger *l = *state;

	l->lease.end = 10100;
	assert_int_equal(berth_vm_lease_tick(&v, 10049), BERTH_VM_LEASE_NOTHING);
	assert_int_equal(berth_vm_lease_tick(&v, 10050), BERTH_VM_LEASE_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_warns_ends_and_stops_once_each, setup),
		cmocka_unit_test_setup(only_shutdown_stops, setup),
		cmocka_unit_test_setup(a_renewed_lease_begins_again, setup),
		cmocka_unit_test_setup(it_looks_again_within_a_minute, setup),
		cmocka_unit_test_setup(a_ledger_that_cannot_be_read_leaves_the_last_word, setup),
		cmocka_unit_test_setup(a_short_lease_warns_at_half_of_it, setup),
	};

	return cmocka_run_group_tests_name("tools/vm_lease", tests, NULL, NULL);
}
