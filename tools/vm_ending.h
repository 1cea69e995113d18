/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a VM ended: what berth-vmm said, how its process ended, and why we asked it to. And what the user is told of it.
 */
#ifndef BERTH_TOOLS_VM_ENDING_H
#define BERTH_TOOLS_VM_ENDING_H

#include <stdbool.h>

#include "vmm/control.h"

struct berth_err;

#define BERTH_VM_STOP_MS 10000 /* from STOP to the end */

/* Why we asked it to end. */
enum berth_vm_stop {
	BERTH_VM_STOP_NOT,     /* we did not */
	BERTH_VM_STOP_ASKED,   /* Ctrl-A x, `berth vm stop`, SIGINT, SIGTERM, SIGHUP */
	BERTH_VM_STOP_KILLED,  /* `berth vm kill`, or a second signal */
	BERTH_VM_STOP_TIMEOUT, /* --timeout */
	BERTH_VM_STOP_SILENT,  /* no CONFINED or RUNNING in time */
	BERTH_VM_STOP_LEASE,   /* the lease of its devices is over */
	BERTH_VM_STOP_DEVICE, /* a device is wanted back, is gone, reported an error, or went astray by DMA */
};

struct berth_vm_ending {
	bool reaped; /* false: not even SIGKILL ended it in BERTH_VM_DIE_MS */
	int status;  /* of waitid: exit status, or signal when @signalled */
	bool signalled;
	bool said; /* berth-vmm sent ENDED: */
	struct berth_control ended;
	enum berth_vm_stop stop;
	bool ran;      /* RUNNING was seen */
	char why[160]; /* with BERTH_VM_STOP_DEVICE and _LEASE: which, and what about it */
};

/* What the user is told. Return: 0 a good end; -EIO and the sentence. */
int berth_vm_ending_judge(const struct berth_vm_ending *end, const char *name,
			  struct berth_err *err);

#endif
