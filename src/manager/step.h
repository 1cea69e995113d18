/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One change to the kernel's state on the way between host and VM, how it is done and how it is taken back.
 *
 * Doing a step looks at the result before it says 0. Both directions are idempotent: after a crash nobody knows whether
 * the step under way has happened, so it is simply taken back, or done again.
 */
#ifndef BERTH_MANAGER_STEP_H
#define BERTH_MANAGER_STEP_H

#include "base/bdf.h"

struct berth_bind_state;
struct berth_err;
struct berth_manager;

enum berth_step_op {
	BERTH_STEP_DRIVER, /* "driver": the kernel has driver @arg, load its module if need be. Stays loaded */
	BERTH_STEP_OVERRIDE, /* "override": driver_override = @arg */
	BERTH_STEP_UNBIND,   /* "unbind": take driver @arg away */
	BERTH_STEP_DMA_OFF, /* "dma-off": clear Bus Master Enable. Drivers set it again as they bind */
	BERTH_STEP_POWER, /* "power": power/control = @arg */
	BERTH_STEP_PROBE, /* "probe": let driver @arg take it */
	BERTH_STEP_NODE, /* "node": /dev/vfio/@group is there. No change, so nothing to take back */
	BERTH_STEP_VF_NET, /* "vf-net": the VF's network settings become @arg (vfio/vf_net.h) */
	BERTH_STEP_RESTORE, /* "restore": driver, driver_override and power control as found; @arg: that driver */
};

#define BERTH_STEP_TEXT 176

struct berth_step {
	enum berth_step_op op;
	struct berth_bdf at; /* of "node": the group's first member */
	int group;
	char arg[BERTH_STEP_TEXT];
	char undo[BERTH_STEP_TEXT]; /* of "vf-net": the settings before; else "" */
};

const char *berth_step_op_name(enum berth_step_op op);
/* Return: 0; -EINVAL no such operation. */
int berth_step_op_from_name(const char *name, enum berth_step_op *ret);

/* "0000:01:00.0: unbind it from igb". Returns @buf. */
#define BERTH_STEP_WORDS 320
char *berth_step_words(const struct berth_step *step, char buf[static BERTH_STEP_WORDS]);

/**
 * berth_step_do() - take the step and see that it worked
 * @found: how the function was found; for "restore"
 *
 * Return: 0; -ETIMEDOUT the kernel does not answer, the step may still happen; -errno.
 */
int berth_step_do(struct berth_manager *m, const struct berth_step *step,
		  const struct berth_bind_state *found, struct berth_err *err);

/* Take it back, as far as it happened. Return: 0; -ETIMEDOUT; -errno. */
int berth_step_undo(struct berth_manager *m, const struct berth_step *step,
		    const struct berth_bind_state *found, struct berth_err *err);

#endif
