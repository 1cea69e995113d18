/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/vf_net.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

static const char *const link_names[] = {
	[BERTH_VF_LINK_AUTO] = "auto",
	[BERTH_VF_LINK_ENABLE] = "enable",
	[BERTH_VF_LINK_DISABLE] = "disable",
};

static const char *on_off(bool value)
{
	return value ? "on" : "off";
}

static void __attribute__((format(printf, 2, 3)))
append(char buf[static BERTH_VF_NET_TEXT], const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, BERTH_VF_NET_TEXT - len, fmt, ap);
	va_end(ap);
}

/* Without a stream, which needs memory: what this text is for must not get lost with it. */
char *berth_vf_net_format(const struct berth_vf_net *net, char buf[static BERTH_VF_NET_TEXT])
{
	const uint8_t *m = net->mac;

	buf[0] = '\0';
	if (net->has & BERTH_VF_NET_MAC)
		append(buf, " mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		       m[5]);
	if (net->has & BERTH_VF_NET_VLAN)
		append(buf, " vlan=%u qos=%u proto=%s", net->vlan, net->vlan_qos,
		       net->vlan_proto == ETH_P_8021AD ? "802.1ad" : "802.1Q");
	if (net->has & BERTH_VF_NET_RATE)
		append(buf, " min=%" PRIu32 " max=%" PRIu32, net->min_tx_mbit, net->max_tx_mbit);
	if (net->has & BERTH_VF_NET_SPOOFCHK)
		append(buf, " spoofchk=%s", on_off(net->spoofchk));
	if (net->has & BERTH_VF_NET_TRUST)
		append(buf, " trust=%s", on_off(net->trust));
	if (net->has & BERTH_VF_NET_LINK)
		append(buf, " link=%s", link_names[net->link]);
	if (buf[0])
		memmove(buf, buf + 1, strlen(buf));
	return buf;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int berth_mac_parse(const char *text, uint8_t ret[static 6])
{
	uint8_t mac[6];

	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	unsigned long long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int parse_word(const char *text, const char *const words[], size_t nr, uint32_t *ret)
{
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(words[i], text) == 0) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_pair(struct berth_vf_net *net, const char *key, const char *value)
{
	static const char *const switches[] = { "off", "on" };
	static const char *const protocols[] = { "802.1Q", "802.1ad" };
	uint32_t n = 0;
	int r;

	if (strcmp(key, "mac") == 0) {
		r = berth_mac_parse(value, net->mac);
		net->has |= BERTH_VF_NET_MAC;
	} else if (strcmp(key, "vlan") == 0) {
		r = parse_number(value, 4095, &n);
		net->vlan = (uint16_t)n;
		net->has |= BERTH_VF_NET_VLAN;
	} else if (strcmp(key, "qos") == 0) {
		r = parse_number(value, 7, &n);
		net->vlan_qos = (uint8_t)n;
	} else if (strcmp(key, "proto") == 0) {
		r = parse_word(value, protocols, BERTH_ARRAY_SIZE(protocols), &n);
		net->vlan_proto = n ? ETH_P_8021AD : ETH_P_8021Q;
	} else if (strcmp(key, "min") == 0) {
		r = parse_number(value, UINT32_MAX, &net->min_tx_mbit);
		net->has |= BERTH_VF_NET_RATE;
	} else if (strcmp(key, "max") == 0) {
		r = parse_number(value, UINT32_MAX, &net->max_tx_mbit);
		net->has |= BERTH_VF_NET_RATE;
	} else if (strcmp(key, "spoofchk") == 0) {
		r = parse_word(value, switches, BERTH_ARRAY_SIZE(switches), &n);
		net->spoofchk = n;
		net->has |= BERTH_VF_NET_SPOOFCHK;
	} else if (strcmp(key, "trust") == 0) {
		r = parse_word(value, switches, BERTH_ARRAY_SIZE(switches), &n);
		net->trust = n;
		net->has |= BERTH_VF_NET_TRUST;
	} else if (strcmp(key, "link") == 0) {
		r = parse_word(value, link_names, BERTH_ARRAY_SIZE(link_names), &n);
		net->link = (enum berth_vf_link)n;
		net->has |= BERTH_VF_NET_LINK;
	} else {
		r = -EINVAL;
	}
	return r;
}

int berth_vf_net_parse(const char *text, struct berth_vf_net *ret)
{
	struct berth_vf_net net = { .vlan_proto = ETH_P_8021Q };
	char copy[BERTH_VF_NET_TEXT], *word, *state = NULL, *value;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	for (word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (parse_pair(&net, word, value) < 0)
			return -EINVAL;
	}
	*ret = net;
	return 0;
}

int berth_vf_net_check(const struct berth_vf_net *net, struct berth_err *err)
{
	/* IEEE 802: bit 0 of the first octet is set in group addresses */
	if ((net->has & BERTH_VF_NET_MAC) && (net->mac[0] & 1))
		return berth_err_set(err, -EINVAL,
				     "MAC address %02x:…: is a multicast address; the first byte of"
				     " a station's address is even",
				     net->mac[0]);
	/* IEEE 802.1Q, 9.6: 4095 is reserved */
	if ((net->has & BERTH_VF_NET_VLAN) && net->vlan > 4094)
		return berth_err_set(err, -EINVAL, "VLAN %u: there are 1 to 4094, and 0 for none",
				     net->vlan);
	if ((net->has & BERTH_VF_NET_VLAN) && net->vlan_qos > 7)
		return berth_err_set(err, -EINVAL, "VLAN priority %u: there are 0 to 7",
				     net->vlan_qos);
	if ((net->has & BERTH_VF_NET_VLAN) && net->vlan_proto != ETH_P_8021Q &&
	    net->vlan_proto != ETH_P_8021AD)
		return berth_err_set(err, -EINVAL,
				     "VLAN protocol 0x%04x: there are 0x8100 (802.1Q) and 0x88a8 "
				     "(802.1ad)",
				     net->vlan_proto);
	if ((net->has & BERTH_VF_NET_RATE) && net->max_tx_mbit &&
	    net->min_tx_mbit > net->max_tx_mbit)
		return berth_err_set(err, -EINVAL,
				     "rate limit: the least (%u Mbit/s) is more than the most (%u)",
				     net->min_tx_mbit, net->max_tx_mbit);
	if ((net->has & BERTH_VF_NET_LINK) && net->link > BERTH_VF_LINK_DISABLE)
		return berth_err_set(err, -EINVAL, "link state %d: there are 0 to 2",
				     (int)net->link);
	return 0;
}

static bool same(enum berth_vf_net_field bit, const struct berth_vf_net *a,
		 const struct berth_vf_net *b)
{
	switch (bit) {
	case BERTH_VF_NET_MAC:
		return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
	case BERTH_VF_NET_VLAN:
		/* without a VLAN, priority and protocol say nothing: drivers report what they like */
		return a->vlan == b->vlan &&
		       (!a->vlan || (a->vlan_qos == b->vlan_qos && a->vlan_proto == b->vlan_proto));
	case BERTH_VF_NET_RATE:
		return a->min_tx_mbit == b->min_tx_mbit && a->max_tx_mbit == b->max_tx_mbit;
	case BERTH_VF_NET_SPOOFCHK:
		return a->spoofchk == b->spoofchk;
	case BERTH_VF_NET_TRUST:
		return a->trust == b->trust;
	case BERTH_VF_NET_LINK:
		return a->link == b->link;
	case BERTH_VF_NET_ALL:
		break;
	}
	return false;
}

unsigned int berth_vf_net_diff(const struct berth_vf_net *want, const struct berth_vf_net *have)
{
	unsigned int diff = want->has & ~have->has;

	for (unsigned int bit = 1; bit < BERTH_VF_NET_ALL; bit <<= 1) {
		if ((want->has & have->has & bit) &&
		    !same((enum berth_vf_net_field)bit, want, have))
			diff |= bit;
	}
	return diff;
}

const char *berth_vf_net_field_name(enum berth_vf_net_field field)
{
	switch (field) {
	case BERTH_VF_NET_MAC:
		return "MAC address";
	case BERTH_VF_NET_VLAN:
		return "VLAN";
	case BERTH_VF_NET_RATE:
		return "rate limit";
	case BERTH_VF_NET_SPOOFCHK:
		return "spoof check";
	case BERTH_VF_NET_TRUST:
		return "trust";
	case BERTH_VF_NET_LINK:
		return "link state";
	case BERTH_VF_NET_ALL:
		break;
	}
	return "";
}
