/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth show: everything about one device, and what stands in the way of assigning it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager/manager.h"
#include "manager/obstacle.h"
#include "manager/resolve.h"
#include "manager/status.h"
#include "policy/evidence.h"
#include "policy/taint.h"
#include "tools/berth.h"
#include "tools/out.h"
#include "tools/out_check.h"
#include "tools/out_view.h"
#include "vfio/serials.h"

static const char help[] =
	"Usage: berth show DEV [--json]\n\n"
	"Everything about one device, and what stands in the way of assigning it. DEV is a PCI address\n"
	"(0000:03:00.0 or 03:00.0), a stable path (PNP0A08:00/1c.0/00.0, see 'berth list -o bdf,path') or a\n"
	"name from policy.\n\n"
	"      --json   {\"devices\":[{…}]}: the keys of 'berth list --json' and more; \"obstacles\" is what\n"
	"               stands in the way, in the words of 'berth assign'\n\n"
	"\"last reset\" is what was read back after the last reset, before or after a use; a device without proof is\n"
	"quarantined until 'berth release' resets it with proof, or 'berth release --unclean' waives that.\n\n"
	"\"note\" says what is wrong: which write hangs in the kernel since when and who has the device open, who else\n"
	"holds it (libvirt, QEMU, DPDK, driverctl), what it runs on unproven.\n\n"
	"As root more is known: capabilities, isolation, who has its device nodes open, its last reset.\n";

struct facts {
	struct berth_host *host;	/* borrowed */
	struct berth_out_view *view;	/* owned */
	struct berth_inuse *inuse;	/* owned; NULL when it could not be read */
	const struct berth_device *dev; /* borrowed from view */
	struct berth_checks checks;
	struct berth_obstacles obstacles;   /* owned; what assign would refuse for */
	struct berth_evidence reset;	    /* owned; path NULL: nothing is known */
	struct berth_taint_list taints;	    /* owned; put on it by hand */
	struct berth_status status;	    /* owned */
	const struct berth_status_row *row; /* borrowed; of the device, NULL: the host's */
};

/* --- for people --- */

static void __attribute__((format(printf, 2, 3))) line(const char *label, const char *fmt, ...)
{
	BERTH_CLEANUP(berth_freep) char *printable = NULL;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable = berth_out_printable(text);
	printf("  %-16s %s\n", label, printable && *printable ? printable : "-");
}

/* "256 MiB", "64 KiB", "16 bytes" */
static void size_text(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit < BERTH_ARRAY_SIZE(units) - 1) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, size, "%" PRIu64 " %s", bytes, units[unit]);
}

static void show_bars(const struct berth_device *dev)
{
	char size[32], label[16];

	for (int i = 0; i < BERTH_NR_BARS; i++) {
		const struct berth_bar *bar = &dev->bars[i];

		if (!bar->size || berth_device_is_bridge(dev))
			continue;
		snprintf(label, sizeof(label), "BAR %d", i);
		size_text(size, sizeof(size), bar->size);
		line(label, "%s%s%s, at %#" PRIx64, size,
		     bar->io   ? " of I/O ports" :
		     bar->is64 ? ", 64 bit" :
				 ", 32 bit",
		     bar->prefetch ? ", prefetchable" : "", bar->start);
	}
	if (dev->rom_size) {
		size_text(size, sizeof(size), dev->rom_size);
		line("ROM", "%s", size);
	}
}

static void show_interrupts(const struct berth_caps *c)
{
	char intx[16] = "no";

	if (c->intx_pin > 0)
		snprintf(intx, sizeof(intx), "INT%c", "?ABCD"[c->intx_pin]);
	if (c->msi == BERTH_UNKNOWN || c->msix == BERTH_UNKNOWN)
		line("interrupts", "pin %s; MSI and MSI-X are unknown to this user", intx);
	else
		line("interrupts", "pin %s, MSI %u, MSI-X %u", intx, c->msi_vectors,
		     c->msix_vectors);
}

static void show_caps(const struct berth_caps *c)
{
	char serial[BERTH_SERIAL_LEN];

	show_interrupts(c);
	line("type", "%s", berth_caps_type_name(c->type));
	if (c->link_width)
		line("link", "%s GT/s x%u, at best %s GT/s x%u",
		     berth_caps_speed_name(c->link_speed), c->link_width,
		     berth_caps_speed_name(c->link_speed_max), c->link_width_max);
	line("function reset", "%s", berth_tri_name(c->flr));
	if (c->acs == BERTH_YES)
		line("ACS", "offers %#06x, on %#06x", c->acs_cap, c->acs_ctrl);
	else
		line("ACS", "%s", berth_tri_name(c->acs));
	line("ATS", "%s%s", berth_tri_name(c->ats), c->ats_enabled ? ", on" : "");
	if (berth_caps_serial(c, serial))
		line("serial", "%s", serial);
}

/* As policy reads them. */
static void show_serials(const struct berth_host *host, const struct berth_device *dev)
{
	struct berth_serials serials;

	berth_serials_read(&serials, host, dev, true);
	if (*serials.vpd)
		line("serial.vpd", "%s", serials.vpd);
	if (*serials.nvme)
		line("serial.nvme", "%s", serials.nvme);
	if (*serials.mac)
		line("serial.mac", "%s", serials.mac);
}

static void show_sriov(const struct berth_device *dev)
{
	if (dev->is_vf)
		line("virtual function", "%d of %s", dev->vf_index, BERTH_BDF_STR(dev->pf));
	if (dev->vfs_total)
		line("SR-IOV",
		     "%u of %u virtual functions, ids %04x:%04x, host drivers probe them: %s",
		     dev->vfs_now, dev->vfs_total, dev->vendor_id, dev->vf_device_id,
		     berth_tri_name(dev->vfs_autoprobe));
}

/* What its last reset has shown, and why it is where it is. */
static void show_reset(const struct facts *f)
{
	const struct berth_assignment *a = berth_out_view_owner(f->view, f->dev);
	const struct berth_evidence *e = &f->reset;
	char when[32];

	line("reset methods", "%s", f->dev->reset_methods);
	if (e->path) {
		line("last reset", "%s, %s use by %s: %s", berth_out_time(e->time, when),
		     e->after ? "after" : "before", e->vm, e->proven ? "proven" : "NOT PROVEN");
		line("", "%s", e->sentence);
		line("", "by %s; seen: %s", e->method, *e->checked ? e->checked : "nothing");
	}
	if (a && a->reason)
		line("because", "%s", a->reason);
	for (size_t i = 0; i < f->taints.nr; i++) {
		const struct berth_taint *t = &f->taints.items[i];

		line("tainted", "%s (%s) since %s%s%s", t->taint,
		     berth_taint_effect_name(t->effect), berth_out_time(t->since, when),
		     t->reason ? ": " : "", t->reason ? t->reason : "");
	}
}

/* As list has it, but for what only a look at all of the ledger shows. */
static const char *state_of(const struct facts *f)
{
	if (f->row && (strcmp(f->row->state, "stuck") == 0 || strcmp(f->row->state, "lost") == 0))
		return f->row->state;
	return berth_out_view_state(f->view, f->dev);
}

/* Who has it open, and what is wrong: which write hangs since when, who else it belongs to, what it runs on unproven. */
static void show_row(const struct facts *f)
{
	const struct berth_assignment *a = berth_out_view_owner(f->view, f->dev);

	if (!f->row)
		return;
	if (f->row->holder)
		line("held by", "%s, process %d", f->row->holder_name, (int)f->row->holder);
	if (*f->row->note && !(a && a->reason && strcmp(a->reason, f->row->note) == 0))
		line("note", "%s", f->row->note);
}

static void show_place(const struct facts *f)
{
	char class[BERTH_DEVICE_NAME];
	const struct berth_device *dev = f->dev;
	const struct berth_assignment *a = berth_out_view_owner(f->view, dev);

	line("path", "%s", dev->path);
	line("class", "%06x %s", dev->class, berth_device_class_name(f->view->inv, dev, class));
	line("ids", "%04x:%04x, subsystem %04x:%04x", dev->vendor_id, dev->device_id,
	     dev->subsystem_vendor_id, dev->subsystem_device_id);
	if (dev->caps.revision >= 0)
		line("revision", "%02x", (unsigned int)dev->caps.revision);
	line("driver", "%s", dev->driver);
	if (*dev->driver_override)
		line("driver_override", "%s", dev->driver_override);
	line("state", "%s", state_of(f));
	line("owner", "%s", a ? a->vm : f->view->owners_hidden ? "unknown to this user" : "");
	if (dev->iommu_group >= 0)
		line("IOMMU group", "%d", dev->iommu_group);
	else
		line("IOMMU group", "-");
	line("isolation", "%s: %s", berth_isolation_name(dev->isolation), dev->isolation_reason);
	if (dev->numa_node >= 0)
		line("NUMA node", "%d", dev->numa_node);
	show_row(f);
	show_reset(f);
	line("power", "%s", dev->power_state);
	if (dev->has_parent)
		line("behind", "%s", BERTH_BDF_STR(dev->parent));
	if (dev->boot_vga == BERTH_YES)
		line("boot screen", "yes: firmware showed its messages here");
}

/* In the words of the verb that would refuse. */
static void show_obstacles(const struct facts *f)
{
	if (f->obstacles.nr)
		printf("\nIt cannot be assigned as things are:\n");
	else
		printf("\n%s\n", berth_checks_worst(&f->checks) == BERTH_CHECK_OK ?
					 "Nothing stands in the way of assigning it." :
					 "It can perhaps be assigned; look at the warnings.");
	for (size_t i = 0; i < f->obstacles.nr; i++) {
		BERTH_CLEANUP(berth_freep)
		char *sentence = berth_out_printable(f->obstacles.items[i].sentence);

		printf("  %s\n", sentence ? sentence : f->obstacles.items[i].code);
	}
}

static int print_text(const struct facts *f)
{
	char buf[BERTH_DEVICE_NAME];
	BERTH_CLEANUP(berth_freep)
	char *name = berth_out_printable(berth_device_name(f->view->inv, f->dev, buf));

	printf("%s  %s\n", BERTH_BDF_STR(f->dev->bdf), name ? name : "");
	show_place(f);
	show_caps(&f->dev->caps);
	show_serials(f->host, f->dev);
	show_bars(f->dev);
	show_sriov(f->dev);
	show_obstacles(f);
	printf("\nWhat was looked at:\n");
	berth_checks_print(&f->checks, stdout);
	return 0;
}

/* --- for programs --- */

static void set_hex(json_t *o, const char *key, unsigned int value)
{
	json_object_set_new(o, key, json_sprintf("%04x", value));
}

static json_t *bars_json(const struct berth_device *dev)
{
	json_t *bars = json_array();

	for (int i = 0; i < BERTH_NR_BARS; i++) {
		const struct berth_bar *bar = &dev->bars[i];
		json_t *o;

		if (!bar->size || berth_device_is_bridge(dev))
			continue;
		o = json_object();
		json_object_set_new(o, "index", json_integer(i));
		json_object_set_new(o, "size", json_integer((json_int_t)bar->size));
		berth_out_view_json_text(o, "kind", bar->io ? "io" : bar->is64 ? "mem64" : "mem32");
		json_object_set_new(o, "prefetchable", json_boolean(bar->prefetch));
		json_array_append_new(bars, o);
	}
	return bars;
}

static void set_vectors(json_t *o, const char *key, enum berth_tri has, unsigned int vectors)
{
	json_object_set_new(o, key, has == BERTH_UNKNOWN ? json_null() : json_integer(vectors));
}

static void add_caps_json(json_t *o, const struct berth_caps *c)
{
	char serial[BERTH_SERIAL_LEN];

	json_object_set_new(o, "intx_pin",
			    c->intx_pin > 0 ? json_integer(c->intx_pin) : json_null());
	set_vectors(o, "msi_vectors", c->msi, c->msi_vectors);
	set_vectors(o, "msix_vectors", c->msix, c->msix_vectors);
	berth_out_view_json_text(
		o, "type", c->type == BERTH_PCIE_UNKNOWN ? NULL : berth_caps_type_name(c->type));
	berth_out_view_json_tri(o, "flr", c->flr);
	berth_out_view_json_tri(o, "acs", c->acs);
	json_object_set_new(o, "acs_cap",
			    c->acs == BERTH_YES ? json_integer(c->acs_cap) : json_null());
	json_object_set_new(o, "acs_ctrl",
			    c->acs == BERTH_YES ? json_integer(c->acs_ctrl) : json_null());
	berth_out_view_json_tri(o, "ats", c->ats);
	berth_out_view_json_text(o, "link_speed", berth_caps_speed_name(c->link_speed));
	berth_out_view_json_text(o, "link_speed_max", berth_caps_speed_name(c->link_speed_max));
	set_vectors(o, "link_width", c->link_width ? BERTH_YES : BERTH_UNKNOWN, c->link_width);
	set_vectors(o, "link_width_max", c->link_width_max ? BERTH_YES : BERTH_UNKNOWN,
		    c->link_width_max);
	berth_out_view_json_text(o, "serial", berth_caps_serial(c, serial));
}

static void add_serials_json(json_t *o, const struct berth_host *host,
			     const struct berth_device *dev)
{
	struct berth_serials s;

	berth_serials_read(&s, host, dev, true);
	berth_out_view_json_text(o, "serial_vpd", *s.vpd ? s.vpd : NULL);
	berth_out_view_json_text(o, "serial_nvme", *s.nvme ? s.nvme : NULL);
	berth_out_view_json_text(o, "serial_mac", *s.mac ? s.mac : NULL);
}

static void add_sriov_json(json_t *o, const struct berth_device *dev)
{
	json_object_set_new(o, "pf",
			    dev->is_vf ? berth_json_text(BERTH_BDF_STR(dev->pf)) : json_null());
	json_object_set_new(o, "vf_index",
			    dev->is_vf && dev->vf_index >= 0 ? json_integer(dev->vf_index) :
							       json_null());
	json_object_set_new(o, "vfs_total", json_integer(dev->vfs_total));
	json_object_set_new(o, "vfs_now", json_integer(dev->vfs_now));
	berth_out_view_json_tri(o, "vfs_autoprobe", dev->vfs_autoprobe);
}

static json_t *inuse_json(const struct facts *f)
{
	const struct berth_inuse_reason *r = NULL;
	json_t *all;

	if (!f->inuse)
		return json_null();
	all = json_array();
	while ((r = berth_inuse_next(f->inuse, f->dev->bdf, r))) {
		json_t *o = json_object();

		berth_out_view_json_text(o, "code", berth_inuse_code_name(r->code));
		berth_out_view_json_text(o, "sentence", r->sentence);
		json_object_set_new(o, "hard", json_boolean(berth_inuse_code_is_hard(r->code)));
		json_object_set_new(o, "pid", r->pid ? json_integer(r->pid) : json_null());
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *obstacles_json(const struct berth_obstacles *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->nr; i++) {
		json_t *o = json_object();

		berth_out_view_json_text(o, "code", list->items[i].code);
		berth_out_view_json_text(o, "bdf", BERTH_BDF_STR(list->items[i].at));
		berth_out_view_json_text(o, "sentence", list->items[i].sentence);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *taints_json(const struct berth_taint_list *taints)
{
	json_t *list = json_array();
	char when[32];

	for (size_t i = 0; i < taints->nr; i++) {
		const struct berth_taint *t = &taints->items[i];

		json_t *o = json_object();

		berth_out_view_json_text(o, "taint", t->taint);
		berth_out_view_json_text(o, "effect", berth_taint_effect_name(t->effect));
		berth_out_view_json_text(o, "since", berth_out_time(t->since, when));
		berth_out_view_json_text(o, "reason", t->reason);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *reset_json(const struct berth_evidence *e)
{
	char when[32];
	json_t *o;

	if (!e->path)
		return json_null();
	o = json_object();
	berth_out_view_json_text(o, "time", berth_out_time(e->time, when));
	berth_out_view_json_text(o, "vm", e->vm);
	berth_out_view_json_text(o, "when", e->after ? "after-use" : "before-use");
	berth_out_view_json_text(o, "method", e->method);
	berth_out_view_json_text(o, "checked", e->checked);
	json_object_set_new(o, "proven", json_boolean(e->proven));
	berth_out_view_json_text(o, "finding", e->sentence);
	return o;
}

static json_t *group_members_json(const struct facts *f)
{
	const struct berth_device *member = NULL;
	json_t *all = json_array();

	while ((member = berth_inventory_next_in_group(f->view->inv, f->dev->iommu_group, member)))
		json_array_append_new(all, berth_json_text(BERTH_BDF_STR(member->bdf)));
	return all;
}

static void add_row_json(json_t *o, const struct facts *f)
{
	const struct berth_status_row *row = f->row;
	bool held = row && row->holder;

	berth_out_view_json_text(o, "state", state_of(f));
	berth_out_view_json_text(o, "holder", held ? row->holder_name : NULL);
	json_object_set_new(o, "holder_pid", held ? json_integer(row->holder) : json_null());
	berth_out_view_json_text(o, "note", row ? row->note : NULL);
}

static int print_json(const struct facts *f)
{
	const struct berth_device *dev = f->dev;
	const struct berth_assignment *a = berth_out_view_owner(f->view, dev);
	json_t *root = json_object(), *array = json_array(), *o = berth_out_view_json(f->view, dev);
	int r;

	set_hex(o, "subsystem_vendor_id", dev->subsystem_vendor_id);
	set_hex(o, "subsystem_device_id", dev->subsystem_device_id);
	json_object_set_new(o, "revision",
			    dev->caps.revision >= 0 ? json_integer(dev->caps.revision) :
						      json_null());
	berth_out_view_json_text(o, "driver_override", dev->driver_override);
	berth_out_view_json_text(o, "modalias", dev->modalias);
	berth_out_view_json_text(o, "power_state", dev->power_state);
	berth_out_view_json_tri(o, "boot_vga", dev->boot_vga);
	json_object_set_new(o, "parent",
			    dev->has_parent ? berth_json_text(BERTH_BDF_STR(dev->parent)) :
					      json_null());
	json_object_set_new(o, "bars", bars_json(dev));
	json_object_set_new(o, "rom_size", json_integer((json_int_t)dev->rom_size));
	add_caps_json(o, &dev->caps);
	add_serials_json(o, f->host, dev);
	add_sriov_json(o, dev);
	json_object_set_new(o, "group_members", group_members_json(f));
	json_object_set_new(o, "in_use", inuse_json(f));
	json_object_set_new(o, "last_reset", reset_json(&f->reset));
	json_object_set_new(o, "taints", taints_json(&f->taints));
	berth_out_view_json_text(o, "reason", a ? a->reason : NULL);
	add_row_json(o, f);
	json_object_set_new(o, "obstacles", obstacles_json(&f->obstacles));
	json_object_set_new(o, "checks", berth_checks_json(&f->checks));
	json_array_append_new(array, o);
	json_object_set_new(root, "devices", array);
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

/* --- the verb --- */

/* A name from policy: the manager knows it. It has an inventory of its own, of which only the address is taken. */
static int find_by_name(struct facts *f, const char *name, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	BERTH_CLEANUP(berth_freep) const struct berth_device **found = NULL;
	size_t nr = 0;
	int r;

	r = berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, err);
	if (r == 0)
		r = berth_resolve(m, NULL, &name, 1, &found, &nr, err);
	if (r)
		return r;
	f->dev = berth_inventory_find(f->view->inv, found[0]->bdf);
	return f->dev ? 0 : berth_err_set(err, -ENODEV, "device '%s' has just gone away", name);
}

static int find(const struct berth_cmd *cmd, struct facts *f, const char *text)
{
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_inventory_resolve(f->view->inv, text, &f->dev, &err);

	if (r == BERTH_ABSENT)
		r = find_by_name(f, text, &err);
	if (r == -EINVAL)
		return berth_usage(cmd, "%s", err.text);
	return r ? berth_fail(cmd, r, &err) : 0;
}

/* A ledger that this user may not read says nothing. */
static void read_evidence(struct facts *f)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;

	if (berth_ledger_open(&ledger, f->host->state, BERTH_LEDGER_READ, NULL) != 0)
		return;
	berth_evidence_last(ledger, f->dev->path, &f->reset, NULL);
	berth_taint_find(ledger, f->dev->path, &f->taints, NULL);
}

/* From the manager, which looks at the host by itself: what it would refuse now. */
static int find_obstacles(struct facts *f, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, err);

	if (r == 0)
		r = berth_manager_obstacles(m, f->dev->bdf, &f->obstacles, err);
	if (r == 0)
		r = berth_status_read(m, &f->status, err);
	f->row = r == 0 ? berth_status_of(&f->status, f->dev->bdf) : NULL;
	return r;
}

static int show(const struct berth_cmd *cmd, struct facts *f, const char *text, bool json)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_platform platform;
	int r;

	r = berth_out_view_open(&f->view, f->host, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	r = find(cmd, f, text);
	if (r)
		return r;
	r = find_obstacles(f, &err);
	if (r)
		return berth_fail(cmd, r, &err);
	read_evidence(f);
	berth_platform_read(&platform, f->host);
	/* A failure is a finding of the checks. */
	berth_inuse_read(&f->inuse, f->host, true, NULL);
	berth_check_device(&f->checks, f->view, f->host, &platform, f->inuse, f->dev);
	r = json ? print_json(f) : print_text(f);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	struct facts f = { .host = host };
	bool json = false;
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
		json = true;
	}
	if (optind == argc)
		return berth_usage(cmd, "which device? 'berth list' shows them");
	if (optind + 1 < argc)
		return berth_usage(cmd, "'%s' is one argument too many", argv[optind + 1]);
	r = show(cmd, &f, argv[optind], json);
	berth_evidence_done(&f.reset);
	berth_taint_list_free(&f.taints);
	berth_status_done(&f.status);
	berth_obstacles_done(&f.obstacles);
	berth_inuse_free(f.inuse);
	berth_out_view_close(f.view);
	return r;
}

const struct berth_cmd berth_cmd_show = {
	.name = "show",
	.summary = "everything about one device, and what stands in the way of assigning it",
	.help = help,
	.run = run,
};
