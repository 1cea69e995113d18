/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/drift.h"

#include <stdio.h>
#include <stdlib.h>

#include "manager/context.h"
#include "manager/owner.h"
#include "manager/view.h"
#include "policy/explain.h"

/* The world's numbers of what was asked for then and is still there. *ret_group: where it all is now. */
static size_t find_asked(const struct berth_view *view, const struct berth_assignment *a,
			 uint32_t *ret, uint32_t *ret_group)
{
	size_t nr = 0;

	*ret_group = BERTH_WORLD_NONE;
	for (size_t i = 0; i < a->nr_members; i++) {
		bool same;
		const struct berth_device *dev =
			berth_owner_find_member(view->inv, &a->members[i], &same);

		if (!dev || !same)
			continue;
		if (*ret_group == BERTH_WORLD_NONE)
			*ret_group = view->world->group_of[berth_view_number(view, dev)];
		if (!a->members[i].companion)
			ret[nr++] = berth_view_number(view, dev);
	}
	return nr;
}

char *berth_drift_of(struct berth_manager *m, const struct berth_assignment *a, char *buf,
		     size_t size)
{
	uint32_t *asked = calloc(a->nr_members + 1, sizeof(*asked)), group = BERTH_WORLD_NONE;
	struct berth_verdict verdict = { .allow = true };
	struct berth_question q;
	struct berth_view *view;
	char why[400];
	size_t nr;

	*buf = '\0';
	if (asked && a->kind != BERTH_OWNED_BY_BIND && berth_view_of(m, &view, NULL) == 0 &&
	    m->policy->nr_files) {
		q = berth_question_for(m->policy, a->vm);
		q.force = true; /* it was said then, if it had to be */
		nr = find_asked(view, a, asked, &group);
		if (group == BERTH_WORLD_NONE ||
		    berth_decide_group(view->world, group, asked, nr, &q, &verdict, NULL) < 0)
			verdict.allow = true;
	}
	if (!verdict.allow)
		snprintf(buf, size, "%s: %s", berth_reason_name(verdict.reason),
			 berth_explain_verdict(view->world, &verdict, why, sizeof(why)));
	free(asked);
	return buf;
}
