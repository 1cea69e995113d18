/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/sriov"

#include "manager/sriov_show.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/resolve.h"
#include "policy/ledger.h"
#include "vfio/inventory.h"
#include "vfio/netdev.h"

static int add_fn(struct berth_manager *m, struct berth_sriov_view *view,
		  const struct berth_assignment_list *live, const struct berth_device *dev,
		  struct berth_sriov_fn **ret)
{
	struct berth_sriov_fn *bigger = realloc(view->fns, (view->nr + 1) * sizeof(*bigger));
	const struct berth_assignment *owner = berth_owner_of_device(live, dev);
	char name[BERTH_DEVICE_NAME];
	struct berth_sriov_fn *fn;

	if (!bigger)
		return -ENOMEM;
	view->fns = bigger;
	fn = &bigger[view->nr++];
	*fn = (struct berth_sriov_fn){ .at = dev->bdf,
				       .is_vf = dev->is_vf,
				       .iommu_group = dev->iommu_group };
	snprintf(fn->driver, sizeof(fn->driver), "%s", dev->driver);
	(void)berth_netdev_of(m->host, dev->bdf, fn->netdev);
	fn->name = strdup(berth_device_name(m->inv, dev, name));
	fn->owner = owner ? strdup(owner->vm) : NULL;
	*ret = fn;
	return fn->name && (!owner || fn->owner) ? 0 : -ENOMEM;
}

static int add_vf(struct berth_manager *m, struct berth_sriov_view *view,
		  const struct berth_assignment_list *live, const struct berth_sriov *pf,
		  unsigned int index)
{
	struct berth_err why = BERTH_ERR_INIT;
	const struct berth_device *dev;
	struct berth_sriov_fn *fn;
	struct berth_bdf at;
	int r;

	if (berth_sriov_vf(m->host, pf->at, index, &at))
		return 0;
	dev = berth_inventory_find(m->inv, at);
	r = dev ? add_fn(m, view, live, dev, &fn) : -ENODEV;
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	fn->index = index;
	/* storage and accelerators have no such settings, and a PF without its driver shows none */
	if (berth_netdev_vf_read(m->host, pf->at, index, &fn->net, &why))
		log_debug("%s", why.text);
	return 0;
}

static int add_pf(struct berth_manager *m, struct berth_sriov_view *view,
		  const struct berth_assignment_list *live, const struct berth_device *dev,
		  struct berth_err *err)
{
	struct berth_sriov_fn *fn;
	struct berth_sriov pf;
	int r = berth_sriov_read(m->host, dev->bdf, &pf, err);

	if (r)
		return r;
	r = add_fn(m, view, live, dev, &fn);
	if (r == 0)
		fn->pf = pf;
	for (unsigned int i = 0; i < pf.num && r == 0; i++)
		r = add_vf(m, view, live, &pf, i);
	return r < 0 ? berth_err_set(err, r, "%s: %s", BERTH_BDF_STR(dev->bdf), strerror(-r)) : 0;
}

static int add_all(struct berth_manager *m, struct berth_sriov_view *view,
		   const struct berth_assignment_list *live, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < m->inv->nr && r >= 0; i++) {
		if (m->inv->devices[i].vfs_total)
			r = add_pf(m, view, live, &m->inv->devices[i], NULL);
	}
	return r < 0 ? berth_err_set(err, r, "reading the virtual functions: %s", strerror(-r)) : 0;
}

static int add_named(struct berth_manager *m, struct berth_sriov_view *view,
		     const struct berth_assignment_list *live, const char *name,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr;
	int r = berth_resolve(m, NULL, &name, 1, &devs, &nr, err);

	return r ? r : add_pf(m, view, live, devs[0], err);
}

int berth_manager_sriov_show(struct berth_manager *m, const char *pf, struct berth_sriov_view **ret,
			     struct berth_err *err)
{
	BERTH_CLEANUP(berth_sriov_view_freep) struct berth_sriov_view *view =
		calloc(1, sizeof(*view));
	struct berth_assignment_list live = { 0 };
	int r;

	if (!view)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_owner_all(m, &live, err);
	if (r == 0)
		r = pf ? add_named(m, view, &live, pf, err) : add_all(m, view, &live, err);
	berth_assignment_list_free(&live);
	if (r)
		return r;
	*ret = BERTH_TAKE_PTR(view);
	return 0;
}

void berth_sriov_view_free(struct berth_sriov_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->nr; i++) {
		free(view->fns[i].owner);
		free(view->fns[i].name);
	}
	free(view->fns);
	free(view);
}
