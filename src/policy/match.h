/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a device have these attributes? The "match" and "expect" objects of policy files, compiled.
 *
 * Three-valued: a fact that is not known makes a term unknown, never yes, and "not" leaves it unknown. Terms are ANDed (no
 * beats unknown beats yes), the values of one term and what "any" holds ORed (yes beats unknown beats no). A fact that
 * cannot exist (a VF index of something that is no VF) is not unknown: it makes its term a no. Only { "exists": … }, which
 * asks whether a fact is known, never answers unknown. The cost is bounded: no regular expressions, globs are linear.
 */
#ifndef BERTH_POLICY_MATCH_H
#define BERTH_POLICY_MATCH_H

#include <stddef.h>

#include "base/json.h"
#include "base/tri.h"
#include "policy/facts.h"

struct berth_match; /* opaque */

#define BERTH_MATCH_MAX_DEPTH 8	  /* "any", "all" and "not" inside each other */
#define BERTH_MATCH_MAX_TERMS 256 /* attributes asked for in one match */

/**
 * berth_match_load() - compile an object such as { "pci.id": "10de:*", "numa.node": [0, 1] }
 * @ret: owned by the caller, berth_match_free()
 *
 * berth-policy(5) lists the attributes. {} is refused: "every device" is { "any_device": true }, alone.
 *
 * Return: 0; -EINVAL with place and reason; -ENOMEM.
 */
int berth_match_load(const struct berth_json_at *at, struct berth_match **ret,
		     struct berth_err *err);
/* What { "any_device": true } says. Return: 0; -ENOMEM. */
int berth_match_new_any(struct berth_match **ret);
void berth_match_free(struct berth_match *match);
BERTH_DEFINE_CLEANUP(struct berth_match *, berth_match_free);

/**
 * berth_match_eval() - does it hold for this device?
 * @ret_term: NULL, or gets the name of the attribute that decided a "no" or "unknown" (borrowed from @match; NULL for "yes")
 */
enum berth_tri berth_match_eval(const struct berth_match *match, const struct berth_facts *facts,
				const char **ret_term);

/* Is there a term for this attribute ("pci.bdf")? */
bool berth_match_has(const struct berth_match *match, const char *attribute);

/* Can it only hold for devices whose @attribute is one of certain values? Not so inside of a "not", or one side of an "any". */
bool berth_match_requires(const struct berth_match *match, const char *attribute);

/* What an attribute of a device is, as text for people: "10de:2335", "unknown", "none". Returns @buf. */
char *berth_match_observed(const struct berth_facts *facts, const char *attribute, char *buf,
			   size_t size);

#endif
