/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One type for every [start, start + size) of addresses or offsets, so that no code writes `size - offset` by hand.
 *
 * A range may be empty (size 0). A range that would wrap past 2^64 is invalid: berth_range_valid() says so, and the
 * other functions answer false for it.
 */
#ifndef BERTH_BASE_RANGE_H
#define BERTH_BASE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct berth_range {
	uint64_t start;
	uint64_t size;
};

/* The last address is start + size - 1 <= UINT64_MAX, so the one byte at UINT64_MAX can be in a range. */
static inline bool berth_range_valid(struct berth_range r)
{
	return r.size == 0 || r.size - 1 <= UINT64_MAX - r.start;
}

/* Last address inside; only for valid, non-empty ranges. */
static inline uint64_t berth_range_last(struct berth_range r)
{
	return r.start + (r.size - 1);
}

static inline bool berth_range_contains(struct berth_range outer, struct berth_range inner)
{
	if (!berth_range_valid(outer) || !berth_range_valid(inner) || inner.size == 0 ||
	    outer.size == 0)
		return false;
	return inner.start >= outer.start && berth_range_last(inner) <= berth_range_last(outer);
}

static inline bool berth_range_overlaps(struct berth_range a, struct berth_range b)
{
	if (!berth_range_valid(a) || !berth_range_valid(b) || a.size == 0 || b.size == 0)
		return false;
	return a.start <= berth_range_last(b) && b.start <= berth_range_last(a);
}

/* What is in both; empty when there is nothing. */
static inline struct berth_range berth_range_intersect(struct berth_range a, struct berth_range b)
{
	uint64_t start = a.start > b.start ? a.start : b.start, last;

	if (!berth_range_overlaps(a, b))
		return (struct berth_range){ 0, 0 };
	last = berth_range_last(a) < berth_range_last(b) ? berth_range_last(a) :
							   berth_range_last(b);
	return (struct berth_range){ start, last - start + 1 };
}

/* Is the access of @len bytes at @offset inside an object of @size bytes? */
static inline bool berth_range_fits(uint64_t offset, uint64_t len, uint64_t size)
{
	return len <= size && offset <= size - len;
}

/* @align must be a power of two. Return: false when rounding up would wrap. */
static inline bool berth_align_up(uint64_t value, uint64_t align, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(value, align - 1, &sum))
		return false;
	*ret = sum & ~(align - 1);
	return true;
}

static inline uint64_t berth_align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

static inline bool berth_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

#endif
