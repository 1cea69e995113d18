/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lease of a VM that runs, as its supervisor keeps it: when to warn, when to say that it has ended, when to stop the VM.
 *
 * The end is in the ledger, where `berth renew` changes it: it is read again at least each BERTH_VM_LEASE_LOOK_S seconds, and
 * before anything is done. Moments are of CLOCK_REALTIME; policy/lease.h says what a step of the clock does.
 */
#ifndef BERTH_TOOLS_VM_LEASE_H
#define BERTH_TOOLS_VM_LEASE_H

#include <stdint.h>

#include "policy/lease.h"

#define BERTH_VM_LEASE_LOOK_S 60

enum berth_vm_lease_event {
	BERTH_VM_LEASE_NOTHING,
	BERTH_VM_LEASE_WARN,  /* it ends soon */
	BERTH_VM_LEASE_ENDED, /* it has ended */
	BERTH_VM_LEASE_STOP,  /* and so has the grace: the VM is to be stopped */
};

struct berth_vm_lease {
	/* The lease as it is now, into @ret (berth_lease_done()). Return: 0; BERTH_ABSENT none; < 0 not known, as before. */
	int (*read)(void *arg, struct berth_lease *ret);
	void *arg;
	int64_t look_at; /* when to read it next; 0: now */
	/* As last read; end 0: none. */
	int64_t start, end, grace;
	enum berth_expiry on_expiry;
	char evict[200]; /* why it is asked to let go at once (manager/evict.h); "": it is not */
	enum berth_vm_lease_event told; /* of this end */
};

/* Milliseconds from @now (seconds) until berth_vm_lease_tick() is worth calling; at most BERTH_VM_LEASE_LOOK_S. */
int berth_vm_lease_wait(const struct berth_vm_lease *lease, int64_t now);

/* What is due at @now, once per end. */
enum berth_vm_lease_event berth_vm_lease_tick(struct berth_vm_lease *lease, int64_t now);

#endif
