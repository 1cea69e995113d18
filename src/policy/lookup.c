/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/lookup.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"

static const char *name_for_people(const struct berth_facts *facts)
{
	return facts->bdf ? facts->bdf : facts->path ? facts->path : "the device";
}

/* --- identity --- */

struct identity {
	enum berth_tri holds;		       /* BERTH_YES also when nothing is expected of it */
	const struct berth_group_entry *entry; /* that says otherwise */
	const char *term;
};

/* Is it what the device entries expect at its place? A "no" is worse than an "unknown". */
static struct identity check_identity(const struct berth_policy *policy,
				      const struct berth_facts *facts)
{
	struct identity id = { .holds = BERTH_YES };

	for (size_t i = 0; i < policy->nr_devices; i++) {
		const struct berth_group_entry *entry = &policy->devices[i];
		const char *term;
		enum berth_tri is = berth_match_eval(entry->match, facts, &term);

		if (is != BERTH_YES || !entry->expect)
			continue;
		is = berth_match_eval(entry->expect, facts, &term);
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

/* --- finding devices --- */

static int no_such(const char *noun, const char *name, const char *const *known,
		   struct berth_err *err)
{
	const char *meant = known ? berth_nearest(name, known) : NULL;

	return berth_err_set(err, BERTH_ABSENT, "there is no %s \"%s\" in the policy%s%s%s", noun,
			     name, meant ? "; did you mean \"" : "; ",
			     meant ? meant : "'berth policy show' lists what is there",
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
	id = check_identity(policy, &facts[found]);
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
		    check_identity(policy, &facts[i]).holds == BERTH_YES)
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
	struct identity id = check_identity(policy, facts);
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

/* What the wish for its PF says of every VF; nothing for anything but a VF. */
static struct berth_net_policy vf_defaults(const struct berth_policy *policy,
					   const struct berth_facts *facts)
{
	for (size_t i = 0; facts->is_vf && facts->pf && i < policy->nr_sriovs; i++) {
		const struct berth_group_entry *pf =
			berth_policy_device(policy, policy->sriovs[i].pf);

		if (pf && berth_match_eval(pf->match, facts->pf, NULL) == BERTH_YES)
			return policy->sriovs[i].vf_defaults;
	}
	return (struct berth_net_policy){ 0 };
}

int berth_policy_net(const struct berth_policy *policy, const struct berth_facts *facts,
		     struct berth_net_policy *ret, struct berth_err *err)
{
	static const struct setting net = { "net", has_net, same_net };
	const struct berth_group_entry *entry;
	int r = setting_of(policy, &net, facts, &entry, err);

	if (r == 0)
		*ret = entry ? entry->net : vf_defaults(policy, facts);
	return r;
}
