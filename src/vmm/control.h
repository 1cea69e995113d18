/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What supervisor and berth-vmm say to each other after the launch message, over the same socket.
 *
 *   berth-vmm → supervisor   CONFINED  the process-wide confinement stands (user, namespaces, capabilities, first filter)
 *   supervisor → berth-vmm   GO        seen; make the VM. If devices follow, their launch message is the next one
 *   berth-vmm → supervisor   MEMORY    so much of guest RAM is ready for DMA; any number of times, the last one with all of it
 *   berth-vmm → supervisor   RUNNING   the vCPUs run
 *   supervisor → berth-vmm   STOP      end the VM
 *   berth-vmm → supervisor   ENDED     how it ended, then the process exits
 *
 * CONFINED and GO close a gap: the kernel drops the parent-death signal when a process changes its user, so berth-vmm asks
 * for the signal after that and then waits for a supervisor that is alive to answer. A closed socket always means: end. While
 * it waits it makes RAM ready, which nobody but itself can see.
 */
#ifndef BERTH_VMM_CONTROL_H
#define BERTH_VMM_CONTROL_H

#include <stdint.h>

#include "base/err.h"

enum berth_control_type {
	BERTH_CONTROL_CONFINED = 1,
	BERTH_CONTROL_GO,
	BERTH_CONTROL_RUNNING,
	BERTH_CONTROL_STOP,
	BERTH_CONTROL_ENDED,
	BERTH_CONTROL_MEMORY,
};

/* How a VM ended; the reason is in the text where it is an error. */
enum berth_control_outcome {
	BERTH_ENDED_POWEROFF = 1, /* the guest switched itself off */
	BERTH_ENDED_REBOOT,	  /* the guest asked for a reset; Berth does not start it again */
	BERTH_ENDED_STOPPED,	  /* we were asked to */
	BERTH_ENDED_CRASHED,	  /* the guest's fault: triple fault */
	BERTH_ENDED_FAILED,	  /* berth-vmm could not make or run the VM */
};

struct berth_control {
	enum berth_control_type type;
	enum berth_control_outcome outcome; /* only with ENDED */
	char text[BERTH_ERR_TEXT];	    /* only with ENDED; a sentence, or "" */
	uint64_t done, total;		    /* only with MEMORY; bytes, done <= total */
};

/* Return: 0 or -errno (-EPIPE: the peer is gone). */
int berth_control_send(int sock, const struct berth_control *msg);

/* A message without contents (all but ENDED and MEMORY). */
int berth_control_say(int sock, enum berth_control_type type);

/**
 * berth_control_recv() - the next message; waits for it unless @sock is non-blocking
 * @ret: a text from the peer has every non-printing character replaced by '?'
 *
 * Return: 0; -ECONNRESET the peer is gone; -EPROTO not a message; -EAGAIN none there; -errno.
 */
int berth_control_recv(int sock, struct berth_control *ret);

#endif
