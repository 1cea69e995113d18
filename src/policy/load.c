/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"
#include "policy/read.h"
#include "policy/whole.h"

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
		r = berth_policy_check_whole(policy, err);
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
		r = berth_policy_check_whole(policy, err);
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
