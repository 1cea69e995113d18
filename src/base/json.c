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
#include "base/nearest.h"

static const struct berth_json_limits default_limits = {
	.max_bytes = BERTH_JSON_MAX_BYTES,
	.max_depth = BERTH_JSON_MAX_DEPTH,
};

/* --- places in the text --- */

/* Move a place that belongs to offset @from on to offset @to. */
static void advance(const char *text, size_t from, size_t to, struct berth_json_place *place)
{
	for (size_t i = from; i < to; i++) {
		if (text[i] == '\n') {
			place->line++;
			place->column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) { /* UTF-8: one per character */
			place->column++;
		}
	}
}

static void line_and_column(const char *text, size_t offset, unsigned int *ret_line,
			    unsigned int *ret_column)
{
	struct berth_json_place place = { 1, 1 };

	advance(text, 0, offset, &place);
	*ret_line = place.line;
	*ret_column = place.column;
}

static int bad_text(const char *file, const char *text, size_t offset, struct berth_err *err,
		    const char *reason)
{
	unsigned int line, column;

	line_and_column(text, offset, &line, &column);
	return berth_err_set(err, -EINVAL, "%s:%u:%u: %s", file, line, column, reason);
}

/* The functions below walk a text that jansson accepted: it is well-formed, they only must not leave it. */

static size_t skip_blanks(const struct berth_json *doc, size_t i)
{
	while (i < doc->len && strchr(" \t\r\n", doc->text[i]))
		i++;
	return i;
}

/* From an opening quote to after the closing one. */
static size_t skip_string(const struct berth_json *doc, size_t i)
{
	for (i++; i < doc->len && doc->text[i] != '"'; i++) {
		if (doc->text[i] == '\\')
			i++;
	}
	return i < doc->len ? i + 1 : doc->len;
}

static size_t skip_container(const struct berth_json *doc, size_t i)
{
	unsigned int depth = 0;

	while (i < doc->len) {
		char c = doc->text[i];

		if (c == '"') {
			i = skip_string(doc, i);
			continue;
		}
		i++;
		if (c == '{' || c == '[')
			depth++;
		if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return i;
}

static size_t skip_value(const struct berth_json *doc, size_t i)
{
	if (i < doc->len && doc->text[i] == '"')
		return skip_string(doc, i);
	if (i < doc->len && (doc->text[i] == '{' || doc->text[i] == '['))
		return skip_container(doc, i);
	while (i < doc->len && !strchr(" \t\r\n,]}", doc->text[i]))
		i++;
	return i;
}

static bool key_is(const struct berth_json *doc, size_t from, size_t to, const char *key)
{
	json_t *decoded = json_loadb(doc->text + from, to - from, JSON_DECODE_ANY, NULL);
	bool is = decoded && json_is_string(decoded) &&
		  strcmp(json_string_value(decoded), key) == 0;

	json_decref(decoded);
	return is;
}

/* Offset of the value of member @key, or of the key itself; @i is at the '{'. The '{' when there is none. */
static size_t find_member(const struct berth_json *doc, size_t i, const char *key, bool of_key)
{
	size_t object = i;

	for (i = skip_blanks(doc, i + 1); i < doc->len && doc->text[i] == '"';) {
		size_t end = skip_string(doc, i), value;

		value = skip_blanks(doc, skip_blanks(doc, end) + 1); /* past the colon */
		if (key_is(doc, i, end, key))
			return of_key ? i : value;
		i = skip_blanks(doc, skip_value(doc, value));
		if (i < doc->len && doc->text[i] == ',')
			i = skip_blanks(doc, i + 1);
	}
	return object;
}

static size_t find_element(const struct berth_json *doc, size_t i, size_t index)
{
	size_t array = i;

	i = skip_blanks(doc, i + 1);
	for (; index > 0 && i < doc->len; index--)
		i = skip_blanks(doc, skip_blanks(doc, skip_value(doc, i)) + 1);
	return i < doc->len ? i : array;
}

static size_t offset_of(const struct berth_json_at *at)
{
	size_t up;

	if (!at->up)
		return skip_blanks(at->doc, 0);
	up = offset_of(at->up);
	return at->key ? find_member(at->doc, up, at->key, false) :
			 find_element(at->doc, up, at->index);
}

void berth_json_where(const struct berth_json_at *at, unsigned int *ret_line,
		      unsigned int *ret_column)
{
	line_and_column(at->doc->text, offset_of(at), ret_line, ret_column);
}

void berth_json_places(const struct berth_json_at *array, struct berth_json_place *ret)
{
	const struct berth_json *doc = array->doc;
	struct berth_json_place place = { 1, 1 };
	size_t nr = json_array_size(array->value), counted = 0, i;

	i = skip_blanks(doc, offset_of(array) + 1);
	for (size_t element = 0; element < nr; element++) {
		advance(doc->text, counted, i, &place);
		counted = i;
		ret[element] = place;
		i = skip_blanks(doc, skip_blanks(doc, skip_value(doc, i)) + 1); /* past the comma */
	}
}

/* Append one reference token, '~' and '/' escaped (RFC 6901, 3). */
static size_t append_token(char *buf, size_t size, size_t n, const char *token)
{
	if (n + 1 < size)
		buf[n++] = '/';
	for (; *token && n + 2 < size; token++) {
		if (*token == '~' || *token == '/') {
			buf[n++] = '~';
			buf[n++] = *token == '~' ? '0' : '1';
		} else {
			buf[n++] = *token;
		}
	}
	buf[n] = '\0';
	return n;
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
	return append_token(buf, size, n, at->key ? at->key : index);
}

char *berth_json_pointer(const struct berth_json_at *at, char *buf, size_t size)
{
	assert(size > 0);
	append_pointer(at, buf, size);
	return buf;
}

static int bad_at(const struct berth_json_at *at, size_t offset, struct berth_err *err,
		  const char *words)
{
	unsigned int line, column;
	char pointer[256];

	berth_json_pointer(at, pointer, sizeof(pointer));
	line_and_column(at->doc->text, offset, &line, &column);
	return berth_err_set(err, -EINVAL, "%s:%u:%u: %s%s%s", at->doc->file, line, column, pointer,
			     pointer[0] ? ": " : "", words);
}

int berth_json_bad(const struct berth_json_at *at, struct berth_err *err, const char *fmt, ...)
{
	char words[BERTH_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return bad_at(at, offset_of(at), err, words);
}

/* --- reading --- */

/* Nesting and NULs, before the parser recurses into the text. Says nothing about whether it is JSON. */
static int check_shape(const char *file, const char *text, size_t len, unsigned int max_depth,
		       struct berth_err *err)
{
	unsigned int depth = 0;
	bool in_string = false;
	char reason[80];

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			return bad_text(file, text, i, err, "a NUL byte; this is not text");
		if (in_string) {
			/* jansson refuses a raw NUL or newline in a string, so an escape hides neither */
			if (text[i] == '\\' && i + 1 < len && text[i + 1] != '\0')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		if (text[i] == '"')
			in_string = true;
		if ((text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (text[i] != '{' && text[i] != '[')
			continue;
		if (++depth > max_depth) {
			snprintf(reason, sizeof(reason), "nested deeper than %u levels", max_depth);
			return bad_text(file, text, i, err, reason);
		}
	}
	return 0;
}

static int too_large(const char *file, size_t max, struct berth_err *err)
{
	return berth_err_set(err, -EFBIG, "%s:1:1: larger than %zu KiB", file, max / 1024);
}

/* @text is owned by this function from here on. */
static int load_owned(const char *file, char *text, size_t len,
		      const struct berth_json_limits *limits, struct berth_json **ret,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = calloc(1, sizeof(*doc));
	json_error_t why;
	int r;

	if (doc) {
		doc->text = text;
		doc->len = len;
		doc->file = strdup(file);
	} else {
		free(text);
	}
	if (!doc || !doc->file)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", file);
	r = check_shape(file, text, len, limits->max_depth, err);
	if (r < 0)
		return r;
	doc->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!doc->root && json_error_code(&why) == json_error_out_of_memory)
		return berth_err_set(err, -ENOMEM, "%s: out of memory", file);
	if (!doc->root)
		return berth_err_set(err, -EINVAL, "%s:%d:%d: %s", file,
				     why.line < 1 ? 1 : why.line, why.column < 1 ? 1 : why.column,
				     why.text);
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

int berth_json_only(const struct berth_json_at *at, const char *const *keys, struct berth_err *err)
{
	const char *key, *meant;
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
		return bad_at(at, find_member(at->doc, offset_of(at), key, true), err, words);
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
