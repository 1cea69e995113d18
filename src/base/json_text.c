/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

/* --- places --- */

/* Move a place that belongs to offset @from on to offset @to. */
static void advance(const char *text, size_t from, size_t to, unsigned int *line,
		    unsigned int *column)
{
	for (size_t i = from; i < to; i++) {
		if (text[i] == '\n') {
			(*line)++;
			*column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) { /* UTF-8: one per character */
			(*column)++;
		}
	}
}

void berth_json_text_where(const char *text, size_t offset, unsigned int *ret_line,
			   unsigned int *ret_column)
{
	*ret_line = *ret_column = 1;
	advance(text, 0, offset, ret_line, ret_column);
}

size_t berth_json_text_skip_string(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++) {
		if (text[i] == '\\')
			i++;
	}
	return i < len ? i + 1 : len;
}

/* --- the walk --- */

/* A container that is open. */
struct level {
	uint32_t node; /* index of its node */
	bool object;
	size_t key;	   /* offset of the key whose value is due; 0: none */
	size_t in_it;	   /* values begun */
	size_t parent_key; /* its own key; 0: an element, or the root */
};

struct walk {
	const char *text;
	size_t len;
	bool keep;		       /* the nodes, not only the way to where the walk ends */
	struct berth_json_node *nodes; /* owned */
	size_t nr, room;
	struct level levels[BERTH_JSON_TEXT_DEPTH];
	size_t depth;
	bool cut;	/* the text ends inside a string, number or word */
	size_t counted; /* @line and @column are those of this offset */
	unsigned int line, column;
};

static int add_node(struct walk *w, size_t at, size_t key)
{
	if (!w->keep)
		return 0;
	if (w->nr == w->room) {
		size_t room = 2 * w->room + 64;
		struct berth_json_node *bigger = reallocarray(w->nodes, room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		w->nodes = bigger;
		w->room = room;
	}
	advance(w->text, w->counted, at, &w->line, &w->column);
	w->counted = at;
	w->nodes[w->nr] = (struct berth_json_node){ .at = (uint32_t)at,
						    .key = (uint32_t)key,
						    .next = (uint32_t)w->nr + 1,
						    .line = w->line,
						    .column = w->column };
	w->nr++;
	return 0;
}

/* A value begins at @at. Return: 0; -ENOMEM; BERTH_ABSENT when the text makes no sense any more. */
static int begin_value(struct walk *w, size_t at)
{
	struct level *top = w->depth ? &w->levels[w->depth - 1] : NULL;
	bool container = w->text[at] == '{' || w->text[at] == '[';
	size_t key = top ? top->key : 0;
	int r;

	if (container && w->depth == BERTH_JSON_TEXT_DEPTH)
		return BERTH_ABSENT;
	r = add_node(w, at, key);
	if (r < 0)
		return r;
	if (top) {
		top->in_it++;
		top->key = 0;
	}
	if (container)
		w->levels[w->depth++] = (struct level){ .node = (uint32_t)w->nr - 1,
							.object = w->text[at] == '{',
							.parent_key = key };
	return 0;
}

static int end_container(struct walk *w)
{
	if (w->depth == 0)
		return BERTH_ABSENT;
	w->depth--;
	if (w->keep)
		w->nodes[w->levels[w->depth].node].next = (uint32_t)w->nr;
	return 0;
}

static bool key_is_due(const struct walk *w)
{
	return w->depth && w->levels[w->depth - 1].object && !w->levels[w->depth - 1].key;
}

/* A string at *@i, which moves behind it: a key or a value. One that does not end is neither. */
static int walk_string(struct walk *w, size_t *i)
{
	size_t at = *i;
	int r = 0;

	*i = berth_json_text_skip_string(w->text, w->len, at);
	w->cut = *i == at + 1 || w->text[*i - 1] != '"';
	if (w->cut)
		return BERTH_ABSENT;
	if (key_is_due(w))
		w->levels[w->depth - 1].key = at;
	else
		r = begin_value(w, at);
	return r;
}

/* A number or a word; one that the end of the text may have cut is no value yet. */
static int walk_word(struct walk *w, size_t *i)
{
	size_t at = *i;

	while (*i < w->len && !strchr(" \t\r\n,:]}[{\"", w->text[*i]))
		(*i)++;
	w->cut = *i == w->len;
	return w->cut ? BERTH_ABSENT : begin_value(w, at);
}

/* Return: 0 at the end of the text; BERTH_ABSENT where it stops making sense; -ENOMEM. */
static int walk(struct walk *w)
{
	int r = 0;

	w->line = w->column = 1;
	for (size_t i = 0; i < w->len && r == 0;) {
		char c = w->text[i];

		if (c == '"')
			r = walk_string(w, &i);
		else if (strchr(" \t\r\n,:", c))
			i++;
		else if (c == '}' || c == ']')
			i++, r = end_container(w);
		else if (c == '{' || c == '[')
			r = begin_value(w, i++);
		else
			r = walk_word(w, &i);
	}
	return r;
}

int berth_json_text_index(const char *text, size_t len, struct berth_json_node **ret,
			  size_t *ret_nr)
{
	struct walk w = { .text = text, .len = len, .keep = true };

	if (walk(&w) < 0 || !w.nodes) {
		free(w.nodes);
		return -ENOMEM;
	}
	*ret = w.nodes;
	*ret_nr = w.nr;
	return 0;
}

/* --- pointers --- */

size_t berth_json_text_token(char *buf, size_t size, size_t n, const char *token)
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

/* The key at @key as it reads without its escapes; one that cannot be decoded is left out. */
static size_t append_key(const struct walk *w, size_t key, char *buf, size_t size, size_t n)
{
	size_t end = berth_json_text_skip_string(w->text, w->len, key);
	json_t *decoded = json_loadb(w->text + key, end - key, JSON_DECODE_ANY, NULL);

	if (json_is_string(decoded))
		n = berth_json_text_token(buf, size, n, json_string_value(decoded));
	json_decref(decoded);
	return n;
}

static size_t append_step(const struct walk *w, size_t key, size_t index, char *buf, size_t size,
			  size_t n)
{
	char number[24];

	if (key)
		return append_key(w, key, buf, size, n);
	snprintf(number, sizeof(number), "%zu", index);
	return berth_json_text_token(buf, size, n, number);
}

char *berth_json_text_pointer(const char *text, size_t offset, char *buf, size_t size)
{
	struct walk w = { .text = text, .len = offset };
	const struct level *last;
	size_t n = 0;

	buf[0] = '\0';
	walk(&w);
	for (size_t i = 1; i < w.depth; i++)
		n = append_step(&w, w.levels[i].parent_key, w.levels[i - 1].in_it - 1, buf, size,
				n);
	last = w.depth ? &w.levels[w.depth - 1] : NULL;
	if (last && (last->key || (w.cut && !last->object)))
		append_step(&w, last->key, last->in_it, buf, size, n);
	return buf;
}

int berth_json_text_bad(const char *file, const char *text, size_t offset, int code,
			const char *reason, struct berth_err *err)
{
	unsigned int line, column;
	char pointer[256];

	berth_json_text_where(text, offset, &line, &column);
	berth_json_text_pointer(text, offset, pointer, sizeof(pointer));
	return berth_err_set(err, code, "%s:%u:%u: %s%s%s", file, line, column, pointer,
			     pointer[0] ? ": " : "", reason);
}

/* --- the check --- */

/* What is counted while the text is looked at; strings are stepped over. */
struct cost {
	unsigned int depth;
	size_t values;
};

/* Is the container that opens at @i without anything in it? */
static bool is_empty(const char *text, size_t len, size_t i)
{
	for (i++; i < len && strchr(" \t\r\n", text[i]) && text[i]; i++)
		;
	return i < len && (text[i] == '}' || text[i] == ']');
}

/* What the character at @i adds. Return: NULL, or what is wrong. */
static const char *count(struct cost *cost, const char *text, size_t len, size_t i,
			 const struct berth_json_limits *limits, char *buf, size_t size)
{
	size_t max_values = limits->max_values ? limits->max_values : BERTH_JSON_MAX_VALUES;
	char c = text[i];

	if (c == '{' || c == '[') {
		cost->depth++;
		cost->values +=
			!is_empty(text, len, i); /* the first in it; commas tell of the others */
	}
	if (c == ',')
		cost->values++;
	if ((c == '}' || c == ']') && cost->depth > 0)
		cost->depth--;
	if (cost->depth > limits->max_depth) {
		snprintf(buf, size, "nested deeper than %u levels", limits->max_depth);
		return buf;
	}
	if (cost->values > max_values) {
		snprintf(buf, size, "more than %zu values", max_values);
		return buf;
	}
	return NULL;
}

int berth_json_text_check(const char *file, const char *text, size_t len,
			  const struct berth_json_limits *limits, struct berth_err *err)
{
	struct cost cost = { .values = 1 };
	bool in_string = false;
	char buf[80];

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return berth_json_text_bad(file, text, 0, -EINVAL,
					   "a byte order mark; save the file as UTF-8 without one",
					   err);
	for (size_t i = 0; i < len; i++) {
		const char *wrong;

		if (text[i] == '\0')
			return berth_json_text_bad(file, text, i, -EINVAL,
						   "a NUL byte; this is not text", err);
		if (in_string) {
			/* the parser refuses a raw NUL or newline in a string, so an escape hides neither */
			if (text[i] == '\\' && i + 1 < len && text[i + 1] != '\0')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		in_string = text[i] == '"';
		wrong = count(&cost, text, len, i, limits, buf, sizeof(buf));
		if (wrong)
			return berth_json_text_bad(file, text, i, -EINVAL, wrong, err);
	}
	return 0;
}
