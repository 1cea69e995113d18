/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/attribute.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"

/* --- kinds of facts --- */

static void set(struct berth_fact *ret, enum berth_presence presence)
{
	ret->presence = presence;
}

static void set_text(struct berth_fact *ret, const char *text)
{
	ret->presence = text ? BERTH_KNOWN : BERTH_NOT_KNOWN;
	ret->text = text;
}

/* "" is none, as a driver that is not bound. */
static void set_word(struct berth_fact *ret, const char *text)
{
	set_text(ret, text);
	if (text && !*text)
		ret->presence = BERTH_NONE;
}

/* Negative numbers are not known. */
static void set_number(struct berth_fact *ret, int64_t number)
{
	ret->presence = number < 0 ? BERTH_NOT_KNOWN : BERTH_KNOWN;
	ret->number = number;
}

static void set_pair(struct berth_fact *ret, int32_t a, int32_t b)
{
	set_number(ret, a < 0 || b < 0 ? -1 : (int64_t)(a & 0xffff) << 16 | (b & 0xffff));
}

/* --- identity --- */

static void get_path(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->path);
}

static void get_bdf(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->bdf);
}

static void get_id(const struct berth_facts *f, struct berth_fact *ret)
{
	set_pair(ret, f->vendor, f->device);
}

static void get_subsystem(const struct berth_facts *f, struct berth_fact *ret)
{
	set_pair(ret, f->subsystem_vendor, f->subsystem_device);
}

static void get_class(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->class & 0xffffff);
}

static void get_is_vf(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->is_vf);
}

static void get_vf_index(const struct berth_facts *f, struct berth_fact *ret)
{
	if (f->is_vf)
		set_number(ret, f->vf_index);
	else
		set(ret, BERTH_NONE);
}

static void get_serial(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->serial);
}

static void get_serial_vpd(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->serial_vpd);
}

static void get_serial_nvme(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->serial_nvme);
}

static void get_serial_mac(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->serial_mac);
}

static void get_driver(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->driver);
}

static void get_revision(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->revision);
}

static void get_slot(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->slot ? f->slot : "");
}

static void get_label(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->label ? f->label : "");
}

static void get_acpi_index(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->acpi_index);
	if (!f->acpi_index)
		set(ret, BERTH_NONE);
}

static void get_is_pf(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->vfs_total > 0);
}

static void get_total_vfs(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->vfs_total);
	if (!f->vfs_total)
		set(ret, BERTH_NONE);
}

/* --- isolation and place --- */

static void get_group(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->group_key ? f->group_key : "");
}

static void get_isolation(const struct berth_facts *f, struct berth_fact *ret)
{
	set_text(ret, f->isolation);
}

static void get_group_size(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->group_size);
	if (!f->group_size)
		set(ret, BERTH_NONE);
}

static void get_numa(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->numa_node);
}

static size_t count_slashes(const char *path)
{
	size_t nr = 0;

	for (; *path; path++)
		nr += *path == '/';
	return nr;
}

/*
 * The root of a path "PC00/01.1/00.0/02.0/00.0" and its first @steps steps, the device's own not being one of them: the last
 * component is the device, and a VF ("…/00.0#vf1") hangs where its PF does.
 */
static void set_prefix(struct berth_fact *ret, const char *path, size_t steps)
{
	const char *end = path;

	if (!path) {
		set(ret, BERTH_NOT_KNOWN);
		return;
	}
	if (count_slashes(path) <= steps) {
		set(ret, BERTH_NONE);
		return;
	}
	for (size_t i = 0; i <= steps; i++)
		end = strchr(i ? end + 1 : end, '/');
	snprintf(ret->buf, sizeof(ret->buf), "%.*s", (int)(end - path), path);
	set_text(ret, ret->buf);
}

static void get_root_complex(const struct berth_facts *f, struct berth_fact *ret)
{
	set_prefix(ret, f->path, 0);
}

static void get_root_port(const struct berth_facts *f, struct berth_fact *ret)
{
	set_prefix(ret, f->path, 1);
}

/* The upstream port of the switch next to the device: below are a downstream port and the device, above a root port. */
static void get_switch(const struct berth_facts *f, struct berth_fact *ret)
{
	size_t slashes = f->path ? count_slashes(f->path) : 0;

	if (f->path && slashes < 4)
		set(ret, BERTH_NONE);
	else
		set_prefix(ret, f->path, slashes - 2);
}

/* 0 is not known here. */
static void set_positive(struct berth_fact *ret, int64_t number)
{
	set_number(ret, number ? number : -1);
}

static void get_link_speed(const struct berth_facts *f, struct berth_fact *ret)
{
	set_positive(ret, f->link_speed);
}

static void get_link_speed_max(const struct berth_facts *f, struct berth_fact *ret)
{
	set_positive(ret, f->link_speed_max);
}

static void get_link_width(const struct berth_facts *f, struct berth_fact *ret)
{
	set_positive(ret, f->link_width);
}

static void get_link_width_max(const struct berth_facts *f, struct berth_fact *ret)
{
	set_positive(ret, f->link_width_max);
}

/* --- what it can do, what the host does with it --- */

static void get_bar_total(const struct berth_facts *f, struct berth_fact *ret)
{
	set_number(ret, f->bar_total > INT64_MAX ? INT64_MAX : (int64_t)f->bar_total);
}

static void get_reset(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->reset);
}

static void get_ifname(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->netdev ? f->netdev : "");
}

static void get_mac(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->mac ? f->mac : "");
}

static void set_tri(struct berth_fact *ret, enum berth_tri tri)
{
	set_number(ret, tri == BERTH_UNKNOWN ? -1 : tri == BERTH_YES);
}

static void get_default_route(const struct berth_facts *f, struct berth_fact *ret)
{
	set_tri(ret, f->default_route);
}

static void get_block_in_use(const struct berth_facts *f, struct berth_fact *ret)
{
	set_tri(ret, f->block_in_use);
}

/* Something that is no display (PCI class 03) cannot be the firmware's screen. */
static void get_boot_vga(const struct berth_facts *f, struct berth_fact *ret)
{
	if (f->class >> 16 == 0x03)
		set_tri(ret, f->boot_vga);
	else
		set(ret, BERTH_NONE);
}

/* --- the dictionary --- */

static const struct berth_attribute attributes[] = {
	{ "pci.path", BERTH_ATTR_TEXT, false, get_path },
	{ "pci.bdf", BERTH_ATTR_BDF, false, get_bdf },
	{ "pci.id", BERTH_ATTR_ID, false, get_id },
	{ "pci.subsystem", BERTH_ATTR_ID, false, get_subsystem },
	{ "pci.class", BERTH_ATTR_CLASS, false, get_class },
	{ "pci.revision", BERTH_ATTR_NUMBER, false, get_revision },
	{ "pci.slot", BERTH_ATTR_TEXT, false, get_slot },
	{ "pci.label", BERTH_ATTR_TEXT, false, get_label },
	{ "pci.acpi_index", BERTH_ATTR_NUMBER, false, get_acpi_index },
	{ "pci.is_pf", BERTH_ATTR_BOOL, false, get_is_pf },
	{ "pci.is_vf", BERTH_ATTR_BOOL, false, get_is_vf },
	{ "pci.vf_index", BERTH_ATTR_NUMBER, false, get_vf_index },
	{ "serial", BERTH_ATTR_TEXT, false, get_serial },
	{ "serial.vpd", BERTH_ATTR_TEXT, false, get_serial_vpd },
	{ "serial.nvme", BERTH_ATTR_TEXT, false, get_serial_nvme },
	{ "serial.mac", BERTH_ATTR_LOWER, false, get_serial_mac },
	{ "driver", BERTH_ATTR_TEXT, false, get_driver },
	{ "group.key", BERTH_ATTR_TEXT, false, get_group },
	{ "group.size", BERTH_ATTR_NUMBER, false, get_group_size },
	{ "isolation", BERTH_ATTR_ISOLATION, false, get_isolation },
	{ "numa.node", BERTH_ATTR_NUMBER, false, get_numa },
	{ "pcie.root_complex", BERTH_ATTR_TEXT, false, get_root_complex },
	{ "pcie.root_port", BERTH_ATTR_TEXT, false, get_root_port },
	{ "pcie.switch", BERTH_ATTR_TEXT, false, get_switch },
	{ "link.speed", BERTH_ATTR_NUMBER, false, get_link_speed },
	{ "link.speed_max", BERTH_ATTR_NUMBER, false, get_link_speed_max },
	{ "link.width", BERTH_ATTR_NUMBER, false, get_link_width },
	{ "link.width_max", BERTH_ATTR_NUMBER, false, get_link_width_max },
	{ "bar.total", BERTH_ATTR_SIZE, false, get_bar_total },
	{ "sriov.total_vfs", BERTH_ATTR_NUMBER, false, get_total_vfs },
	{ "reset.methods", BERTH_ATTR_WORDS, false, get_reset },
	{ "net.ifname", BERTH_ATTR_TEXT, false, get_ifname },
	{ "net.mac", BERTH_ATTR_LOWER, false, get_mac },
	{ "net.default_route", BERTH_ATTR_BOOL, false, get_default_route },
	{ "block.in_use", BERTH_ATTR_BOOL, false, get_block_in_use },
	{ "display.boot_vga", BERTH_ATTR_BOOL, false, get_boot_vga },
	{ "pf", BERTH_ATTR_TEXT, true, get_path },
	{ "pf.pci.path", BERTH_ATTR_TEXT, true, get_path },
	{ "pf.pci.bdf", BERTH_ATTR_BDF, true, get_bdf },
	{ "pf.pci.id", BERTH_ATTR_ID, true, get_id },
	{ "pf.pci.subsystem", BERTH_ATTR_ID, true, get_subsystem },
	{ "pf.serial", BERTH_ATTR_TEXT, true, get_serial },
	{ "pf.driver", BERTH_ATTR_TEXT, true, get_driver },
	{ "pf.net.ifname", BERTH_ATTR_TEXT, true, get_ifname },
	{ "pf.net.mac", BERTH_ATTR_LOWER, true, get_mac },
};

#define NR_ATTRIBUTES BERTH_ARRAY_SIZE(attributes)

const struct berth_attribute *berth_attributes(size_t *ret_nr)
{
	*ret_nr = NR_ATTRIBUTES;
	return attributes;
}

const struct berth_attribute *berth_attribute_find(const char *name)
{
	for (size_t i = 0; i < NR_ATTRIBUTES; i++) {
		if (strcmp(attributes[i].name, name) == 0)
			return &attributes[i];
	}
	return NULL;
}

const char *berth_attribute_nearest(const char *name)
{
	const char *names[NR_ATTRIBUTES + 1];

	for (size_t i = 0; i < NR_ATTRIBUTES; i++)
		names[i] = attributes[i].name;
	names[NR_ATTRIBUTES] = NULL;
	return berth_nearest(name, names);
}

char *berth_attribute_hint(const char *name, char *buf, size_t size)
{
	const char *meant = berth_attribute_nearest(name);

	if (meant)
		snprintf(buf, size, "; did you mean \"%s\"?", meant);
	else
		buf[0] = '\0';
	return buf;
}

void berth_attribute_get(const struct berth_attribute *attribute, const struct berth_facts *facts,
			 struct berth_fact *ret)
{
	if (!attribute->of_pf)
		attribute->get(facts, ret);
	else if (!facts->is_vf)
		set(ret, BERTH_NONE);
	else if (!facts->pf)
		set(ret, BERTH_NOT_KNOWN);
	else
		attribute->get(facts->pf, ret);
}

enum berth_presence berth_attribute_text(const struct berth_attribute *attribute,
					 const struct berth_facts *facts, char *buf, size_t size)
{
	struct berth_fact fact;

	berth_attribute_get(attribute, facts, &fact);
	if (fact.presence != BERTH_KNOWN)
		return fact.presence;
	switch (attribute->kind) {
	case BERTH_ATTR_TEXT:
	case BERTH_ATTR_WORDS:
	case BERTH_ATTR_LOWER:
	case BERTH_ATTR_BDF:
	case BERTH_ATTR_ISOLATION:
		snprintf(buf, size, "%s", fact.text);
		break;
	case BERTH_ATTR_ID:
		snprintf(buf, size, "%04x:%04x", (unsigned int)(fact.number >> 16) & 0xffff,
			 (unsigned int)fact.number & 0xffff);
		break;
	case BERTH_ATTR_CLASS:
		snprintf(buf, size, "%06x", (unsigned int)fact.number & 0xffffff);
		break;
	case BERTH_ATTR_BOOL:
		snprintf(buf, size, "%s", fact.number ? "true" : "false");
		break;
	case BERTH_ATTR_NUMBER:
	case BERTH_ATTR_SIZE:
		snprintf(buf, size, "%lld", (long long)fact.number);
		break;
	}
	return BERTH_KNOWN;
}
