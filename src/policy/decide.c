/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/decide.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "policy/glob.h"

const char *berth_reason_name(enum berth_reason reason)
{
	static const char *const names[] = {
		[BERTH_REASON_NO_POLICY] = "NO_POLICY",
		[BERTH_REASON_RULE_ALLOWS] = "RULE_ALLOWS",
		[BERTH_REASON_COMPANION] = "COMPANION",
		[BERTH_REASON_NO_RULE_ALLOWS] = "NO_RULE_ALLOWS",
		[BERTH_REASON_RULE_DENIES] = "RULE_DENIES",
		[BERTH_REASON_RULE_MAY_DENY] = "RULE_MAY_DENY",
		[BERTH_REASON_IDENTITY_CHANGED] = "IDENTITY_CHANGED",
		[BERTH_REASON_IDENTITY_UNKNOWN] = "IDENTITY_UNKNOWN",
	};

	return names[reason];
}

const char *berth_effect_name(enum berth_effect effect)
{
	return effect == BERTH_EFFECT_ALLOW ? "allow" : "deny";
}

static const char *name_for_people(const struct berth_facts *facts)
{
	return facts->bdf ? facts->bdf : facts->path ? facts->path : "the device";
}

/* --- trace --- */

void berth_trace_done(struct berth_trace *trace)
{
	free(trace->items);
	*trace = (struct berth_trace){ 0 };
}

static void note(struct berth_trace *trace, const struct berth_check *check)
{
	struct berth_check *bigger;

	if (!trace)
		return;
	if (trace->nr == trace->room) {
		bigger = reallocarray(trace->items, trace->room + 32, sizeof(*bigger));
		if (!bigger)
			return;
		trace->items = bigger;
		trace->room += 32;
	}
	trace->items[trace->nr++] = *check;
}

/* --- identity --- */

struct identity {
	enum berth_tri holds;		       /* BERTH_YES also when nothing is expected of it */
	const struct berth_group_entry *entry; /* that says otherwise */
	const char *term;
};

static void note_entry(struct berth_trace *trace, const char *what,
		       const struct berth_group_entry *entry, const char *effect,
		       enum berth_tri result, const char *term)
{
	note(trace, &(struct berth_check){ .what = what,
					   .name = entry->name,
					   .effect = effect,
					   .origin = &entry->origin,
					   .vm = BERTH_YES,
					   .device = result,
					   .term = term });
}

/* Is it what the device entries expect at its place? A "no" is worse than an "unknown". */
static struct identity check_identity(const struct berth_policy *policy,
				      const struct berth_facts *facts, struct berth_trace *trace)
{
	struct identity id = { .holds = BERTH_YES };

	for (size_t i = 0; i < policy->nr_devices; i++) {
		const struct berth_group_entry *entry = &policy->devices[i];
		const char *term;
		enum berth_tri is = berth_match_eval(entry->match, facts, &term);

		if (is != BERTH_NO)
			note_entry(trace, "device", entry, NULL, is, term);
		if (is != BERTH_YES || !entry->expect)
			continue;
		is = berth_match_eval(entry->expect, facts, &term);
		note_entry(trace, "device", entry, "expect", is, term);
		if (is == BERTH_NO ? id.holds != BERTH_NO :
				     is == BERTH_UNKNOWN && id.holds == BERTH_YES)
			id = (struct identity){ .holds = is, .entry = entry, .term = term };
	}
	return id;
}

static void say_identity(const struct identity *id, const struct berth_facts *facts, char *text,
			 size_t size)
{
	char observed[128];

	berth_match_observed(facts, id->term, observed, sizeof(observed));
	snprintf(text, size,
		 "%s is where policy expects device \"%s\" (%s), but its %s is %s, not what is "
		 "expected there; check the card, then the policy",
		 name_for_people(facts), id->entry->name, BERTH_ORIGIN_STR(&id->entry->origin),
		 id->term, observed);
}

/* --- rules --- */

static enum berth_tri fits_vm(const struct berth_rule *rule, const char *vm)
{
	if (!rule->vms)
		return BERTH_YES;
	if (!vm)
		return BERTH_UNKNOWN;
	for (char **glob = rule->vms; *glob; glob++) {
		if (berth_glob(*glob, vm))
			return BERTH_YES;
	}
	return BERTH_NO;
}

struct candidates {
	const struct berth_rule *allow; /* the strongest that matches */
	const struct berth_rule *deny;	/* the first that matches */
	const struct berth_rule *may_deny;
	const char *unknown; /* the fact that may_deny lacks, or NULL */
};

static void weigh(struct candidates *c, const struct berth_rule *rule, enum berth_tri vm,
		  enum berth_tri device, const char *term)
{
	bool yes = vm == BERTH_YES && device == BERTH_YES;

	if (rule->effect == BERTH_EFFECT_ALLOW) {
		if (yes && (!c->allow || rule->priority > c->allow->priority))
			c->allow = rule;
	} else if (yes) {
		if (!c->deny)
			c->deny = rule;
	} else if (vm != BERTH_NO && device != BERTH_NO && !c->may_deny) {
		c->may_deny = rule;
		c->unknown = term;
	}
}

static struct candidates try_rules(const struct berth_policy *policy,
				   const struct berth_facts *facts, const char *vm,
				   struct berth_trace *trace)
{
	struct candidates c = { 0 };

	for (size_t i = 0; i < policy->nr_rules; i++) {
		const struct berth_rule *rule = &policy->rules[i];
		const char *term;
		enum berth_tri vm_fits = fits_vm(rule, vm);
		enum berth_tri device_fits =
			berth_selector_fits(policy, &rule->resource, facts, &term);

		note(trace, &(struct berth_check){
				    .what = "rule",
				    .name = rule->name,
				    .effect = rule->effect == BERTH_EFFECT_ALLOW ? "allow" : "deny",
				    .origin = &rule->origin,
				    .vm = vm_fits,
				    .device = device_fits,
				    .term = term });
		weigh(&c, rule, vm_fits, device_fits, term);
	}
	return c;
}

static void note_classes(const struct berth_policy *policy, const struct berth_facts *facts,
			 struct berth_trace *trace)
{
	for (size_t i = 0; trace && i < policy->nr_classes; i++) {
		const char *term;
		enum berth_tri in = berth_match_eval(policy->classes[i].match, facts, &term);

		if (in != BERTH_NO)
			note_entry(trace, "class", &policy->classes[i], NULL, in, term);
	}
}

/* --- the verdict --- */

/* "rule "NAME" (PLACE)"; only the place for one without a name. */
static char *rule_for_people(const struct berth_rule *rule, char *buf, size_t size)
{
	snprintf(buf, size, "rule %s%s%s(%s)", rule->name ? "\"" : "", rule->name ? rule->name : "",
		 rule->name ? "\" " : "", BERTH_ORIGIN_STR(&rule->origin));
	return buf;
}

static void settle(struct berth_verdict *v, enum berth_reason reason,
		   const struct berth_origin *origin)
{
	v->reason = reason;
	v->origin = origin;
	v->allow = reason == BERTH_REASON_NO_POLICY || reason == BERTH_REASON_RULE_ALLOWS ||
		   reason == BERTH_REASON_COMPANION;
}

static void settle_by_rules(struct berth_verdict *v, const struct candidates *c, const char *bdf,
			    const char *vm, bool companion)
{
	char rule[480];

	if (c->deny) {
		settle(v, BERTH_REASON_RULE_DENIES, &c->deny->origin);
		snprintf(v->text, sizeof(v->text), "%s denies %s to VM %s",
			 rule_for_people(c->deny, rule, sizeof(rule)), bdf, vm);
	} else if (c->may_deny) {
		settle(v, BERTH_REASON_RULE_MAY_DENY, &c->may_deny->origin);
		snprintf(v->text, sizeof(v->text),
			 "%s may deny %s to VM %s: its %s is not known, and unknown means no",
			 rule_for_people(c->may_deny, rule, sizeof(rule)), bdf, vm,
			 c->unknown ? c->unknown : "place in that pool");
	} else if (c->allow) {
		settle(v, BERTH_REASON_RULE_ALLOWS, &c->allow->origin);
		snprintf(v->text, sizeof(v->text), "%s allows %s for VM %s",
			 rule_for_people(c->allow, rule, sizeof(rule)), bdf, vm);
	} else if (companion) {
		settle(v, BERTH_REASON_COMPANION, NULL);
		snprintf(v->text, sizeof(v->text),
			 "%s only comes along, and no rule denies it to VM %s", bdf, vm);
	} else {
		settle(v, BERTH_REASON_NO_RULE_ALLOWS, NULL);
		snprintf(
			v->text, sizeof(v->text),
			"no policy rule allows %s for VM %s; 'berth policy explain %s --vm %s' shows "
			"every rule",
			bdf, vm, bdf, vm);
	}
}

void berth_policy_decide(const struct berth_policy *policy, const struct berth_facts *facts,
			 const char *vm, bool companion, struct berth_verdict *ret,
			 struct berth_trace *trace)
{
	const char *bdf = name_for_people(facts);
	struct candidates c;
	struct identity id;

	memset(ret, 0, sizeof(*ret));
	if (policy->nr_files == 0) {
		settle(ret, BERTH_REASON_NO_POLICY, NULL);
		snprintf(ret->text, sizeof(ret->text),
			 "there is no policy file: root decides about %s", bdf);
		return;
	}
	id = check_identity(policy, facts, trace);
	note_classes(policy, facts, trace);
	c = try_rules(policy, facts, vm, trace);
	if (id.holds == BERTH_YES) {
		settle_by_rules(ret, &c, bdf, vm ? vm : "(any)", companion);
		return;
	}
	settle(ret,
	       id.holds == BERTH_NO ? BERTH_REASON_IDENTITY_CHANGED : BERTH_REASON_IDENTITY_UNKNOWN,
	       &id.entry->origin);
	say_identity(&id, facts, ret->text, sizeof(ret->text));
}

/* --- finding devices --- */

static int no_such(const char *noun, const char *name, const char *const *known,
		   struct berth_err *err)
{
	const char *meant = known ? berth_nearest(name, known) : NULL;

	return berth_err_set(err, BERTH_ABSENT, "there is no %s \"%s\" in the policy%s%s%s", noun,
			     name, meant ? "; did you mean \"" : "", meant ? meant : "",
			     meant ? "\"?" : "");
}

static int no_such_device(const struct berth_policy *policy, const char *name,
			  struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const char **known = calloc(policy->nr_devices + 1, sizeof(*known));

	for (size_t i = 0; known && i < policy->nr_devices; i++)
		known[i] = policy->devices[i].name;
	return no_such("device", name, known, err);
}

static int no_such_pool(const struct berth_policy *policy, const char *name, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const char **known = calloc(policy->nr_pools + 1, sizeof(*known));

	for (size_t i = 0; known && i < policy->nr_pools; i++)
		known[i] = policy->pools[i].name;
	return no_such("pool", name, known, err);
}

int berth_policy_find_device(const struct berth_policy *policy, const char *name,
			     const struct berth_facts *facts, size_t nr, size_t *ret_index,
			     struct berth_err *err)
{
	const struct berth_group_entry *entry = berth_policy_device(policy, name);
	struct identity id;
	size_t found = nr;
	char text[512];

	if (!entry)
		return no_such_device(policy, name, err);
	for (size_t i = 0; i < nr; i++) {
		if (berth_match_eval(entry->match, &facts[i], NULL) != BERTH_YES)
			continue;
		if (found < nr)
			return berth_err_set(
				err, BERTH_REFUSED,
				"device \"%s\" (%s) fits both %s and %s; make its match "
				"say which one",
				name, BERTH_ORIGIN_STR(&entry->origin),
				name_for_people(&facts[found]), name_for_people(&facts[i]));
		found = i;
	}
	if (found == nr)
		return berth_err_set(err, BERTH_ABSENT,
				     "device \"%s\" (%s) is not here: no device fits its match",
				     name, BERTH_ORIGIN_STR(&entry->origin));
	id = check_identity(policy, &facts[found], NULL);
	if (id.holds != BERTH_YES) {
		say_identity(&id, &facts[found], text, sizeof(text));
		return berth_err_set(err, BERTH_REFUSED, "%s", text);
	}
	*ret_index = found;
	return 0;
}

int berth_policy_find_pool(const struct berth_policy *policy, const char *name,
			   const struct berth_facts *facts, size_t nr, size_t *ret, size_t *ret_nr,
			   struct berth_err *err)
{
	const struct berth_pool_entry *pool = berth_policy_pool(policy, name);
	size_t found = 0;

	if (!pool)
		return no_such_pool(policy, name, err);
	for (size_t i = 0; i < nr; i++) {
		if (berth_pool_has(policy, pool, &facts[i]) == BERTH_YES &&
		    check_identity(policy, &facts[i], NULL).holds == BERTH_YES)
			ret[found++] = i;
	}
	*ret_nr = found;
	return 0;
}

const char *berth_policy_name_of(const struct berth_policy *policy, const struct berth_facts *facts)
{
	for (size_t i = 0; i < policy->nr_devices; i++) {
		if (berth_match_eval(policy->devices[i].match, facts, NULL) == BERTH_YES)
			return policy->devices[i].name;
	}
	return NULL;
}

/* --- settings --- */

static bool has_bind(const struct berth_group_entry *entry)
{
	return entry->has_bind;
}

static bool same_bind(const struct berth_group_entry *a, const struct berth_group_entry *b)
{
	return a->bind == b->bind;
}

static bool has_net(const struct berth_group_entry *entry)
{
	return entry->has_net;
}

static bool same_net(const struct berth_group_entry *a, const struct berth_group_entry *b)
{
	const struct berth_net_policy *x = &a->net, *y = &b->net;

	/* what is not given is zero in both */
	return x->has_mac == y->has_mac && memcmp(x->mac, y->mac, sizeof(x->mac)) == 0 &&
	       x->has_vlan == y->has_vlan && x->vlan == y->vlan && x->has_qos == y->has_qos &&
	       x->qos == y->qos && x->has_trust == y->has_trust && x->trust == y->trust &&
	       x->has_spoofchk == y->has_spoofchk && x->spoofchk == y->spoofchk;
}

struct setting {
	const char *key;
	bool (*has)(const struct berth_group_entry *entry);
	bool (*same)(const struct berth_group_entry *a, const struct berth_group_entry *b);
};

/* The one entry of a kind that sets it for this device. Return: 0, *ret NULL for none; BERTH_REFUSED two differ. */
static int find_setting(const struct berth_group_entry *entries, size_t nr,
			const struct setting *setting, const struct berth_facts *facts,
			const struct berth_group_entry **ret, struct berth_err *err)
{
	const struct berth_group_entry *found = NULL;

	for (size_t i = 0; i < nr; i++) {
		const struct berth_group_entry *entry = &entries[i];

		if (!setting->has(entry) ||
		    berth_match_eval(entry->match, facts, NULL) != BERTH_YES)
			continue;
		if (found && !setting->same(found, entry))
			return berth_err_set(err, BERTH_REFUSED,
					     "policy gives %s two kinds of \"%s\": \"%s\" (%s) and "
					     "\"%s\" (%s)",
					     name_for_people(facts), setting->key, found->name,
					     BERTH_ORIGIN_STR(&found->origin), entry->name,
					     BERTH_ORIGIN_STR(&entry->origin));
		if (!found)
			found = entry;
	}
	*ret = found;
	return 0;
}

static int setting_of(const struct berth_policy *policy, const struct setting *setting,
		      const struct berth_facts *facts, const struct berth_group_entry **ret,
		      struct berth_err *err)
{
	struct identity id = check_identity(policy, facts, NULL);
	char text[512];
	int r;

	if (id.holds != BERTH_YES) {
		say_identity(&id, facts, text, sizeof(text));
		return berth_err_set(err, BERTH_REFUSED, "%s", text);
	}
	r = find_setting(policy->devices, policy->nr_devices, setting, facts, ret, err);
	if (r == 0 && !*ret)
		r = find_setting(policy->classes, policy->nr_classes, setting, facts, ret, err);
	return r;
}

int berth_policy_bind_mode(const struct berth_policy *policy, const struct berth_facts *facts,
			   enum berth_bind_mode *ret, const struct berth_origin **ret_origin,
			   struct berth_err *err)
{
	static const struct setting bind = { "bind", has_bind, same_bind };
	const struct berth_group_entry *entry;
	int r = setting_of(policy, &bind, facts, &entry, err);

	if (r != 0)
		return r;
	*ret = entry ? entry->bind : BERTH_BIND_ON_ASSIGN;
	if (ret_origin)
		*ret_origin = entry ? &entry->origin : NULL;
	return 0;
}

int berth_policy_net(const struct berth_policy *policy, const struct berth_facts *facts,
		     struct berth_net_policy *ret, struct berth_err *err)
{
	static const struct setting net = { "net", has_net, same_net };
	const struct berth_group_entry *entry;
	int r = setting_of(policy, &net, facts, &entry, err);

	if (r == 0)
		*ret = entry ? entry->net : (struct berth_net_policy){ 0 };
	return r;
}
