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

static void get_driver(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->driver);
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

static void get_reset(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->reset);
}

static void get_ifname(const struct berth_facts *f, struct berth_fact *ret)
{
	set_word(ret, f->netdev ? f->netdev : "");
}

/* --- the dictionary --- */

static const struct berth_attribute attributes[] = {
	{ "pci.path", BERTH_ATTR_TEXT, false, get_path },
	{ "pci.bdf", BERTH_ATTR_BDF, false, get_bdf },
	{ "pci.id", BERTH_ATTR_ID, false, get_id },
	{ "pci.subsystem", BERTH_ATTR_ID, false, get_subsystem },
	{ "pci.class", BERTH_ATTR_CLASS, false, get_class },
	{ "pci.is_vf", BERTH_ATTR_BOOL, false, get_is_vf },
	{ "pci.vf_index", BERTH_ATTR_NUMBER, false, get_vf_index },
	{ "serial", BERTH_ATTR_TEXT, false, get_serial },
	{ "driver", BERTH_ATTR_TEXT, false, get_driver },
	{ "group.key", BERTH_ATTR_TEXT, false, get_group },
	{ "isolation", BERTH_ATTR_ISOLATION, false, get_isolation },
	{ "numa.node", BERTH_ATTR_NUMBER, false, get_numa },
	{ "pcie.root_complex", BERTH_ATTR_TEXT, false, get_root_complex },
	{ "pcie.root_port", BERTH_ATTR_TEXT, false, get_root_port },
	{ "pcie.switch", BERTH_ATTR_TEXT, false, get_switch },
	{ "reset.methods", BERTH_ATTR_WORDS, false, get_reset },
	{ "net.ifname", BERTH_ATTR_TEXT, false, get_ifname },
	{ "pf", BERTH_ATTR_TEXT, true, get_path },
	{ "pf.pci.path", BERTH_ATTR_TEXT, true, get_path },
	{ "pf.pci.bdf", BERTH_ATTR_BDF, true, get_bdf },
	{ "pf.pci.id", BERTH_ATTR_ID, true, get_id },
	{ "pf.pci.subsystem", BERTH_ATTR_ID, true, get_subsystem },
	{ "pf.serial", BERTH_ATTR_TEXT, true, get_serial },
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
