/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a changing verb ends: lines for people, or with --json one object, whether it was done, refused or failed. The object
 * says what became of the devices that were meant by comparing the host before and after the verb.
 */
#ifndef BERTH_TOOLS_ENDING_H
#define BERTH_TOOLS_ENDING_H

#include "tools/devargs.h"
#include "tools/out_view.h"

struct berth_ending {
	const struct berth_cmd *cmd;	  /* borrowed */
	const struct berth_devargs *args; /* borrowed */
	const struct berth_host *host;	  /* borrowed */
	struct berth_out_view *before;	  /* owned; NULL without --json */
	struct berth_bdf *named;	  /* owned; what the words on the command line mean */
	size_t nr_named;
};

/* Before the verb. With --json the host is read. Return: 0; -errno, and then berth_ending_end() all the same. */
int berth_ending_begin(struct berth_ending *o, const struct berth_cmd *cmd,
		       const struct berth_host *host, const struct berth_devargs *args,
		       struct berth_err *err);

/* When there is a manager: which devices are meant. What cannot be resolved is the verb's to complain about. */
void berth_ending_names(struct berth_ending *o, struct berth_manager *m);

/* As berth_devargs_end(), which it is without --json, where the host is read again. */
int berth_ending_end(struct berth_ending *o, int r, struct berth_report *report,
		     const struct berth_err *err);

#endif
