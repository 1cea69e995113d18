/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM faulted in by several threads at once, from its start on, so that whoever maps it for DMA can follow close behind:
 * while one piece is pinned, the next ones are being zeroed. Pinning memory that is not there faults it in on one processor.
 */
#ifndef BERTH_VMM_PREFAULT_H
#define BERTH_VMM_PREFAULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_prefault; /* opaque */

#define BERTH_PREFAULT_THREADS                                                                     \
	16 /* more do not zero memory any faster: it is the memory that is slow */

struct berth_prefault_range {
	void *start;   /* borrowed until berth_prefault_free(); page aligned */
	uint64_t size; /* bytes */
};

/* Threads that pay: the processors we may run on, at most BERTH_PREFAULT_THREADS; with a single one none. */
unsigned int berth_prefault_threads(void);

/**
 * berth_prefault_start() - begin
 * @ranges: copied
 * @slice: bytes that a thread takes at a time; a multiple of the page size of the memory
 * @nr_threads: 0: none; nothing is faulted in and every wait returns at once
 *
 * Source: madvise(2), MADV_POPULATE_WRITE (Linux 5.14). On an older kernel nothing happens either.
 *
 * Return: 0; -ENOMEM; -errno of pthread_create.
 */
int berth_prefault_start(struct berth_prefault **ret, const struct berth_prefault_range *ranges,
			 size_t nr, uint64_t slice, unsigned int nr_threads, struct berth_err *err);

/**
 * berth_prefault_wait() - until the first @bytes of all ranges, one after the other, are there
 *
 * Return: 0; -ENOMEM the host has no memory left; -EFAULT a pool ran out of pages; -errno of madvise. The same from then on.
 */
int berth_prefault_wait(struct berth_prefault *p, uint64_t bytes, struct berth_err *err);

/* Waits for what the threads have in hand, not for what is left. Takes NULL. */
void berth_prefault_free(struct berth_prefault *p);
BERTH_DEFINE_CLEANUP(struct berth_prefault *, berth_prefault_free);

#endif
