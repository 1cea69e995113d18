/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/factindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/attribute.h"
#include "policy/match_inside.h"

/* One device's fact. */
struct known {
	char *text; /* owned */
	uint32_t device;
};

/* The devices by one attribute. */
struct column {
	bool read;
	struct known *known; /* owned; by text, then by device */
	uint32_t *unknown;   /* owned; ascending */
	uint32_t nr_known, nr_unknown;
};

struct berth_factindex {
	const struct berth_facts *facts; /* borrowed */
	size_t nr;
	struct column *columns; /* owned; one for each attribute of the dictionary */
	size_t nr_columns;
	uint32_t *suspects; /* owned */
};

void berth_factindex_free(struct berth_factindex *index)
{
	if (!index)
		return;
	for (size_t c = 0; index->columns && c < index->nr_columns; c++) {
		struct column *column = &index->columns[c];

		for (uint32_t i = 0; column->known && i < column->nr_known; i++)
			free(column->known[i].text);
		free(column->known);
		free(column->unknown);
	}
	free(index->columns);
	free(index->suspects);
	free(index);
}

int berth_factindex_new(struct berth_factindex **ret, const struct berth_facts *facts, size_t nr)
{
	BERTH_CLEANUP(berth_factindex_freep) struct berth_factindex *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->facts = facts;
	x->nr = nr;
	berth_attributes(&x->nr_columns);
	x->columns = calloc(x->nr_columns, sizeof(*x->columns));
	x->suspects = malloc((nr + 1) * sizeof(*x->suspects));
	if (!x->columns || !x->suspects)
		return -ENOMEM;
	*ret = BERTH_TAKE_PTR(x);
	return 0;
}

static int by_text(const void *va, const void *vb)
{
	const struct known *a = va, *b = vb;
	int c = strcmp(a->text, b->text);

	return c ? c : (a->device > b->device) - (a->device < b->device);
}

static int read_column(const struct berth_factindex *x, const struct berth_attribute *attribute,
		       struct column *column)
{
	struct berth_fact fact;

	column->read = true;
	column->known = calloc(x->nr + 1, sizeof(*column->known));
	column->unknown = malloc((x->nr + 1) * sizeof(*column->unknown));
	if (!column->known || !column->unknown)
		return -ENOMEM;
	for (uint32_t i = 0; i < x->nr; i++) {
		berth_attribute_get(attribute, &x->facts[i], &fact);
		if (fact.presence == BERTH_NOT_KNOWN)
			column->unknown[column->nr_unknown++] = i;
		if (fact.presence != BERTH_KNOWN)
			continue;
		column->known[column->nr_known] = (struct known){ strdup(fact.text), i };
		if (!column->known[column->nr_known++].text)
			return -ENOMEM;
	}
	qsort(column->known, column->nr_known, sizeof(*column->known), by_text);
	return 0;
}

/* A term that must hold, and asks for certain texts. */
static bool is_certain(const struct berth_match *term)
{
	if (term->op != BERTH_MATCH_VALUES || term->attribute->kind != BERTH_ATTR_TEXT)
		return false;
	for (size_t i = 0; i < term->nr_values; i++) {
		if (!term->values[i].pattern || strpbrk(term->values[i].pattern, "*?[]\\"))
			return false;
	}
	return true;
}

static const struct berth_match *find_certain(const struct berth_match *match)
{
	const struct berth_match *found = is_certain(match) ? match : NULL;

	for (size_t i = 0; match->op == BERTH_MATCH_ALL && i < match->nr_children && !found; i++)
		found = find_certain(&match->children[i]);
	return found;
}

/* The first of the known that is not before the text. */
static uint32_t find_text(const struct column *column, const char *text)
{
	uint32_t low = 0, high = column->nr_known;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(column->known[middle].text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int by_number(const void *va, const void *vb)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

	return (a > b) - (a < b);
}

int berth_factindex_suspects(struct berth_factindex *x, const struct berth_match *match,
			     const uint32_t **ret, uint32_t *ret_nr)
{
	const struct berth_match *term = find_certain(match);
	struct column *column;
	uint32_t nr = 0;
	size_t ignored;

	if (!term)
		return BERTH_ABSENT;
	column = &x->columns[term->attribute - berth_attributes(&ignored)];
	if (!column->read && read_column(x, term->attribute, column) < 0)
		return -ENOMEM;
	for (; nr < column->nr_unknown; nr++)
		x->suspects[nr] = column->unknown[nr];
	for (size_t v = 0; v < term->nr_values; v++) {
		const char *text = term->values[v].pattern;

		for (uint32_t i = find_text(column, text);
		     i < column->nr_known && strcmp(column->known[i].text, text) == 0 && nr < x->nr;
		     i++)
			x->suspects[nr++] = column->known[i].device;
	}
	qsort(x->suspects, nr, sizeof(*x->suspects), by_number);
	*ret = x->suspects;
	*ret_nr = nr;
	return 0;
}
