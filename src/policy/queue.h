/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who waits for devices: requests in their order, the larger priority first, then the one that came first.
 *
 * An entry is as long-lived as the process that waits; whoever looks and finds it dead takes the entry away. The common
 * returns are those of policy/ledger.h.
 */
#ifndef BERTH_POLICY_QUEUE_H
#define BERTH_POLICY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct berth_err;
struct berth_ledger;

#define BERTH_QUEUE_PRIORITY_MAX 999

/* Texts are borrowed when it is added, owned (berth_queue_free()) when it was read. */
struct berth_queue_entry {
	int64_t id; /* set by the ledger */
	char *vm;
	int priority;  /* 0 … BERTH_QUEUE_PRIORITY_MAX */
	char *request; /* the devices in the words of whoever asked, separated by blanks */
	int64_t since; /* seconds since 1970; set by the ledger */
	char *boot_id; /* of the waiting process, as in struct berth_assignment */
	pid_t pid;
	uint64_t pid_start;
	char **groups; /* keys of the groups that it could use; owned, each owned */
	size_t nr_groups;
};

struct berth_queue {
	struct berth_queue_entry *items; /* the next to be served first */
	size_t nr;
};
void berth_queue_free(struct berth_queue *queue);

/* Does @a come before @b? An entry that is not in the queue has id 0, and comes after all of its priority. */
bool berth_queue_before(const struct berth_queue_entry *a, const struct berth_queue_entry *b);
bool berth_queue_wants(const struct berth_queue_entry *entry, const char *group);

/**
 * berth_queue_put() - wait, or wait for other groups than before
 * @entry: borrowed; with an id only its groups are written
 *
 * Return: 0; -EINVAL no VM, or a priority out of range; BERTH_ABSENT it has an id that is not in the queue.
 */
int berth_queue_put(struct berth_ledger *ledger, const struct berth_queue_entry *entry,
		    int64_t *ret_id, struct berth_err *err);

/* Return: 0, also when it was not there. */
int berth_queue_remove(struct berth_ledger *ledger, int64_t id, struct berth_err *err);

/* @ret: owned by the caller. Return: 0 (also for none). */
int berth_queue_read(struct berth_ledger *ledger, struct berth_queue *ret, struct berth_err *err);

#endif
