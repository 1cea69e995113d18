/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "base/json.h"
#include "policy/devset.h"

/* Nodes 0, 1, unknown, 1, 0. */
static const struct berth_facts *host(void)
{
	static const int nodes[] = { 0, 1, BERTH_FACT_UNKNOWN, 1, 0 };
	static struct berth_facts f[5];

	for (size_t i = 0; i < 5; i++)
		f[i] = (struct berth_facts){ .numa_node = nodes[i], .vendor = (int32_t)i };
	return f;
}

static void make(struct berth_devset *ret, const char *text)
{
	struct berth_json *doc = NULL;
	struct berth_match *match = NULL;
	struct berth_json_at root;

	assert_int_equal(berth_json_load_text("m", text, strlen(text), NULL, &doc, NULL), 0);
	root = berth_json_root(doc);
	assert_int_equal(berth_match_load(&root, &match, NULL), 0);
	assert_int_equal(berth_devset_match(ret, match, host(), 5, NULL), 0);
	berth_match_free(match);
	berth_json_free(doc);
}

/* "yyn?y" */
static char *words(const struct berth_devset *set, char buf[static 6])
{
	for (uint32_t i = 0; i < 5; i++) {
		enum berth_tri in = berth_devset_has(set, i);

		buf[i] = in == BERTH_YES ? 'y' : in == BERTH_NO ? 'n' : '?';
	}
	buf[5] = '\0';
	return buf;
}

static void a_match_tells_yes_from_maybe(void **state)
{
	struct berth_devset set;
	char buf[6];

	(void)state;
	make(&set, "{ \"numa.node\": 1 }");
	assert_string_equal(words(&set, buf), "ny?yn");
	assert_int_equal(set.nr_yes, 2);
	assert_int_equal(set.nr_maybe, 1);
	berth_devset_done(&set);
	make(&set, "{ \"any_device\": true }");
	assert_string_equal(words(&set, buf), "yyyyy");
	berth_devset_done(&set);
}

static void a_join_takes_any_and_filters_all(void **state)
{
	struct berth_devset node0, node1, low, all;
	const struct berth_devset *both[] = { &node0, &node1 };
	char buf[6];

	(void)state;
	make(&node0, "{ \"numa.node\": 0 }");
	make(&node1, "{ \"numa.node\": 1 }");
	make(&low, "{ \"numa.node\": \"0-0\" }");
	assert_int_equal(berth_devset_join(&all, both, 2, NULL), 0);
	assert_string_equal(words(&all, buf), "yy?yy");
	berth_devset_done(&all);
	assert_int_equal(berth_devset_join(&all, both, 2, &low), 0);
	assert_string_equal(words(&all, buf), "yn?ny");
	berth_devset_done(&all);
	assert_int_equal(berth_devset_join(&all, both, 0, NULL), 0);
	assert_string_equal(words(&all, buf), "nnnnn");
	berth_devset_done(&all);
	berth_devset_done(&node0);
	berth_devset_done(&node1);
	berth_devset_done(&low);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_match_tells_yes_from_maybe),
		cmocka_unit_test(a_join_takes_any_and_filters_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
