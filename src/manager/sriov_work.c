/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/sriov_work.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "policy/assignment.h"
#include "policy/journal.h"
#include "vfio/inventory.h"

int berth_sriov_work_find(struct berth_manager *m, struct berth_intent_list *ret,
			  struct berth_err *err)
{
	*ret = (struct berth_intent_list){ 0 };
	return m->ledger ? berth_journal_find(m->ledger, 0, BERTH_STEP_OPEN, ret, err) : 0;
}

bool berth_sriov_work_look(struct berth_manager *m, const struct berth_intent *step,
			   struct berth_busy_look *ret)
{
	return strcmp(step->op, BERTH_SRIOV_OP) == 0 && berth_busy_look(m, -step->seq, ret);
}

bool berth_sriov_work_on(struct berth_manager *m, const struct berth_device *dev,
			 struct berth_busy_look *ret)
{
	struct berth_bdf pf = dev->is_vf ? dev->pf : dev->bdf, at;
	struct berth_intent_list open;
	bool any = false;

	if ((!dev->is_vf && !dev->vfs_total) || berth_sriov_work_find(m, &open, NULL) < 0)
		return false;
	for (size_t i = 0; i < open.nr && !any; i++)
		any = open.items[i].bdf && berth_bdf_parse(open.items[i].bdf, &at) == 0 &&
		      berth_bdf_eq(at, pf) && berth_sriov_work_look(m, &open.items[i], ret);
	berth_intent_list_free(&open);
	return any;
}

static bool is_open(struct berth_manager *m, int64_t seq)
{
	struct berth_intent_list open;
	bool any = false;

	if (berth_sriov_work_find(m, &open, NULL) < 0)
		return false;
	for (size_t i = 0; i < open.nr; i++)
		any |= open.items[i].seq == seq;
	berth_intent_list_free(&open);
	return any;
}

int berth_sriov_work_begin(struct berth_manager *m, int64_t seq, const char *pf,
			   struct berth_err *err)
{
	char group[BERTH_BDF_LEN], vm[] = "'berth sriov set'";
	const struct berth_assignment as_if = { .id = -seq, .group = group, .vm = vm };
	int r;

	strncpy(group, pf, sizeof(group) - 1);
	group[sizeof(group) - 1] = '\0';
	r = berth_busy_begin(m, &as_if, err);
	if (r != 0 || is_open(m, seq))
		return r;
	berth_busy_end(m, -seq);
	return berth_err_set(err, -ENOENT, "%s: another berth has finished it meanwhile", pf);
}

bool berth_sriov_work_is_left(struct berth_manager *m, int64_t seq)
{
	return berth_busy_is_left(m, -seq);
}

void berth_sriov_work_end(struct berth_manager *m, int64_t seq, bool over)
{
	berth_busy_end(m, -seq);
	if (over)
		berth_busy_forget(m, -seq);
}
