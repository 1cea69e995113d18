/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How good is one way to satisfy a claim, compared with another? Smaller is better; the first number that differs decides.
 *
 * No weights: why one way was chosen is said by one number, and nothing far down the list can buy off what stands above.
 */
#ifndef BERTH_POLICY_SCORE_H
#define BERTH_POLICY_SCORE_H

#include <stdbool.h>
#include <stdint.h>

enum berth_score_part {
	BERTH_SCORE_NEW, /* devices that the VM has not got already */
	BERTH_SCORE_NUMA, /* devices that are not on the VM's node; without a certain one: nodes beyond the first */
	BERTH_SCORE_DISTANCE, /* sum of the distances (enum berth_distance) of all pairs that a constraint speaks of */
	BERTH_SCORE_DEVICES, /* how many devices go to the VM in all, with those that come along in their groups */
	BERTH_SCORE_IDLE, /* pack: switches that nobody used and now somebody does */
	BERTH_SCORE_CROWD, /* pack: per device, how many were free on its switch; spread: how many are in use there by then */
	BERTH_SCORE_AGE, /* sum of the times of last use, seconds since 1970: the least recently used first */
	BERTH_SCORE_PARTS
};

struct berth_score {
	int64_t part[BERTH_SCORE_PARTS];
};

/* < 0: @a is better; 0: equally good; > 0: @b is. */
int berth_score_cmp(const struct berth_score *a, const struct berth_score *b);

void berth_score_add(struct berth_score *to, const struct berth_score *what);

/* "new", "numa", "distance", "devices", "idle_switches", "crowd", "last_used" */
const char *berth_score_part_name(enum berth_score_part part);

#endif
