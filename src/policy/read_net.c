/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of a VF through its PF: "net", "vf_defaults". */
#include <string.h>

#include "base/err.h"
#include "policy/read.h"

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* "02:00:00:00:00:01": exactly six pairs. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || (i < 5 && text[2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_mac(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	static const uint8_t none[6];
	struct berth_net_policy *net = into;

	(void)reader;
	if (!json_is_string(at->value))
		return berth_json_bad(at, err, "must be a string");
	if (!parse_mac(json_string_value(at->value), net->mac))
		return berth_json_bad(at, err, "must be a MAC such as \"02:00:00:00:00:01\"");
	/* the low bit of the first byte marks a group address (IEEE 802-2014, 8.2.2) */
	if ((net->mac[0] & 1) || memcmp(net->mac, none, sizeof(none)) == 0)
		return berth_json_bad(at, err, "is not the address of one interface");
	net->has_mac = true;
	return 0;
}

static int read_vlan(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	struct berth_net_policy *net = into;
	int64_t vlan = 0;
	int r = berth_read_number(at, 0, 4094, &vlan, err);

	(void)reader;
	net->has_vlan = true;
	net->vlan = (uint16_t)vlan;
	return r;
}

static int read_qos(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	struct berth_net_policy *net = into;
	int64_t qos = 0;
	int r = berth_read_number(at, 0, 7, &qos, err);

	(void)reader;
	net->has_qos = true;
	net->qos = (uint8_t)qos;
	return r;
}

static int read_trust(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	struct berth_net_policy *net = into;

	net->has_trust = true;
	return berth_read_bool(reader, at, &net->trust, err);
}

static int read_spoofchk(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			 struct berth_err *err)
{
	struct berth_net_policy *net = into;

	net->has_spoofchk = true;
	return berth_read_bool(reader, at, &net->spoofchk, err);
}

static int check_net(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	const struct berth_net_policy *net = into;

	(void)reader;
	if (net->qos && !net->vlan)
		return berth_json_bad(at, err,
				      "\"qos\" is a field of the VLAN tag: give \"vlan\" too");
	return 0;
}

static const struct berth_key keys[] = {
	{ "comment", false, berth_read_comment, 0 },
	{ "mac", false, read_mac, 0 },
	{ "vlan", false, read_vlan, 0 },
	{ "qos", false, read_qos, 0 },
	{ "trust", false, read_trust, 0 },
	{ "spoofchk", false, read_spoofchk, 0 },
	{ 0 },
};

const struct berth_object berth_object_net = { "net", keys, check_net };

int berth_read_net(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		   struct berth_err *err)
{
	return berth_read_object(reader, &berth_object_net, at, into, err);
}
