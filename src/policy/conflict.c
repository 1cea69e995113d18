/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/conflict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/conflict_inside.h"
#include "policy/moved.h"

static const struct {
	const char *name;
	bool error;
} codes[] = {
	[BERTH_CONFLICT_EQUAL_WEIGHT] = { "EQUAL_WEIGHT", true },
	[BERTH_CONFLICT_PINS_SPLIT_GROUP] = { "PINS_SPLIT_GROUP", true },
	[BERTH_CONFLICT_TWO_TENANTS] = { "TWO_TENANTS", true },
	[BERTH_CONFLICT_OVER_RESERVED] = { "OVER_RESERVED", true },
	[BERTH_CONFLICT_TWO_POOLS] = { "TWO_POOLS", false },
	[BERTH_CONFLICT_PF_AND_VFS] = { "PF_AND_VFS", false },
	[BERTH_CONFLICT_SHADOWED] = { "SHADOWED", false },
	[BERTH_CONFLICT_FITS_NOTHING] = { "FITS_NOTHING", false },
	[BERTH_CONFLICT_PROTECTED] = { "PROTECTED", false },
	[BERTH_CONFLICT_MOVED] = { "MOVED", false },
	[BERTH_CONFLICT_LARGE_QUOTA] = { "LARGE_QUOTA", false },
};

const char *berth_conflict_name(enum berth_conflict_code code)
{
	return codes[code].name;
}

bool berth_conflict_is_error(enum berth_conflict_code code)
{
	return codes[code].error;
}

static bool is_known(const struct berth_search *s, enum berth_conflict_code code,
		     const struct berth_origin *a, const struct berth_origin *b)
{
	for (size_t i = 0; i < s->found.nr; i++) {
		const struct berth_conflict *c = &s->found.items[i];

		if (c->code == code &&
		    ((c->origin == a && c->other == b) || (b && c->origin == b && c->other == a)))
			return true;
	}
	return false;
}

/* Once for each pair of places. */
void berth_search_report(struct berth_search *s, enum berth_conflict_code code,
			 const struct berth_origin *origin, const struct berth_origin *other,
			 uint32_t device, const char *fmt, ...)
{
	struct berth_conflict *c;
	int used;
	va_list ap;

	if (s->r < 0 || is_known(s, code, origin, other))
		return;
	if (s->found.nr == BERTH_CONFLICTS_MAX) {
		s->found.more = true;
		return;
	}
	if (!s->found.items)
		s->found.items = calloc(BERTH_CONFLICTS_MAX, sizeof(*s->found.items));
	if (!s->found.items) {
		s->r = -ENOMEM;
		return;
	}
	c = &s->found.items[s->found.nr++];
	c->code = code;
	c->origin = origin;
	c->other = other;
	c->device = device;
	used = snprintf(c->text, sizeof(c->text), "%s:%u:%u: %s: ", origin->file, origin->line,
			origin->column, origin->pointer);
	va_start(ap, fmt);
	if (used > 0 && (size_t)used < sizeof(c->text))
		vsnprintf(c->text + used, sizeof(c->text) - (size_t)used, fmt, ap);
	va_end(ap);
}

/* --- counts --- */

static void find_fits_nothing(struct berth_search *s, uint32_t set,
			      const struct berth_origin *origin, const char *what)
{
	if (!berth_search_set(s, set)->nr_yes && !berth_search_set(s, set)->nr_maybe)
		berth_search_report(s, BERTH_CONFLICT_FITS_NOTHING, origin, NULL, BERTH_WORLD_NONE,
				    "the %s fits no device of this host", what);
}

static void find_idle(struct berth_search *s)
{
	for (size_t i = 0; i < s->p->nr_rules; i++)
		find_fits_nothing(s, berth_world_rule_set(s->w, i), &s->p->rules[i].origin, "rule");
	for (size_t i = 0; i < s->p->nr_taints; i++)
		find_fits_nothing(s, berth_world_taint_set(s->w, i), &s->p->taints[i].origin,
				  "taint");
	for (size_t i = 0; i < s->p->nr_protects; i++)
		find_fits_nothing(s, berth_world_protect_set(s->w, i), &s->p->protects[i].origin,
				  "protect");
}

static void find_large_quotas(struct berth_search *s)
{
	for (uint32_t t = 0; t < s->p->nr_tenants; t++) {
		for (size_t i = 0; i < s->p->tenants[t].nr_quotas; i++) {
			const struct berth_quota *q = &s->p->tenants[t].quotas[i];
			const struct berth_devset *set =
				berth_search_set(s, berth_world_quota_set(s->w, t, i));

			if (q->hard > set->nr_yes + set->nr_maybe)
				berth_search_report(s, BERTH_CONFLICT_LARGE_QUOTA, &q->origin, NULL,
						    BERTH_WORLD_NONE,
						    "allows %u of \"%s\", this host has %u",
						    q->hard, q->of, set->nr_yes + set->nr_maybe);
		}
	}
}

static bool speaks_at(const struct berth_rule *rule, int64_t when)
{
	return (!rule->from || when >= rule->from) && (!rule->until || when < rule->until);
}

/* All reserves of one set at the moment when @at begins, or has begun. */
static void find_over_reserved(struct berth_search *s, uint32_t at)
{
	const struct berth_rule *rules = s->p->rules;
	uint32_t set = berth_world_rule_set(s->w, at), nr, have = berth_search_set(s, set)->nr_yes;
	const uint32_t *on = berth_world_rules_on(s->w, set, &nr);
	int64_t when = rules[at].from ? rules[at].from : INT64_MIN;
	uint64_t sum = 0;
	uint32_t other = at;

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_rule *rule = &rules[on[i]];

		if (rule->effect != BERTH_EFFECT_RESERVE || !speaks_at(rule, when) ||
		    (rule->until && rule->until <= s->w->now))
			continue;
		sum += rule->count ? rule->count : have;
		if (on[i] != at)
			other = on[i];
	}
	if (have && sum > have)
		berth_search_report(
			s, BERTH_CONFLICT_OVER_RESERVED, &rules[at].origin,
			other != at ? &rules[other].origin : NULL, BERTH_WORLD_NONE,
			"%llu devices are reserved at once from here on, this host has %u that fit",
			(unsigned long long)sum, have);
}

/* --- devices --- */

/* Rules about a device, in @ret (room for all). */
uint32_t berth_search_rules(const struct berth_search *s, uint32_t device, uint32_t *ret)
{
	uint32_t nr_sets, nr_rules, nr = 0;
	const struct berth_world_member *in = berth_world_sets_of(s->w, device, &nr_sets);

	for (uint32_t i = 0; i < nr_sets; i++) {
		const uint32_t *rules = berth_world_rules_on(s->w, in[i].set, &nr_rules);

		for (uint32_t j = 0; j < nr_rules; j++)
			ret[nr++] = rules[j];
	}
	return nr;
}

static void find_two_pools(struct berth_search *s, uint32_t device)
{
	uint32_t nr;
	const struct berth_world_member *in = berth_world_sets_of(s->w, device, &nr);
	const struct berth_pool_entry *first = NULL;

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_pool_entry *pool = berth_world_pool_of(s->w, in[i].set);

		if (!pool || in[i].in != BERTH_YES)
			continue;
		if (first)
			berth_search_report(
				s, BERTH_CONFLICT_TWO_POOLS, &pool->origin, &first->origin, device,
				"%s is in pool \"%s\" and in pool \"%s\": each counts it as its own",
				berth_search_bdf(s, device), pool->name, first->name);
		else
			first = pool;
	}
}

/* Who gives it away, or NULL; rules that mean every device mean nothing by it. */
static const struct berth_rule *given_by(struct berth_search *s, uint32_t device, uint32_t *rules)
{
	uint32_t nr = berth_search_rules(s, device, rules);

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_rule *rule = &s->p->rules[rules[i]];

		if (rule->effect != BERTH_EFFECT_DENY &&
		    rule->resource.kind != BERTH_RESOURCE_MATCH && !rule->override_protect &&
		    berth_devset_has(berth_search_set(s, berth_world_rule_set(s->w, rules[i])),
				     device) == BERTH_YES)
			return rule;
	}
	return NULL;
}

static void find_given(struct berth_search *s, uint32_t device, uint32_t *rules)
{
	const struct berth_rule *rule = given_by(s, device, rules), *other;
	uint32_t nr, pf = s->w->pf_of[device];
	const struct berth_world_member *in = berth_world_sets_of(s->w, device, &nr);
	const struct berth_protect_entry *by = NULL;

	for (uint32_t i = 0; i < nr && !by; i++)
		by = berth_world_protect_of(s->w, in[i].set);
	if (rule && by)
		berth_search_report(
			s, BERTH_CONFLICT_PROTECTED, &rule->origin, &by->origin, device,
			"gives %s, which \"%s\" at %s:%u:%u protects: it stays with the host",
			berth_search_bdf(s, device), by->name, by->origin.file, by->origin.line,
			by->origin.column);
	else if (rule && s->w->usage[device].safety)
		berth_search_report(s, BERTH_CONFLICT_PROTECTED, &rule->origin, NULL, device,
				    "gives %s, which the host needs (%s): it stays with the host",
				    berth_search_bdf(s, device), s->w->usage[device].safety);
	if (!rule || pf == BERTH_WORLD_NONE)
		return;
	other = given_by(s, pf, rules);
	if (other)
		berth_search_report(
			s, BERTH_CONFLICT_PF_AND_VFS, &other->origin, &rule->origin, pf,
			"gives %s, and the rule at %s:%u:%u its VF %s: whoever has the one keeps the "
			"other from everybody",
			berth_search_bdf(s, pf), rule->origin.file, rule->origin.line,
			rule->origin.column, berth_search_bdf(s, device));
}

static void find_about_devices(struct berth_search *s)
{
	uint32_t *rules = calloc(s->p->nr_rules + 1, sizeof(*rules));

	if (!rules)
		s->r = -ENOMEM;
	for (uint32_t i = 0; i < s->w->nr && s->r == 0; i++) {
		if (s->w->group_of[i] == BERTH_WORLD_NONE)
			continue;
		find_two_pools(s, i);
		find_given(s, i, rules);
	}
	free(rules);
}

static void find_moved(struct berth_search *s)
{
	for (size_t i = 0; i < s->p->nr_devices; i++) {
		const struct berth_group_entry *entry = &s->p->devices[i];
		const struct berth_facts *now;
		struct berth_moved moved;

		berth_moved_find(entry, s->w->facts, s->w->nr, &moved);
		if (!moved.nr)
			continue;
		now = &s->w->facts[moved.now];
		berth_search_report(
			s, BERTH_CONFLICT_MOVED, &entry->origin, NULL, (uint32_t)moved.now,
			"device \"%s\" has moved%s%s to %s (%s, %s %s)%s; nothing follows it by "
			"itself: if this is meant, write so into its match (berth repin)",
			entry->name, moved.was ? " from " : "", moved.was ? moved.was : "",
			now->path ? now->path : "another place", now->bdf ? now->bdf : "no address",
			moved.attribute, moved.serial,
			moved.nr > 1 ? ", or to others with the same" : "");
	}
}

/* --- tenants --- */

/* A name that the pattern fits, with what no VM has in its name where the pattern leaves it open. */
void berth_search_sample(const char *glob, char buf[static BERTH_SAMPLE_MAX])
{
	size_t used = 0;

	for (; *glob && used + 4 < BERTH_SAMPLE_MAX; glob++) {
		if (*glob == '*') {
			memcpy(buf + used, "~~~", 3);
			used += 3;
		} else if (*glob == '?') {
			buf[used++] = '~';
		} else if (*glob == '[') {
			bool no = glob[1] == '!';

			buf[used++] = no ? '~' : glob[1];
			while (glob[1] && *glob != ']')
				glob++;
		} else {
			buf[used++] = *glob;
		}
	}
	buf[used] = '\0';
}

static void try_tenants(struct berth_search *s, const char *vm)
{
	const struct berth_subject *subject = berth_world_subject(s->w, vm);
	const struct berth_tenant_entry *t = s->p->tenants;

	if (!subject)
		s->r = -ENOMEM;
	else if (subject->tenant_2 != BERTH_WORLD_NONE)
		berth_search_report(
			s, BERTH_CONFLICT_TWO_TENANTS, &t[subject->tenant_2].origin,
			&t[subject->tenant].origin, BERTH_WORLD_NONE,
			"VM \"%s\" belongs to tenant \"%s\" and to tenant \"%s\" at %s:%u:%u: it gets "
			"nothing",
			vm, t[subject->tenant_2].name, t[subject->tenant].name,
			t[subject->tenant].origin.file, t[subject->tenant].origin.line,
			t[subject->tenant].origin.column);
}

static void find_two_tenants(struct berth_search *s)
{
	char vm[BERTH_SAMPLE_MAX];

	for (size_t i = 0; i < s->p->nr_tenants; i++) {
		for (char **glob = s->p->tenants[i].vms; glob && *glob && s->r == 0; glob++) {
			berth_search_sample(*glob, vm);
			try_tenants(s, vm);
		}
	}
	for (size_t i = 0; i < s->p->nr_claims && s->r == 0; i++)
		try_tenants(s, s->p->claims[i].vm);
}

/* --- all of it --- */

static int cmp_severity(const void *a, const void *b)
{
	const struct berth_conflict *x = a, *y = b;
	int c = (int)codes[y->code].error - (int)codes[x->code].error;

	return c ? c : strcmp(x->text, y->text);
}

int berth_conflicts_find(struct berth_world *world, struct berth_conflicts *ret,
			 struct berth_err *err)
{
	struct berth_search s = { .w = world, .p = world->policy };

	berth_search_clashes(&s);
	berth_search_split_groups(&s);
	find_two_tenants(&s);
	for (uint32_t i = 0; i < s.p->nr_rules && s.r == 0; i++) {
		if (s.p->rules[i].effect == BERTH_EFFECT_RESERVE)
			find_over_reserved(&s, i);
	}
	find_about_devices(&s);
	find_moved(&s);
	for (uint32_t i = 0; i < s.p->nr_rules && s.r == 0; i++)
		berth_search_shadow(&s, i);
	find_idle(&s);
	find_large_quotas(&s);
	if (s.r < 0) {
		berth_conflicts_done(&s.found);
		return berth_err_set(err, s.r, "policy: out of memory");
	}
	if (s.found.nr)
		qsort(s.found.items, s.found.nr, sizeof(*s.found.items), cmp_severity);
	*ret = s.found;
	return 0;
}

void berth_conflicts_done(struct berth_conflicts *conflicts)
{
	free(conflicts->items);
	*conflicts = (struct berth_conflicts){ 0 };
}
