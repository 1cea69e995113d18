/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM wants: claims with their requests, constraints and alternatives. */
#include <string.h>

#include "base/err.h"
#include "policy/attribute.h"
#include "policy/load.h"
#include "policy/read.h"

#define REQUESTS_MAX	 32
#define CONSTRAINTS_MAX	 64
#define ALTERNATIVES_MAX 16

static const char *const distance_words[] = { "PIX", "PXB", "PHB", "NODE", "SYS", NULL };
static const enum berth_distance distances[] = { BERTH_DISTANCE_PIX, BERTH_DISTANCE_PXB,
						 BERTH_DISTANCE_PHB, BERTH_DISTANCE_NODE,
						 BERTH_DISTANCE_SYS };

/* --- requests --- */

static int read_request_net(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			    struct berth_err *err)
{
	struct berth_request_entry *request = into;

	request->has_net = true;
	return berth_read_net(reader, at, &request->net, err);
}

static int check_request(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	struct berth_request_entry *request = into;

	(void)reader;
	if (!request->count)
		request->count = 1;
	if (request->net.has_mac && request->count > 1)
		return berth_json_bad(at, err,
				      "\"mac\" would give %u devices the same address; make a "
				      "request of each",
				      request->count);
	return berth_read_sel_check(at, err);
}

static const struct berth_key request_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_request_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	BERTH_SELECTOR_KEYS(offsetof(struct berth_request_entry, resource)),
	{ "count", false, berth_read_count, offsetof(struct berth_request_entry, count) },
	{ "net", false, read_request_net, 0 },
	{ 0 },
};

const struct berth_object berth_object_request = { "request", request_keys, check_request };

static int read_requests(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	static const struct berth_elements elements = {
		&berth_object_request, sizeof(struct berth_request_entry),
		offsetof(struct berth_request_entry, origin), REQUESTS_MAX, "in the claim"
	};
	struct berth_claim_entry *claim = into;

	if (json_is_array(at->value) && json_array_size(at->value) == 0)
		return berth_json_bad(at, err, "is empty: the claim asks for nothing");
	return berth_read_elements(reader, &elements, at, (void **)&claim->requests,
				   &claim->nr_requests, err);
}

/* --- constraints --- */

static int read_distance(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	int word = 0, r = berth_read_word(at, distance_words, &word, err);

	(void)reader;
	*(enum berth_distance *)into = distances[word];
	return r;
}

static int read_attribute(const struct berth_json_at *at, struct berth_constraint *constraint,
			  enum berth_constraint_kind kind, struct berth_err *err)
{
	const char *name = json_string_value(at->value);

	if (!name)
		return berth_json_bad(at, err, "must be a string");
	if (constraint->attribute)
		return berth_json_bad(at->up, err, "cannot have both \"same\" and \"distinct\"");
	if (!berth_attribute_find(name))
		return berth_json_bad(at, err, "there is no attribute \"%.100s\"%s", name,
				      BERTH_ATTRIBUTE_HINT(name));
	constraint->kind = kind;
	constraint->attribute = strdup(name);
	return constraint->attribute ? 0 : berth_read_no_memory(err);
}

static int read_same(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	(void)reader;
	return read_attribute(at, into, BERTH_CONSTRAINT_SAME, err);
}

static int read_distinct(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	(void)reader;
	return read_attribute(at, into, BERTH_CONSTRAINT_DISTINCT, err);
}

static int read_of(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		   struct berth_err *err)
{
	struct berth_constraint *constraint = into;

	(void)reader;
	if (constraint->of)
		return berth_json_bad(at->up, err, "cannot have both \"pair\" and \"of\"");
	return berth_read_texts(at, berth_read_check_name, &constraint->of, err);
}

/* { "max_distance", "pair", "each" } or { "same" or "distinct", "of" }. */
static int check_constraint(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			    struct berth_err *err)
{
	const struct berth_constraint *constraint = into;
	bool distance = json_object_get(at->value, "max_distance"),
	     pair = json_object_get(at->value, "pair");

	(void)reader;
	if (distance == (constraint->attribute != NULL))
		return berth_json_bad(
			at, err, "must have one of \"max_distance\", \"same\" and \"distinct\"");
	if (!constraint->of)
		return berth_json_bad(at, err, "\"%s\" is missing", distance ? "pair" : "of");
	if (distance != pair)
		return berth_json_bad(
			at, err,
			"\"pair\" belongs to \"max_distance\", \"of\" to \"same\" and "
			"\"distinct\"");
	if (!distance && json_object_get(at->value, "each"))
		return berth_json_bad(at, err, "\"each\" belongs to \"max_distance\"");
	if (distance && (!constraint->of[1] || constraint->of[2]))
		return berth_json_bad(at, err, "\"pair\" must name two requests");
	return 0;
}

static const struct berth_key constraint_keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "max_distance", false, read_distance, offsetof(struct berth_constraint, max_distance) },
	{ "pair", false, read_of, 0 },
	{ "each", false, berth_read_bool, offsetof(struct berth_constraint, each) },
	{ "same", false, read_same, 0 },
	{ "distinct", false, read_distinct, 0 },
	{ "of", false, read_of, 0 },
	{ 0 },
};

const struct berth_object berth_object_constraint = { "constraint", constraint_keys,
						      check_constraint };

static int read_constraints(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			    struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_constraint,
							sizeof(struct berth_constraint),
							offsetof(struct berth_constraint, origin),
							CONSTRAINTS_MAX, "in the claim" };
	struct berth_claim_entry *claim = into;

	return berth_read_elements(reader, &elements, at, (void **)&claim->constraints,
				   &claim->nr_constraints, err);
}

/* --- alternatives --- */

#define RELAX_WANT                                                                                 \
	"must be \"max_distance=PXB\" (or PHB, NODE, SYS), \"same\", \"distinct\", "               \
	"\"numa=preferred\" or \"numa=none\""

static int relax_distance(const struct berth_json_at *at, const char *word,
			  struct berth_alternative *alternative, struct berth_err *err)
{
	for (size_t i = 1; distance_words[i]; i++) {
		if (strcmp(word, distance_words[i]) == 0) {
			alternative->has_distance = true;
			alternative->max_distance = distances[i];
			return 0;
		}
	}
	return berth_json_bad(at, err, RELAX_WANT);
}

static int relax_one(const struct berth_json_at *at, struct berth_alternative *alternative,
		     struct berth_err *err)
{
	static const char distance[] = "max_distance=";
	const char *text = json_string_value(at->value);

	if (!text)
		return berth_json_bad(at, err, "must be a string");
	if (strncmp(text, distance, sizeof(distance) - 1) == 0)
		return relax_distance(at, text + sizeof(distance) - 1, alternative, err);
	if (strcmp(text, "same") == 0) {
		alternative->drop_same = true;
	} else if (strcmp(text, "distinct") == 0) {
		alternative->drop_distinct = true;
	} else if (strcmp(text, "numa=preferred") == 0 || strcmp(text, "numa=none") == 0) {
		alternative->has_numa = true;
		alternative->numa = text[5] == 'p' ? BERTH_NUMA_PREFERRED : BERTH_NUMA_NONE;
	} else {
		return berth_json_bad(at, err, RELAX_WANT);
	}
	return 0;
}

static int read_relax(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	int r = 0;

	(void)reader;
	if (!json_is_array(at->value) || json_array_size(at->value) == 0 ||
	    json_array_size(at->value) > 8)
		return berth_json_bad(at, err, "must be an array of 1 to 8 strings");
	for (size_t i = 0; i < json_array_size(at->value) && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);

		r = relax_one(&element, into, err);
	}
	return r;
}

static const struct berth_key alternative_keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "relax", true, read_relax, 0 },
	{ 0 },
};

const struct berth_object berth_object_alternative = { "alternative", alternative_keys, NULL };

static int read_alternatives(struct berth_reader *reader, const struct berth_json_at *at,
			     void *into, struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_alternative,
							sizeof(struct berth_alternative),
							offsetof(struct berth_alternative, origin),
							ALTERNATIVES_MAX, "in the claim" };
	struct berth_claim_entry *claim = into;

	return berth_read_elements(reader, &elements, at, (void **)&claim->alternatives,
				   &claim->nr_alternatives, err);
}

/* --- claims --- */

static int read_numa(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	struct berth_claim_entry *claim = into;

	claim->has_numa = true;
	return berth_read_numa(reader, at, &claim->numa, err);
}

static int read_numa_node(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err)
{
	int64_t node = 0;
	int r = berth_read_number(at, 0, 1023, &node, err);

	(void)reader;
	*(int32_t *)into = (int32_t)node;
	return r;
}

static const struct berth_request_entry *find_request(const struct berth_claim_entry *claim,
						      const char *name)
{
	for (size_t i = 0; i < claim->nr_requests; i++) {
		if (strcmp(claim->requests[i].name, name) == 0)
			return &claim->requests[i];
	}
	return NULL;
}

/* The requests that a constraint names exist, and can be paired. */
static int check_of(const struct berth_json_at *at, const struct berth_claim_entry *claim, size_t i,
		    struct berth_err *err)
{
	const struct berth_constraint *constraint = &claim->constraints[i];
	struct berth_json_at array = berth_json_member(at, "constraints"),
			     element = berth_json_element(&array, i);
	const struct berth_request_entry *pair[2] = { NULL, NULL };

	for (size_t n = 0; constraint->of[n]; n++) {
		const struct berth_request_entry *request = find_request(claim, constraint->of[n]);

		if (!request)
			return berth_json_bad(&element, err, "the claim has no request \"%s\"",
					      constraint->of[n]);
		if (n < 2)
			pair[n] = request;
	}
	if (!constraint->each)
		return 0;
	if (pair[0] == pair[1])
		return berth_json_bad(&element, err,
				      "\"each\" pairs the devices of two different requests");
	if (pair[0]->count != pair[1]->count)
		return berth_json_bad(
			&element, err,
			"\"each\" pairs one by one, but there are %u of \"%s\" and %u "
			"of \"%s\"",
			pair[0]->count, pair[0]->name, pair[1]->count, pair[1]->name);
	return 0;
}

static int check_request_names(const struct berth_json_at *at,
			       const struct berth_claim_entry *claim, struct berth_err *err)
{
	struct berth_json_at array = berth_json_member(at, "requests");

	for (size_t i = 1; i < claim->nr_requests; i++) {
		struct berth_json_at element = berth_json_element(&array, i);

		if (find_request(claim, claim->requests[i].name) != &claim->requests[i])
			return berth_json_bad(&element, err,
					      "there is a request \"%s\" already in the claim",
					      claim->requests[i].name);
	}
	return 0;
}

static bool has_constraint(const struct berth_claim_entry *claim, enum berth_constraint_kind kind)
{
	for (size_t i = 0; i < claim->nr_constraints; i++) {
		if (claim->constraints[i].kind == kind)
			return true;
	}
	return false;
}

/* What an alternative relaxes is there. */
static int check_alternative(const struct berth_json_at *at, const struct berth_claim_entry *claim,
			     size_t i, struct berth_err *err)
{
	const struct berth_alternative *alternative = &claim->alternatives[i];
	struct berth_json_at array = berth_json_member(at, "alternatives"),
			     element = berth_json_element(&array, i);

	if ((alternative->has_distance && !has_constraint(claim, BERTH_CONSTRAINT_DISTANCE)) ||
	    (alternative->drop_same && !has_constraint(claim, BERTH_CONSTRAINT_SAME)) ||
	    (alternative->drop_distinct && !has_constraint(claim, BERTH_CONSTRAINT_DISTINCT)))
		return berth_json_bad(&element, err, "relaxes a constraint that the claim has not");
	return 0;
}

static int check_claim(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	struct berth_claim_entry *claim = into;
	int r = check_request_names(at, claim, err);

	(void)reader;
	if (!json_object_get(at->value, "numa_node"))
		claim->numa_node = BERTH_FACT_UNKNOWN;
	else if (claim->has_numa && claim->numa == BERTH_NUMA_NONE)
		return berth_json_bad(at, err,
				      "\"numa_node\" means nothing with \"numa\": \"none\"");
	for (size_t i = 0; i < claim->nr_constraints && r == 0; i++)
		r = check_of(at, claim, i, err);
	for (size_t i = 0; i < claim->nr_alternatives && r == 0; i++)
		r = check_alternative(at, claim, i, err);
	return r;
}

static const struct berth_key claim_keys[] = {
	{ "vm", true, berth_read_vm, offsetof(struct berth_claim_entry, vm) },
	{ "comment", false, berth_read_comment, 0 },
	{ "priority", false, berth_read_priority, offsetof(struct berth_claim_entry, priority) },
	{ "preemptible", false, berth_read_bool, offsetof(struct berth_claim_entry, preemptible) },
	{ "numa", false, read_numa, 0 },
	{ "numa_node", false, read_numa_node, offsetof(struct berth_claim_entry, numa_node) },
	{ "requests", true, read_requests, 0 },
	{ "constraints", false, read_constraints, 0 },
	{ "alternatives", false, read_alternatives, 0 },
	{ "tolerate", false, berth_read_names, offsetof(struct berth_claim_entry, tolerate) },
	{ 0 },
};

const struct berth_object berth_object_claim = { "claim", claim_keys, check_claim };

int berth_read_claims(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_claim,
							sizeof(struct berth_claim_entry),
							offsetof(struct berth_claim_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->claims, &p->nr_claims, err);
}
