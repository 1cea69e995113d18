/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/out.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <libsmartcols/libsmartcols.h>

#include "base/err.h"
#include "base/json.h"

struct berth_out_row {
	struct berth_out *out;	      /* borrowed */
	struct berth_out_row *parent; /* borrowed */
	struct libscols_line *line;   /* borrowed; while printing */
	char **cells;		      /* owned; NULL: null */
};

struct berth_out {
	char *name;			  /* owned */
	const struct berth_out_col *cols; /* borrowed */
	size_t nr_cols;
	size_t *shown; /* owned; indices into cols, in the order of printing */
	size_t nr_shown;
	enum berth_out_mode mode;
	struct berth_out_row **rows; /* owned, each owned */
	size_t nr_rows, size_rows;
	bool lost; /* memory ran out for some cell or row */
};

/* --- text --- */

/* Length of the well-formed UTF-8 sequence at @p (RFC 3629, section 4) and its code point; 0 when malformed. */
static size_t utf8_length(const unsigned char *p, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p >= 0xf0 && *p < 0xf8 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;
	uint32_t code;

	if (n == 0 || *p >= 0xf8)
		return 0;
	code = *p & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

/* Control characters, and those that turn the direction of a line, say something else than they show. */
static bool is_deceptive(uint32_t code)
{
	return code < 0xa0 || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	       code == 0xfeff;
}

char *berth_out_printable(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char *copy = malloc(4 * strlen(text) + 1), *to = copy;

	if (!copy)
		return NULL;
	while (*p) {
		uint32_t code = 0;
		size_t n = *p < 0x80 ? 1 : utf8_length(p, &code);

		if ((*p >= 0x20 && *p < 0x7f) || (n > 1 && !is_deceptive(code))) {
			memcpy(to, p, n);
			to += n;
			p += n;
		} else {
			to += sprintf(to, "\\x%02x", *p);
			p++;
		}
	}
	*to = '\0';
	return copy;
}

/* --- life --- */

static void row_free(struct berth_out_row *row)
{
	for (size_t i = 0; row->cells && i < row->out->nr_cols; i++)
		free(row->cells[i]);
	free(row->cells);
	free(row);
}

void berth_out_free(struct berth_out *out)
{
	if (!out)
		return;
	for (size_t i = 0; i < out->nr_rows; i++)
		row_free(out->rows[i]);
	free(out->rows);
	free(out->shown);
	free(out->name);
	free(out);
}

int berth_out_new(struct berth_out **ret, const char *name, const struct berth_out_col *cols,
		  size_t nr_cols, enum berth_out_mode mode, struct berth_err *err)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = calloc(1, sizeof(*out));

	if (!out)
		return berth_err_set(err, -ENOMEM, "out of memory");
	out->name = strdup(name);
	out->shown = calloc(nr_cols + 1, sizeof(*out->shown));
	if (!out->name || !out->shown)
		return berth_err_set(err, -ENOMEM, "out of memory");
	out->cols = cols;
	out->nr_cols = nr_cols;
	out->mode = mode;
	for (size_t i = 0; i < nr_cols; i++) {
		if (mode == BERTH_OUT_JSON || !(cols[i].flags & BERTH_OUT_EXTRA))
			out->shown[out->nr_shown++] = i;
	}
	*ret = BERTH_TAKE_PTR(out);
	return 0;
}

/* Return: index of the column called @key (@n bytes, any case), or nr_cols. */
static size_t find_col(const struct berth_out *out, const char *key, size_t n)
{
	size_t i;

	for (i = 0; i < out->nr_cols; i++) {
		if (strlen(out->cols[i].key) == n && strncasecmp(out->cols[i].key, key, n) == 0)
			break;
	}
	return i;
}

static int unknown_column(const struct berth_out *out, const char *key, size_t n,
			  struct berth_err *err)
{
	char known[512] = "";

	for (size_t i = 0; i < out->nr_cols; i++) {
		size_t len = strlen(known);

		snprintf(known + len, sizeof(known) - len, "%s%s", i ? "," : "", out->cols[i].key);
	}
	return berth_err_set(err, -EINVAL, "there is no column '%.*s'; the columns are %s", (int)n,
			     key, known);
}

int berth_out_select(struct berth_out *out, const char *list, struct berth_err *err)
{
	size_t *shown, nr = 0;

	if (!list)
		return 0;
	shown = calloc(strlen(list) + 1, sizeof(*shown));
	if (!shown)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ","), i = find_col(out, p, n);

		if (i == out->nr_cols) {
			free(shown);
			return unknown_column(out, p, n, err);
		}
		shown[nr++] = i;
		p += n;
		if (!*p)
			break;
	}
	free(out->shown);
	out->shown = shown;
	out->nr_shown = nr;
	return 0;
}

/* --- rows --- */

static bool keep(struct berth_out *out, struct berth_out_row *row)
{
	if (out->nr_rows == out->size_rows) {
		size_t size = 2 * out->size_rows + 16;
		struct berth_out_row **bigger = realloc(out->rows, size * sizeof(*bigger));

		if (!bigger)
			return false;
		out->rows = bigger;
		out->size_rows = size;
	}
	out->rows[out->nr_rows++] = row;
	return true;
}

struct berth_out_row *berth_out_add(struct berth_out *out, struct berth_out_row *parent)
{
	struct berth_out_row *row = calloc(1, sizeof(*row));

	if (row) {
		row->out = out;
		row->parent = parent;
		row->cells = calloc(out->nr_cols + 1, sizeof(*row->cells));
	}
	if (!row || !row->cells || !keep(out, row)) {
		if (row)
			row_free(row);
		out->lost = true;
		return NULL;
	}
	return row;
}

bool berth_out_wants(const struct berth_out_row *row, const char *key)
{
	for (size_t i = 0; row && i < row->out->nr_shown; i++) {
		if (strcmp(row->out->cols[row->out->shown[i]].key, key) == 0)
			return true;
	}
	return false;
}

/* Takes @text over. */
static void set_cell(struct berth_out_row *row, const char *key, enum berth_out_type type,
		     char *text)
{
	size_t i = find_col(row->out, key, strlen(key));

	assert(i < row->out->nr_cols && row->out->cols[i].type == type);
	(void)type;
	if (!text)
		row->out->lost = true;
	free(row->cells[i]);
	row->cells[i] = text;
}

void berth_out_str(struct berth_out_row *row, const char *key, const char *text)
{
	if (row && text)
		set_cell(row, key, BERTH_OUT_STRING, berth_out_printable(text));
}

void berth_out_fmt(struct berth_out_row *row, const char *key, const char *fmt, ...)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	if (row)
		set_cell(row, key, BERTH_OUT_STRING, text ? berth_out_printable(text) : NULL);
}

void berth_out_num(struct berth_out_row *row, const char *key, int64_t value)
{
	char *text;

	if (!row)
		return;
	if (asprintf(&text, "%lld", (long long)value) < 0)
		text = NULL;
	set_cell(row, key, BERTH_OUT_NUMBER, text);
}

void berth_out_bool(struct berth_out_row *row, const char *key, bool value)
{
	bool json;

	if (!row)
		return;
	json = row->out->mode == BERTH_OUT_JSON;
	set_cell(row, key, BERTH_OUT_BOOL,
		 strdup(json ? (value ? "true" : "false") : (value ? "yes" : "no")));
}

size_t berth_out_rows(const struct berth_out *out)
{
	return out->nr_rows;
}

/* --- printing --- */

static int scols_flags(const struct berth_out_col *col)
{
	return (col->flags & BERTH_OUT_RIGHT ? SCOLS_FL_RIGHT : 0) |
	       (col->flags & BERTH_OUT_TRUNC ? SCOLS_FL_TRUNC : 0) |
	       (col->flags & BERTH_OUT_TREE ? SCOLS_FL_TREE : 0) |
	       (col->flags & BERTH_OUT_WRAP ? SCOLS_FL_WRAP : 0);
}

static int add_column(const struct berth_out *out, struct libscols_table *table, size_t i)
{
	const struct berth_out_col *col = &out->cols[i];
	struct libscols_column *c;
	char head[64];

	for (size_t k = 0; k < sizeof(head); k++) {
		char letter = col->key[k];

		head[k] = letter >= 'a' && letter <= 'z' ? (char)(letter - 32) : letter;
		if (!letter)
			break;
	}
	head[sizeof(head) - 1] = '\0';
	c = scols_table_new_column(table,
				   out->mode == BERTH_OUT_JSON ? col->key :
				   col->head		       ? col->head :
								 head,
				   0, scols_flags(col));
	if (!c)
		return -ENOMEM;
	/* Booleans too: smartcols writes a "number" as it is, and only that way can a boolean be null. */
	return scols_column_set_json_type(c, col->type == BERTH_OUT_STRING ? SCOLS_JSON_STRING :
									     SCOLS_JSON_NUMBER);
}

static int add_line(struct libscols_table *table, struct berth_out_row *row)
{
	const struct berth_out *out = row->out;

	row->line = scols_table_new_line(table, row->parent ? row->parent->line : NULL);
	if (!row->line)
		return -ENOMEM;
	for (size_t i = 0; i < out->nr_shown; i++) {
		const char *text = row->cells[out->shown[i]];

		if (out->mode == BERTH_OUT_TABLE && (!text || !*text))
			text = "-";
		if (text && scols_line_set_data(row->line, i, text) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int fill(const struct berth_out *out, struct libscols_table *table, FILE *f)
{
	int r = scols_table_set_name(table, out->name);

	if (r == 0)
		r = scols_table_enable_json(table, out->mode == BERTH_OUT_JSON);
	/* Everything is printable already, and its own judgement depends on the locale. */
	if (r == 0)
		r = scols_table_enable_noencoding(table, 1);
	if (r == 0)
		r = scols_table_set_stream(table, f);
	for (size_t i = 0; i < out->nr_shown && r == 0; i++)
		r = add_column(out, table, out->shown[i]);
	for (size_t i = 0; i < out->nr_rows && r == 0; i++)
		r = add_line(table, out->rows[i]);
	return r;
}

int berth_out_print(struct berth_out *out, FILE *f, struct berth_err *err)
{
	struct libscols_table *table;
	int r;

	if (out->lost)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (out->nr_rows == 0) {
		if (out->mode == BERTH_OUT_JSON)
			fprintf(f, "{\"%s\":[]}\n", out->name);
		return 0;
	}
	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = fill(out, table, f);
	if (r == 0)
		r = scols_print_table(table);
	scols_unref_table(table);
	return r < 0 ? berth_err_set(err, r, "writing the table: %s", strerror(-r)) : 0;
}

/* What berth_out_print() prints, parsed again: smartcols knows one table at a time. Return: 0; -errno. */
static int add_array(struct berth_out *out, json_t *object, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *one;
	int r;

	if (!f)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_out_print(out, f, err);
	if (fclose(f) && r == 0)
		r = berth_err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	one = json_loadb(text, len, 0, NULL);
	r = one ? json_object_update(object, one) : -1;
	json_decref(one);
	return r < 0 ? berth_err_set(err, -ENOMEM, "out of memory") : 0;
}

static int print_object(struct berth_out *const *outs, size_t nr, FILE *f, struct berth_err *err)
{
	json_t *object = json_object();
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = add_array(outs[i], object, err);
	if (r == 0) {
		r = berth_json_print(f, object);
		if (r < 0)
			berth_err_set(err, r, "writing the output: %s", strerror(-r));
	}
	json_decref(object);
	return r;
}

int berth_out_print_all(struct berth_out *const *outs, size_t nr, FILE *f, struct berth_err *err)
{
	bool any = false;
	int r = 0;

	if (nr && outs[0]->mode == BERTH_OUT_JSON)
		return print_object(outs, nr, f, err);
	for (size_t i = 0; i < nr && r == 0; i++) {
		if (!outs[i]->nr_rows)
			continue;
		if (any)
			fputc('\n', f);
		any = true;
		r = berth_out_print(outs[i], f, err);
	}
	return r;
}

char *berth_out_time(int64_t seconds, char buf[static 32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!t || !gmtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf[0] = '\0';
	return buf;
}
