/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/sriov"

#include "manager/sriov_verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "manager/appear.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/facts.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "manager/report.h"
#include "manager/resolve.h"
#include "manager/sriov_work.h"
#include "policy/journal.h"
#include "policy/ledger.h"
#include "policy/lookup.h"
#include "vfio/bind.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"
#include "vfio/sriov.h"

/* One run of the verb. */
struct run {
	struct berth_manager *m;
	const struct berth_device *pf;	   /* borrowed from m->inv: only until the first refresh */
	struct berth_assignment_list live; /* owned; before anything was changed, here and below */
	struct berth_inuse *inuse;	   /* owned */
	struct berth_sriov before;
	unsigned int num;
	bool fresh; /* the VFs are new: nobody had a say in what driver they have */
	struct berth_report *report;
};

/* --- may it be done? --- */

static int refuse_owned(struct run *run, const struct berth_device *dev, struct berth_err *err)
{
	const struct berth_assignment *owner = berth_owner_of_device(&run->live, dev);

	if (!owner)
		return 0;
	return berth_err_set(err, BERTH_REFUSED,
			     "%s is owned by %s (%s); 'berth release %s' gives it back",
			     BERTH_BDF_STR(dev->bdf),
			     owner->kind == BERTH_OWNED_BY_BIND ? "'berth bind'" : owner->vm,
			     berth_owned_state_name(owner->state), BERTH_BDF_STR(dev->bdf));
}

/* Another berth is changing the count, or its driver hangs in that. */
static int refuse_busy(struct run *run, struct berth_err *err)
{
	struct berth_busy_look look;
	char words[BERTH_BUSY_WORDS];

	if (!berth_sriov_work_on(run->m, run->pf, &look))
		return 0;
	return berth_err_set(err, BERTH_REFUSED, "%s: its virtual functions: %s",
			     BERTH_BDF_STR(run->pf->bdf), berth_busy_words(&look, words));
}

static int need_facts(struct berth_manager *m, struct berth_err *err)
{
	bool vpd = m->policy && berth_policy_asks(m->policy, "serial.vpd");

	return m->facts ? 0 : berth_facts_build(&m->facts, m->host, m->inv, vpd, err);
}

static int bind_mode(struct berth_manager *m, const struct berth_facts *facts,
		     enum berth_bind_mode *ret)
{
	*ret = BERTH_BIND_ON_ASSIGN;
	return m->policy ? berth_policy_bind_mode(m->policy, facts, ret, NULL, NULL) : 0;
}

/* On vfio-pci, and neither ledger nor policy put it there. */
static int refuse_foreign(struct berth_manager *m, const struct berth_device *vf,
			  struct berth_err *err)
{
	enum berth_bind_mode mode;
	int r;

	if (strcmp(vf->driver, BERTH_BIND_VFIO))
		return 0;
	r = need_facts(m, err);
	if (r < 0)
		return r;
	if (bind_mode(m, berth_facts_of(m->facts, vf), &mode) == 0 && mode == BERTH_BIND_AUTO)
		return 0;
	return berth_err_set(
		err, BERTH_REFUSED,
		"%s is bound to vfio-pci, but neither by a VM of berth nor by its policy: somebody "
		"may be about to use it; 'berth unbind %s' frees it",
		BERTH_BDF_STR(vf->bdf), BERTH_BDF_STR(vf->bdf));
}

static int refuse_open(struct berth_manager *m, const struct berth_device *vf,
		       struct berth_err *err)
{
	char name[32];
	pid_t pid;

	if (vf->iommu_group < 0)
		return 0;
	pid = berth_process_holding(m->host, vf->iommu_group, 0);
	if (pid == 0)
		return 0;
	if (pid < 0)
		return berth_err_set(err, pid, "%s: who has group %d open cannot be found out: %s",
				     BERTH_BDF_STR(vf->bdf), vf->iommu_group, strerror(-pid));
	return berth_err_set(err, BERTH_REFUSED,
			     "%s (group %d) is in use by process %d (%s); end it first",
			     BERTH_BDF_STR(vf->bdf), vf->iommu_group, (int)pid,
			     berth_process_name(m->host, pid, name));
}

static int refuse_needed(const struct run *run, struct berth_bdf vf, struct berth_err *err)
{
	const struct berth_inuse_reason *hard = berth_inuse_hard(run->inuse, vf);

	return hard ? berth_err_set(err, BERTH_REFUSED, "the host needs it: %s", hard->sentence) :
		      0;
}

/* berth_sriov_guard_fn: may this VF be removed? */
static int may_remove(void *ctx, struct berth_bdf at, unsigned int index, struct berth_err *err)
{
	struct run *run = ctx;
	const struct berth_device *vf = berth_inventory_find(run->m->inv, at);
	int r;

	(void)index;
	if (!vf)
		return berth_err_set(err, -EAGAIN, "%s was not there a moment ago; try again",
				     BERTH_BDF_STR(at));
	r = refuse_owned(run, vf, err);
	if (r == 0)
		r = refuse_open(run->m, vf, err);
	if (r == 0)
		r = refuse_foreign(run->m, vf, err);
	return r ? r : refuse_needed(run, at, err);
}

/* --- the VFs that are there now --- */

static int take_vf(struct run *run, struct berth_bdf vf, unsigned int index, struct berth_err *err)
{
	struct berth_bind_state found;
	int r = berth_bind_read(run->m->host, vf, &found, err);

	if (r < 0)
		return r;
	if (strcmp(found.driver, BERTH_BIND_VFIO) == 0)
		return 0;
	r = refuse_needed(run, vf, err);
	if (r == 0)
		r = berth_appear_bind(run->m->host, vf, &found, false, err);
	if (r)
		return berth_err_prefix(err, r, "VF %u", index);
	berth_report_add(run->report, "%s (VF %u): bound to vfio-pci, as policy says",
			 BERTH_BDF_STR(vf), index);
	return 0;
}

/* As the kernel would have done with autoprobe on. Whether a driver wants it is not our affair. */
static int offer_vf(struct run *run, struct berth_bdf vf, unsigned int index, struct berth_err *err)
{
	struct berth_bind_state now;
	int r = berth_bind_read(run->m->host, vf, &now, err);

	if (r < 0 || now.driver[0])
		return r;
	r = berth_sysfs_write(run->m->host, BERTH_BDF_STR(vf), BERTH_SYSFS_DEADLINE_MS, err,
			      "bus/pci/drivers_probe");
	if (r == 0)
		r = berth_bind_read(run->m->host, vf, &now, err);
	if (r == 0)
		berth_report_add(run->report, "%s (VF %u): with the host, driver %s",
				 BERTH_BDF_STR(vf), index, now.driver[0] ? now.driver : "none yet");
	return r;
}

typedef int vf_fn(struct run *run, struct berth_bdf vf, unsigned int index, struct berth_err *err);

/* Do it for every VF whose bind mode is @mode. Return: 0, or the first failure; the others are done all the same. */
static int each_vf(struct run *run, enum berth_bind_mode mode, vf_fn *fn, struct berth_err *err)
{
	struct berth_manager *m = run->m;
	int r = need_facts(m, err);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < run->num; i++) {
		enum berth_bind_mode wanted;
		const struct berth_device *vf;
		struct berth_bdf at;
		int e = berth_sriov_vf(m->host, run->before.at, i, &at);

		vf = e == 0 ? berth_inventory_find(m->inv, at) : NULL;
		/* a policy that contradicts itself about a VF leaves it with the host */
		if (!vf || (bind_mode(m, berth_facts_of(m->facts, vf), &wanted), wanted != mode))
			continue;
		e = fn(run, at, i, err);
		if (r == 0)
			r = e;
	}
	return r;
}

/* Give each VF its driver. Autoprobe is off on entry when the VFs are new, and as it was on return. */
static int settle(struct run *run, struct berth_err *err)
{
	struct berth_manager *m = run->m;
	int e, r = berth_manager_refresh(m, err);

	if (r == 0)
		r = each_vf(run, BERTH_BIND_AUTO, take_vf, err);
	if (!run->fresh || !run->before.autoprobe)
		return r;
	e = berth_sriov_autoprobe(m->host, run->before.at, true, err);
	if (e == 0)
		e = each_vf(run, BERTH_BIND_ON_ASSIGN, offer_vf, err);
	return r ? r : e;
}

/* --- the verb --- */

/* What policy would say of a VF that is not there yet. */
static enum berth_bind_mode future_mode(struct run *run, const struct berth_facts *pf,
					unsigned int index, const char *bdf)
{
	BERTH_CLEANUP(berth_freep) char *path = NULL;
	enum berth_bind_mode mode;
	struct berth_facts vf = {
		.bdf = bdf,
		.class = pf->class,
		.vendor = pf->vendor,
		.device = run->before.vf_device_id ? run->before.vf_device_id : BERTH_FACT_UNKNOWN,
		.subsystem_vendor = BERTH_FACT_UNKNOWN,
		.subsystem_device = BERTH_FACT_UNKNOWN,
		.driver = "",
		.numa_node = pf->numa_node,
		.is_vf = true,
		.vf_index = (int32_t)index,
		.pf = pf,
	};

	if (asprintf(&path, "%s#vf%u", pf->path, index) < 0)
		path = NULL;
	vf.path = path;
	bind_mode(run->m, &vf, &mode);
	return mode;
}

static int dry_run_set(struct run *run, struct berth_err *err)
{
	const char *pf = BERTH_BDF_STR(run->before.at);
	struct berth_bdf at;
	int r = need_facts(run->m, err);

	if (r < 0)
		return r;
	if (run->num == run->before.num)
		berth_report_add(run->report, "%s: has %u virtual functions already", pf, run->num);
	else if (run->before.num)
		berth_report_add(run->report, "%s: would remove %u virtual functions", pf,
				 run->before.num);
	if (run->num && run->num != run->before.num)
		berth_report_add(run->report,
				 "%s: would make %u virtual functions with driver autoprobe off",
				 pf, run->num);
	for (unsigned int i = 0; i < run->num; i++) {
		bool known = berth_sriov_vf_expected(&run->before, i, &at) == 0;
		const char *name = known ? BERTH_BDF_STR(at) : "?";
		bool take = future_mode(run, berth_facts_of(run->m->facts, run->pf), i,
					known ? name : NULL) == BERTH_BIND_AUTO;

		berth_report_add(run->report, "%s (VF %u): would %s", name, i,
				 take		       ? "go to vfio-pci, as policy says" :
				 run->before.autoprobe ? "go to the host's driver" :
							 "stay without a driver");
	}
	return 0;
}

static int write_intent(struct run *run, int64_t *ret_seq, struct berth_err *err)
{
	char arg[16], undo[48], bdf[BERTH_BDF_LEN];
	struct berth_intent intent = {
		.bdf = berth_bdf_format(run->before.at, bdf),
		.op = (char[]){ BERTH_SRIOV_OP },
		.arg = arg,
		.undo = undo,
	};

	snprintf(arg, sizeof(arg), "%u", run->num);
	snprintf(undo, sizeof(undo), "vfs=%u autoprobe=%u", run->before.num, run->before.autoprobe);
	return berth_journal_intent(run->m->ledger, &intent, ret_seq, err);
}

/* Change the count and settle. @ret_changed: the count is as wanted, whatever became of the single VFs. */
static int change(struct run *run, bool *ret_changed, struct berth_err *err)
{
	int r;

	*ret_changed = false;
	r = berth_sriov_set(run->m->host, run->before.at, run->num, may_remove, run,
			    berth_sriov_deadline_ms(run->num), err);
	if (r)
		return r;
	*ret_changed = true;
	if (run->num != run->before.num)
		berth_report_add(run->report, "%s: %u virtual functions, %u before",
				 BERTH_BDF_STR(run->before.at), run->num, run->before.num);
	return settle(run, err);
}

/* What came of it, unless the kernel is still at it. Return: @r, or -errno of the journal. */
static int conclude(struct berth_manager *m, int64_t seq, bool changed, int r,
		    const struct berth_err *why, struct berth_err *err)
{
	bool left = berth_sriov_work_is_left(m, seq);
	int e = 0;

	if (!left)
		e = berth_journal_outcome(m->ledger, seq,
					  changed ? BERTH_STEP_DONE : BERTH_STEP_FAILED,
					  r ? why->text : NULL, r ? NULL : err);
	berth_sriov_work_end(m, seq, !left && e == 0);
	if (r)
		return berth_err_set(err, r, "%s", why->text);
	return e < 0 ? e : 0;
}

static int set_journalled(struct run *run, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	bool changed = false;
	int64_t seq;
	int r = write_intent(run, &seq, err);

	if (r)
		return r;
	r = berth_sriov_work_begin(run->m, seq, BERTH_BDF_STR(run->before.at), &why);
	if (r == 0)
		r = change(run, &changed, &why);
	return conclude(run->m, seq, changed, r, &why, err);
}

/* Before the journal is written and for a dry run; berth_sriov_set() asks again. */
static int ask_all(struct run *run, struct berth_err *err)
{
	struct berth_bdf vf;
	int r = 0;

	for (unsigned int i = 0; i < run->before.num && run->num != run->before.num; i++) {
		if (berth_sriov_vf(run->m->host, run->before.at, i, &vf) == 0)
			r = may_remove(run, vf, i, err);
		if (r)
			return berth_err_prefix(err, r, "VF %u of %s", i,
						BERTH_BDF_STR(run->before.at));
	}
	return 0;
}

static void run_done(struct run *run)
{
	berth_assignment_list_free(&run->live);
	berth_inuse_free(run->inuse);
}

/* Who owns what, and what does the host stand on? */
static int look(struct run *run, struct berth_err *err)
{
	int r = berth_owner_all(run->m, &run->live, err);

	return r ? r : berth_inuse_read(&run->inuse, run->m->host, false, err);
}

static int prepare(struct run *run, const char *name, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr;
	int r = berth_resolve(run->m, NULL, &name, 1, &devs, &nr, err);

	if (r)
		return r;
	run->pf = devs[0];
	r = refuse_busy(run, err);
	if (r)
		return r;
	r = berth_sriov_read(run->m->host, run->pf->bdf, &run->before, err);
	if (r == 0 && run->num > run->before.total)
		r = berth_err_set(err, -ERANGE,
				  "%s allows no more than %u virtual functions, %u are too many",
				  BERTH_BDF_STR(run->before.at), run->before.total, run->num);
	if (r == 0)
		r = look(run, err);
	if (r == 0)
		r = refuse_owned(run, run->pf, err);
	return r ? r : ask_all(run, err);
}

int berth_manager_sriov_set(struct berth_manager *m, const char *pf, unsigned int num, bool dry_run,
			    struct berth_report *report, struct berth_err *err)
{
	struct run run = { .m = m, .num = num, .report = report };
	const struct berth_policy *policy;
	int r = berth_manager_policy(m, &policy, err);

	if (r < 0)
		return r;
	r = prepare(&run, pf, err);
	run.fresh = num != run.before.num;
	if (r == 0)
		r = dry_run ? dry_run_set(&run, err) : set_journalled(&run, err);
	run_done(&run);
	return r;
}

/* --- all that policy wishes --- */

/* Is it the device of this wish that the caller means by @name? */
static bool is_wish_for(struct berth_manager *m, const struct berth_sriov_entry *wish,
			const char *name)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **a = NULL;
	BERTH_CLEANUP(berth_freep) const struct berth_device **b = NULL;
	const char *pf = wish->pf;
	size_t nr;

	return strcmp(name, pf) == 0 ||
	       (berth_resolve(m, NULL, &name, 1, &a, &nr, NULL) == 0 &&
		berth_resolve(m, NULL, &pf, 1, &b, &nr, NULL) == 0 && a[0] == b[0]);
}

static int apply_one(struct berth_manager *m, const struct berth_sriov_entry *wish, bool dry_run,
		     struct berth_report *report, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int r = berth_manager_sriov_set(m, wish->pf, wish->num_vfs, dry_run, report, &why);

	if (r == -ENODEV) {
		berth_report_add(report, "%s: not on this host: %s", wish->pf, why.text);
		return 0;
	}
	return r ? berth_err_set(err, r, "sriov wish for \"%s\" (%s): %s", wish->pf,
				 BERTH_ORIGIN_STR(&wish->origin), why.text) :
		   0;
}

int berth_manager_sriov_apply(struct berth_manager *m, const char *pf, bool dry_run,
			      struct berth_report *report, struct berth_err *err)
{
	const struct berth_policy *policy;
	size_t nr = 0;
	int first = 0, r = berth_manager_policy(m, &policy, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < policy->nr_sriovs; i++) {
		struct berth_err why = BERTH_ERR_INIT;

		if (pf && !is_wish_for(m, &policy->sriovs[i], pf))
			continue;
		nr++;
		r = apply_one(m, &policy->sriovs[i], dry_run, report, &why);
		if (r && first)
			berth_report_add(report, "%s", why.text);
		else if (r)
			first = berth_err_set(err, r, "%s", why.text);
	}
	if (nr)
		return first;
	return berth_err_set(
		err, BERTH_ABSENT,
		"policy has no \"sriov\" wish%s%s; berth-policy(5) tells how to write one",
		pf ? " for " : "", pf ? pf : "");
}

/* --- after a crash --- */

/* The step as it was meant. Return: 0; -EINVAL. */
static int parse_step(const struct berth_intent *step, struct run *run, struct berth_bdf *ret_at,
		      bool *ret_autoprobe, struct berth_err *err)
{
	unsigned int before, autoprobe;

	if (!step->bdf || !step->arg || !step->undo || berth_bdf_parse(step->bdf, ret_at) < 0 ||
	    sscanf(step->arg, "%u", &run->num) != 1 ||
	    sscanf(step->undo, "vfs=%u autoprobe=%u", &before, &autoprobe) != 2)
		return berth_err_set(err, -EINVAL, "journal row %lld cannot be understood",
				     (long long)step->seq);
	*ret_autoprobe = autoprobe;
	return 0;
}

/* @run and its PF as they are now, with the mark that is ours: once more. */
static int do_again(struct run *run, struct berth_bdf at, bool autoprobe, bool *ret_changed,
		    struct berth_err *err)
{
	int r = berth_sriov_read(run->m->host, at, &run->before, err);

	run->before.autoprobe = autoprobe;
	if (r == 0)
		r = look(run, err);
	if (r == 0)
		r = change(run, ret_changed, err);
	run_done(run);
	return r;
}

int berth_manager_sriov_recover(struct berth_manager *m, const struct berth_intent *step,
				struct berth_report *report, struct berth_err *err)
{
	struct run run = { .m = m, .report = report, .fresh = true };
	struct berth_err why = BERTH_ERR_INIT;
	bool changed = false, autoprobe = false;
	struct berth_bdf at;
	int e, r = parse_step(step, &run, &at, &autoprobe, err);

	if (r == 0)
		r = berth_sriov_work_begin(m, step->seq, step->bdf, err);
	if (r)
		return r;
	r = do_again(&run, at, autoprobe, &changed, &why);
	if (!changed && autoprobe && r != -ENODEV && !berth_sriov_work_is_left(m, step->seq)) {
		e = berth_sriov_autoprobe(m->host, at, true, NULL);
		if (e < 0)
			log_warn("%s: restoring sriov_drivers_autoprobe: %s", step->bdf,
				 strerror(-e));
	}
	berth_report_add(report, "%s: %u virtual functions, interrupted before, %s", step->bdf,
			 run.num,
			 changed				? "finished" :
			 berth_sriov_work_is_left(m, step->seq) ? "begun again" :
								  "given up");
	return conclude(m, step->seq, changed, r, &why, err);
}
