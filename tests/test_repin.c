/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "policy/load.h"
#include "policy/repin.h"
#include "tests/lib/tmp.h"

static const struct berth_facts host[] = {
	{ .bdf = "0000:01:00.0", .path = "PC00/01.0/00.0", .serial = "one" },
	{ .bdf = "0000:02:00.0", .path = "PC00/02.0/00.0", .serial = "two" },
	{ .bdf = "0000:03:00.0", .path = "PC00/03.0/00.0", .serial = "both" },
	{ .bdf = "0000:04:00.0", .path = "PC00/04.0/00.0", .serial = "both" },
	{ .bdf = "0000:05:00.0", .path = NULL, .serial = "nowhere" },
};

struct fixture {
	char *dir, file[512];
	struct berth_policy *policy;
	struct berth_repin repin;
	struct berth_err err;
};

/* What happens when the new text is on its way to the disk. */
static void (*at_fsync)(struct fixture *f);
static struct fixture *at_fsync_of;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	void (*hook)(struct fixture * f) = at_fsync;

	at_fsync = NULL;
	if (!hook)
		return __real_fsync(fd);
	hook(at_fsync_of);
	return errno ? -1 : __real_fsync(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = tmp_new();
	tmp_path(f->dir, "10-a.json", f->file, sizeof(f->file));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_policy_free(f->policy);
	tmp_free(f->dir);
	free(f);
	return 0;
}

static void load(struct fixture *f, const char *text)
{
	const char *paths[1] = { f->file };

	tmp_text(f->dir, "10-a.json", text);
	berth_policy_free(f->policy);
	f->policy = NULL;
	if (berth_policy_load_files(paths, 1, &f->policy, &f->err))
		fail_msg("%s", f->err.text);
}

static int find(struct fixture *f, const char *name)
{
	return berth_repin_find(f->policy, name, host, BERTH_ARRAY_SIZE(host), &f->repin, &f->err);
}

static void assert_text(const struct fixture *f, const char *want)
{
	char text[1024] = "";
	FILE *file = fopen(f->file, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, want);
}

/* The old path is in a comment, in another entry and, escaped, in its own; no newline at the end. */
#define BEFORE                                                                                     \
	"{ \"version\": 1,\t\"comment\": \"PC00/02.0/00.0 \xc3\xa9\",\r\n\n"                       \
	"  \"devices\": [ { \"name\": \"y\", \"match\": { \"pci.path\": \"PC00/02.0/00.0\" } },\n" \
	" {\"name\":\"x\", \"expect\":{\"serial\":\"one\"}, \"match\" :{ \"pci.path\" :"
#define AFTER " }} ]   }"

static void one_text_changes_and_every_other_byte_stays(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	load(f, BEFORE "\"PC00\\/02.0/00.0\"" AFTER);
	assert_int_equal(chmod(f->file, 0640), 0);
	assert_int_equal(find(f, "x"), 0);
	assert_string_equal(f->repin.file + strlen(f->repin.file) - 10, "/10-a.json");
	assert_int_equal(f->repin.line, 4);
	assert_int_equal(f->repin.column, 65);
	assert_string_equal(f->repin.was, "PC00/02.0/00.0");
	assert_string_equal(f->repin.now, "PC00/01.0/00.0");
	assert_text(f, BEFORE "\"PC00\\/02.0/00.0\"" AFTER);

	assert_int_equal(berth_repin_write(&f->repin, &f->err), 0);
	assert_text(f, BEFORE "\"PC00/01.0/00.0\"" AFTER);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static int count_files(const char *dir)
{
	DIR *d = opendir(dir);
	int nr = 0;

	assert_non_null(d);
	while (readdir(d))
		nr++;
	closedir(d);
	return nr - 2;
}

static void a_file_that_has_changed_meanwhile_is_left_alone(void **state)
{
	static const char other[] = "{ \"version\": 1, \"devices\": [ { \"name\": \"z\", \"match\":"
				    " { \"pci.path\": \"PC00/02.0/00.0\" } } ] }";
	struct fixture *f = *state;

	load(f, BEFORE "\"PC00/02.0/00.0\"" AFTER);
	assert_int_equal(find(f, "x"), 0);
	tmp_text(f->dir, "10-a.json", other);
	assert_int_equal(berth_repin_write(&f->repin, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "device \"x\" is no longer at /devices/1"));
	assert_text(f, other);
	berth_err_clear(&f->err);
	tmp_text(f->dir, "10-a.json", BEFORE "\"PC00/07.0/00.0\"" AFTER);
	assert_int_equal(berth_repin_write(&f->repin, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "is not the text \"PC00/02.0/00.0\" alone"));
	assert_text(f, BEFORE "\"PC00/07.0/00.0\"" AFTER);
	assert_int_equal(count_files(f->dir), 1);
}

static void edit(struct fixture *f)
{
	tmp_text(f->dir, "10-a.json", BEFORE "\"PC00/08.0/00.0\"" AFTER);
	errno = 0;
}

static void fail_to_sync(struct fixture *f)
{
	(void)f;
	errno = EIO;
}

static void whoever_saves_the_file_in_the_last_moment_wins(void **state)
{
	struct fixture *f = *state;

	load(f, BEFORE "\"PC00/02.0/00.0\"" AFTER);
	assert_int_equal(find(f, "x"), 0);
	at_fsync = edit;
	at_fsync_of = f;
	assert_int_equal(berth_repin_write(&f->repin, &f->err), -EBUSY);
	assert_text(f, BEFORE "\"PC00/08.0/00.0\"" AFTER);
	assert_int_equal(count_files(f->dir), 1);
}

static void a_disk_that_fails_leaves_the_old_file(void **state)
{
	struct fixture *f = *state;

	load(f, BEFORE "\"PC00/02.0/00.0\"" AFTER);
	assert_int_equal(find(f, "x"), 0);
	at_fsync = fail_to_sync;
	assert_int_equal(berth_repin_write(&f->repin, &f->err), -EIO);
	assert_text(f, BEFORE "\"PC00/02.0/00.0\"" AFTER);
	assert_int_equal(count_files(f->dir), 1);
}

/* What a link points to is replaced, not the link. */
static void a_link_stays_a_link(void **state)
{
	struct fixture *f = *state;
	char link[512];
	struct stat st;

	load(f, BEFORE "\"PC00/02.0/00.0\"" AFTER);
	tmp_path(f->dir, "link.json", link, sizeof(link));
	assert_int_equal(symlink(f->file, link), 0);
	berth_policy_free(f->policy);
	f->policy = NULL;
	assert_int_equal(berth_policy_load_files((const char *[]){ link }, 1, &f->policy, &f->err),
			 0);
	assert_int_equal(find(f, "x"), 0);
	assert_int_equal(berth_repin_write(&f->repin, &f->err), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_text(f, BEFORE "\"PC00/01.0/00.0\"" AFTER);
	assert_int_equal(count_files(f->dir), 2);
}

static void what_is_not_certain_is_refused(void **state)
{
	static const struct {
		const char *device;
		int r;
		const char *text;
	} rows[] = {
		{ "\"match\": { \"pci.path\": \"PC00/01.0/00.0\" }, \"expect\": { \"serial\": "
		  "\"one\" }",
		  BERTH_REFUSED, "has not moved" },
		{ "\"match\": { \"pci.path\": \"PC00/09.0/00.0\" }, \"expect\": { \"serial\": "
		  "\"six\" }",
		  BERTH_REFUSED, "no device here has its serial six" },
		{ "\"match\": { \"pci.path\": \"PC00/09.0/00.0\" }", BERTH_REFUSED,
		  "asks for no serial number" },
		{ "\"match\": { \"pci.path\": \"PC00/09.0/00.0\" }, \"expect\": { \"serial\": "
		  "\"both\" }",
		  BERTH_REFUSED, "2 devices here have its serial both" },
		{ "\"match\": { \"pci.bdf\": \"09:00.0\" }, \"expect\": { \"serial\": \"one\" }",
		  BERTH_REFUSED, "does not ask for one \"pci.path\"" },
		{ "\"match\": { \"pci.path\": \"PC00/09.*\" }, \"expect\": { \"serial\": \"one\" }",
		  BERTH_REFUSED, "does not ask for one \"pci.path\"" },
		{ "\"match\": { \"pci.path\": [ \"a\", \"b\" ] }, \"expect\": { \"serial\": \"one\" "
		  "}",
		  BERTH_REFUSED, "does not ask for one \"pci.path\"" },
		{ "\"match\": { \"pci.path\": \"PC00/09.0/00.0\" }, \"expect\": { \"serial\": "
		  "\"nowhere\" }",
		  BERTH_REFUSED, "0000:05:00.0, which has no path" },
		{ "\"match\": { \"pci.path\": [ \"PC00/09.0/00.0\" ] }, \"expect\": { \"serial\": "
		  "\"one\" }",
		  -EINVAL, "change it by hand" },
	};
	struct fixture *f = *state;
	char text[512];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		snprintf(text, sizeof(text),
			 "{ \"version\": 1, \"devices\": [ { \"name\": \"x\", %s } ] }",
			 rows[i].device);
		load(f, text);
		berth_err_clear(&f->err);
		if (find(f, "x") != rows[i].r || !strstr(f->err.text, rows[i].text))
			fail_msg("row %zu: %s", i, f->err.text);
	}
	assert_int_equal(find(f, "xx"), BERTH_ABSENT);
}

#define with_folder(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(one_text_changes_and_every_other_byte_stays),
		with_folder(a_file_that_has_changed_meanwhile_is_left_alone),
		with_folder(whoever_saves_the_file_in_the_last_moment_wins),
		with_folder(a_disk_that_fails_leaves_the_old_file),
		with_folder(a_link_stays_a_link),
		with_folder(what_is_not_certain_is_refused),
	};

	return cmocka_run_group_tests_name("policy/repin", tests, NULL, NULL);
}
