/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is so now: who owns what, and what is known against a device. */
#include "policy/decide_inside.h"

#include <string.h>

void berth_decision_owner(struct berth_decision *d)
{
	const char *owner = d->usage->vm;
	struct berth_check *c = berth_decision_note(
		d, BERTH_REASON_OWNED, owner && !d->own ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS,
		"owner", owner, NULL);

	BERTH_OBSERVED(c, "%s%s", owner ? "VM " : "nobody's", owner ? owner : "");
	BERTH_WANTED(c, "nobody's%s%s", d->q->vm ? ", or VM " : "", d->q->vm ? d->q->vm : "");
	if (owner && !d->own)
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_OWNED,
								  .name = owner });
}

/* A group goes as a whole: nobody else may have any of it. */
void berth_decision_group(struct berth_decision *d)
{
	const struct berth_world_group *group = &d->world->groups[d->world->group_of[d->device]];
	const char *other = NULL;
	struct berth_check *c;

	for (uint32_t i = 0; i < group->nr && !other; i++) {
		const char *owner = d->world->usage[group->members[i]].vm;

		if (group->members[i] != d->device && owner &&
		    (!d->q->vm || strcmp(owner, d->q->vm) != 0))
			other = owner;
	}
	if (group->nr == 1)
		return;
	c = berth_decision_note(d, BERTH_REASON_GROUP_SPLIT,
				other ? BERTH_CHECK_FAIL : BERTH_CHECK_PASS, "group", group->key,
				NULL);
	BERTH_OBSERVED(c, "%s%s", other ? "part of it is VM " : "one owner at most",
		       other ? other : "");
	BERTH_WANTED(c, "one owner at most");
	if (other)
		berth_decision_refuse(d,
				      &(struct berth_verdict){ .reason = BERTH_REASON_GROUP_SPLIT,
							       .name = other });
}

/* A PF or its VFs, never both. */
void berth_decision_pf(struct berth_decision *d)
{
	uint32_t pf = d->world->pf_of[d->device], vfs = d->world->owned_vfs[d->device];
	const char *owner = pf != BERTH_WORLD_NONE ? d->world->usage[pf].vm : NULL;
	struct berth_check *c;

	if (vfs && !d->own) {
		c = berth_decision_note(d, BERTH_REASON_PF_HAS_VFS, BERTH_CHECK_FAIL, "pf",
					d->facts->bdf, NULL);
		BERTH_OBSERVED(c, "%u VFs owned", vfs);
		BERTH_WANTED(c, "none");
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PF_HAS_VFS,
								  .have = vfs });
	}
	if (owner && !d->own) {
		c = berth_decision_note(d, BERTH_REASON_PF_OWNED, BERTH_CHECK_FAIL, "pf",
					d->world->facts[pf].bdf, NULL);
		BERTH_OBSERVED(c, "VM %s", owner);
		BERTH_WANTED(c, "nobody's");
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_PF_OWNED,
								  .name = owner });
	}
}

static bool tolerates(const struct berth_question *q, const char *taint)
{
	for (char *const *t = q->tolerate; t && *t; t++) {
		if (strcmp(*t, taint) == 0)
			return true;
	}
	return false;
}

/* @in: BERTH_UNKNOWN when the device only may fit what the taint is about. */
static void check_taint(struct berth_decision *d, const char *taint, enum berth_taint_effect effect,
			enum berth_tri in, const struct berth_origin *origin)
{
	bool bad = effect != BERTH_TAINT_REPORT && !tolerates(d->q, taint) &&
		   !(effect == BERTH_TAINT_NO_NEW && d->own);
	struct berth_check *c = berth_decision_note(d, BERTH_REASON_TAINTED,
						    !bad	    ? BERTH_CHECK_PASS :
						    in == BERTH_YES ? BERTH_CHECK_FAIL :
								      BERTH_CHECK_UNKNOWN,
						    "taint", taint, origin);

	if (c) {
		c->device = in;
		BERTH_OBSERVED(c, "%s%s", taint, in == BERTH_YES ? "" : " (perhaps)");
		BERTH_WANTED(c, "%s",
			     effect == BERTH_TAINT_REPORT ? "(only reported)" :
							    "none, or tolerated");
	}
	if (bad)
		berth_decision_refuse(d, &(struct berth_verdict){ .reason = BERTH_REASON_TAINTED,
								  .origin = origin,
								  .name = taint,
								  .unknown = in != BERTH_YES });
}

void berth_decision_taints(struct berth_decision *d)
{
	uint32_t nr, nr_taints;
	const struct berth_world_member *in = berth_world_sets_of(d->world, d->device, &nr);

	for (size_t i = 0; i < d->usage->nr_taints; i++)
		check_taint(d, d->usage->taints[i].taint, d->usage->taints[i].effect, BERTH_YES,
			    NULL);
	for (uint32_t i = 0; i < nr; i++) {
		const uint32_t *taints = berth_world_taints_on(d->world, in[i].set, &nr_taints);

		for (uint32_t j = 0; j < nr_taints; j++) {
			const struct berth_taint_entry *t = &d->policy->taints[taints[j]];

			check_taint(d, t->taint, t->effect, in[i].in, &t->origin);
		}
	}
}
