/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside policy/solve_space.h only: the parts that make a space ready, in the order in which they are called.
 */
#ifndef BERTH_POLICY_SOLVE_SPACE_INSIDE_H
#define BERTH_POLICY_SOLVE_SPACE_INSIDE_H

#include "policy/solve_space.h"

struct berth_tally;

/* Pairs devices of two requests, one with one. */
static inline bool berth_space_is_tie(const struct berth_solve_constraint *c)
{
	return c->kind == BERTH_CONSTRAINT_DISTANCE && c->each && c->a != c->b;
}

/*
 * @masks: of each item, the requests that it can serve
 * @tally: to work with, room for every item
 *
 * Return: 0; -ENOMEM.
 */
/* solve_floors.c: counts alone may show that there is no solution: hopeless */
int berth_space_check_counts(struct berth_space *s, struct berth_tally *tally,
			     const uint32_t *masks);
/* solve_twins.c: twin; lists are there */
int berth_space_find_twins(struct berth_space *s, struct berth_tally *tally, const uint32_t *masks);
/* solve_floors.c: leader and ordered of each list, then with_leader and follows, then floor and rest of request @r */
void berth_space_find_leaders(struct berth_space *s);
int berth_space_follow(struct berth_space *s, struct berth_tally *tally);
int berth_space_make_floors(struct berth_space *s, uint32_t r);

#endif
