/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/blocked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/ask.h"
#include "manager/context.h"
#include "manager/obstacle.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/resolve.h"
#include "manager/unit.h"
#include "policy/lease.h"
#include "policy/ledger.h"

void berth_blocked_done(struct berth_blocked *b)
{
	for (size_t i = 0; i < b->nr_groups; i++)
		free(b->groups[i]);
	free(b->groups);
	*b = (struct berth_blocked){ 0 };
}

/* The devices that a name can mean: one, or those of a pool. @ret: owned by the caller (free). */
static int candidates(struct berth_manager *m, const char *name, const struct berth_device ***ret,
		      size_t *ret_nr, struct berth_err *err)
{
	if (strncmp(name, "pool:", 5) == 0)
		return berth_ask_pool(m, name + 5, ret, ret_nr, err);
	return berth_resolve(m, NULL, &name, 1, ret, ret_nr, err);
}

static int add_group(struct berth_blocked *b, const char *key)
{
	char **bigger;

	for (size_t i = 0; i < b->nr_groups; i++) {
		if (strcmp(b->groups[i], key) == 0)
			return 0;
	}
	bigger = reallocarray(b->groups, b->nr_groups + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	b->groups = bigger;
	bigger[b->nr_groups] = strdup(key);
	return bigger[b->nr_groups] ? (b->nr_groups++, 0) : -ENOMEM;
}

/* Who has it, and until when. */
static void add_owner(struct berth_manager *m, const struct berth_assignment *a,
		      struct berth_blocked *b, char *until, size_t size)
{
	int64_t now = (int64_t)time(NULL), over;
	char words[BERTH_LEASE_WORDS];
	struct berth_lease lease;

	until[0] = '\0';
	if (a->pid && b->nr_holders < BERTH_BLOCKED_HOLDERS &&
	    strcmp(a->boot_id ? a->boot_id : "", m->host->boot_id) == 0 &&
	    berth_process_lives(m->host, a->pid, a->pid_start))
		b->holders[b->nr_holders++] = a->pid;
	if (berth_lease_of(m->ledger, a->claim, &lease, NULL) != 0)
		return;
	over = berth_lease_over(&lease);
	if (over > now && (!b->over || over < b->over))
		b->over = over;
	if (over && over <= now && a->state == BERTH_OWNED_ASSIGNED)
		b->due = over;
	snprintf(until, size, ", lease %s", berth_lease_words(lease.end, now, words));
	berth_lease_done(&lease);
}

static void add_words(struct berth_blocked *b, const char *sentence, const char *until)
{
	size_t len = strlen(b->words);

	snprintf(b->words + len, sizeof(b->words) - len, "%s%s%s", len ? "; " : "", sentence,
		 until);
}

/* The sentence of a refusal ends with what to do about it, which is not for who waits. */
static void first_part(const char *sentence, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)strcspn(sentence, ";"), sentence);
}

/* Everything between us and one unit is somebody who has it or comes first? Return: 0; BERTH_ABSENT; 1 it is free; < 0. */
#define IS_FREE 100
static int read_unit(struct berth_manager *m, const struct berth_unit *unit,
		     const struct berth_obstacle_query *q, struct berth_blocked *b,
		     struct berth_err *err)
{
	struct berth_obstacles list = { 0 };
	const struct berth_assignment *owner = NULL;
	char until[BERTH_LEASE_WORDS + 16] = "", sentence[200];
	int r = berth_obstacles_find(m, unit, q, &list, &owner, err);

	if (r < 0)
		return r;
	if (list.nr == 0)
		r = IS_FREE;
	for (size_t i = 0; i < list.nr && r == 0; i++) {
		if (strcmp(list.items[i].code, "OWNED") && strcmp(list.items[i].code, "QUEUED"))
			r = BERTH_ABSENT;
	}
	if (r == 0) {
		if (owner)
			add_owner(m, owner, b, until, sizeof(until));
		first_part(list.items[0].sentence, sentence, sizeof(sentence));
		add_words(b, sentence, until);
		r = add_group(b, unit->key);
	}
	berth_obstacles_done(&list);
	return r < 0 ? berth_err_set(err, r, "out of memory") : r;
}

/* Return: 0 one of its devices can be waited for, or is free, which sets *ret_free; BERTH_ABSENT none; < 0. */
static int read_name(struct berth_manager *m, const char *name, const struct berth_units *all,
		     const struct berth_obstacle_query *q, struct berth_blocked *b, bool *ret_free,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr = 0, waitable = 0;
	int r = candidates(m, name, &devs, &nr, err);

	*ret_free = false;
	for (size_t i = 0; i < nr && r >= 0; i++) {
		for (size_t j = 0; j < all->nr; j++) {
			bool in = false;

			for (size_t k = 0; k < all->items[j].nr; k++)
				in |= all->items[j].members[k].dev == devs[i];
			if (!in)
				continue;
			r = read_unit(m, &all->items[j], q, b, err);
			*ret_free |= r == IS_FREE;
			waitable += r == 0;
		}
	}
	return r < 0 ? r : *ret_free || waitable ? 0 : BERTH_ABSENT;
}

/* All devices that any name can mean, as units: a neighbour that is asked for, too, is no obstacle. */
static int all_units(struct berth_manager *m, const char *const *names, size_t nr,
		     struct berth_units *ret, struct berth_err *err)
{
	const struct berth_device **all = NULL;
	size_t nr_all = 0;
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
		const struct berth_device **bigger;
		size_t nr_devs = 0;

		r = candidates(m, names[i], &devs, &nr_devs, err);
		bigger = r == 0 ? reallocarray(all, nr_all + nr_devs + 1, sizeof(*all)) : NULL;
		if (r == 0 && !bigger)
			r = berth_err_set(err, -ENOMEM, "out of memory");
		if (r != 0)
			break;
		all = bigger;
		for (size_t j = 0; j < nr_devs; j++)
			all[nr_all++] = devs[j];
	}
	if (r == 0)
		r = berth_units_build(m->inv, all, nr_all, ret, err);
	free(all);
	return r;
}

int berth_blocked_read(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_blocked *ret, struct berth_err *err)
{
	struct berth_assignment_list live = { 0 };
	struct berth_units units = { 0 };
	struct berth_blocked b = { 0 };
	struct berth_obstacle_query q = { .vm = vm, .with = &units, .live = &live };
	size_t nr_free = 0;
	int r = all_units(m, names, nr, &units, err);

	if (r == 0)
		r = berth_owner_all(m, &live, err);
	for (size_t i = 0; i < nr && r == 0; i++) {
		bool is_free;

		r = read_name(m, names[i], &units, &q, &b, &is_free, err);
		nr_free += is_free;
	}
	if (r == 0 && nr_free == nr)
		r = BERTH_ABSENT;
	berth_assignment_list_free(&live);
	berth_units_done(&units);
	if (r != 0) {
		berth_blocked_done(&b);
		return r == BERTH_REFUSED ? BERTH_ABSENT : r;
	}
	berth_blocked_done(ret);
	*ret = b;
	return 0;
}
