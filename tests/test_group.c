/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/group.h"
#include "tests/lib/host_tree.h"

static int make_tree(void **state)
{
	static const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.1", .vendor = 1, .device = 2, .class = 0x040300, .group = 14 },
		{ .bdf = "0000:01:00.0", .vendor = 1, .device = 1, .class = 0x030000, .group = 14 },
		{ .bdf = "0000:02:00.0", .vendor = 1, .device = 3, .class = 0x020000, .group = 2 },
		{ .bdf = "0000:03:00.0", .vendor = 1, .device = 3, .class = 0x020000 },
	};
	struct host_tree *t = host_tree_new();

	host_tree_add_all(t, fns, BERTH_ARRAY_SIZE(fns));
	host_tree_file(t, "sys/kernel/iommu_groups/14/reserved_regions",
		       "0x000000009d000000 0x000000009f7fffff direct\n"
		       "rubbish\n"
		       "0x00000000fee00000 0x00000000feefffff msi\n");
	*state = t;
	return 0;
}

static int make_empty(void **state)
{
	*state = host_tree_new();
	return 0;
}

static int drop_tree(void **state)
{
	host_tree_free(*state);
	return 0;
}

static void reads_members_in_order(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;

	assert_int_equal(berth_group_read(&g, host_tree_host(t), 14, NULL), 0);
	assert_int_equal(g->id, 14);
	assert_string_equal(g->type, "DMA");
	assert_false(g->noiommu);
	assert_int_equal(g->nr_members, 2);
	assert_string_equal(BERTH_BDF_STR(g->members[0]), "0000:01:00.0");
	assert_string_equal(BERTH_BDF_STR(g->members[1]), "0000:01:00.1");
	assert_true(berth_group_holds(g, (struct berth_bdf){ 0, 1, 0, 1 }));
	assert_false(berth_group_holds(g, (struct berth_bdf){ 0, 2, 0, 0 }));
}

static void reads_what_the_platform_reserves(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;
	const struct berth_group_resv *direct;

	assert_int_equal(berth_group_read(&g, host_tree_host(t), 14, NULL), 0);
	assert_int_equal(g->nr_resv, 2);
	direct = berth_group_resv_of_type(g, "direct");
	assert_non_null(direct);
	assert_true(direct->start == 0x9d000000 && direct->last == 0x9f7fffff);
	assert_non_null(berth_group_resv_of_type(g, "msi"));
	assert_null(berth_group_resv_of_type(g, "direct-relaxable"));
}

static void counts_members_that_are_no_pci_functions(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;

	host_tree_link(t, "sys/kernel/iommu_groups/2/devices/fdea0000.gpu", "../../x");
	assert_int_equal(berth_group_read(&g, host_tree_host(t), 2, NULL), 0);
	assert_int_equal(g->nr_members, 1);
	assert_int_equal(g->nr_foreign, 1);
}

static void sees_the_no_iommu_mode(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;

	host_tree_file(t, "sys/kernel/iommu_groups/2/name", "vfio-noiommu\n");
	assert_int_equal(berth_group_read(&g, host_tree_host(t), 2, NULL), 0);
	assert_true(g->noiommu);
}

static void a_group_that_is_not_there_is_named(void **state)
{
	struct host_tree *t = *state;
	struct berth_group *g = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_group_read(&g, host_tree_host(t), 99, &err), -ENOENT);
	assert_non_null(strstr(err.text, "group 99"));
	assert_null(g);
}

static void finds_the_group_of_a_function(void **state)
{
	struct host_tree *t = *state;
	const struct berth_host *host = host_tree_host(t);

	assert_int_equal(berth_group_of(host, (struct berth_bdf){ 0, 1, 0, 0 }), 14);
	assert_int_equal(berth_group_of(host, (struct berth_bdf){ 0, 3, 0, 0 }), -ENOENT);
	assert_int_equal(berth_group_of(host, (struct berth_bdf){ 0, 9, 0, 0 }), -ENOENT);
}

static void lists_by_number_not_by_letter(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_freep) int *ids = NULL;
	size_t nr;

	assert_int_equal(berth_group_list(host_tree_host(t), &ids, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(ids[0], 2);
	assert_int_equal(ids[1], 14);
}

static void a_host_without_iommu_has_no_groups(void **state)
{
	struct host_tree *t = *state;
	BERTH_CLEANUP(berth_freep) int *ids = NULL;
	size_t nr = 9;

	assert_int_equal(berth_group_list(host_tree_host(t), &ids, &nr), 0);
	assert_int_equal(nr, 0);
}

static void refuses_malformed_regions(void **state)
{
	static const char *const rows[] = {
		"",
		"0x0 0x1",
		"0x0 0x1 ",
		"0x2 0x1 msi",
		"0 1 msi",
		"0x0  0x1 msi",
		"0x 0x1 msi",
		"0x10000000000000000 0x1 msi",
		"0x0 0x1 a-type-that-is-far-too-long-to-be-one",
	};
	struct berth_group_resv r;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		if (berth_group_parse_resv(rows[i], &r))
			fail_msg("\"%s\" was taken", rows[i]);
	}
	assert_true(berth_group_parse_resv("0x0 0xffffffffffffffff reserved", &r));
	assert_true(r.last == UINT64_MAX);
}

#define ON_TREE(t) cmocka_unit_test_setup_teardown(t, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_TREE(reads_members_in_order),
		ON_TREE(reads_what_the_platform_reserves),
		ON_TREE(counts_members_that_are_no_pci_functions),
		ON_TREE(sees_the_no_iommu_mode),
		ON_TREE(a_group_that_is_not_there_is_named),
		ON_TREE(finds_the_group_of_a_function),
		ON_TREE(lists_by_number_not_by_letter),
		cmocka_unit_test_setup_teardown(a_host_without_iommu_has_no_groups, make_empty,
						drop_tree),
		cmocka_unit_test(refuses_malformed_regions),
	};

	return cmocka_run_group_tests_name("iommu/group", tests, NULL, NULL);
}
