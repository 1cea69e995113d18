/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done about a live assignment when ledger and kernel are compared: one table, from facts to remedy. Pure.
 *
 * manager/recover.h gathers the facts and applies the remedy; docs/state-machine.md is made from the same rows.
 */
#ifndef BERTH_MANAGER_REMEDY_H
#define BERTH_MANAGER_REMEDY_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/assignment.h"

enum berth_remedy {
	BERTH_REMEDY_NONE,   /* as it should be, under way, or waiting for a person */
	BERTH_REMEDY_UNTAKE, /* taking it was interrupted: take the steps back, end */
	BERTH_REMEDY_USED,   /* its user is dead: reset, then on as after any use */
	BERTH_REMEDY_GIVE, /* giving it back was interrupted, or its reason is gone: give it back, end */
	BERTH_REMEDY_REBIND, /* assigned, but off vfio-pci (reboot, somebody's hand): bind it again */
	BERTH_REMEDY_IDENTITY, /* another device sits in its place: hold on to the place, give it to nobody */
};

/* What the kernel shows of its functions; the first that is true. */
enum berth_seen {
	BERTH_SEEN_CHANGED, /* at one's place sits another device */
	BERTH_SEEN_GONE,    /* none of them is there */
	BERTH_SEEN_OFF,	    /* one is not on vfio-pci */
	BERTH_SEEN_VFIO,    /* all that are there are on vfio-pci */
};

/* Who stands behind the assignment now. */
enum berth_behind {
	BERTH_BEHIND_NOBODY, /* no process recorded, or it is dead */
	BERTH_BEHIND_USER,   /* the process recorded as its holder lives */
	BERTH_BEHIND_WORKER, /* a berth is at work on it, or its write hangs in the kernel (manager/busy.h) */
};

struct berth_remedy_facts {
	bool other_boot; /* the row was written before this boot */
	enum berth_owned_state state;
	enum berth_owned_kind kind; /* assign, run or bind */
	enum berth_seen seen;
	enum berth_behind behind;
};

/* Each field a set: 1 << value, ored. other_boot: 1 this boot, 2 another one. */
struct berth_remedy_row {
	unsigned int boots, states, kinds, seen, behind;
	enum berth_remedy remedy;
	const char *finding; /* what was found, for people: "taking it was interrupted" */
};

extern const struct berth_remedy_row berth_remedies[];
extern const size_t berth_nr_remedies;

/* Do the facts satisfy the row? */
bool berth_remedy_row_fits(const struct berth_remedy_row *row, const struct berth_remedy_facts *f);

/* The row for these facts: there is exactly one for every combination. */
const struct berth_remedy_row *berth_remedy_find(const struct berth_remedy_facts *f);

/* What the remedy means, in words: "take the steps back". */
const char *berth_remedy_words(enum berth_remedy remedy);

#endif
