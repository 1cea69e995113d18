/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth policy show: every entry, with the devices that fit it now. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "manager/view.h"
#include "policy/vote.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/policy_scene.h"

static const struct berth_out_col cols[] = {
	{ "kind", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, 0 },
	{ "effect", NULL, BERTH_OUT_STRING, 0 },
	{ "priority", NULL, BERTH_OUT_NUMBER, BERTH_OUT_EXTRA },
	{ "vms", NULL, BERTH_OUT_STRING, 0 },
	{ "bind", NULL, BERTH_OUT_STRING, 0 },
	{ "details", NULL, BERTH_OUT_STRING, 0 },
	{ "devices", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
	{ "file", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "line", NULL, BERTH_OUT_NUMBER, BERTH_OUT_EXTRA },
	{ "pointer", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
};

/* --- texts --- */

/* "a b c": the names of VMs, the BDFs of devices, what else there is to say. */
__attribute__((format(printf, 2, 3))) static void append(char **text, const char *fmt, ...)
{
	char *word = NULL, *longer = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&word, fmt, ap);
	va_end(ap);
	if (r < 0)
		return;
	if (asprintf(&longer, "%s%s%s", *text ? *text : "", *text ? " " : "", word) >= 0) {
		free(*text);
		*text = longer;
	}
	free(word);
}

static void append_all(char **text, const char *prefix, char *const *words)
{
	for (; words && *words; words++)
		append(text, "%s%s", prefix, *words);
}

/* --- rows --- */

static struct berth_out_row *add(struct berth_out *out, const char *kind, const char *name,
				 const struct berth_origin *origin)
{
	struct berth_out_row *row = berth_out_add(out, NULL);

	berth_out_str(row, "kind", kind);
	berth_out_str(row, "name", name);
	berth_out_str(row, "file", origin->file);
	berth_out_num(row, "line", origin->line);
	berth_out_str(row, "pointer", origin->pointer);
	return row;
}

/* Takes @text, which may be NULL. */
static void set(struct berth_out_row *row, const char *key, char *text)
{
	berth_out_str(row, key, text);
	free(text);
}

/* What is asked about each device: @match, else @pool, else @selector. */
static void set_devices(struct berth_out_row *row, const struct policy_scene *s,
			const struct berth_match *match, const struct berth_pool_entry *pool,
			const struct berth_selector *selector)
{
	char *text = NULL;

	for (size_t i = 0; i < s->view->world->nr; i++) {
		const struct berth_facts *facts = &s->view->world->facts[i];
		enum berth_tri fits = match ? berth_match_eval(match, facts, NULL) :
				      pool  ? berth_pool_has(s->policy, pool, facts) :
					      berth_selector_fits(s->policy, selector, facts,
								  &(const char *){ 0 });

		if (fits == BERTH_YES)
			append(&text, "%s", facts->bdf);
	}
	set(row, "devices", text);
}

static void add_defaults(struct berth_out *out, const struct berth_policy_defaults *defaults)
{
	static const char *const numa[] = { "none", "preferred", "required" };
	char *text = NULL;

	if (!defaults->origin.pointer)
		return;
	if (defaults->has_min_isolation)
		append(&text, "min_isolation=%s", defaults->min_isolation);
	if (defaults->has_numa)
		append(&text, "numa=%s", numa[defaults->numa]);
	if (defaults->has_unbind_timeout)
		append(&text, "unbind_timeout_s=%u", defaults->unbind_timeout_s);
	set(add(out, "defaults", NULL, &defaults->origin), "details", text);
}

static void add_entries(struct berth_out *out, const struct policy_scene *s, const char *kind,
			const struct berth_group_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct berth_out_row *row = add(out, kind, entries[i].name, &entries[i].origin);

		if (entries[i].has_bind)
			berth_out_str(row, "bind",
				      entries[i].bind == BERTH_BIND_AUTO ? "auto" : "on-assign");
		set_devices(row, s, entries[i].match, NULL, NULL);
	}
}

static void add_pool(struct berth_out *out, const struct policy_scene *s,
		     const struct berth_pool_entry *pool)
{
	struct berth_out_row *row = add(out, "pool", pool->name, &pool->origin);
	char *text = NULL;

	if (pool->order != BERTH_ORDER_LISTED)
		append(&text, "order=%s", pool->order == BERTH_ORDER_PACK ? "pack" : "spread");
	if (pool->keep_free)
		append(&text, "keep_free=%u", pool->keep_free);
	set(row, "details", text);
	set_devices(row, s, NULL, pool, NULL);
}

static void add_tenant(struct berth_out *out, const struct berth_tenant_entry *tenant)
{
	struct berth_out_row *row = add(out, "tenant", tenant->name, &tenant->origin);
	char *vms = NULL, *text = NULL;

	append_all(&vms, "", tenant->vms);
	for (size_t i = 0; i < tenant->nr_quotas; i++)
		append(&text, "%s<=%u", tenant->quotas[i].of, tenant->quotas[i].hard);
	append(&text, "max_priority=%d", tenant->max_priority);
	set(row, "vms", vms);
	set(row, "details", text);
}

static void append_time(char **text, const char *what, int64_t seconds)
{
	char buf[32];

	if (seconds)
		append(text, "%s=%s", what, berth_out_time(seconds, buf));
}

static char *rule_details(const struct berth_rule *rule)
{
	static const char *const actions[] = { "notify", "detach", "shutdown" };
	char *text = NULL;

	if (rule->count)
		append(&text, "count=%u", rule->count);
	append_time(&text, "from", rule->from);
	append_time(&text, "until", rule->until);
	if (rule->lease.max_s)
		append(&text, "lease=%llds", (long long)rule->lease.max_s);
	if (rule->lease.has_on_expiry)
		append(&text, "on_expiry=%s", actions[rule->lease.on_expiry]);
	if (rule->preempt_lower)
		append(&text, "preempt=lower");
	if (rule->override_protect)
		append(&text, "override_protect");
	return text;
}

static void add_rule(struct berth_out *out, const struct policy_scene *s,
		     const struct berth_rule *rule)
{
	struct berth_out_row *row = add(out, "rule", rule->name, &rule->origin);
	char *vms = NULL;

	append_all(&vms, "", rule->vms);
	append_all(&vms, "tenant:", rule->tenants);
	if (!rule->vms && !rule->tenants)
		append(&vms, "*");
	berth_out_str(row, "effect", berth_effect_name(rule->effect));
	berth_out_num(row, "priority", rule->priority);
	set(row, "vms", vms);
	set(row, "details", rule_details(rule));
	set_devices(row, s, NULL, NULL, &rule->resource);
}

static void add_taint(struct berth_out *out, const struct policy_scene *s,
		      const struct berth_taint_entry *taint)
{
	static const char *const effects[] = { "report", "no-new", "evict" };
	struct berth_out_row *row = add(out, "taint", taint->taint, &taint->origin);

	berth_out_str(row, "effect", effects[taint->effect]);
	set_devices(row, s, NULL, NULL, &taint->resource);
}

static void add_claim(struct berth_out *out, const struct berth_claim_entry *claim)
{
	struct berth_out_row *row = add(out, "claim", NULL, &claim->origin);
	char *text = NULL;

	for (size_t i = 0; i < claim->nr_requests; i++)
		append(&text, "%s=%u", claim->requests[i].name, claim->requests[i].count);
	berth_out_str(row, "vms", claim->vm);
	berth_out_num(row, "priority", claim->priority);
	set(row, "details", text);
}

static void add_all(struct berth_out *out, const struct policy_scene *s)
{
	const struct berth_policy *p = s->policy;

	add_defaults(out, &p->defaults);
	for (size_t i = 0; i < p->nr_protects; i++)
		set_devices(add(out, "protect", p->protects[i].name, &p->protects[i].origin), s,
			    p->protects[i].match, NULL, NULL);
	add_entries(out, s, "device", p->devices, p->nr_devices);
	add_entries(out, s, "class", p->classes, p->nr_classes);
	for (size_t i = 0; i < p->nr_sriovs; i++)
		berth_out_fmt(add(out, "sriov", p->sriovs[i].pf, &p->sriovs[i].origin), "details",
			      "num_vfs=%u", p->sriovs[i].num_vfs);
	for (size_t i = 0; i < p->nr_pools; i++)
		add_pool(out, s, &p->pools[i]);
	for (size_t i = 0; i < p->nr_tenants; i++)
		add_tenant(out, &p->tenants[i]);
	for (size_t i = 0; i < p->nr_rules; i++)
		add_rule(out, s, &p->rules[i]);
	for (size_t i = 0; i < p->nr_taints; i++)
		add_taint(out, s, &p->taints[i]);
	for (size_t i = 0; i < p->nr_claims; i++)
		add_claim(out, &p->claims[i]);
}

int policy_show(const struct berth_cmd *cmd, struct berth_host *host,
		const struct policy_args *args)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	if (args->nr || args->vm)
		return berth_usage(cmd, "show takes no more arguments");
	r = policy_scene_read(&s, host, NULL, &err);
	if (r == 0)
		r = berth_out_new(&out, "entries", cols, BERTH_ARRAY_SIZE(cols),
				  args->json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	add_all(out, &s);
	if (!args->json && s.policy->nr_files == 0)
		policy_say_none(host);
	r = berth_out_print(out, stdout, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}
