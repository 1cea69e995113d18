/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/window.h"

#include <errno.h>
#include <stdlib.h>

void berth_window_init(struct berth_window *window, struct berth_range area)
{
	*window = (struct berth_window){ .area = area };
}

void berth_window_done(struct berth_window *window)
{
	free(window->taken);
	*window = (struct berth_window){ 0 };
}

int berth_window_take(struct berth_window *window, struct berth_range at)
{
	if (window->nr == window->cap) {
		size_t cap = window->cap ? window->cap * 2 : 16;
		struct berth_range *taken = reallocarray(window->taken, cap, sizeof(*taken));

		if (!taken)
			return -ENOMEM;
		window->taken = taken;
		window->cap = cap;
	}
	window->taken[window->nr++] = at;
	return 0;
}

static const struct berth_range *in_the_way(const struct berth_window *window,
					    struct berth_range at)
{
	for (size_t i = 0; i < window->nr; i++)
		if (berth_range_overlaps(window->taken[i], at))
			return &window->taken[i];
	return NULL;
}

int berth_window_find(const struct berth_window *window, uint64_t size, uint64_t align,
		      uint64_t lead, uint64_t *ret_start)
{
	struct berth_range at = { window->area.start, size };
	const struct berth_range *other;
	uint64_t aligned;

	for (;;) {
		if (__builtin_add_overflow(at.start, lead, &aligned) ||
		    !berth_align_up(aligned, align, &aligned))
			return -ENOSPC;
		at.start = aligned - lead;
		if (!berth_range_contains(window->area, at))
			return -ENOSPC;
		other = in_the_way(window, at);
		if (!other) {
			*ret_start = at.start;
			return 0;
		}
		/* In the way, so it ends above at.start: this moves on, and stops at the area's end. */
		if (berth_range_last(*other) == UINT64_MAX)
			return -ENOSPC;
		at.start = berth_range_last(*other) + 1;
	}
}

int berth_window_place(struct berth_window *window, uint64_t size, uint64_t align,
		       uint64_t *ret_start)
{
	uint64_t start;
	int r = berth_window_find(window, size, align, 0, &start);

	if (r == 0)
		r = berth_window_take(window, (struct berth_range){ start, size });
	if (r < 0)
		return r;
	*ret_start = start;
	return 0;
}
