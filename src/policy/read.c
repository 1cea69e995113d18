/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/glob.h"
#include "policy/load.h"

#define NAME_LEN_MAX 63
#define TEXTS_MAX    256

/* Where in the policy a value came from while it is being read. */
struct reader {
	struct berth_policy *policy; /* borrowed */
	const char *file;	     /* borrowed from policy->files */
};

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

/* --- small values --- */

static int set_text(char **ret, const char *text, struct berth_err *err)
{
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

/* Names appear on command lines next to BDFs, paths and "pool:NAME". */
static const char *check_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (name[len] || !len || len > NAME_LEN_MAX || strchr("._-", name[0]))
		return "must be 1 to 63 letters, digits, '.', '_' or '-', and start with a letter or digit";
	return NULL;
}

static const char *check_vm(const char *glob)
{
	if (!*glob || strlen(glob) > 128)
		return "must be the name of a VM or a pattern for names, up to 128 characters";
	if (*glob == '@')
		return "must not start with '@', which no VM's name does";
	if (!berth_glob_valid(glob))
		return "has a '[' that is never closed";
	return NULL;
}

static int load_name(const struct berth_json_at *at, bool needed, char **ret, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, "name");
	const char *name, *wrong;
	int r = berth_json_get_string(at, "name", &name, err);

	if (needed)
		r = berth_json_need(at, "name", r, err);
	if (r != 0)
		return r < 0 ? r : 0;
	wrong = check_name(name);
	if (wrong)
		return berth_json_bad(&member, err, "%s", wrong);
	return set_text(ret, name, err);
}

/* One string or an array of strings, each checked. Return: 0; BERTH_ABSENT; < 0. */
static int load_texts(const struct berth_json_at *at, const char *key,
		      const char *(*check)(const char *), char ***ret, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, key);
	bool array = json_is_array(member.value);
	size_t nr = array ? json_array_size(member.value) : 1;
	int r = 0;

	if (!member.value)
		return BERTH_ABSENT;
	if (nr == 0 || nr > TEXTS_MAX)
		return berth_json_bad(&member, err, "must have 1 to %d elements", TEXTS_MAX);
	*ret = calloc(nr + 1, sizeof(**ret));
	if (!*ret)
		return no_memory(err);
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = array ? berth_json_element(&member, i) : member;
		const char *wrong;

		if (!json_is_string(element.value))
			return berth_json_bad(&element, err, "must be a string");
		wrong = check(json_string_value(element.value));
		if (wrong)
			return berth_json_bad(&element, err, "%s", wrong);
		r = set_text(&(*ret)[i], json_string_value(element.value), err);
	}
	return r;
}

/* Words for people, kept nowhere: a string or an array of strings. */
static int check_comment(const struct berth_json_at *at, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, "comment");

	if (!member.value || json_is_string(member.value))
		return 0;
	if (!json_is_array(member.value))
		return berth_json_bad(&member, err, "must be a string or an array of strings");
	for (size_t i = 0; i < json_array_size(member.value); i++) {
		struct berth_json_at line = berth_json_element(&member, i);

		if (!json_is_string(line.value))
			return berth_json_bad(&line, err, "must be a string");
	}
	return 0;
}

/* Return: 0; BERTH_ABSENT; < 0. */
static int load_match(const struct berth_json_at *at, const char *key, struct berth_match **ret,
		      struct berth_err *err)
{
	struct berth_json_at member;
	int r = berth_json_get_object(at, key, &member, err);

	return r == 0 ? berth_match_load(&member, ret, err) : r;
}

static int load_bind(const struct berth_json_at *at, struct berth_group_entry *entry,
		     struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, "bind");
	const char *word;
	int r = berth_json_get_string(at, "bind", &word, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (strcmp(word, "auto") && strcmp(word, "on-assign"))
		return berth_json_bad(&member, err, "must be \"auto\" or \"on-assign\"");
	entry->has_bind = true;
	entry->bind = strcmp(word, "auto") == 0 ? BERTH_BIND_AUTO : BERTH_BIND_ON_ASSIGN;
	return 0;
}

/* --- net --- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* "02:00:00:00:00:01": exactly six pairs. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || (i < 5 && text[2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int load_mac(const struct berth_json_at *at, struct berth_net_policy *net,
		    struct berth_err *err)
{
	static const uint8_t none[6];
	struct berth_json_at member = berth_json_member(at, "mac");
	const char *text;
	int r = berth_json_get_string(at, "mac", &text, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!parse_mac(text, net->mac))
		return berth_json_bad(&member, err, "must be a MAC such as \"02:00:00:00:00:01\"");
	/* the low bit of the first byte marks a group address (IEEE 802-2014, 8.2.2) */
	if ((net->mac[0] & 1) || memcmp(net->mac, none, sizeof(none)) == 0)
		return berth_json_bad(&member, err, "is not the address of one interface");
	net->has_mac = true;
	return 0;
}

static int load_net_number(const struct berth_json_at *at, const char *key, int64_t max, bool *has,
			   int64_t *ret, struct berth_err *err)
{
	int r = berth_json_get_int(at, key, 0, max, ret, err);

	*has = r == 0;
	return r < 0 ? r : 0;
}

static int load_net_bool(const struct berth_json_at *at, const char *key, bool *has, bool *ret,
			 struct berth_err *err)
{
	int r = berth_json_get_bool(at, key, ret, err);

	*has = r == 0;
	return r < 0 ? r : 0;
}

static int load_net(const struct berth_json_at *at, struct berth_group_entry *entry, bool is_class,
		    struct berth_err *err)
{
	struct berth_net_policy *net = &entry->net;
	struct berth_json_at member;
	int64_t vlan = 0, qos = 0;
	int r = berth_json_get_object(at, "net", &member, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = berth_json_only(&member,
			    (const char *const[]){ "comment", "mac", "vlan", "qos", "trust",
						   "spoofchk", NULL },
			    err);
	if (r == 0)
		r = check_comment(&member, err);
	if (r == 0)
		r = load_mac(&member, net, err);
	if (r == 0 && net->has_mac && is_class)
		r = berth_json_bad(
			&member, err,
			"\"mac\" in a class would give several devices the same address; "
			"put it into a device");
	if (r == 0)
		r = load_net_number(&member, "vlan", 4094, &net->has_vlan, &vlan, err);
	if (r == 0)
		r = load_net_number(&member, "qos", 7, &net->has_qos, &qos, err);
	if (r == 0 && net->has_qos && qos && !vlan)
		r = berth_json_bad(&member, err,
				   "\"qos\" is a field of the VLAN tag: give \"vlan\" too");
	if (r == 0)
		r = load_net_bool(&member, "trust", &net->has_trust, &net->trust, err);
	if (r == 0)
		r = load_net_bool(&member, "spoofchk", &net->has_spoofchk, &net->spoofchk, err);
	net->vlan = (uint16_t)vlan;
	net->qos = (uint8_t)qos;
	entry->has_net = r == 0;
	return r;
}

/* --- entries --- */

static int warn(struct reader *reader, const struct berth_origin *origin, const char *text,
		struct berth_err *err)
{
	struct berth_policy *policy = reader->policy;
	char **bigger = reallocarray(policy->warnings, policy->nr_warnings + 1, sizeof(*bigger));

	if (!bigger)
		return no_memory(err);
	policy->warnings = bigger;
	if (asprintf(&bigger[policy->nr_warnings], "%s:%u:%u: %s: %s", origin->file, origin->line,
		     origin->column, origin->pointer, text) < 0)
		return no_memory(err);
	policy->nr_warnings++;
	return 0;
}

static int load_device(struct reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	struct berth_group_entry *entry = into;
	int r = berth_json_only(at,
				(const char *const[]){ "name", "comment", "match", "expect", "bind",
						       "net", NULL },
				err);

	if (r == 0)
		r = check_comment(at, err);
	if (r == 0)
		r = load_name(at, true, &entry->name, err);
	if (r == 0)
		r = berth_json_need(at, "match", load_match(at, "match", &entry->match, err), err);
	if (r == 0)
		r = load_match(at, "expect", &entry->expect, err);
	if (r >= 0)
		r = load_bind(at, entry, err);
	if (r == 0)
		r = load_net(at, entry, false, err);
	if (r == 0 && !entry->expect && berth_match_has(entry->match, "pci.bdf"))
		r = warn(
			reader, &entry->origin,
			"bus numbers change when cards are added; give \"expect\" with the ids, or "
			"match \"pci.path\"",
			err);
	return r;
}

static int load_class(struct reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	struct berth_group_entry *entry = into;
	int r = berth_json_only(
		at, (const char *const[]){ "name", "comment", "match", "bind", "net", NULL }, err);

	(void)reader;
	if (r == 0)
		r = check_comment(at, err);
	if (r == 0)
		r = load_name(at, true, &entry->name, err);
	if (r == 0)
		r = berth_json_need(at, "match", load_match(at, "match", &entry->match, err), err);
	if (r == 0)
		r = load_bind(at, entry, err);
	return r == 0 ? load_net(at, entry, true, err) : r;
}

static int load_pool(struct reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	struct berth_pool_entry *pool = into;
	int r = berth_json_only(
		at, (const char *const[]){ "name", "comment", "devices", "class", "match", NULL },
		err);

	(void)reader;
	if (r == 0)
		r = check_comment(at, err);
	if (r == 0)
		r = load_name(at, true, &pool->name, err);
	if (r == 0)
		r = load_texts(at, "devices", check_name, &pool->devices, err);
	if (r >= 0)
		r = load_texts(at, "class", check_name, &pool->classes, err);
	if (r >= 0)
		r = load_match(at, "match", &pool->match, err);
	if (r >= 0 && !pool->devices == !pool->classes)
		r = berth_json_bad(at, err, "must have either \"devices\" or \"class\"");
	return r < 0 ? r : 0;
}

static int load_subject(const struct berth_json_at *at, struct berth_rule *rule,
			struct berth_err *err)
{
	struct berth_json_at subject;
	bool any = false;
	int r = berth_json_need(at, "subject", berth_json_get_object(at, "subject", &subject, err),
				err);

	if (r == 0)
		r = berth_json_only(&subject, (const char *const[]){ "vm", "any_vm", NULL }, err);
	if (r == 0)
		r = load_texts(&subject, "vm", check_vm, &rule->vms, err);
	if (r >= 0)
		r = berth_json_get_bool(&subject, "any_vm", &any, err);
	if (r < 0)
		return r;
	if (json_object_size(subject.value) != 1 || (!any && !rule->vms))
		return berth_json_bad(&subject, err,
				      "must be { \"vm\": … } or { \"any_vm\": true }, one of them");
	return 0;
}

static int load_resource(const struct berth_json_at *at, struct berth_rule *rule,
			 struct berth_err *err)
{
	static const struct {
		const char *key;
		enum berth_resource kind;
	} named[] = {
		{ "device", BERTH_RESOURCE_DEVICE },
		{ "class", BERTH_RESOURCE_CLASS },
		{ "pool", BERTH_RESOURCE_POOL },
	};
	struct berth_json_at resource;
	int r = berth_json_need(at, "resource",
				berth_json_get_object(at, "resource", &resource, err), err);

	if (r == 0)
		r = berth_json_only(&resource,
				    (const char *const[]){ "device", "class", "pool", "match",
							   "any_device", NULL },
				    err);
	if (r == 0 && json_object_size(resource.value) != 1)
		r = berth_json_bad(
			&resource, err,
			"must have one of \"device\", \"class\", \"pool\", \"match\" and "
			"\"any_device\"");
	if (r < 0)
		return r;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(named); i++) {
		r = load_texts(&resource, named[i].key, check_name, &rule->resource.names, err);
		if (r != BERTH_ABSENT) {
			rule->resource.kind = named[i].kind;
			return r;
		}
	}
	rule->resource.kind = BERTH_RESOURCE_MATCH;
	r = load_match(&resource, "match", &rule->resource.match, err);
	/* { "any_device": true } is itself a match */
	return r == BERTH_ABSENT ? berth_match_load(&resource, &rule->resource.match, err) : r;
}

static int load_effect(const struct berth_json_at *at, struct berth_rule *rule,
		       struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(at, "effect");
	int64_t priority = 0;
	const char *word;
	int r = berth_json_need(at, "effect", berth_json_get_string(at, "effect", &word, err), err);

	if (r < 0)
		return r;
	if (strcmp(word, "allow") && strcmp(word, "deny"))
		return berth_json_bad(&member, err, "must be \"allow\" or \"deny\"");
	rule->effect = strcmp(word, "allow") == 0 ? BERTH_EFFECT_ALLOW : BERTH_EFFECT_DENY;
	r = berth_json_get_int(at, "priority", 0, 999, &priority, err);
	rule->priority = (int)priority;
	return r < 0 ? r : 0;
}

static int load_rule(struct reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	struct berth_rule *rule = into;
	int r = berth_json_only(at,
				(const char *const[]){ "name", "comment", "priority", "effect",
						       "subject", "resource", NULL },
				err);

	(void)reader;
	if (r == 0)
		r = check_comment(at, err);
	if (r == 0)
		r = load_name(at, false, &rule->name, err);
	if (r == 0)
		r = load_effect(at, rule, err);
	if (r == 0)
		r = load_subject(at, rule, err);
	return r == 0 ? load_resource(at, rule, err) : r;
}

/* --- one file --- */

/* One of the arrays of a file: its elements, of @size bytes with the origin at @origin, are appended to *vector. */
struct section {
	const char *key;
	void **vector;
	size_t *nr;
	size_t size, origin;
	int (*load)(struct reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err);
};

static int load_element(struct reader *reader, const struct section *s,
			const struct berth_json_at *at, struct berth_json_place place,
			struct berth_err *err)
{
	char *entry = (char *)*s->vector + *s->nr * s->size;
	struct berth_origin *origin = (struct berth_origin *)(entry + s->origin);
	char pointer[64];

	memset(entry, 0, s->size);
	(*s->nr)++; /* from here on the policy frees it */
	*origin = (struct berth_origin){ .file = reader->file,
					 .pointer = strdup(
						 berth_json_pointer(at, pointer, sizeof(pointer))),
					 .line = place.line,
					 .column = place.column };
	return origin->pointer ? s->load(reader, at, entry, err) : no_memory(err);
}

static int load_section(struct reader *reader, const struct berth_json_at *root,
			const struct section *s, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct berth_json_place *places = NULL;
	struct berth_json_at array;
	void *bigger;
	size_t nr;
	int r = berth_json_get_array(root, s->key, &array, err);

	if (r != 0)
		return r < 0 ? r : 0;
	nr = json_array_size(array.value);
	if (nr == 0)
		return 0;
	if (nr > BERTH_POLICY_MAX_ENTRIES || *s->nr + nr > BERTH_POLICY_MAX_ENTRIES)
		return berth_json_bad(&array, err, "there are more than %d of them in the policy",
				      BERTH_POLICY_MAX_ENTRIES);
	places = calloc(nr, sizeof(*places));
	bigger = reallocarray(*s->vector, *s->nr + nr, s->size);
	if (bigger)
		*s->vector = bigger;
	if (!bigger || !places)
		return no_memory(err);
	berth_json_places(&array, places);
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = berth_json_element(&array, i);

		r = load_element(reader, s, &element, places[i], err);
	}
	return r;
}

static int check_version(const struct berth_json_at *root, struct berth_err *err)
{
	struct berth_json_at member = berth_json_member(root, "version");
	int64_t version = 0;
	int r = berth_json_get_int(root, "version", INT64_MIN, INT64_MAX, &version, err);

	r = berth_json_need(root, "version", r, err);
	if (r == 0 && version != 1)
		r = berth_json_bad(&member, err, "this berth knows version 1 only");
	return r;
}

int berth_policy_read(struct berth_policy *policy, const char *file, const struct berth_json *doc,
		      struct berth_err *err)
{
	struct reader reader = { .policy = policy, .file = file };
	struct berth_json_at at = berth_json_root(doc), *root = &at;
	struct berth_policy *p = policy;
	const struct section sections[] = {
		{ "devices", (void **)&p->devices, &p->nr_devices, sizeof(*p->devices),
		  offsetof(struct berth_group_entry, origin), load_device },
		{ "classes", (void **)&p->classes, &p->nr_classes, sizeof(*p->classes),
		  offsetof(struct berth_group_entry, origin), load_class },
		{ "pools", (void **)&p->pools, &p->nr_pools, sizeof(*p->pools),
		  offsetof(struct berth_pool_entry, origin), load_pool },
		{ "rules", (void **)&p->rules, &p->nr_rules, sizeof(*p->rules),
		  offsetof(struct berth_rule, origin), load_rule },
	};
	int r = berth_json_only(root,
				(const char *const[]){ "version", "comment", "devices", "classes",
						       "pools", "rules", NULL },
				err);

	if (r == 0)
		r = check_version(root, err);
	if (r == 0)
		r = check_comment(root, err);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(sections) && r == 0; i++)
		r = load_section(&reader, root, &sections[i], err);
	return r;
}
