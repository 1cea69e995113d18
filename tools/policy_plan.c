/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth policy plan, and berth policy explain of a VM that has a claim: what the claims of the policy get. */
#include "policy/explain_claim.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tools/devargs.h"
#include "tools/out.h"
#include "tools/policy_scene.h"

static const struct berth_out_col claim_cols[] = {
	{ "vm", NULL, BERTH_OUT_STRING, 0 },
	{ "priority", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "outcome", NULL, BERTH_OUT_STRING, 0 },
	{ "text", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
	{ "remedy", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

static void add_claim(struct berth_out *out, const struct berth_plan *plan, size_t i)
{
	const struct berth_claim_answer *a = &plan->answers[i];
	struct berth_out_row *row = berth_out_add(out, NULL);
	char text[BERTH_EXPLAIN_CLAIM_TEXT], remedy[512];

	berth_explain_claim_remedy(plan, i, remedy, sizeof(remedy));
	berth_out_str(row, "vm", a->claim->vm);
	berth_out_num(row, "priority", a->claim->priority);
	berth_out_str(row, "outcome", berth_claim_outcome_name(a->outcome));
	berth_out_str(row, "text", berth_explain_claim(plan, i, text, sizeof(text)));
	berth_out_str(row, "remedy", *remedy ? remedy : NULL);
}

static const struct berth_out_col pool_cols[] = {
	{ "pool", NULL, BERTH_OUT_STRING, 0 },
	{ "devices", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "free", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
};

/* What is left of each pool when everybody has what the plan gives. */
static int print_pools(const struct berth_world *w, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "pools", pool_cols, BERTH_ARRAY_SIZE(pool_cols),
			      BERTH_OUT_TABLE, err);

	for (size_t i = 0; r == 0 && i < w->policy->nr_pools; i++) {
		const struct berth_devset *set = &w->sets[berth_world_pool_set(w, i)];
		struct berth_out_row *row = berth_out_add(out, NULL);

		berth_out_str(row, "pool", w->policy->pools[i].name);
		berth_out_num(row, "devices", set->nr_yes);
		berth_out_num(row, "free", set->nr_free);
	}
	if (r == 0 && w->policy->nr_pools)
		printf("\nleft:\n");
	return r == 0 ? berth_out_print(out, stdout, err) : r;
}

static json_t *pools_json(const struct berth_world *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->policy->nr_pools; i++) {
		const struct berth_devset *set = &w->sets[berth_world_pool_set(w, i)];
		json_t *o = json_object();

		json_object_set_new(o, "name", berth_json_text(w->policy->pools[i].name));
		json_object_set_new(o, "devices", json_integer(set->nr_yes));
		json_object_set_new(o, "free", json_integer(set->nr_free));
		json_array_append_new(list, o);
	}
	return list;
}

static int print_json(const struct berth_plan *plan, const char *vm)
{
	json_t *root = json_object(), *claims = json_array();
	int r;

	for (size_t i = vm ? plan->nr - 1 : 0; i < plan->nr; i++)
		json_array_append_new(claims, berth_explain_claim_json(plan, i));
	json_object_set_new(root, "claims", claims);
	if (!vm)
		json_object_set_new(root, "pools", pools_json(plan->layout->world));
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

static int print_table(const struct berth_plan *plan, const char *vm, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	int r = berth_out_new(&out, "claims", claim_cols, BERTH_ARRAY_SIZE(claim_cols),
			      BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	if (!plan->nr)
		printf("the policy has no claims\n");
	for (size_t i = vm ? plan->nr - 1 : 0; i < plan->nr; i++)
		add_claim(out, plan, i);
	r = berth_out_print(out, stdout, err);
	return r == 0 && !vm ? print_pools(plan->layout->world, err) : r;
}

int policy_plan(const struct berth_cmd *cmd, struct berth_host *host,
		const struct policy_args *args)
{
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	BERTH_CLEANUP(berth_plan_freep) struct berth_plan *plan = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	r = policy_scene_read(&s, host, args, &err);
	if (r == 0 && !args->nr)
		berth_devargs_doubts(cmd, s.m);
	if (r == 0)
		r = berth_plan_new(&plan, s.view->world, args->vm, &err);
	if (r == BERTH_ABSENT)
		r = -ENOENT;
	if (r == 0)
		r = args->json ? print_json(plan, args->vm) : print_table(plan, args->vm, &err);
	return r != 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

/* --- explain --- */

static const struct berth_out_col candidate_cols[] = {
	{ "request", NULL, BERTH_OUT_STRING, 0 },
	{ "bdf", NULL, BERTH_OUT_STRING, 0 },
	{ "chosen", NULL, BERTH_OUT_BOOL, 0 },
	{ "checks", NULL, BERTH_OUT_STRING, 0 },
	{ "reason", NULL, BERTH_OUT_STRING, 0 },
	{ "text", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

/* The first of the claim's own checks that fails, when the policy has nothing against the device. */
static const char *failing(json_t *candidate, char *buf, size_t size)
{
	json_t *check;
	size_t i;

	json_array_foreach(json_object_get(candidate, "checks"), i, check)
	{
		const char *result = json_string_value(json_object_get(check, "result")),
			   *observed = json_string_value(json_object_get(check, "observed")),
			   *wanted = json_string_value(json_object_get(check, "wanted"));

		if (!result || strcmp(result, "pass") == 0)
			continue;
		snprintf(buf, size, "%s: %s, wanted is %s",
			 json_string_value(json_object_get(check, "code")),
			 observed ? observed : "unknown", wanted ? wanted : "another");
		return buf;
	}
	return NULL;
}

static void add_candidate(struct berth_out *out, const char *request, json_t *candidate)
{
	struct berth_out_row *row = berth_out_add(out, NULL);
	json_int_t passed = json_integer_value(json_object_get(candidate, "passed")),
		   failed = json_integer_value(json_object_get(candidate, "failed"));
	bool allowed = json_is_true(json_object_get(candidate, "allowed"));
	char why[256];
	const char *own = allowed && failed ? failing(candidate, why, sizeof(why)) : NULL;

	berth_out_str(row, "request", request);
	berth_out_str(row, "bdf", json_string_value(json_object_get(candidate, "bdf")));
	berth_out_bool(row, "chosen", json_is_true(json_object_get(candidate, "chosen")));
	berth_out_fmt(row, "checks", "%lld of %lld", (long long)passed,
		      (long long)(passed + failed));
	berth_out_str(row, "reason", json_string_value(json_object_get(candidate, "reason")));
	berth_out_str(row, "text",
		      own ? own : json_string_value(json_object_get(candidate, "text")));
}

static int print_candidates(json_t *requests, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	json_t *request, *candidate;
	size_t i, j;
	int r = berth_out_new(&out, "candidates", candidate_cols, BERTH_ARRAY_SIZE(candidate_cols),
			      BERTH_OUT_TABLE, err);

	if (r < 0)
		return r;
	json_array_foreach(requests, i, request)
	{
		const char *name = json_string_value(json_object_get(request, "name"));

		json_array_foreach(json_object_get(request, "candidates"), j, candidate)
			add_candidate(out, name, candidate);
	}
	return berth_out_print(out, stdout, err);
}

int policy_explain_claim(const struct berth_cmd *cmd, struct policy_scene *s,
			 const struct policy_args *args, json_t *verdicts)
{
	BERTH_CLEANUP(berth_plan_freep) struct berth_plan *plan = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	json_t *requests = NULL, *root;
	char text[BERTH_EXPLAIN_CLAIM_TEXT];
	int r = berth_plan_new(&plan, s->view->world, args->vm, &err);

	if (r == 0) {
		requests = berth_explain_claim_requests(plan);
		r = requests ? 0 : berth_err_set(&err, -ENOMEM, "out of memory");
	}
	if (r != 0) {
		json_decref(verdicts);
		return berth_fail(cmd, r, &err);
	}
	if (args->json) {
		root = json_object();
		json_object_set_new(root, "verdicts", verdicts);
		json_object_set_new(root, "claim", berth_explain_claim_json(plan, plan->nr - 1));
		json_object_set_new(root, "requests", requests);
		r = berth_json_print(stdout, root);
		json_decref(root);
	} else {
		printf("%s: %s\n", berth_claim_outcome_name(plan->answers[plan->nr - 1].outcome),
		       berth_explain_claim(plan, plan->nr - 1, text, sizeof(text)));
		if (*berth_explain_claim_remedy(plan, plan->nr - 1, text, sizeof(text)))
			printf("what would help: %s\n", text);
		r = print_candidates(requests, &err);
		json_decref(requests);
	}
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}
