/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth policy explain: what the policy decides about a device, and why. */
#include <errno.h>
#include <string.h>

#include "policy/claim.h"
#include "policy/explain.h"
#include "policy/lookup.h"
#include "tools/devargs.h"
#include "tools/out.h"
#include "tools/policy_scene.h"
#include "vfio/inventory.h"

/* What was asked and what came out. */
struct answer {
	struct berth_world *world;
	uint32_t device;
	const char *vm;
	struct berth_verdict verdict;
	struct berth_trace trace;
	size_t passed, failed;
	char text[512], remedy[256];
};

static json_t *members_json(const struct answer *a)
{
	const struct berth_world_group *g = &a->world->groups[a->world->group_of[a->device]];
	json_t *list = json_array();

	for (uint32_t i = 0; i < g->nr; i++)
		json_array_append_new(list, berth_json_text(a->world->facts[g->members[i]].bdf));
	return list;
}

static json_t *lease_json(const struct berth_lease_terms *lease)
{
	static const char *const expiry[] = { [BERTH_EXPIRY_NOTIFY] = "notify",
					      [BERTH_EXPIRY_DETACH] = "detach",
					      [BERTH_EXPIRY_SHUTDOWN] = "shutdown" };
	json_t *o;

	if (!lease)
		return json_null();
	o = json_object();
	json_object_set_new(o, "max_s", lease->max_s ? json_integer(lease->max_s) : json_null());
	json_object_set_new(o, "grace_s", json_integer(lease->grace_s));
	json_object_set_new(o, "renew", json_boolean(lease->renew));
	json_object_set_new(o, "on_expiry",
			    berth_json_text(lease->has_on_expiry ? expiry[lease->on_expiry] :
								   NULL));
	return o;
}

static int print_json(const struct answer *a)
{
	const struct berth_verdict *v = &a->verdict;
	json_t *root = json_object(), *checks = json_array();
	int r;

	json_object_set_new(root, "device", berth_json_text(a->world->facts[a->device].bdf));
	json_object_set_new(root, "vm", berth_json_text(a->vm));
	json_object_set_new(root, "allowed", a->vm ? json_boolean(v->allow) : json_null());
	json_object_set_new(root, "reason",
			    berth_json_text(a->vm ? berth_reason_name(v->reason) : NULL));
	json_object_set_new(root, "text", berth_json_text(a->vm ? a->text : NULL));
	json_object_set_new(root, "remedy",
			    berth_json_text(a->vm && *a->remedy ? a->remedy : NULL));
	json_object_set_new(root, "about", berth_json_text(a->world->facts[v->device].bdf));
	json_object_set_new(root, "group", members_json(a));
	json_object_set_new(root, "lease", lease_json(v->lease));
	json_object_set_new(root, "passed", json_integer((json_int_t)a->passed));
	json_object_set_new(root, "failed", json_integer((json_int_t)a->failed));
	json_object_set_new(root, "checks", checks);
	for (size_t i = 0; i < a->trace.nr; i++)
		json_array_append_new(checks, berth_explain_check(a->world, &a->trace.items[i]));
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

static const struct berth_out_col check_cols[] = {
	{ "bdf", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "code", NULL, BERTH_OUT_STRING, 0 },
	{ "result", NULL, BERTH_OUT_STRING, 0 },
	{ "what", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, 0 },
	{ "effect", NULL, BERTH_OUT_STRING, 0 },
	{ "vm", "VM FITS", BERTH_OUT_STRING, 0 },
	{ "device", "DEVICE FITS", BERTH_OUT_STRING, 0 },
	{ "because", NULL, BERTH_OUT_STRING, 0 },
	{ "observed", NULL, BERTH_OUT_STRING, 0 },
	{ "wanted", NULL, BERTH_OUT_STRING, 0 },
	{ "where", NULL, BERTH_OUT_STRING, 0 },
};

static void add_check(struct berth_out *out, const struct answer *a, const struct berth_check *c)
{
	struct berth_out_row *row = berth_out_add(out, NULL);

	berth_out_str(row, "bdf", a->world->facts[c->at].bdf);
	/* an entry that fits is no check by itself */
	if (c->result != BERTH_CHECK_NONE || c->specificity)
		berth_out_str(row, "code", berth_reason_name(c->code));
	berth_out_str(row, "result", berth_check_result_name(c->result));
	berth_out_str(row, "what", c->what);
	berth_out_str(row, "name", c->name);
	berth_out_str(row, "effect", c->effect);
	if (c->specificity)
		berth_out_str(row, "vm", berth_tri_name(c->vm));
	berth_out_str(row, "device", berth_tri_name(c->device));
	berth_out_str(row, "because", c->term);
	berth_out_str(row, "observed", *c->observed ? c->observed : NULL);
	berth_out_str(row, "wanted", *c->wanted ? c->wanted : NULL);
	if (c->origin)
		berth_out_str(row, "where", BERTH_ORIGIN_STR(c->origin));
}

static int print_table(const struct answer *a, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "checks", check_cols, BERTH_ARRAY_SIZE(check_cols),
			      BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	if (a->vm)
		printf("%s: %s: %s\n", a->verdict.allow ? "allowed" : "refused",
		       berth_reason_name(a->verdict.reason), a->text);
	else if (a->world->policy->nr_files == 0)
		printf("%s\n", a->text);
	if (a->vm && !a->verdict.allow)
		printf("%zu of %zu checks pass; what would help: %s\n", a->passed,
		       a->passed + a->failed, a->remedy);
	for (size_t i = 0; i < a->trace.nr; i++)
		add_check(out, a, &a->trace.items[i]);
	return berth_out_print(out, stdout, err);
}

/* What was typed: BDF, path, or a name of the policy. Return: 0; -EINVAL malformed; -ENODEV; BERTH_REFUSED. */
static int find_device(const struct policy_scene *s, const char *text, uint32_t *ret,
		       struct berth_err *err)
{
	const struct berth_world *w = s->view->world;
	const struct berth_device *dev;
	size_t index;
	int r = berth_inventory_resolve(s->view->inv, text, &dev, err);

	if (r == 0)
		*ret = berth_view_number(s->view, dev);
	if (r != BERTH_ABSENT)
		return r;
	if (strncmp(text, "pool:", 5) == 0)
		return berth_err_set(
			err, -ENODEV,
			"%s is a pool; explain one of its devices, 'berth policy show' "
			"lists them",
			text);
	r = berth_policy_find_device(s->policy, text, w->facts, w->nr, &index, err);
	if (r == 0)
		*ret = (uint32_t)index;
	if (r == BERTH_ABSENT) {
		err->code = -ENODEV;
		return -ENODEV;
	}
	return r;
}

static int explain_device(const struct berth_cmd *cmd, const struct policy_scene *s,
			  const struct policy_args *args)
{
	struct answer a = { .world = s->view->world, .vm = args->vm, .trace.all_rules = true };
	struct berth_question q = berth_question_for(s->policy, args->vm);
	struct berth_err err = BERTH_ERR_INIT;
	int r = find_device(s, args->words[0], &a.device, &err);

	if (r == -EINVAL)
		return berth_usage(cmd, "%s", err.text);
	if (r == 0 && a.world->group_of[a.device] == BERTH_WORLD_NONE)
		r = berth_err_set(
			&err, BERTH_REFUSED,
			"%s is a bridge: it stays with the host, explain what is behind it",
			a.world->facts[a.device].bdf);
	if (r != 0)
		return berth_fail(cmd, r, &err);
	q.force = args->force;
	r = berth_decide_group(a.world, a.world->group_of[a.device], &a.device, 1, &q, &a.verdict,
			       &a.trace);
	if (r == 0) {
		berth_explain_verdict(a.world, &a.verdict, a.text, sizeof(a.text));
		berth_explain_remedy(a.world, &a.verdict, a.remedy, sizeof(a.remedy));
		berth_explain_count(&a.trace, &a.passed, &a.failed);
		r = args->json ? print_json(&a) : print_table(&a, &err);
	}
	berth_trace_done(&a.trace);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static const struct berth_out_col verdict_cols[] = {
	{ "bdf", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, 0 },
	{ "allowed", NULL, BERTH_OUT_BOOL, 0 },
	{ "reason", NULL, BERTH_OUT_STRING, 0 },
	{ "text", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "remedy", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "where", NULL, BERTH_OUT_STRING, 0 },
};

static void add_verdict(struct berth_out *out, const struct berth_world *w, uint32_t device,
			const struct berth_verdict *v)
{
	struct berth_out_row *row = berth_out_add(out, NULL);
	char text[512], remedy[256];

	berth_explain_remedy(w, v, remedy, sizeof(remedy));
	berth_out_str(row, "bdf", w->facts[device].bdf);
	berth_out_str(row, "name", berth_policy_name_of(w->policy, &w->facts[device]));
	berth_out_bool(row, "allowed", v->allow);
	berth_out_str(row, "reason", berth_reason_name(v->reason));
	berth_out_str(row, "text", berth_explain_verdict(w, v, text, sizeof(text)));
	berth_out_str(row, "remedy", *remedy ? remedy : NULL);
	if (v->origin)
		berth_out_str(row, "where", BERTH_ORIGIN_STR(v->origin));
}

/* The same rows, for an object that has more in it. */
static json_t *verdict_json(const struct berth_world *w, uint32_t device,
			    const struct berth_verdict *v)
{
	json_t *o = json_object();
	char text[512], remedy[256];

	berth_explain_remedy(w, v, remedy, sizeof(remedy));
	json_object_set_new(o, "bdf", berth_json_text(w->facts[device].bdf));
	json_object_set_new(o, "name",
			    berth_json_text(berth_policy_name_of(w->policy, &w->facts[device])));
	json_object_set_new(o, "allowed", json_boolean(v->allow));
	json_object_set_new(o, "reason", berth_json_text(berth_reason_name(v->reason)));
	json_object_set_new(o, "text",
			    berth_json_text(berth_explain_verdict(w, v, text, sizeof(text))));
	json_object_set_new(o, "remedy", berth_json_text(*remedy ? remedy : NULL));
	json_object_set_new(o, "where",
			    berth_json_text(v->origin ? BERTH_ORIGIN_STR(v->origin) : NULL));
	return o;
}

static int explain_vm(const struct berth_cmd *cmd, struct policy_scene *s,
		      const struct policy_args *args)
{
	bool claims = berth_claim_of(s->policy, args->vm) != SIZE_MAX;
	json_t *verdicts = claims && args->json ? json_array() : NULL;
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	struct berth_world *w = s->view->world;
	struct berth_question q = berth_question_for(s->policy, args->vm);
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_out_new(&out, "verdicts", verdict_cols, BERTH_ARRAY_SIZE(verdict_cols),
			      args->json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, &err);

	q.force = args->force;
	for (uint32_t i = 0; r == 0 && i < w->nr; i++) {
		struct berth_verdict v;

		if (w->group_of[i] == BERTH_WORLD_NONE)
			continue;
		r = berth_decide_group(w, w->group_of[i], &i, 1, &q, &v, NULL);
		if (r == 0 && verdicts)
			json_array_append_new(verdicts, verdict_json(w, i, &v));
		else if (r == 0)
			add_verdict(out, w, i, &v);
	}
	if (r == 0 && !verdicts)
		r = berth_out_print(out, stdout, &err);
	if (r == 0 && claims && !args->json)
		putchar('\n');
	if (r == 0 && claims)
		return policy_explain_claim(cmd, s, args, verdicts);
	json_decref(verdicts);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

int policy_explain(const struct berth_cmd *cmd, struct berth_host *host,
		   const struct policy_args *args)
{
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	if (args->nr > 1)
		return berth_usage(cmd, "'%s' is one argument too many", args->words[1]);
	if (args->nr == 0 && !args->vm)
		return berth_usage(cmd, "explain needs a device, --vm, or both");
	r = policy_scene_read(&s, host, NULL, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	berth_devargs_doubts(cmd, s.m);
	return args->nr ? explain_device(cmd, &s, args) : explain_vm(cmd, &s, args);
}
