/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A word to the supervisors of running VMs whose devices were asked back: look at the ledger now, not within a minute.
 */
#ifndef BERTH_TOOLS_VM_NUDGE_H
#define BERTH_TOOLS_VM_NUDGE_H

struct berth_host;

/* One VM, by name; who does not answer looks by itself. Without the manager open: the supervisor will want it. */
void berth_vm_nudge(const struct berth_host *host, const char *vm);

/* All that the ledger says were asked to let go of something. */
void berth_vm_nudge_all(struct berth_host *host);

#endif
