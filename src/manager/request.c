/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/request.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/obstacle.h"
#include "manager/owner.h"
#include "manager/resolve.h"
#include "manager/view.h"
#include "policy/rule.h"

#define VM_NAME_MAX 64

int berth_vm_name_check(const char *vm, struct berth_err *err)
{
	size_t len = strlen(vm);

	if (len == 0 || len > VM_NAME_MAX || vm[0] == '.' || vm[0] == '-' ||
	    strspn(vm, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len)
		return berth_err_set(err, -EINVAL,
				     "'%.80s' is no name for a VM: letters, digits, '.', '_' and "
				     "'-', at most %d, not starting with '.' or '-'",
				     vm, VM_NAME_MAX);
	return 0;
}

/* One group: is it free, or ours already; may it move? The first obstacle is the one to name. */
static int check_unit(struct berth_manager *m, struct berth_request *q, size_t i,
		      struct berth_err *err)
{
	const struct berth_obstacle_query query = { q->vm, &q->units, &q->live };
	struct berth_obstacles list = { 0 };
	int r = berth_obstacles_find(m, &q->units.items[i], &query, &list, &q->own[i], err);

	if (r == 0 && list.nr)
		r = berth_err_set(err, BERTH_REFUSED, "%s", list.items[0].sentence);
	berth_obstacles_done(&list);
	return r;
}

static void weigh(const struct berth_manager *m, struct berth_request *q)
{
	const struct berth_claim_entry *claim = m->policy ? berth_policy_claim(m->policy, q->vm) :
							    NULL;

	q->priority = m->turn.priority || !claim ? m->turn.priority : claim->priority;
	q->preemptible = claim && claim->preemptible;
}

int berth_request_make(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_request *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **asked = NULL;
	struct berth_request q = { 0 };
	size_t nr_asked = 0;
	int r = berth_vm_name_check(vm, err);

	berth_view_drop(m); /* an earlier request may have changed who owns what */
	if (r == 0)
		r = berth_resolve(m, vm, names, nr, &asked, &nr_asked, err);
	if (r == 0)
		r = berth_units_build(m->inv, asked, nr_asked, &q.units, err);
	if (r != 0)
		return r;
	q.vm = strdup(vm);
	q.own = calloc(q.units.nr + 1, sizeof(*q.own));
	if (!q.vm || !q.own)
		r = berth_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		weigh(m, &q);
	if (r == 0)
		r = berth_owner_all(m, &q.live, err);
	for (size_t i = 0; i < q.units.nr && r == 0; i++)
		r = check_unit(m, &q, i, err);
	if (r != 0)
		berth_request_done(&q);
	else
		*ret = q;
	return r;
}

void berth_request_done(struct berth_request *q)
{
	free(q->vm);
	free(q->own);
	berth_units_done(&q->units);
	berth_assignment_list_free(&q->live);
	memset(q, 0, sizeof(*q));
}
