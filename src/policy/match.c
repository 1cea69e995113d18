/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/match.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/bdf.h"
#include "base/err.h"
#include "policy/glob.h"

#define PATTERN_MAX 128
#define VALUES_MAX  256

/* How an attribute's value is written in a policy file, and compared. */
enum kind {
	KIND_TEXT,  /* a glob */
	KIND_BDF,   /* a glob, or a BDF in either form */
	KIND_ID,    /* "10de:2335", each half a glob */
	KIND_CLASS, /* "0300", "03??", "030000", globs over the six digits */
	KIND_BOOL,
	KIND_NUMBER, /* 3, "0-3" */
	KIND_ISOLATION,
};

/* Is a fact there? What cannot exist is not unknown. */
enum presence { KNOWN, UNKNOWN, NONE };

static enum presence text_fact(const char *text, char *buf, size_t size)
{
	if (!text)
		return UNKNOWN;
	snprintf(buf, size, "%s", text);
	return KNOWN;
}

static enum presence pair_fact(int32_t a, int32_t b, char *buf, size_t size)
{
	if (a < 0 || b < 0)
		return UNKNOWN;
	snprintf(buf, size, "%04x:%04x", (unsigned int)a & 0xffff, (unsigned int)b & 0xffff);
	return KNOWN;
}

static enum presence number_fact(int32_t value, char *buf, size_t size)
{
	if (value < 0)
		return UNKNOWN;
	snprintf(buf, size, "%d", (int)value);
	return KNOWN;
}

static enum presence get_path(const struct berth_facts *f, char *buf, size_t size)
{
	return text_fact(f->path, buf, size);
}

static enum presence get_bdf(const struct berth_facts *f, char *buf, size_t size)
{
	return text_fact(f->bdf, buf, size);
}

static enum presence get_id(const struct berth_facts *f, char *buf, size_t size)
{
	return pair_fact(f->vendor, f->device, buf, size);
}

static enum presence get_subsystem(const struct berth_facts *f, char *buf, size_t size)
{
	return pair_fact(f->subsystem_vendor, f->subsystem_device, buf, size);
}

static enum presence get_class(const struct berth_facts *f, char *buf, size_t size)
{
	snprintf(buf, size, "%06x", (unsigned int)f->class & 0xffffff);
	return KNOWN;
}

static enum presence get_is_vf(const struct berth_facts *f, char *buf, size_t size)
{
	return text_fact(f->is_vf ? "true" : "false", buf, size);
}

static enum presence get_vf_index(const struct berth_facts *f, char *buf, size_t size)
{
	return f->is_vf ? number_fact(f->vf_index, buf, size) : NONE;
}

static enum presence get_serial(const struct berth_facts *f, char *buf, size_t size)
{
	return text_fact(f->serial, buf, size);
}

static enum presence get_group(const struct berth_facts *f, char *buf, size_t size)
{
	return f->group_key ? text_fact(f->group_key, buf, size) : NONE;
}

static enum presence get_isolation(const struct berth_facts *f, char *buf, size_t size)
{
	return text_fact(f->isolation, buf, size);
}

static enum presence get_numa(const struct berth_facts *f, char *buf, size_t size)
{
	return number_fact(f->numa_node, buf, size);
}

static const struct attribute {
	const char *name;
	enum kind kind;
	bool of_pf; /* the fact of its PF; what is no VF has none */
	enum presence (*get)(const struct berth_facts *f, char *buf, size_t size);
} attributes[] = {
	{ "pci.path", KIND_TEXT, false, get_path },
	{ "pci.bdf", KIND_BDF, false, get_bdf },
	{ "pci.id", KIND_ID, false, get_id },
	{ "pci.subsystem", KIND_ID, false, get_subsystem },
	{ "pci.class", KIND_CLASS, false, get_class },
	{ "pci.is_vf", KIND_BOOL, false, get_is_vf },
	{ "pci.vf_index", KIND_NUMBER, false, get_vf_index },
	{ "serial", KIND_TEXT, false, get_serial },
	{ "group.key", KIND_TEXT, false, get_group },
	{ "isolation", KIND_ISOLATION, false, get_isolation },
	{ "numa.node", KIND_NUMBER, false, get_numa },
	{ "pf.pci.path", KIND_TEXT, true, get_path },
	{ "pf.pci.bdf", KIND_BDF, true, get_bdf },
	{ "pf.pci.id", KIND_ID, true, get_id },
	{ "pf.pci.subsystem", KIND_ID, true, get_subsystem },
	{ "pf.serial", KIND_TEXT, true, get_serial },
};

#define NR_ATTRIBUTES BERTH_ARRAY_SIZE(attributes)

struct value {
	char *pattern;	   /* owned; NULL for a range */
	int64_t low, high; /* of a range, both in it */
};

struct term {
	const struct attribute *attribute;
	struct value *values; /* owned */
	size_t nr;
};

struct berth_match {
	bool any_device;
	struct term terms[NR_ATTRIBUTES];
	size_t nr;
};

/* --- facts --- */

static enum presence get_fact(const struct attribute *a, const struct berth_facts *facts, char *buf,
			      size_t size)
{
	if (!a->of_pf)
		return a->get(facts, buf, size);
	if (!facts->is_vf)
		return NONE;
	return facts->pf ? a->get(facts->pf, buf, size) : UNKNOWN;
}

static const struct attribute *find_attribute(const char *name)
{
	for (size_t i = 0; i < NR_ATTRIBUTES; i++) {
		if (strcmp(attributes[i].name, name) == 0)
			return &attributes[i];
	}
	return NULL;
}

char *berth_match_observed(const struct berth_facts *facts, const char *attribute, char *buf,
			   size_t size)
{
	const struct attribute *a = find_attribute(attribute);
	enum presence p = a ? get_fact(a, facts, buf, size) : UNKNOWN;

	if (p != KNOWN)
		snprintf(buf, size, "%s", p == NONE ? "none" : "unknown");
	return buf;
}

/* --- evaluation --- */

static bool value_fits(const struct value *v, const char *fact)
{
	long long number;

	if (v->pattern)
		return berth_glob(v->pattern, fact);
	number = strtoll(fact, NULL, 10);
	return number >= v->low && number <= v->high;
}

static enum berth_tri eval_term(const struct term *term, const struct berth_facts *facts)
{
	char fact[PATTERN_MAX * 2];
	enum presence p = get_fact(term->attribute, facts, fact, sizeof(fact));

	if (p != KNOWN)
		return p == NONE ? BERTH_NO : BERTH_UNKNOWN;
	for (size_t i = 0; i < term->nr; i++) {
		if (value_fits(&term->values[i], fact))
			return BERTH_YES;
	}
	return BERTH_NO;
}

enum berth_tri berth_match_eval(const struct berth_match *match, const struct berth_facts *facts,
				const char **ret_term)
{
	enum berth_tri all = BERTH_YES;
	const char *decided = NULL;

	for (size_t i = 0; i < match->nr && all != BERTH_NO; i++) {
		enum berth_tri one = eval_term(&match->terms[i], facts);

		/* a no ends it, the first unknown stays the reason unless a no follows */
		if (one == BERTH_NO || (one == BERTH_UNKNOWN && all == BERTH_YES)) {
			all = one;
			decided = match->terms[i].attribute->name;
		}
	}
	if (ret_term)
		*ret_term = decided;
	return all;
}

bool berth_match_has(const struct berth_match *match, const char *attribute)
{
	for (size_t i = 0; i < match->nr; i++) {
		if (strcmp(match->terms[i].attribute->name, attribute) == 0)
			return true;
	}
	return false;
}

/* --- loading --- */

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
static const char *normalise(enum kind kind, char *text, size_t room)
{
	if (!*text)
		return "must not be empty";
	if (!berth_glob_valid(text))
		return "has a '[' that is never closed";
	if (kind == KIND_TEXT)
		return NULL;
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	switch (kind) {
	case KIND_ID:
		return check_id(text);
	case KIND_CLASS:
		return check_class(text, room);
	case KIND_BDF:
		return check_bdf(text, room);
	case KIND_ISOLATION:
		return check_isolation(text);
	case KIND_TEXT:
	case KIND_BOOL:
	case KIND_NUMBER:
		break;
	}
	return NULL;
}

static int load_pattern(const struct berth_json_at *at, enum kind kind, struct value *v,
			struct berth_err *err)
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
	v->pattern = strdup(text);
	return v->pattern ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

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

static int load_range(const struct berth_json_at *at, struct value *v, struct berth_err *err)
{
	if (json_is_integer(at->value) && json_integer_value(at->value) >= 0) {
		v->low = v->high = json_integer_value(at->value);
		return 0;
	}
	if (json_is_string(at->value) &&
	    parse_range(json_string_value(at->value), &v->low, &v->high) == 0)
		return 0;
	return berth_json_bad(at, err,
			      "must be a number, a range such as \"0-3\", or an array of these");
}

static int load_value(const struct berth_json_at *at, enum kind kind, struct value *v,
		      struct berth_err *err)
{
	if (kind == KIND_NUMBER)
		return load_range(at, v, err);
	if (kind != KIND_BOOL)
		return load_pattern(at, kind, v, err);
	if (!json_is_boolean(at->value))
		return berth_json_bad(at, err, "must be true or false");
	v->pattern = strdup(json_is_true(at->value) ? "true" : "false");
	return v->pattern ? 0 : berth_err_set(err, -ENOMEM, "out of memory");
}

static int load_term(const struct berth_json_at *at, struct term *term, struct berth_err *err)
{
	bool array = json_is_array(at->value) && term->attribute->kind != KIND_BOOL;
	size_t nr = array ? json_array_size(at->value) : 1;
	int r = 0;

	if (nr == 0)
		return berth_json_bad(at, err, "is empty: nothing would ever match");
	if (nr > VALUES_MAX)
		return berth_json_bad(at, err, "has more than %d values", VALUES_MAX);
	term->values = calloc(nr, sizeof(*term->values));
	if (!term->values)
		return berth_err_set(err, -ENOMEM, "out of memory");
	term->nr = nr;
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);

		r = load_value(array ? &element : at, term->attribute->kind, &term->values[i], err);
	}
	return r;
}

static int check_keys(const struct berth_json_at *at, struct berth_err *err)
{
	const char *keys[NR_ATTRIBUTES + 2];

	for (size_t i = 0; i < NR_ATTRIBUTES; i++)
		keys[i] = attributes[i].name;
	keys[NR_ATTRIBUTES] = "any_device";
	keys[NR_ATTRIBUTES + 1] = NULL;
	return berth_json_only(at, keys, err);
}

static int load_any_device(const struct berth_json_at *at, struct berth_match *match,
			   struct berth_err *err)
{
	int r = berth_json_get_bool(at, "any_device", &match->any_device, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!match->any_device || json_object_size(at->value) != 1)
		return berth_json_bad(at, err, "\"any_device\" can only be true, and stands alone");
	return 0;
}

int berth_match_load(const struct berth_json_at *at, struct berth_match **ret,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_match_freep) struct berth_match *match = calloc(1, sizeof(*match));
	int r = check_keys(at, err);

	if (!match)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	if (json_object_size(at->value) == 0)
		return berth_json_bad(at, err,
				      "is empty, which matches nothing; every device is "
				      "{ \"any_device\": true }");
	r = load_any_device(at, match, err);
	for (size_t i = 0; i < NR_ATTRIBUTES && r == 0; i++) {
		struct berth_json_at member = berth_json_member(at, attributes[i].name);

		if (!member.value)
			continue;
		match->terms[match->nr].attribute = &attributes[i];
		r = load_term(&member, &match->terms[match->nr++], err);
	}
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(match);
	return 0;
}

void berth_match_free(struct berth_match *match)
{
	if (!match)
		return;
	for (size_t i = 0; i < match->nr; i++) {
		for (size_t j = 0; j < match->terms[i].nr; j++)
			free(match->terms[i].values[j].pattern);
		free(match->terms[i].values);
	}
	free(match);
}
