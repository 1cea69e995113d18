/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/repin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/json_text.h"
#include "policy/glob.h"
#include "policy/load.h"

static const struct berth_json_limits limits = { .max_bytes = BERTH_POLICY_MAX_FILE_BYTES,
						 .max_depth = BERTH_POLICY_MAX_DEPTH };

/* --- the place in the file --- */

/* Where a value begins and ends. */
struct token {
	size_t at, end;
	unsigned int line, column;
};

/* The pci.path of the entry's match, whose text must be @was. Return: 0; -EINVAL. */
static int find_token(const struct berth_json *doc, const struct berth_group_entry *entry,
		      const char *was, struct token *ret, struct berth_err *err)
{
	struct berth_json_at root = berth_json_root(doc), devices, device, match, path;
	size_t index = 0;
	const char *text;

	if (sscanf(entry->origin.pointer, "/devices/%zu", &index) != 1)
		return berth_json_bad(&root, err, "there is no %s", entry->origin.pointer);
	devices = berth_json_member(&root, "devices");
	device = berth_json_element(&devices, index);
	match = berth_json_member(&device, "match");
	path = berth_json_member(&match, "pci.path");
	text = json_string_value(json_object_get(device.value, "name"));
	if (!text || strcmp(text, entry->name) != 0)
		return berth_json_bad(&root, err, "device \"%s\" is no longer at %s", entry->name,
				      entry->origin.pointer);
	text = json_string_value(path.value);
	if (!text || strcmp(text, was) != 0)
		return berth_json_bad(&device, err,
				      "\"pci.path\" in \"match\" of \"%s\" is not the text \"%s\" "
				      "alone; change it by hand",
				      entry->name, was);
	ret->at = berth_json_offset(&path);
	ret->end = berth_json_text_skip_string(doc->text, doc->len, ret->at);
	berth_json_where(&path, &ret->line, &ret->column);
	return 0;
}

/* --- what to write --- */

static int refuse(const struct berth_group_entry *entry, const struct berth_moved *moved,
		  const struct berth_facts *facts, struct berth_err *err)
{
	const char *now = facts[moved->now].path;

	if (!moved->serial)
		return berth_err_set(err, BERTH_REFUSED,
				     "device \"%s\" (%s) asks for no serial number without "
				     "wildcards that it could be recognized by",
				     entry->name, BERTH_ORIGIN_STR(&entry->origin));
	if (!moved->nr)
		return berth_err_set(
			err, BERTH_REFUSED,
			"device \"%s\" (%s) has not moved: it is where policy says, or "
			"no device here has its %s %s",
			entry->name, BERTH_ORIGIN_STR(&entry->origin), moved->attribute,
			moved->serial);
	if (moved->nr > 1)
		return berth_err_set(err, BERTH_REFUSED,
				     "device \"%s\" (%s): %zu devices here have its %s %s; change "
				     "the file by hand",
				     entry->name, BERTH_ORIGIN_STR(&entry->origin), moved->nr,
				     moved->attribute, moved->serial);
	if (!moved->was)
		return berth_err_set(err, BERTH_REFUSED,
				     "\"match\" of device \"%s\" (%s) does not ask for one "
				     "\"pci.path\" without wildcards; change the file by hand",
				     entry->name, BERTH_ORIGIN_STR(&entry->origin));
	if (!now || berth_glob_is(now))
		return berth_err_set(err, BERTH_REFUSED,
				     "device \"%s\" (%s) is now at %s, which has no path that a "
				     "match can name",
				     entry->name, BERTH_ORIGIN_STR(&entry->origin),
				     facts[moved->now].bdf);
	return 0;
}

int berth_repin_find(const struct berth_policy *policy, const char *name,
		     const struct berth_facts *facts, size_t nr, struct berth_repin *ret,
		     struct berth_err *err)
{
	const struct berth_group_entry *entry = berth_policy_device(policy, name);
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	struct token token;
	int r;

	if (!entry)
		return berth_err_set(err, BERTH_ABSENT, "there is no device \"%s\" in the policy",
				     name);
	*ret = (struct berth_repin){ .file = "" };
	berth_moved_find(entry, facts, nr, &ret->moved);
	r = refuse(entry, &ret->moved, facts, err);
	if (r != 0)
		return r;
	if (!realpath(entry->origin.file, ret->file))
		return berth_err_set(err, -errno, "%s: %s", entry->origin.file, strerror(errno));
	r = berth_json_load_file(AT_FDCWD, ret->file, NULL, &limits, &doc, err);
	if (r == 0)
		r = find_token(doc, entry, ret->moved.was, &token, err);
	if (r < 0)
		return r;
	ret->entry = entry;
	ret->line = token.line;
	ret->column = token.column;
	ret->was = ret->moved.was;
	ret->device = ret->moved.now;
	ret->now = facts[ret->device].path;
	return 0;
}

/* --- writing it --- */

static int failed(const char *what, const char *path, struct berth_err *err)
{
	return berth_err_set(err, -errno, "%s %s: %s", what, path, strerror(errno));
}

/* The document with @now in place of the token, synced. */
static int write_text(int fd, const struct berth_json *doc, const struct token *token,
		      const char *now)
{
	json_t *value = json_string(now);
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	int r = text ? 0 : -ENOMEM;

	if (r == 0)
		r = berth_write_all(fd, doc->text, token->at);
	if (r == 0)
		r = berth_write_all(fd, text, strlen(text));
	if (r == 0)
		r = berth_write_all(fd, doc->text + token->end, doc->len - token->end);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	free(text);
	json_decref(value);
	return r;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* After a power cut the folder has the one or the other, and the new one for sure after this. */
static int sync_folder(const char *file, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", (int)(strrchr(file, '/') - file) + 1, file);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? failed("syncing", path, err) : 0;
}

/* @fd, of the file @path beside it, becomes the file, unless that is no longer the one that @was describes. */
static int take_place(const struct berth_repin *repin, int fd, const char *path,
		      const struct stat *was, struct berth_err *err)
{
	struct stat st;

	if (fchown(fd, was->st_uid, was->st_gid) < 0 || fchmod(fd, was->st_mode & 07777) < 0)
		return failed("owner and mode of", path, err);
	if (stat(repin->file, &st) < 0 || !same_file(&st, was))
		return berth_err_set(err, -EBUSY,
				     "%s: somebody else has changed it meanwhile; look at it, then "
				     "try again",
				     repin->file);
	return rename(path, repin->file) < 0 ? failed("replacing", repin->file, err) : 0;
}

static int replace(const struct berth_repin *repin, const struct berth_json *doc,
		   const struct token *token, const struct stat *was, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	const char *base = strrchr(repin->file, '/') + 1;
	char path[PATH_MAX];
	int r, n = snprintf(path, sizeof(path), "%.*s.%s.XXXXXX", (int)(base - repin->file),
			    repin->file, base);

	if (n < 0 || (size_t)n >= sizeof(path))
		return berth_err_set(err, -ENAMETOOLONG, "%s: the path is too long", repin->file);
	/* a name that no reader of the folder looks at */
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return failed("making", path, err);
	r = write_text(fd, doc, token, repin->now);
	if (r < 0)
		berth_err_set(err, r, "writing %s: %s", path, strerror(-r));
	else
		r = take_place(repin, fd, path, was, err);
	if (r < 0)
		unlink(path);
	return r < 0 ? r : sync_folder(repin->file, err);
}

int berth_repin_write(const struct berth_repin *repin, struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	struct token token;
	struct stat was;
	int r;

	if (stat(repin->file, &was) < 0)
		return failed("reading", repin->file, err);
	r = berth_json_load_file(AT_FDCWD, repin->file, NULL, &limits, &doc, err);
	if (r == 0)
		r = find_token(doc, repin->entry, repin->was, &token, err);
	return r == 0 ? replace(repin, doc, &token, &was, err) : r;
}
