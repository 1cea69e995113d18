/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/safety.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "iommu/group.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/process.h"
#include "manager/sriov_work.h"
#include "manager/unit.h"
#include "vfio/bind.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"

struct findings {
	struct berth_safety_finding *items;
	size_t nr;
	bool no_memory;
};

const char *berth_safety_name(enum berth_safety_code code)
{
	switch (code) {
	case BERTH_SAFETY_NO_IOMMU:
		return "NO_IOMMU";
	case BERTH_SAFETY_NO_GROUP:
		return "NO_GROUP";
	case BERTH_SAFETY_NO_IOMMU_MODE:
		return "NO_IOMMU_MODE";
	case BERTH_SAFETY_NO_INTREMAP:
		return "NO_INTREMAP";
	case BERTH_SAFETY_UNSAFE_INTERRUPTS:
		return "UNSAFE_INTERRUPTS";
	case BERTH_SAFETY_ISOLATION:
		return "ISOLATION";
	case BERTH_SAFETY_RESERVED:
		return "RESERVED";
	case BERTH_SAFETY_FOREIGN:
		return "FOREIGN";
	case BERTH_SAFETY_SIBLING:
		return "SIBLING";
	case BERTH_SAFETY_HOST_USES:
		return "HOST_USES";
	case BERTH_SAFETY_OPEN:
		return "OPEN";
	case BERTH_SAFETY_EXTERNAL:
		return "EXTERNAL";
	case BERTH_SAFETY_PF:
		return "PF";
	case BERTH_SAFETY_NO_RESET:
		return "NO_RESET";
	case BERTH_SAFETY_BUSY:
		return "BUSY";
	}
	return "?";
}

static void found(struct findings *f, enum berth_safety_code code, struct berth_bdf at,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void found(struct findings *f, enum berth_safety_code code, struct berth_bdf at,
		  const char *fmt, ...)
{
	struct berth_safety_finding *bigger = realloc(f->items, (f->nr + 1) * sizeof(*bigger));
	va_list ap;

	if (!bigger) {
		f->no_memory = true;
		return;
	}
	f->items = bigger;
	bigger[f->nr] = (struct berth_safety_finding){ .code = code, .at = at };
	va_start(ap, fmt);
	vsnprintf(bigger[f->nr].sentence, sizeof(bigger->sentence), fmt, ap);
	va_end(ap);
	f->nr++;
}

/* Does a driver of the host work with it? These three only keep a device for somebody. */
static bool host_has(const struct berth_device *dev)
{
	size_t len = strlen(dev->driver);

	if (!len || strcmp(dev->driver, BERTH_BIND_VFIO) == 0 ||
	    strcmp(dev->driver, "pci-stub") == 0)
		return false;
	/* Variant drivers: mlx5_vfio_pci, nvgrace_gpu_vfio_pci, … */
	return len < 9 || strcmp(dev->driver + len - 9, "_vfio_pci") != 0;
}

static void check_platform(const struct berth_manager *m, const struct berth_unit *unit,
			   struct findings *f)
{
	const struct berth_platform *p = &m->platform;
	struct berth_bdf at = unit->members[0].dev->bdf;
	const char *bdf = BERTH_BDF_STR(at);

	if (p->nr_groups == 0 || p->nr_iommu == 0) {
		found(f, BERTH_SAFETY_NO_IOMMU, at,
		      "%s cannot be given away: this host has no IOMMU at work, so the device "
		      "could reach all memory; enable VT-d or AMD-Vi in firmware and boot with "
		      "%s",
		      bdf, p->iommu_off ? "no iommu=off" : "intel_iommu=on or amd_iommu=on");
		return;
	}
	if (unit->group < 0)
		found(f, BERTH_SAFETY_NO_GROUP, at,
		      "%s is in no IOMMU group: no IOMMU of this host covers it", bdf);
	if (p->noiommu == BERTH_YES)
		found(f, BERTH_SAFETY_NO_IOMMU_MODE, at,
		      "%s: vfio's enable_unsafe_noiommu_mode is on, which opens devices without "
		      "any protection; turn it off",
		      bdf);
	if (p->intremap != BERTH_YES)
		found(f, BERTH_SAFETY_NO_INTREMAP, at,
		      "%s: interrupt remapping is %s on this host, so a guest could raise any "
		      "interrupt of it; enable it in firmware, and boot without intremap=off",
		      bdf, p->intremap == BERTH_NO ? "off" : "not known to be on");
	if (p->unsafe_interrupts == BERTH_YES)
		found(f, BERTH_SAFETY_UNSAFE_INTERRUPTS, at,
		      "%s: vfio_iommu_type1 or iommufd is loaded with allow_unsafe_interrupts=1, which "
		      "waives interrupt remapping; turn it off",
		      bdf);
}

static void check_isolation(const struct berth_unit *unit, struct findings *f)
{
	for (size_t i = 0; i < unit->nr; i++) {
		const struct berth_device *dev = unit->members[i].dev;

		/* "shared" is no obstacle by itself: the group moves as a whole, or not at all. */
		if (dev->isolation == BERTH_ISOLATION_UNKNOWN ||
		    dev->isolation == BERTH_ISOLATION_ACS_OVERRIDE) {
			found(f, BERTH_SAFETY_ISOLATION, dev->bdf, "%s: isolation is %s: %s",
			      BERTH_BDF_STR(dev->bdf), berth_isolation_name(dev->isolation),
			      dev->isolation_reason);
			return;
		}
	}
}

static int check_group(const struct berth_manager *m, const struct berth_unit *unit,
		       struct findings *f, struct berth_err *err)
{
	BERTH_CLEANUP(berth_group_freep) struct berth_group *group = NULL;
	const struct berth_group_resv *resv;
	struct berth_bdf at = unit->members[0].dev->bdf;
	int r;

	if (unit->group < 0)
		return 0;
	r = berth_group_read(&group, m->host, unit->group, err);
	if (r < 0)
		return r;
	if (group->noiommu)
		found(f, BERTH_SAFETY_NO_IOMMU_MODE, at,
		      "%s: group %d was made by vfio's no-IOMMU mode and protects nothing",
		      BERTH_BDF_STR(at), group->id);
	resv = berth_group_resv_of_type(group, "direct");
	if (resv)
		found(f, BERTH_SAFETY_RESERVED, at,
		      "%s: firmware reserves 0x%llx…0x%llx of group %d for its own DMA (RMRR), "
		      "which no guest may get",
		      BERTH_BDF_STR(at), (unsigned long long)resv->start,
		      (unsigned long long)resv->last, group->id);
	if (group->nr_foreign)
		found(f, BERTH_SAFETY_FOREIGN, at,
		      "%s: group %d also holds %zu device%s that is no PCI function and cannot move",
		      BERTH_BDF_STR(at), group->id, group->nr_foreign,
		      group->nr_foreign == 1 ? "" : "s");
	return 0;
}

static void check_siblings(const struct berth_unit *unit, struct findings *f)
{
	for (size_t i = 0; i < unit->nr; i++) {
		const struct berth_unit_member *s = &unit->members[i];

		if (s->asked || s->companion || !host_has(s->dev))
			continue;
		found(f, BERTH_SAFETY_SIBLING, s->dev->bdf,
		      "group %d also holds %s, in use by the host with driver %s; a group moves as a "
		      "whole: name %s too, or free it with 'berth unbind %s'",
		      unit->group, BERTH_BDF_STR(s->dev->bdf), s->dev->driver,
		      BERTH_BDF_STR(s->dev->bdf), BERTH_BDF_STR(s->dev->bdf));
	}
}

/* In a sentence about a function that nobody named, say why it matters. Returns @buf. */
static const char *because(const struct berth_unit_member *member, char buf[static 160])
{
	buf[0] = '\0';
	if (!member->asked)
		snprintf(buf, 160, "; it is bound to %s and would come along with its group",
			 *member->dev->driver ? member->dev->driver : "no driver");
	return buf;
}

static void check_use(const struct berth_manager *m, const struct berth_unit_member *member,
		      struct findings *f)
{
	const struct berth_inuse_reason *why = berth_inuse_hard(m->inuse, member->dev->bdf);
	char name[32], more[160];

	if (why) {
		found(f, BERTH_SAFETY_HOST_USES, member->dev->bdf, "%s (%s)%s", why->sentence,
		      berth_inuse_code_name(why->code), because(member, more));
		return;
	}
	for (why = NULL; (why = berth_inuse_next(m->inuse, member->dev->bdf, why));) {
		if (why->code != BERTH_INUSE_OPEN_NODE || !host_has(member->dev))
			continue;
		found(f, BERTH_SAFETY_OPEN, member->dev->bdf,
		      "%s%s; end process %d (%s) first, or its driver may never let go",
		      why->sentence, because(member, more), (int)why->pid,
		      berth_process_name(m->host, why->pid, name));
		return;
	}
}

static void check_external(const struct berth_manager *m, const struct berth_unit *unit,
			   struct findings *f)
{
	char name[32];
	pid_t pid = unit->group < 0 ? 0 : berth_process_holding(m->host, unit->group, 0);

	if (pid < 0)
		found(f, BERTH_SAFETY_EXTERNAL, unit->members[0].dev->bdf,
		      "%s: who has group %d open cannot be found out: %s",
		      BERTH_BDF_STR(unit->members[0].dev->bdf), unit->group, strerror(-pid));
	else if (pid)
		found(f, BERTH_SAFETY_EXTERNAL, unit->members[0].dev->bdf,
		      "%s: group %d is open in process %d (%s), which did not get it from berth",
		      BERTH_BDF_STR(unit->members[0].dev->bdf), unit->group, (int)pid,
		      berth_process_name(m->host, pid, name));
}

/* A VF works through its PF: whoever has the PF sees and changes all that the VF does. */
static void check_pf(const struct berth_manager *m, const struct berth_device *dev,
		     struct findings *f)
{
	const struct berth_device *pf = dev->is_vf ? berth_inventory_find(m->inv, dev->pf) : NULL;

	if (pf && *pf->driver && !host_has(pf))
		found(f, BERTH_SAFETY_PF, dev->bdf,
		      "%s is a virtual function of %s, which is on %s itself: its user could see all "
		      "traffic",
		      BERTH_BDF_STR(dev->bdf), BERTH_BDF_STR(pf->bdf), pf->driver);
}

/* While the number of VFs is being changed neither the PF nor a VF of it is anybody's. */
static void check_work(struct berth_manager *m, const struct berth_device *dev, struct findings *f)
{
	struct berth_busy_look look;
	char words[BERTH_BUSY_WORDS];

	if (berth_sriov_work_on(m, dev, &look))
		found(f, BERTH_SAFETY_BUSY, dev->bdf, "%s: the virtual functions of %s: %s",
		      BERTH_BDF_STR(dev->bdf), BERTH_BDF_STR(dev->is_vf ? dev->pf : dev->bdf),
		      berth_busy_words(&look, words));
}

static bool in_unit(const struct berth_unit *unit, const struct berth_device *dev)
{
	for (size_t i = 0; i < unit->nr; i++) {
		if (unit->members[i].dev == dev)
			return true;
	}
	return false;
}

/* Who shares the bus of @dev but not its unit, and so would be reset with it; NULL: nobody. */
static const struct berth_device *bystander(const struct berth_manager *m,
					    const struct berth_unit *unit,
					    const struct berth_device *dev)
{
	for (size_t i = 0; i < m->inv->nr; i++) {
		const struct berth_device *other = &m->inv->devices[i];

		if (other->bdf.domain == dev->bdf.domain && other->bdf.bus == dev->bdf.bus &&
		    !in_unit(unit, other))
			return other;
	}
	return NULL;
}

/* Its own reset, or that of its bus (vfio/reset.h); kernels before 5.15 have no reset_method. */
static void check_reset(const struct berth_manager *m, const struct berth_unit *unit,
			const struct berth_device *dev, struct findings *f)
{
	const struct berth_device *other;
	const char *bdf = BERTH_BDF_STR(dev->bdf);
	char why[80] = "it is on no bus that could be reset instead";

	if (*dev->reset_methods || berth_sysfs_exists(m->host, "bus/pci/devices/%s/reset", bdf))
		return;
	if (dev->is_vf) {
		snprintf(why, sizeof(why), "it is a virtual function");
	} else if (dev->has_parent) {
		other = bystander(m, unit, dev);
		if (!other)
			return;
		snprintf(why, sizeof(why), "%s shares its bus but not its group",
			 BERTH_BDF_STR(other->bdf));
	}
	found(f, BERTH_SAFETY_NO_RESET, dev->bdf,
	      "%s: the kernel knows no way to reset it, and %s: nothing would clear what one user "
	      "leaves in it for the next; if its reset_method was emptied, write \"default\" to it",
	      bdf, why);
}

static int look_at_use(struct berth_manager *m, struct berth_err *err)
{
	return m->inuse ? 0 : berth_inuse_read(&m->inuse, m->host, true, err);
}

int berth_safety_check(struct berth_manager *m, const struct berth_unit *unit,
		       enum berth_safety_scope scope, struct berth_safety_finding **ret,
		       size_t *ret_nr, struct berth_err *err)
{
	struct findings f = { 0 };
	int r = look_at_use(m, err);

	if (r == 0 && scope == BERTH_SAFETY_GROUP) {
		check_platform(m, unit, &f);
		check_isolation(unit, &f);
		r = check_group(m, unit, &f, err);
		check_siblings(unit, &f);
	}
	for (size_t i = 0; r == 0 && i < unit->nr; i++) {
		check_work(m, unit->members[i].dev, &f);
		if (unit->members[i].asked || scope == BERTH_SAFETY_GROUP)
			check_use(m, &unit->members[i], &f);
	}
	if (r == 0)
		check_external(m, unit, &f);
	for (size_t i = 0; r == 0 && i < unit->nr && scope == BERTH_SAFETY_GROUP; i++)
		check_pf(m, unit->members[i].dev, &f);
	for (size_t i = 0; r == 0 && i < unit->nr && scope == BERTH_SAFETY_GROUP; i++)
		check_reset(m, unit, unit->members[i].dev, &f);
	if (r == 0 && f.no_memory)
		r = berth_err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		free(f.items);
		return r;
	}
	*ret = f.items;
	*ret_nr = f.nr;
	return 0;
}

int berth_safety_require(struct berth_manager *m, const struct berth_unit *unit,
			 enum berth_safety_scope scope, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct berth_safety_finding *list = NULL;
	size_t nr = 0;
	int r = berth_safety_check(m, unit, scope, &list, &nr, err);

	if (r < 0 || nr == 0)
		return r;
	return berth_err_set(err, BERTH_REFUSED, "%s: %s", berth_safety_name(list[0].code),
			     list[0].sentence);
}
