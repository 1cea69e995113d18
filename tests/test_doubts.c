/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "manager/doubts.h"
#include "manager/manager.h"
#include "tests/lib/fake_pci.h"

#define NIC "0000:01:00.0"
#define DEVICE                                                                                     \
	"{ \"version\": 1, \"devices\": [ { \"name\": \"nic\", \"match\": { \"pci.bdf\": \"" NIC   \
	"\" } } ]"
#define ALLOW                                                                                      \
	"{ \"effect\": \"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"device\": \"nic\" } }"
#define PIN                                                                                        \
	"{ \"effect\": \"pin\", \"subject\": { \"vm\": \"t2\" }, \"resource\": { \"device\": \"nic\" } }"

#define FOR_NONE                                                                                   \
	"{ \"effect\": \"allow\", \"subject\": { \"vm\": \"t1\" }, \"resource\": { \"match\": {"   \
	" \"pci.id\": \"dead:beef\" } } }"

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
};

/* What is said on a host with @policy. */
static const char *doubts(const char *policy, char words[BERTH_DOUBTS_WORDS])
{
	struct fake_host *fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	struct berth_host *host = NULL;
	struct berth_manager *m = NULL;

	if (policy)
		fake_host_file(fake, "etc/policy.d/10.json", "%s", policy);
	assert_int_equal(berth_host_open(&host, fake->root, NULL), 0);
	assert_int_equal(berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_ptr_equal(berth_manager_doubts(m, words), words);
	berth_manager_close(m);
	berth_host_close(host);
	fake_host_free(fake);
	return words;
}

static void there_is_nothing_to_say_of_a_sound_policy_or_of_none(void **state)
{
	char words[BERTH_DOUBTS_WORDS];

	(void)state;
	assert_string_equal(doubts(NULL, words), "");
	assert_string_equal(doubts(DEVICE ", \"rules\": [ " ALLOW " ] }", words), "");
}

static void a_policy_that_cannot_be_read_is_for_others_to_complain_of(void **state)
{
	char words[BERTH_DOUBTS_WORDS];

	(void)state;
	assert_string_equal(doubts("{ \"version\": 1, ", words), "");
}

static void contradictions_and_doubts_are_counted(void **state)
{
	char words[BERTH_DOUBTS_WORDS];

	(void)state;
	assert_string_equal(doubts(DEVICE ", \"rules\": [ " ALLOW ", " PIN " ] }", words),
			    "the policy contradicts itself in 1 place; 'berth policy check' says "
			    "where");
	assert_string_equal(doubts(DEVICE ", \"rules\": [ " FOR_NONE ", " FOR_NONE " ] }", words),
			    "the policy is doubtful in 2 places; 'berth policy check' says where");
	assert_string_equal(doubts(DEVICE ", \"rules\": [ " ALLOW ", " PIN ", " FOR_NONE " ] }",
				   words),
			    "the policy contradicts itself in 1 place and is doubtful in 1 place; "
			    "'berth policy check' says where");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_nothing_to_say_of_a_sound_policy_or_of_none),
		cmocka_unit_test(a_policy_that_cannot_be_read_is_for_others_to_complain_of),
		cmocka_unit_test(contradictions_and_doubts_are_counted),
	};

	return cmocka_run_group_tests_name("manager/doubts", tests, NULL, NULL);
}
