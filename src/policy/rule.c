/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_texts(char **texts)
{
	for (char **t = texts; t && *t; t++)
		free(*t);
	free(texts);
}

static void free_entries(struct berth_group_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(entries[i].name);
		free(entries[i].origin.pointer);
		berth_match_free(entries[i].match);
		berth_match_free(entries[i].expect);
	}
	free(entries);
}

static void free_pools(struct berth_pool_entry *pools, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(pools[i].name);
		free(pools[i].origin.pointer);
		free_texts(pools[i].devices);
		free_texts(pools[i].classes);
		berth_match_free(pools[i].match);
	}
	free(pools);
}

static void free_rules(struct berth_rule *rules, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(rules[i].name);
		free(rules[i].origin.pointer);
		free_texts(rules[i].vms);
		free_texts(rules[i].names);
		berth_match_free(rules[i].match);
	}
	free(rules);
}

void berth_policy_free(struct berth_policy *policy)
{
	if (!policy)
		return;
	free_entries(policy->devices, policy->nr_devices);
	free_entries(policy->classes, policy->nr_classes);
	free_pools(policy->pools, policy->nr_pools);
	free_rules(policy->rules, policy->nr_rules);
	for (size_t i = 0; i < policy->nr_files; i++)
		free(policy->files[i]);
	free(policy->files);
	for (size_t i = 0; i < policy->nr_warnings; i++)
		free(policy->warnings[i]);
	free(policy->warnings);
	free(policy);
}

/* Devices, classes and pools begin with their name; bsearch() hands over the key and an element. */
static int cmp_name(const void *key, const void *element)
{
	return strcmp(key, *(char *const *)element);
}

_Static_assert(offsetof(struct berth_group_entry, name) == 0, "cmp_name() reads it there");
_Static_assert(offsetof(struct berth_pool_entry, name) == 0, "cmp_name() reads it there");

const struct berth_group_entry *berth_policy_device(const struct berth_policy *policy,
						    const char *name)
{
	return policy->nr_devices ? bsearch(name, policy->devices, policy->nr_devices,
					    sizeof(*policy->devices), cmp_name) :
				    NULL;
}

const struct berth_group_entry *berth_policy_class(const struct berth_policy *policy,
						   const char *name)
{
	return policy->nr_classes ? bsearch(name, policy->classes, policy->nr_classes,
					    sizeof(*policy->classes), cmp_name) :
				    NULL;
}

const struct berth_pool_entry *berth_policy_pool(const struct berth_policy *policy,
						 const char *name)
{
	return policy->nr_pools ? bsearch(name, policy->pools, policy->nr_pools,
					  sizeof(*policy->pools), cmp_name) :
				  NULL;
}

char *berth_origin_format(const struct berth_origin *origin, char *buf, size_t size)
{
	snprintf(buf, size, "%s:%u:%u, %s", origin->file, origin->line, origin->column,
		 origin->pointer);
	return buf;
}

static enum berth_tri either(enum berth_tri a, enum berth_tri b)
{
	if (a == BERTH_YES || b == BERTH_YES)
		return BERTH_YES;
	return a == BERTH_UNKNOWN || b == BERTH_UNKNOWN ? BERTH_UNKNOWN : BERTH_NO;
}

static enum berth_tri both(enum berth_tri a, enum berth_tri b)
{
	if (a == BERTH_NO || b == BERTH_NO)
		return BERTH_NO;
	return a == BERTH_UNKNOWN || b == BERTH_UNKNOWN ? BERTH_UNKNOWN : BERTH_YES;
}

enum berth_tri berth_pool_has(const struct berth_policy *policy,
			      const struct berth_pool_entry *pool, const struct berth_facts *facts)
{
	enum berth_tri in = BERTH_NO;

	for (char **name = pool->devices; name && *name; name++)
		in = either(in, berth_match_eval(berth_policy_device(policy, *name)->match, facts,
						 NULL));
	for (char **name = pool->classes; name && *name; name++)
		in = either(in, berth_match_eval(berth_policy_class(policy, *name)->match, facts,
						 NULL));
	if (pool->match)
		in = both(in, berth_match_eval(pool->match, facts, NULL));
	return in;
}
