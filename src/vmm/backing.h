/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guest RAM is made of on the host: small pages, transparent huge pages, or pages of the hugetlb pools, on one NUMA node
 * or on any.
 *
 * Large pages pay three times: fewer faults when RAM is made ready for DMA, fewer entries in the IOMMU's page tables, fewer
 * in the nested ones of KVM. All three need host, guest and I/O addresses that agree modulo the page size.
 */
#ifndef BERTH_VMM_BACKING_H
#define BERTH_VMM_BACKING_H

#include <stddef.h>
#include <stdint.h>

struct berth_err;

enum berth_pages {
	BERTH_PAGES_THP,   /* anonymous memory, 2 MiB pages where the kernel finds some */
	BERTH_PAGES_SMALL, /* anonymous memory, 4 KiB pages only */
	BERTH_PAGES_2M,	   /* hugetlb */
	BERTH_PAGES_1G,	   /* hugetlb */
	BERTH_PAGES_COUNT,
};

/* "thp", "off", "2M", "1G": the words of --hugepages. */
const char *berth_pages_name(enum berth_pages pages);
/* Return: 0; -EINVAL not one of them. */
int berth_pages_parse(const char *word, enum berth_pages *ret);
/* Page size in bytes of the hugetlb kinds; 0 for the others. */
uint64_t berth_pages_hugetlb(enum berth_pages pages);
/* What pieces of RAM are aligned to, in every address space: bytes, at least 2 MiB. */
uint64_t berth_pages_align(enum berth_pages pages);

#define BERTH_NODE_ANY (-1)
#define BERTH_NODE_MAX 1023 /* CONFIG_NODES_SHIFT is 10 at most on x86 */

struct berth_backing_config {
	enum berth_pages pages;
	int node; /* 0 … BERTH_NODE_MAX: nowhere else; BERTH_NODE_ANY */
	int fd; /* borrowed; memfd to map shared, at least @size long, a hugetlb one for those kinds; -1: anonymous */
	uint64_t size; /* bytes, a multiple of 4 KiB and of the hugetlb page size */
};

struct berth_backing {
	void *start; /* aligned to berth_pages_align(); borrowed from @map */
	void *map;   /* owned; what was reserved, larger than asked for; NULL when unset */
	size_t map_size;
};

/**
 * berth_backing_map() - reserve addresses and put memory there, untouched as yet
 *
 * Not in core dumps. Memory of anonymous kinds is counted against the host's overcommit limit (no MAP_NORESERVE).
 *
 * Source: madvise(2), mbind(2), Documentation/admin-guide/mm/hugetlbpage.rst and transhuge.rst.
 *
 * Return: 0; -EINVAL a hugetlb kind without @fd or with a size that is no multiple of its pages, or no such node; -ENOMEM no
 *         room, or fewer free pages in the pool than needed; -errno.
 */
int berth_backing_map(struct berth_backing *ret, const struct berth_backing_config *config,
		      struct berth_err *err);
/* Takes one that is all zero. */
void berth_backing_unmap(struct berth_backing *b);

#endif
