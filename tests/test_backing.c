/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real memory of this machine, as far as it goes without pages in the pools: what madvise and mbind did is read from
 * /proc/self/smaps and numa_maps.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/backing.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static void the_words_are_those_of_the_option(void **state)
{
	static const char *const words[BERTH_PAGES_COUNT] = { "thp", "off", "2M", "1G" };
	enum berth_pages pages;

	(void)state;
	for (int i = 0; i < BERTH_PAGES_COUNT; i++) {
		assert_int_equal(berth_pages_parse(words[i], &pages), 0);
		assert_int_equal(pages, i);
		assert_string_equal(berth_pages_name(pages), words[i]);
	}
	assert_int_equal(berth_pages_parse("", &pages), -EINVAL);
	assert_int_equal(berth_pages_parse("2m", &pages), -EINVAL);
	assert_int_equal(berth_pages_parse("1G ", &pages), -EINVAL);
}

/* A line of the mapping at @start in /proc/self/smaps. */
static void smaps_line(const void *start, const char *key, char *ret, size_t size)
{
	BERTH_CLEANUP(berth_fclosep) FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], head[32];
	bool here = false;

	assert_non_null(f);
	snprintf(head, sizeof(head), "%lx-", (unsigned long)(uintptr_t)start);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, head, strlen(head)) == 0)
			here = true;
		if (here && strncmp(line, key, strlen(key)) == 0) {
			snprintf(ret, size, "%s", line + strlen(key));
			return;
		}
	}
	fail_msg("no %s at %s in smaps", key, head);
}

static void the_start_is_aligned_and_all_of_it_can_be_used(void **state)
{
	static const uint64_t align[BERTH_PAGES_COUNT] = { 2 * MIB, 2 * MIB, 2 * MIB, GIB };

	(void)state;
	for (int pages = 0; pages < BERTH_PAGES_COUNT; pages++) {
		/* an ordinary memory file stands in for one of a pool */
		int fd = berth_pages_hugetlb((enum berth_pages)pages) ?
				 memfd_create("memory", MFD_CLOEXEC) :
				 -1;
		struct berth_backing_config config = { (enum berth_pages)pages, BERTH_NODE_ANY, fd,
						       2 * GIB };
		struct berth_backing b = { 0 };
		struct berth_err err = BERTH_ERR_INIT;

		if (fd >= 0)
			assert_int_equal(ftruncate(fd, 2 * GIB), 0);
		if (berth_backing_map(&b, &config, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal((uintptr_t)b.start % align[pages], 0);
		((volatile char *)b.start)[0] = 1;
		((volatile char *)b.start)[2 * GIB - 1] = 2;
		berth_backing_unmap(&b);
		assert_null(b.map);
		if (fd >= 0)
			close(fd);
	}
}

static void the_kernel_is_told_which_pages_are_wanted(void **state)
{
	static const struct {
		enum berth_pages pages;
		const char *flag;
	} rows[] = { { BERTH_PAGES_THP, " hg" }, { BERTH_PAGES_SMALL, " nh" } };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_backing_config config = { rows[i].pages, BERTH_NODE_ANY, -1,
						       64 * MIB };
		struct berth_backing b;
		char flags[512];

		assert_int_equal(berth_backing_map(&b, &config, NULL), 0);
		smaps_line(b.start, "VmFlags:", flags, sizeof(flags));
		if (!strstr(flags, rows[i].flag) || !strstr(flags, " dd"))
			fail_msg("%s: flags are%s", berth_pages_name(rows[i].pages), flags);
		berth_backing_unmap(&b);
	}
}

static void memory_is_bound_to_its_node(void **state)
{
	struct berth_backing_config config = { BERTH_PAGES_SMALL, 0, -1, 64 * MIB };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_backing b;
	char line[512], head[32];
	bool found = false;
	FILE *f;

	(void)state;
	if (berth_backing_map(&b, &config, &err) < 0)
		fail_msg("%s", err.text);
	f = fopen("/proc/self/numa_maps", "r");
	if (!f)
		fail_msg("this kernel has no NUMA");
	snprintf(head, sizeof(head), "%lx bind:0", (unsigned long)(uintptr_t)b.start);
	while (fgets(line, sizeof(line), f))
		found |= strncmp(line, head, strlen(head)) == 0;
	fclose(f);
	assert_true(found);
	berth_backing_unmap(&b);
}

static void what_cannot_be_is_refused_in_words(void **state)
{
	static const struct {
		struct berth_backing_config config;
		int want;
		const char *says;
	} rows[] = {
		{ { BERTH_PAGES_2M, -1, -1, 64 * MIB }, -EINVAL, "memory file" },
		{ { BERTH_PAGES_1G, -1, 0, 1536 * MIB }, -EINVAL, "multiple of pages of 1G" },
		{ { BERTH_PAGES_2M, -1, 0, 63 * MIB }, -EINVAL, "multiple of pages of 2M" },
		{ { BERTH_PAGES_THP, BERTH_NODE_MAX + 1, -1, 64 * MIB },
		  -EINVAL,
		  "no NUMA node 1024" },
		{ { BERTH_PAGES_THP, -2, -1, 64 * MIB }, -EINVAL, "node -2" },
		{ { BERTH_PAGES_THP, BERTH_NODE_MAX, -1, 64 * MIB }, -EINVAL, "node 1023" },
		{ { BERTH_PAGES_THP, -1, -1, UINT64_C(1) << 51 }, -ENOMEM, "no room" },
		{ { BERTH_PAGES_THP, -1, 1000, 64 * MIB }, -EBADF, "cannot map 64 MiB for" },
		{ { BERTH_PAGES_2M, -1, 1000, 64 * MIB }, -EBADF, "in pages of 2M" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_backing b = { 0 };
		int r = berth_backing_map(&b, &rows[i].config, &err);

		if (r != rows[i].want || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %d, %s", i, r, err.text);
		assert_null(b.map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_words_are_those_of_the_option),
		cmocka_unit_test(the_start_is_aligned_and_all_of_it_can_be_used),
		cmocka_unit_test(the_kernel_is_told_which_pages_are_wanted),
		cmocka_unit_test(memory_is_bound_to_its_node),
		cmocka_unit_test(what_cannot_be_is_refused_in_words),
	};

	return cmocka_run_group_tests_name("vmm/backing", tests, NULL, NULL);
}
