/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Placing aligned blocks in an area of addresses: first fit, so that small blocks fill the gaps of big ones. Place the
 * blocks by falling alignment and next to nothing is lost.
 */
#ifndef BERTH_VMM_WINDOW_H
#define BERTH_VMM_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_window {
	struct berth_range area;
	struct berth_range *taken; /* owned */
	size_t nr, cap;
};

void berth_window_init(struct berth_window *window, struct berth_range area);
void berth_window_done(struct berth_window *window);

/* Keep blocks away from @at, which need not be inside the area. Return: 0, -ENOMEM. */
int berth_window_take(struct berth_window *window, struct berth_range at);

/**
 * berth_window_find() - the lowest place that is free; it stays free
 * @align: a power of two, of what lies @lead bytes behind the start
 * Return: 0; -ENOSPC.
 */
int berth_window_find(const struct berth_window *window, uint64_t size, uint64_t align,
		      uint64_t lead, uint64_t *ret_start);
/* The same without a lead, and taken. Return: 0; -ENOSPC; -ENOMEM. */
int berth_window_place(struct berth_window *window, uint64_t size, uint64_t align,
		       uint64_t *ret_start);

#endif
