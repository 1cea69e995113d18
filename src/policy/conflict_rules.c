/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules against rules: of equal weight, that split a group, that never decide. */
#include "policy/conflict_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/vote.h"

/* --- VMs that stand for all --- */

/* Calls @fn for one VM of each pattern that a rule is about; "~" for any VM. Stops when it says so. */
static bool each_vm(const struct berth_search *s, const struct berth_rule *rule,
		    bool (*fn)(void *arg, const char *vm), void *arg)
{
	char vm[BERTH_SAMPLE_MAX];

	if (!rule->vms && !rule->tenants)
		return fn(arg, "~");
	for (char **glob = rule->vms; glob && *glob; glob++) {
		berth_search_sample(*glob, vm);
		if (fn(arg, vm))
			return true;
	}
	for (char **name = rule->tenants; name && *name; name++) {
		for (size_t t = 0; t < s->p->nr_tenants; t++) {
			char **vms = s->p->tenants[t].vms;

			for (; strcmp(s->p->tenants[t].name, *name) == 0 && vms && *vms; vms++) {
				berth_search_sample(*vms, vm);
				if (fn(arg, vm))
					return true;
			}
		}
	}
	return false;
}

/* --- of equal weight --- */

struct clash {
	struct berth_search *s;
	uint32_t device;
};

static bool try_clash(void *arg, const char *vm)
{
	struct clash *c = arg;
	struct berth_verdict v;
	int r = berth_decide(c->s->w, c->device, false, &(struct berth_question){ .vm = vm }, &v,
			     NULL);

	if (r < 0)
		c->s->r = r;
	if (r < 0 || v.reason != BERTH_REASON_CONFLICT || !v.rival)
		return r < 0;
	berth_search_report(
		c->s, BERTH_CONFLICT_EQUAL_WEIGHT, v.origin, v.other, c->device,
		"gives %s to a VM that the rule at %s:%u:%u, with the same priority %d and as exact, "
		"denies it; give one of the two another priority",
		berth_search_bdf(c->s, c->device), v.other->file, v.other->line, v.other->column,
		v.rule->priority);
	return true;
}

static bool withholds_all(const struct berth_rule *rule)
{
	return rule->effect == BERTH_EFFECT_PIN ||
	       (rule->effect == BERTH_EFFECT_RESERVE && !rule->count);
}

static void clash_on(struct berth_search *s, uint32_t device, const uint32_t *rules, uint32_t nr)
{
	struct clash c = { s, device };

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_rule *pin = &s->p->rules[rules[i]];

		for (uint32_t j = 0; j < nr && withholds_all(pin) && s->r == 0; j++) {
			const struct berth_rule *other = &s->p->rules[rules[j]];

			if (i != j && other->effect != BERTH_EFFECT_DENY &&
			    berth_rule_weigh(pin, other) == 0)
				each_vm(s, other, try_clash, &c);
		}
	}
}

/* Devices in the very same sets have the same rules: one of a row of them is enough. */
static bool same_sets(const struct berth_search *s, uint32_t a, uint32_t b)
{
	uint32_t nr_a, nr_b;
	const struct berth_world_member *x = berth_world_sets_of(s->w, a, &nr_a);
	const struct berth_world_member *y = berth_world_sets_of(s->w, b, &nr_b);

	for (uint32_t i = 0; nr_a == nr_b && i < nr_a; i++) {
		if (x[i].set != y[i].set || x[i].in != y[i].in)
			return false;
	}
	return nr_a == nr_b;
}

void berth_search_clashes(struct berth_search *s)
{
	uint32_t *rules = calloc(s->p->nr_rules + 1, sizeof(*rules));
	uint32_t last = BERTH_WORLD_NONE;

	if (!rules)
		s->r = -ENOMEM;
	for (uint32_t i = 0; i < s->w->nr && s->r == 0; i++) {
		if (s->w->group_of[i] == BERTH_WORLD_NONE ||
		    (last != BERTH_WORLD_NONE && same_sets(s, last, i)))
			continue;
		clash_on(s, i, rules, berth_search_rules(s, i, rules));
		last = i;
	}
	free(rules);
}

struct fit {
	struct berth_search *s;
	uint32_t rule;
	bool no; /* a VM was found that the rule is not about */
};

static bool try_fit(void *arg, const char *vm)
{
	struct fit *f = arg;
	const struct berth_subject *subject = berth_world_subject(f->s->w, vm);

	if (!subject)
		f->s->r = -ENOMEM;
	f->no = !subject || berth_world_fits(f->s->w, subject, f->rule) != BERTH_YES;
	return f->no;
}

/* Is there a VM that @a is about and @b is not? */
static bool others_too(struct berth_search *s, uint32_t a, uint32_t b)
{
	struct fit f = { .s = s, .rule = b };

	each_vm(s, &s->p->rules[a], try_fit, &f);
	return f.no;
}

/* The strongest pin of a device, or BERTH_WORLD_NONE. */
static uint32_t pin_of(struct berth_search *s, uint32_t device, uint32_t *rules)
{
	uint32_t nr = berth_search_rules(s, device, rules), best = BERTH_WORLD_NONE;

	for (uint32_t i = 0; i < nr; i++) {
		const struct berth_rule *rule = &s->p->rules[rules[i]];
		uint32_t set = berth_world_rule_set(s->w, rules[i]);

		if (rule->effect == BERTH_EFFECT_PIN &&
		    berth_devset_has(berth_search_set(s, set), device) == BERTH_YES &&
		    (best == BERTH_WORLD_NONE || berth_rule_weigh(rule, &s->p->rules[best]) > 0))
			best = rules[i];
	}
	return best;
}

static void split_group(struct berth_search *s, const struct berth_world_group *g, uint32_t *rules)
{
	uint32_t first = BERTH_WORLD_NONE, first_device = 0;

	for (uint32_t i = 0; i < g->nr && s->r == 0; i++) {
		uint32_t pin = pin_of(s, g->members[i], rules);

		if (pin == BERTH_WORLD_NONE)
			continue;
		if (first == BERTH_WORLD_NONE) {
			first = pin;
			first_device = g->members[i];
			continue;
		}
		if (pin != first && others_too(s, first, pin) && others_too(s, pin, first))
			berth_search_report(
				s, BERTH_CONFLICT_PINS_SPLIT_GROUP, &s->p->rules[first].origin,
				&s->p->rules[pin].origin, first_device,
				"pins %s to other VMs than the pin of %s at %s:%u:%u, but both are in "
				"one IOMMU group, which has one owner: nobody gets either",
				berth_search_bdf(s, first_device),
				berth_search_bdf(s, g->members[i]), s->p->rules[pin].origin.file,
				s->p->rules[pin].origin.line, s->p->rules[pin].origin.column);
	}
}

void berth_search_split_groups(struct berth_search *s)
{
	uint32_t *rules = calloc(s->p->nr_rules + 1, sizeof(*rules));

	if (!rules)
		s->r = -ENOMEM;
	for (uint32_t i = 0; i < s->w->nr_groups && s->r == 0; i++) {
		if (s->w->groups[i].nr > 1)
			split_group(s, &s->w->groups[i], rules);
	}
	free(rules);
}

/* --- shadowed rules --- */

struct shadow {
	struct berth_search *s;
	uint32_t rule, device;
	const struct berth_rule *by; /* the last rule that decided instead */
};

/* Does the rule decide for this VM? Then it is not shadowed, which ends the search. */
static bool try_shadow(void *arg, const char *vm)
{
	struct shadow *x = arg;
	const struct berth_rule *rule = &x->s->p->rules[x->rule], *by;
	const struct berth_subject *subject = berth_world_subject(x->s->w, vm);
	struct berth_ballot b;

	if (!subject) {
		x->s->r = -ENOMEM;
		return true;
	}
	berth_vote(x->s->w, x->device, subject, &b, NULL);
	by = b.forbid;
	if (!by && b.deny && berth_rule_weigh(b.deny, rule) > 0)
		by = b.deny;
	if (!by && b.allow && berth_rule_weigh(b.allow, rule) > 0)
		by = b.allow;
	if (!by || by == rule || by->from || by->until)
		return true;
	x->by = by;
	return false;
}

void berth_search_shadow(struct berth_search *s, uint32_t index)
{
	const struct berth_rule *rule = &s->p->rules[index];
	const struct berth_devset *set = berth_search_set(s, berth_world_rule_set(s->w, index));
	struct shadow x = { .s = s, .rule = index };

	/* what else decides at another time, or counts, is not known */
	if (rule->effect == BERTH_EFFECT_DENY || rule->count || !set->nr_yes || set->nr_maybe ||
	    !berth_world_rule_speaks(s->w, rule))
		return;
	for (uint32_t i = 0; i < set->nr_yes && s->r == 0; i++) {
		x.device = set->yes[i];
		if (each_vm(s, rule, try_shadow, &x))
			return;
		/* a pin that others cannot have without it is of use */
		if (withholds_all(rule) && try_shadow(&x, "~~"))
			return;
	}
	if (x.by)
		berth_search_report(
			s, BERTH_CONFLICT_SHADOWED, &rule->origin, &x.by->origin, set->yes[0],
			"never decides: for every device of this host that it is about, heavier rules "
			"do, such as the one at %s:%u:%u",
			x.by->origin.file, x.by->origin.line, x.by->origin.column);
}
