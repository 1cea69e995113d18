/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/out_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/busy.h"
#include "manager/external.h"
#include "manager/process.h"

static int read_owners(struct berth_out_view *view, const struct berth_host *host,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	const struct berth_ledger_query everything = { .id = 0 };
	int r;

	r = berth_ledger_open(&ledger, host->state, BERTH_LEDGER_READ, err);
	if (r == -EACCES) {
		berth_err_clear(err);
		view->owners_hidden = true;
		return 0;
	}
	return r < 0 ? r : berth_ledger_find(ledger, &everything, &view->owners, err);
}

int berth_out_view_open(struct berth_out_view **ret, const struct berth_host *host,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_view_closep) struct berth_out_view *view = calloc(1, sizeof(*view));
	int r;

	if (!view)
		return berth_err_set(err, -ENOMEM, "out of memory");
	view->host = host;
	r = berth_inventory_read(&view->inv, host, err);
	if (r == 0)
		r = read_owners(view, host, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(view);
	return 0;
}

void berth_out_view_close(struct berth_out_view *view)
{
	if (!view)
		return;
	berth_inventory_free(view->inv);
	berth_assignment_list_free(&view->owners);
	free(view);
}

const struct berth_assignment *berth_out_view_owner(const struct berth_out_view *view,
						    const struct berth_device *dev)
{
	for (size_t i = 0; i < view->owners.nr; i++) {
		const struct berth_assignment *a = &view->owners.items[i];

		for (size_t k = 0; k < a->nr_members; k++) {
			if (strcmp(a->members[k].path, dev->path) == 0)
				return a;
		}
	}
	return NULL;
}

/* Who has an unowned device's group open; 0: nobody, or nobody that this user can see. */
static pid_t holder_of(const struct berth_out_view *view, const struct berth_device *dev)
{
	pid_t pid = 0;

	if (strstr(dev->driver, "vfio") && dev->iommu_group >= 0 && !view->owners_hidden &&
	    !berth_out_view_owner(view, dev))
		pid = berth_process_holding(view->host, dev->iommu_group, 0);
	return pid > 0 ? pid : 0;
}

/* "libvirt domain web1 (812)", "vpp_main (900)" */
static const char *holder_words(const struct berth_out_view *view, pid_t pid, char *buf,
				size_t size)
{
	char who[100], name[32];

	berth_external_process(view->host, pid, who, sizeof(who));
	snprintf(buf, size, "%s (%d)", *who ? who : berth_process_name(view->host, pid, name),
		 (int)pid);
	return buf;
}

const char *berth_out_view_state(const struct berth_out_view *view, const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	struct berth_busy_look look;

	if (a && berth_busy_look_at(view->host, a->id, &look) && look.stuck)
		return "stuck";
	if (a)
		return berth_owned_state_name(a->state);
	if (holder_of(view, dev))
		return "external";
	if (strstr(dev->driver, "vfio"))
		return "vfio";
	return *dev->driver ? "host" : "none";
}

const struct berth_out_col berth_out_view_cols[] = {
	{ "bdf", NULL, BERTH_OUT_STRING, 0 },
	{ "path", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "class", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "vendor_id", "VENDOR", BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "device_id", "DEVICE", BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "name", NULL, BERTH_OUT_STRING, BERTH_OUT_TRUNC },
	{ "driver", NULL, BERTH_OUT_STRING, 0 },
	{ "iommu_group", "GROUP", BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "isolation", NULL, BERTH_OUT_STRING, 0 },
	{ "reset", NULL, BERTH_OUT_STRING, 0 },
	{ "numa_node", "NUMA", BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "state", NULL, BERTH_OUT_STRING, 0 },
	{ "owner", NULL, BERTH_OUT_STRING, 0 },
	{ "holder", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "class_name", "KIND", BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "isolation_reason", "REASON", BERTH_OUT_STRING, BERTH_OUT_EXTRA | BERTH_OUT_WRAP },
};
const size_t berth_out_view_nr_cols = BERTH_ARRAY_SIZE(berth_out_view_cols);

/* "" is an absent fact */
static void set_text(struct berth_out_row *row, const char *key, const char *text)
{
	berth_out_str(row, key, *text ? text : NULL);
}

void berth_out_view_set_name(struct berth_out_row *row, const struct berth_out_view *view,
			     const struct berth_device *dev)
{
	char name[BERTH_DEVICE_NAME];

	if (berth_out_wants(row, "name"))
		berth_out_str(row, "name", berth_device_name(view->inv, dev, name));
}

void berth_out_view_set_row(struct berth_out_row *row, const struct berth_out_view *view,
			    const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	pid_t holder = holder_of(view, dev);
	char words[160];
	char text[BERTH_DEVICE_NAME];

	berth_out_str(row, "bdf", BERTH_BDF_STR(dev->bdf));
	berth_out_str(row, "path", dev->path);
	berth_out_fmt(row, "class", "%06x", dev->class);
	berth_out_fmt(row, "vendor_id", "%04x", dev->vendor_id);
	berth_out_fmt(row, "device_id", "%04x", dev->device_id);
	berth_out_view_set_name(row, view, dev);
	set_text(row, "driver", dev->driver);
	if (dev->iommu_group >= 0)
		berth_out_num(row, "iommu_group", dev->iommu_group);
	berth_out_str(row, "isolation", berth_isolation_name(dev->isolation));
	set_text(row, "reset", dev->reset_methods);
	if (dev->numa_node >= 0)
		berth_out_num(row, "numa_node", dev->numa_node);
	berth_out_str(row, "state", berth_out_view_state(view, dev));
	berth_out_str(row, "owner",
		      a			     ? a->vm :
		      holder && view->people ? holder_words(view, holder, words, sizeof(words)) :
					       NULL);
	if (holder)
		berth_out_str(row, "holder", holder_words(view, holder, words, sizeof(words)));
	if (berth_out_wants(row, "class_name"))
		set_text(row, "class_name", berth_device_class_name(view->inv, dev, text));
	berth_out_str(row, "isolation_reason", dev->isolation_reason);
}

void berth_out_view_json_text(json_t *object, const char *key, const char *text)
{
	BERTH_CLEANUP(berth_freep)
	char *printable = text && *text ? berth_out_printable(text) : NULL;

	json_object_set_new(object, key, berth_json_text(printable));
}

void berth_out_view_json_tri(json_t *object, const char *key, enum berth_tri value)
{
	json_object_set_new(object, key,
			    value == BERTH_UNKNOWN ? json_null() :
						     json_boolean(value == BERTH_YES));
}

static void set_number_or_null(json_t *object, const char *key, int value)
{
	json_object_set_new(object, key, value >= 0 ? json_integer(value) : json_null());
}

json_t *berth_out_view_json(const struct berth_out_view *view, const struct berth_device *dev)
{
	const struct berth_assignment *a = berth_out_view_owner(view, dev);
	json_t *o = json_object();
	char text[BERTH_DEVICE_NAME];

	berth_out_view_json_text(o, "bdf", BERTH_BDF_STR(dev->bdf));
	berth_out_view_json_text(o, "path", dev->path);
	json_object_set_new(o, "class", json_sprintf("%06x", dev->class));
	json_object_set_new(o, "vendor_id", json_sprintf("%04x", dev->vendor_id));
	json_object_set_new(o, "device_id", json_sprintf("%04x", dev->device_id));
	berth_out_view_json_text(o, "name", berth_device_name(view->inv, dev, text));
	berth_out_view_json_text(o, "driver", dev->driver);
	set_number_or_null(o, "iommu_group", dev->iommu_group);
	berth_out_view_json_text(o, "isolation", berth_isolation_name(dev->isolation));
	berth_out_view_json_text(o, "reset", dev->reset_methods);
	set_number_or_null(o, "numa_node", dev->numa_node);
	berth_out_view_json_text(o, "state", berth_out_view_state(view, dev));
	berth_out_view_json_text(o, "owner", a ? a->vm : NULL);
	berth_out_view_json_text(o, "class_name", berth_device_class_name(view->inv, dev, text));
	berth_out_view_json_text(o, "isolation_reason", dev->isolation_reason);
	return o;
}

void berth_out_view_notes(const struct berth_out_view *view, const char *verb)
{
	bool any_group = false, any_unknown = false;

	for (size_t i = 0; i < view->inv->nr; i++) {
		any_group |= view->inv->devices[i].iommu_group >= 0;
		any_unknown |= view->inv->devices[i].isolation == BERTH_ISOLATION_UNKNOWN;
	}
	if (!view->inv->nr)
		fprintf(stderr, "berth %s: this machine has no PCI bus\n", verb);
	else if (!any_group)
		fprintf(stderr,
			"berth %s: no IOMMU is on, so no device can be passed through; "
			"'berth doctor' tells what to do\n",
			verb);
	else if (any_unknown && geteuid() != 0)
		fprintf(stderr,
			"berth %s: some registers are for root only, so isolation is unknown "
			"here; 'sudo berth %s' knows\n",
			verb, verb);
}
