/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/score.h"

int berth_score_cmp(const struct berth_score *a, const struct berth_score *b)
{
	for (int i = 0; i < BERTH_SCORE_PARTS; i++) {
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	}
	return 0;
}

void berth_score_add(struct berth_score *to, const struct berth_score *what)
{
	for (int i = 0; i < BERTH_SCORE_PARTS; i++)
		to->part[i] += what->part[i];
}

const char *berth_score_part_name(enum berth_score_part part)
{
	static const char *const names[] = {
		[BERTH_SCORE_NEW] = "new",
		[BERTH_SCORE_NUMA] = "numa",
		[BERTH_SCORE_DISTANCE] = "distance",
		[BERTH_SCORE_DEVICES] = "devices",
		[BERTH_SCORE_IDLE] = "idle_switches",
		[BERTH_SCORE_CROWD] = "crowd",
		[BERTH_SCORE_AGE] = "last_used",
	};

	return names[part];
}
