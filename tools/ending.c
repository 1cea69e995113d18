/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/resolve.h"
#include "policy/ledger.h"
#include "policy/taint.h"
#include "tools/out.h"

int berth_ending_begin(struct berth_ending *o, const struct berth_cmd *cmd,
		       const struct berth_host *host, const struct berth_devargs *args,
		       struct berth_err *err)
{
	*o = (struct berth_ending){ .cmd = cmd, .args = args, .host = host };
	return args->json ? berth_out_view_open(&o->before, host, err) : 0;
}

void berth_ending_names(struct berth_ending *o, struct berth_manager *m)
{
	BERTH_CLEANUP(berth_freep) const struct berth_device **devs = NULL;
	size_t nr = 0;

	if (!o->before || o->named || !o->args->nr ||
	    berth_resolve(m, o->args->vm, o->args->devs, o->args->nr, &devs, &nr, NULL))
		return;
	o->named = calloc(nr, sizeof(*o->named));
	for (size_t i = 0; o->named && i < nr; i++)
		o->named[o->nr_named++] = devs[i]->bdf;
}

/* --- which devices --- */

static bool owner_is(const struct berth_out_view *view, const struct berth_device *dev,
		     const char *vm)
{
	const struct berth_assignment *a = dev ? berth_out_view_owner(view, dev) : NULL;

	return a && vm && strcmp(a->vm, vm) == 0;
}

static bool is_named(const struct berth_ending *o, const struct berth_out_view *now,
		     const struct berth_device *dev)
{
	for (size_t i = 0; i < o->nr_named; i++) {
		const struct berth_device *named = berth_inventory_find(now->inv, o->named[i]);

		if (named && (named == dev ||
			      (dev->iommu_group >= 0 && named->iommu_group == dev->iommu_group)))
			return true;
	}
	return false;
}

/* Named, or with a named one in its group; and what the VM had or has, when that is what it was about. */
static bool is_meant(const struct berth_ending *o, const struct berth_out_view *now,
		     const struct berth_device *dev, const struct berth_device *was)
{
	bool had = owner_is(o->before, was, o->args->vm), has = owner_is(now, dev, o->args->vm);

	if (berth_device_is_bridge(dev))
		return false;
	return is_named(o, now, dev) || had != has || (!o->args->nr && (had || has));
}

/* --- what became of them --- */

static void set_state(json_t *object, const struct berth_out_view *view,
		      const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);

	berth_out_view_json_text(object, "driver", dev->driver);
	berth_out_view_json_text(object, "state", berth_out_view_state(view, dev));
	berth_out_view_json_text(object, "owner", a ? a->vm : NULL);
}

static void set_lease(json_t *object, struct berth_ledger *ledger, const struct berth_assignment *a)
{
	struct berth_lease lease = { 0 };
	char when[32] = "";
	bool has = ledger && a && berth_lease_of(ledger, a->claim, &lease, NULL) == 0;

	if (has)
		berth_out_time(lease.end, when);
	berth_out_view_json_text(object, "lease_end", when);
	berth_out_view_json_text(object, "on_expiry",
				 has ? berth_expiry_name(lease.on_expiry) : NULL);
	berth_lease_done(&lease);
}

static void set_taints(json_t *object, struct berth_ledger *ledger, const char *path)
{
	struct berth_taint_list taints = { 0 };
	json_t *list = json_array();

	if (ledger)
		(void)berth_taint_find(ledger, path, &taints, NULL);
	for (size_t i = 0; i < taints.nr; i++) {
		json_t *t = json_object();

		berth_out_view_json_text(t, "taint", taints.items[i].taint);
		berth_out_view_json_text(t, "effect",
					 berth_taint_effect_name(taints.items[i].effect));
		berth_out_view_json_text(t, "reason", taints.items[i].reason);
		json_array_append_new(list, t);
	}
	berth_taint_list_free(&taints);
	json_object_set_new(object, "taints", list);
}

static json_t *device_json(const struct berth_ending *o, const struct berth_out_view *now,
			   const struct berth_device *dev, const struct berth_device *was,
			   struct berth_ledger *ledger)
{
	json_t *object = json_object(), *before = was ? json_object() : json_null();

	berth_out_view_json_text(object, "bdf", BERTH_BDF_STR(dev->bdf));
	berth_out_view_json_text(object, "path", dev->path);
	json_object_set_new(object, "iommu_group",
			    dev->iommu_group >= 0 ? json_integer(dev->iommu_group) : json_null());
	set_state(object, now, dev);
	set_lease(object, ledger, berth_out_view_owner(now, dev));
	set_taints(object, ledger, dev->path);
	if (was)
		set_state(before, o->before, was);
	json_object_set_new(object, "before", before);
	return object;
}

static json_t *devices_json(const struct berth_ending *o)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *now = NULL;
	json_t *list = json_array();

	/* What cannot be read is not there: the verb has happened all the same, and its own words are told. */
	if (!o->before || berth_out_view_open(&now, o->host, NULL) < 0)
		return list;
	(void)berth_ledger_open(&ledger, o->host->state, BERTH_LEDGER_READ, NULL);
	for (size_t i = 0; i < now->inv->nr; i++) {
		const struct berth_device *dev = &now->inv->devices[i];
		const struct berth_device *was = berth_inventory_find(o->before->inv, dev->bdf);

		if (is_meant(o, now, dev, was))
			json_array_append_new(list, device_json(o, now, dev, was, ledger));
	}
	return list;
}

static json_t *messages_json(const struct berth_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->nr; i++) {
		BERTH_CLEANUP(berth_freep) char *text = berth_out_printable(report->lines[i]);

		json_array_append_new(list, berth_json_text(text));
	}
	return list;
}

static int print_json(const struct berth_ending *o, int r, const struct berth_report *report,
		      const struct berth_err *err)
{
	json_t *object = json_object();
	int printed;

	berth_out_view_json_text(object, "verb", o->cmd->name);
	berth_out_view_json_text(object, "outcome", r == 0 ? "done" : r > 0 ? "refused" : "failed");
	berth_out_view_json_text(object, "error",
				 r == 0	   ? NULL :
				 err->code ? err->text :
				 r < 0	   ? strerror(-r) :
					     "refused");
	json_object_set_new(object, "dry_run", json_boolean(o->args->dry_run));
	berth_out_view_json_text(object, "vm", o->args->vm);
	json_object_set_new(object, "devices", devices_json(o));
	json_object_set_new(object, "messages", messages_json(report));
	printed = berth_json_print(stdout, object);
	json_decref(object);
	return printed;
}

int berth_ending_end(struct berth_ending *o, int r, struct berth_report *report,
		     const struct berth_err *err)
{
	int printed = 0;

	if (o->args->json) {
		printed = print_json(o, r, report, err);
		berth_report_done(report);
	}
	berth_out_view_close(o->before);
	free(o->named);
	return berth_devargs_end(o->cmd, r ?: printed, report, err);
}
