/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/backing.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "base/cleanup.h"
#include "base/err.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static const struct {
	const char *name;
	uint64_t hugetlb, align; /* bytes */
} kinds[BERTH_PAGES_COUNT] = {
	[BERTH_PAGES_THP] = { "thp", 0, 2 * MIB },
	[BERTH_PAGES_SMALL] = { "off", 0, 2 * MIB },
	[BERTH_PAGES_2M] = { "2M", 2 * MIB, 2 * MIB },
	[BERTH_PAGES_1G] = { "1G", GIB, GIB },
};

const char *berth_pages_name(enum berth_pages pages)
{
	return kinds[pages].name;
}

int berth_pages_parse(const char *word, enum berth_pages *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(kinds); i++)
		if (strcmp(word, kinds[i].name) == 0) {
			*ret = (enum berth_pages)i;
			return 0;
		}
	return -EINVAL;
}

uint64_t berth_pages_hugetlb(enum berth_pages pages)
{
	return kinds[pages].hugetlb;
}

uint64_t berth_pages_align(enum berth_pages pages)
{
	return kinds[pages].align;
}

static int check(const struct berth_backing_config *c, struct berth_err *err)
{
	uint64_t page = berth_pages_hugetlb(c->pages);

	if (page && c->fd < 0)
		return berth_err_set(
			err, -EINVAL,
			"memory: pages of %s come from a memory file, and none was given",
			berth_pages_name(c->pages));
	if (page && c->size % page)
		return berth_err_set(err, -EINVAL,
				     "memory: %llu MiB are not a multiple of pages of %s",
				     (unsigned long long)(c->size / MIB),
				     berth_pages_name(c->pages));
	if (c->node != BERTH_NODE_ANY && (c->node < 0 || c->node > BERTH_NODE_MAX))
		return berth_err_set(err, -EINVAL, "memory: there is no NUMA node %d", c->node);
	return 0;
}

/* What is asked for and one alignment more, without access, so that an aligned start leaves enough. */
static int reserve(struct berth_backing *b, const struct berth_backing_config *c,
		   struct berth_err *err)
{
	uint64_t align = berth_pages_align(c->pages);

	b->map_size = c->size + align;
	b->map = mmap(NULL, b->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		      0);
	if (b->map == MAP_FAILED) {
		b->map = NULL;
		return berth_err_set(err, -errno,
				     "memory: no room for %llu MiB of guest memory: %s",
				     (unsigned long long)(c->size / MIB), strerror(errno));
	}
	b->start = (void *)(((uintptr_t)b->map + align - 1) & ~(uintptr_t)(align - 1));
	return 0;
}

static int fill(const struct berth_backing *b, const struct berth_backing_config *c,
		struct berth_err *err)
{
	int flags = MAP_FIXED | (c->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	if (mmap(b->start, c->size, PROT_READ | PROT_WRITE, flags, c->fd, 0) == MAP_FAILED)
		return berth_err_set(
			err, -errno, "memory: cannot map %llu MiB%s%s for the guest: %s",
			(unsigned long long)(c->size / MIB),
			berth_pages_hugetlb(c->pages) ? " in pages of " : "",
			berth_pages_hugetlb(c->pages) ? berth_pages_name(c->pages) : "",
			strerror(errno));
	return 0;
}

/* Before the first page is there: pages that exist stay where they are. */
static int bind_to_node(const struct berth_backing *b, const struct berth_backing_config *c,
			struct berth_err *err)
{
	unsigned long mask[(BERTH_NODE_MAX + 1) / (8 * sizeof(unsigned long))] = { 0 };
	const size_t bits = 8 * sizeof(mask[0]);

	if (c->node == BERTH_NODE_ANY)
		return 0;
	mask[(size_t)c->node / bits] = 1ul << ((size_t)c->node % bits);
	/* The kernel reads one bit less than it is told (mbind(2), BUGS of get_mempolicy(2)). */
	if (syscall(SYS_mbind, b->start, c->size, MPOL_BIND, mask, 8 * sizeof(mask) + 1, 0) < 0)
		return berth_err_set(err, -errno, "memory: bind to NUMA node %d: %s", c->node,
				     strerror(errno));
	return 0;
}

int berth_backing_map(struct berth_backing *ret, const struct berth_backing_config *c,
		      struct berth_err *err)
{
	struct berth_backing b = { 0 };
	int r = check(c, err);

	if (r == 0)
		r = reserve(&b, c, err);
	if (r == 0)
		r = fill(&b, c, err);
	if (r == 0)
		r = bind_to_node(&b, c, err);
	if (r < 0) {
		berth_backing_unmap(&b);
		return r;
	}
	/* A kernel without transparent huge pages answers EINVAL to both; then it is small pages. */
	if (!berth_pages_hugetlb(c->pages))
		(void)madvise(b.start, c->size,
			      c->pages == BERTH_PAGES_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	(void)madvise(b.start, c->size, MADV_DONTDUMP);
	*ret = b;
	return 0;
}

void berth_backing_unmap(struct berth_backing *b)
{
	if (b->map)
		munmap(b->map, b->map_size);
	*b = (struct berth_backing){ 0 };
}
