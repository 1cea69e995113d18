/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "tools/out.h"

static const struct berth_out_col cols[] = {
	{ "bdf", NULL, BERTH_OUT_STRING, BERTH_OUT_TREE },
	{ "iommu_group", "GROUP", BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "hot", NULL, BERTH_OUT_BOOL, 0 },
	{ "path", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
};

static struct berth_out *make(enum berth_out_mode mode)
{
	struct berth_out *out;

	assert_int_equal(berth_out_new(&out, "things", cols, BERTH_ARRAY_SIZE(cols), mode, NULL),
			 0);
	return out;
}

/* Print and free. Owned by the caller. */
static char *print(struct berth_out *out)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(berth_out_print(out, f, NULL), 0);
	fclose(f);
	berth_out_free(out);
	return text;
}

static void fill(struct berth_out *out)
{
	struct berth_out_row *row = berth_out_add(out, NULL);

	berth_out_str(row, "bdf", "0000:01:00.0");
	berth_out_num(row, "iommu_group", 14);
	berth_out_bool(row, "hot", true);
	berth_out_fmt(row, "path", "%s/%d", "X", 1);
	berth_out_str(berth_out_add(out, NULL), "bdf", "0000:02:00.0");
}

static void json_has_types_and_nulls(void **state)
{
	struct berth_out *out = make(BERTH_OUT_JSON);
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	json_t *rows, *full, *bare;

	(void)state;
	fill(out);
	assert_int_equal(berth_out_rows(out), 2);
	text = print(out);
	assert_int_equal(berth_json_load_text("out", text, strlen(text), NULL, &doc, NULL), 0);
	rows = json_object_get(doc->root, "things");
	assert_int_equal(json_array_size(rows), 2);
	full = json_array_get(rows, 0);
	bare = json_array_get(rows, 1);
	assert_string_equal(json_string_value(json_object_get(full, "bdf")), "0000:01:00.0");
	assert_int_equal(json_integer_value(json_object_get(full, "iommu_group")), 14);
	assert_true(json_is_true(json_object_get(full, "hot")));
	assert_string_equal(json_string_value(json_object_get(full, "path")), "X/1");
	assert_true(json_is_null(json_object_get(bare, "iommu_group")));
	assert_true(json_is_null(json_object_get(bare, "hot")));
	assert_true(json_is_null(json_object_get(bare, "path")));
}

static void a_column_is_wanted_when_it_will_be_printed(void **state)
{
	struct berth_out *table = make(BERTH_OUT_TABLE), *json = make(BERTH_OUT_JSON);

	(void)state;
	assert_true(berth_out_wants(berth_out_add(table, NULL), "bdf"));
	assert_false(berth_out_wants(berth_out_add(table, NULL), "path"));
	assert_true(berth_out_wants(berth_out_add(json, NULL), "path"));
	assert_int_equal(berth_out_select(json, "bdf", NULL), 0);
	assert_false(berth_out_wants(berth_out_add(json, NULL), "path"));
	assert_false(berth_out_wants(NULL, "bdf"));
	berth_out_free(table);
	berth_out_free(json);
}

static void several_tables_are_one_object(void **state)
{
	struct berth_out *outs[] = { make(BERTH_OUT_JSON), make(BERTH_OUT_JSON) };
	static const struct berth_out_col other[] = { { "n", NULL, BERTH_OUT_NUMBER, 0 } };
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	berth_out_free(outs[1]);
	assert_int_equal(berth_out_new(&outs[1], "others", other, 1, BERTH_OUT_JSON, NULL), 0);
	fill(outs[0]);
	assert_int_equal(berth_out_print_all(outs, 2, f, NULL), 0);
	fclose(f);
	assert_int_equal(berth_json_load_text("out", text, len, NULL, &doc, NULL), 0);
	assert_int_equal(json_object_size(doc->root), 2);
	assert_int_equal(json_array_size(json_object_get(doc->root, "things")), 2);
	assert_true(json_is_array(json_object_get(doc->root, "others")));
	berth_out_free(outs[0]);
	berth_out_free(outs[1]);
}

static void empty_tables_leave_no_gap(void **state)
{
	struct berth_out *outs[] = { make(BERTH_OUT_TABLE), make(BERTH_OUT_TABLE),
				     make(BERTH_OUT_TABLE) };
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	berth_out_str(berth_out_add(outs[0], NULL), "bdf", "first");
	berth_out_str(berth_out_add(outs[2], NULL), "bdf", "third");
	assert_int_equal(berth_out_print_all(outs, 3, f, NULL), 0);
	fclose(f);
	assert_non_null(strstr(text, "first"));
	assert_non_null(strstr(text, "\n\nBDF"));
	assert_null(strstr(text, "\n\n\n"));
	assert_int_not_equal(text[0], '\n');
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(outs); i++)
		berth_out_free(outs[i]);
}

static void empty_json_is_an_empty_array(void **state)
{
	BERTH_CLEANUP(berth_freep) char *text = print(make(BERTH_OUT_JSON));

	(void)state;
	assert_string_equal(text, "{\"things\":[]}\n");
}

static void an_empty_table_prints_nothing(void **state)
{
	BERTH_CLEANUP(berth_freep) char *text = print(make(BERTH_OUT_TABLE));

	(void)state;
	assert_string_equal(text, "");
}

static void a_table_has_heads_and_dashes(void **state)
{
	struct berth_out *out = make(BERTH_OUT_TABLE);
	BERTH_CLEANUP(berth_freep) char *text = NULL;

	(void)state;
	fill(out);
	text = print(out);
	assert_non_null(strstr(text, "BDF"));
	assert_non_null(strstr(text, "GROUP"));
	assert_non_null(strstr(text, "yes"));
	assert_null(strstr(text, "PATH"));
	assert_non_null(strstr(strstr(text, "0000:02:00.0"), " - "));
}

static void a_tree_shows_children_below_their_parent(void **state)
{
	struct berth_out *out = make(BERTH_OUT_TABLE);
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	struct berth_out_row *a = berth_out_add(out, NULL), *b = berth_out_add(out, NULL);

	(void)state;
	berth_out_str(a, "bdf", "first");
	berth_out_str(b, "bdf", "second");
	berth_out_str(berth_out_add(out, a), "bdf", "child");
	text = print(out);
	assert_true(strstr(text, "first") < strstr(text, "-child"));
	assert_true(strstr(text, "-child") < strstr(text, "second"));
}

static void columns_are_chosen_in_order_and_any_case(void **state)
{
	struct berth_out *out = make(BERTH_OUT_TABLE);
	BERTH_CLEANUP(berth_freep) char *text = NULL;

	(void)state;
	fill(out);
	assert_int_equal(berth_out_select(out, "PATH,bdf", NULL), 0);
	text = print(out);
	assert_true(strstr(text, "PATH") < strstr(text, "BDF"));
	assert_null(strstr(text, "GROUP"));
}

static void a_column_that_does_not_exist_is_refused_with_the_list(void **state)
{
	static const char *const rows[] = { "bdf,speed", "", "bdf,", ",bdf", "bd" };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_out *out = make(BERTH_OUT_TABLE);
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(berth_out_select(out, rows[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "bdf,iommu_group,hot,path"));
		berth_out_free(out);
	}
}

static void text_of_devices_cannot_play_with_the_terminal(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "\x1b[2Jgone", "\\x1b[2Jgone" },
		{ "a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f" },
		{ "M\xc3\xbcller", "M\xc3\xbcller" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" }, /* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogate */
		{ "\xc2\x9b"
		  "31m",
		  "\\xc2\\x9b31m" }, /* C1 control: CSI */
		{ "\xe2\x80\xae"
		  "x",
		  "\\xe2\\x80\\xaex" },	      /* turns the line round */
		{ "\xe2\x82", "\\xe2\\x82" }, /* cut off */
		{ "\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		BERTH_CLEANUP(berth_freep) char *got = berth_out_printable(rows[i].text);

		assert_string_equal(got, rows[i].want);
	}
}

static void hostile_names_stay_valid_json(void **state)
{
	struct berth_out *out = make(BERTH_OUT_JSON);
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;

	(void)state;
	berth_out_str(berth_out_add(out, NULL), "bdf", "\"},\\\x01\xff");
	text = print(out);
	assert_int_equal(berth_json_load_text("out", text, strlen(text), NULL, &doc, NULL), 0);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(doc->root, "things"), 0), "bdf")),
		"\"},\\\\x01\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_types_and_nulls),
		cmocka_unit_test(a_column_is_wanted_when_it_will_be_printed),
		cmocka_unit_test(several_tables_are_one_object),
		cmocka_unit_test(empty_tables_leave_no_gap),
		cmocka_unit_test(empty_json_is_an_empty_array),
		cmocka_unit_test(an_empty_table_prints_nothing),
		cmocka_unit_test(a_table_has_heads_and_dashes),
		cmocka_unit_test(a_tree_shows_children_below_their_parent),
		cmocka_unit_test(columns_are_chosen_in_order_and_any_case),
		cmocka_unit_test(a_column_that_does_not_exist_is_refused_with_the_list),
		cmocka_unit_test(text_of_devices_cannot_play_with_the_terminal),
		cmocka_unit_test(hostile_names_stay_valid_json),
	};

	return cmocka_run_group_tests_name("tools/out", tests, NULL, NULL);
}
