/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/booking.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define NOBODY UINT32_MAX

struct booking {
	const struct berth_world *w;
	uint32_t *given; /* owned; of each device: the rule that it is for, or NOBODY */
	bool *seen;	 /* owned; of each device: looked at in this search */
};

static const struct berth_devset *set_of(const struct booking *b, uint32_t rule)
{
	return &b->w->sets[berth_world_rule_set(b->w, rule)];
}

/* How many there are to be promised. */
static uint32_t count(const struct booking *b, uint32_t rule)
{
	const struct berth_devset *set = set_of(b, rule);
	uint32_t nr = 0;

	for (uint32_t i = 0; i < set->nr_yes; i++)
		nr += b->w->usable[set->yes[i]];
	return nr;
}

static uint32_t wanted(const struct booking *b, uint32_t rule)
{
	const struct berth_rule *r = &b->w->policy->rules[rule];

	return r->count ? r->count : count(b, rule);
}

static bool speaks(const struct booking *b, uint32_t rule, int64_t when)
{
	const struct berth_rule *r = &b->w->policy->rules[rule];

	return r->effect == BERTH_EFFECT_RESERVE && (!r->from || r->from <= when) &&
	       (!r->until || when < r->until);
}

/* One more for @rule; others make room for it when they can have another one (augmenting paths). */
static bool give_one(struct booking *b, uint32_t rule)
{
	const struct berth_devset *set = set_of(b, rule);

	for (uint32_t i = 0; i < set->nr_yes; i++) {
		uint32_t device = set->yes[i];

		if (b->seen[device] || !b->w->usable[device])
			continue;
		b->seen[device] = true;
		if (b->given[device] == NOBODY ||
		    (b->given[device] != rule && give_one(b, b->given[device]))) {
			b->given[device] = rule;
			return true;
		}
	}
	return false;
}

/* Return: how many it got. */
static uint32_t give(struct booking *b, uint32_t rule)
{
	uint32_t nr = 0, want = wanted(b, rule);

	while (nr < want) {
		memset(b->seen, 0, b->w->nr * sizeof(*b->seen));
		if (!give_one(b, rule))
			break;
		nr++;
	}
	return nr;
}

/* "demo: 2, night: 1" */
static void say_others(const struct booking *b, uint32_t rule, int64_t when, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (uint32_t i = 0; i < b->w->policy->nr_rules && len < size; i++) {
		const struct berth_rule *r = &b->w->policy->rules[i];
		uint32_t nr = 0;

		if (i == rule || !speaks(b, i, when))
			continue;
		for (uint32_t d = 0; d < set_of(b, rule)->nr_yes; d++)
			nr += b->given[set_of(b, rule)->yes[d]] == i;
		if (nr)
			len += (size_t)snprintf(buf + len, size - len, "%s%s: %u", len ? ", " : "",
						r->name ? r->name : r->origin.pointer, nr);
	}
}

static char *moment(int64_t when, char buf[static 32])
{
	time_t t = (time_t)when;
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&t, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

static int check_at(struct booking *b, uint32_t rule, int64_t when, struct berth_err *err)
{
	uint32_t want = wanted(b, rule), have = count(b, rule), got;
	char others[200], at[32];

	for (size_t i = 0; i < b->w->nr; i++)
		b->given[i] = NOBODY;
	for (uint32_t i = 0; i < b->w->policy->nr_rules; i++) {
		if (i != rule && speaks(b, i, when))
			give(b, i);
	}
	got = give(b, rule);
	if (got >= want && want)
		return 0;
	say_others(b, rule, when, others, sizeof(others));
	return berth_err_set(
		err, BERTH_REFUSED,
		"%u cannot be reserved: of %u that could be given %u %s left at %s%s%s%s",
		want ? want : 1, have, got, got == 1 ? "is" : "are", moment(when, at),
		*others ? " (" : "", others, *others ? ")" : "");
}

int berth_booking_check(const struct berth_world *world, size_t rule, struct berth_err *err)
{
	const struct berth_rule *rules = world->policy->rules, *r = &rules[rule];
	struct booking b = { .w = world };
	int64_t first = r->from > world->now ? r->from : world->now;
	int ret = 0;

	b.given = calloc(world->nr + 1, sizeof(*b.given));
	b.seen = calloc(world->nr + 1, sizeof(*b.seen));
	if (!b.given || !b.seen)
		ret = berth_err_set(err, -ENOMEM, "out of memory");
	else
		ret = check_at(&b, (uint32_t)rule, first, err);
	/* promises only grow when one begins */
	for (size_t i = 0; i < world->policy->nr_rules && ret == 0; i++) {
		if (rules[i].effect == BERTH_EFFECT_RESERVE && rules[i].from > first &&
		    (!r->until || rules[i].from < r->until))
			ret = check_at(&b, (uint32_t)rule, rules[i].from, err);
	}
	free(b.given);
	free(b.seen);
	return ret;
}
