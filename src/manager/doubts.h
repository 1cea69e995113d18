/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with the policy on this host although it can be read: where it contradicts itself, and what cannot be meant.
 */
#ifndef BERTH_MANAGER_DOUBTS_H
#define BERTH_MANAGER_DOUBTS_H

struct berth_manager;

#define BERTH_DOUBTS_WORDS 160

/**
 * berth_manager_doubts() - one sentence for whoever is about to be decided by it
 *
 * What `berth policy check` calls errors and warnings (policy/conflict.h), counted. Decides nothing and never fails: what cannot
 * be looked at is for the verb itself to complain of.
 *
 * Return: @buf; "" when there is nothing to say.
 */
const char *berth_manager_doubts(struct berth_manager *m, char buf[static BERTH_DOUBTS_WORDS]);

#endif
