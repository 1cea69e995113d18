/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor while its VM lives: one poll loop over the control socket, the process, the console, signals and
 * requests. It never waits for anything else, so a deadline, Ctrl-A x or SIGTERM always gets through.
 *
 * How a VM is ended: STOP is sent; who has not ended after BERTH_VM_STOP_MS is killed; a second signal kills at once.
 *
 * When the host wants a device back, it waits for us in the kernel: then there are BERTH_VM_RECLAIM_MS instead. When a device
 * reports an error, it is as struct berth_vm_loop_config.on_error says.
 */
#ifndef BERTH_TOOLS_VM_LOOP_H
#define BERTH_TOOLS_VM_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "tools/run_config.h"
#include "tools/vm_ending.h"
#include "tools/vm_spawn.h"

struct berth_console;
struct berth_err;
struct berth_terminal;
struct berth_vfio_watch;
struct berth_vm_lease;

#define BERTH_VM_CONFINE_MS	 30000	/* from exec to CONFINED */
#define BERTH_VM_MAKE_MS	 300000 /* from GO to RUNNING; pinning takes time: */
#define BERTH_VM_MAKE_MS_PER_GIB 2000
#define BERTH_VM_PROGRESS_MS	 2000  /* from GO on nothing is said of memory */
#define BERTH_VM_RECLAIM_MS	 1000  /* the same, when somebody waits for a device */
#define BERTH_VM_DIE_MS		 30000 /* from SIGKILL to the end: the kernel unpins and resets */

/* What the kernel's log says of the VM's devices (vfio/dma_fault.h). */
struct berth_vm_faults {
	int fd;				 /* borrowed; of berth_dma_fault_open() */
	const struct berth_bdf *devices; /* borrowed */
	size_t nr;
	bool stop; /* end the VM; else a line in our log */
};

struct berth_vm_loop_config {
	const char *name;		  /* borrowed */
	struct berth_vm_process *process; /* borrowed */
	struct berth_console *console;	  /* borrowed */
	int listen_fd;			  /* borrowed; requests, see vm_request.h */
	int signal_fd; /* borrowed; non-blocking signalfd of berth_vm_loop_signals() */
	const struct berth_vm_faults *faults; /* borrowed; NULL: nobody asks */
	struct berth_vm_lease *lease;	      /* borrowed; NULL without devices */
	uint64_t memory;		      /* bytes, for the deadline of BERTH_VM_MAKE_MS */
	unsigned int timeout_s;		      /* end it after so long; 0: never */
	bool progress; /* stderr is a terminal: say how far memory is when that takes long */
	void (*on_memory)(
		void *arg); /* may be NULL; called once, when all memory is ready for DMA */
	struct berth_vfio_watch *watch; /* borrowed; NULL without devices */
	enum berth_vm_on_error on_error;
	/* Called once, after GO: hand over what comes later than the launch message. May be NULL. Negative: end it. */
	int (*on_go)(void *arg);
	void (*on_running)(void *arg); /* may be NULL; called once */
	void *arg;
};

struct berth_vm_loop; /* opaque */

/* SIGINT, SIGTERM, SIGHUP and SIGCONT; the supervisor blocks them for its whole life. */
void berth_vm_loop_signals(sigset_t *set);
/* Has one of the first three come already? */
bool berth_vm_loop_interrupted(int signal_fd);

/**
 * berth_vm_loop_run() - until the process is gone
 *
 * Requests of `berth vm stop` and `kill` stay open in @ret_loop until berth_vm_loop_free(), so that whoever asked knows
 * when everything is given back.
 */
int berth_vm_loop_run(struct berth_vm_loop **ret_loop, const struct berth_vm_loop_config *config,
		      struct berth_vm_ending *ret, struct berth_err *err);
/* Answer @answer ("ok", or a sentence) to all who wait, and free. Takes NULL. */
void berth_vm_loop_free(struct berth_vm_loop *loop, const char *answer);

#endif
