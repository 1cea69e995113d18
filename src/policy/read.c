/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/load.h"

#define KEYS_MAX 32

int berth_read_no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

int berth_read_warn(struct berth_reader *reader, const struct berth_origin *origin,
		    const char *text, struct berth_err *err)
{
	struct berth_policy *policy = reader->policy;
	char **bigger = reallocarray(policy->warnings, policy->nr_warnings + 1, sizeof(*bigger));

	if (!bigger)
		return berth_read_no_memory(err);
	policy->warnings = bigger;
	if (asprintf(&bigger[policy->nr_warnings], "%s:%u:%u: %s: %s", origin->file, origin->line,
		     origin->column, origin->pointer, text) < 0)
		return berth_read_no_memory(err);
	policy->nr_warnings++;
	return 0;
}

/* --- objects --- */

static int check_keys(const struct berth_object *object, const struct berth_json_at *at,
		      struct berth_err *err)
{
	const char *names[KEYS_MAX];
	size_t nr = 0;

	for (const struct berth_key *key = object->keys; key->name && nr + 1 < KEYS_MAX; key++)
		names[nr++] = key->name;
	names[nr] = NULL;
	return berth_json_only(at, names, err);
}

int berth_read_object(struct berth_reader *reader, const struct berth_object *object,
		      const struct berth_json_at *at, void *into, struct berth_err *err)
{
	int r = check_keys(object, at, err);

	for (const struct berth_key *key = object->keys; key->name && r == 0; key++) {
		struct berth_json_at member = berth_json_member(at, key->name);

		if (member.value)
			r = key->read(reader, &member, (char *)into + key->offset, err);
		else if (key->required)
			r = berth_json_bad(at, err, "\"%s\" is missing", key->name);
	}
	return r == 0 && object->check ? object->check(reader, at, into, err) : r;
}

/* --- arrays of objects --- */

static int set_origin(struct berth_reader *reader, const struct berth_json_at *at,
		      struct berth_json_place place, struct berth_origin *origin,
		      struct berth_err *err)
{
	char pointer[128];

	*origin = (struct berth_origin){ .file = reader->file,
					 .pointer = strdup(
						 berth_json_pointer(at, pointer, sizeof(pointer))),
					 .line = place.line,
					 .column = place.column };
	return origin->pointer ? 0 : berth_read_no_memory(err);
}

int berth_read_origin(struct berth_reader *reader, const struct berth_json_at *at,
		      struct berth_origin *origin, struct berth_err *err)
{
	struct berth_json_place place;

	berth_json_where(at, &place.line, &place.column);
	return set_origin(reader, at, place, origin, err);
}

static int read_element(struct berth_reader *reader, const struct berth_elements *elements,
			const struct berth_json_at *at, struct berth_json_place place, char *entry,
			struct berth_err *err)
{
	int r = set_origin(reader, at, place, (struct berth_origin *)(entry + elements->origin),
			   err);

	return r == 0 ? berth_read_object(reader, elements->object, at, entry, err) : r;
}

int berth_read_elements(struct berth_reader *reader, const struct berth_elements *elements,
			const struct berth_json_at *at, void **vector, size_t *nr,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct berth_json_place *places = NULL;
	size_t more = json_array_size(at->value);
	char *bigger;
	int r = 0;

	if (!json_is_array(at->value))
		return berth_json_bad(at, err, "must be an array");
	if (more == 0)
		return 0;
	if (more > elements->max || *nr + more > elements->max)
		return berth_json_bad(at, err, "there are more than %zu of them %s", elements->max,
				      elements->whose);
	places = calloc(more, sizeof(*places));
	bigger = reallocarray(*vector, *nr + more, elements->size);
	if (bigger)
		*vector = bigger;
	if (!bigger || !places)
		return berth_read_no_memory(err);
	berth_json_places(at, places);
	for (size_t i = 0; i < more && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);
		char *entry = bigger + *nr * elements->size;

		memset(entry, 0, elements->size);
		(*nr)++; /* from here on the policy frees it */
		r = read_element(reader, elements, &element, places[i], entry, err);
	}
	return r;
}

/* --- the document --- */

static int read_version(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	int64_t version;
	int r = berth_read_number(at, INT64_MIN, INT64_MAX, &version, err);

	(void)reader, (void)into;
	if (r == 0 && version != 1)
		r = berth_json_bad(at, err, "this berth knows version 1 only");
	return r;
}

static const struct berth_key document_keys[] = {
	{ "version", true, read_version, 0 },
	{ "comment", false, berth_read_comment, 0 },
	{ "defaults", false, berth_read_defaults, 0 },
	{ "protect", false, berth_read_protects, 0 },
	{ "devices", false, berth_read_devices, 0 },
	{ "classes", false, berth_read_classes, 0 },
	{ "sriov", false, berth_read_sriovs, 0 },
	{ "pools", false, berth_read_pools, 0 },
	{ "tenants", false, berth_read_tenants, 0 },
	{ "rules", false, berth_read_rules, 0 },
	{ "taints", false, berth_read_taints, 0 },
	{ "claims", false, berth_read_claims, 0 },
	{ 0 },
};

static const struct berth_object document = { "policy", document_keys, NULL };

const struct berth_object *const berth_policy_objects[] = {
	&document,
	&berth_object_defaults,
	&berth_object_protect,
	&berth_object_device,
	&berth_object_class,
	&berth_object_net,
	&berth_object_sriov,
	&berth_object_pool,
	&berth_object_tenant,
	&berth_object_quota,
	&berth_object_rule,
	&berth_object_subject,
	&berth_object_resource,
	&berth_object_lease,
	&berth_object_taint,
	&berth_object_taint_resource,
	&berth_object_claim,
	&berth_object_request,
	&berth_object_constraint,
	&berth_object_alternative,
	NULL,
};

int berth_policy_read(struct berth_policy *policy, const char *file, const struct berth_json *doc,
		      struct berth_err *err)
{
	struct berth_reader reader = { .policy = policy, .file = file };
	struct berth_json_at root = berth_json_root(doc);

	return berth_read_object(&reader, &document, &root, policy, err);
}
