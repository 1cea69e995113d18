/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/whole.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "policy/glob.h"
#include "policy/rule.h"

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

__attribute__((format(printf, 3, 4))) static int
bad_origin(const struct berth_origin *origin, struct berth_err *err, const char *fmt, ...)
{
	char words[BERTH_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return berth_err_set(err, -EINVAL, "%s:%u:%u: %s: %s", origin->file, origin->line,
			     origin->column, origin->pointer, words);
}

/* --- order, and names that occur twice --- */

/* A vector of entries. Those that have names begin with them. */
struct kind {
	const char *noun; /* in "there is a NOUN "x" already"; NULL: without names */
	void *entries;
	size_t nr, size, origin;
};

#define KIND(noun, type, p, vector)                                                                \
	{                                                                                          \
		noun, (p)->vector, (p)->nr_##vector, sizeof(struct type),                          \
			offsetof(struct type, origin)                                              \
	}

static const char *name_of(const void *entry)
{
	return *(char *const *)entry;
}

static const struct berth_origin *origin_of(const struct kind *kind, const void *entry)
{
	return (const struct berth_origin *)((const char *)entry + kind->origin);
}

/* So that neither meaning nor messages depend on the order in which files were given. */
static int cmp_origin(const struct berth_origin *a, const struct berth_origin *b)
{
	int c = strcmp(a->file, b->file);

	if (c == 0)
		c = (a->line > b->line) - (a->line < b->line);
	return c ? c : (a->column > b->column) - (a->column < b->column);
}

static int cmp_entry(const void *a, const void *b, void *arg)
{
	const struct kind *kind = arg;
	int c = kind->noun ? strcmp(name_of(a), name_of(b)) : 0;

	return c ? c : cmp_origin(origin_of(kind, a), origin_of(kind, b));
}

static int twice(const char *noun, const char *name, const struct berth_origin *a,
		 const struct berth_origin *b, struct berth_err *err)
{
	return bad_origin(b, err, "there is a %s \"%s\" already, at %s:%u:%u", noun, name, a->file,
			  a->line, a->column);
}

static int sort_kind(struct kind *kind, struct berth_err *err)
{
	if (kind->nr)
		qsort_r(kind->entries, kind->nr, kind->size, cmp_entry, kind);
	for (size_t i = 1; kind->noun && i < kind->nr; i++) {
		const char *one = (char *)kind->entries + (i - 1) * kind->size,
			   *other = one + kind->size;

		if (strcmp(name_of(one), name_of(other)) == 0)
			return twice(kind->noun, name_of(one), origin_of(kind, one),
				     origin_of(kind, other), err);
	}
	return 0;
}

static int sort_all(struct berth_policy *p, struct berth_err *err)
{
	struct kind kinds[] = {
		KIND("device", berth_group_entry, p, devices),
		KIND("class", berth_group_entry, p, classes),
		KIND("pool", berth_pool_entry, p, pools),
		KIND("tenant", berth_tenant_entry, p, tenants),
		KIND("protect entry", berth_protect_entry, p, protects),
		KIND("sriov entry of", berth_sriov_entry, p, sriovs),
		KIND("claim of", berth_claim_entry, p, claims),
		KIND(NULL, berth_rule, p, rules),
		KIND(NULL, berth_taint_entry, p, taints),
	};
	int r = 0;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(kinds) && r == 0; i++)
		r = sort_kind(&kinds[i], err);
	return r;
}

static int cmp_rule_name(const void *a, const void *b)
{
	const struct berth_rule *x = *(const struct berth_rule *const *)a,
				*y = *(const struct berth_rule *const *)b;
	int c = strcmp(x->name, y->name);

	return c ? c : cmp_origin(&x->origin, &y->origin);
}

static int check_rule_names(const struct berth_policy *policy, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_rule **named = NULL;
	size_t nr = 0;

	named = calloc(policy->nr_rules + 1, sizeof(struct berth_rule *));
	if (!named)
		return no_memory(err);
	for (size_t i = 0; i < policy->nr_rules; i++) {
		if (policy->rules[i].name)
			named[nr++] = &policy->rules[i];
	}
	qsort(named, nr, sizeof(*named), cmp_rule_name);
	for (size_t i = 1; i < nr; i++) {
		if (strcmp(named[i - 1]->name, named[i]->name) == 0)
			return twice("rule", named[i]->name, &named[i - 1]->origin,
				     &named[i]->origin, err);
	}
	return 0;
}

/* --- names that nothing has --- */

static bool has_name(const struct berth_policy *p, const char *noun, const char *name)
{
	return strcmp(noun, "device") == 0 ? berth_policy_device(p, name) != NULL :
	       strcmp(noun, "class") == 0  ? berth_policy_class(p, name) != NULL :
	       strcmp(noun, "pool") == 0   ? berth_policy_pool(p, name) != NULL :
					     berth_policy_tenant(p, name) != NULL;
}

/* NULL-terminated; owned vector of borrowed names. */
static const char **names_of(const struct berth_policy *p, const char *noun)
{
	const struct kind kinds[] = {
		KIND("device", berth_group_entry, p, devices),
		KIND("class", berth_group_entry, p, classes),
		KIND("pool", berth_pool_entry, p, pools),
		KIND("tenant", berth_tenant_entry, p, tenants),
	};
	const struct kind *kind = kinds;
	const char **names;

	while (strcmp(kind->noun, noun) != 0)
		kind++;
	names = calloc(kind->nr + 1, sizeof(*names));
	for (size_t i = 0; names && i < kind->nr; i++)
		names[i] = name_of((const char *)kind->entries + i * kind->size);
	return names;
}

static int check_name(const struct berth_policy *policy, const struct berth_origin *origin,
		      const char *noun, const char *name, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const char **known = NULL;
	const char *meant;

	if (has_name(policy, noun, name))
		return 0;
	known = names_of(policy, noun);
	meant = known ? berth_nearest(name, known) : NULL;
	return bad_origin(origin, err, "there is no %s \"%s\" in the policy%s%s%s", noun, name,
			  meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

static int check_names(const struct berth_policy *policy, const struct berth_origin *origin,
		       const char *noun, char **names, struct berth_err *err)
{
	int r = 0;

	for (; names && *names && r == 0; names++)
		r = check_name(policy, origin, noun, *names, err);
	return r;
}

static int check_selector(const struct berth_policy *policy, const struct berth_origin *origin,
			  const struct berth_selector *selector, struct berth_err *err)
{
	static const char *const nouns[] = { [BERTH_RESOURCE_DEVICE] = "device",
					     [BERTH_RESOURCE_CLASS] = "class",
					     [BERTH_RESOURCE_POOL] = "pool" };

	if (selector->kind == BERTH_RESOURCE_MATCH)
		return 0;
	return check_names(policy, origin, nouns[selector->kind], selector->names, err);
}

static int check_pools(const struct berth_policy *p, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->nr_pools && r == 0; i++) {
		const struct berth_pool_entry *pool = &p->pools[i];

		r = check_names(p, &pool->origin, "device", pool->devices, err);
		if (r == 0)
			r = check_names(p, &pool->origin, "class", pool->classes, err);
	}
	return r;
}

static int check_rules(const struct berth_policy *p, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->nr_rules && r == 0; i++) {
		const struct berth_rule *rule = &p->rules[i];

		r = check_selector(p, &rule->origin, &rule->resource, err);
		if (r == 0)
			r = check_names(p, &rule->origin, "tenant", rule->tenants, err);
	}
	for (size_t i = 0; i < p->nr_taints && r == 0; i++)
		r = check_selector(p, &p->taints[i].origin, &p->taints[i].resource, err);
	for (size_t i = 0; i < p->nr_sriovs && r == 0; i++)
		r = check_name(p, &p->sriovs[i].origin, "device", p->sriovs[i].pf, err);
	return r;
}

/* --- tenants --- */

/* A quota says only a name: find out of what. */
static int check_quota(const struct berth_policy *p, struct berth_quota *quota,
		       struct berth_err *err)
{
	bool class = berth_policy_class(p, quota->of), pool = berth_policy_pool(p, quota->of);

	if (class && pool)
		return bad_origin(&quota->origin, err,
				  "there are both a class and a pool \"%s\"; give one of them "
				  "another name",
				  quota->of);
	quota->pool = pool;
	return pool ? 0 : check_name(p, &quota->origin, "class", quota->of, err);
}

/* A name or pattern of a tenant. */
struct vm {
	const char *text;
	const struct berth_tenant_entry *tenant;
};

static int cmp_vm(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : strcmp(x->tenant->name, y->tenant->name);
}

static int two_tenants(const struct vm *a, const struct vm *b, const char *name,
		       struct berth_err *err)
{
	return bad_origin(&b->tenant->origin, err,
			  "the VM \"%s\" belongs to the tenant \"%s\" already, at %s:%u:%u", name,
			  a->tenant->name, a->tenant->origin.file, a->tenant->origin.line,
			  a->tenant->origin.column);
}

/* What can be seen without knowing any VM: a name, or the very same pattern, that two tenants have. */
static int compare_vms(const struct vm *vms, size_t nr, struct berth_err *err)
{
	for (size_t i = 1; i < nr; i++) {
		if (strcmp(vms[i - 1].text, vms[i].text) == 0 && vms[i - 1].tenant != vms[i].tenant)
			return two_tenants(&vms[i - 1], &vms[i], vms[i].text, err);
	}
	for (size_t i = 0; i < nr; i++) {
		if (berth_glob_is(vms[i].text))
			continue;
		for (size_t g = 0; g < nr; g++) {
			if (vms[g].tenant != vms[i].tenant && berth_glob_is(vms[g].text) &&
			    berth_glob(vms[g].text, vms[i].text))
				return two_tenants(&vms[g], &vms[i], vms[i].text, err);
		}
	}
	return 0;
}

/* Every name and pattern of every tenant, sorted; *@ret owned. */
static int collect_vms(const struct berth_policy *p, struct vm **ret, size_t *ret_nr,
		       struct berth_err *err)
{
	size_t nr = 0;

	*ret = calloc(BERTH_POLICY_MAX_TENANT_VMS, sizeof(**ret));
	if (!*ret)
		return no_memory(err);
	for (size_t i = 0; i < p->nr_tenants; i++) {
		for (char **vm = p->tenants[i].vms; *vm; vm++) {
			if (nr == BERTH_POLICY_MAX_TENANT_VMS)
				return bad_origin(
					&p->tenants[i].origin, err,
					"the tenants have more than %d names and patterns",
					BERTH_POLICY_MAX_TENANT_VMS);
			(*ret)[nr++] = (struct vm){ *vm, &p->tenants[i] };
		}
	}
	qsort(*ret, nr, sizeof(**ret), cmp_vm);
	*ret_nr = nr;
	return 0;
}

static const struct berth_tenant_entry *tenant_of(const struct vm *vms, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++) {
		if (berth_glob(vms[i].text, name))
			return vms[i].tenant;
	}
	return NULL;
}

static int check_claims(struct berth_policy *p, const struct vm *vms, size_t nr,
			struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->nr_claims && r == 0; i++) {
		struct berth_claim_entry *claim = &p->claims[i];
		const struct berth_tenant_entry *tenant = tenant_of(vms, nr, claim->vm);

		if (tenant && claim->priority > tenant->max_priority)
			return bad_origin(&claim->origin, err,
					  "priority %d is above %d, the \"max_priority\" of the "
					  "tenant \"%s\"",
					  claim->priority, tenant->max_priority, tenant->name);
		if (!claim->has_numa)
			claim->numa = p->defaults.has_numa ? p->defaults.numa :
							     BERTH_NUMA_PREFERRED;
		for (size_t n = 0; n < claim->nr_requests && r == 0; n++)
			r = check_selector(p, &claim->requests[n].origin,
					   &claim->requests[n].resource, err);
	}
	return r;
}

static int check_people(struct berth_policy *p, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct vm *vms = NULL;
	size_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < p->nr_tenants && r == 0; i++) {
		for (size_t q = 0; q < p->tenants[i].nr_quotas && r == 0; q++)
			r = check_quota(p, &p->tenants[i].quotas[q], err);
	}
	if (r == 0)
		r = collect_vms(p, &vms, &nr, err);
	if (r == 0)
		r = compare_vms(vms, nr, err);
	return r == 0 ? check_claims(p, vms, nr, err) : r;
}

int berth_policy_check_whole(struct berth_policy *policy, struct berth_err *err)
{
	int r = sort_all(policy, err);

	if (r == 0)
		r = check_rule_names(policy, err);
	if (r == 0)
		r = check_pools(policy, err);
	if (r == 0)
		r = check_rules(policy, err);
	return r == 0 ? check_people(policy, err) : r;
}
