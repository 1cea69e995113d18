/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* The members of @dev's group, or just @dev; bridges left out. Continue with what was returned last; NULL to start. */
static const struct berth_device *next_member(const struct berth_inventory *inv,
					      const struct berth_device *dev,
					      const struct berth_device *after)
{
	if (dev->iommu_group < 0)
		return after ? NULL : dev;
	do {
		after = berth_inventory_next_in_group(inv, dev->iommu_group, after);
	} while (after && berth_device_is_bridge(after));
	return after;
}

char *berth_unit_key(const struct berth_inventory *inv, const struct berth_device *dev)
{
	const struct berth_device *first = next_member(inv, dev, NULL), *it = first;
	size_t more = 0;
	char *key;
	int n;

	if (!first)
		return strdup(dev->path);
	while ((it = next_member(inv, dev, it)))
		more++;
	if (!more)
		return strdup(first->path);
	n = asprintf(&key, "%s+%zu", first->path, more);
	return n < 0 ? NULL : key;
}

static int add_member(struct berth_unit *unit, const struct berth_device *dev)
{
	struct berth_unit_member *bigger = realloc(unit->members, (unit->nr + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	unit->members = bigger;
	unit->members[unit->nr++] = (struct berth_unit_member){ .dev = dev };
	return 0;
}

static void unit_done(struct berth_unit *unit)
{
	free(unit->key);
	free(unit->parent);
	free(unit->members);
}

static int unit_init(const struct berth_inventory *inv, const struct berth_device *dev,
		     struct berth_unit *ret)
{
	struct berth_unit unit = { .group = dev->iommu_group };
	const struct berth_device *pf = dev->is_vf ? berth_inventory_find(inv, dev->pf) : NULL;
	int r = 0;

	unit.key = berth_unit_key(inv, dev);
	if (pf)
		unit.parent = berth_unit_key(inv, pf);
	if (!unit.key || (pf && !unit.parent))
		r = -ENOMEM;
	for (const struct berth_device *it = next_member(inv, dev, NULL); it && r == 0;
	     it = next_member(inv, dev, it))
		r = add_member(&unit, it);
	if (r < 0)
		unit_done(&unit);
	else
		*ret = unit;
	return r;
}

static struct berth_unit_member *find_member(struct berth_unit *unit,
					     const struct berth_device *dev)
{
	for (size_t i = 0; i < unit->nr; i++) {
		if (unit->members[i].dev == dev)
			return &unit->members[i];
	}
	return NULL;
}

static struct berth_unit *find_unit(struct berth_units *units, const struct berth_device *dev)
{
	for (size_t i = 0; i < units->nr; i++) {
		if (find_member(&units->items[i], dev))
			return &units->items[i];
	}
	return NULL;
}

static int add_unit(struct berth_units *units, const struct berth_inventory *inv,
		    const struct berth_device *dev, struct berth_unit **ret)
{
	struct berth_unit *bigger = realloc(units->items, (units->nr + 1) * sizeof(*bigger));
	int r;

	if (!bigger)
		return -ENOMEM;
	units->items = bigger;
	r = unit_init(inv, dev, &units->items[units->nr]);
	if (r < 0)
		return r;
	*ret = &units->items[units->nr++];
	return 0;
}

static void mark_companions(struct berth_unit *unit)
{
	for (size_t i = 0; i < unit->nr; i++) {
		struct berth_unit_member *m = &unit->members[i];

		for (size_t j = 0; j < unit->nr && !m->asked; j++)
			m->companion |= unit->members[j].asked &&
					berth_bdf_same_slot(m->dev->bdf, unit->members[j].dev->bdf);
	}
}

static void ask_for(struct berth_unit_member *member, size_t as)
{
	if (!member->asked)
		member->asked_as = as;
	member->asked = true;
}

int berth_units_build(const struct berth_inventory *inv, const struct berth_device *const *asked,
		      size_t nr, struct berth_units *ret, struct berth_err *err)
{
	struct berth_units units = { 0 };
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_unit *unit = find_unit(&units, asked[i]);
		char class[BERTH_DEVICE_NAME];

		if (berth_device_is_bridge(asked[i]))
			r = berth_err_set(err, BERTH_REFUSED,
					  "%s is a bridge (%s): the functions behind it can be "
					  "assigned, it stays with the host",
					  BERTH_BDF_STR(asked[i]->bdf),
					  berth_device_class_name(inv, asked[i], class));
		if (r == 0 && !unit)
			r = add_unit(&units, inv, asked[i], &unit);
		if (r == 0)
			ask_for(find_member(unit, asked[i]), i);
	}
	if (r != 0) {
		berth_units_done(&units);
		return r > 0 ? r : berth_err_set(err, r, "%s", strerror(-r));
	}
	for (size_t i = 0; i < units.nr; i++)
		mark_companions(&units.items[i]);
	*ret = units;
	return 0;
}

void berth_units_done(struct berth_units *units)
{
	for (size_t i = 0; i < units->nr; i++)
		unit_done(&units->items[i]);
	free(units->items);
	memset(units, 0, sizeof(*units));
}

char *berth_unit_words(const struct berth_unit *unit, char buf[static 32])
{
	if (unit->group < 0)
		strcpy(buf, "no IOMMU group");
	else
		snprintf(buf, 32, "group %d", unit->group);
	return buf;
}
