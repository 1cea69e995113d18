/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables, trees and --json for every verb, by libsmartcols.
 *
 * A verb describes its columns once, adds rows, and prints; the same rows come out as a table that fits the terminal, as a
 * tree, or as {"NAME":[{…}]} with typed values, where a cell that was not set is null. Text from devices is made printable
 * (\xNN). Out of memory ends in an error from berth_out_print(): the setters need no checking.
 */
#ifndef BERTH_TOOLS_OUT_H
#define BERTH_TOOLS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_out;
struct berth_out_row; /* borrowed from its berth_out */

enum berth_out_type { BERTH_OUT_STRING, BERTH_OUT_NUMBER, BERTH_OUT_BOOL };

enum berth_out_flag {
	BERTH_OUT_RIGHT = 1 << 0, /* numbers that are compared */
	BERTH_OUT_TRUNC = 1 << 1, /* may be cut when the terminal is narrow: names, sentences */
	BERTH_OUT_TREE = 1 << 2,  /* carries the lines of the tree; one column at most */
	BERTH_OUT_EXTRA = 1 << 3, /* in --json and by -o only, not in the default table */
	BERTH_OUT_WRAP = 1 << 4,  /* long text goes on in the next line of its cell */
};

struct berth_out_col {
	const char *key;  /* lower-case: the JSON key and the name for -o */
	const char *head; /* of the table; NULL: @key in capitals */
	enum berth_out_type type;
	unsigned int flags; /* enum berth_out_flag */
};

enum berth_out_mode { BERTH_OUT_TABLE, BERTH_OUT_JSON };

/**
 * berth_out_new() - an empty table
 * @name: of the JSON array, "devices"
 * @cols: borrowed, must outlive the table
 */
int berth_out_new(struct berth_out **ret, const char *name, const struct berth_out_col *cols,
		  size_t nr_cols, enum berth_out_mode mode, struct berth_err *err);
void berth_out_free(struct berth_out *out);
BERTH_DEFINE_CLEANUP(struct berth_out *, berth_out_free);

/**
 * berth_out_select() - which columns to print, and in which order: the argument of -o
 * @list: keys separated by commas, any case; NULL: leave the default
 *
 * Return: 0; -EINVAL a name is not a column, the sentence lists the known ones (a usage error).
 */
int berth_out_select(struct berth_out *out, const char *list, struct berth_err *err);

/* @parent: NULL, or the row above in the tree ("children" in JSON). Return: NULL when out of memory; setters take it. */
struct berth_out_row *berth_out_add(struct berth_out *out, struct berth_out_row *parent);

/* @key must be a column of the right type. A cell that is never set is null, and "-" in a table. */
void berth_out_str(struct berth_out_row *row, const char *key, const char *text); /* NULL: null */
void berth_out_fmt(struct berth_out_row *row, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void berth_out_num(struct berth_out_row *row, const char *key, int64_t value);
void berth_out_bool(struct berth_out_row *row, const char *key, bool value);

/* Will a cell of column @key be printed? For what is dear to find out. */
bool berth_out_wants(const struct berth_out_row *row, const char *key);

size_t berth_out_rows(const struct berth_out *out);

/* Print to @f. An empty table prints nothing, empty JSON is {"NAME":[]}. Return: 0; -ENOMEM; -errno. */
int berth_out_print(struct berth_out *out, FILE *f, struct berth_err *err);

/*
 * Several tables, of one mode: below each other with an empty line between, without the empty ones; or as one JSON object with
 * an array for each. Return: as berth_out_print().
 */
int berth_out_print_all(struct berth_out *const *outs, size_t nr, FILE *f, struct berth_err *err);

/* @text with every byte that is not printable ASCII or well-formed UTF-8 as \xNN; owned by the caller; NULL: no memory. */
char *berth_out_printable(const char *text);

/* Seconds since 1970 as "2026-01-31T12:00:00Z"; "" for 0. Returns @buf. */
char *berth_out_time(int64_t seconds, char buf[static 32]);

#endif
