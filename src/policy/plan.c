/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/preempt.h"

void berth_plan_free(struct berth_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->nr; i++) {
		berth_claim_answer_done(&plan->answers[i]);
		berth_shortage_done(&plan->shortages[i]);
	}
	free(plan->answers);
	free(plan->shortages);
	berth_candidates_free(plan->candidates);
	berth_layout_free(plan->layout);
	free(plan);
}

static int by_priority(const void *va, const void *vb)
{
	const struct berth_claim_entry *a = *(const struct berth_claim_entry *const *)va,
				       *b = *(const struct berth_claim_entry *const *)vb;

	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return strcmp(a->vm, b->vm);
}

/* Return: 0; -errno. */
static int serve(struct berth_plan *plan, size_t index, struct berth_err *err)
{
	struct berth_claim_answer *answer = &plan->answers[plan->nr], other;
	int r = berth_claim_decide(plan->candidates, index, NULL, answer);

	if (r == 0)
		plan->nr++;
	if (r == 0 && answer->outcome != BERTH_CLAIM_MET) {
		r = berth_preempt(plan->candidates, index, &other);
		if (r == 0) {
			berth_claim_answer_done(answer);
			*answer = other;
		}
		if (r == BERTH_ABSENT)
			r = berth_shortage_find(plan->candidates, answer,
						&plan->shortages[plan->nr - 1]);
	}
	if (r == -E2BIG)
		return berth_err_set(
			err, r,
			"the claim of VM %s (%s) wants more than %d devices; make it smaller",
			plan->layout->world->policy->claims[index].vm,
			BERTH_ORIGIN_STR(&plan->layout->world->policy->claims[index].origin),
			BERTH_SOLVE_MAX_SLOTS);
	return r < 0 ? berth_err_set(err, r, "out of memory") : 0;
}

static int serve_all(struct berth_plan *plan, const char *only, struct berth_err *err)
{
	const struct berth_policy *policy = plan->layout->world->policy;
	const struct berth_claim_entry **order =
		calloc(policy->nr_claims + 1, sizeof(const void *));
	int r = order ? 0 : berth_err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < policy->nr_claims; i++)
		order[i] = &policy->claims[i];
	if (r == 0)
		qsort(order, policy->nr_claims, sizeof(*order), by_priority);
	for (size_t i = 0; r == 0 && i < policy->nr_claims; i++) {
		r = serve(plan, (size_t)(order[i] - policy->claims), err);
		if (r == 0 && only && strcmp(order[i]->vm, only) == 0)
			break;
		if (r == 0)
			berth_claim_take(plan->layout, &plan->answers[plan->nr - 1]);
	}
	free(order);
	return r;
}

int berth_plan_new(struct berth_plan **ret, struct berth_world *world, const char *only,
		   struct berth_err *err)
{
	BERTH_CLEANUP(berth_plan_freep) struct berth_plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (only && berth_claim_of(world->policy, only) == SIZE_MAX)
		return berth_err_set(
			err, BERTH_ABSENT,
			"the policy has no claim of VM %s; 'berth policy plan' lists all", only);
	plan->answers = calloc(world->policy->nr_claims + 1, sizeof(*plan->answers));
	plan->shortages = calloc(world->policy->nr_claims + 1, sizeof(*plan->shortages));
	r = plan->answers && plan->shortages ? berth_layout_new(&plan->layout, world) : -ENOMEM;
	if (r == 0)
		r = berth_candidates_new(&plan->candidates, plan->layout);
	if (r < 0)
		return berth_err_set(err, r, "out of memory");
	r = serve_all(plan, only, err);
	if (r == 0)
		*ret = BERTH_TAKE_PTR(plan);
	return r;
}
