/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "iommu/group.h"
#include "tools/out_check.h"

#define OK   BERTH_CHECK_OK
#define WARN BERTH_CHECK_WARN
#define FAIL BERTH_CHECK_FAIL

/* What every check of one device looks at. */
struct subject {
	struct berth_checks *checks;
	const struct berth_out_view *view;
	const struct berth_host *host;
	const struct berth_platform *platform;
	const struct berth_inuse *inuse;
	const struct berth_device *dev;
};

static void check_owner(const struct subject *s)
{
	const struct berth_assignment *a = berth_out_view_owner(s->view, s->dev);
	char remedy[240];

	if (s->view->owners_hidden) {
		berth_check_add(s->checks, "owner", WARN, "run as root to see the ledger",
				"owners are hidden from this user");
	} else if (a) {
		snprintf(remedy, sizeof(remedy), "berth release --vm %.100s", a->vm);
		berth_check_add(s->checks, "owner", FAIL, remedy, "%s is %s by %s",
				BERTH_BDF_STR(s->dev->bdf), berth_owned_state_name(a->state),
				a->vm);
	} else {
		berth_check_add(s->checks, "owner", OK, NULL, "nobody owns it");
	}
}

static void check_isolation(const struct subject *s)
{
	const char *reason = s->dev->isolation_reason;

	switch (s->dev->isolation) {
	case BERTH_ISOLATION_ISOLATED:
	case BERTH_ISOLATION_MULTIFUNCTION:
		berth_check_add(s->checks, "isolation", OK, NULL, "%s", reason);
		return;
	case BERTH_ISOLATION_SHARED:
		berth_check_add(s->checks, "isolation", WARN,
				"use a slot whose ports have ACS, or hand the whole group over",
				"%s", reason);
		return;
	case BERTH_ISOLATION_ACS_OVERRIDE:
		berth_check_add(s->checks, "isolation", FAIL, "boot without pcie_acs_override",
				"%s", reason);
		return;
	case BERTH_ISOLATION_UNKNOWN:
		berth_check_add(s->checks, "isolation", FAIL, "run as root", "%s", reason);
		return;
	case BERTH_ISOLATION_NO_IOMMU:
		berth_check_add(s->checks, "isolation", FAIL, "'berth doctor' tells what to do",
				"%s", reason);
		return;
	}
}

static void check_interrupts(const struct subject *s)
{
	const struct berth_platform *p = s->platform;

	if (p->intremap == BERTH_YES && p->unsafe_interrupts != BERTH_YES)
		berth_check_add(s->checks, "interrupts", OK, NULL, "the IOMMU remaps them");
	else
		berth_check_add(s->checks, "interrupts", FAIL, "'berth doctor' tells what to do",
				"interrupt remapping is %s",
				p->intremap == BERTH_YES ? "on, but unsafe interrupts are allowed" :
				p->intremap == BERTH_NO	 ? "off" :
							   "not proven on");
}

static void check_reserved(const struct subject *s)
{
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = NULL;
	const struct berth_group_resv *direct;

	if (s->dev->iommu_group < 0)
		return;
	if (berth_group_read(&g, s->host, s->dev->iommu_group, NULL) < 0) {
		berth_check_add(s->checks, "reserved-memory", FAIL, NULL,
				"the reserved regions of group %d cannot be read",
				s->dev->iommu_group);
		return;
	}
	direct = berth_group_resv_of_type(g, "direct");
	if (direct)
		berth_check_add(s->checks, "reserved-memory", FAIL,
				"look for a firmware switch for \"RMRR\" of this slot",
				"firmware keeps doing DMA for group %d at %#llx-%#llx", g->id,
				(unsigned long long)direct->start,
				(unsigned long long)direct->last);
	else
		berth_check_add(s->checks, "reserved-memory", OK, NULL,
				"firmware reserves no memory for group %d", g->id);
}

static const char *inuse_remedy(enum berth_inuse_code code)
{
	switch (code) {
	case BERTH_INUSE_ROOT_DISK:
		return "boot the host from another disk";
	case BERTH_INUSE_MOUNTED:
		return "unmount it";
	case BERTH_INUSE_SWAP:
		return "swapoff";
	case BERTH_INUSE_HELD_BLOCK:
		return "stop what is stacked on the disk (mdadm --stop, vgchange -an, zpool export)";
	case BERTH_INUSE_DEFAULT_ROUTE:
		return "route the host's traffic over another card";
	case BERTH_INUSE_CONSOLE:
		return "give the host another screen, or boot with a serial console only "
		       "(console=ttyS0)";
	case BERTH_INUSE_VFS_ENABLED:
		return "assign a virtual function instead, or remove them all";
	case BERTH_INUSE_HELD_NODE:
		return "end that process";
	case BERTH_INUSE_OPEN_NODE:
		return "end that process, or have it lose the device";
	case BERTH_INUSE_LINK_UP:
		return "ip link set … down, if nobody needs it";
	case BERTH_INUSE_NR_CODES:
		break;
	}
	return NULL;
}

/* Every function that would move with @dev. */
static void check_inuse(const struct subject *s)
{
	const struct berth_device *member = NULL;
	bool any = false;

	if (!s->inuse) {
		berth_check_add(s->checks, "in-use", FAIL, "run as root",
				"what the host stands on cannot be found out");
		return;
	}
	while ((member = s->dev->iommu_group < 0 ?
				 (member ? NULL : s->dev) :
				 berth_inventory_next_in_group(s->view->inv, s->dev->iommu_group,
							       member))) {
		const struct berth_inuse_reason *r = NULL;

		while ((r = berth_inuse_next(s->inuse, member->bdf, r))) {
			any = true;
			berth_check_add(s->checks, berth_inuse_code_name(r->code),
					berth_inuse_code_is_hard(r->code) ? FAIL : WARN,
					inuse_remedy(r->code), "%s", r->sentence);
		}
	}
	if (!any)
		berth_check_add(s->checks, "in-use", OK, NULL, "the host does not stand on it");
}

/* What comes along: its own slot as a matter of course, others when they are named or free. */
static void check_companions(const struct subject *s)
{
	const struct berth_device *member = NULL;

	while ((member =
			berth_inventory_next_in_group(s->view->inv, s->dev->iommu_group, member))) {
		bool own = berth_bdf_same_slot(member->bdf, s->dev->bdf);
		bool held = !own && *member->driver && !strstr(member->driver, "vfio");

		if (member == s->dev || berth_device_is_bridge(member))
			continue;
		berth_check_add(
			s->checks, own ? "companion" : "sibling", held ? FAIL : OK,
			held ? "name it too when assigning, or free it with 'berth unbind'" : NULL,
			"%s (%s) %s", BERTH_BDF_STR(member->bdf),
			*member->driver ? member->driver : "no driver",
			held ? "is of the same group, and the host uses it" : "comes along");
	}
}

static void check_reset(const struct subject *s)
{
	if (*s->dev->reset_methods)
		berth_check_add(s->checks, "reset", OK, NULL, "%s", s->dev->reset_methods);
	else
		berth_check_add(s->checks, "reset", WARN, NULL,
				"the kernel knows no way to reset it alone: its bus must be reset, "
				"with all that is on it");
}

static void check_alive(const struct subject *s)
{
	if (s->dev->caps.dead)
		berth_check_add(s->checks, "power", FAIL,
				"wake it (power/control = on), or power-cycle the host",
				"it does not answer: its configuration space reads all ones");
	else if (strcmp(s->dev->power_state, "D3cold") == 0)
		berth_check_add(s->checks, "power", WARN, NULL,
				"it sleeps in D3cold and is woken when it is assigned");
}

void berth_check_device(struct berth_checks *c, const struct berth_out_view *view,
			const struct berth_host *host, const struct berth_platform *platform,
			const struct berth_inuse *inuse, const struct berth_device *dev)
{
	const struct subject s = { c, view, host, platform, inuse, dev };

	c->nr = 0;
	if (berth_device_is_bridge(dev)) {
		berth_check_add(c, "kind", FAIL, "assign what is behind it",
				"it is a bridge, which no guest can drive");
		return;
	}
	check_owner(&s);
	check_isolation(&s);
	check_interrupts(&s);
	check_reserved(&s);
	check_inuse(&s);
	check_companions(&s);
	check_reset(&s);
	check_alive(&s);
}
