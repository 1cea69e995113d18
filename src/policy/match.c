/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/attribute.h"
#include "policy/glob.h"
#include "policy/match_inside.h"

char *berth_match_observed(const struct berth_facts *facts, const char *attribute, char *buf,
			   size_t size)
{
	const struct berth_attribute *a = berth_attribute_find(attribute);
	enum berth_presence p = a ? berth_attribute_text(a, facts, buf, size) : BERTH_NOT_KNOWN;

	if (p != BERTH_KNOWN)
		snprintf(buf, size, "%s", p == BERTH_NONE ? "none" : "unknown");
	return buf;
}

/* --- one attribute --- */

/* Does the pattern fit one of the blank-separated words? */
static bool word_fits(const char *pattern, const char *words)
{
	while (*words) {
		char word[64];
		size_t len = strcspn(words, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		if (len < sizeof(word) && berth_glob(pattern, word))
			return true;
		words += len + (words[len] == ' ');
	}
	return false;
}

static bool value_fits(const struct berth_match *match, const struct berth_match_value *v,
		       const struct berth_fact *fact, const struct berth_facts *facts)
{
	char text[32];

	if (v->masked)
		return (fact->number & v->high) == v->low;
	if (!v->pattern)
		return fact->number >= v->low && fact->number <= v->high;
	if (match->attribute->kind == BERTH_ATTR_WORDS)
		return word_fits(v->pattern, fact->text);
	if (match->attribute->kind != BERTH_ATTR_ID && match->attribute->kind != BERTH_ATTR_CLASS)
		return berth_glob(v->pattern, fact->text);
	berth_attribute_text(match->attribute, facts, text, sizeof(text));
	return berth_glob(v->pattern, text);
}

static enum berth_tri eval_values(const struct berth_match *match, const struct berth_facts *facts)
{
	struct berth_fact fact;

	berth_attribute_get(match->attribute, facts, &fact);
	if (fact.presence != BERTH_KNOWN)
		return fact.presence == BERTH_NONE ? BERTH_NO : BERTH_UNKNOWN;
	for (size_t i = 0; i < match->nr_values; i++) {
		if (value_fits(match, &match->values[i], &fact, facts))
			return BERTH_YES;
	}
	return BERTH_NO;
}

static enum berth_tri eval_exists(const struct berth_match *match, const struct berth_facts *facts)
{
	struct berth_fact fact;

	berth_attribute_get(match->attribute, facts, &fact);
	return (fact.presence == BERTH_KNOWN) == match->exists ? BERTH_YES : BERTH_NO;
}

/* --- the tree --- */

/* The attribute that comes first in it, to blame a "not" on. */
static const char *first_attribute(const struct berth_match *match)
{
	while (match->nr_children)
		match = &match->children[0];
	return match->attribute ? match->attribute->name : NULL;
}

/* AND: a no ends it, the first unknown stays the reason unless a no follows. */
static enum berth_tri eval_all(const struct berth_match *match, const struct berth_facts *facts,
			       const char **ret_term)
{
	enum berth_tri all = BERTH_YES;

	for (size_t i = 0; i < match->nr_children && all != BERTH_NO; i++) {
		const char *term = NULL;
		enum berth_tri one = berth_match_eval(&match->children[i], facts, &term);

		if (one == BERTH_NO || (one == BERTH_UNKNOWN && all == BERTH_YES)) {
			all = one;
			*ret_term = term;
		}
	}
	return all;
}

/* OR: a yes ends it, the first unknown stays the reason, else the first no. */
static enum berth_tri eval_any(const struct berth_match *match, const struct berth_facts *facts,
			       const char **ret_term)
{
	enum berth_tri any = BERTH_NO;

	for (size_t i = 0; i < match->nr_children; i++) {
		const char *term = NULL;
		enum berth_tri one = berth_match_eval(&match->children[i], facts, &term);

		if (one == BERTH_YES) {
			*ret_term = NULL;
			return BERTH_YES;
		}
		if (i == 0 || (one == BERTH_UNKNOWN && any == BERTH_NO))
			*ret_term = term;
		if (one == BERTH_UNKNOWN)
			any = one;
	}
	return any;
}

static enum berth_tri eval_not(const struct berth_match *match, const struct berth_facts *facts,
			       const char **ret_term)
{
	enum berth_tri one = berth_match_eval(&match->children[0], facts, ret_term);

	if (one == BERTH_UNKNOWN)
		return one;
	*ret_term = one == BERTH_YES ? first_attribute(match) : NULL;
	return one == BERTH_YES ? BERTH_NO : BERTH_YES;
}

/* Calls itself as deep as policy/match_load.c let the tree become. */
enum berth_tri berth_match_eval(const struct berth_match *match, const struct berth_facts *facts,
				const char **ret_term)
{
	enum berth_tri tri = BERTH_YES;
	const char *ignored;

	if (!ret_term)
		ret_term = &ignored;
	*ret_term = NULL;
	switch (match->op) {
	case BERTH_MATCH_ANY_DEVICE:
		return BERTH_YES;
	case BERTH_MATCH_ALL:
		return eval_all(match, facts, ret_term);
	case BERTH_MATCH_ANY:
		return eval_any(match, facts, ret_term);
	case BERTH_MATCH_NOT:
		return eval_not(match, facts, ret_term);
	case BERTH_MATCH_VALUES:
		tri = eval_values(match, facts);
		break;
	case BERTH_MATCH_EXISTS:
		tri = eval_exists(match, facts);
		break;
	}
	if (tri != BERTH_YES)
		*ret_term = match->attribute->name;
	return tri;
}

bool berth_match_has(const struct berth_match *match, const char *attribute)
{
	if (match->attribute && strcmp(match->attribute->name, attribute) == 0)
		return true;
	for (size_t i = 0; i < match->nr_children; i++) {
		if (berth_match_has(&match->children[i], attribute))
			return true;
	}
	return false;
}

bool berth_match_requires(const struct berth_match *match, const char *attribute)
{
	bool any = match->op == BERTH_MATCH_ANY;

	if (match->op == BERTH_MATCH_VALUES)
		return strcmp(match->attribute->name, attribute) == 0;
	if (match->op != BERTH_MATCH_ALL && !any)
		return false;
	for (size_t i = 0; i < match->nr_children; i++) {
		if (berth_match_requires(&match->children[i], attribute) != any)
			return !any;
	}
	return any;
}

/* --- life --- */

int berth_match_new_any(struct berth_match **ret)
{
	struct berth_match *match = calloc(1, sizeof(*match));

	if (!match)
		return -ENOMEM;
	match->op = BERTH_MATCH_ANY_DEVICE;
	*ret = match;
	return 0;
}

static void match_done(struct berth_match *match)
{
	for (size_t i = 0; i < match->nr_values; i++)
		free(match->values[i].pattern);
	for (size_t i = 0; i < match->nr_children; i++)
		match_done(&match->children[i]);
	free(match->values);
	free(match->children);
}

void berth_match_free(struct berth_match *match)
{
	if (!match)
		return;
	match_done(match);
	free(match);
}
