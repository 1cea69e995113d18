/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a claim gets at the cost of others: --preempt.
 *
 * Two phases. First the victims that the plan names (policy/preempt.h) are asked to let go (manager/evict.h), all in one transaction,
 * and whoever asks stands in the queue for their groups, so that nobody of the same or a lower priority comes between. What
 * they have idle goes back at once, running VMs are stopped by their supervisors. Then, when all have let go, the claim is decided
 * again and served. A process that dies in between leaves victims that let go and groups that are back with the host.
 *
 * Victims are asked once: when the claim still does not fit after they have gone, nobody else is.
 */
#ifndef BERTH_MANAGER_DISPLACE_H
#define BERTH_MANAGER_DISPLACE_H

#include "manager/assign.h"
#include "manager/claimed.h"

struct berth_host;
struct berth_manager;

/* A guest is asked, killed, and its devices are reset; and a supervisor that nobody can nudge looks once a minute. */
#define BERTH_DISPLACE_MS 150000

struct berth_displace_how {
	struct berth_assign_how assign; /* priority 0: the claim's */
	unsigned int wait_ms;		/* for victims to let go; 0: BERTH_DISPLACE_MS */
	/* NULL, or called once for each running VM that was asked, without the lock: it may be nudged. */
	void (*asked)(void *arg, const char *vm);
	void *arg;
};

/**
 * berth_displace_assign() - as berth_manager_assign_how() for what the claim of @vm gets
 * @host: no manager may be open on it
 *
 * Return: 0; BERTH_REFUSED also when it would not fit with nobody there, and then nobody was asked; -ETIMEDOUT a victim has not
 *         ended; -EBUSY one has, and what it had is not free; -ENOENT @vm has no claim; else as berth_manager_assign_how().
 */
int berth_displace_assign(struct berth_host *host, const char *vm,
			  const struct berth_displace_how *how, struct berth_report *report,
			  struct berth_err *err);

/* Only make room: what the claim gets is free when this returns, and named in @ret. Return: as berth_displace_assign(). */
int berth_displace_make_room(struct berth_host *host, const char *vm,
			     const struct berth_displace_how *how, struct berth_claimed *ret,
			     struct berth_report *report, struct berth_err *err);

/* --dry-run: who would be asked for what. @m: open for reading. Nothing is said, and 0 returned, when nobody has to go. */
int berth_displace_look(struct berth_manager *m, const char *vm, struct berth_report *report,
			struct berth_err *err);

#endif
