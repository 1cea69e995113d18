/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For whom: tenants with their quotas, and what holds where nothing else is said. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/load.h"
#include "policy/read.h"

#define QUOTAS_MAX 256

/* --- quota --- */

static const struct berth_key quota_keys[] = {
	{ "hard", true, berth_read_limit, offsetof(struct berth_quota, hard) },
	{ 0 },
};

const struct berth_object berth_object_quota = { "quota", quota_keys, NULL };

static int read_one_quota(struct berth_reader *reader, const struct berth_json_at *at,
			  struct berth_quota *quota, struct berth_err *err)
{
	const char *wrong = berth_read_check_name(at->key);
	int r;

	if (wrong)
		return berth_json_bad(at, err, "the name of a class or pool %s", wrong);
	quota->of = strdup(at->key);
	if (!quota->of)
		return berth_read_no_memory(err);
	r = berth_read_origin(reader, at, &quota->origin, err);
	return r == 0 ? berth_read_object(reader, &berth_object_quota, at, quota, err) : r;
}

/* An object whose keys are names of classes or pools; load.c finds out which. */
static int read_quotas(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	struct berth_tenant_entry *tenant = into;
	const char *key;
	json_t *value;
	int r = 0;

	if (!json_is_object(at->value))
		return berth_json_bad(at, err, "must be an object");
	if (json_object_size(at->value) > QUOTAS_MAX)
		return berth_json_bad(at, err, "there are more than %d of them", QUOTAS_MAX);
	tenant->quotas = calloc(json_object_size(at->value) + 1, sizeof(*tenant->quotas));
	if (!tenant->quotas)
		return berth_read_no_memory(err);
	json_object_foreach(at->value, key, value)
	{
		struct berth_json_at member = berth_json_member(at, key);

		if (r == 0)
			r = read_one_quota(reader, &member, &tenant->quotas[tenant->nr_quotas++],
					   err);
	}
	return r;
}

/* --- tenants --- */

/* As useradd(8) takes them: what the shell and /etc/passwd can carry. */
static const char *check_user(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 32 || strpbrk(name, ": \t\n/") || strchr("-+~", name[0]))
		return "must be the name of a user, up to 32 characters";
	return NULL;
}

static int read_users(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	(void)reader;
	return berth_read_texts(at, check_user, into, err);
}

static int check_tenant(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	struct berth_tenant_entry *tenant = into;

	(void)reader, (void)err;
	if (!json_object_get(at->value, "max_priority"))
		tenant->max_priority = BERTH_POLICY_MAX_PRIORITY;
	return 0;
}

static const struct berth_key tenant_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_tenant_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "vms", true, berth_read_vms, offsetof(struct berth_tenant_entry, vms) },
	{ "users", false, read_users, offsetof(struct berth_tenant_entry, users) },
	{ "quota", false, read_quotas, 0 },
	{ "max_priority", false, berth_read_priority,
	  offsetof(struct berth_tenant_entry, max_priority) },
	{ 0 },
};

const struct berth_object berth_object_tenant = { "tenant", tenant_keys, check_tenant };

int berth_read_tenants(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_tenant,
							sizeof(struct berth_tenant_entry),
							offsetof(struct berth_tenant_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->tenants, &p->nr_tenants,
				   err);
}

/* --- defaults --- */

static int read_min_isolation(struct berth_reader *reader, const struct berth_json_at *at,
			      void *into, struct berth_err *err)
{
	static const char *const words[] = { "isolated", "multifunction", "shared", "acs-override",
					     NULL };
	struct berth_policy_defaults *defaults = into;
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	if (r < 0)
		return r;
	defaults->has_min_isolation = true;
	defaults->min_isolation = strdup(words[word]);
	return defaults->min_isolation ? 0 : berth_read_no_memory(err);
}

static int read_default_numa(struct berth_reader *reader, const struct berth_json_at *at,
			     void *into, struct berth_err *err)
{
	struct berth_policy_defaults *defaults = into;

	defaults->has_numa = true;
	return berth_read_numa(reader, at, &defaults->numa, err);
}

static int read_unbind_timeout(struct berth_reader *reader, const struct berth_json_at *at,
			       void *into, struct berth_err *err)
{
	struct berth_policy_defaults *defaults = into;
	int64_t seconds = 0;
	int r = berth_read_number(at, 1, 3600, &seconds, err);

	(void)reader;
	defaults->has_unbind_timeout = true;
	defaults->unbind_timeout_s = (unsigned int)seconds;
	return r;
}

static const struct berth_key defaults_keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "min_isolation", false, read_min_isolation, 0 },
	{ "numa", false, read_default_numa, 0 },
	{ "unbind_timeout_s", false, read_unbind_timeout, 0 },
	{ 0 },
};

const struct berth_object berth_object_defaults = { "defaults", defaults_keys, NULL };

int berth_read_defaults(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	struct berth_policy_defaults *defaults = &((struct berth_policy *)into)->defaults;
	const struct berth_origin *first = &defaults->origin;
	int r;

	if (first->pointer)
		return berth_json_bad(at, err, "there are defaults already, at %s:%u:%u",
				      first->file, first->line, first->column);
	r = berth_read_origin(reader, at, &defaults->origin, err);
	return r == 0 ? berth_read_object(reader, &berth_object_defaults, at, defaults, err) : r;
}
