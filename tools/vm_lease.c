/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_lease.h"

#include <stdio.h>

#include "base/err.h"

/* So long before the end, or at half of a short one. */
static int64_t warn_at(const struct berth_vm_lease *l)
{
	int64_t half = (l->end - l->start) / 2;

	return l->end - (half < BERTH_LEASE_WARN_S ? half : BERTH_LEASE_WARN_S);
}

/* When the next event is due; 0: none is. */
static int64_t next(const struct berth_vm_lease *l)
{
	if (!l->end)
		return 0;
	switch (l->told) {
	case BERTH_VM_LEASE_NOTHING:
		return warn_at(l);
	case BERTH_VM_LEASE_WARN:
		return l->end;
	case BERTH_VM_LEASE_ENDED:
		return l->on_expiry == BERTH_EXPIRY_SHUTDOWN ? l->end + l->grace : 0;
	case BERTH_VM_LEASE_STOP:
		return 0;
	}
	return 0;
}

int berth_vm_lease_wait(const struct berth_vm_lease *l, int64_t now)
{
	int64_t at = l->look_at, due = next(l);

	if (due && due < at)
		at = due;
	if (at <= now)
		return 0;
	return (int)(at - now < BERTH_VM_LEASE_LOOK_S ? at - now : BERTH_VM_LEASE_LOOK_S) * 1000;
}

static void look(struct berth_vm_lease *l, int64_t now)
{
	struct berth_lease read = { 0 };
	int r = l->read(l->arg, &read);

	l->look_at = now + BERTH_VM_LEASE_LOOK_S;
	if (r < 0)
		return;
	if (r == BERTH_ABSENT)
		read = (struct berth_lease){ 0 };
	if (read.end != l->end && l->told < BERTH_VM_LEASE_STOP)
		l->told = BERTH_VM_LEASE_NOTHING;
	l->start = read.start;
	l->end = read.end;
	l->grace = read.grace;
	l->on_expiry = read.on_expiry;
	snprintf(l->evict, sizeof(l->evict), "%s", read.evicted && read.rule ? read.rule : "");
	berth_lease_done(&read);
}

/* What the time has come for; of several, the last one counts. */
static enum berth_vm_lease_event due(const struct berth_vm_lease *l, int64_t now)
{
	if (!l->end || now < warn_at(l))
		return BERTH_VM_LEASE_NOTHING;
	if (now < l->end)
		return BERTH_VM_LEASE_WARN;
	return l->on_expiry == BERTH_EXPIRY_SHUTDOWN && now >= l->end + l->grace ?
		       BERTH_VM_LEASE_STOP :
		       BERTH_VM_LEASE_ENDED;
}

enum berth_vm_lease_event berth_vm_lease_tick(struct berth_vm_lease *l, int64_t now)
{
	enum berth_vm_lease_event event;

	/* Never on what was read some time ago: it may have been renewed in the meantime. */
	if (now >= l->look_at || due(l, now) > l->told)
		look(l, now);
	event = due(l, now);
	if (event <= l->told)
		return BERTH_VM_LEASE_NOTHING;
	l->told = event;
	return event;
}
