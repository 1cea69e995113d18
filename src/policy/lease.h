/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases: until when a VM has what it was given together (one claim), and what becomes of it then.
 *
 * A lease lives as long as any assignment of its claim; what has no lease is kept until it is released. The common returns
 * are those of policy/ledger.h.
 *
 * Moments are seconds since 1970 of CLOCK_REALTIME: a lease has to survive a reboot, which no other clock does. So when the
 * host's clock is set forward by an hour, each lease is an hour shorter; set back, an hour longer. Nothing else follows from
 * a step: an end that has passed is acted on once, and an action that was taken is not taken back.
 */
#ifndef BERTH_POLICY_LEASE_H
#define BERTH_POLICY_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/rule.h"

struct berth_err;
struct berth_ledger;

/* Who has been told of its end. */
enum berth_lease_told {
	BERTH_LEASE_UNTOLD,
	BERTH_LEASE_WARNED, /* that it ends soon */
	BERTH_LEASE_ENDED,  /* that it has ended */
};

/* When a lease that ends is warned of: so long before, or at half of a short one. */
#define BERTH_LEASE_WARN_S 300

struct berth_lease {
	int64_t claim; /* struct berth_assignment.claim */
	char *vm;      /* owned when it was read */
	int64_t start, end;
	unsigned int renewals;
	int64_t grace; /* seconds after the end, before on_expiry is done; >= 0 */
	enum berth_expiry on_expiry;
	char *rule; /* owned when it was read; name of the policy's rule that gave the terms, or NULL */
	enum berth_lease_told told;
	/* Its VM is asked to let go (struct berth_assignment.evict) since @end, whatever was agreed; @rule says why. */
	bool evicted;
};

struct berth_lease_list {
	struct berth_lease *items;
	size_t nr;
};
void berth_lease_list_free(struct berth_lease_list *list);
void berth_lease_done(struct berth_lease *lease);

/* "notify", "detach", "shutdown" */
const char *berth_expiry_name(enum berth_expiry on_expiry);
/* Return: 0; -EINVAL no such word. */
int berth_expiry_parse(const char *word, enum berth_expiry *ret);

/* The first moment at which it can be taken from its VM; 0: never, it is only told of (notify). */
int64_t berth_lease_over(const struct berth_lease *lease);

#define BERTH_LEASE_WORDS 80
/* "until 2026-12-01T18:00:00Z (in 1 h 12 min)", "ended 2026-12-01T18:00:00Z (5 min ago)". Returns @buf. */
char *berth_lease_words(int64_t end, int64_t now, char buf[static BERTH_LEASE_WORDS]);
/* "1 h 12 min", "45 s", "3 d 4 h": two units at most. Returns @buf. */
char *berth_lease_span(int64_t seconds, char buf[static 32]);
/* "2026-12-01T18:00:00Z". Returns @buf. */
char *berth_lease_moment(int64_t moment, char buf[static 32]);

/**
 * berth_lease_grant() - a claim that has no lease gets one
 * @lease: borrowed; all but renewals and told are read
 *
 * Return: 0; BERTH_ABSENT nothing of the claim is live; BERTH_REFUSED it has one; -EINVAL an end before the start.
 */
int berth_lease_grant(struct berth_ledger *ledger, const struct berth_lease *lease,
		      struct berth_err *err);

/**
 * berth_lease_renew() - another end, and perhaps another action
 * @lease: claim, end, grace, on_expiry and rule are read
 *
 * Nobody has been told of the new end yet. Return: 0; BERTH_ABSENT it has no lease, or nothing of the claim is live.
 */
int berth_lease_renew(struct berth_ledger *ledger, const struct berth_lease *lease,
		      struct berth_err *err);

/* Return: 0; BERTH_ABSENT no such lease. */
int berth_lease_set_told(struct berth_ledger *ledger, int64_t claim, enum berth_lease_told told,
			 struct berth_err *err);

/* The lease of a claim. @ret: berth_lease_done(). Return: 0; BERTH_ABSENT it has none, or nothing of it is live. */
int berth_lease_of(struct berth_ledger *ledger, int64_t claim, struct berth_lease *ret,
		   struct berth_err *err);

/*
 * Of the leases of these assignments, live ones, the one that ends first. One that its VM is asked to let go of is as a lease with
 * "shutdown" that has ended, and comes before all others. Return: as berth_lease_of().
 */
int berth_lease_soonest(struct berth_ledger *ledger, const int64_t *ids, size_t nr,
			struct berth_lease *ret, struct berth_err *err);

/* Every live one, the soonest end first; owned by the caller. Return: 0 (also for none). */
int berth_lease_all(struct berth_ledger *ledger, struct berth_lease_list *ret,
		    struct berth_err *err);

#endif
