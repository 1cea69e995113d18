/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rule.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_texts(char **texts)
{
	for (char **t = texts; t && *t; t++)
		free(*t);
	free(texts);
}

static void free_selector(struct berth_selector *selector)
{
	free_texts(selector->names);
	berth_match_free(selector->match);
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
		free_texts(rules[i].tenants);
		free_selector(&rules[i].resource);
	}
	free(rules);
}

static void free_tenants(struct berth_tenant_entry *tenants, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		for (size_t q = 0; q < tenants[i].nr_quotas; q++) {
			free(tenants[i].quotas[q].of);
			free(tenants[i].quotas[q].origin.pointer);
		}
		free(tenants[i].quotas);
		free(tenants[i].name);
		free(tenants[i].origin.pointer);
		free_texts(tenants[i].vms);
		free_texts(tenants[i].users);
	}
	free(tenants);
}

static void free_protects(struct berth_protect_entry *protects, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(protects[i].name);
		free(protects[i].origin.pointer);
		berth_match_free(protects[i].match);
	}
	free(protects);
}

static void free_taints(struct berth_taint_entry *taints, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(taints[i].taint);
		free(taints[i].origin.pointer);
		free_selector(&taints[i].resource);
	}
	free(taints);
}

static void free_sriovs(struct berth_sriov_entry *sriovs, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(sriovs[i].pf);
		free(sriovs[i].origin.pointer);
	}
	free(sriovs);
}

static void free_claim(struct berth_claim_entry *claim)
{
	for (size_t i = 0; i < claim->nr_requests; i++) {
		free(claim->requests[i].name);
		free(claim->requests[i].origin.pointer);
		free_selector(&claim->requests[i].resource);
	}
	for (size_t i = 0; i < claim->nr_constraints; i++) {
		free(claim->constraints[i].attribute);
		free(claim->constraints[i].origin.pointer);
		free_texts(claim->constraints[i].of);
	}
	for (size_t i = 0; i < claim->nr_alternatives; i++)
		free(claim->alternatives[i].origin.pointer);
	free(claim->requests);
	free(claim->constraints);
	free(claim->alternatives);
	free(claim->vm);
	free(claim->origin.pointer);
	free_texts(claim->tolerate);
}

void berth_policy_free(struct berth_policy *policy)
{
	if (!policy)
		return;
	free_entries(policy->devices, policy->nr_devices);
	free_entries(policy->classes, policy->nr_classes);
	free_pools(policy->pools, policy->nr_pools);
	free_rules(policy->rules, policy->nr_rules);
	free_tenants(policy->tenants, policy->nr_tenants);
	free_protects(policy->protects, policy->nr_protects);
	free_taints(policy->taints, policy->nr_taints);
	free_sriovs(policy->sriovs, policy->nr_sriovs);
	for (size_t i = 0; i < policy->nr_claims; i++)
		free_claim(&policy->claims[i]);
	free(policy->claims);
	free(policy->defaults.min_isolation);
	free(policy->defaults.origin.pointer);
	for (size_t i = 0; i < policy->nr_files; i++)
		free(policy->files[i]);
	free(policy->files);
	for (size_t i = 0; i < policy->nr_warnings; i++)
		free(policy->warnings[i]);
	free(policy->warnings);
	for (size_t i = 0; i < policy->nr_masks; i++) {
		free(policy->masks[i].file);
		free(policy->masks[i].by);
	}
	free(policy->masks);
	free(policy);
}

/* Devices, classes, pools and tenants begin with their name, claims with their VM's; bsearch() hands over the key and an element. */
static int cmp_name(const void *key, const void *element)
{
	return strcmp(key, *(char *const *)element);
}

_Static_assert(offsetof(struct berth_group_entry, name) == 0, "cmp_name() reads it there");
_Static_assert(offsetof(struct berth_pool_entry, name) == 0, "cmp_name() reads it there");
_Static_assert(offsetof(struct berth_tenant_entry, name) == 0, "cmp_name() reads it there");
_Static_assert(offsetof(struct berth_claim_entry, vm) == 0, "cmp_name() reads it there");

const struct berth_tenant_entry *berth_policy_tenant(const struct berth_policy *policy,
						     const char *name)
{
	return policy->nr_tenants ? bsearch(name, policy->tenants, policy->nr_tenants,
					    sizeof(*policy->tenants), cmp_name) :
				    NULL;
}

const struct berth_claim_entry *berth_policy_claim(const struct berth_policy *policy,
						   const char *vm)
{
	return policy->nr_claims ? bsearch(vm, policy->claims, policy->nr_claims,
					   sizeof(*policy->claims), cmp_name) :
				   NULL;
}

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
	/* what is in no file has no line */
	if (!origin->line)
		snprintf(buf, size, "%s, %s", origin->file, origin->pointer);
	else
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

static enum berth_tri fits_name(const struct berth_policy *policy, enum berth_resource kind,
				const char *name, const struct berth_facts *facts,
				const char **ret_term)
{
	switch (kind) {
	case BERTH_RESOURCE_DEVICE:
		return berth_match_eval(berth_policy_device(policy, name)->match, facts, ret_term);
	case BERTH_RESOURCE_CLASS:
		return berth_match_eval(berth_policy_class(policy, name)->match, facts, ret_term);
	case BERTH_RESOURCE_POOL:
		*ret_term = NULL;
		return berth_pool_has(policy, berth_policy_pool(policy, name), facts);
	case BERTH_RESOURCE_MATCH:
		break;
	}
	assert(!"a match has no names");
	return BERTH_UNKNOWN;
}

enum berth_tri berth_selector_fits(const struct berth_policy *policy,
				   const struct berth_selector *selector,
				   const struct berth_facts *facts, const char **ret_term)
{
	enum berth_tri all = BERTH_NO;

	if (selector->kind == BERTH_RESOURCE_MATCH)
		return berth_match_eval(selector->match, facts, ret_term);
	*ret_term = NULL;
	for (char **name = selector->names; *name; name++) {
		const char *term;
		enum berth_tri one = fits_name(policy, selector->kind, *name, facts, &term);

		if (one == BERTH_YES) {
			*ret_term = NULL;
			return BERTH_YES;
		}
		if (one == BERTH_UNKNOWN || all == BERTH_NO)
			*ret_term = term;
		if (one == BERTH_UNKNOWN)
			all = BERTH_UNKNOWN;
	}
	return all;
}

static bool asks(const struct berth_match *match, const char *attribute)
{
	return match && berth_match_has(match, attribute);
}

static bool claim_asks(const struct berth_claim_entry *claim, const char *attribute)
{
	for (size_t i = 0; i < claim->nr_requests; i++)
		if (asks(claim->requests[i].resource.match, attribute))
			return true;
	for (size_t i = 0; i < claim->nr_constraints; i++)
		if (claim->constraints[i].attribute &&
		    strcmp(claim->constraints[i].attribute, attribute) == 0)
			return true;
	return false;
}

bool berth_policy_asks(const struct berth_policy *p, const char *attribute)
{
	for (size_t i = 0; i < p->nr_devices; i++)
		if (asks(p->devices[i].match, attribute) || asks(p->devices[i].expect, attribute))
			return true;
	for (size_t i = 0; i < p->nr_classes; i++)
		if (asks(p->classes[i].match, attribute))
			return true;
	for (size_t i = 0; i < p->nr_pools; i++)
		if (asks(p->pools[i].match, attribute))
			return true;
	for (size_t i = 0; i < p->nr_rules; i++)
		if (asks(p->rules[i].resource.match, attribute))
			return true;
	for (size_t i = 0; i < p->nr_protects; i++)
		if (asks(p->protects[i].match, attribute))
			return true;
	for (size_t i = 0; i < p->nr_taints; i++)
		if (asks(p->taints[i].resource.match, attribute))
			return true;
	for (size_t i = 0; i < p->nr_claims; i++)
		if (claim_asks(&p->claims[i], attribute))
			return true;
	return false;
}
