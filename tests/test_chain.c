/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <string.h>

#include "policy/audit.h"
#include "policy/chain.h"

#define T(text) ((char[]){ text })

/*
 * Computed by hand, so that the form can never change unnoticed:
 *   printf 'berth-audit-1\n64:%064d,1:7,10:1790000000,4:1000,6:assign,2:t1,-,0:,9:preparing,-,' 0 | sha256sum
 */
static void the_form_of_a_row_is_fixed(void **state)
{
	const struct berth_audit row = { .seq = 7,
					 .time = 1790000000,
					 .uid = 1000,
					 .verb = T("assign"),
					 .vm = T("t1"),
					 .before = T(""),
					 .after = T("preparing") };
	char hash[BERTH_CHAIN_HASH];

	(void)state;
	assert_string_equal(berth_chain_hash(&row, BERTH_CHAIN_START, hash),
			    "d2754f2dd3e121221d9b4e84399bbd7720d90201237c26255c1a76551ac45e70");
}

/* FIPS 180-4's own example, in NIST's "Examples with Intermediate Values". */
static void a_text_has_its_sha_256(void **state)
{
	char hash[BERTH_CHAIN_HASH];

	(void)state;
	assert_string_equal(berth_chain_hash_text("abc", hash),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void text_that_moves_to_the_next_field_is_another_row(void **state)
{
	const struct berth_audit a = { .verb = T("x"), .vm = T("ab"), .device = T("c") };
	const struct berth_audit b = { .verb = T("x"), .vm = T("a"), .device = T("bc") };
	const struct berth_audit c = { .verb = T("x"), .vm = T("abc") };
	const struct berth_audit d = { .verb = T("x"), .vm = T("abc"), .device = T("") };
	char hash[4][BERTH_CHAIN_HASH];

	(void)state;
	berth_chain_hash(&a, BERTH_CHAIN_START, hash[0]);
	berth_chain_hash(&b, BERTH_CHAIN_START, hash[1]);
	berth_chain_hash(&c, BERTH_CHAIN_START, hash[2]);
	berth_chain_hash(&d, BERTH_CHAIN_START, hash[3]);
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < i; j++)
			assert_string_not_equal(hash[i], hash[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_of_a_row_is_fixed),
		cmocka_unit_test(a_text_has_its_sha_256),
		cmocka_unit_test(text_that_moves_to_the_next_field_is_another_row),
	};

	return cmocka_run_group_tests_name("policy/chain", tests, NULL, NULL);
}
