/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/explain_claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain.h"

/* --- in words --- */

static size_t add_text(char *buf, size_t size, size_t len, const char *before, const char *text)
{
	int n = snprintf(buf + len, size - len, "%s%s", before, text);

	return n < 0 || len + (size_t)n >= size ? size - 1 : len + (size_t)n;
}

static void say_met(const struct berth_plan *plan, const struct berth_claim_answer *a, char *buf,
		    size_t size)
{
	const struct berth_world *w = plan->layout->world;
	char words[64];
	size_t len = add_text(buf, size, 0, a->claim->vm, a->victims ? " would get" : " gets");

	for (size_t i = 0; i < a->nr_devices; i++) {
		const char *bdf = w->facts[a->devices[i].device].bdf;

		len = add_text(buf, size, len, " ", bdf ? bdf : "?");
	}
	if (a->alternative != BERTH_CLAIM_AS_IT_STANDS) {
		snprintf(words, sizeof(words), "%zu", a->alternative);
		len = add_text(buf, size, len, ", by alternative ", words);
	}
	for (const char **v = a->victims; v && *v; v++)
		len = add_text(buf, size, len, v == a->victims ? ", if it may displace " : ", ",
			       *v);
}

char *berth_explain_claim(const struct berth_plan *plan, size_t i, char *buf, size_t size)
{
	const struct berth_claim_answer *a = &plan->answers[i];

	if (a->outcome == BERTH_CLAIM_MET)
		say_met(plan, a, buf, size);
	else
		berth_shortage_text(plan->layout->world, a, &plan->shortages[i], buf, size);
	return buf;
}

char *berth_explain_claim_remedy(const struct berth_plan *plan, size_t i, char *buf, size_t size)
{
	const struct berth_claim_answer *a = &plan->answers[i];

	*buf = '\0';
	if (a->outcome != BERTH_CLAIM_MET)
		berth_shortage_remedy(plan->layout->world, a, &plan->shortages[i], buf, size);
	return buf;
}

/* --- as JSON --- */

static void set(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, berth_json_text(text && *text ? text : NULL));
}

static void set_number(json_t *o, const char *key, uint64_t number)
{
	json_object_set_new(o, key, json_integer((json_int_t)number));
}

static void set_origin(json_t *o, const struct berth_origin *origin)
{
	set(o, "file", origin->file);
	set_number(o, "line", origin->line);
	set_number(o, "column", origin->column);
	set(o, "pointer", origin->pointer);
}

static void set_device(json_t *o, const struct berth_world *w, uint32_t device)
{
	set(o, "bdf", w->facts[device].bdf);
	set(o, "path", w->facts[device].path);
	set(o, "group", w->facts[device].group_key);
}

static json_t *devices_json(const struct berth_world *w, const struct berth_claim_answer *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->nr_devices; i++) {
		json_t *o = json_object();

		set(o, "request", a->claim->requests[a->devices[i].request].name);
		set_number(o, "n", a->devices[i].n);
		set_device(o, w, a->devices[i].device);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *score_json(const struct berth_claim_answer *a)
{
	json_t *o;

	if (a->outcome != BERTH_CLAIM_MET)
		return json_null();
	o = json_object();
	for (int part = 0; part < BERTH_SCORE_PARTS; part++)
		json_object_set_new(o, berth_score_part_name((enum berth_score_part)part),
				    json_integer(a->score.part[part]));
	return o;
}

json_t *berth_explain_claim_json(const struct berth_plan *plan, size_t i)
{
	const struct berth_claim_answer *a = &plan->answers[i];
	json_t *o = json_object(), *victims = json_array();
	char text[BERTH_EXPLAIN_CLAIM_TEXT], remedy[512];

	set(o, "vm", a->claim->vm);
	json_object_set_new(o, "priority", json_integer(a->claim->priority));
	set(o, "outcome", berth_claim_outcome_name(a->outcome));
	json_object_set_new(o, "alternative",
			    a->alternative == BERTH_CLAIM_AS_IT_STANDS ?
				    json_null() :
				    json_integer((json_int_t)a->alternative));
	json_object_set_new(o, "best",
			    a->outcome == BERTH_CLAIM_MET ? json_boolean(a->best) : json_null());
	set(o, "text", berth_explain_claim(plan, i, text, sizeof(text)));
	set(o, "remedy", berth_explain_claim_remedy(plan, i, remedy, sizeof(remedy)));
	set_origin(o, &a->claim->origin);
	json_object_set_new(o, "devices", devices_json(plan->layout->world, a));
	for (const char **v = a->victims; v && *v; v++)
		json_array_append_new(victims, berth_json_text(*v));
	json_object_set_new(o, "victims", victims);
	json_object_set_new(o, "score", score_json(a));
	return o;
}

/* --- candidates --- */

struct looking {
	struct berth_plan *plan;
	struct berth_world *world;
	const struct berth_claim_answer *answer;
	const struct berth_claim_entry *claim;
	const struct berth_alternative *alternative; /* that met it, or NULL */
	bool *allowed;	       /* owned; of each device, for any request of the claim */
	size_t passed, failed; /* of the candidate at hand */
};

static bool is_chosen(const struct looking *l, uint32_t request, uint32_t device)
{
	for (size_t i = 0; i < l->answer->nr_devices; i++) {
		if (l->answer->devices[i].device == device &&
		    l->answer->devices[i].request == request)
			return true;
	}
	return false;
}

/* A check that the claim itself makes. */
static void add_check(struct looking *l, json_t *checks, const char *code, enum berth_tri result,
		      const char *observed, const char *wanted, const char *to,
		      const struct berth_origin *origin)
{
	json_t *o = json_object();

	set(o, "code", code);
	set(o, "result", result == BERTH_YES ? "pass" : result == BERTH_NO ? "fail" : "unknown");
	set(o, "observed", observed);
	set(o, "wanted", wanted);
	set(o, "to", to);
	set_origin(o, origin);
	json_array_append_new(checks, o);
	l->passed += result == BERTH_YES;
	l->failed += result != BERTH_YES;
}

/* The nearest device that the VM may have of the other request. */
static void check_distance(struct looking *l, json_t *checks, uint32_t request, uint32_t device,
			   const struct berth_constraint *c)
{
	uint32_t a = berth_claim_request(l->claim, c->of[0]),
		 b = berth_claim_request(l->claim, c->of[1]), to = BERTH_WORLD_NONE;
	const struct berth_devset *others = &l->world->sets[berth_world_request_set(
		l->world, l->answer->index, request == a ? b : a)];
	enum berth_distance max = l->alternative && l->alternative->has_distance ?
					  l->alternative->max_distance :
					  c->max_distance,
			    best = BERTH_DISTANCE_SYS;

	for (uint32_t i = 0; i < others->nr_yes; i++) {
		enum berth_distance d = berth_distance_between(
			&l->plan->layout->places[device], &l->plan->layout->places[others->yes[i]]);

		if (others->yes[i] == device || !l->allowed[others->yes[i]] ||
		    (to != BERTH_WORLD_NONE && d >= best))
			continue;
		best = d;
		to = others->yes[i];
	}
	add_check(l, checks, "DISTANCE", berth_tri_of(to != BERTH_WORLD_NONE && best <= max),
		  to == BERTH_WORLD_NONE ? "nothing to pair with" : berth_distance_name(best),
		  berth_distance_name(max), to == BERTH_WORLD_NONE ? NULL : l->world->facts[to].bdf,
		  &c->origin);
}

static bool is_about(const struct looking *l, const struct berth_constraint *c, uint32_t request)
{
	for (char **name = c->of; *name; name++) {
		if (berth_claim_request(l->claim, *name) == request)
			return true;
	}
	return false;
}

static void check_constraints(struct looking *l, json_t *checks, uint32_t request, uint32_t device)
{
	char observed[128];

	for (size_t k = 0; k < l->claim->nr_constraints; k++) {
		const struct berth_constraint *c = &l->claim->constraints[k];

		if (!is_about(l, c, request))
			continue;
		if (c->kind == BERTH_CONSTRAINT_DISTANCE) {
			check_distance(l, checks, request, device, c);
			continue;
		}
		berth_match_observed(&l->world->facts[device], c->attribute, observed,
				     sizeof(observed));
		add_check(l, checks, c->kind == BERTH_CONSTRAINT_SAME ? "SAME" : "DISTINCT",
			  strcmp(observed, "unknown") != 0 && strcmp(observed, "none") != 0 ?
				  BERTH_YES :
				  BERTH_UNKNOWN,
			  observed,
			  c->kind == BERTH_CONSTRAINT_SAME ? "known, and the same for all" :
							     "known, and different for all",
			  NULL, &c->origin);
	}
}

static void check_numa(struct looking *l, json_t *checks, uint32_t device)
{
	enum berth_numa_wish wish =
		l->alternative && l->alternative->has_numa ? l->alternative->numa : l->claim->numa;
	int32_t node = l->world->facts[device].numa_node;
	char observed[16], wanted[16];

	if (wish != BERTH_NUMA_REQUIRED)
		return;
	snprintf(observed, sizeof(observed), "%d", node);
	snprintf(wanted, sizeof(wanted), "%d", l->claim->numa_node);
	add_check(l, checks, "NUMA",
		  node == BERTH_FACT_UNKNOWN ?
			  BERTH_UNKNOWN :
			  berth_tri_of(l->claim->numa_node == BERTH_FACT_UNKNOWN ||
				       l->claim->numa_node == node),
		  node == BERTH_FACT_UNKNOWN ? "unknown" : observed,
		  l->claim->numa_node == BERTH_FACT_UNKNOWN ? "one node for all" : wanted, NULL,
		  &l->claim->origin);
}

static json_t *members_json(const struct berth_world *w, uint32_t group)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < w->groups[group].nr; i++)
		json_array_append_new(list,
				      berth_json_text(w->facts[w->groups[group].members[i]].bdf));
	return list;
}

static void set_verdict(json_t *o, const struct looking *l, const struct berth_verdict *v)
{
	char text[512], remedy[512];

	json_object_set_new(o, "allowed", json_boolean(v->allow));
	set(o, "reason", berth_reason_name(v->reason));
	set(o, "text", berth_explain_verdict(l->world, v, text, sizeof(text)));
	set(o, "remedy", berth_explain_remedy(l->world, v, remedy, sizeof(remedy)));
}

static json_t *candidate_json(struct looking *l, uint32_t request, uint32_t device)
{
	struct berth_question q = { .vm = l->claim->vm, .tolerate = l->claim->tolerate };
	json_t *o = json_object(), *checks = json_array();
	struct berth_trace trace = { 0 };
	uint32_t group = l->world->group_of[device];
	struct berth_verdict v;

	set_device(o, l->world, device);
	json_object_set_new(o, "members", members_json(l->world, group));
	json_object_set_new(o, "chosen", json_boolean(is_chosen(l, request, device)));
	if (berth_decide_group(l->world, group, &device, 1, &q, &v, &trace) == 0)
		set_verdict(o, l, &v);
	berth_explain_count(&trace, &l->passed, &l->failed);
	for (size_t i = 0; i < trace.nr; i++)
		json_array_append_new(checks, berth_explain_check(l->world, &trace.items[i]));
	berth_trace_done(&trace);
	check_numa(l, checks, device);
	check_constraints(l, checks, request, device);
	set_number(o, "passed", l->passed);
	set_number(o, "failed", l->failed);
	json_object_set_new(o, "checks", checks);
	return o;
}

static json_t *request_json(struct looking *l, uint32_t r)
{
	const struct berth_devset *set_ =
		&l->world->sets[berth_world_request_set(l->world, l->answer->index, r)];
	json_t *o = json_object(), *candidates = json_array();
	uint64_t fit = 0, allowed = 0;

	for (uint32_t i = 0; i < set_->nr_yes; i++) {
		if (l->world->group_of[set_->yes[i]] == BERTH_WORLD_NONE)
			continue;
		fit++;
		allowed += l->allowed[set_->yes[i]];
		json_array_append_new(candidates, candidate_json(l, r, set_->yes[i]));
	}
	set(o, "name", l->claim->requests[r].name);
	set_number(o, "wanted", l->claim->requests[r].count);
	set_number(o, "fit", fit);
	set_number(o, "allowed", allowed);
	json_object_set_new(o, "candidates", candidates);
	return o;
}

/* Decided upon once for all requests: the same device, the same verdict. */
static int find_allowed(struct looking *l)
{
	struct berth_question q = { .vm = l->claim->vm, .tolerate = l->claim->tolerate };

	for (uint32_t r = 0; r < l->claim->nr_requests; r++) {
		const struct berth_devset *s =
			&l->world->sets[berth_world_request_set(l->world, l->answer->index, r)];

		for (uint32_t i = 0; i < s->nr_yes; i++) {
			uint32_t device = s->yes[i], group = l->world->group_of[device];
			struct berth_verdict v;

			if (group == BERTH_WORLD_NONE)
				continue;
			if (berth_decide_group(l->world, group, &device, 1, &q, &v, NULL) < 0)
				return -1;
			l->allowed[device] = v.allow;
		}
	}
	return 0;
}

json_t *berth_explain_claim_requests(struct berth_plan *plan)
{
	struct looking l = { .plan = plan,
			     .world = plan->layout->world,
			     .answer = &plan->answers[plan->nr - 1] };
	json_t *list = NULL;

	l.claim = l.answer->claim;
	if (l.answer->alternative != BERTH_CLAIM_AS_IT_STANDS)
		l.alternative = &l.claim->alternatives[l.answer->alternative];
	l.allowed = calloc(l.world->nr + 1, sizeof(*l.allowed));
	if (l.allowed && find_allowed(&l) == 0)
		list = json_array();
	for (uint32_t r = 0; list && r < l.claim->nr_requests; r++)
		json_array_append_new(list, request_json(&l, r));
	free(l.allowed);
	return list;
}
