/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "base/host.h"
#include "base/json.h"
#include "policy/read.h"
#include "policy/whole.h"

static const struct berth_json_limits limits = {
	.max_bytes = BERTH_POLICY_MAX_FILE_BYTES,
	.max_depth = BERTH_POLICY_MAX_DEPTH,
};

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "policy: out of memory");
}

/* --- one file --- */

/* A policy that is being read. */
struct loader {
	struct berth_policy *policy; /* owned */
	size_t bytes;		     /* of the files so far */
};

static int loader_init(struct loader *loader, size_t nr_files, struct berth_err *err)
{
	*loader = (struct loader){ .policy = calloc(1, sizeof(*loader->policy)) };
	if (loader->policy)
		loader->policy->files = calloc(nr_files + 1, sizeof(*loader->policy->files));
	return loader->policy && loader->policy->files ? 0 : no_memory(err);
}

static void loader_done(struct loader *loader)
{
	berth_policy_free(loader->policy);
}

/* A file of claims.d: nothing but the claim of the VM that it is named after, @vm. */
static int check_claim_file(const struct berth_json *doc, const char *vm, struct berth_err *err)
{
	struct berth_json_at root = berth_json_root(doc), claims, claim, name;
	int r = berth_json_only(&root,
				(const char *const[]){ "version", "comment", "claims", NULL }, err);

	if (r == 0)
		r = berth_json_need(&root, "claims",
				    berth_json_get_array(&root, "claims", &claims, err), err);
	if (r < 0)
		return r;
	if (json_array_size(claims.value) != 1)
		return berth_json_bad(&claims, err, "must be one claim, that of the VM \"%s\"", vm);
	claim = berth_json_element(&claims, 0);
	name = berth_json_member(&claim, "vm");
	if (!json_is_string(name.value) || strcmp(json_string_value(name.value), vm) == 0)
		return 0; /* what it is instead is for berth_policy_read() to say */
	return berth_json_bad(&name, err, "must be \"%s\", as the file is named", vm);
}

/* @vm: NULL, or this is a file of claims.d. */
static int load_file(struct loader *loader, int dirfd, const char *name, const char *shown,
		     const char *vm, struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	struct berth_policy *policy = loader->policy;
	char *file = strdup(shown);
	int r;

	if (!file)
		return no_memory(err);
	policy->files[policy->nr_files++] = file;
	r = berth_json_load_file(dirfd, name, shown, &limits, &doc, err);
	if (r < 0)
		return r;
	loader->bytes += doc->len;
	if (loader->bytes > BERTH_POLICY_MAX_BYTES)
		return berth_err_set(err, -EFBIG,
				     "%s:1:1: with this file the policy is larger than %d KiB",
				     shown, BERTH_POLICY_MAX_BYTES / 1024);
	r = vm ? check_claim_file(doc, vm, err) : 0;
	return r < 0 ? r : berth_policy_read(policy, file, doc, err);
}

static int finish(struct loader *loader, struct berth_policy **ret, struct berth_err *err)
{
	int r = berth_policy_check_whole(loader->policy, err);

	if (r == 0)
		*ret = BERTH_TAKE_PTR(loader->policy);
	return r;
}

int berth_policy_load_files(const char *const *paths, size_t nr, struct berth_policy **ret,
			    struct berth_err *err)
{
	BERTH_CLEANUP(loader_done) struct loader loader;
	int r = loader_init(&loader, nr, err);

	for (size_t i = 0; i < nr && r == 0; i++)
		r = load_file(&loader, AT_FDCWD, paths[i], paths[i], NULL, err);
	return r == 0 ? finish(&loader, ret, err) : r;
}

/* --- the folders --- */

/* A folder of policy files. */
struct folder {
	char *path; /* owned */
	int fd;	    /* owned, -1 when there is none */
	bool claims;
};

/* A file in force, or one that only hides others. */
struct source {
	const struct folder *folder; /* borrowed */
	char *name;		     /* owned */
	char *path;		     /* owned */
	bool hides;
};

struct search {
	struct folder folders[6];
	size_t nr_folders;
	struct source *sources; /* owned */
	size_t nr;
	struct berth_policy_mask *masks; /* owned; handed to the policy */
	size_t nr_masks;
};

static void search_done(struct search *s)
{
	for (size_t i = 0; i < s->nr_folders; i++) {
		free(s->folders[i].path);
		berth_closep(&s->folders[i].fd);
	}
	for (size_t i = 0; i < s->nr; i++) {
		free(s->sources[i].name);
		free(s->sources[i].path);
	}
	free(s->sources);
	for (size_t i = 0; i < s->nr_masks; i++) {
		free(s->masks[i].file);
		free(s->masks[i].by);
	}
	free(s->masks);
}

/* Whoever can write a policy file owns every device of the host. */
static int check_owner(const struct stat *st, const char *shown, struct berth_err *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return berth_err_set(err, -EPERM, "%s: belongs to user %u; run 'chown root %s'",
				     shown, (unsigned int)st->st_uid, shown);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return berth_err_set(err, -EPERM,
				     "%s: others may write to it (mode %03o); run 'chmod go-w %s'",
				     shown, st->st_mode & 0777, shown);
	return 0;
}

static const struct source *find_source(const struct search *s, const struct folder *folder,
					const char *name)
{
	for (size_t i = 0; i < s->nr; i++) {
		if (s->sources[i].folder->claims == folder->claims &&
		    strcmp(s->sources[i].name, name) == 0)
			return &s->sources[i];
	}
	return NULL;
}

/* As systemd's users know it: an empty file, or a link to /dev/null. */
static bool only_hides(const struct stat *st)
{
	return (S_ISREG(st->st_mode) && st->st_size == 0) ||
	       (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

static int add_mask(struct search *s, char *path, const char *by, struct berth_err *err)
{
	struct berth_policy_mask *bigger = reallocarray(s->masks, s->nr_masks + 1, sizeof(*bigger));
	char *by_copy = strdup(by);

	if (bigger)
		s->masks = bigger;
	if (!bigger || !by_copy) {
		free(path);
		free(by_copy);
		return no_memory(err);
	}
	s->masks[s->nr_masks++] = (struct berth_policy_mask){ .file = path, .by = by_copy };
	return 0;
}

/* Folders come strongest first: who has the name already hides this one. */
static int add_file(struct search *s, const struct folder *folder, const char *name,
		    struct berth_err *err)
{
	const struct source *stronger = find_source(s, folder, name);
	struct source *bigger;
	struct stat st;
	char *path;
	int r;

	if (s->nr + s->nr_masks >= BERTH_POLICY_MAX_FILES)
		return berth_err_set(err, -E2BIG, "%s: more than %d policy files", folder->path,
				     BERTH_POLICY_MAX_FILES);
	if (asprintf(&path, "%s/%s", folder->path, name) < 0)
		return no_memory(err);
	if (stronger)
		return add_mask(s, path, stronger->path, err);
	bigger = reallocarray(s->sources, s->nr + 1, sizeof(*bigger));
	if (!bigger) {
		free(path);
		return no_memory(err);
	}
	s->sources = bigger;
	s->sources[s->nr] = (struct source){ .folder = folder, .path = path, .name = strdup(name) };
	if (!s->sources[s->nr++].name)
		return no_memory(err);
	if (fstatat(folder->fd, name, &st, 0) < 0)
		return berth_err_set(err, -errno, "%s: %s", path, strerror(errno));
	s->sources[s->nr - 1].hides = only_hides(&st);
	r = S_ISREG(st.st_mode) ? check_owner(&st, path, err) : 0;
	return r;
}

static int is_policy_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && strcmp(d->d_name + len - 5, ".json") == 0;
}

static int byte_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* alphasort() would depend on the locale */
}

static int add_files(struct search *s, const struct folder *folder, struct berth_err *err)
{
	struct dirent **names = NULL;
	int nr, r = 0;

	nr = scandirat(folder->fd, ".", &names, is_policy_file, byte_order);
	if (nr < 0)
		return berth_err_set(err, -errno, "policy folder %s: %s", folder->path,
				     strerror(errno));
	for (int i = 0; i < nr; i++) {
		if (r == 0)
			r = add_file(s, folder, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return r;
}

static int add_folder(struct search *s, const char *base, const char *name, struct berth_err *err)
{
	struct folder *folder = &s->folders[s->nr_folders];
	struct stat st;
	int r;

	*folder = (struct folder){ .fd = -1, .claims = strcmp(name, "claims.d") == 0 };
	if (asprintf(&folder->path, "%s/%s", base, name) < 0)
		return no_memory(err);
	s->nr_folders++;
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0 && errno == ENOENT)
		return 0;
	if (folder->fd < 0 || fstat(folder->fd, &st) < 0)
		return berth_err_set(err, -errno, "policy folder %s: %s", folder->path,
				     strerror(errno));
	r = check_owner(&st, folder->path, err);
	return r == 0 ? add_files(s, folder, err) : r;
}

static int cmp_source(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

static int load_source(struct loader *loader, const struct source *source, struct berth_err *err)
{
	size_t len = strlen(source->name) - strlen(".json");
	char vm[NAME_MAX + 1];

	snprintf(vm, sizeof(vm), "%.*s", (int)len, source->name);
	return load_file(loader, source->folder->fd, source->name, source->path,
			 source->folder->claims ? vm : NULL, err);
}

static int load_sources(struct search *s, struct berth_policy **ret, struct berth_err *err)
{
	BERTH_CLEANUP(loader_done) struct loader loader;
	int r = loader_init(&loader, s->nr, err);

	if (s->nr)
		qsort(s->sources, s->nr, sizeof(*s->sources), cmp_source);
	for (size_t i = 0; i < s->nr && r == 0; i++) {
		if (!s->sources[i].hides)
			r = load_source(&loader, &s->sources[i], err);
	}
	if (r < 0)
		return r;
	loader.policy->masks = BERTH_TAKE_PTR(s->masks);
	loader.policy->nr_masks = s->nr_masks;
	s->nr_masks = 0;
	return finish(&loader, ret, err);
}

int berth_policy_load(const struct berth_host *host, struct berth_policy **ret,
		      struct berth_err *err)
{
	static const char *const names[] = { "policy.d", "claims.d" };
	const char *const bases[] = { host->run, host->etc, host->lib }; /* strongest first */
	BERTH_CLEANUP(search_done) struct search s = { 0 };
	int r = 0;

	for (size_t n = 0; n < BERTH_ARRAY_SIZE(names); n++) {
		for (size_t b = 0; b < BERTH_ARRAY_SIZE(bases) && r == 0; b++)
			r = add_folder(&s, bases[b], names[n], err);
	}
	return r == 0 ? load_sources(&s, ret, err) : r;
}
