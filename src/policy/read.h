/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One policy document: its entries are checked, compiled and appended to a policy that is being built.
 *
 * For policy/load.c, which looks at the whole afterwards (names that occur twice, names that nothing has).
 *
 * The language is a set of tables, one for each kind of object: a key, whether it must be there, and who reads it.
 * docs/policy.schema.json says the same for editors; tests/policy_schema.py compares the two.
 */
#ifndef BERTH_POLICY_READ_H
#define BERTH_POLICY_READ_H

#include "base/json.h"
#include "policy/rule.h"

/* @file: how origins call it; must live as long as @policy. Return: 0; -EINVAL with place and reason; -ENOMEM. */
int berth_policy_read(struct berth_policy *policy, const char *file, const struct berth_json *doc,
		      struct berth_err *err);

/* --- for read_*.c --- */

/* What is being built while a document is read. */
struct berth_reader {
	struct berth_policy *policy; /* borrowed */
	const char *file;	     /* borrowed from policy->files */
};

/* Read the value @at into @into. Return: 0; -EINVAL with place and reason; -ENOMEM. */
typedef int berth_read_fn(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err);

struct berth_key {
	const char *name;
	bool required;
	berth_read_fn *read;
	size_t offset; /* of what @read fills inside the object's struct */
};

struct berth_object {
	const char *name;	      /* what docs/policy.schema.json calls it */
	const struct berth_key *keys; /* read in this order; the last has no name */
	/* NULL, or what concerns several keys; called last, with the object's struct */
	berth_read_fn *check;
};

/* Every kind of object, NULL-terminated; for the test that compares them with the schema. */
extern const struct berth_object *const berth_policy_objects[];

/* An array of objects and the vector that takes them. */
struct berth_elements {
	const struct berth_object *object;
	size_t size, origin; /* bytes of an element; offset of its struct berth_origin */
	size_t max;	     /* elements in the vector */
	const char *whose;   /* "in the policy": where there are too many */
};

int berth_read_object(struct berth_reader *reader, const struct berth_object *object,
		      const struct berth_json_at *at, void *into, struct berth_err *err);
/* Append to *@vector, which has *@nr elements. A failed element stays in it for the policy to free. */
int berth_read_elements(struct berth_reader *reader, const struct berth_elements *elements,
			const struct berth_json_at *at, void **vector, size_t *nr,
			struct berth_err *err);
/* @origin gets the place of @at. */
int berth_read_origin(struct berth_reader *reader, const struct berth_json_at *at,
		      struct berth_origin *origin, struct berth_err *err);
int berth_read_warn(struct berth_reader *reader, const struct berth_origin *origin,
		    const char *text, struct berth_err *err);
/* One string or an array of them, each checked: @check returns NULL or what is wrong. */
int berth_read_texts(const struct berth_json_at *at, const char *(*check)(const char *),
		     char ***ret, struct berth_err *err);
/* A string out of @words (NULL-terminated). @ret: its index. */
int berth_read_word(const struct berth_json_at *at, const char *const *words, int *ret,
		    struct berth_err *err);
int berth_read_number(const struct berth_json_at *at, int64_t min, int64_t max, int64_t *ret,
		      struct berth_err *err);
int berth_read_no_memory(struct berth_err *err);

/* NULL, or what is wrong with it as a name of an entry. */
const char *berth_read_check_name(const char *name);

/* Readers of one value; the comment says what they fill. */
berth_read_fn berth_read_comment;  /* nothing: words for people */
berth_read_fn berth_read_name;	   /* char * */
berth_read_fn berth_read_names;	   /* char ** */
berth_read_fn berth_read_vm;	   /* char *: the name of one VM */
berth_read_fn berth_read_vms;	   /* char **: globs */
berth_read_fn berth_read_match;	   /* struct berth_match * */
berth_read_fn berth_read_bool;	   /* bool */
berth_read_fn berth_read_priority; /* int, 0 … 999 */
berth_read_fn berth_read_count;	   /* unsigned int, 1 … 4096 */
berth_read_fn berth_read_limit;	   /* unsigned int, 0 … 4096 */
berth_read_fn berth_read_span;	   /* int64_t, seconds, >= 0 */
berth_read_fn berth_read_moment;   /* int64_t, seconds since 1970, > 0 */
berth_read_fn berth_read_numa;	   /* enum berth_numa_wish */
berth_read_fn berth_read_net;	   /* struct berth_net_policy */

/* The keys that say which devices an entry speaks of, each filling a struct berth_selector at the same @offset. */
#define BERTH_SELECTOR_KEYS(offset)                                                                \
	{ "device", false, berth_read_sel_device, offset },                                        \
		{ "class", false, berth_read_sel_class, offset },                                  \
		{ "pool", false, berth_read_sel_pool, offset },                                    \
		{ "match", false, berth_read_sel_match, offset },                                  \
	{                                                                                          \
		"any_device", false, berth_read_sel_any, offset                                    \
	}
berth_read_fn berth_read_sel_device, berth_read_sel_class, berth_read_sel_pool,
	berth_read_sel_match, berth_read_sel_any;
/* Exactly one of them was there. */
int berth_read_sel_check(const struct berth_json_at *at, struct berth_err *err);

/* The arrays of a document, each read into the policy. */
berth_read_fn berth_read_devices, berth_read_classes, berth_read_pools, berth_read_protects,
	berth_read_sriovs, berth_read_rules, berth_read_taints, berth_read_tenants,
	berth_read_claims, berth_read_defaults;

/* The tables. */
extern const struct berth_object berth_object_device, berth_object_class, berth_object_pool,
	berth_object_protect, berth_object_sriov, berth_object_net, berth_object_rule,
	berth_object_subject, berth_object_resource, berth_object_lease, berth_object_taint,
	berth_object_taint_resource, berth_object_tenant, berth_object_quota, berth_object_claim,
	berth_object_request, berth_object_constraint, berth_object_alternative,
	berth_object_defaults;

#endif
