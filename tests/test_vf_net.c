/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vfio/vf_net.h"

static const struct berth_vf_net whole = {
	.has = BERTH_VF_NET_ALL,
	.mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0xab },
	.vlan = 40,
	.vlan_qos = 3,
	.vlan_proto = 0x88a8,
	.min_tx_mbit = 5,
	.max_tx_mbit = 100,
	.spoofchk = true,
	.trust = false,
	.link = BERTH_VF_LINK_ENABLE,
};

#define WHOLE_TEXT                                                                                 \
	"mac=52:54:00:12:34:ab vlan=40 qos=3 proto=802.1ad min=5 max=100 spoofchk=on trust=off link=enable"

static void text_holds_what_is_set_and_only_that(void **state)
{
	struct berth_vf_net some = whole;
	char text[BERTH_VF_NET_TEXT];

	(void)state;
	assert_string_equal(berth_vf_net_format(&whole, text), WHOLE_TEXT);
	some.has = BERTH_VF_NET_MAC | BERTH_VF_NET_TRUST;
	assert_string_equal(berth_vf_net_format(&some, text), "mac=52:54:00:12:34:ab trust=off");
	some.has = 0;
	assert_string_equal(berth_vf_net_format(&some, text), "");
}

static void the_longest_text_fits(void **state)
{
	struct berth_vf_net net = whole;
	char text[BERTH_VF_NET_TEXT];

	(void)state;
	net.vlan = 65535;
	net.vlan_qos = 255;
	net.min_tx_mbit = net.max_tx_mbit = UINT32_MAX;
	net.spoofchk = net.trust = false;
	net.link = BERTH_VF_LINK_DISABLE;
	berth_vf_net_format(&net, text);
	assert_string_equal(text + strlen(text) - strlen("link=disable"), "link=disable");
}

static void text_reads_back(void **state)
{
	struct berth_vf_net got;

	(void)state;
	assert_int_equal(berth_vf_net_parse(WHOLE_TEXT, &got), 0);
	assert_int_equal(got.has, BERTH_VF_NET_ALL);
	assert_int_equal(berth_vf_net_diff(&whole, &got), 0);
	assert_int_equal(berth_vf_net_diff(&got, &whole), 0);
	assert_int_equal(berth_vf_net_parse("", &got), 0);
	assert_int_equal(got.has, 0);
	assert_int_equal(berth_vf_net_parse("vlan=7", &got), 0);
	assert_int_equal(got.vlan_proto, 0x8100);
}

static void refuses_damaged_text(void **state)
{
	static const char *const rows[] = {
		"mac",
		"mac=",
		"mac=52:54:00:12:34",
		"mac=52:54:00:12:34:ab:cd",
		"vlan=4096",
		"vlan=-1",
		"vlan=0x10",
		"vlan=1x",
		"qos=8",
		"proto=vlan",
		"min=4294967296",
		"spoofchk=yes",
		"trust=1",
		"link=up",
		"colour=red",
		"mac=52:54:00:12:34:gg",
		"mac=52-54-00-12-34-ab",
		"max=",
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_vf_net got = { .has = 77 };

		if (berth_vf_net_parse(rows[i], &got) != -EINVAL)
			fail_msg("\"%s\" was taken", rows[i]);
		assert_int_equal(got.has, 77);
	}
}

static void checks_what_no_device_can_take(void **state)
{
	static const struct {
		struct berth_vf_net net;
		const char *want; /* in the sentence; NULL: fine */
	} rows[] = {
		{ { .has = BERTH_VF_NET_MAC, .mac = { 1, 0, 0x5e } }, "multicast" },
		{ { .has = BERTH_VF_NET_MAC, .mac = { 0xff } }, "multicast" },
		{ { .has = BERTH_VF_NET_MAC, .mac = { 0x02 } }, NULL },
		{ { .has = BERTH_VF_NET_MAC }, NULL },
		{ { .mac = { 1 } }, NULL },
		{ { .has = BERTH_VF_NET_VLAN, .vlan = 4095, .vlan_proto = 0x8100 }, "VLAN 4095" },
		{ { .has = BERTH_VF_NET_VLAN, .vlan = 4094, .vlan_proto = 0x8100 }, NULL },
		{ { .has = BERTH_VF_NET_VLAN, .vlan = 4, .vlan_qos = 8, .vlan_proto = 0x8100 },
		  "priority 8" },
		{ { .has = BERTH_VF_NET_VLAN, .vlan = 4, .vlan_proto = 0x0800 }, "0x0800" },
		{ { .has = BERTH_VF_NET_RATE, .min_tx_mbit = 10, .max_tx_mbit = 9 }, "least" },
		{ { .has = BERTH_VF_NET_RATE, .min_tx_mbit = 10 }, NULL },
		{ { .has = BERTH_VF_NET_LINK, .link = (enum berth_vf_link)3 }, "link state 3" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		int r = berth_vf_net_check(&rows[i].net, &err);

		assert_int_equal(r, rows[i].want ? -EINVAL : 0);
		if (rows[i].want && !strstr(err.text, rows[i].want))
			fail_msg("row %zu says: %s", i, err.text);
	}
}

static void each_field_alone_makes_a_difference(void **state)
{
	struct berth_vf_net have;

	(void)state;
	have = whole, have.mac[5] ^= 1;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_MAC);
	have = whole, have.vlan = 41;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_VLAN);
	have = whole, have.vlan_qos = 0;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_VLAN);
	have = whole, have.vlan_proto = 0x8100;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_VLAN);
	have = whole, have.min_tx_mbit = 0;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_RATE);
	have = whole, have.max_tx_mbit = 0;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_RATE);
	have = whole, have.spoofchk = false;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_SPOOFCHK);
	have = whole, have.trust = true;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_TRUST);
	have = whole, have.link = BERTH_VF_LINK_AUTO;
	assert_int_equal(berth_vf_net_diff(&whole, &have), BERTH_VF_NET_LINK);
}

static void a_missing_field_is_a_difference_an_unwanted_one_is_not(void **state)
{
	struct berth_vf_net want = whole, have = whole;

	(void)state;
	have.has &= ~(unsigned int)BERTH_VF_NET_TRUST;
	assert_int_equal(berth_vf_net_diff(&want, &have), BERTH_VF_NET_TRUST);
	want.has = BERTH_VF_NET_VLAN;
	have.mac[0] = 0;
	assert_int_equal(berth_vf_net_diff(&want, &have), 0);
}

static void without_a_vlan_its_priority_does_not_matter(void **state)
{
	struct berth_vf_net want = { .has = BERTH_VF_NET_VLAN, .vlan_proto = 0x8100 };
	struct berth_vf_net have = { .has = BERTH_VF_NET_VLAN, .vlan_qos = 3 };

	(void)state;
	assert_int_equal(berth_vf_net_diff(&want, &have), 0);
}

static void every_field_has_a_name(void **state)
{
	(void)state;
	for (unsigned int bit = 1; bit < BERTH_VF_NET_ALL; bit <<= 1)
		assert_true(*berth_vf_net_field_name((enum berth_vf_net_field)bit));
	assert_string_equal(berth_vf_net_field_name(BERTH_VF_NET_ALL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_holds_what_is_set_and_only_that),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(text_reads_back),
		cmocka_unit_test(refuses_damaged_text),
		cmocka_unit_test(checks_what_no_device_can_take),
		cmocka_unit_test(each_field_alone_makes_a_difference),
		cmocka_unit_test(a_missing_field_is_a_difference_an_unwanted_one_is_not),
		cmocka_unit_test(without_a_vlan_its_priority_does_not_matter),
		cmocka_unit_test(every_field_has_a_name),
	};

	return cmocka_run_group_tests_name("vfio/vf_net", tests, NULL, NULL);
}
