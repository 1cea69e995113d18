/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can a promise be kept? A reserve, policy's or the ledger's, beside all others that speak at the same time.
 */
#ifndef BERTH_POLICY_BOOKING_H
#define BERTH_POLICY_BOOKING_H

#include <stddef.h>

#include "policy/world.h"

struct berth_err;

/**
 * berth_booking_check() - is there enough for rule @rule, a reserve, from its beginning to its end?
 *
 * At each moment at which the promises change, every reserve that speaks then is given as many devices of its own as it wants (a
 * device that several could have goes where it is needed: a bipartite matching). Who owns a device now counts for nothing: he may
 * be gone by then. What is tainted, protected or not what policy expects is no device to promise.
 *
 * Return: 0; BERTH_REFUSED there is not enough, with numbers; -ENOMEM.
 */
int berth_booking_check(const struct berth_world *world, size_t rule, struct berth_err *err);

#endif
