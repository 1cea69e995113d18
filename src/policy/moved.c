/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/moved.h"

#include <string.h>

#include "base/cleanup.h"
#include "policy/attribute.h"
#include "policy/glob.h"
#include "policy/match.h"
#include "policy/match_inside.h"

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* What another slot changes about the same card. */
static bool tells_place(const struct berth_match *term)
{
	static const char *const names[] = { "pci.path",   "pci.bdf",	     "pci.slot",
					     "group.key",  "group.size",     "isolation",
					     "numa.node",  "pcie.switch",    "link.speed",
					     "link.width", "pcie.root_port", "pcie.root_complex",
					     NULL };

	return term->attribute && is_one_of(term->attribute->name, names);
}

/* What all of a match's terms together ask for, places aside. */
static enum berth_tri eval_elsewhere(const struct berth_match *match,
				     const struct berth_facts *facts)
{
	enum berth_tri all = BERTH_YES;

	if (match->op != BERTH_MATCH_ALL)
		return tells_place(match) ? BERTH_YES : berth_match_eval(match, facts, NULL);
	for (size_t i = 0; i < match->nr_children && all == BERTH_YES; i++) {
		if (!tells_place(&match->children[i]))
			all = berth_match_eval(&match->children[i], facts, NULL);
	}
	return all;
}

/* The one text that an attribute must be, or NULL. */
static const char *literal_of(const struct berth_match *match, const char *attribute)
{
	const struct berth_match *terms = match, *found = NULL;
	size_t nr = 1;

	if (match && match->op == BERTH_MATCH_ALL) {
		terms = match->children;
		nr = match->nr_children;
	}
	for (size_t i = 0; match && i < nr; i++) {
		if (terms[i].op == BERTH_MATCH_VALUES &&
		    strcmp(terms[i].attribute->name, attribute) == 0)
			found = &terms[i];
	}
	if (!found || found->nr_values != 1 || !found->values[0].pattern ||
	    berth_glob_is(found->values[0].pattern))
		return NULL;
	return found->values[0].pattern;
}

static bool find_serial(const struct berth_group_entry *entry, struct berth_moved *ret)
{
	static const char *const names[] = { "serial", "serial.vpd", "serial.nvme", "serial.mac" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		ret->attribute = names[i];
		ret->serial = literal_of(entry->expect, names[i]);
		if (!ret->serial)
			ret->serial = literal_of(entry->match, names[i]);
		if (ret->serial)
			return true;
	}
	return false;
}

/* ".1" of "PC00/01.0/00.1", ".0#vf3" of a VF. */
static bool same_function(const char *was, const char *now)
{
	const char *a = was ? strrchr(was, '.') : NULL, *b = now ? strrchr(now, '.') : NULL;

	return !a || !b || strcmp(a, b) == 0;
}

void berth_moved_find(const struct berth_group_entry *entry, const struct berth_facts *facts,
		      size_t nr, struct berth_moved *ret)
{
	*ret = (struct berth_moved){ .was = literal_of(entry->match, "pci.path") };
	if (!find_serial(entry, ret))
		return;
	for (size_t i = 0; i < nr; i++) {
		const struct berth_facts *f = &facts[i];

		if (f->is_bridge || eval_elsewhere(entry->match, f) != BERTH_YES ||
		    (entry->expect && eval_elsewhere(entry->expect, f) != BERTH_YES))
			continue;
		if (berth_match_eval(entry->match, f, NULL) == BERTH_YES) {
			ret->nr = 0;
			return;
		}
		if (same_function(ret->was, f->path) && ret->nr++ == 0)
			ret->now = i;
	}
}
