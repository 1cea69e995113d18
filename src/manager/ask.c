/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/ask.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/facts.h"
#include "manager/unit.h"
#include "manager/view.h"
#include "policy/explain.h"
#include "policy/lookup.h"
#include "vfio/inventory.h"
#include "vfio/vf_net.h"

/* The policy and what it may see of the devices. */
static int facts_of(struct berth_manager *m, const struct berth_fact_sheet **ret,
		    struct berth_err *err)
{
	const struct berth_policy *policy;
	int r = berth_manager_policy(m, &policy, err);

	if (r == 0 && !m->facts)
		r = berth_facts_build(&m->facts, m->host, m->inv,
				      berth_policy_asks(policy, "serial.vpd"), err);
	*ret = m->facts;
	return r;
}

/* Devices of the world that are taken to be the VM's while something is asked. */
struct pretence {
	uint32_t *devices; /* owned */
	size_t nr;
};

/* The units before @unit in one request are given when @unit is decided: quotas and pools count them. */
static int pretend(struct berth_view *view, const struct berth_units *with,
		   const struct berth_unit *unit, const char *vm, struct pretence *p)
{
	struct berth_world *world = view->world;

	p->devices = calloc(world->nr + 1, sizeof(*p->devices));
	if (!p->devices)
		return -ENOMEM;
	for (size_t i = 0; with && i < with->nr && &with->items[i] != unit; i++) {
		for (size_t j = 0; j < with->items[i].nr; j++) {
			uint32_t device = berth_view_number(view, with->items[i].members[j].dev);

			if (world->usage[device].vm)
				continue;
			berth_world_set_owner(world, device, vm);
			p->devices[p->nr++] = device;
		}
	}
	return 0;
}

static void stop_pretending(struct berth_world *world, struct pretence *p)
{
	for (size_t i = 0; i < p->nr; i++)
		berth_world_set_owner(world, p->devices[i], NULL);
	free(p->devices);
}

/* What owner, ledger and safety say in their own words. */
static bool is_for_others(const struct berth_verdict *v)
{
	return v->reason == BERTH_REASON_OWNED || v->reason == BERTH_REASON_GROUP_SPLIT ||
	       v->reason == BERTH_REASON_PF_HAS_VFS || v->reason == BERTH_REASON_PF_OWNED ||
	       (v->reason == BERTH_REASON_PROTECTED && !v->origin);
}

static int decide(struct berth_manager *m, struct berth_view *view, const struct berth_unit *unit,
		  const char *vm, struct berth_verdict *ret)
{
	struct berth_question q = berth_question_for(m->policy, vm);
	uint32_t *asked = calloc(unit->nr + 1, sizeof(*asked)), group;
	size_t nr = 0;
	int r;

	if (!asked)
		return -ENOMEM;
	for (size_t i = 0; i < unit->nr; i++) {
		if (unit->members[i].asked)
			asked[nr++] = berth_view_number(view, unit->members[i].dev);
	}
	q.force = m->force;
	group = view->world->group_of[berth_view_number(view, unit->members[0].dev)];
	r = berth_decide_group(view->world, group, asked, nr, &q, ret, NULL);
	free(asked);
	return r;
}

int berth_ask_unit(struct berth_manager *m, const struct berth_unit *unit,
		   const struct berth_units *with, const char *vm, struct berth_err *err)
{
	struct pretence pretence = { 0 };
	struct berth_verdict verdict;
	struct berth_view *view;
	char why[512], remedy[256];
	int r = berth_view_of(m, &view, err);

	if (r != 0)
		return r;
	r = pretend(view, with, unit, vm, &pretence);
	if (r == 0)
		r = decide(m, view, unit, vm, &verdict);
	stop_pretending(view->world, &pretence);
	if (r < 0)
		return berth_err_set(err, r, "out of memory");
	if (verdict.allow || is_for_others(&verdict))
		return 0;
	return berth_err_set(err, BERTH_REFUSED, "%s: %s; %s", berth_reason_name(verdict.reason),
			     berth_explain_verdict(view->world, &verdict, why, sizeof(why)),
			     berth_explain_remedy(view->world, &verdict, remedy, sizeof(remedy)));
}

int berth_ask_lease(struct berth_manager *m, const struct berth_unit *unit, const char *vm,
		    const struct berth_rule **ret, struct berth_err *err)
{
	struct berth_verdict verdict;
	struct berth_view *view;
	char why[512];
	int r = berth_view_of(m, &view, err);

	*ret = NULL;
	if (r != 0)
		return r;
	r = decide(m, view, unit, vm, &verdict);
	if (r < 0)
		return berth_err_set(err, r, "out of memory");
	if (verdict.allow && verdict.lease)
		*ret = verdict.rule;
	if (verdict.allow || is_for_others(&verdict))
		return 0;
	return berth_err_set(err, BERTH_REFUSED, "%s: %s", berth_reason_name(verdict.reason),
			     berth_explain_verdict(view->world, &verdict, why, sizeof(why)));
}

int berth_ask_name(struct berth_manager *m, const char *name, const struct berth_device **ret,
		   struct berth_err *err)
{
	const struct berth_fact_sheet *sheet;
	size_t index = 0;
	int r = facts_of(m, &sheet, err);

	if (r < 0)
		return r;
	if (m->policy->nr_files == 0)
		return berth_err_set(
			err, -ENODEV,
			"there is no device '%.80s': it is neither an address like "
			"0000:03:00.0 nor a PCI path, and there is no policy that names "
			"devices",
			name);
	r = berth_policy_find_device(m->policy, name, sheet->items, sheet->nr, &index, err);
	if (r == BERTH_ABSENT) {
		if (err)
			err->code = -ENODEV;
		return -ENODEV;
	}
	if (r == 0)
		*ret = &m->inv->devices[index];
	return r;
}

int berth_ask_pool(struct berth_manager *m, const char *name, const struct berth_device ***ret,
		   size_t *ret_nr, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) size_t *indexes = calloc(m->inv->nr + 1, sizeof(*indexes));
	const struct berth_device **devs = calloc(m->inv->nr + 1, sizeof(*devs));
	const struct berth_fact_sheet *sheet;
	size_t nr = 0;
	int r = facts_of(m, &sheet, err);

	if (r == 0 && (!indexes || !devs))
		r = berth_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = berth_policy_find_pool(m->policy, name, sheet->items, sheet->nr, indexes, &nr,
					   err);
	if (r == BERTH_ABSENT) {
		r = -ENODEV;
		if (err)
			err->code = r;
	}
	if (r != 0) {
		free(devs);
		return r;
	}
	for (size_t i = 0; i < nr; i++)
		devs[i] = &m->inv->devices[indexes[i]];
	*ret = devs;
	*ret_nr = nr;
	return 0;
}

int berth_ask_net(struct berth_manager *m, const struct berth_device *dev, struct berth_vf_net *ret,
		  struct berth_err *err)
{
	struct berth_net_policy net = { 0 };
	const struct berth_fact_sheet *sheet;
	int r = facts_of(m, &sheet, err);

	memset(ret, 0, sizeof(*ret));
	if (r == 0 && dev->is_vf)
		r = berth_policy_net(m->policy, berth_facts_of(sheet, dev), &net, err);
	if (r != 0)
		return r;
	if (net.has_mac) {
		ret->has |= BERTH_VF_NET_MAC;
		memcpy(ret->mac, net.mac, sizeof(ret->mac));
	}
	if (net.has_vlan || net.has_qos) {
		ret->has |= BERTH_VF_NET_VLAN;
		ret->vlan = net.vlan;
		ret->vlan_qos = net.qos;
		ret->vlan_proto = 0x8100; /* 802.1Q, linux/if_ether.h ETH_P_8021Q */
	}
	if (net.has_trust) {
		ret->has |= BERTH_VF_NET_TRUST;
		ret->trust = net.trust;
	}
	if (net.has_spoofchk) {
		ret->has |= BERTH_VF_NET_SPOOFCHK;
		ret->spoofchk = net.spoofchk;
	}
	return 0;
}
