/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places at which a test can make the program die, fail, wait or stop: on both sides of every change of state.
 *
 * A place has a name of three parts, "OBJECT.OPERATION.before" or "….after". Only builds with -DBERTH_FAILPOINTS
 * (make FAILPOINTS=1) have them; in all others the two macros are the constant 0.
 *
 * $BERTH_FAILPOINTS says what happens where: "NAME=ACTION[@N]", several of them separated by ';'. NAME may be "*". ACTION is
 * kill (SIGKILL), error:NUMBER (that errno), sleep:MILLISECONDS or stop (SIGSTOP). It happens at the Nth time only, or
 * without @N at every time. Parent and children count together. $BERTH_FAILPOINT_LOG names a file that gets one line
 * for each place that is passed.
 */
#ifndef BERTH_BASE_FAILPOINT_H
#define BERTH_BASE_FAILPOINT_H

struct berth_err;

/**
 * berth_failpoint_hit() - what the macros below call
 * @err: may be NULL; gets a sentence when the place is to fail
 *
 * Async-signal-safe but for the first call of a process and for @err.
 *
 * Return: 0; -errno as $BERTH_FAILPOINTS asks for.
 */
int berth_failpoint_hit(const char *object, const char *operation, const char *side,
			struct berth_err *err);

/* Read the environment now, and anew. Else the first hit reads it. */
void berth_failpoint_reset(void);

#ifdef BERTH_FAILPOINTS
#define berth_failpoint_before(object, operation, err)                                             \
	berth_failpoint_hit(object, operation, "before", err)
#define berth_failpoint_after(object, operation, err)                                              \
	berth_failpoint_hit(object, operation, "after", err)
#else
#define berth_failpoint_before(object, operation, err) 0
#define berth_failpoint_after(object, operation, err)  0
#endif

#endif
