/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "iommu/p2p_path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum berth_p2p_path say(char *reason, enum berth_p2p_path path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum berth_p2p_path say(char *reason, enum berth_p2p_path path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, BERTH_P2P_REASON, fmt, ap);
	va_end(ap);
	return path;
}

static enum berth_p2p_path need_privilege(char *reason, struct berth_bdf port)
{
	return say(reason, BERTH_P2P_UNKNOWN, "the ACS registers of %s can be read by root only",
		   BERTH_BDF_STR(port));
}

/* Where the two ways up meet: how many steps each has made below. Return: false, they do not meet below the root. */
static bool meet(const struct berth_p2p_end *a, const struct berth_p2p_end *b, size_t *ret_a,
		 size_t *ret_b)
{
	for (size_t i = 0; i < a->nr_steps; i++) {
		for (size_t k = 0; k < b->nr_steps; k++) {
			if (berth_bdf_eq(a->steps[i].at, b->steps[k].at)) {
				*ret_a = i;
				*ret_b = k;
				return true;
			}
		}
	}
	return false;
}

static bool redirects(enum berth_tri acs, uint16_t ctrl)
{
	return acs == BERTH_YES && (ctrl & BERTH_ACS_REQUEST_REDIRECT);
}

/* Both right below one port or bridge: functions of one device, or neighbours on a conventional bus. */
static enum berth_p2p_path judge_neighbours(const struct berth_p2p_end *from,
					    const struct berth_isolation_step *bridge, char *reason)
{
	if (bridge->type == BERTH_PCIE_TO_PCI || bridge->type == BERTH_PCIE_NONE)
		return say(
			reason, BERTH_P2P_DIRECT,
			"both are on the conventional bus below %s, where everybody hears everything",
			BERTH_BDF_STR(bridge->at));
	if (from->acs == BERTH_UNKNOWN)
		return need_privilege(reason, from->at);
	if (redirects(from->acs, from->acs_ctrl))
		return say(reason, BERTH_P2P_ROOT,
			   "functions of one device, which sends requests for each other up (ACS)");
	return say(reason, BERTH_P2P_DIRECT,
		   "functions of one device, and what it sends itself need not leave it");
}

/* In a switch, the port below which @from is decides. */
static enum berth_p2p_path judge_switch(const struct berth_isolation_step *port, char *reason)
{
	if (port->type != BERTH_PCIE_DOWNSTREAM)
		return say(reason, BERTH_P2P_DIRECT, "%s is no switch port and redirects nothing",
			   BERTH_BDF_STR(port->at));
	if (port->acs == BERTH_UNKNOWN)
		return need_privilege(reason, port->at);
	if (redirects(port->acs, port->acs_ctrl))
		return say(reason, BERTH_P2P_ROOT, "switch port %s sends them up (ACS redirect)",
			   BERTH_BDF_STR(port->at));
	return say(reason, BERTH_P2P_DIRECT, "switch port %s %s, so the switch turns them round",
		   BERTH_BDF_STR(port->at),
		   port->acs == BERTH_YES ? "has ACS redirect off" : "has no ACS");
}

static enum berth_p2p_path judge_root(const struct berth_p2p_end *from,
				      const struct berth_p2p_end *to, char *reason)
{
	const struct berth_isolation_step *port =
		from->nr_steps ? &from->steps[from->nr_steps - 1] : NULL;

	if (strcmp(from->root, to->root) != 0)
		return say(
			reason, BERTH_P2P_UNKNOWN,
			"below different host bridges, %s and %s: whether these pass requests on to "
			"each other, the processor's maker knows",
			from->root, to->root);
	if (!port)
		return say(reason, BERTH_P2P_ROOT, "%s is part of the root complex",
			   BERTH_BDF_STR(from->at));
	if (port->acs == BERTH_UNKNOWN)
		return need_privilege(reason, port->at);
	if (!redirects(port->acs, port->acs_ctrl))
		return say(reason, BERTH_P2P_DIRECT,
			   "root port %s %s: the root complex may turn them round before the IOMMU",
			   BERTH_BDF_STR(port->at),
			   port->acs == BERTH_YES ? "has ACS redirect off" : "has no ACS");
	return say(reason, BERTH_P2P_ROOT,
		   "root port %s redirects, and %s passes them on if it supports that",
		   BERTH_BDF_STR(port->at), from->root);
}

enum berth_p2p_path berth_p2p_judge(const struct berth_p2p_end *from,
				    const struct berth_p2p_end *to,
				    char reason[static BERTH_P2P_REASON])
{
	const struct berth_p2p_end *lone = from->group < 0 ? from : to->group < 0 ? to : NULL;
	size_t i, k;

	if (lone)
		return say(reason, BERTH_P2P_NONE, "%s has no IOMMU", BERTH_BDF_STR(lone->at));
	if (!meet(from, to, &i, &k))
		return judge_root(from, to, reason);
	if (i == 0 && k == 0)
		return judge_neighbours(from, &from->steps[0], reason);
	/* One sits in the bridge's place that the other one is below: the requests pass no port of its own. */
	return judge_switch(&from->steps[i ? i - 1 : 0], reason);
}

const char *berth_p2p_path_name(enum berth_p2p_path path)
{
	static const char *const names[] = {
		[BERTH_P2P_UNKNOWN] = "unknown",
		[BERTH_P2P_NONE] = "none",
		[BERTH_P2P_DIRECT] = "direct",
		[BERTH_P2P_ROOT] = "root",
	};

	return names[path];
}
