/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools and nodes of a machine that is a folder. A file of pool pages needs pages of the real machine: taking them is the lab's
 * part, not getting them is tested here.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/host_tree.h"
#include "vmm/hostmem.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static int set_up(void **state)
{
	*state = host_tree_new();
	return 0;
}

static int tear_down(void **state)
{
	host_tree_free(*state);
	return 0;
}

static void add_pool(const struct host_tree *tree, const char *where, unsigned int kib,
		     unsigned int total, unsigned int nr_free, int reserved)
{
	const struct {
		const char *name;
		int value;
	} files[] = { { "nr", (int)total }, { "free", (int)nr_free }, { "resv", reserved } };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(files); i++) {
		char path[128];

		snprintf(path, sizeof(path), "sys/%s/hugepages-%ukB/%s_hugepages", where, kib,
			 files[i].name);
		if (files[i].value >= 0) /* a node knows of no reservations */
			host_tree_file(tree, path, "%d\n", files[i].value);
	}
}

#define POOLS "kernel/mm/hugepages"

static void enough_free_pages_are_enough(void **state)
{
	struct host_tree *tree = *state;

	add_pool(tree, POOLS, 2048, 600, 522, 10);
	assert_int_equal(berth_hostmem_check_pool(host_tree_host(tree), BERTH_PAGES_2M, GIB, NULL),
			 0);
	assert_int_equal(berth_hostmem_check_pool(host_tree_host(tree), BERTH_PAGES_2M,
						  GIB + 2 * MIB, NULL),
			 -ENOMEM);
}

static void too_few_are_told_with_both_numbers_and_the_command(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int fd = -1;

	/* 100 of 300 free and 40 of them promised to others: 512 need 452 more */
	add_pool(tree, POOLS, 2048, 300, 100, 40);
	assert_int_equal(berth_hostmem_pool_file(host_tree_host(tree), BERTH_PAGES_2M, GIB, &fd,
						 &err),
			 -ENOMEM);
	assert_int_equal(fd, -1);
	assert_string_equal(err.text,
			    "memory: 512 pages of 2M are needed, 60 of 300 are free; 'echo 752 > "
			    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages' makes the "
			    "missing ones");
}

static void more_promised_than_free_is_none(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;

	add_pool(tree, POOLS, 1048576, 2, 1, 2);
	assert_int_equal(berth_hostmem_check_pool(host_tree_host(tree), BERTH_PAGES_1G, GIB, &err),
			 -ENOMEM);
	assert_non_null(strstr(err.text, "1 pages of 1G are needed, 0 of 2 are free; 'echo 3 > "));
	assert_non_null(strstr(err.text, "hugepagesz=1G hugepages=N)"));
}

static void a_processor_without_such_pages_is_said(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;

	add_pool(tree, POOLS, 2048, 300, 300, 0);
	assert_int_equal(berth_hostmem_check_pool(host_tree_host(tree), BERTH_PAGES_1G, GIB, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "no pages of 1G"));
}

/* Between our look at the pool and our taking: the tree says 512, this machine's real pool has none. */
static void pages_that_went_meanwhile_are_an_error_and_no_file(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int fd = -1, r;

	add_pool(tree, POOLS, 1048576, 4096, 4096, 0);
	r = berth_hostmem_pool_file(host_tree_host(tree), BERTH_PAGES_1G, 4096 * GIB, &fd, &err);
	assert_true(r < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.text, "pages of 1G"));
}

static void add_node(const struct host_tree *tree, int node, unsigned int free_mib,
		     unsigned int cache_mib)
{
	char path[96];

	snprintf(path, sizeof(path), "sys/devices/system/node/node%d/meminfo", node);
	host_tree_file(tree, path,
		       "Node %d MemTotal:       65536000 kB\n"
		       "Node %d MemFree:        %u kB\n"
		       "Node %d Active:         99999999 kB\n"
		       "Node %d Active(file):   %u kB\n"
		       "Node %d Inactive(file): %u kB\n"
		       "Node %d SReclaimable:   1024 kB\n",
		       node, node, free_mib << 10, node, node, cache_mib << 9, node, cache_mib << 9,
		       node);
}

static void a_node_gives_what_is_free_and_what_can_be_dropped(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;

	add_node(tree, 0, 100, 0);
	add_node(tree, 1, 1000, 23);
	assert_int_equal(
		berth_hostmem_check_node(host_tree_host(tree), 1, BERTH_PAGES_THP, GIB, &err), 0);
	assert_int_equal(berth_hostmem_check_node(host_tree_host(tree), 1, BERTH_PAGES_THP,
						  GIB + MIB, &err),
			 -ENOMEM);
	assert_string_equal(err.text, "memory: NUMA node 1 can give 1024 MiB, 1025 MiB are needed");
	berth_err_clear(&err);
	assert_int_equal(berth_hostmem_check_node(host_tree_host(tree), 2, BERTH_PAGES_THP, GIB,
						  &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "no NUMA node 2"));
}

static void a_node_has_a_pool_of_its_own(void **state)
{
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;

	add_node(tree, 1, 9999, 0);
	add_pool(tree, POOLS, 2048, 1000, 1000, 0);
	add_pool(tree, "devices/system/node/node1/hugepages", 2048, 100, 60, -1);
	assert_int_equal(berth_hostmem_check_node(host_tree_host(tree), 1, BERTH_PAGES_2M,
						  120 * MIB, &err),
			 0);
	assert_int_equal(berth_hostmem_check_node(host_tree_host(tree), 1, BERTH_PAGES_2M,
						  128 * MIB, &err),
			 -ENOMEM);
	assert_non_null(strstr(err.text, "64 pages of 2M are needed on NUMA node 1, 60 of 100"));
	assert_non_null(strstr(err.text, "echo 104 > /sys/devices/system/node/node1/hugepages/"));
}

static void a_device_is_near_to_a_node_where_there_are_two(void **state)
{
	static const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 1, .device = 1, .class = 0x020000, .numa = 2 },
		{ .bdf = "0000:02:00.0", .vendor = 1, .device = 1, .class = 0x020000 },
	};
	static const struct berth_bdf near_one = { 0, 1, 0, 0 }, unknown = { 0, 2, 0, 0 },
				      missing = { 0, 3, 0, 0 };
	struct host_tree *tree = *state;

	host_tree_add_all(tree, fns, BERTH_ARRAY_SIZE(fns));
	assert_int_equal(berth_hostmem_device_node(host_tree_host(tree), near_one), BERTH_NODE_ANY);
	add_node(tree, 1, 100, 0);
	host_tree_file(tree, "sys/devices/system/node/has_cpu", "0-1\n");
	assert_int_equal(berth_hostmem_device_node(host_tree_host(tree), near_one), BERTH_NODE_ANY);
	add_node(tree, 0, 100, 0);
	assert_int_equal(berth_hostmem_device_node(host_tree_host(tree), near_one), 1);
	assert_int_equal(berth_hostmem_device_node(host_tree_host(tree), unknown), BERTH_NODE_ANY);
	assert_int_equal(berth_hostmem_device_node(host_tree_host(tree), missing), BERTH_NODE_ANY);
}

static void memory_goes_where_all_devices_are(void **state)
{
	static const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 1, .device = 1, .class = 0x020000, .numa = 2 },
		{ .bdf = "0000:02:00.0", .vendor = 1, .device = 1, .class = 0x020000, .numa = 2 },
		{ .bdf = "0000:03:00.0", .vendor = 1, .device = 1, .class = 0x020000, .numa = 1 },
		{ .bdf = "0000:04:00.0", .vendor = 1, .device = 1, .class = 0x020000 },
	};
	static const struct berth_bdf at[] = { { 0, 1, 0, 0 }, { 0, 2, 0, 0 }, { 0, 3, 0, 0 } },
				      unknown = { 0, 4, 0, 0 };
	const struct berth_host *host;
	struct host_tree *tree = *state;
	struct berth_err err = BERTH_ERR_INIT;
	int node = 77;

	host_tree_add_all(tree, fns, BERTH_ARRAY_SIZE(fns));
	add_node(tree, 0, 4096, 0);
	add_node(tree, 1, 2048, 0);
	host = host_tree_host(tree);
	assert_int_equal(berth_hostmem_choose_node(host, at, 2, BERTH_PAGES_THP, GIB, &node, &err),
			 0);
	assert_int_equal(node, 1);
	assert_int_equal(berth_hostmem_choose_node(host, at, 0, BERTH_PAGES_THP, GIB, &node, &err),
			 0);
	assert_int_equal(node, BERTH_NODE_ANY);
	assert_int_equal(
		berth_hostmem_choose_node(host, &unknown, 1, BERTH_PAGES_THP, GIB, &node, &err), 0);
	assert_int_equal(node, BERTH_NODE_ANY);
	node = 77;
	assert_int_equal(berth_hostmem_choose_node(host, at, 3, BERTH_PAGES_THP, GIB, &node, &err),
			 -EXDEV);
	assert_int_equal(node, BERTH_NODE_ANY);
	assert_non_null(strstr(err.text, "different ones"));
	node = 77;
	berth_err_clear(&err);
	assert_int_equal(berth_hostmem_choose_node(host, at, 2, BERTH_PAGES_THP, 3 * GIB, &node,
						   &err),
			 -ENOMEM);
	assert_int_equal(node, BERTH_NODE_ANY);
	assert_non_null(strstr(err.text, "NUMA node 1 can give 2049 MiB, 3072 MiB are needed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(enough_free_pages_are_enough),
		T(too_few_are_told_with_both_numbers_and_the_command),
		T(more_promised_than_free_is_none),
		T(a_processor_without_such_pages_is_said),
		T(pages_that_went_meanwhile_are_an_error_and_no_file),
		T(a_node_gives_what_is_free_and_what_can_be_dropped),
		T(a_node_has_a_pool_of_its_own),
		T(a_device_is_near_to_a_node_where_there_are_two),
		T(memory_goes_where_all_devices_are),
	};

	return cmocka_run_group_tests_name("vmm/hostmem", tests, NULL, NULL);
}
