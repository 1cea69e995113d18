/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/claimed.h"
#include "manager/context.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/view.h"
#include "tests/lib/fake_pci.h"

#define NIC1 "0000:01:00.0"
#define NIC2 "0000:02:00.0"

#define PORT(at, grp)                                                                              \
	{                                                                                          \
		.bdf = at, .vendor = 0x1b36, .device = 0xc, .class = 0x060400,                     \
		.driver = "pcieport", .group = grp                                                 \
	}
#define NIC(at, port, grp)                                                                         \
	{                                                                                          \
		.bdf = at, .parent = port, .vendor = 0x8086, .device = 0x10c9, .class = 0x020000,  \
		.driver = "igb", .group = grp                                                      \
	}

static const struct fake_fn fns[] = {
	PORT("0000:00:01.0", 1),
	PORT("0000:00:02.0", 2),
	NIC(NIC1, "0000:00:01.0", 13),
	NIC(NIC2, "0000:00:02.0", 14),
};

struct fixture {
	struct fake_host *fake;
	struct berth_host *host;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	fake_host_file(f->fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	fake_host_file(
		f->fake, "etc/policy.d/10.json",
		"{ \"version\": 1,"
		" \"classes\": [ { \"name\": \"nic\", \"match\": { \"pci.class\": \"0200\" } } ],"
		" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"vm\": \"t*\" },"
		" \"resource\": { \"class\": \"nic\" }, \"preempt\": \"lower\" } ],"
		" \"claims\": [ { \"vm\": \"t1\", \"requests\": [ { \"name\": \"n\","
		" \"class\": \"nic\" } ] }, { \"vm\": \"t2\", \"priority\": 5, \"requests\": ["
		" { \"name\": \"n\", \"class\": \"nic\", \"count\": 2 } ] }, { \"vm\": \"low\","
		" \"preemptible\": true, \"requests\": [ { \"name\": \"n\", \"class\": \"nic\" } ] },"
		" { \"vm\": \"tiny\", \"preemptible\": true, \"priority\": 1, \"requests\": ["
		" { \"name\": \"n\", \"class\": \"nic\" } ] } ] }\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

static int claimed(struct fixture *f, const char *vm, struct berth_claimed *ret)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;

	berth_err_clear(&f->err);
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, &f->err), 0);
	return berth_manager_claimed(m, vm, ret, &f->err);
}

/* What the claim gets, or the given device. */
static void assign(struct fixture *f, const char *vm, const char *dev)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_claimed got = { 0 };

	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err), 0);
	if (!dev && berth_manager_claimed(m, vm, &got, &f->err) != 0)
		fail_msg("%s", f->err.text);
	if (berth_manager_assign(m, vm, dev ? &dev : (const char *const *)got.names,
				 dev ? 1 : got.nr, false, NULL, &f->err) != 0)
		fail_msg("%s", f->err.text);
	berth_claimed_done(&got);
}

static void a_claim_gets_its_devices_and_keeps_them(void **state)
{
	struct fixture *f = *state;
	struct berth_claimed got;

	assign(f, "t2", NULL);
	assert_int_equal(claimed(f, "t2", &got), 0);
	assert_int_equal(got.nr, 2);
	assert_string_equal(got.names[0], NIC1);
	assert_string_equal(got.names[1], NIC2);
	berth_claimed_done(&got);
}

static void a_claim_of_higher_priority_comes_first(void **state)
{
	struct fixture *f = *state;
	struct berth_claimed got;

	/* t2 is to have both, though it has none yet */
	assert_int_equal(claimed(f, "t1", &got), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "OWNED"));
}

static void what_is_missing_is_said(void **state)
{
	struct fixture *f = *state;
	struct berth_claimed got;

	assert_int_equal(claimed(f, "low", &got), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "low wants 1 of \"n\", and may have 0 of 2"));
	assert_int_equal(claimed(f, "nobody", &got), -ENOENT);
	assert_int_equal(f->err.code, -ENOENT);
}

static void nobody_is_displaced_unasked(void **state)
{
	struct fixture *f = *state;
	struct berth_claimed got;

	assign(f, "tiny", NIC2);
	assert_int_equal(claimed(f, "t2", &got), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "if it may displace tiny"));
	assert_non_null(strstr(f->err.text, "nobody is displaced unasked; with --preempt"));
}

/* What the policy says of a VM's claim goes into the ledger with what it gets, and from there into the next decision. */
static void what_a_device_was_given_for_is_remembered(void **state)
{
	static const struct {
		const char *vm;
		int asked, priority;
		bool preemptible;
	} rows[] = {
		{ "tiny", 0, 1, true }, { "tiny", 7, 7, true },
		{ "t2", 0, 5, false },	{ "t3", 0, 0, false }, /* has no claim */
		{ "t3", 9, 9, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const struct berth_assign_how how = { .priority = rows[i].asked };
		const char *dev = NIC2;
		struct berth_manager *m;
		struct berth_view *view;
		const struct berth_usage *u;

		assert_int_equal(
			berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, &f->err), 0);
		if (berth_manager_assign_how(m, rows[i].vm, &dev, 1, &how, NULL, &f->err) != 0)
			fail_msg("%s", f->err.text);
		berth_manager_close(m);
		assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, NULL),
				 0);
		assert_int_equal(berth_view_of(m, &view, &f->err), 0);
		u = &view->world->usage[3];
		assert_string_equal(view->world->facts[3].bdf, NIC2);
		assert_string_equal(u->vm, rows[i].vm);
		assert_int_equal(u->priority, rows[i].priority);
		assert_int_equal(u->preemptible, rows[i].preemptible);
		assert_int_equal(u->last_use > 0, i > 0);
		assert_int_equal(berth_manager_release(m, rows[i].vm, NULL, 0,
						       (struct berth_release_how){ 0 }, NULL, NULL),
				 0);
		berth_manager_close(m);
	}
}

/* Of two that are free, that which has rested longer. */
static void what_was_used_last_is_given_last(void **state)
{
	struct fixture *f = *state;
	struct berth_claimed got;
	struct berth_manager *m;

	assign(f, "t3", NIC1);
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	assert_int_equal(berth_manager_release(m, "t3", NULL, 0, (struct berth_release_how){ 0 },
					       NULL, &f->err),
			 0);
	berth_manager_close(m);
	fake_host_file(
		f->fake, "etc/policy.d/10.json",
		"{ \"version\": 1,"
		" \"classes\": [ { \"name\": \"nic\", \"match\": { \"pci.class\": \"0200\" } } ],"
		" \"rules\": [ { \"effect\": \"allow\", \"subject\": { \"any_vm\": true },"
		" \"resource\": { \"class\": \"nic\" } } ], \"pools\": [ { \"name\": \"p\","
		" \"class\": \"nic\", \"order\": \"spread\" } ], \"claims\": [ { \"vm\": \"t1\","
		" \"requests\": [ { \"name\": \"n\", \"pool\": \"p\" } ] } ] }\n");
	assert_int_equal(claimed(f, "t1", &got), 0);
	assert_string_equal(got.names[0], NIC2);
	berth_claimed_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_claim_gets_its_devices_and_keeps_them),
		T(a_claim_of_higher_priority_comes_first),
		T(what_is_missing_is_said),
		T(nobody_is_displaced_unasked),
		T(what_a_device_was_given_for_is_remembered),
		T(what_was_used_last_is_given_last),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
