/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "tests/lib/fake_fixture.h"
#include "vfio/sriov.h"

#define PF "0000:01:00.0"

static const struct berth_bdf pf = { 0, 1, 0, 0 };
static const struct berth_bdf plain = { 0, 2, 0, 0 };

#define VF(n, at)                                                                                  \
	{                                                                                          \
		.bdf = at, .pf = PF, .vf = n, .vendor = 0x8086, .device = 0x10ca,                  \
		.class = 0x020000, .driver = "igbvf", .group = 20 + (n)                            \
	}

static const struct fake_fn fns[] = {
	{ .bdf = PF,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 14,
	  .total_vfs = 3 },
	{ .bdf = "0000:02:00.0",
	  .vendor = 0x1234,
	  .device = 0x11e8,
	  .class = 0x00ff00,
	  .driver = "",
	  .group = 15 },
	VF(0, "0000:01:10.0"),
	VF(1, "0000:01:10.2"),
	VF(2, "0000:01:10.4"),
};

struct fixture {
	struct fake_fixture on;
	const char *held; /* the guard refuses this VF */
	unsigned int asked;
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

static int guard(void *ctx, struct berth_bdf vf, unsigned int index, struct berth_err *err)
{
	struct fixture *f = ctx;

	(void)index;
	f->asked++;
	if (f->held && strcmp(f->held, BERTH_BDF_STR(vf)) == 0)
		return berth_err_set(err, BERTH_REFUSED, "%s is owned by db1", f->held);
	return 0;
}

/* A deadline of 0 looks once. */
static int set(struct fixture *f, unsigned int num)
{
	berth_err_clear(&f->on.err);
	f->asked = 0;
	return berth_sriov_set(f->on.host, pf, num, guard, f, 0, &f->on.err);
}

static struct berth_sriov facts(struct fixture *f)
{
	struct berth_sriov s;

	assert_int_equal(berth_sriov_read(f->on.host, pf, &s, &f->on.err), 0);
	return s;
}

static void reads_the_facts_of_a_pf(void **state)
{
	struct fixture *f = *state;
	struct berth_sriov s = facts(f);

	assert_int_equal(s.total, 3);
	assert_int_equal(s.num, 0);
	assert_int_equal(s.offset, 128);
	assert_int_equal(s.stride, 2);
	assert_int_equal(s.vf_device_id, 0x10ca);
	assert_true(s.autoprobe);
	assert_string_equal(s.driver, "igb");
}

static void tells_what_is_no_pf(void **state)
{
	struct fixture *f = *state;
	struct berth_sriov s;

	assert_int_equal(berth_sriov_read(f->on.host, plain, &s, &f->on.err), BERTH_ABSENT);
	assert_string_equal(f->on.err.text, "0000:02:00.0 has no SR-IOV capability");
	berth_err_clear(&f->on.err);
	assert_int_equal(berth_sriov_read(f->on.host, (struct berth_bdf){ 0, 9, 0, 0 }, &s,
					  &f->on.err),
			 -ENODEV);
	assert_int_equal(set(f, 1), 0);
	assert_int_equal(berth_sriov_read(f->on.host, (struct berth_bdf){ 0, 1, 0x10, 0 }, &s,
					  &f->on.err),
			 BERTH_ABSENT);
	assert_string_equal(f->on.err.text,
			    "0000:01:10.0 is a virtual function; name its physical function");
}

static void new_vfs_are_not_offered_to_host_drivers(void **state)
{
	struct fixture *f = *state;
	struct berth_bdf vf, owner;
	unsigned int index;

	assert_int_equal(set(f, 3), 0);
	assert_int_equal(facts(f).num, 3);
	assert_false(facts(f).autoprobe);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(berth_sriov_vf(f->on.host, pf, i, &vf), 0);
		assert_string_equal(BERTH_BDF_STR(vf), fns[2 + i].bdf);
		assert_string_equal(fake_host_driver(f->on.fake, fns[2 + i].bdf), "");
		assert_int_equal(berth_sriov_pf_of(f->on.host, vf, &owner, &index), 0);
		assert_true(berth_bdf_eq(owner, pf));
		assert_int_equal(index, i);
	}
	assert_int_equal(berth_sriov_vf(f->on.host, pf, 3, &vf), BERTH_ABSENT);
	assert_int_equal(berth_sriov_pf_of(f->on.host, pf, &owner, &index), BERTH_ABSENT);
}

static void another_count_goes_through_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 3), 0);
	/* autoprobe, 0, 2: three writes; the fake kernel refuses 3 → 2 as the real one does */
	f->on.fake->writes = 0;
	assert_int_equal(set(f, 2), 0);
	assert_int_equal(f->on.fake->writes, 3);
	assert_int_equal(facts(f).num, 2);
	assert_int_equal(f->asked, 3);
	assert_int_equal(set(f, 0), 0);
	assert_int_equal(facts(f).num, 0);
}

static void the_same_count_touches_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 2), 0);
	f->on.fake->writes = 0;
	f->held = "0000:01:10.0";
	assert_int_equal(set(f, 2), 0);
	assert_int_equal(f->on.fake->writes, 0);
	assert_int_equal(f->asked, 0);
}

static void a_held_vf_stops_it_before_anything_is_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 3), 0);
	f->on.fake->writes = 0;
	f->held = "0000:01:10.2";
	assert_int_equal(set(f, 0), BERTH_REFUSED);
	assert_string_equal(f->on.err.text, "VF 1 of 0000:01:00.0: 0000:01:10.2 is owned by db1");
	assert_int_equal(f->on.fake->writes, 0);
	assert_int_equal(facts(f).num, 3);
}

static void refuses_more_than_the_device_allows(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 4), -ERANGE);
	assert_non_null(strstr(f->on.err.text, "4 virtual functions wanted, 3 is the most"));
	assert_int_equal(f->on.fake->writes, 0);
}

static void refuses_a_pf_without_a_driver(void **state)
{
	struct fixture *f = *state;

	fake_host_bind(f->on.fake, PF, "");
	assert_int_equal(set(f, 1), -ENODEV);
	assert_non_null(strstr(f->on.err.text, "has no driver"));
}

/* Whatever write goes wrong, count and autoprobe are as before; only what the fault itself did remains. */
static void a_failed_write_is_undone(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum fake_fault_kind kind;
		unsigned int at; /* 1 autoprobe, 2 the count */
		int want;
	} rows[] = {
		{ FAKE_FAULT_EIO, 1, -EIO },
		{ FAKE_FAULT_EIO, 2, -EIO },
		{ FAKE_FAULT_LIE, 2, -ETIMEDOUT },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		f->on.fake->writes = 0;
		f->on.fake->fault = (struct fake_fault){ rows[i].kind, rows[i].at };
		assert_int_equal(set(f, 2), rows[i].want);
		f->on.fake->fault.kind = FAKE_FAULT_NONE;
		assert_int_equal(facts(f).num, 0);
		assert_true(facts(f).autoprobe);
	}
}

static void the_old_count_comes_back_when_the_new_one_fails(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set(f, 1), 0);
	assert_int_equal(berth_sriov_autoprobe(f->on.host, pf, true, NULL), 0);
	f->on.fake->writes = 0;
	f->on.fake->fault =
		(struct fake_fault){ FAKE_FAULT_EIO, 3 }; /* autoprobe, 0, the new one */
	assert_int_equal(set(f, 3), -EIO);
	assert_int_equal(facts(f).num, 1);
	assert_true(facts(f).autoprobe);
}

static void missing_vfs_are_waited_for_and_counted(void **state)
{
	struct fixture *f = *state;

	f->on.fake->fault = (struct fake_fault){ FAKE_FAULT_LIE, 2 };
	assert_int_equal(set(f, 2), -ETIMEDOUT);
	assert_string_equal(f->on.err.text,
			    "0000:01:00.0: only 0 of 2 virtual functions appeared within 0 ms");
}

static void expects_vfs_where_the_specification_says(void **state)
{
	static const struct {
		struct berth_sriov pf;
		unsigned int index;
		const char *want; /* NULL: -ERANGE */
	} rows[] = {
		{ { .at = { 0, 1, 0, 0 }, .offset = 128, .stride = 2 }, 0, "0000:01:10.0" },
		{ { .at = { 0, 1, 0, 0 }, .offset = 128, .stride = 2 }, 2, "0000:01:10.4" },
		{ { .at = { 0, 1, 0, 1 }, .offset = 128, .stride = 2 }, 1, "0000:01:10.3" },
		{ { .at = { 0, 1, 0, 0 }, .offset = 256, .stride = 1 }, 9, "0000:02:01.1" },
		{ { .at = { 0, 1, 0, 0 }, .offset = 1 }, 0, "0000:01:00.1" },
		{ { .at = { 0, 1, 0, 0 }, .offset = 1 }, 1, NULL },
		{ { .at = { 0, 1, 0, 0 }, .stride = 1 }, 0, NULL },
		{ { .at = { 0, 0xff, 0x1f, 7 }, .offset = 1, .stride = 1 }, 0, NULL },
		{ { .at = { 0, 1, 0, 0 }, .offset = 65535, .stride = 65535 }, 65534, NULL },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_bdf vf;
		int r = berth_sriov_vf_expected(&rows[i].pf, rows[i].index, &vf);

		assert_int_equal(r, rows[i].want ? 0 : -ERANGE);
		if (rows[i].want)
			assert_string_equal(BERTH_BDF_STR(vf), rows[i].want);
	}
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(reads_the_facts_of_a_pf),
		with_host(tells_what_is_no_pf),
		with_host(new_vfs_are_not_offered_to_host_drivers),
		with_host(another_count_goes_through_none),
		with_host(the_same_count_touches_nothing),
		with_host(a_held_vf_stops_it_before_anything_is_written),
		with_host(refuses_more_than_the_device_allows),
		with_host(refuses_a_pf_without_a_driver),
		with_host(a_failed_write_is_undone),
		with_host(the_old_count_comes_back_when_the_new_one_fails),
		with_host(missing_vfs_are_waited_for_and_counted),
		cmocka_unit_test(expects_vfs_where_the_specification_says),
	};

	return cmocka_run_group_tests_name("vfio/sriov", tests, NULL, NULL);
}
