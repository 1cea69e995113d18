/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request waits for: the groups it could use, who has them, and when they may be free.
 */
#ifndef BERTH_MANAGER_BLOCKED_H
#define BERTH_MANAGER_BLOCKED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct berth_err;
struct berth_manager;

#define BERTH_BLOCKED_HOLDERS 8

struct berth_blocked {
	char **groups; /* owned, each owned; keys, as the queue has them */
	size_t nr_groups;
	pid_t holders[BERTH_BLOCKED_HOLDERS]; /* that live; their death may set something free */
	size_t nr_holders;
	int64_t due; /* the end of a lease that is over, and whose devices nobody uses; 0: there is none */
	int64_t over;	 /* the first moment from now on at which a lease is over; 0: none known */
	char words[512]; /* "0000:01:00.0 is owned by t2 (free at …)": for people */
};

void berth_blocked_done(struct berth_blocked *b);

/**
 * berth_blocked_read() - what keeps @vm from these devices, if waiting can help
 * @m: m->turn is ours
 * @ret: replaced on 0, berth_blocked_done() at the end
 *
 * Return: 0 it is somebody who has them, or comes before us; BERTH_ABSENT nothing does, or something that does not go away
 *         by itself; -errno.
 */
int berth_blocked_read(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_blocked *ret, struct berth_err *err);

#endif
