/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json_text.h"
#include "base/nearest.h"

static const struct berth_json_limits default_limits = {
	.max_bytes = BERTH_JSON_MAX_BYTES,
	.max_depth = BERTH_JSON_MAX_DEPTH,
};

/* --- places --- */

/* Is the key whose opening quote is at @offset this one? */
static bool key_is(const struct berth_json *doc, size_t offset, const char *key)
{
	size_t end = berth_json_text_skip_string(doc->text, doc->len, offset), len = strlen(key);
	const char *raw = doc->text + offset;
	json_t *decoded;
	bool is;

	if (!memchr(raw, '\\', end - offset))
		return end - offset == len + 2 && memcmp(raw + 1, key, len) == 0;
	decoded = json_loadb(raw, end - offset, JSON_DECODE_ANY, NULL);
	is = decoded && json_is_string(decoded) && strcmp(json_string_value(decoded), key) == 0;
	json_decref(decoded);
	return is;
}

/* The member @key or the element @index inside a node; the node itself when there is none. */
static size_t find_inside(const struct berth_json *doc, size_t up, const char *key, size_t index)
{
	for (size_t n = up + 1; n < doc->nodes[up].next; n = doc->nodes[n].next) {
		if (key ? key_is(doc, doc->nodes[n].key, key) : index-- == 0)
			return n;
	}
	return up;
}

static const struct berth_json_node *node_of(const struct berth_json_at *at)
{
	const struct berth_json *doc = at->doc;

	if (!at->up)
		return &doc->nodes[0];
	return &doc->nodes[find_inside(doc, (size_t)(node_of(at->up) - doc->nodes), at->key,
				       at->index)];
}

void berth_json_where(const struct berth_json_at *at, unsigned int *ret_line,
		      unsigned int *ret_column)
{
	const struct berth_json_node *node = node_of(at);

	*ret_line = node->line;
	*ret_column = node->column;
}

size_t berth_json_offset(const struct berth_json_at *at)
{
	return node_of(at)->at;
}

void berth_json_places(const struct berth_json_at *array, struct berth_json_place *ret)
{
	const struct berth_json_node *nodes = array->doc->nodes, *node = node_of(array);
	size_t nr = json_array_size(array->value), n = (size_t)(node - nodes) + 1;

	for (size_t i = 0; i < nr && n < node->next; i++, n = nodes[n].next)
		ret[i] = (struct berth_json_place){ nodes[n].line, nodes[n].column };
}

static size_t append_pointer(const struct berth_json_at *at, char *buf, size_t size)
{
	char index[24];
	size_t n;

	if (!at->up) {
		buf[0] = '\0';
		return 0;
	}
	n = append_pointer(at->up, buf, size);
	snprintf(index, sizeof(index), "%zu", at->index);
	return berth_json_text_token(buf, size, n, at->key ? at->key : index);
}

char *berth_json_pointer(const struct berth_json_at *at, char *buf, size_t size)
{
	assert(size > 0);
	append_pointer(at, buf, size);
	return buf;
}

static int bad_at(const struct berth_json_at *at, struct berth_json_place place,
		  struct berth_err *err, const char *words)
{
	char pointer[256];

	berth_json_pointer(at, pointer, sizeof(pointer));
	return berth_err_set(err, -EINVAL, "%s:%u:%u: %s%s%s", at->doc->file, place.line,
			     place.column, pointer, pointer[0] ? ": " : "", words);
}

int berth_json_bad(const struct berth_json_at *at, struct berth_err *err, const char *fmt, ...)
{
	struct berth_json_place place;
	char words[BERTH_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	berth_json_where(at, &place.line, &place.column);
	return bad_at(at, place, err, words);
}

/* --- reading --- */

static int too_large(const char *file, size_t max, struct berth_err *err)
{
	return berth_err_set(err, -EFBIG, "%s:1:1: larger than %zu KiB", file, max / 1024);
}

/*
 * What jansson did not like. Its columns are characters, as ours are; its position is behind the token, which for a key that
 * is there already is the key, and for everything else the value that cannot be.
 */
static int bad_syntax(const struct berth_json *doc, const json_error_t *why, struct berth_err *err)
{
	bool duplicate = json_error_code(why) == json_error_duplicate_key;
	size_t offset = why->position < 1 ? 0 : (size_t)why->position - !duplicate;
	char pointer[256];

	berth_json_text_pointer(doc->text, offset < doc->len ? offset : doc->len, pointer,
				sizeof(pointer));
	return berth_err_set(err, -EINVAL, "%s:%d:%d: %s%s%s", doc->file,
			     why->line < 1 ? 1 : why->line, why->column < 1 ? 1 : why->column,
			     pointer, pointer[0] ? ": " : "", why->text);
}

/* @text is owned by this function from here on. */
static int load_owned(const char *file, char *text, size_t len,
		      const struct berth_json_limits *limits, struct berth_json **ret,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = calloc(1, sizeof(*doc));
	json_error_t why;
	int r;

	assert(limits->max_depth <= BERTH_JSON_TEXT_DEPTH && limits->max_bytes < UINT32_MAX);
	if (doc) {
		doc->text = text;
		doc->len = len;
		doc->file = strdup(file);
	} else {
		free(text);
	}
	if (!doc || !doc->file)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", file);
	r = berth_json_text_check(file, text, len, limits, err);
	if (r < 0)
		return r;
	doc->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!doc->root && json_error_code(&why) == json_error_out_of_memory)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", file);
	if (!doc->root)
		return bad_syntax(doc, &why, err);
	if (berth_json_text_index(text, len, &doc->nodes, &doc->nr_nodes) < 0)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", file);
	*ret = BERTH_TAKE_PTR(doc);
	return 0;
}

int berth_json_load_text(const char *name, const char *text, size_t len,
			 const struct berth_json_limits *limits, struct berth_json **ret,
			 struct berth_err *err)
{
	char *copy;

	if (!limits)
		limits = &default_limits;
	if (len > limits->max_bytes)
		return too_large(name, limits->max_bytes, err);
	copy = malloc(len + 1);
	if (!copy)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", name);
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return load_owned(name, copy, len, limits, ret, err);
}

int berth_json_load_file(int dirfd, const char *path, const char *shown,
			 const struct berth_json_limits *limits, struct berth_json **ret,
			 struct berth_err *err)
{
	struct stat st;
	size_t len;
	char *text;
	int r;

	if (!shown)
		shown = path;
	if (!limits)
		limits = &default_limits;
	/* A pipe would block and a device could go on for ever. */
	if (fstatat(dirfd, path, &st, 0) < 0)
		return berth_err_set(err, -errno, "%s: %s", shown, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return berth_err_set(err, -EINVAL, "%s: not a regular file", shown);
	r = berth_read_file(dirfd, path, limits->max_bytes, &text, &len);
	if (r == -EFBIG)
		return too_large(shown, limits->max_bytes, err);
	if (r < 0)
		return berth_err_set(err, r, "%s: %s", shown, strerror(-r));
	return load_owned(shown, text, len, limits, ret, err);
}

void berth_json_free(struct berth_json *doc)
{
	if (!doc)
		return;
	json_decref(doc->root);
	free(doc->file);
	free(doc->text);
	free(doc->nodes);
	free(doc);
}

/* --- walking --- */

struct berth_json_at berth_json_root(const struct berth_json *doc)
{
	return (struct berth_json_at){ .doc = doc, .value = doc->root };
}

struct berth_json_at berth_json_member(const struct berth_json_at *at, const char *key)
{
	return (struct berth_json_at){
		.doc = at->doc, .up = at, .key = key, .value = json_object_get(at->value, key)
	};
}

struct berth_json_at berth_json_element(const struct berth_json_at *at, size_t index)
{
	return (struct berth_json_at){
		.doc = at->doc, .up = at, .index = index, .value = json_array_get(at->value, index)
	};
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

/* Of the key itself, not of its value. */
static size_t key_offset(const struct berth_json_at *at, const char *key)
{
	struct berth_json_at member = berth_json_member(at, key);

	return node_of(&member)->key;
}

int berth_json_only(const struct berth_json_at *at, const char *const *keys, struct berth_err *err)
{
	const char *key, *meant;
	struct berth_json_place place;
	char words[512];
	json_t *value;

	if (!json_is_object(at->value))
		return berth_json_bad(at, err, "must be an object");
	json_object_foreach(at->value, key, value)
	{
		if (is_one_of(key, keys))
			continue;
		meant = berth_nearest(key, keys);
		snprintf(words, sizeof(words), "unknown key \"%.100s\"%s%s%s", key,
			 meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
		berth_json_text_where(at->doc->text, key_offset(at, key), &place.line,
				      &place.column);
		return bad_at(at, place, err, words);
	}
	return 0;
}

int berth_json_need(const struct berth_json_at *at, const char *key, int r, struct berth_err *err)
{
	if (r != BERTH_ABSENT)
		return r;
	return berth_json_bad(at, err, "\"%s\" is missing", key);
}

int berth_json_get_string(const struct berth_json_at *at, const char *key, const char **ret,
			  struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);

	if (!member.value)
		return BERTH_ABSENT;
	if (!json_is_string(member.value))
		return berth_json_bad(&member, err, "must be a string");
	*ret = json_string_value(member.value);
	return 0;
}

int berth_json_get_int(const struct berth_json_at *at, const char *key, int64_t min, int64_t max,
		       int64_t *ret, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);
	json_int_t value;

	if (!member.value)
		return BERTH_ABSENT;
	if (!json_is_integer(member.value))
		return berth_json_bad(&member, err, "must be a whole number");
	value = json_integer_value(member.value);
	if (value < min || value > max)
		return berth_json_bad(&member, err, "must be from %lld to %lld", (long long)min,
				      (long long)max);
	*ret = value;
	return 0;
}

int berth_json_get_bool(const struct berth_json_at *at, const char *key, bool *ret,
			struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);

	if (!member.value)
		return BERTH_ABSENT;
	if (!json_is_boolean(member.value))
		return berth_json_bad(&member, err, "must be true or false");
	*ret = json_is_true(member.value);
	return 0;
}

int berth_json_get_object(const struct berth_json_at *at, const char *key,
			  struct berth_json_at *ret, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);

	if (!member.value)
		return BERTH_ABSENT;
	if (!json_is_object(member.value))
		return berth_json_bad(&member, err, "must be an object");
	*ret = member;
	return 0;
}

int berth_json_get_array(const struct berth_json_at *at, const char *key, struct berth_json_at *ret,
			 struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);

	if (!member.value)
		return BERTH_ABSENT;
	if (!json_is_array(member.value))
		return berth_json_bad(&member, err, "must be an array");
	*ret = member;
	return 0;
}

/* --- output --- */

json_t *berth_json_text(const char *text)
{
	BERTH_CLEANUP(berth_freep) char *copy = NULL;
	json_t *value;

	if (!text)
		return json_null();
	value = json_string(text);
	if (value)
		return value;
	copy = strdup(text);
	for (char *p = copy; p && *p; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	return copy ? json_string(copy) : NULL;
}

int berth_json_print(FILE *f, const json_t *value)
{
	if (!value)
		return -ENOMEM;
	if (json_dumpf(value, f, JSON_INDENT(2) | JSON_ENCODE_ANY) < 0 || fputc('\n', f) == EOF)
		return -EIO;
	return 0;
}
