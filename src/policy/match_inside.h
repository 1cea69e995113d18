/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of struct berth_match, between policy/match.c (asking) and policy/match_load.c (reading). */
#ifndef BERTH_POLICY_MATCH_INSIDE_H
#define BERTH_POLICY_MATCH_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_attribute;
struct berth_err;
struct berth_json_at;

enum berth_match_op {
	BERTH_MATCH_ANY_DEVICE, /* yes */
	BERTH_MATCH_VALUES,	/* one of the values fits */
	BERTH_MATCH_EXISTS,	/* the fact is there, or not, as @exists says */
	BERTH_MATCH_ALL,	/* every child says yes */
	BERTH_MATCH_ANY,	/* one does */
	BERTH_MATCH_NOT,	/* the only child says no */
};

/* One value that fits, in one of three forms. */
struct berth_match_value {
	char *pattern; /* owned; a glob; NULL for the other two */
	bool masked;
	int64_t low, high; /* a range, both in it; of a masked value: value & @high == @low */
};

struct berth_match {
	enum berth_match_op op;
	const struct berth_attribute *attribute; /* of VALUES and EXISTS */
	bool exists;
	struct berth_match_value *values; /* owned */
	size_t nr_values;
	struct berth_match *children; /* owned */
	size_t nr_children;
};

/* One object of a match and those inside it; @nr_terms counts over the whole. For match_load.c, which calls itself by it. */
int berth_match_load_object(const struct berth_json_at *at, unsigned int depth, size_t *nr_terms,
			    struct berth_match *match, struct berth_err *err);

#endif
