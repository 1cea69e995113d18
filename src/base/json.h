/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON, strictly: what strangers write is bounded and checked before anything acts on it.
 *
 * The one place that includes <jansson.h>; everyone else gets json_t through here. A berth_json is a document that was
 * read, with the text it came from, so that an error about any of its values can say FILE:LINE:COLUMN. A berth_json_at is
 * a value inside it together with the way to it (a JSON pointer, RFC 6901); it lives on the stack of the function that
 * walks there and borrows everything.
 *
 *	struct berth_json_at root = berth_json_root(doc), devices;
 *
 *	r = berth_json_only(&root, (const char *const[]){ "version", "devices", NULL }, err);
 *	r = berth_json_get_array(&root, "devices", &devices, err);     BERTH_ABSENT when there is no such member
 *	for (size_t i = 0; i < json_array_size(devices.value); i++) {
 *		struct berth_json_at device = berth_json_element(&devices, i);
 *		r = berth_json_get_string(&device, "name", &name, err);
 *
 * Not thread-safe per document.
 */
#ifndef BERTH_BASE_JSON_H
#define BERTH_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_json_node;

struct berth_json_limits {
	size_t max_bytes;
	unsigned int max_depth; /* objects and arrays inside each other, at most 64 */
	size_t max_values; /* 0: BERTH_JSON_MAX_VALUES; an empty object costs some 250 bytes in memory */
};

#define BERTH_JSON_MAX_BYTES  (256 * 1024)
#define BERTH_JSON_MAX_DEPTH  16
#define BERTH_JSON_MAX_VALUES 65536

struct berth_json {
	char *file;		       /* owned; how errors call the document */
	char *text;		       /* owned; what was read */
	size_t len;		       /* bytes of @text */
	json_t *root;		       /* owned reference */
	struct berth_json_node *nodes; /* owned; where everything stands (base/json_text.h) */
	size_t nr_nodes;
};

/**
 * berth_json_load_file() - read and parse a document
 * @dirfd: AT_FDCWD or a directory
 * @path: also the name in errors, unless @shown is given
 * @shown: NULL, or how errors call the file (its full path, when @path is below @dirfd)
 * @limits: NULL for BERTH_JSON_MAX_BYTES and BERTH_JSON_MAX_DEPTH
 *
 * Refused, each with "FILE:LINE:COLUMN: POINTER: reason": more bytes, values or deeper nesting than @limits (checked before
 * the parser sees the text), NUL bytes, a byte order mark, text that is not UTF-8, a key that occurs twice in one object,
 * numbers that do not fit, anything after the value, a root that is neither object nor array.
 *
 * Return: 0; -EINVAL bad content; -EFBIG too large; -ENOENT, -EACCES or another -errno of the file (not a regular file: -EINVAL).
 */
int berth_json_load_file(int dirfd, const char *path, const char *shown,
			 const struct berth_json_limits *limits, struct berth_json **ret,
			 struct berth_err *err);
/* The same for a text in memory; @name is how errors call it. */
int berth_json_load_text(const char *name, const char *text, size_t len,
			 const struct berth_json_limits *limits, struct berth_json **ret,
			 struct berth_err *err);
void berth_json_free(struct berth_json *doc);
BERTH_DEFINE_CLEANUP(struct berth_json *, berth_json_free);

/* A value and the way to it. All borrowed: from the document, and from the walker's stack. */
struct berth_json_at {
	const struct berth_json *doc;
	const struct berth_json_at *up; /* NULL at the root */
	const char *key;		/* member of @up, or NULL */
	size_t index;			/* element of @up when @key is NULL */
	json_t *value;
};

struct berth_json_at berth_json_root(const struct berth_json *doc);
/* Member @key of an object, element @index of an array; .value is NULL when there is none. @at must outlive the result. */
struct berth_json_at berth_json_member(const struct berth_json_at *at, const char *key);
struct berth_json_at berth_json_element(const struct berth_json_at *at, size_t index);

/* Where a value stands in its file, both from 1; the column counts characters. */
void berth_json_where(const struct berth_json_at *at, unsigned int *ret_line,
		      unsigned int *ret_column);

/* The first byte of a value in its document's text. */
size_t berth_json_offset(const struct berth_json_at *at);

struct berth_json_place {
	unsigned int line, column;
};
/* The same for every element of an array, in one pass. @ret: room for json_array_size(). */
void berth_json_places(const struct berth_json_at *array, struct berth_json_place *ret);

/* "/devices/0/match", "" for the root. Cut to @size. Returns @buf. */
char *berth_json_pointer(const struct berth_json_at *at, char *buf, size_t size);

/* Record "FILE:LINE:COLUMN: POINTER: words". Return: -EINVAL. */
int berth_json_bad(const struct berth_json_at *at, struct berth_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* @at is an object and has no key but @keys (NULL-terminated); the error names the key and the nearest allowed one. */
int berth_json_only(const struct berth_json_at *at, const char *const *keys, struct berth_err *err);

/*
 * Members of an object by type. @at must be an object (berth_json_only() checked that).
 *
 * Return: 0; BERTH_ABSENT when there is no such member, *ret untouched, no error recorded; -EINVAL another type or out of range.
 */
int berth_json_get_string(const struct berth_json_at *at, const char *key, const char **ret,
			  struct berth_err *err);
int berth_json_get_int(const struct berth_json_at *at, const char *key, int64_t min, int64_t max,
		       int64_t *ret, struct berth_err *err);
int berth_json_get_bool(const struct berth_json_at *at, const char *key, bool *ret,
			struct berth_err *err);
int berth_json_get_object(const struct berth_json_at *at, const char *key,
			  struct berth_json_at *ret, struct berth_err *err);
int berth_json_get_array(const struct berth_json_at *at, const char *key, struct berth_json_at *ret,
			 struct berth_err *err);
/* Turn a BERTH_ABSENT of the getters above into "KEY is missing"; other values of @r pass through. */
int berth_json_need(const struct berth_json_at *at, const char *key, int r, struct berth_err *err);

/* --- output --- */

/* A string value, or null for NULL. Bytes that are not UTF-8 (a device may say anything) become '?'. New reference. */
json_t *berth_json_text(const char *text);

/* Indented by two, keys in insertion order, newline at the end; @value is borrowed. Return: 0; -EIO; -ENOMEM for a NULL @value. */
int berth_json_print(FILE *f, const json_t *value);

#endif
