/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes of devices that policy files may name: the one dictionary, listed in berth-policy(5).
 *
 * Each is a view of struct berth_facts as text, in the form in which patterns are compared with it.
 */
#ifndef BERTH_POLICY_ATTRIBUTE_H
#define BERTH_POLICY_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/facts.h"

/* How its values are written in a policy file, and compared. */
enum berth_attribute_kind {
	BERTH_ATTR_TEXT,  /* a glob */
	BERTH_ATTR_WORDS, /* several words: a glob for one of them */
	BERTH_ATTR_LOWER, /* a glob, in lower case */
	BERTH_ATTR_BDF,	  /* a glob, or a BDF in either form */
	BERTH_ATTR_ID,	  /* "10de:2335", each half a glob */
	BERTH_ATTR_CLASS, /* "0300", "03??", "030000", globs over the six digits */
	BERTH_ATTR_BOOL,
	BERTH_ATTR_NUMBER, /* 3, "0-3", { "ge": 3 } */
	BERTH_ATTR_SIZE,   /* a number of bytes, also "16G" */
	BERTH_ATTR_ISOLATION,
};

/* Is a fact there? What cannot exist (a VF index of something that is no VF) is not unknown. */
enum berth_presence { BERTH_KNOWN, BERTH_NOT_KNOWN, BERTH_NONE };

/* Room that every text fits into; longer ones are cut. */
#define BERTH_ATTRIBUTE_TEXT 256

/* What an attribute is of one device. */
struct berth_fact {
	enum berth_presence presence;
	/* BERTH_ATTR_TEXT, _WORDS, _LOWER, _BDF, _ISOLATION; into the facts, or @buf */
	const char *text;
	int64_t number; /* the others: BOOL 0 or 1; ID vendor << 16 | device; CLASS 24 bits */
	char buf[BERTH_ATTRIBUTE_TEXT];
};

struct berth_attribute {
	const char *name;
	enum berth_attribute_kind kind;
	bool of_pf; /* the fact of its PF; what is no VF has none */
	void (*get)(const struct berth_facts *f, struct berth_fact *ret);
};

/* The dictionary; @ret_nr elements. */
const struct berth_attribute *berth_attributes(size_t *ret_nr);

/* NULL: there is none of this name. */
const struct berth_attribute *berth_attribute_find(const char *name);

/* The nearest name, or NULL. */
const char *berth_attribute_nearest(const char *name);

/* "; did you mean "numa.node"?", or nothing. Returns @buf. */
char *berth_attribute_hint(const char *name, char *buf, size_t size);
#define BERTH_ATTRIBUTE_HINT(name) berth_attribute_hint(name, (char[80]){ 0 }, 80)

/* What it is of this device. @ret may point into @facts. */
void berth_attribute_get(const struct berth_attribute *attribute, const struct berth_facts *facts,
			 struct berth_fact *ret);

/* The same as text for people and for comparing: "10de:2335", "true", "3". Writes @buf for BERTH_KNOWN only. */
enum berth_presence berth_attribute_text(const struct berth_attribute *attribute,
					 const struct berth_facts *facts, char *buf, size_t size);

#endif
