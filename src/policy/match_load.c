/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a match: its keys are attributes, "any", "all" and "not"; its values are checked and brought into one form. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bdf.h"
#include "base/err.h"
#include "policy/attribute.h"
#include "policy/glob.h"
#include "policy/match.h"
#include "policy/match_inside.h"

#define PATTERN_MAX    128
#define VALUES_MAX     256
#define ATTRIBUTES_MAX 64

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "out of memory");
}

/* --- texts --- */

static bool only(const char *text, const char *accept)
{
	return text[strspn(text, accept)] == '\0';
}

/* "10de" or a glob that could be four hex digits. */
static bool id_half_ok(const char *half, size_t len)
{
	char text[PATTERN_MAX + 1];

	snprintf(text, sizeof(text), "%.*s", (int)len, half);
	return only(text, "0123456789abcdef*?[]!-") && len > 0 &&
	       (len == 4 || strpbrk(text, "*[")) && berth_glob_valid(text);
}

static const char *check_id(const char *text)
{
	const char *colon = strchr(text, ':');

	if (colon && id_half_ok(text, (size_t)(colon - text)) &&
	    id_half_ok(colon + 1, strlen(colon + 1)))
		return NULL;
	return "must be \"VENDOR:DEVICE\" in hex, four digits each or a pattern such as \"10de:*\"";
}

/* "0300" means any interface of it: six digits are compared. */
static const char *check_class(char *text, size_t room)
{
	size_t len = strlen(text);

	if (!only(text, "0123456789abcdef?*[]!-") || (len != 4 && len != 6 && !strpbrk(text, "*[")))
		return "must be a PCI class in hex, \"0300\" or \"030000\", or a pattern such as \"03??\"";
	if (len == 4 && !strpbrk(text, "*[") && len + 2 < room)
		memcpy(text + 4, "??", 3);
	return NULL;
}

static const char *check_bdf(char *text, size_t room)
{
	struct berth_bdf at;

	if (berth_glob_is(text))
		return only(text, "0123456789abcdef:.*?[]!-") ? NULL : "is not a pattern for a BDF";
	if (berth_bdf_parse(text, &at) < 0)
		return "must be a BDF such as \"0000:03:00.0\"";
	snprintf(text, room, "%s", BERTH_BDF_STR(at));
	return NULL;
}

static const char *check_isolation(const char *text)
{
	static const char *const names[] = { "isolated", "multifunction", "shared", "acs-override",
					     "no-iommu" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		if (berth_glob(text, names[i]))
			return NULL;
	}
	return "must be isolated, multifunction, shared, acs-override or no-iommu";
}

/* Bring @text (with @room for more) into the form that facts are compared in. Return: NULL, or what is wrong with it. */
static const char *normalise(enum berth_attribute_kind kind, char *text, size_t room)
{
	if (!*text)
		return "must not be empty";
	if (!berth_glob_valid(text))
		return "has a '[' that is never closed";
	if (kind == BERTH_ATTR_TEXT || kind == BERTH_ATTR_WORDS)
		return NULL;
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	switch (kind) {
	case BERTH_ATTR_ID:
		return check_id(text);
	case BERTH_ATTR_CLASS:
		return check_class(text, room);
	case BERTH_ATTR_BDF:
		return check_bdf(text, room);
	case BERTH_ATTR_ISOLATION:
		return check_isolation(text);
	case BERTH_ATTR_TEXT:
	case BERTH_ATTR_WORDS:
	case BERTH_ATTR_LOWER:
	case BERTH_ATTR_BOOL:
	case BERTH_ATTR_NUMBER:
	case BERTH_ATTR_SIZE:
		break;
	}
	return NULL;
}

/* "10de:????" and "0300??" need no pattern: digits under a mask, in the order in which facts have them. */
static bool to_mask(enum berth_attribute_kind kind, const char *text, struct berth_match_value *v)
{
	int64_t bits = 0, mask = 0;

	if ((kind != BERTH_ATTR_ID && kind != BERTH_ATTR_CLASS) ||
	    !only(text, "0123456789abcdef?:"))
		return false;
	for (; *text; text++) {
		if (*text == ':')
			continue;
		bits <<= 4;
		mask <<= 4;
		if (*text == '?')
			continue;
		bits |= isdigit((unsigned char)*text) ? *text - '0' : *text - 'a' + 10;
		mask |= 15;
	}
	*v = (struct berth_match_value){ .masked = true, .low = bits, .high = mask };
	return true;
}

static int load_pattern(const struct berth_json_at *at, enum berth_attribute_kind kind,
			struct berth_match_value *v, struct berth_err *err)
{
	char text[PATTERN_MAX + 8];
	const char *wrong;

	if (!json_is_string(at->value))
		return berth_json_bad(at, err, "must be a string or an array of strings");
	if (json_string_length(at->value) > PATTERN_MAX)
		return berth_json_bad(at, err, "is longer than %d characters", PATTERN_MAX);
	snprintf(text, sizeof(text), "%s", json_string_value(at->value));
	wrong = normalise(kind, text, sizeof(text));
	if (wrong)
		return berth_json_bad(at, err, "%s", wrong);
	if (to_mask(kind, text, v))
		return 0;
	v->pattern = strdup(text);
	return v->pattern ? 0 : no_memory(err);
}

/* --- numbers --- */

/* "3" or "0-3". Return: 0 or -EINVAL. */
static int parse_range(const char *text, int64_t *low, int64_t *high)
{
	char *end;

	if (!only(text, "0123456789-") || !isdigit((unsigned char)*text) || strlen(text) > 15)
		return -EINVAL;
	*low = *high = strtoll(text, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		*high = strtoll(end + 1, &end, 10);
	return *end || *low > *high ? -EINVAL : 0;
}

/* "16G": K, M, G and T are powers of 1024. Return: 0 or -EINVAL. */
static int parse_size(const char *text, int64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	long long number;

	if (!isdigit((unsigned char)*text) || strspn(text, "0123456789") > 6)
		return -EINVAL;
	number = strtoll(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (!unit || end[1])
		return -EINVAL;
	*ret = number << (10 * (unit - units + 1));
	return 0;
}

/* One number. Return: 0; -EINVAL, nothing recorded. */
static int number_of(const struct berth_json_at *at, enum berth_attribute_kind kind, int64_t *ret)
{
	if (json_is_integer(at->value) && json_integer_value(at->value) >= 0) {
		*ret = json_integer_value(at->value);
		return 0;
	}
	if (kind == BERTH_ATTR_SIZE && json_is_string(at->value))
		return parse_size(json_string_value(at->value), ret);
	return -EINVAL;
}

static int load_number(const struct berth_json_at *at, enum berth_attribute_kind kind,
		       struct berth_match_value *v, struct berth_err *err)
{
	if (number_of(at, kind, &v->low) == 0) {
		v->high = v->low;
		return 0;
	}
	if (kind == BERTH_ATTR_SIZE)
		return berth_json_bad(
			at, err,
			"must be a number of bytes, a size such as \"16G\", or an array of these");
	if (json_is_string(at->value) &&
	    parse_range(json_string_value(at->value), &v->low, &v->high) == 0)
		return 0;
	return berth_json_bad(at, err,
			      "must be a number, a range such as \"0-3\", or an array of these");
}

static int load_value(const struct berth_json_at *at, enum berth_attribute_kind kind,
		      struct berth_match_value *v, struct berth_err *err)
{
	if (kind == BERTH_ATTR_NUMBER || kind == BERTH_ATTR_SIZE)
		return load_number(at, kind, v, err);
	if (kind != BERTH_ATTR_BOOL)
		return load_pattern(at, kind, v, err);
	if (!json_is_boolean(at->value))
		return berth_json_bad(at, err, "must be true or false");
	v->low = v->high = json_is_true(at->value);
	return 0;
}

/* --- terms --- */

/* One value or an array of them. */
static int load_values(const struct berth_json_at *at, struct berth_match *term,
		       struct berth_err *err)
{
	bool array = json_is_array(at->value) && term->attribute->kind != BERTH_ATTR_BOOL;
	size_t nr = array ? json_array_size(at->value) : 1;
	int r = 0;

	term->op = BERTH_MATCH_VALUES;
	if (nr == 0)
		return berth_json_bad(at, err, "is empty: nothing would ever match");
	if (nr > VALUES_MAX)
		return berth_json_bad(at, err, "has more than %d values", VALUES_MAX);
	term->values = calloc(nr, sizeof(*term->values));
	if (!term->values)
		return no_memory(err);
	term->nr_values = nr;
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);

		r = load_value(array ? &element : at, term->attribute->kind, &term->values[i], err);
	}
	return r;
}

/* { "ge": 2, "le": 5 }, or one of them. */
static int load_bounds(const struct berth_json_at *at, struct berth_match *term,
		       struct berth_err *err)
{
	enum berth_attribute_kind kind = term->attribute->kind;
	struct berth_json_at ge = berth_json_member(at, "ge"), le = berth_json_member(at, "le");
	int64_t low = 0, high = INT64_MAX;

	if (kind != BERTH_ATTR_NUMBER && kind != BERTH_ATTR_SIZE)
		return berth_json_bad(at, err, "\"ge\" and \"le\" compare numbers, and %s is none",
				      term->attribute->name);
	if (ge.value && number_of(&ge, kind, &low) < 0)
		return berth_json_bad(&ge, err, "must be a number");
	if (le.value && number_of(&le, kind, &high) < 0)
		return berth_json_bad(&le, err, "must be a number");
	if (low > high)
		return berth_json_bad(at, err, "\"ge\" is larger than \"le\": nothing would match");
	term->op = BERTH_MATCH_VALUES;
	term->values = calloc(1, sizeof(*term->values));
	if (!term->values)
		return no_memory(err);
	term->nr_values = 1;
	term->values[0] = (struct berth_match_value){ .low = low, .high = high };
	return 0;
}

static int load_predicate(const struct berth_json_at *at, struct berth_match *term,
			  struct berth_err *err)
{
	struct berth_json_at in = berth_json_member(at, "in"),
			     exists = berth_json_member(at, "exists");
	bool bounds = json_object_get(at->value, "ge") || json_object_get(at->value, "le");
	int r = berth_json_only(at, (const char *const[]){ "in", "ge", "le", "exists", NULL }, err);

	if (r < 0)
		return r;
	if (!!in.value + !!exists.value + bounds != 1)
		return berth_json_bad(at, err,
				      "must have one of \"in\", \"exists\", and \"ge\" with or "
				      "without \"le\"");
	if (bounds)
		return load_bounds(at, term, err);
	if (in.value && !json_is_array(in.value))
		return berth_json_bad(&in, err, "must be an array");
	if (in.value)
		return load_values(&in, term, err);
	term->op = BERTH_MATCH_EXISTS;
	term->exists = json_is_true(exists.value);
	return json_is_boolean(exists.value) ?
		       0 :
		       berth_json_bad(&exists, err, "must be true or false");
}

static int load_term(const struct berth_json_at *at, size_t *nr_terms, struct berth_match *term,
		     struct berth_err *err)
{
	term->attribute = berth_attribute_find(at->key);
	if (++*nr_terms > BERTH_MATCH_MAX_TERMS)
		return berth_json_bad(at, err, "the match has more than %d attributes",
				      BERTH_MATCH_MAX_TERMS);
	return json_is_object(at->value) ? load_predicate(at, term, err) :
					   load_values(at, term, err);
}

/* --- objects --- */

/* "any" and "all", with an array of objects, and "not", with one. */
static int load_nested(const struct berth_json_at *at, unsigned int depth, size_t *nr_terms,
		       struct berth_match *match, struct berth_err *err)
{
	bool array = strcmp(at->key, "not") != 0;
	size_t nr = array ? json_array_size(at->value) : 1;
	int r = 0;

	match->op = !array			? BERTH_MATCH_NOT :
		    strcmp(at->key, "any") == 0 ? BERTH_MATCH_ANY :
						  BERTH_MATCH_ALL;
	if (array && !json_is_array(at->value))
		return berth_json_bad(at, err, "must be an array");
	if (nr == 0 || nr > VALUES_MAX)
		return berth_json_bad(at, err, "must have 1 to %d elements", VALUES_MAX);
	if (depth >= BERTH_MATCH_MAX_DEPTH)
		return berth_json_bad(at, err, "is nested deeper than %d levels",
				      BERTH_MATCH_MAX_DEPTH);
	match->children = calloc(nr, sizeof(*match->children));
	if (!match->children)
		return no_memory(err);
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);

		match->nr_children++;
		r = berth_match_load_object(array ? &element : at, depth + 1, nr_terms,
					    &match->children[i], err);
	}
	return r;
}

static int check_keys(const struct berth_json_at *at, unsigned int depth, struct berth_err *err)
{
	const char *keys[ATTRIBUTES_MAX + 5];
	size_t nr;
	const struct berth_attribute *attributes = berth_attributes(&nr);
	size_t n = 0;

	for (size_t i = 0; i < nr && i < ATTRIBUTES_MAX; i++)
		keys[n++] = attributes[i].name;
	keys[n++] = "any";
	keys[n++] = "all";
	keys[n++] = "not";
	if (depth == 0)
		keys[n++] = "any_device";
	keys[n] = NULL;
	return berth_json_only(at, keys, err);
}

int berth_match_load_object(const struct berth_json_at *at, unsigned int depth, size_t *nr_terms,
			    struct berth_match *match, struct berth_err *err)
{
	int r = check_keys(at, depth, err);
	const char *key;
	json_t *value;

	if (r < 0)
		return r;
	if (json_object_size(at->value) == 0)
		return berth_json_bad(at, err,
				      "is empty, which matches nothing; every device is "
				      "{ \"any_device\": true }");
	match->op = BERTH_MATCH_ALL;
	match->children = calloc(json_object_size(at->value), sizeof(*match->children));
	if (!match->children)
		return no_memory(err);
	json_object_foreach(at->value, key, value)
	{
		struct berth_json_at member = berth_json_member(at, key);
		struct berth_match *child = &match->children[match->nr_children++];

		if (berth_attribute_find(key))
			r = load_term(&member, nr_terms, child, err);
		else
			r = load_nested(&member, depth, nr_terms, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* { "any_device": true }, alone. Return: 0; BERTH_ABSENT; < 0. */
static int load_any_device(const struct berth_json_at *at, struct berth_match **ret,
			   struct berth_err *err)
{
	bool any = false;
	int r = json_is_object(at->value) ? berth_json_get_bool(at, "any_device", &any, err) :
					    BERTH_ABSENT;

	if (r != 0)
		return r;
	if (!any || json_object_size(at->value) != 1)
		return berth_json_bad(at, err, "\"any_device\" can only be true, and stands alone");
	return berth_match_new_any(ret) == 0 ? 0 : no_memory(err);
}

int berth_match_load(const struct berth_json_at *at, struct berth_match **ret,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_match_freep) struct berth_match *match = NULL;
	size_t nr_terms = 0;
	int r = load_any_device(at, ret, err);

	if (r != BERTH_ABSENT)
		return r;
	match = calloc(1, sizeof(*match));
	if (!match)
		return no_memory(err);
	r = berth_match_load_object(at, 0, &nr_terms, match, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(match);
	return 0;
}
