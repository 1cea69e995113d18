/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/ask.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/context.h"
#include "manager/facts.h"
#include "manager/unit.h"
#include "policy/decide.h"
#include "vfio/inventory.h"
#include "vfio/vf_net.h"

/* The policy and what it may see of the devices. */
static int facts_of(struct berth_manager *m, const struct berth_fact_sheet **ret,
		    struct berth_err *err)
{
	const struct berth_policy *policy;
	int r = berth_manager_policy(m, &policy, err);

	if (r == 0 && !m->facts)
		r = berth_facts_build(&m->facts, m->host, m->inv, err);
	*ret = m->facts;
	return r;
}

int berth_ask_unit(struct berth_manager *m, const struct berth_unit *unit, const char *vm,
		   struct berth_err *err)
{
	const struct berth_fact_sheet *sheet;
	int r = facts_of(m, &sheet, err);

	for (size_t i = 0; i < unit->nr && r == 0; i++) {
		const struct berth_unit_member *member = &unit->members[i];
		struct berth_verdict verdict;

		berth_policy_decide(m->policy, berth_facts_of(sheet, member->dev), vm,
				    !member->asked, &verdict, NULL);
		if (!verdict.allow)
			r = berth_err_set(err, BERTH_REFUSED, "%s: %s",
					  berth_reason_name(verdict.reason), verdict.text);
	}
	return r;
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
