/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ownership of a group as a state machine: every move there is, in one table.
 *
 * The ledger refuses a move that the table does not have, the manager's verbs name the event, docs/state-machine.md and
 * the model in tests/spin/ are made from the same rows. Pure.
 */
#ifndef BERTH_POLICY_TRANSITIONS_H
#define BERTH_POLICY_TRANSITIONS_H

#include <stddef.h>

#include "policy/assignment.h"

/* No live row in the ledger: the group is the host's. Not a state in the file. */
#define BERTH_OWNED_HOST ((enum berth_owned_state) - 2)

#define BERTH_OWNED_NR_STATES (BERTH_OWNED_IDENTITY_CHANGED + 1)

/* What kinds a move is open to: 1 << enum berth_owned_kind, ored. */
#define BERTH_KIND_ASSIGN   (1u << BERTH_OWNED_BY_ASSIGN)
#define BERTH_KIND_RUN	    (1u << BERTH_OWNED_BY_RUN)
#define BERTH_KIND_BIND	    (1u << BERTH_OWNED_BY_BIND)
#define BERTH_KIND_CHILDREN (1u << BERTH_OWNED_BY_CHILDREN)
#define BERTH_KIND_VM	    (BERTH_KIND_ASSIGN | BERTH_KIND_RUN)
#define BERTH_KIND_ALL	    (BERTH_KIND_VM | BERTH_KIND_BIND)

struct berth_transition {
	enum berth_owned_state from; /* or BERTH_OWNED_HOST */
	enum berth_owned_event event;
	unsigned int kinds;
	const char *guard; /* what must be true, for people; the verb has seen to it */
	/* names of berth_step_op, or "reset"; what is done on the way; "" nothing */
	const char *steps;
	enum berth_owned_state to; /* or BERTH_OWNED_HOST: the row ends */
	const char *failure; /* what becomes of it when a step fails, an event; "" cannot fail */
};

/* All of them, in the order of the documents. */
extern const struct berth_transition berth_transitions[];
extern const size_t berth_nr_transitions;

/* "claim", "user-gone", … */
const char *berth_owned_event_name(enum berth_owned_event event);
/* One sentence: when it happens. */
const char *berth_owned_event_words(enum berth_owned_event event);
/* berth_owned_state_name(), and "host". */
const char *berth_transition_state_name(enum berth_owned_state state);
/* What it means, and who may have it: one sentence. */
const char *berth_transition_state_words(enum berth_owned_state state);

/**
 * berth_transition_find() - the row for an event
 *
 * There is at most one for each state, event and kind: where it leads is never a matter of choice.
 *
 * Return: the row; NULL: there is no such move.
 */
const struct berth_transition *berth_transition_find(enum berth_owned_state from,
						     enum berth_owned_event event,
						     enum berth_owned_kind kind);

/* The one that ends a row in @from: what berth_ledger_end() means by ending it. NULL: it cannot end from there. */
const struct berth_transition *berth_transition_end(enum berth_owned_state from,
						    enum berth_owned_kind kind);

#endif
