/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/claimed.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/view.h"
#include "policy/explain_claim.h"

void berth_claimed_done(struct berth_claimed *claimed)
{
	for (size_t i = 0; i < claimed->nr; i++)
		free(claimed->names[i]);
	free(claimed->names);
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
				     "%s: nobody is displaced unasked; end and release them first",
				     text);
	return berth_err_set(err, BERTH_REFUSED, "%s%s%s", text, *remedy ? "; " : "", remedy);
}

static int keep_names(const struct berth_plan *plan, struct berth_claimed *ret)
{
	const struct berth_claim_answer *a = &plan->answers[plan->nr - 1];
	struct berth_claimed claimed = { .names = calloc(a->nr_devices + 1, sizeof(char *)) };

	if (!claimed.names)
		return -ENOMEM;
	for (size_t i = 0; i < a->nr_devices; i++) {
		claimed.names[i] = strdup(plan->layout->world->facts[a->devices[i].device].bdf);
		if (!claimed.names[i]) {
			berth_claimed_done(&claimed);
			return -ENOMEM;
		}
		claimed.nr++;
	}
	*ret = claimed;
	return 0;
}

int berth_manager_claimed(struct berth_manager *m, const char *vm, struct berth_claimed *ret,
			  struct berth_err *err)
{
	BERTH_CLEANUP(berth_view_freep) struct berth_view *view = NULL;
	BERTH_CLEANUP(berth_plan_freep) struct berth_plan *plan = NULL;
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
	if (plan->answers[plan->nr - 1].outcome != BERTH_CLAIM_MET ||
	    plan->answers[plan->nr - 1].victims)
		return refuse(plan, err);
	r = keep_names(plan, ret);
	return r < 0 ? berth_err_set(err, r, "out of memory") : 0;
}
