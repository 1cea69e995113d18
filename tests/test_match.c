/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "policy/match.h"

static const struct berth_facts nic = {
	.bdf = "0000:03:00.0",
	.path = "PC00/01.1/00.0",
	.class = 0x020000,
	.vendor = 0x8086,
	.device = 0x10c9,
	.subsystem_vendor = 0x8086,
	.subsystem_device = 0xa03c,
	.serial = "52-54-00-ff-ff-12-34-56",
	.group_key = "g:1",
	.isolation = "isolated",
	.numa_node = 1,
	.vf_index = BERTH_FACT_UNKNOWN,
	.reset = "flr bus",
	.mac = "02:00:5e:00:53:01",
	.bar_total = 1 << 20,
};

static const struct berth_facts vf = {
	.bdf = "0000:03:10.2",
	.path = "PC00/01.1/00.0#vf1",
	.class = 0x020000,
	.vendor = 0x8086,
	.device = 0x10ca,
	.subsystem_vendor = BERTH_FACT_UNKNOWN,
	.subsystem_device = BERTH_FACT_UNKNOWN,
	.numa_node = BERTH_FACT_UNKNOWN,
	.is_vf = true,
	.vf_index = 1,
	.pf = &nic,
};

static const struct berth_facts orphan = {
	.bdf = "0000:04:10.0",
	.vendor = 0x8086,
	.device = 0x10ca,
	.subsystem_vendor = BERTH_FACT_UNKNOWN,
	.subsystem_device = BERTH_FACT_UNKNOWN,
	.numa_node = BERTH_FACT_UNKNOWN,
	.is_vf = true,
	.vf_index = BERTH_FACT_UNKNOWN,
};

static struct berth_match *load(const char *text, int want, struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	struct berth_match *match = NULL;
	struct berth_json_at root;

	berth_err_clear(err);
	if (berth_json_load_text("m", text, strlen(text), NULL, &doc, err))
		fail_msg("%s", err->text);
	root = berth_json_root(doc);
	if (berth_match_load(&root, &match, err) != want)
		fail_msg("%s: %s", text, err->text);
	return match;
}

static void every_attribute_says_yes_no_or_unknown(void **state)
{
	static const struct {
		const char *text;
		const struct berth_facts *facts;
		enum berth_tri want;
		const char *term;
	} rows[] = {
		{ "{\"any_device\": true}", &orphan, BERTH_YES, NULL },
		{ "{\"pci.path\": \"PC00/01.1/*\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.path\": \"PC01/*\"}", &nic, BERTH_NO, "pci.path" },
		{ "{\"pci.path\": \"*\"}", &orphan, BERTH_UNKNOWN, "pci.path" },
		{ "{\"pci.bdf\": \"03:00.0\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.bdf\": \"0000:03:00.?\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.bdf\": \"0001:03:00.0\"}", &nic, BERTH_NO, "pci.bdf" },
		{ "{\"pci.id\": \"8086:10C9\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.id\": [\"10de:*\", \"8086:*\"]}", &nic, BERTH_YES, NULL },
		{ "{\"pci.id\": [\"10de:*\", \"1002:*\"]}", &nic, BERTH_NO, "pci.id" },
		{ "{\"pci.subsystem\": \"8086:a03c\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.subsystem\": \"8086:a03c\"}", &vf, BERTH_UNKNOWN, "pci.subsystem" },
		{ "{\"pci.class\": \"0200\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.class\": \"02??\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.class\": \"020000\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.class\": \"02*\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.class\": [\"0300\", \"0302\"]}", &nic, BERTH_NO, "pci.class" },
		{ "{\"pci.is_vf\": true}", &vf, BERTH_YES, NULL },
		{ "{\"pci.is_vf\": false}", &vf, BERTH_NO, "pci.is_vf" },
		{ "{\"pci.vf_index\": 1}", &vf, BERTH_YES, NULL },
		{ "{\"pci.vf_index\": [0, \"2-7\"]}", &vf, BERTH_NO, "pci.vf_index" },
		{ "{\"pci.vf_index\": [9, \"0-1\"]}", &vf, BERTH_YES, NULL },
		{ "{\"pci.vf_index\": 0}", &nic, BERTH_NO, "pci.vf_index" },
		{ "{\"pci.vf_index\": 0}", &orphan, BERTH_UNKNOWN, "pci.vf_index" },
		{ "{\"serial\": \"52-54-*\"}", &nic, BERTH_YES, NULL },
		{ "{\"serial\": \"52-54-*\"}", &vf, BERTH_UNKNOWN, "serial" },
		{ "{\"group.key\": \"g:1\"}", &nic, BERTH_YES, NULL },
		{ "{\"group.key\": \"g:1\"}", &vf, BERTH_NO, "group.key" },
		{ "{\"isolation\": [\"isolated\", \"multifunction\"]}", &nic, BERTH_YES, NULL },
		{ "{\"isolation\": \"isolated\"}", &vf, BERTH_UNKNOWN, "isolation" },
		{ "{\"numa.node\": [0, 1]}", &nic, BERTH_YES, NULL },
		{ "{\"numa.node\": 0}", &nic, BERTH_NO, "numa.node" },
		{ "{\"numa.node\": 0}", &vf, BERTH_UNKNOWN, "numa.node" },
		{ "{\"pf.pci.id\": \"8086:10c9\"}", &vf, BERTH_YES, NULL },
		{ "{\"pf.pci.bdf\": \"03:00.0\"}", &vf, BERTH_YES, NULL },
		{ "{\"pf.pci.path\": \"PC00/01.1/00.0\"}", &vf, BERTH_YES, NULL },
		{ "{\"pf.serial\": \"nope\"}", &vf, BERTH_NO, "pf.serial" },
		{ "{\"pf.pci.subsystem\": \"*:a03c\"}", &vf, BERTH_YES, NULL },
		{ "{\"pf.pci.id\": \"8086:10c9\"}", &nic, BERTH_NO, "pf.pci.id" },
		{ "{\"pf.pci.id\": \"8086:10c9\"}", &orphan, BERTH_UNKNOWN, "pf.pci.id" },
	};
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		BERTH_CLEANUP(berth_match_freep) struct berth_match *m =
			load(rows[i].text, 0, &err);
		const char *term = "unset";

		if (berth_match_eval(m, rows[i].facts, &term) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].text);
		if (rows[i].term)
			assert_string_equal(term, rows[i].term);
		else
			assert_null(term);
	}
}

static void terms_are_anded_and_a_no_beats_an_unknown(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	BERTH_CLEANUP(berth_match_freep)
	struct berth_match *both = load("{\"serial\": \"x\", \"pci.id\": \"10de:*\"}", 0, &err);
	BERTH_CLEANUP(berth_match_freep)
	struct berth_match *maybe =
		load("{\"numa.node\": 0, \"serial\": \"x\", \"pci.id\": \"8086:*\"}", 0, &err);
	const char *term;

	(void)state;
	assert_int_equal(berth_match_eval(both, &vf, &term), BERTH_NO);
	assert_string_equal(term, "pci.id");
	assert_int_equal(berth_match_eval(maybe, &vf, NULL), BERTH_UNKNOWN);
	assert_true(berth_match_has(both, "serial"));
	assert_false(berth_match_has(both, "pci.bdf"));
}

static void what_could_never_match_or_is_not_known_is_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{}",
		  "m:1:1: is empty, which matches nothing; every device is { \"any_device\": true }" },
		{ "[]", "m:1:1: must be an object" },
		{ "{\"any_device\": false}",
		  "m:1:1: \"any_device\" can only be true, and stands alone" },
		{ "{\"any_device\": true, \"serial\": \"x\"}",
		  "m:1:1: \"any_device\" can only be true, and stands alone" },
		{ "{\"pci.clas\": \"0300\"}",
		  "m:1:2: unknown key \"pci.clas\"; did you mean \"pci.class\"?" },
		{ "{\"driver\": \"\"}", "m:1:12: /driver: must not be empty" },
		{ "{\"pci.id\": []}", "m:1:12: /pci.id: is empty: nothing would ever match" },
		{ "{\"pci.id\": \"10de\"}",
		  "m:1:12: /pci.id: must be \"VENDOR:DEVICE\" in hex, four "
		  "digits each or a pattern such as \"10de:*\"" },
		{ "{\"pci.id\": \"10de:123\"}", "m:1:12: /pci.id: must be" },
		{ "{\"pci.id\": \"10de:12345\"}", "m:1:12: /pci.id: must be" },
		{ "{\"pci.id\": \"10de:1234:1\"}", "m:1:12: /pci.id: must be" },
		{ "{\"pci.id\": \":\"}", "m:1:12: /pci.id: must be" },
		{ "{\"pci.id\": [\"8086:*\", 3]}", "m:1:23: /pci.id/1: must be a string" },
		{ "{\"pci.class\": \"03\"}", "m:1:15: /pci.class: must be a PCI class" },
		{ "{\"pci.class\": \"VGA\"}", "m:1:15: /pci.class: must be a PCI class" },
		{ "{\"pci.bdf\": \"3:0.0\"}", "m:1:13: /pci.bdf: must be a BDF" },
		{ "{\"pci.bdf\": \"gpu*\"}", "m:1:13: /pci.bdf: is not a pattern for a BDF" },
		{ "{\"serial\": \"\"}", "m:1:12: /serial: must not be empty" },
		{ "{\"serial\": \"a[b\"}", "m:1:12: /serial: has a '[' that is never closed" },
		{ "{\"isolation\": \"isolatd\"}", "m:1:15: /isolation: must be isolated, " },
		{ "{\"pci.is_vf\": \"yes\"}", "m:1:15: /pci.is_vf: must be true or false" },
		{ "{\"pci.is_vf\": [true]}", "m:1:15: /pci.is_vf: must be true or false" },
		{ "{\"pci.vf_index\": -1}", "m:1:18: /pci.vf_index: must be a number, a range" },
		{ "{\"pci.vf_index\": \"3-1\"}",
		  "m:1:18: /pci.vf_index: must be a number, a range" },
		{ "{\"pci.vf_index\": \"1-\"}",
		  "m:1:18: /pci.vf_index: must be a number, a range" },
		{ "{\"pci.vf_index\": \"1,2\"}",
		  "m:1:18: /pci.vf_index: must be a number, a range" },
		{ "{\"numa.node\": 1.5}", "m:1:15: /numa.node: must be a number, a range" },
	};
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		assert_null(load(rows[i].text, -EINVAL, &err));
		if (strncmp(err.text, rows[i].want, strlen(rows[i].want)))
			fail_msg("row %zu: \"%s\", wanted \"%s\"", i, err.text, rows[i].want);
	}
}

static void endless_values_are_refused(void **state)
{
	char text[4096] = "{\"serial\": \"";
	struct berth_err err = BERTH_ERR_INIT;
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 'a', 129);
	strcpy(text + n + 129, "\"}");
	assert_null(load(text, -EINVAL, &err));
	assert_string_equal(err.text, "m:1:12: /serial: is longer than 128 characters");
	n = (size_t)sprintf(text, "{\"numa.node\": [0");
	for (int i = 0; i < 256; i++)
		n += (size_t)sprintf(text + n, ",%d", i);
	strcpy(text + n, "]}");
	assert_null(load(text, -EINVAL, &err));
	assert_string_equal(err.text, "m:1:15: /numa.node: has more than 256 values");
}

static void what_was_observed_can_be_told(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(berth_match_observed(&nic, "pci.id", buf, sizeof(buf)), "8086:10c9");
	assert_string_equal(berth_match_observed(&vf, "serial", buf, sizeof(buf)), "unknown");
	assert_string_equal(berth_match_observed(&nic, "pci.vf_index", buf, sizeof(buf)), "none");
	assert_string_equal(berth_match_observed(&vf, "pf.pci.bdf", buf, sizeof(buf)),
			    "0000:03:00.0");
}

static void terms_are_combined_in_three_values(void **state)
{
	static const struct {
		const char *text;
		const struct berth_facts *facts;
		enum berth_tri want;
		const char *term;
	} rows[] = {
		{ "{\"any\": [{\"pci.id\": \"10de:*\"}, {\"serial\": \"52-*\"}]}", &nic, BERTH_YES,
		  NULL },
		{ "{\"any\": [{\"pci.id\": \"10de:*\"}, {\"serial\": \"x\"}]}", &nic, BERTH_NO,
		  "pci.id" },
		{ "{\"any\": [{\"pci.id\": \"10de:*\"}, {\"serial\": \"x\"}]}", &vf, BERTH_UNKNOWN,
		  "serial" },
		{ "{\"any\": [{\"serial\": \"x\"}, {\"pci.id\": \"8086:*\"}]}", &vf, BERTH_YES,
		  NULL },
		{ "{\"all\": [{\"pci.id\": \"8086:*\"}, {\"numa.node\": 1}]}", &nic, BERTH_YES,
		  NULL },
		{ "{\"all\": [{\"serial\": \"x\"}, {\"pci.id\": \"10de:*\"}]}", &vf, BERTH_NO,
		  "pci.id" },
		{ "{\"all\": [{\"serial\": \"x\"}, {\"pci.id\": \"8086:*\"}]}", &vf, BERTH_UNKNOWN,
		  "serial" },
		{ "{\"not\": {\"pci.id\": \"10de:*\"}}", &nic, BERTH_YES, NULL },
		{ "{\"not\": {\"pci.id\": \"8086:*\"}}", &nic, BERTH_NO, "pci.id" },
		{ "{\"not\": {\"serial\": \"x\"}}", &vf, BERTH_UNKNOWN, "serial" },
		{ "{\"not\": {\"pci.vf_index\": 1}}", &nic, BERTH_YES, NULL },
		{ "{\"not\": {\"not\": {\"pci.id\": \"8086:*\"}}}", &nic, BERTH_YES, NULL },
		{ "{\"not\": {\"any\": [{\"serial\": \"x\"}, {\"pci.id\": \"8086:*\"}]}}", &vf,
		  BERTH_NO, "serial" },
		{ "{\"numa.node\": {\"exists\": true}}", &nic, BERTH_YES, NULL },
		{ "{\"numa.node\": {\"exists\": true}}", &vf, BERTH_NO, "numa.node" },
		{ "{\"numa.node\": {\"exists\": false}}", &vf, BERTH_YES, NULL },
		{ "{\"pci.vf_index\": {\"exists\": false}}", &nic, BERTH_YES, NULL },
		{ "{\"not\": {\"numa.node\": {\"exists\": true}}}", &vf, BERTH_YES, NULL },
		{ "{\"numa.node\": {\"ge\": 1}}", &nic, BERTH_YES, NULL },
		{ "{\"numa.node\": {\"ge\": 2}}", &nic, BERTH_NO, "numa.node" },
		{ "{\"numa.node\": {\"le\": 0}}", &nic, BERTH_NO, "numa.node" },
		{ "{\"numa.node\": {\"ge\": 1, \"le\": 1}}", &nic, BERTH_YES, NULL },
		{ "{\"numa.node\": {\"ge\": 0}}", &vf, BERTH_UNKNOWN, "numa.node" },
		{ "{\"pci.id\": {\"in\": [\"10de:*\", \"8086:10c9\"]}}", &nic, BERTH_YES, NULL },
		{ "{\"pci.id\": \"80[89]6:*\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.id\": \"8086:10c?\"}", &nic, BERTH_YES, NULL },
		{ "{\"pci.id\": \"8?86:10c8\"}", &nic, BERTH_NO, "pci.id" },
		{ "{\"pci.class\": \"02*\"}", &nic, BERTH_YES, NULL },
		{ "{\"reset.methods\": \"bus\"}", &nic, BERTH_YES, NULL },
		{ "{\"reset.methods\": \"pm\"}", &nic, BERTH_NO, "reset.methods" },
		{ "{\"reset.methods\": \"flr bus\"}", &nic, BERTH_NO, "reset.methods" },
		{ "{\"bar.total\": {\"ge\": \"1M\"}}", &nic, BERTH_YES, NULL },
		{ "{\"bar.total\": [\"16G\", \"1M\"]}", &nic, BERTH_YES, NULL },
		{ "{\"bar.total\": 1048575}", &nic, BERTH_NO, "bar.total" },
		{ "{\"net.mac\": \"02:00:5E:*\"}", &nic, BERTH_YES, NULL },
	};
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		BERTH_CLEANUP(berth_match_freep)
		struct berth_match *match = load(rows[i].text, 0, &err);
		const char *term = "unset";
		enum berth_tri got = berth_match_eval(match, rows[i].facts, &term);

		if (got != rows[i].want || (term == NULL) != (rows[i].term == NULL) ||
		    (term && strcmp(term, rows[i].term) != 0))
			fail_msg("%s: %s because of %s", rows[i].text, berth_tri_name(got),
				 term ? term : "nothing");
	}
}

static void trees_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{\"any\": []}", "m:1:9: /any: must have 1 to 256 elements" },
		{ "{\"any\": {\"serial\": \"x\"}}", "m:1:9: /any: must be an array" },
		{ "{\"all\": [{}]}", "m:1:10: /all/0: is empty" },
		{ "{\"all\": [3]}", "m:1:10: /all/0: must be an object" },
		{ "{\"not\": [{\"serial\": \"x\"}]}", "m:1:9: /not: must be an object" },
		{ "{\"not\": {\"any_device\": true}}", "m:1:10: /not: unknown key \"any_device\"" },
		{ "{\"not\": {\"seril\": \"x\"}}",
		  "m:1:10: /not: unknown key \"seril\"; did you mean \"serial\"?" },
		{ "{\"numa.node\": {}}", "m:1:15: /numa.node: must have one of \"in\"" },
		{ "{\"numa.node\": {\"gt\": 1}}", "m:1:16: /numa.node: unknown key \"gt\"" },
		{ "{\"numa.node\": {\"ge\": 1, \"exists\": true}}",
		  "m:1:15: /numa.node: must have one" },
		{ "{\"numa.node\": {\"ge\": \"a\"}}", "m:1:22: /numa.node/ge: must be a number" },
		{ "{\"numa.node\": {\"le\": -1}}", "m:1:22: /numa.node/le: must be a number" },
		{ "{\"numa.node\": {\"ge\": 2, \"le\": 1}}",
		  "m:1:15: /numa.node: \"ge\" is larger" },
		{ "{\"serial\": {\"ge\": 2}}",
		  "m:1:12: /serial: \"ge\" and \"le\" compare numbers" },
		{ "{\"serial\": {\"exists\": 1}}",
		  "m:1:23: /serial/exists: must be true or false" },
		{ "{\"serial\": {\"in\": \"x\"}}", "m:1:19: /serial/in: must be an array" },
		{ "{\"serial\": {\"in\": []}}", "m:1:19: /serial/in: is empty" },
		{ "{\"bar.total\": \"1X\"}", "m:1:15: /bar.total: must be a number of bytes" },
		{ "{\"bar.total\": \"G\"}", "m:1:15: /bar.total: must be a number of bytes" },
		{ "{\"bar.total\": \"9999999G\"}",
		  "m:1:15: /bar.total: must be a number of bytes" },
	};
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		load(rows[i].text, -EINVAL, &err);
		if (strncmp(err.text, rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("%s: \"%s\"", rows[i].text, err.text);
	}
}

/* {"not": {"not": … {"serial": "x"} … }}, @depth of them. */
static const char *nested(int depth, char *buf)
{
	size_t n = 0;

	for (int i = 0; i < depth; i++)
		n += (size_t)sprintf(buf + n, "{\"not\": ");
	n += (size_t)sprintf(buf + n, "{\"serial\": \"x\"}");
	for (int i = 0; i < depth; i++)
		buf[n++] = '}';
	buf[n] = '\0';
	return buf;
}

static void nesting_and_size_are_bounded(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	char text[8192];
	size_t n;

	(void)state;
	berth_match_free(load(nested(BERTH_MATCH_MAX_DEPTH, text), 0, &err));
	load(nested(BERTH_MATCH_MAX_DEPTH + 1, text), -EINVAL, &err);
	assert_non_null(strstr(err.text, "/not/not/not: is nested deeper than 8 levels"));
	n = (size_t)sprintf(text, "{\"any\": [{\"serial\": \"x\"}");
	for (int i = 1; i < BERTH_MATCH_MAX_TERMS; i++)
		n += (size_t)sprintf(text + n, ",{\"serial\": \"x\"}");
	strcpy(text + n, "]}");
	berth_match_free(load(text, 0, &err));
	strcpy(text + n, "], \"driver\": \"x\"}");
	load(text, -EINVAL, &err);
	assert_non_null(strstr(err.text, "/driver: the match has more than 256 attributes"));
}

static void an_attribute_is_found_anywhere_in_the_tree(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	BERTH_CLEANUP(berth_match_freep)
	struct berth_match *match = load(
		"{\"any\": [{\"serial\": \"x\"}, {\"not\": {\"pci.bdf\": \"01:00.0\"}}]}", 0, &err);

	(void)state;
	assert_true(berth_match_has(match, "pci.bdf"));
	assert_true(berth_match_has(match, "serial"));
	assert_false(berth_match_has(match, "pci.path"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_are_combined_in_three_values),
		cmocka_unit_test(trees_that_cannot_be_are_refused),
		cmocka_unit_test(nesting_and_size_are_bounded),
		cmocka_unit_test(an_attribute_is_found_anywhere_in_the_tree),
		cmocka_unit_test(every_attribute_says_yes_no_or_unknown),
		cmocka_unit_test(terms_are_anded_and_a_no_beats_an_unknown),
		cmocka_unit_test(what_could_never_match_or_is_not_known_is_refused),
		cmocka_unit_test(endless_values_are_refused),
		cmocka_unit_test(what_was_observed_can_be_told),
	};

	return cmocka_run_group_tests_name("policy/match", tests, NULL, NULL);
}
