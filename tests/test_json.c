/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

static struct berth_json *load(const char *text)
{
	struct berth_json *doc = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_json_load_text("t.json", text, strlen(text), NULL, &doc, &err);

	if (r)
		fail_msg("%s", err.text);
	return doc;
}

static void refuses_bad_texts_with_line_and_column(void **state)
{
#define TEXT(s) s, sizeof(s) - 1
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} rows[] = {
		{ TEXT(""), "t.json:1:1: " },
		{ TEXT("{"), "t.json:1:1: string or '}' expected near end of file" },
		{ TEXT("{\n  \"a\": 1,\n}"), "t.json:3:1: string or '}' expected near '}'" },
		{ TEXT("{\"a\": 1} x"), "t.json:1:10: end of file expected near 'x'" },
		{ TEXT("{\"a\": 1,\n \"a\": 2}"),
		  "t.json:2:4: /a: duplicate object key near '\"a\"'" },
		{ TEXT("{\"a\": \"x\0y\"}"), "t.json:1:9: /a: a NUL byte; this is not text" },
		{ TEXT("{\"a\": \"x\\\0y\"}"), "t.json:1:10: /a: a NUL byte; this is not text" },
		{ TEXT("{}\0"), "t.json:1:3: a NUL byte; this is not text" },
		{ TEXT("{\"a\": \"\\u0000\"}"), "t.json:1:14: /a: \\u0000 is not allowed" },
		{ TEXT("{\"a\": \"\xff\"}"), "t.json:1:7: /a: unable to decode byte 0xff" },
		{ TEXT("{\"a\": 99999999999999999999}"), "t.json:1:26: /a: too big integer" },
		{ TEXT("{\"a\": 1e999}"), "t.json:1:11: /a: real number overflow" },
		{ TEXT("{\"a\": NaN}"), "t.json:1:9: /a: invalid token" },
		{ TEXT("\xef\xbb\xbf{}"), "t.json:1:1: a byte order mark; save the file as UTF-8" },
		{ TEXT("{\"a\": [1, {\"b/c\": \"\\ud800\"}]}"),
		  "t.json:1:26: /a/1/b~1c: invalid Unicode" },
		{ TEXT("{\"a\": [1, [2], {\"b\": 3, \"\\u0062\": 4}]}"),
		  "t.json:1:32: /a/2/b: duplicate object key" },
		{ TEXT("}{"), "t.json:1:1: '[' or '{' expected near '}'" },
		{ TEXT("3"), "t.json:1:1: '[' or '{' expected" },
		{ TEXT("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"),
		  "t.json:1:17: /0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: nested deeper than 16 levels" },
		{ TEXT("{\"a\":[\"[[[[[[[[[[[[[[[[[[\\\"\",\n[[[[[[[[[[[[[[[[[\"\"]]]"),
		  "t.json:2:15: /a/1/0/0/0/0/0/0/0/0/0/0/0/0/0: nested deeper than 16 levels" },
	};
#undef TEXT

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_json *doc = NULL;
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(berth_json_load_text("t.json", rows[i].text, rows[i].len, NULL,
						      &doc, &err),
				 -EINVAL);
		assert_null(doc);
		if (strncmp(err.text, rows[i].want, strlen(rows[i].want)))
			fail_msg("row %zu: \"%s\", wanted \"%s\"", i, err.text, rows[i].want);
	}
}

static void refuses_a_text_over_the_size_limit(void **state)
{
	static const struct berth_json_limits limits = { .max_bytes = 1024, .max_depth = 4 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_json *doc = NULL;
	char text[1026];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	assert_int_equal(berth_json_load_text("t", text, 1024, &limits, &doc, &err), 0);
	berth_json_free(doc);
	doc = NULL;
	assert_int_equal(berth_json_load_text("t", text, 1025, &limits, &doc, &err), -EFBIG);
	assert_string_equal(err.text, "t:1:1: larger than 1 KiB");
}

static void refuses_more_values_than_the_limit(void **state)
{
	static const struct berth_json_limits limits = { .max_bytes = 1024,
							 .max_depth = 4,
							 .max_values = 4 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_json *doc = NULL;

	(void)state;
	assert_int_equal(berth_json_load_text("t", "[1,[2,{ }]]", 11, &limits, &doc, &err),
			 -EINVAL);
	assert_string_equal(err.text, "t:1:6: /1/0: more than 4 values");
	berth_err_clear(&err);
	assert_int_equal(berth_json_load_text("t", "[1,[2],[]]", 10, &limits, &doc, &err), -EINVAL);
	berth_err_clear(&err);
	assert_int_equal(berth_json_load_text("t", "[[ ],[2]]", 9, &limits, &doc, &err), 0);
	berth_json_free(doc);
	doc = NULL;
	assert_int_equal(berth_json_load_text("t", "[1,[2]]", 7, &limits, &doc, &err), 0);
	berth_json_free(doc);
	doc = NULL;
	assert_int_equal(berth_json_load_text("t", "[1,[2,3,4]]", 11, &limits, &doc, &err),
			 -EINVAL);
	assert_string_equal(err.text, "t:1:6: /1/0: more than 4 values");
	berth_err_clear(&err);
	assert_int_equal(berth_json_load_text("t", "[1,\",,,,\"]", 10, &limits, &doc, &err), 0);
	berth_json_free(doc);
}

static void a_million_brackets_cost_nothing(void **state)
{
	static const struct berth_json_limits limits = { .max_bytes = 2 << 20, .max_depth = 16 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_json *doc = NULL;
	BERTH_CLEANUP(berth_freep) char *text = malloc(1 << 20);

	(void)state;
	memset(text, '[', 1 << 20);
	assert_int_equal(berth_json_load_text("t", text, 1 << 20, &limits, &doc, &err), -EINVAL);
	assert_string_equal(err.text,
			    "t:1:17: /0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: nested deeper than 16 levels");
}

static void reads_files_and_only_regular_ones(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_json *doc = NULL;
	char dir[] = "/tmp/berth-json-XXXXXX";
	int dirfd, fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_DIRECTORY | O_RDONLY);
	assert_true(dirfd >= 0);
	assert_int_equal(mkfifoat(dirfd, "pipe", 0600), 0);
	fd = openat(dirfd, "a.json", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "{\"a\":}", 6), 6);
	close(fd);

	assert_int_equal(berth_json_load_file(dirfd, "none", NULL, NULL, &doc, &err), -ENOENT);
	assert_string_equal(err.text, "none: No such file or directory");
	berth_err_clear(&err);
	assert_int_equal(berth_json_load_file(dirfd, "pipe", NULL, NULL, &doc, &err), -EINVAL);
	assert_string_equal(err.text, "pipe: not a regular file");
	berth_err_clear(&err);
	assert_int_equal(berth_json_load_file(dirfd, "a.json", "/etc/x/a.json", NULL, &doc, &err),
			 -EINVAL);
	assert_string_equal(err.text, "/etc/x/a.json:1:6: /a: unexpected token near '}'");

	unlinkat(dirfd, "a.json", 0);
	unlinkat(dirfd, "pipe", 0);
	close(dirfd);
	rmdir(dir);
}

static void an_error_about_a_value_says_where_it_stands(void **state)
{
	BERTH_CLEANUP(berth_json_freep)
	struct berth_json *doc =
		load("{ \"x\": { \"devices\": [ 7 ] },\n"
		     "  \"s\\u006f\": \"}]\\\"\", \"\xc3\xa4\": [[1, -2.5e1], true],\n"
		     "  \"devices\": [ { }, \"a\",\n"
		     "\t{ \"na/m~e\": [ {}, 5 ] } ]\n"
		     "}\n");
	struct berth_json_at root = berth_json_root(doc);
	struct berth_json_at devices = berth_json_member(&root, "devices");
	struct berth_json_at third = berth_json_element(&devices, 2);
	struct berth_json_at name = berth_json_member(&third, "na/m~e");
	struct berth_json_at five = berth_json_element(&name, 1);
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_json_at umlaut = berth_json_member(&root, "\xc3\xa4");
	struct berth_json_at yes = berth_json_element(&umlaut, 1);

	(void)state;
	assert_int_equal(json_integer_value(five.value), 5);
	assert_int_equal(berth_json_bad(&five, &err, "must be %s", "six"), -EINVAL);
	assert_string_equal(err.text, "t.json:4:20: /devices/2/na~1m~0e/1: must be six");
	berth_err_clear(&err);
	berth_json_bad(&yes, &err, "no");
	assert_string_equal(err.text, "t.json:2:41: /\xc3\xa4/1: no");
	berth_err_clear(&err);
	berth_json_bad(&root, &err, "no");
	assert_string_equal(err.text, "t.json:1:1: no");
	five = berth_json_member(&root, "so");
	berth_err_clear(&err);
	berth_json_bad(&five, &err, "no");
	assert_string_equal(err.text, "t.json:2:14: /so: no");
}

static void the_places_of_all_elements_are_those_of_each(void **state)
{
	BERTH_CLEANUP(berth_json_freep)
	struct berth_json *doc =
		load("{ \"x\": [1, \"\xc3\xa4]\", [ 2, {} ],\n\t\"\" , \n{ \"a\": \"]\" } ] }");
	struct berth_json_at root = berth_json_root(doc), x = berth_json_member(&root, "x");
	struct berth_json_place places[5];

	(void)state;
	assert_int_equal(json_array_size(x.value), 5);
	berth_json_places(&x, places);
	for (size_t i = 0; i < 5; i++) {
		struct berth_json_at element = berth_json_element(&x, i);
		unsigned int line, column;

		berth_json_where(&element, &line, &column);
		assert_int_equal(places[i].line, line);
		assert_int_equal(places[i].column, column);
	}
	assert_int_equal(places[4].line, 3);
	assert_int_equal(places[2].column, 18);
}

static void an_unknown_key_gets_a_hint(void **state)
{
	static const char *const keys[] = { "name", "match", NULL };
	BERTH_CLEANUP(berth_json_freep)
	struct berth_json *doc =
		load("{ \"name\": 1,\n \"mach\": {}, \"list\": [ 1, { \"q\": 1 } ] }");
	struct berth_json_at root = berth_json_root(doc);
	struct berth_json_at list = berth_json_member(&root, "list");
	struct berth_json_at inner = berth_json_element(&list, 1);
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_json_only(&root, keys, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:2:2: unknown key \"mach\"; did you mean \"match\"?");
	berth_err_clear(&err);
	assert_int_equal(berth_json_only(&inner, keys, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:2:29: /list/1: unknown key \"q\"");
	berth_err_clear(&err);
	assert_int_equal(berth_json_only(&list, keys, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:2:22: /list: must be an object");
	berth_err_clear(&err);
	assert_int_equal(
		berth_json_only(&root, (const char *const[]){ "name", "mach", "list", NULL }, &err),
		0);
}

static void members_are_read_by_type(void **state)
{
	BERTH_CLEANUP(berth_json_freep)
	struct berth_json *doc =
		load("{ \"s\": \"x\", \"i\": 7, \"b\": true, \"o\": {}, \"a\": [] }");
	struct berth_json_at root = berth_json_root(doc), got;
	struct berth_err err = BERTH_ERR_INIT;
	const char *s = NULL;
	int64_t i = 0;
	bool b = false;

	(void)state;
	assert_int_equal(berth_json_get_string(&root, "s", &s, &err), 0);
	assert_string_equal(s, "x");
	assert_int_equal(berth_json_get_int(&root, "i", 0, 7, &i, &err), 0);
	assert_int_equal(i, 7);
	assert_int_equal(berth_json_get_bool(&root, "b", &b, &err), 0);
	assert_true(b);
	assert_int_equal(berth_json_get_object(&root, "o", &got, &err), 0);
	assert_ptr_equal(got.value, json_object_get(doc->root, "o"));
	assert_int_equal(berth_json_get_array(&root, "a", &got, &err), 0);
	assert_ptr_equal(got.value, json_object_get(doc->root, "a"));
	assert_int_equal(err.code, 0);

	assert_int_equal(berth_json_get_string(&root, "none", &s, &err), BERTH_ABSENT);
	assert_int_equal(berth_json_get_int(&root, "none", 0, 9, &i, &err), BERTH_ABSENT);
	assert_int_equal(berth_json_get_bool(&root, "none", &b, &err), BERTH_ABSENT);
	assert_int_equal(berth_json_get_object(&root, "none", &got, &err), BERTH_ABSENT);
	assert_int_equal(berth_json_get_array(&root, "none", &got, &err), BERTH_ABSENT);
	assert_int_equal(err.code, 0);
	assert_string_equal(s, "x");
	assert_int_equal(berth_json_need(&root, "none", BERTH_ABSENT, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:1:1: \"none\" is missing");
	assert_int_equal(berth_json_need(&root, "s", 0, NULL), 0);
}

static void members_of_another_type_are_refused(void **state)
{
	BERTH_CLEANUP(berth_json_freep)
	struct berth_json *doc = load("{ \"s\": \"x\", \"n\": null, \"i\": 7, \"r\": 7.5 }");
	struct berth_json_at root = berth_json_root(doc), got;
	const char *s = "kept";
	int64_t i = -1;
	bool b = true;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_json_get_string(&root, "n", &s, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:1:18: /n: must be a string");
	berth_err_clear(&err);
	assert_int_equal(berth_json_get_int(&root, "r", 0, 9, &i, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:1:37: /r: must be a whole number");
	berth_err_clear(&err);
	assert_int_equal(berth_json_get_int(&root, "i", 8, 9, &i, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:1:29: /i: must be from 8 to 9");
	berth_err_clear(&err);
	assert_int_equal(berth_json_get_bool(&root, "i", &b, &err), -EINVAL);
	assert_string_equal(err.text, "t.json:1:29: /i: must be true or false");
	assert_int_equal(berth_json_get_object(&root, "s", &got, NULL), -EINVAL);
	assert_int_equal(berth_json_get_array(&root, "s", &got, NULL), -EINVAL);
	assert_string_equal(s, "kept");
	assert_int_equal(i, -1);
}

static void output_survives_what_a_device_says(void **state)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	json_t *value = json_pack("{s:o, s:o, s:o}", "good", berth_json_text("K\xc3\xb6ln"), "bad",
				  berth_json_text("a\xff"
						  "b"),
				  "none", berth_json_text(NULL));

	(void)state;
	assert_non_null(f);
	assert_int_equal(berth_json_print(f, value), 0);
	assert_int_equal(berth_json_print(f, NULL), -ENOMEM);
	fclose(f);
	json_decref(value);
	assert_string_equal(text, "{\n  \"good\": \"K\xc3\xb6ln\",\n  \"bad\": \"a?b\",\n"
				  "  \"none\": null\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_texts_with_line_and_column),
		cmocka_unit_test(refuses_a_text_over_the_size_limit),
		cmocka_unit_test(refuses_more_values_than_the_limit),
		cmocka_unit_test(a_million_brackets_cost_nothing),
		cmocka_unit_test(reads_files_and_only_regular_ones),
		cmocka_unit_test(an_error_about_a_value_says_where_it_stands),
		cmocka_unit_test(the_places_of_all_elements_are_those_of_each),
		cmocka_unit_test(an_unknown_key_gets_a_hint),
		cmocka_unit_test(members_are_read_by_type),
		cmocka_unit_test(members_of_another_type_are_refused),
		cmocka_unit_test(output_survives_what_a_device_says),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
