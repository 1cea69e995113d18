/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON text before and beside the tree that a parser makes of it: what it would cost, and where its values stand.
 *
 * For base/json.c. Nothing here says that a text is JSON; malformed texts are walked as far as they make sense.
 */
#ifndef BERTH_BASE_JSON_TEXT_H
#define BERTH_BASE_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct berth_err;
struct berth_json_limits;

#define BERTH_JSON_TEXT_DEPTH 64 /* berth_json_limits.max_depth must not be larger */

/* A value of a document, in the order of the text, so that what is inside a value follows it. */
struct berth_json_node {
	uint32_t at;   /* offset of its first byte */
	uint32_t key;  /* offset of the opening quote of its key; 0: an element, or the root */
	uint32_t next; /* index of the next node that is not inside this one */
	unsigned int line, column; /* of @at, from 1; the column counts characters */
};

/**
 * berth_json_text_check() - may a parser see it?
 *
 * Refused: a byte order mark, NUL bytes, deeper nesting and more values than @limits. One pass, no memory.
 *
 * Return: 0; -EINVAL with file, line, column and pointer.
 */
int berth_json_text_check(const char *file, const char *text, size_t len,
			  const struct berth_json_limits *limits, struct berth_err *err);

/**
 * berth_json_text_index() - where everything stands
 * @ret: owned by the caller; the root is the first
 *
 * Return: 0; -ENOMEM.
 */
int berth_json_text_index(const char *text, size_t len, struct berth_json_node **ret,
			  size_t *ret_nr);

/* Line and column of an offset, both from 1. */
void berth_json_text_where(const char *text, size_t offset, unsigned int *ret_line,
			   unsigned int *ret_column);

/* The pointer (RFC 6901) to the container that is open at @offset, or to the member whose value would begin. Returns @buf. */
char *berth_json_text_pointer(const char *text, size_t offset, char *buf, size_t size);

/* Record "FILE:LINE:COLUMN: POINTER: reason". Return: @code. */
int berth_json_text_bad(const char *file, const char *text, size_t offset, int code,
			const char *reason, struct berth_err *err);

/* From an opening quote to behind the closing one, or @len. */
size_t berth_json_text_skip_string(const char *text, size_t len, size_t i);

/* Append one reference token to a pointer, '~' and '/' escaped (RFC 6901, 3). Return: the new length. */
size_t berth_json_text_token(char *buf, size_t size, size_t n, const char *token);

#endif
