/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps of a move in their order: what `berth plan` shows and what the verbs execute is this same list.
 */
#ifndef BERTH_MANAGER_STEPS_H
#define BERTH_MANAGER_STEPS_H

#include <stddef.h>

#include "manager/step.h"

struct berth_assignment;
struct berth_device;
struct berth_err;
struct berth_manager;
struct berth_member;
struct berth_report;
struct berth_unit;

struct berth_steps {
	struct berth_step *items; /* owned */
	size_t nr;
};

void berth_steps_done(struct berth_steps *steps);

/**
 * berth_steps_take() - from the host to vfio-pci, as the unit is now; added to @steps
 * @found: how each member of @unit was found, in its order
 * @net: for each member NULL, or its network settings now (vfio/vf_net.h)
 *
 * First every function is let go, then every one is bound: no member of a group is on vfio-pci while another one still
 * works for the host.
 *
 * Return: 0; BERTH_REFUSED policy contradicts itself about a VF's settings; -ENOMEM.
 */
int berth_steps_take(struct berth_manager *m, const struct berth_unit *unit,
		     const struct berth_bind_state *found, char *const *net,
		     struct berth_steps *steps, struct berth_err *err);

/**
 * berth_steps_bind() - one function from what it has @now to @driver ("": none); added to @steps
 *
 * Return: 0; -ENOMEM.
 */
int berth_steps_bind(const struct berth_device *dev, const struct berth_bind_state *now,
		     const char *driver, struct berth_steps *steps, struct berth_err *err);

/**
 * berth_steps_give() - back to the host as found, the last function first; added to @steps
 *
 * Nothing for members that are given back already, gone, or not the device that was recorded.
 *
 * Return: 0; -ENOMEM.
 */
int berth_steps_give(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_steps *steps, struct berth_err *err);

/* Does the journal know of a step of giving @a back, whatever came of it? Return: 1 yes; 0; -errno. */
int berth_steps_gave_any(struct berth_manager *m, const struct berth_assignment *a);

/**
 * berth_steps_run() - execute for assignment @id, each step written to the journal before and after
 * @a: the members' found states
 *
 * Stops at the first step that fails; taking back what was done is berth_steps_undo(), called by whoever knows that it
 * should be.
 *
 * Return: 0; -ETIMEDOUT; -errno.
 */
int berth_steps_run(struct berth_manager *m, const struct berth_steps *steps,
		    const struct berth_assignment *a, struct berth_err *err);

/**
 * berth_steps_undo() - take back every step of @a that the journal knows as done or under way, newest first
 *
 * Goes on after a failure with the other devices, but not with one whose kernel write timed out.
 *
 * Return: 0, everything is as found; -errno of the first that could not be taken back.
 */
int berth_steps_undo(struct berth_manager *m, const struct berth_assignment *a,
		     struct berth_err *err);

/* One line each, as a plan. */
void berth_steps_report(const struct berth_steps *steps, struct berth_report *report);

#endif
