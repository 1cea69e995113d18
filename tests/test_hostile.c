/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that were made to hurt, given to the real `berth policy check`: each is answered with one sentence, in less than a
 * second of processor time and less than 64 MiB of memory. What was measured is printed.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/tmp.h"

#define MIB	     (1024L * 1024)
#define MOST_CPU_MS  1000
#define MOST_KIB     (64 * 1024)
#define MOST_WALL_S  60 /* for a machine that does much else; then it hangs */
#define PATH_OF_FILE "policy.json"

/* The shadow of the address sanitizer is no memory of ours. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct fixture {
	char *dir;
	long cpu_ms, kib; /* the most so far */
	size_t nr;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(mkdir(TMP_PATH(f->dir, "sys"), 0755), 0);
	setenv("BERTH_ROOT", f->dir, 1);
	setenv("BERTH_LIB", TMP_PATH(f->dir, "lib"), 1);
	setenv("BERTH_ETC", TMP_PATH(f->dir, "etc"), 1);
	setenv("BERTH_STATE", TMP_PATH(f->dir, "state"), 1);
	setenv("BERTH_RUN", TMP_PATH(f->dir, "run"), 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	print_message("%zu files; at most %ld ms of processor time and %ld KiB each%s\n", f->nr,
		      f->cpu_ms, f->kib, SANITIZED ? " (with the sanitizer's own)" : "");
	tmp_free(f->dir);
	free(f);
	return 0;
}

/* --- running --- */

/* Exit code of `berth policy check FILE`, what it wrote to stderr in @said. */
static int check_file(struct fixture *f, const char *what, char *said, size_t size)
{
	const char *build = getenv("BERTH_BUILD");
	BERTH_CLEANUP(berth_freep) char *berth = NULL;
	char path[512], err[512];
	struct rusage usage;
	int status, fd;
	ssize_t n;
	pid_t pid;

	assert_true(asprintf(&berth, "%s/berth", build ? build : "build/gcc") > 0);
	tmp_path(f->dir, PATH_OF_FILE, path, sizeof(path));
	tmp_path(f->dir, "stderr", err, sizeof(err));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fd = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 2);
		dup2(open("/dev/null", O_WRONLY), 1);
		alarm(MOST_WALL_S);
		execl(berth, "berth", "policy", "check", path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	if (!WIFEXITED(status))
		fail_msg("%s: ended by signal %d", what, WTERMSIG(status));
	fd = open(err, O_RDONLY);
	n = read(fd, said, size - 1);
	close(fd);
	said[n > 0 ? n : 0] = '\0';
	f->nr++;
	long ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
		  (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
	f->cpu_ms = ms > f->cpu_ms ? ms : f->cpu_ms;
	f->kib = usage.ru_maxrss > f->kib ? usage.ru_maxrss : f->kib;
	if (ms >= MOST_CPU_MS * (SANITIZED ? 10 : 1))
		fail_msg("%s: %ld ms of processor time", what, ms);
	if (!SANITIZED && usage.ru_maxrss >= MOST_KIB)
		fail_msg("%s: %ld KiB", what, usage.ru_maxrss);
	return WEXITSTATUS(status);
}

/* Refused, with one sentence that has @want in it. */
static void refused(struct fixture *f, const char *what, const char *want)
{
	char said[4096];
	int code = check_file(f, what, said, sizeof(said));
	size_t len = strlen(said);

	if (code != 1 || !strstr(said, want))
		fail_msg("%s: exit code %d: \"%s\", wanted \"%s\"", what, code, said, want);
	if (strncmp(said, "berth policy: ", 14) || len < 2 || strchr(said, '\n') != said + len - 1)
		fail_msg("%s: no sentence: \"%s\"", what, said);
}

static void write_file(struct fixture *f, const void *data, size_t len)
{
	unlink(TMP_PATH(f->dir, PATH_OF_FILE));
	tmp_write(f->dir, PATH_OF_FILE, data, len);
}

/* @before, @nr times @again, @after. */
static void repeat(struct fixture *f, const char *before, const char *again, size_t nr,
		   const char *after)
{
	size_t n = strlen(before), one = strlen(again), end = strlen(after);
	BERTH_CLEANUP(berth_freep) char *text = malloc(n + nr * one + end + 1);

	memcpy(text, before, n);
	for (size_t i = 0; i < nr; i++)
		memcpy(text + n + i * one, again, one);
	memcpy(text + n + nr * one, after, end);
	write_file(f, text, n + nr * one + end);
}

#define V1 "{\"version\": 1, "

/* --- the files --- */

static void short_texts_that_are_no_policy(void **state)
{
#define TEXT(s) s, sizeof(s) - 1
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} rows[] = {
		{ TEXT(""), "expected near end of file" },
		{ TEXT(" \n\t"), "expected near end of file" },
		{ TEXT("{"), "expected near end of file" },
		{ TEXT("{\"version\": 1"), "expected near end of file" },
		{ TEXT("{\"version"), "premature end of input" },
		{ TEXT("{\"version\": 1}}"), "end of file expected" },
		{ TEXT("{\"version\": 1} {\"version\": 1}"), "end of file expected" },
		{ TEXT("{\"version\": 1, }"), "expected near '}'" },
		{ TEXT("{'version': 1}"), "expected near '''" },
		{ TEXT("# policy\n{\"version\": 1}"), "expected near '#'" },
		{ TEXT("/* x */ {\"version\": 1}"), "expected near '/'" },
		{ TEXT("\0"), "a NUL byte" },
		{ TEXT("{\"version\": 1}\0"), "a NUL byte" },
		{ TEXT("{\"version\": 1, \"comment\": \"a\0b\"}"), "/comment: a NUL byte" },
		{ TEXT("{\"version\": 1, \"com\0ment\": \"a\"}"), "a NUL byte" },
		{ TEXT("{\"version\": 1, \"comment\": \"\\u0000\"}"), "/comment: \\u0000 is not" },
		{ TEXT("{\"version\": 1, \"\\u0000\": \"\"}"), "NUL byte in object key" },
		{ TEXT("{\"version\": 1, \"version\": 1}"), "/version: duplicate object key" },
		{ TEXT("{\"version\": 1, \"vers\\u0069on\": 1}"),
		  "/version: duplicate object key" },
		{ TEXT("{\"version\": 1, \"rules\": [], \"rules\": []}"),
		  "/rules: duplicate object key" },
		{ TEXT("{\"version\": 1, \"rules\": [{\"name\": \"a\", \"name\": \"a\"}]}"),
		  "/rules/0/name: duplicate object key" },
		{ TEXT("{\"version\": 1e999}"), "/version: real number overflow" },
		{ TEXT("{\"version\": -1e999}"), "/version: real number overflow" },
		{ TEXT("{\"version\": 1e-999}"), "/version: must be a whole number" },
		{ TEXT("{\"version\": 1.0}"), "/version: must be a whole number" },
		{ TEXT("{\"version\": 9223372036854775808}"), "/version: too big integer" },
		{ TEXT("{\"version\": -9223372036854775809}"), "/version: too big negative" },
		{ TEXT("{\"version\": 01}"), "/version: invalid token" },
		{ TEXT("{\"version\": +1}"), "/version: invalid token" },
		{ TEXT("{\"version\": 0x1}"), "'}' expected near" },
		{ TEXT("{\"version\": Infinity}"), "/version: invalid token" },
		{ TEXT("{\"version\": \"\xff\"}"), "/version: unable to decode byte 0xff" },
		{ TEXT("{\"version\": \"\xc0\x80\"}"), "unable to decode byte 0xc0" },
		{ TEXT("{\"version\": \"\xed\xa0\x80\"}"), "unable to decode byte 0xed" },
		{ TEXT("{\"version\": \"\xf4\x90\x80\x80\"}"), "unable to decode byte 0xf4" },
		{ TEXT("{\"version\": \"\xe2\x82"), "unable to decode byte 0xe2" },
		{ TEXT("{\"\xff\": 1}"), "unable to decode byte 0xff" },
		{ TEXT("\xff\xfe{\0}\0"), "a NUL byte" },
		{ TEXT("{\"version\": \"\\ud800\"}"), "/version: invalid Unicode" },
		{ TEXT("{\"version\": \"\\udc00\"}"), "/version: invalid Unicode" },
		{ TEXT("{\"version\": \"\\ud800\\ud800\"}"), "/version: invalid Unicode" },
		{ TEXT("{\"version\": \"\\u12\"}"), "/version: invalid escape" },
		{ TEXT("{\"version\": \"\\x41\"}"), "/version: invalid escape" },
		{ TEXT("{\"version\": \"a\nb\"}"), "/version: unexpected newline" },
		{ TEXT("{\"version\": \"a\tb\"}"), "/version: control character 0x9" },
		{ TEXT("\xef\xbb\xbf{\"version\": 1}"), "a byte order mark" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		char what[16];

		snprintf(what, sizeof(what), "row %zu", i);
		write_file(f, rows[i].text, rows[i].len);
		refused(f, what, rows[i].want);
	}
}

static void depth(void **state)
{
	struct fixture *f = *state;

	repeat(f, "", "[", 2000, "");
	refused(f, "2,000 open arrays", "nested deeper than 32 levels");
	repeat(f, V1 "\"comment\": ", "[[", 1000, "1]");
	refused(f, "2,000 arrays in a comment", "nested deeper than 32 levels");
	repeat(f, "", "{\"a\":", 2000, "");
	refused(f, "2,000 objects", "nested deeper than 32 levels");
	repeat(f, "", "[", MIB, "");
	refused(f, "a MiB of open arrays", "nested deeper than 32 levels");
	repeat(f, V1 "\"classes\": [{\"name\": \"c\", \"match\": ", "{\"not\": ", 12,
	       "{\"serial\": \"x\"}}}}}}}}}}}}}}]}");
	refused(f, "12 times not", "/not/not: is nested deeper than 8 levels");
}

static void size(void **state)
{
	struct fixture *f = *state;
	int fd;

	repeat(f, "", " ", 64 * MIB, "");
	refused(f, "64 MiB of blanks", "larger than 1024 KiB");
	repeat(f, "\"", "x", MIB + 1, "\"");
	refused(f, "a string of a MiB", "larger than 1024 KiB");
	unlink(TMP_PATH(f->dir, PATH_OF_FILE));
	fd = open(TMP_PATH(f->dir, PATH_OF_FILE), O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, 1024 * MIB), 0);
	close(fd);
	refused(f, "a GiB with nothing in it", "larger than 1024 KiB");
	assert_int_equal(truncate(TMP_PATH(f->dir, PATH_OF_FILE), MIB), 0);
	refused(f, "a MiB with nothing in it", "a NUL byte");
	repeat(f, "", " ", MIB, "");
	refused(f, "a MiB of blanks", "expected near end of file");
	repeat(f, "", "\"", MIB, "");
	refused(f, "a MiB of quotes", "expected near");
	repeat(f, "[\"", "\\", MIB - 10, "");
	refused(f, "a MiB of backslashes", "premature end of input");
	repeat(f, "", "}", MIB, "");
	refused(f, "a MiB of closed objects", "expected near '}'");
}

static void long_words(void **state)
{
	struct fixture *f = *state;

	repeat(f, V1 "\"", "k", MIB - 100, "\": 1}");
	refused(f, "a key of a MiB", "unknown key \"kkkk");
	repeat(f, V1 "\"devices\": [{\"name\": \"", "n", MIB - 100, "\"}]}");
	refused(f, "a name of a MiB", "/devices/0/name: must be 1 to 63 letters");
	repeat(f, V1 "\"classes\": [{\"name\": \"c\", \"match\": {\"serial\": \"", "*", MIB - 100,
	       "\"}}]}");
	refused(f, "a pattern of a MiB", "/serial: is longer than 128 characters");
	repeat(f, "{\"version\": ", "9", 400, "}");
	refused(f, "a number of 400 digits", "/version: too big integer");
	repeat(f, "{\"version\": 0.", "9", 400, "}");
	refused(f, "a fraction of 400 digits", "/version: must be a whole number");
	repeat(f, "{\"version\": 1", "0", 400, ".5}");
	refused(f, "a real number of 400 digits", "/version: real number overflow");
	repeat(f, "{\"version\": ", "9", MIB - 100, "}");
	refused(f, "a number of a MiB", "/version: too big integer");
	repeat(f, "{\"version\": 1e", "9", MIB - 100, "}");
	refused(f, "an exponent of a MiB", "/version: real number overflow");
}

static void numbers_of_things(void **state)
{
	struct fixture *f = *state;
	BERTH_CLEANUP(berth_freep) char *text = malloc(2 * MIB);
	size_t n;

	repeat(f, V1 "\"devices\": [{}", ",{}", 99999, "]}");
	refused(f, "100,000 entries", "more than 65536 values");
	repeat(f, V1 "\"devices\": [{}", ",{}", 60000, "]}");
	refused(f, "60,000 entries", "/devices: there are more than 4096 of them");
	repeat(f, V1 "\"comment\": [{}", ",{}", 65000, "]}");
	refused(f, "65,000 objects", "/comment/0: must be a string");
	repeat(f, V1 "\"comment\": [[]", ",[]", 65000, "]}");
	refused(f, "65,000 arrays", "/comment/0: must be a string");
	repeat(f, V1 "\"classes\": [{\"name\": \"c\", \"match\": {\"serial\": [\"a\"", ",\"a\"",
	       60000, "]}}]}");
	refused(f, "60,000 values", "/serial: has more than 256 values");
	n = (size_t)sprintf(text, "{\"version\": 1");
	for (int i = 0; i < 60000; i++)
		n += (size_t)sprintf(text + n, ",\"k%d\":0", i);
	strcpy(text + n, "}");
	write_file(f, text, n + 1);
	refused(f, "60,000 keys", "unknown key \"k0\"");
	strcpy(text + n, ",\"k0\":0}");
	write_file(f, text, n + 8);
	refused(f, "60,001 keys, two of them the same", "duplicate object key");
}

static void what_is_no_file(void **state)
{
	struct fixture *f = *state;
	char path[512];

	tmp_path(f->dir, PATH_OF_FILE, path, sizeof(path));
	unlink(path);
	refused(f, "nothing", "No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(f, "a pipe", "not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(f, "a folder", "not a regular file");
	rmdir(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	refused(f, "zeros without end", "not a regular file");
	unlink(path);
	assert_int_equal(symlink(PATH_OF_FILE, path), 0);
	refused(f, "a link to itself", "Too many levels of symbolic links");
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	refused(f, "a file that is named must be one", "not a regular file");
	unlink(path);
}

/* Nothing wrong with these; they are only as expensive as may be. */
static void what_is_allowed_is_cheap_too(void **state)
{
	struct fixture *f = *state;
	BERTH_CLEANUP(berth_freep) char *text = malloc(2 * MIB);
	char said[4096];
	size_t n;

	n = (size_t)sprintf(text, V1 "\"tenants\": [");
	for (int t = 0; t < 16; t++) {
		n += (size_t)sprintf(text + n, "%s{\"name\": \"t%d\", \"vms\": [\"x%d\"",
				     t ? "," : "", t, t);
		for (int vm = 1; vm < 256; vm++)
			n += (size_t)sprintf(text + n,
					     vm % 2 ? ",\"*a*a*a*a*b%d-%d\"" :
						      ",\"aaaaaaaaaaaaaaaa%d-%d\"",
					     t, vm);
		n += (size_t)sprintf(text + n, "]}");
	}
	strcpy(text + n, "]}");
	write_file(f, text, n + 2);
	assert_int_equal(check_file(f, "4,096 names and patterns", said, sizeof(said)), 0);
	n = (size_t)sprintf(
		text, V1
		"\"classes\": [{\"name\": \"c\", \"match\": {\"driver\": \"x\"}}], \"claims\": [");
	for (int i = 0; i < 4096; i++)
		n += (size_t)sprintf(
			text + n,
			"%s{\"vm\": \"v%d\", \"requests\": [{\"name\": \"a\", \"class\": \"c\"}, "
			"{\"name\": \"b\", \"class\": \"c\"}], \"tolerate\": \"t\"}",
			i ? "," : "", i);
	strcpy(text + n, "]}");
	write_file(f, text, n + 2);
	assert_int_equal(check_file(f, "4,096 claims", said, sizeof(said)), 0);
	n = (size_t)sprintf(text, V1 "\"rules\": [");
	for (int i = 0; i < 4096; i++)
		n += (size_t)sprintf(
			text + n,
			"%s{\"effect\": \"deny\", \"subject\": {\"vm\": [\"a*\",\"b*\",\"c*\"]}, "
			"\"resource\": {\"match\": {\"pci.id\": [\"1:*\",\"10de:*\",\"8086:1[0-9]*\"]}}}",
			i ? "," : "");
	strcpy(text + n, "]}");
	for (char *p = text; (p = strstr(p, "\"1:*\"")); p += 5)
		memcpy(p, "\"*:*\"", 5);
	write_file(f, text, n + 2);
	assert_int_equal(check_file(f, "4,096 rules", said, sizeof(said)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_texts_that_are_no_policy),
		cmocka_unit_test(depth),
		cmocka_unit_test(size),
		cmocka_unit_test(long_words),
		cmocka_unit_test(numbers_of_things),
		cmocka_unit_test(what_is_no_file),
		cmocka_unit_test(what_is_allowed_is_cheap_too),
	};

	return cmocka_run_group_tests_name("policy/hostile", tests, setup, teardown);
}
