/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/owner.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "manager/busy.h"
#include "manager/context.h"
#include "manager/process.h"
#include "manager/unit.h"
#include "vfio/inventory.h"

int berth_owner_all(struct berth_manager *m, struct berth_assignment_list *ret,
		    struct berth_err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!m->ledger)
		return 0;
	return berth_ledger_find(m->ledger, &(struct berth_ledger_query){ 0 }, ret, err);
}

static bool has_path(const struct berth_assignment *a, const char *path)
{
	for (size_t i = 0; i < a->nr_members; i++) {
		if (strcmp(a->members[i].path, path) == 0)
			return true;
	}
	return false;
}

const struct berth_assignment *berth_owner_of_device(const struct berth_assignment_list *live,
						     const struct berth_device *dev)
{
	for (size_t i = 0; i < live->nr; i++) {
		if (has_path(&live->items[i], dev->path))
			return &live->items[i];
	}
	return NULL;
}

const struct berth_assignment *berth_owner_of(const struct berth_assignment_list *live,
					      const struct berth_unit *unit)
{
	for (size_t i = 0; i < live->nr; i++) {
		if (strcmp(live->items[i].group, unit->key) == 0)
			return &live->items[i];
	}
	/* The group may have been another one when it was taken; its devices are the same. */
	for (size_t i = 0; i < unit->nr; i++) {
		const struct berth_assignment *a =
			berth_owner_of_device(live, unit->members[i].dev);

		if (a)
			return a;
	}
	return NULL;
}

const struct berth_device *berth_owner_find_member(const struct berth_inventory *inv,
						   const struct berth_member *member,
						   bool *ret_same)
{
	const struct berth_device *dev = berth_inventory_find_path(inv, member->path);
	char buf[BERTH_SERIAL_LEN];
	const char *serial = dev ? berth_caps_serial(&dev->caps, buf) : NULL;

	*ret_same = dev && dev->vendor_id == member->vendor && dev->device_id == member->device &&
		    /* What cannot be read now is no contradiction. */
		    (!serial || !member->serial || strcmp(serial, member->serial) == 0);
	return dev;
}

int berth_owner_group(const struct berth_inventory *inv, const struct berth_assignment *a)
{
	bool same;

	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_device *dev =
			berth_owner_find_member(inv, &a->members[i], &same);

		if (dev && same)
			return dev->iommu_group;
	}
	return -1;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

void berth_owner_found(const struct berth_member *member, struct berth_bind_state *ret)
{
	copy(ret->driver, sizeof(ret->driver), member->found_driver);
	copy(ret->override, sizeof(ret->override), member->found_override);
	copy(ret->power_control, sizeof(ret->power_control), member->found_power);
}

/* What the owner does with it, and what to do about it. */
static void describe(struct berth_manager *m, const struct berth_assignment *a, const char *bdf,
		     char *buf, size_t size)
{
	struct berth_busy_look look;
	char name[32], words[BERTH_BUSY_WORDS];

	if (berth_busy_look(m, a->id, &look))
		snprintf(buf, size, "state %s, %s", berth_owned_state_name(a->state),
			 berth_busy_words(&look, words));
	else if (a->pid && berth_process_lives(m->host, a->pid, a->pid_start))
		snprintf(buf, size, "%s by process %d (%s); stop the VM first",
			 berth_owned_state_name(a->state), (int)a->pid,
			 berth_process_name(m->host, a->pid, name));
	else
		snprintf(buf, size, "state %s%s%s%s; 'berth release %s' gives it back",
			 berth_owned_state_name(a->state), a->reason ? " (" : "",
			 a->reason ? a->reason : "", a->reason ? ")" : "", bdf);
}

int berth_owner_refuse(struct berth_manager *m, const struct berth_assignment *owner,
		       const struct berth_unit *unit, struct berth_err *err)
{
	const char *bdf = BERTH_BDF_STR(unit->members[0].dev->bdf);
	char more[400], words[32];

	describe(m, owner, bdf, more, sizeof(more));
	return berth_err_set(err, BERTH_REFUSED, "%s (%s) is owned by %s, %s", bdf,
			     berth_unit_words(unit, words),
			     owner->kind == BERTH_OWNED_BY_BIND ? "'berth bind'" : owner->vm, more);
}
