/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/claimed.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/view.h"
#include "policy/explain_claim.h"

static void free_names(char **names, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(names[i]);
	free(names);
}

void berth_claimed_done(struct berth_claimed *claimed)
{
	free_names(claimed->names, claimed->nr);
	free_names(claimed->victims, claimed->nr_victims);
	*claimed = (struct berth_claimed){ 0 };
}

static int refuse(const struct berth_plan *plan, struct berth_err *err)
{
	const struct berth_claim_answer *a = &plan->answers[plan->nr - 1];
	char text[BERTH_EXPLAIN_CLAIM_TEXT], remedy[512];

	berth_explain_claim(plan, plan->nr - 1, text, sizeof(text));
	berth_explain_claim_remedy(plan, plan->nr - 1, remedy, sizeof(remedy));
	if (a->victims)
		return berth_err_set(err, BERTH_REFUSED,
				     "%s: nobody is displaced unasked; with --preempt they are "
				     "ended and give back what they have",
				     text);
	return berth_err_set(err, BERTH_REFUSED, "%s%s%s", text, *remedy ? "; " : "", remedy);
}

static int add_name(char ***names, size_t *nr, const char *name)
{
	char **bigger = reallocarray(*names, *nr + 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	*names = bigger;
	bigger[*nr] = strdup(name);
	return bigger[*nr] ? (++*nr, 0) : -ENOMEM;
}

static int keep_names(const struct berth_plan *plan, struct berth_claimed *ret)
{
	const struct berth_claim_answer *a = &plan->answers[plan->nr - 1];
	struct berth_claimed claimed = { .priority = a->claim->priority };
	int r = 0;

	for (size_t i = 0; i < a->nr_devices && r == 0; i++)
		r = add_name(&claimed.names, &claimed.nr,
			     plan->layout->world->facts[a->devices[i].device].bdf);
	for (const char **v = a->victims; v && *v && r == 0; v++)
		r = add_name(&claimed.victims, &claimed.nr_victims, *v);
	if (r < 0)
		berth_claimed_done(&claimed);
	else
		*ret = claimed;
	return r;
}

/* What the plan gives @vm; with @at_cost also when others have to go for it. */
static int look(struct berth_manager *m, const char *vm, bool at_cost, struct berth_claimed *ret,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_view_freep) struct berth_view *view = NULL;
	BERTH_CLEANUP(berth_plan_freep) struct berth_plan *plan = NULL;
	const struct berth_claim_answer *a;
	const struct berth_policy *policy;
	int r = berth_manager_policy(m, &policy, err);

	/* a view of its own: a plan writes to its world */
	if (r == 0)
		r = berth_view_new(&view, m, policy, err);
	if (r == 0)
		r = berth_plan_new(&plan, view->world, vm, err);
	if (r == BERTH_ABSENT) {
		if (err)
			err->code = -ENOENT;
		return -ENOENT;
	}
	if (r != 0)
		return r;
	a = &plan->answers[plan->nr - 1];
	if (a->outcome != BERTH_CLAIM_MET || (a->victims && !at_cost))
		return refuse(plan, err);
	r = keep_names(plan, ret);
	return r < 0 ? berth_err_set(err, r, "out of memory") : 0;
}

int berth_manager_claimed(struct berth_manager *m, const char *vm, struct berth_claimed *ret,
			  struct berth_err *err)
{
	return look(m, vm, false, ret, err);
}

int berth_manager_claimed_at_cost(struct berth_manager *m, const char *vm,
				  struct berth_claimed *ret, struct berth_err *err)
{
	return look(m, vm, true, ret, err);
}
