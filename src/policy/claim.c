/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/claim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/attribute.h"

void berth_claim_answer_done(struct berth_claim_answer *answer)
{
	free(answer->devices);
	free(answer->victims);
	answer->devices = NULL;
	answer->victims = NULL;
}

const char *berth_claim_outcome_name(enum berth_claim_outcome outcome)
{
	static const char *const names[] = {
		[BERTH_CLAIM_MET] = "met",
		[BERTH_CLAIM_UNMET] = "unmet",
		[BERTH_CLAIM_GAVE_UP] = "gave-up",
	};

	return names[outcome];
}

size_t berth_claim_of(const struct berth_policy *policy, const char *vm)
{
	size_t low = 0, high = policy->nr_claims;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(vm, policy->claims[mid].vm);

		if (c == 0)
			return mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return SIZE_MAX;
}

uint32_t berth_claim_request(const struct berth_claim_entry *claim, const char *name)
{
	uint32_t r = 0;

	while (r < claim->nr_requests && strcmp(claim->requests[r].name, name) != 0)
		r++;
	return r;
}

/* --- the problem --- */

/* A claim as the solver wants it, with one of its alternatives. */
struct puzzle {
	const struct berth_candidates *c;
	const struct berth_claim_entry *claim;
	struct berth_solve_request requests[BERTH_SOLVE_MAX_REQUESTS];
	struct berth_solve_constraint constraints[BERTH_SOLVE_MAX_CONSTRAINTS];
	int32_t *values[BERTH_SOLVE_MAX_CONSTRAINTS]; /* owned; what constraints borrow */
	struct berth_solve_problem problem;
};

static void puzzle_done(struct puzzle *p)
{
	for (size_t k = 0; k < p->problem.nr_constraints; k++)
		free(p->values[k]);
}

struct word {
	uint32_t item;
	char text[BERTH_ATTRIBUTE_TEXT];
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

/* Equal texts, equal numbers. What a device cannot have is not known, too: it is not the same as anything. */
static int number_texts(const struct berth_candidates *c, const char *name, int32_t *values)
{
	const struct berth_attribute *attribute = berth_attribute_find(name);
	struct word *words = malloc((c->nr + 1) * sizeof(*words));
	int32_t number = 0;
	size_t nr = 0;

	if (!words)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->nr; i++) {
		const struct berth_facts *facts = &c->layout->world->facts[c->devices[i]];

		values[i] = -1;
		words[nr].item = i;
		if (attribute && berth_attribute_text(attribute, facts, words[nr].text,
						      sizeof(words[nr].text)) == BERTH_KNOWN)
			nr++;
	}
	qsort(words, nr, sizeof(*words), by_text);
	for (size_t i = 0; i < nr; i++) {
		number += i && strcmp(words[i - 1].text, words[i].text) != 0;
		values[words[i].item] = number;
	}
	free(words);
	return 0;
}

static int make_values(const struct berth_candidates *c, const char *name, int32_t *values)
{
	const struct berth_world *w = c->layout->world;
	bool numa = strcmp(name, "numa.node") == 0;

	/* the usual ones are numbers already */
	if (!numa && strcmp(name, "pf") != 0)
		return number_texts(c, name, values);
	for (size_t i = 0; i < c->nr; i++)
		values[i] = numa ? w->facts[c->devices[i]].numa_node :
				   (int32_t)w->pf_of[c->devices[i]];
	return 0;
}

static struct berth_solve_constraint *add_constraint(struct puzzle *p,
						     enum berth_constraint_kind kind)
{
	struct berth_solve_constraint *c = &p->constraints[p->problem.nr_constraints++];

	*c = (struct berth_solve_constraint){ .kind = kind };
	return c;
}

static int add_values(struct puzzle *p, enum berth_constraint_kind kind, const char *attribute,
		      uint32_t of)
{
	size_t k = p->problem.nr_constraints;

	p->values[k] = malloc((p->c->nr + 1) * sizeof(*p->values[k]));
	if (!p->values[k])
		return -ENOMEM;
	*add_constraint(p, kind) =
		(struct berth_solve_constraint){ .kind = kind, .of = of, .values = p->values[k] };
	return make_values(p->c, attribute, p->values[k]);
}

static int translate(struct puzzle *p, const struct berth_constraint *from,
		     const struct berth_alternative *alternative)
{
	struct berth_solve_constraint *to;
	uint32_t of = 0;

	if (alternative &&
	    ((from->kind == BERTH_CONSTRAINT_SAME && alternative->drop_same) ||
	     (from->kind == BERTH_CONSTRAINT_DISTINCT && alternative->drop_distinct)))
		return 0;
	for (char **name = from->of; *name; name++)
		of |= 1U << berth_claim_request(p->claim, *name);
	if (from->kind != BERTH_CONSTRAINT_DISTANCE)
		return add_values(p, from->kind, from->attribute, of);
	to = add_constraint(p, from->kind);
	to->a = berth_claim_request(p->claim, from->of[0]);
	to->b = berth_claim_request(p->claim, from->of[1]);
	to->each = from->each;
	to->max_distance = alternative && alternative->has_distance ? alternative->max_distance :
								      from->max_distance;
	return 0;
}

/* @without: 1 + a constraint to leave out, or 0. Return: 0; -E2BIG; -ENOMEM; puzzle_done() either way. */
static int make_puzzle(struct puzzle *p, const struct berth_candidates *c,
		       const struct berth_claim_entry *claim, enum berth_numa_wish numa,
		       const struct berth_alternative *alternative, size_t without)
{
	int r = 0;

	p->c = c;
	p->claim = claim;
	p->problem = (struct berth_solve_problem){ .items = c->items,
						   .nr_items = c->nr,
						   .requests = p->requests,
						   .nr_requests = claim->nr_requests,
						   .constraints = p->constraints,
						   .numa = numa,
						   .numa_node = claim->numa_node };
	memset(p->values, 0, sizeof(p->values));
	if (claim->nr_requests > BERTH_SOLVE_MAX_REQUESTS ||
	    claim->nr_constraints >= BERTH_SOLVE_MAX_CONSTRAINTS)
		return -E2BIG;
	for (size_t i = 0; i < claim->nr_requests; i++)
		p->requests[i] = (struct berth_solve_request){
			claim->requests[i].count,
			berth_candidates_order(c->layout->world->policy, &claim->requests[i]),
		};
	for (size_t k = 0; k < claim->nr_constraints && r == 0; k++) {
		if (k + 1 != without)
			r = translate(p, &claim->constraints[k], alternative);
	}
	if (r == 0 && numa == BERTH_NUMA_REQUIRED && claim->numa_node == BERTH_FACT_UNKNOWN)
		r = add_values(p, BERTH_CONSTRAINT_SAME, "numa.node",
			       (uint32_t)((1ULL << claim->nr_requests) - 1));
	return r;
}

/* --- what counts limit --- */

static bool is_chosen(const struct berth_candidates *c, const struct berth_solution *s,
		      uint32_t group, uint32_t *asked, size_t *ret_nr)
{
	*ret_nr = 0;
	for (size_t i = 0; i < s->nr_chosen; i++) {
		if (c->items[s->chosen[i]].group == group)
			asked[(*ret_nr)++] = c->devices[s->chosen[i]];
	}
	return *ret_nr > 0;
}

/*
 * Each group in turn, as if those before it were taken. Return: 0; BERTH_REFUSED *ret says why and for which device; -ENOMEM.
 * The world is as before.
 */
static int check_counts(const struct berth_candidates *c, const struct berth_claim_entry *claim,
			const struct berth_solution *s, struct berth_verdict *ret)
{
	struct berth_question q = { .vm = claim->vm, .tolerate = claim->tolerate };
	uint32_t asked[BERTH_SOLVE_MAX_SLOTS], given[BERTH_SOLVE_MAX_SLOTS];
	size_t nr_asked, nr_given = 0;
	int r = 0;

	for (size_t i = 0; i < s->nr_chosen && r == 0; i++) {
		uint32_t group = c->items[s->chosen[i]].group;

		if (c->layout->world->usage[c->devices[s->chosen[i]]].vm)
			continue; /* the VM's already, or just given */
		is_chosen(c, s, group, asked, &nr_asked);
		r = berth_decide_group(c->layout->world, group, asked, nr_asked, &q, ret, NULL);
		if (r == 0 && !ret->allow) {
			r = 1;
			ret->device = c->devices[s->chosen[i]];
		} else if (r == 0) {
			berth_layout_give(c->layout, group, claim->vm);
			given[nr_given++] = group;
		}
	}
	while (nr_given-- > 0)
		berth_layout_give(c->layout, given[nr_given], NULL);
	return r;
}

/* --- one try: as it stands, or with one alternative --- */

#define MAX_LIMITED_TRIES 4

struct
try {
	struct berth_candidates *c;
	size_t index;
	const struct berth_claim_entry *claim;
	const struct berth_claim_options *options;
	const struct berth_alternative *alternative;
	struct berth_claim_answer *answer;
};

static int keep_devices(const struct try *t, const struct berth_solution *s)
{
	struct berth_claim_answer *a = t->answer;
	size_t k = 0;

	a->devices = calloc(s->nr_chosen + 1, sizeof(*a->devices));
	if (!a->devices)
		return -ENOMEM;
	for (uint32_t r = 0; r < t->claim->nr_requests; r++) {
		for (uint32_t n = 0; n < t->claim->requests[r].count; n++, k++)
			a->devices[k] =
				(struct berth_claim_device){ r, n, t->c->devices[s->chosen[k]] };
	}
	a->nr_devices = s->nr_chosen;
	a->outcome = BERTH_CLAIM_MET;
	a->score = s->score;
	a->best = s->best && !a->limited;
	a->limited = false;
	return 0;
}

/* Are all candidates of one kind? Then counts say the same about every choice. */
static bool all_of_a_kind(const struct berth_candidates *c)
{
	for (size_t i = 0; i < c->nr; i++) {
		uint32_t kind = c->layout->kind[c->devices[i]];

		if (kind == BERTH_WORLD_NONE || kind != c->layout->kind[c->devices[0]])
			return false;
	}
	return true;
}

/* Solve once. Return: 0 met or not (answer->outcome); BERTH_REFUSED a count is in the way; -errno. */
static int solve_once(const struct try *t, const bool *ban)
{
	enum berth_numa_wish numa =
		t->alternative && t->alternative->has_numa ? t->alternative->numa : t->claim->numa;
	struct berth_candidates_ask ask = { .claim = t->index,
					    .freed = t->options->freed,
					    .numa_required = numa == BERTH_NUMA_REQUIRED };
	struct berth_solution s = { 0 };
	struct puzzle p;
	int r = berth_candidates_fill(t->c, &ask, ban);

	if (r < 0)
		return r;
	r = make_puzzle(&p, t->c, t->claim, numa, t->alternative, t->options->without);
	p.problem.max_nodes = t->options->max_nodes;
	if (r == 0)
		r = berth_solve(&p.problem, &s);
	puzzle_done(&p);
	if (r < 0)
		return r;
	t->answer->nodes += s.nodes;
	t->answer->outcome = s.outcome == BERTH_SOLVE_IMPOSSIBLE ? BERTH_CLAIM_UNMET :
								   BERTH_CLAIM_GAVE_UP;
	if (s.outcome == BERTH_SOLVE_DONE) {
		r = check_counts(t->c, t->claim, &s, &t->answer->limit);
		if (r == 0)
			r = keep_devices(t, &s);
		else if (r > 0)
			t->answer->limited = true;
	}
	free(s.chosen);
	return r;
}

/* With what is one too many left out, some times. Return: 0; -errno. */
static int try_to_meet(const struct try *t)
{
	bool *ban = NULL;
	int r = solve_once(t, NULL);

	for (int i = 0; i < MAX_LIMITED_TRIES && r > 0 && !all_of_a_kind(t->c); i++) {
		if (!ban)
			ban = calloc(t->c->layout->world->nr + 1, sizeof(*ban));
		if (!ban)
			return -ENOMEM;
		ban[t->answer->limit.device] = true;
		r = solve_once(t, ban);
	}
	free(ban);
	if (r < 0)
		return r;
	if (t->answer->outcome == BERTH_CLAIM_MET)
		return 0;
	/* a limit is no proof, unless it is the same for all */
	if (t->answer->limited)
		t->answer->outcome = all_of_a_kind(t->c) ? BERTH_CLAIM_UNMET : BERTH_CLAIM_GAVE_UP;
	return 0;
}

int berth_claim_decide(struct berth_candidates *c, size_t index,
		       const struct berth_claim_options *options, struct berth_claim_answer *ret)
{
	static const struct berth_claim_options usual = { 0 };
	struct try t = { .c = c,
			 .index = index,
			 .claim = &c->layout->world->policy->claims[index],
			 .options = options ? options : &usual,
			 .answer = ret };
	bool gave_up;
	int r;

	*ret = (struct berth_claim_answer){ .claim = t.claim,
					    .index = index,
					    .alternative = BERTH_CLAIM_AS_IT_STANDS };
	r = try_to_meet(&t);
	gave_up = ret->outcome == BERTH_CLAIM_GAVE_UP;
	for (size_t i = 0; i < t.claim->nr_alternatives && r == 0 && !t.options->as_it_stands &&
			   ret->outcome != BERTH_CLAIM_MET;
	     i++) {
		t.alternative = &t.claim->alternatives[i];
		r = try_to_meet(&t);
		gave_up = gave_up || ret->outcome == BERTH_CLAIM_GAVE_UP;
		if (ret->outcome == BERTH_CLAIM_MET)
			ret->alternative = i;
	}
	if (ret->outcome == BERTH_CLAIM_UNMET && gave_up)
		ret->outcome = BERTH_CLAIM_GAVE_UP;
	if (r < 0)
		berth_claim_answer_done(ret);
	return r;
}

static void give(struct berth_layout *layout, uint32_t group, const struct berth_claim_entry *claim)
{
	const struct berth_world_group *g = &layout->world->groups[group];

	berth_layout_give(layout, group, claim->vm);
	for (uint32_t i = 0; i < g->nr; i++) {
		struct berth_usage *u = &layout->world->usage[g->members[i]];

		u->state = NULL;
		u->planned = true;
		u->lease_end = 0;
		u->priority = claim->priority;
		u->preemptible = claim->preemptible;
	}
}

void berth_claim_take(struct berth_layout *layout, const struct berth_claim_answer *answer)
{
	struct berth_world *w = layout->world;

	for (const char **victim = answer->victims; victim && *victim; victim++) {
		for (uint32_t i = 0; i < w->nr; i++) {
			if (w->group_of[i] != BERTH_WORLD_NONE && w->usage[i].vm &&
			    strcmp(w->usage[i].vm, *victim) == 0)
				berth_layout_give(layout, w->group_of[i], NULL);
		}
	}
	for (size_t i = 0; i < answer->nr_devices; i++) {
		uint32_t device = answer->devices[i].device;

		if (!w->usage[device].vm)
			give(layout, w->group_of[device], answer->claim);
	}
}
