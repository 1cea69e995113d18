/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/resolve.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "manager/ask.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/safety.h"
#include "manager/unit.h"

struct picked {
	const struct berth_device **devs;
	size_t nr;
};

static bool has(const struct picked *p, const struct berth_device *dev)
{
	for (size_t i = 0; i < p->nr; i++) {
		if (p->devs[i] == dev)
			return true;
	}
	return false;
}

static const struct berth_unit *unit_of(const struct berth_units *units,
					const struct berth_device *dev)
{
	for (size_t i = 0; i < units->nr; i++) {
		for (size_t j = 0; j < units->items[i].nr; j++) {
			if (units->items[i].members[j].dev == dev)
				return &units->items[i];
		}
	}
	return NULL;
}

static int try_unit(struct berth_manager *m, const char *vm, const struct berth_units *units,
		    const struct berth_unit *unit, struct berth_err *err)
{
	struct berth_assignment_list live;
	const struct berth_assignment *owner;
	int r = berth_owner_all(m, &live, err);

	if (r != 0)
		return r;
	owner = berth_owner_of(&live, unit);
	if (owner)
		r = berth_owner_refuse(m, owner, unit, err);
	if (r == 0)
		r = berth_ask_unit(m, unit, units, vm, err);
	if (r == 0)
		r = berth_safety_require(m, unit, BERTH_SAFETY_GROUP, err);
	berth_assignment_list_free(&live);
	return r;
}

/* May @vm take this device of a pool, besides what was picked before? Return: 0; BERTH_REFUSED; -errno. */
static int try_candidate(struct berth_manager *m, const char *vm, const struct picked *p,
			 const struct berth_device *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const struct berth_device **all = calloc(p->nr + 1, sizeof(*all));
	struct berth_units units = { 0 };
	int r;

	if (!all)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < p->nr; i++)
		all[i] = p->devs[i];
	all[p->nr] = dev;
	r = berth_units_build(m->inv, all, p->nr + 1, &units, err);
	if (r == 0)
		r = try_unit(m, vm, &units, unit_of(&units, dev), err);
	berth_units_done(&units);
	return r;
}

/* What @vm has of the pool already. Return: 0 with *ret NULL when it has nothing (more); -errno. */
static int find_own(struct berth_manager *m, const char *vm, const struct berth_device *const *pool,
		    size_t nr, const struct picked *p, const struct berth_device **ret,
		    struct berth_err *err)
{
	struct berth_assignment_list live;
	int r = berth_owner_all(m, &live, err);

	*ret = NULL;
	for (size_t i = 0; r == 0 && i < nr && !*ret; i++) {
		const struct berth_assignment *a = berth_owner_of_device(&live, pool[i]);

		if (a && strcmp(a->vm, vm) == 0 && !has(p, pool[i]))
			*ret = pool[i];
	}
	if (r == 0)
		berth_assignment_list_free(&live);
	return r;
}

static int from_pool(struct berth_manager *m, const char *vm, const char *name,
		     const struct picked *p, const struct berth_device **ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **pool = NULL;
	struct berth_err why = BERTH_ERR_INIT;
	size_t nr = 0;
	int r;

	if (!vm)
		return berth_err_set(err, -EINVAL, "pool:%s: a pool is for assign, plan and run",
				     name);
	r = berth_ask_pool(m, name, &pool, &nr, err);
	if (r == 0)
		r = find_own(m, vm, pool, nr, p, ret, err);
	if (r != 0 || *ret)
		return r;
	for (size_t i = 0; i < nr; i++) {
		if (has(p, pool[i]))
			continue;
		why = (struct berth_err)BERTH_ERR_INIT;
		r = try_candidate(m, vm, p, pool[i], &why);
		if (r == 0) {
			*ret = pool[i];
			return 0;
		}
		if (r < 0)
			return berth_err_set(err, r, "%s", why.text);
	}
	return berth_err_set(err, BERTH_REFUSED, "pool %s has no device to give to %s (of %zu)%s%s",
			     name, vm, nr, why.code ? "; the last one: " : "", why.text);
}

static int resolve_one(struct berth_manager *m, const char *vm, const char *name,
		       const struct picked *p, const struct berth_device **ret,
		       struct berth_err *err)
{
	int r;

	if (strncmp(name, "pool:", 5) == 0)
		return from_pool(m, vm, name + 5, p, ret, err);
	r = berth_inventory_resolve(m->inv, name, ret, err);
	return r == BERTH_ABSENT ? berth_ask_name(m, name, ret, err) : r;
}

int berth_resolve(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		  const struct berth_device ***ret, size_t *ret_nr, struct berth_err *err)
{
	struct picked p = { .devs = calloc(nr + 1, sizeof(*p.devs)) };
	int r = 0;

	if (!p.devs)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && r == 0; i++) {
		const struct berth_device *dev = NULL;

		r = resolve_one(m, vm, names[i], &p, &dev, err);
		if (r == 0)
			p.devs[p.nr++] = dev;
	}
	if (r != 0) {
		free(p.devs);
		return r;
	}
	*ret = p.devs;
	*ret_nr = p.nr;
	return 0;
}

int berth_resolve_check_form(const char *const *names, size_t nr, struct berth_err *err)
{
	struct berth_bdf at;

	for (size_t i = 0; i < nr; i++) {
		if (strncmp(names[i], "pool:", 5) != 0 && berth_bdf_looks_meant(names[i]) &&
		    berth_bdf_parse(names[i], &at) < 0)
			return berth_err_set(err, -EINVAL,
					     "'%.80s' is not a PCI address: they look like "
					     "0000:03:00.0 or 03:00.0",
					     names[i]);
	}
	return 0;
}
