/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that several kinds of entries have: names, texts, numbers, spans and moments of time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/glob.h"
#include "policy/load.h"
#include "policy/read.h"
#include "policy/when.h"

#define NAME_LEN_MAX 63
#define VM_LEN_MAX   128
#define TEXTS_MAX    256

/* --- texts --- */

static int read_text(const struct berth_json_at *at, const char *(*check)(const char *), char **ret,
		     struct berth_err *err)
{
	const char *wrong;

	if (!json_is_string(at->value))
		return berth_json_bad(at, err, "must be a string");
	wrong = check(json_string_value(at->value));
	if (wrong)
		return berth_json_bad(at, err, "%s", wrong);
	*ret = strdup(json_string_value(at->value));
	return *ret ? 0 : berth_read_no_memory(err);
}

int berth_read_texts(const struct berth_json_at *at, const char *(*check)(const char *),
		     char ***ret, struct berth_err *err)
{
	bool array = json_is_array(at->value);
	size_t nr = array ? json_array_size(at->value) : 1;
	int r = 0;

	if (nr == 0 || nr > TEXTS_MAX)
		return berth_json_bad(at, err, "must have 1 to %d elements", TEXTS_MAX);
	*ret = calloc(nr + 1, sizeof(**ret));
	if (!*ret)
		return berth_read_no_memory(err);
	for (size_t i = 0; i < nr && r == 0; i++) {
		struct berth_json_at element = berth_json_element(at, i);

		r = read_text(array ? &element : at, check, &(*ret)[i], err);
	}
	return r;
}

/* Names appear on command lines next to BDFs, paths and "pool:NAME". */
const char *berth_read_check_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (name[len] || !len || len > NAME_LEN_MAX || strchr("._-", name[0]))
		return "must be 1 to 63 letters, digits, '.', '_' or '-', and start with a letter or digit";
	return NULL;
}

static const char *check_vms(const char *glob)
{
	if (!*glob || strlen(glob) > VM_LEN_MAX)
		return "must be the name of a VM or a pattern for names, up to 128 characters";
	if (*glob == '@')
		return "must not start with '@', which no VM's name does";
	if (!berth_glob_valid(glob))
		return "has a '[' that is never closed";
	return NULL;
}

static const char *check_vm(const char *name)
{
	if (berth_glob_is(name))
		return "must be the name of one VM, not a pattern";
	return check_vms(name);
}

int berth_read_name(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	(void)reader;
	return read_text(at, berth_read_check_name, into, err);
}

int berth_read_names(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	(void)reader;
	return berth_read_texts(at, berth_read_check_name, into, err);
}

int berth_read_vm(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		  struct berth_err *err)
{
	(void)reader;
	return read_text(at, check_vm, into, err);
}

int berth_read_vms(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		   struct berth_err *err)
{
	(void)reader;
	return berth_read_texts(at, check_vms, into, err);
}

/* Words for people, kept nowhere: a string or an array of strings. */
int berth_read_comment(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	(void)reader, (void)into;
	if (json_is_string(at->value))
		return 0;
	if (!json_is_array(at->value))
		return berth_json_bad(at, err, "must be a string or an array of strings");
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct berth_json_at line = berth_json_element(at, i);

		if (!json_is_string(line.value))
			return berth_json_bad(&line, err, "must be a string");
	}
	return 0;
}

/* "must be "a", "b" or "c"" */
static int bad_word(const struct berth_json_at *at, const char *const *words, struct berth_err *err)
{
	char list[256] = "";
	size_t n = 0;

	for (size_t i = 0; words[i] && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s\"%s\"",
				      i == 0	   ? "" :
				      words[i + 1] ? ", " :
						     " or ",
				      words[i]);
	return berth_json_bad(at, err, "must be %s", list);
}

int berth_read_word(const struct berth_json_at *at, const char *const *words, int *ret,
		    struct berth_err *err)
{
	if (!json_is_string(at->value))
		return berth_json_bad(at, err, "must be a string");
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], json_string_value(at->value)) == 0) {
			*ret = i;
			return 0;
		}
	}
	return bad_word(at, words, err);
}

/* --- numbers --- */

int berth_read_number(const struct berth_json_at *at, int64_t min, int64_t max, int64_t *ret,
		      struct berth_err *err)
{
	if (!json_is_integer(at->value))
		return berth_json_bad(at, err, "must be a whole number");
	if (json_integer_value(at->value) < min || json_integer_value(at->value) > max)
		return berth_json_bad(at, err, "must be from %lld to %lld", (long long)min,
				      (long long)max);
	*ret = json_integer_value(at->value);
	return 0;
}

static int read_unsigned(const struct berth_json_at *at, int64_t min, unsigned int *into,
			 struct berth_err *err)
{
	int64_t number = 0;
	int r = berth_read_number(at, min, BERTH_POLICY_MAX_ENTRIES, &number, err);

	*into = (unsigned int)number;
	return r;
}

int berth_read_count(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	(void)reader;
	return read_unsigned(at, 1, into, err);
}

int berth_read_limit(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	(void)reader;
	return read_unsigned(at, 0, into, err);
}

int berth_read_priority(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	int64_t number = 0;
	int r = berth_read_number(at, 0, BERTH_POLICY_MAX_PRIORITY, &number, err);

	(void)reader;
	*(int *)into = (int)number;
	return r;
}

int berth_read_bool(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	(void)reader;
	if (!json_is_boolean(at->value))
		return berth_json_bad(at, err, "must be true or false");
	*(bool *)into = json_is_true(at->value);
	return 0;
}

/* --- time --- */

int berth_read_span(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	(void)reader;
	if (json_is_string(at->value) && berth_span_parse(json_string_value(at->value), into) == 0)
		return 0;
	return berth_json_bad(at, err, "%s", BERTH_SPAN_WANT);
}

int berth_read_moment(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	(void)reader;
	if (json_is_string(at->value) &&
	    berth_moment_parse(json_string_value(at->value), into) == 0)
		return 0;
	return berth_json_bad(at, err, "%s", BERTH_MOMENT_WANT);
}

/* --- others --- */

int berth_read_match(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	(void)reader;
	if (!json_is_object(at->value))
		return berth_json_bad(at, err, "must be an object");
	return berth_match_load(at, into, err);
}

int berth_read_numa(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	static const char *const words[] = { "none", "preferred", "required", NULL };
	static const enum berth_numa_wish wishes[] = { BERTH_NUMA_NONE, BERTH_NUMA_PREFERRED,
						       BERTH_NUMA_REQUIRED };
	int word, r = berth_read_word(at, words, &word, err);

	(void)reader;
	if (r == 0)
		*(enum berth_numa_wish *)into = wishes[word];
	return r;
}

/* --- selectors --- */

static int sel_twice(const struct berth_json_at *at, struct berth_err *err)
{
	return berth_json_bad(at, err,
			      "must have one of \"device\", \"class\", \"pool\", \"match\" and "
			      "\"any_device\"");
}

int berth_read_sel_check(const struct berth_json_at *at, struct berth_err *err)
{
	static const char *const keys[] = { "device", "class", "pool", "match", "any_device" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(keys); i++) {
		if (json_object_get(at->value, keys[i]))
			return 0;
	}
	return sel_twice(at, err);
}

static int sel_names(const struct berth_json_at *at, enum berth_resource kind,
		     struct berth_selector *sel, struct berth_err *err)
{
	if (sel->names || sel->match)
		return sel_twice(at->up, err);
	sel->kind = kind;
	return berth_read_texts(at, berth_read_check_name, &sel->names, err);
}

int berth_read_sel_device(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err)
{
	(void)reader;
	return sel_names(at, BERTH_RESOURCE_DEVICE, into, err);
}

int berth_read_sel_class(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	(void)reader;
	return sel_names(at, BERTH_RESOURCE_CLASS, into, err);
}

int berth_read_sel_pool(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	(void)reader;
	return sel_names(at, BERTH_RESOURCE_POOL, into, err);
}

int berth_read_sel_match(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	struct berth_selector *sel = into;

	if (sel->names || sel->match)
		return sel_twice(at->up, err);
	sel->kind = BERTH_RESOURCE_MATCH;
	return berth_read_match(reader, at, &sel->match, err);
}

int berth_read_sel_any(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	struct berth_selector *sel = into;
	bool any = false;
	int r = berth_read_bool(reader, at, &any, err);

	if (r < 0)
		return r;
	if (sel->names || sel->match)
		return sel_twice(at->up, err);
	if (!any)
		return berth_json_bad(at, err, "\"any_device\" can only be true");
	sel->kind = BERTH_RESOURCE_MATCH;
	return berth_match_new_any(&sel->match) == 0 ? 0 : berth_read_no_memory(err);
}
