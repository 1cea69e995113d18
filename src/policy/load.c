/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"
#include "base/nearest.h"
#include "policy/read.h"

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

static int load_file(struct berth_policy *policy, int dirfd, const char *name, const char *shown,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	char *file = strdup(shown);
	int r;

	if (!file)
		return no_memory(err);
	policy->files[policy->nr_files++] = file;
	r = berth_json_load_file(dirfd, name, shown, NULL, &doc, err);
	return r < 0 ? r : berth_policy_read(policy, file, doc, err);
}

/* --- the whole --- */

__attribute__((format(printf, 3, 4))) static int
bad_origin(const struct berth_origin *origin, struct berth_err *err, const char *fmt, ...)
{
	char words[BERTH_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return berth_err_set(err, -EINVAL, "%s:%u:%u: %s: %s", origin->file, origin->line,
			     origin->column, origin->pointer, words);
}

/* So that neither meaning nor messages depend on the order in which files were given. */
static int cmp_origin(const struct berth_origin *a, const struct berth_origin *b)
{
	int c = strcmp(a->file, b->file);

	if (c == 0)
		c = (a->line > b->line) - (a->line < b->line);
	return c ? c : (a->column > b->column) - (a->column < b->column);
}

static int cmp_entry(const void *a, const void *b)
{
	const struct berth_group_entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : cmp_origin(&x->origin, &y->origin);
}

static int cmp_pool(const void *a, const void *b)
{
	const struct berth_pool_entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : cmp_origin(&x->origin, &y->origin);
}

static int cmp_rule(const void *a, const void *b)
{
	const struct berth_rule *x = a, *y = b;

	return cmp_origin(&x->origin, &y->origin);
}

static int cmp_rule_name(const void *a, const void *b)
{
	const struct berth_rule *x = *(const struct berth_rule *const *)a,
				*y = *(const struct berth_rule *const *)b;
	int c = strcmp(x->name, y->name);

	return c ? c : cmp_rule(x, y);
}

static int twice(const char *noun, const char *name, const struct berth_origin *a,
		 const struct berth_origin *b, struct berth_err *err)
{
	return bad_origin(b, err, "there is a %s \"%s\" already, at %s:%u:%u", noun, name, a->file,
			  a->line, a->column);
}

static int sort_entries(struct berth_group_entry *entries, size_t nr, const char *noun,
			struct berth_err *err)
{
	if (nr)
		qsort(entries, nr, sizeof(*entries), cmp_entry);
	for (size_t i = 1; i < nr; i++) {
		if (strcmp(entries[i - 1].name, entries[i].name) == 0)
			return twice(noun, entries[i].name, &entries[i - 1].origin,
				     &entries[i].origin, err);
	}
	return 0;
}

static int sort_pools(struct berth_pool_entry *pools, size_t nr, struct berth_err *err)
{
	if (nr)
		qsort(pools, nr, sizeof(*pools), cmp_pool);
	for (size_t i = 1; i < nr; i++) {
		if (strcmp(pools[i - 1].name, pools[i].name) == 0)
			return twice("pool", pools[i].name, &pools[i - 1].origin, &pools[i].origin,
				     err);
	}
	return 0;
}

static int check_rule_names(const struct berth_policy *policy, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) const struct berth_rule **named = NULL;
	size_t nr = 0;

	named = calloc(policy->nr_rules + 1, sizeof(struct berth_rule *));
	if (!named)
		return no_memory(err);
	for (size_t i = 0; i < policy->nr_rules; i++) {
		if (policy->rules[i].name)
			named[nr++] = &policy->rules[i];
	}
	qsort(named, nr, sizeof(*named), cmp_rule_name);
	for (size_t i = 1; i < nr; i++) {
		if (strcmp(named[i - 1]->name, named[i]->name) == 0)
			return twice("rule", named[i]->name, &named[i - 1]->origin,
				     &named[i]->origin, err);
	}
	return 0;
}

/* The names in @kind, NULL-terminated; owned vector of borrowed names. */
static const char **names_of(const struct berth_policy *p, enum berth_resource kind)
{
	size_t nr = kind == BERTH_RESOURCE_DEVICE ? p->nr_devices :
		    kind == BERTH_RESOURCE_CLASS  ? p->nr_classes :
						    p->nr_pools;
	const char **names = calloc(nr + 1, sizeof(*names));

	for (size_t i = 0; names && i < nr; i++)
		names[i] = kind == BERTH_RESOURCE_DEVICE ? p->devices[i].name :
			   kind == BERTH_RESOURCE_CLASS	 ? p->classes[i].name :
							   p->pools[i].name;
	return names;
}

static bool has_name(const struct berth_policy *p, enum berth_resource kind, const char *name)
{
	return kind == BERTH_RESOURCE_DEVICE ? berth_policy_device(p, name) != NULL :
	       kind == BERTH_RESOURCE_CLASS  ? berth_policy_class(p, name) != NULL :
					       berth_policy_pool(p, name) != NULL;
}

/* Every name that an entry refers to exists. */
static int check_refs(const struct berth_policy *policy, const struct berth_origin *origin,
		      enum berth_resource kind, char **names, struct berth_err *err)
{
	static const char *const nouns[] = { "device", "class", "pool" };

	for (; names && *names; names++) {
		BERTH_CLEANUP(berth_freep) const char **known = NULL;
		const char *meant;

		if (has_name(policy, kind, *names))
			continue;
		known = names_of(policy, kind);
		meant = known ? berth_nearest(*names, known) : NULL;
		return bad_origin(origin, err, "there is no %s \"%s\" in the policy%s%s%s",
				  nouns[kind], *names, meant ? "; did you mean \"" : "",
				  meant ? meant : "", meant ? "\"?" : "");
	}
	return 0;
}

static int check_whole(struct berth_policy *policy, struct berth_err *err)
{
	int r = sort_entries(policy->devices, policy->nr_devices, "device", err);

	if (policy->nr_rules)
		qsort(policy->rules, policy->nr_rules, sizeof(*policy->rules), cmp_rule);
	if (r == 0)
		r = sort_entries(policy->classes, policy->nr_classes, "class", err);
	if (r == 0)
		r = sort_pools(policy->pools, policy->nr_pools, err);
	if (r == 0)
		r = check_rule_names(policy, err);
	for (size_t i = 0; i < policy->nr_pools && r == 0; i++) {
		const struct berth_pool_entry *pool = &policy->pools[i];

		r = check_refs(policy, &pool->origin, BERTH_RESOURCE_DEVICE, pool->devices, err);
		if (r == 0)
			r = check_refs(policy, &pool->origin, BERTH_RESOURCE_CLASS, pool->classes,
				       err);
	}
	for (size_t i = 0; i < policy->nr_rules && r == 0; i++) {
		const struct berth_rule *rule = &policy->rules[i];

		r = check_refs(policy, &rule->origin, rule->resource.kind, rule->resource.names,
			       err);
	}
	return r;
}

static struct berth_policy *policy_new(size_t nr_files)
{
	struct berth_policy *policy = calloc(1, sizeof(*policy));

	if (policy)
		policy->files = calloc(nr_files + 1, sizeof(*policy->files));
	if (policy && !policy->files) {
		free(policy);
		policy = NULL;
	}
	return policy;
}

int berth_policy_load_files(const char *const *paths, size_t nr, struct berth_policy **ret,
			    struct berth_err *err)
{
	BERTH_CLEANUP(berth_policy_freep) struct berth_policy *policy = policy_new(nr);
	int r = 0;

	if (!policy)
		return no_memory(err);
	for (size_t i = 0; i < nr && r == 0; i++)
		r = load_file(policy, AT_FDCWD, paths[i], paths[i], err);
	if (r == 0)
		r = check_whole(policy, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(policy);
	return 0;
}

/* --- the folder --- */

static int is_policy_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && strcmp(d->d_name + len - 5, ".json") == 0;
}

/* Whoever can write a policy file owns every device of the host. */
static int check_owner(int dirfd, const char *name, const char *shown, struct berth_err *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) < 0)
		return berth_err_set(err, -errno, "%s: %s", shown, strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return berth_err_set(err, -EPERM, "%s: belongs to user %u; run 'chown root %s'",
				     shown, (unsigned int)st.st_uid, shown);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return berth_err_set(err, -EPERM,
				     "%s: others may write to it (mode %03o); run 'chmod go-w %s'",
				     shown, st.st_mode & 0777, shown);
	return 0;
}

static int load_named(struct berth_policy *policy, int dirfd, const char *dir, const char *name,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *shown = NULL;
	int r;

	if (asprintf(&shown, "%s/%s", dir, name) < 0)
		return no_memory(err);
	r = check_owner(dirfd, name, shown, err);
	return r == 0 ? load_file(policy, dirfd, name, shown, err) : r;
}

static int load_names(int dirfd, const char *dir, struct dirent **names, size_t nr,
		      struct berth_policy **ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_policy_freep) struct berth_policy *policy = policy_new(nr);
	int r;

	if (!policy)
		return no_memory(err);
	if (nr > BERTH_POLICY_MAX_FILES)
		return berth_err_set(err, -E2BIG, "%s: more than %d policy files", dir,
				     BERTH_POLICY_MAX_FILES);
	r = check_owner(dirfd, ".", dir, err);
	for (size_t i = 0; i < nr && r == 0; i++)
		r = load_named(policy, dirfd, dir, names[i]->d_name, err);
	if (r == 0)
		r = check_whole(policy, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(policy);
	return 0;
}

static int byte_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* alphasort() would depend on the locale */
}

int berth_policy_load(const char *etc, struct berth_policy **ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *dir = NULL;
	BERTH_CLEANUP(berth_closep) int fd = -1;
	struct dirent **names = NULL;
	int nr, r;

	if (asprintf(&dir, "%s/policy.d", etc) < 0)
		return no_memory(err);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*ret = policy_new(0);
		return *ret ? 0 : no_memory(err);
	}
	if (fd < 0)
		return berth_err_set(err, -errno, "policy folder %s: %s", dir, strerror(errno));
	nr = scandirat(fd, ".", &names, is_policy_file, byte_order);
	if (nr < 0)
		return berth_err_set(err, -errno, "policy folder %s: %s", dir, strerror(errno));
	r = load_names(fd, dir, names, (size_t)nr, ret, err);
	for (int i = 0; i < nr; i++)
		free(names[i]);
	free(names);
	return r;
}
