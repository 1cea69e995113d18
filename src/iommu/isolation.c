/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "iommu/isolation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const names[] = {
	[BERTH_ISOLATION_UNKNOWN] = "unknown",
	[BERTH_ISOLATION_NO_IOMMU] = "no-iommu",
	[BERTH_ISOLATION_SHARED] = "shared",
	[BERTH_ISOLATION_ACS_OVERRIDE] = "acs-override",
	[BERTH_ISOLATION_MULTIFUNCTION] = "multifunction",
	[BERTH_ISOLATION_ISOLATED] = "isolated",
};

const char *berth_isolation_name(enum berth_isolation verdict)
{
	return names[verdict];
}

int berth_isolation_from_name(const char *name, enum berth_isolation *ret)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum berth_isolation)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum step_state { STEP_FINE, STEP_SPOILS, STEP_UNKNOWN };

/*
 * Must this kind of bridge have ACS? Root ports and downstream ports can turn a request round; an upstream port only when it
 * is one function of several (PCIe Base 6.0, 6.12.1; the kernel's pci_acs_enabled() judges the same way).
 */
static bool needs_acs(const struct berth_isolation_step *s)
{
	return s->type == BERTH_PCIE_ROOT_PORT || s->type == BERTH_PCIE_DOWNSTREAM ||
	       (s->type == BERTH_PCIE_UPSTREAM && s->multifunction);
}

static bool is_conventional(const struct berth_isolation_step *s)
{
	return s->type == BERTH_PCIE_TO_PCI || s->type == BERTH_PCI_TO_PCIE ||
	       s->type == BERTH_PCIE_NONE;
}

static enum step_state spoils(char *why, const struct berth_isolation_step *s, const char *text)
{
	snprintf(why, BERTH_ISOLATION_REASON, "%s %s", BERTH_BDF_STR(s->at), text);
	return STEP_SPOILS;
}

/*
 * A bit that the port does not offer counts as wired on, as in the kernel. A port without the capability that the kernel
 * put in a group apart has a quirk in the kernel that vouches for it.
 */
static enum step_state judge_step(const struct berth_isolation_step *s, char *why)
{
	uint16_t want = BERTH_ACS_REQUIRED & s->acs_cap;

	if (is_conventional(s))
		return spoils(why, s,
			      "bridges to conventional PCI, where everything behind it "
			      "looks like one device to the IOMMU");
	if (s->type == BERTH_PCIE_UNKNOWN)
		return s->in_group ? spoils(why, s,
					    "is in the group: the kernel does not trust it "
					    "to keep its devices apart") :
				     STEP_UNKNOWN;
	if (!needs_acs(s))
		return STEP_FINE;
	if (s->acs == BERTH_YES && (s->acs_ctrl & want) != want)
		return spoils(why, s,
			      "has ACS switched off, so traffic can turn round in it "
			      "below the IOMMU");
	if (s->acs == BERTH_YES)
		return STEP_FINE;
	if (s->in_group)
		return spoils(why, s,
			      s->acs == BERTH_NO ? "has no ACS, so traffic can turn round in it "
						   "below the IOMMU" :
						   "is in the group: the kernel does not trust it "
						   "to keep its devices apart");
	return s->acs == BERTH_NO ? STEP_FINE : STEP_UNKNOWN;
}

/* The nearest port that spoils, else the nearest unknown one. */
static enum step_state judge_path(const struct berth_isolation_facts *f, char *why)
{
	const struct berth_isolation_step *unknown = NULL;

	for (size_t i = 0; i < f->nr_steps; i++) {
		enum step_state state = judge_step(&f->steps[i], why);

		if (state == STEP_SPOILS)
			return state;
		if (state == STEP_UNKNOWN && !unknown)
			unknown = &f->steps[i];
	}
	if (!unknown)
		return STEP_FINE;
	snprintf(why, BERTH_ISOLATION_REASON,
		 "the ACS registers of port %s cannot be read; run as root to see them",
		 BERTH_BDF_STR(unknown->at));
	return STEP_UNKNOWN;
}

static bool same_slot(const struct berth_isolation_facts *f, const struct berth_isolation_member *m)
{
	return berth_bdf_same_slot(f->at, m->at);
}

/* First member that would need an owner, in the function's own slot or in another one. */
static const struct berth_isolation_member *first_member(const struct berth_isolation_facts *f,
							 bool own_slot, size_t *ret_nr)
{
	const struct berth_isolation_member *first = NULL;

	*ret_nr = 0;
	for (size_t i = 0; i < f->nr_members; i++) {
		const struct berth_isolation_member *m = &f->members[i];

		if (m->bridge || same_slot(f, m) != own_slot)
			continue;
		first = first ? first : m;
		++*ret_nr;
	}
	return first;
}

/* "0000:01:00.1 (snd_hda_intel) and 2 more" */
static void member_text(char *buf, size_t size, const struct berth_isolation_member *m, size_t nr)
{
	char more[32] = "";

	if (nr > 1)
		snprintf(more, sizeof(more), " and %zu more", nr - 1);
	snprintf(buf, size, "%s%s%s%s%s", BERTH_BDF_STR(m->at), *m->driver ? " (" : "", m->driver,
		 *m->driver ? ")" : "", more);
}

static enum berth_isolation judge_no_iommu(const struct berth_isolation_facts *f, char *reason)
{
	if (f->group >= 0)
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "group %d is of vfio's no-IOMMU mode: the device can write all of memory",
			 f->group);
	else
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "no IOMMU group: the IOMMU is missing, off in the firmware, or off in the "
			 "kernel (intel_iommu=on)");
	return BERTH_ISOLATION_NO_IOMMU;
}

static enum berth_isolation judge_shared(const struct berth_isolation_facts *f,
					 const struct berth_isolation_member *stranger, size_t nr,
					 const char *port, char *reason)
{
	char who[128];

	if (!stranger) {
		snprintf(reason, BERTH_ISOLATION_REASON, "port %s", port);
		return BERTH_ISOLATION_SHARED;
	}
	member_text(who, sizeof(who), stranger, nr);
	snprintf(reason, BERTH_ISOLATION_REASON, "group %d also holds %s in another slot%s%s",
		 f->group, who, *port ? "; port " : "", port);
	return BERTH_ISOLATION_SHARED;
}

static enum berth_isolation judge_apart(const struct berth_isolation_facts *f,
					const struct berth_isolation_member *sibling, size_t nr,
					char *reason)
{
	char who[128];

	if (sibling) {
		member_text(who, sizeof(who), sibling, nr);
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "group %d also holds %s of the same slot; they travel together", f->group,
			 who);
		return BERTH_ISOLATION_MULTIFUNCTION;
	}
	if (f->nr_steps)
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "alone in group %d, and every port up to root port %s redirects to the "
			 "IOMMU",
			 f->group, BERTH_BDF_STR(f->steps[f->nr_steps - 1].at));
	else
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "alone in group %d, directly on the root complex", f->group);
	return BERTH_ISOLATION_ISOLATED;
}

enum berth_isolation berth_isolation_judge(const struct berth_isolation_facts *f,
					   char reason[static BERTH_ISOLATION_REASON])
{
	const struct berth_isolation_member *stranger, *sibling;
	char port[BERTH_ISOLATION_REASON] = "";
	size_t strangers, siblings;
	enum step_state path;

	if (f->group < 0 || f->noiommu)
		return judge_no_iommu(f, reason);
	stranger = first_member(f, false, &strangers);
	sibling = first_member(f, true, &siblings);
	path = judge_path(f, port);
	if (stranger || path == STEP_SPOILS)
		return judge_shared(f, stranger, strangers, path == STEP_SPOILS ? port : "",
				    reason);
	if (f->acs_override) {
		snprintf(reason, BERTH_ISOLATION_REASON,
			 "the kernel runs with pcie_acs_override, so group %d shows isolation that "
			 "the hardware may not have",
			 f->group);
		return BERTH_ISOLATION_ACS_OVERRIDE;
	}
	if (path == STEP_UNKNOWN) {
		snprintf(reason, BERTH_ISOLATION_REASON, "%s", port);
		return BERTH_ISOLATION_UNKNOWN;
	}
	return judge_apart(f, sibling, siblings, reason);
}
