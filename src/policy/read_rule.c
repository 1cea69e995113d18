/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may have what: rules and taints. */
#include "base/err.h"
#include "policy/load.h"
#include "policy/read.h"

/* --- subject --- */

static int read_any_vm(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	bool any = false;
	int r = berth_read_bool(reader, at, &any, err);

	(void)into; /* a rule without vms and tenants is about any VM */
	if (r == 0 && !any)
		r = berth_json_bad(at, err, "\"any_vm\" can only be true");
	return r;
}

static int check_subject(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	(void)reader, (void)into;
	if (json_object_size(at->value) == 1)
		return 0;
	return berth_json_bad(at, err,
			      "must be { \"vm\": … }, { \"tenant\": … } or { \"any_vm\": true }, "
			      "one of them");
}

static const struct berth_key subject_keys[] = {
	{ "vm", false, berth_read_vms, offsetof(struct berth_rule, vms) },
	{ "tenant", false, berth_read_names, offsetof(struct berth_rule, tenants) },
	{ "any_vm", false, read_any_vm, 0 },
	{ 0 },
};

const struct berth_object berth_object_subject = { "subject", subject_keys, check_subject };

static int read_subject(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	return berth_read_object(reader, &berth_object_subject, at, into, err);
}

/* --- resource --- */

static int check_resource(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err)
{
	(void)reader, (void)into;
	return berth_read_sel_check(at, err);
}

static const struct berth_key resource_keys[] = {
	BERTH_SELECTOR_KEYS(offsetof(struct berth_rule, resource)),
	{ "count", false, berth_read_count, offsetof(struct berth_rule, count) },
	{ 0 },
};

const struct berth_object berth_object_resource = { "resource", resource_keys, check_resource };

static int read_resource(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	return berth_read_object(reader, &berth_object_resource, at, into, err);
}

/* --- lease --- */

static int read_max(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	int64_t *max_s = into;
	int r = berth_read_span(reader, at, max_s, err);

	if (r == 0 && *max_s == 0)
		r = berth_json_bad(at, err, "must be longer than nothing");
	return r;
}

static int read_on_expiry(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err)
{
	static const char *const words[] = { "notify", "detach", "shutdown", NULL };
	static const enum berth_expiry actions[] = { BERTH_EXPIRY_NOTIFY, BERTH_EXPIRY_DETACH,
						     BERTH_EXPIRY_SHUTDOWN };
	struct berth_lease_terms *lease = into;
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	lease->has_on_expiry = true;
	lease->on_expiry = actions[word];
	return r;
}

static const struct berth_key lease_keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "max", false, read_max, offsetof(struct berth_lease_terms, max_s) },
	{ "renew", false, berth_read_bool, offsetof(struct berth_lease_terms, renew) },
	{ "grace", false, berth_read_span, offsetof(struct berth_lease_terms, grace_s) },
	{ "on_expiry", false, read_on_expiry, 0 },
	{ 0 },
};

const struct berth_object berth_object_lease = { "lease", lease_keys, NULL };

static int read_lease(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	struct berth_rule *rule = into;

	rule->has_lease = true;
	return berth_read_object(reader, &berth_object_lease, at, &rule->lease, err);
}

/* --- rules --- */

static int read_effect(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	static const char *const words[] = { "allow", "deny", "pin", "reserve", NULL };
	static const enum berth_effect effects[] = { BERTH_EFFECT_ALLOW, BERTH_EFFECT_DENY,
						     BERTH_EFFECT_PIN, BERTH_EFFECT_RESERVE };
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	*(enum berth_effect *)into = effects[word];
	return r;
}

static int read_preempt(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	static const char *const words[] = { "never", "lower", NULL };
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	*(bool *)into = word == 1;
	return r;
}

/* What would have no effect is a mistake of whoever wrote it. */
static int check_effect(const struct berth_json_at *at, const struct berth_rule *rule,
			struct berth_err *err)
{
	bool deny = rule->effect == BERTH_EFFECT_DENY,
	     reserve = rule->effect == BERTH_EFFECT_RESERVE;
	bool alone = rule->effect == BERTH_EFFECT_PIN || reserve;

	if (deny && rule->has_lease)
		return berth_json_bad(at, err, "a deny gives nothing that \"lease\" could limit");
	if (deny && rule->preempt_lower)
		return berth_json_bad(at, err, "a deny gives nothing to \"preempt\" for");
	if (alone && !rule->vms && !rule->tenants)
		return berth_json_bad(at, err,
				      "pin and reserve keep all others out: \"subject\" must name "
				      "\"vm\" or \"tenant\"");
	if (reserve && rule->resource.kind != BERTH_RESOURCE_POOL &&
	    rule->resource.kind != BERTH_RESOURCE_CLASS)
		return berth_json_bad(at, err,
				      "reserve is for some devices of a \"pool\" or \"class\"; for "
				      "certain devices there is \"pin\"");
	if (rule->count && !reserve)
		return berth_json_bad(at, err, "\"count\" is for the effect \"reserve\"");
	if (rule->override_protect &&
	    (rule->effect != BERTH_EFFECT_ALLOW || rule->resource.kind != BERTH_RESOURCE_DEVICE))
		return berth_json_bad(at, err,
				      "\"override_protect\" is for the effect \"allow\" with "
				      "\"resource\": { \"device\": … }");
	return 0;
}

static int check_rule(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	const struct berth_rule *rule = into;

	(void)reader;
	if (rule->from && rule->until && rule->from >= rule->until)
		return berth_json_bad(at, err, "\"until\" must be later than \"from\"");
	return check_effect(at, rule, err);
}

static const struct berth_key rule_keys[] = {
	{ "name", false, berth_read_name, offsetof(struct berth_rule, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "effect", true, read_effect, offsetof(struct berth_rule, effect) },
	{ "priority", false, berth_read_priority, offsetof(struct berth_rule, priority) },
	{ "subject", true, read_subject, 0 },
	{ "resource", true, read_resource, 0 },
	{ "lease", false, read_lease, 0 },
	{ "from", false, berth_read_moment, offsetof(struct berth_rule, from) },
	{ "until", false, berth_read_moment, offsetof(struct berth_rule, until) },
	{ "preempt", false, read_preempt, offsetof(struct berth_rule, preempt_lower) },
	{ "override_protect", false, berth_read_bool,
	  offsetof(struct berth_rule, override_protect) },
	{ 0 },
};

const struct berth_object berth_object_rule = { "rule", rule_keys, check_rule };

int berth_read_rules(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_rule,
							sizeof(struct berth_rule),
							offsetof(struct berth_rule, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->rules, &p->nr_rules, err);
}

/* --- taints --- */

static const struct berth_key taint_resource_keys[] = {
	BERTH_SELECTOR_KEYS(0),
	{ 0 },
};

const struct berth_object berth_object_taint_resource = { "taint_resource", taint_resource_keys,
							  check_resource };

static int read_taint_resource(struct berth_reader *reader, const struct berth_json_at *at,
			       void *into, struct berth_err *err)
{
	return berth_read_object(reader, &berth_object_taint_resource, at, into, err);
}

static int read_taint_effect(struct berth_reader *reader, const struct berth_json_at *at,
			     void *into, struct berth_err *err)
{
	static const char *const words[] = { "report", "no-new", "evict", NULL };
	static const enum berth_taint_effect effects[] = { BERTH_TAINT_REPORT, BERTH_TAINT_NO_NEW,
							   BERTH_TAINT_EVICT };
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	*(enum berth_taint_effect *)into = effects[word];
	return r;
}

static const struct berth_key taint_keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "taint", true, berth_read_name, offsetof(struct berth_taint_entry, taint) },
	{ "effect", true, read_taint_effect, offsetof(struct berth_taint_entry, effect) },
	{ "resource", true, read_taint_resource, offsetof(struct berth_taint_entry, resource) },
	{ 0 },
};

const struct berth_object berth_object_taint = { "taint", taint_keys, NULL };

int berth_read_taints(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_taint,
							sizeof(struct berth_taint_entry),
							offsetof(struct berth_taint_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->taints, &p->nr_taints, err);
}
