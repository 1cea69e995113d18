/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network settings of a virtual function as values: MAC, VLAN, rates, spoof check, trust, link state.
 *
 * They belong to the physical function; the VF's user, a guest, cannot change them. They outlive the VF's driver, so that
 * a VF given back without restoring them carries one tenant's settings to the next. vfio/netdev.h reads and writes them.
 */
#ifndef BERTH_VFIO_VF_NET_H
#define BERTH_VFIO_VF_NET_H

#include <stdbool.h>
#include <stdint.h>

struct berth_err;

/* Bits of berth_vf_net.has. */
enum berth_vf_net_field {
	BERTH_VF_NET_MAC = 1 << 0,
	BERTH_VF_NET_VLAN = 1 << 1, /* id, priority and protocol */
	BERTH_VF_NET_RATE = 1 << 2, /* least and most */
	BERTH_VF_NET_SPOOFCHK = 1 << 3,
	BERTH_VF_NET_TRUST = 1 << 4,
	BERTH_VF_NET_LINK = 1 << 5,
	BERTH_VF_NET_ALL = (1 << 6) - 1,
};

/* Values as in linux/if_link.h, IFLA_VF_LINK_STATE_*. */
enum berth_vf_link {
	BERTH_VF_LINK_AUTO = 0,	   /* follows the PF's link */
	BERTH_VF_LINK_ENABLE = 1,  /* always up */
	BERTH_VF_LINK_DISABLE = 2, /* always down */
};

struct berth_vf_net {
	unsigned int has;     /* which of the following mean something: BERTH_VF_NET_* */
	uint8_t mac[6];	      /* all zero: none given by the PF, the VF's driver makes one up */
	uint16_t vlan;	      /* 1 … 4094; 0: none */
	uint8_t vlan_qos;     /* 0 … 7 */
	uint16_t vlan_proto;  /* 0x8100 (802.1Q) or 0x88a8 (802.1ad) */
	uint32_t min_tx_mbit; /* 0: no promise */
	uint32_t max_tx_mbit; /* 0: no limit */
	bool spoofchk;
	bool trust;
	enum berth_vf_link link;
};

/* "mac=52:54:00:12:34:56 vlan=40 qos=0 proto=802.1Q min=0 max=100 spoofchk=on trust=off link=auto": fields that are not in
 * @net->has are left out. For the ledger, plans and messages. Returns @buf. */
#define BERTH_VF_NET_TEXT 160
char *berth_vf_net_format(const struct berth_vf_net *net, char buf[static BERTH_VF_NET_TEXT]);

/* Reads what berth_vf_net_format() wrote. Return: 0; -EINVAL, *ret untouched. */
int berth_vf_net_parse(const char *text, struct berth_vf_net *ret);

/* "52:54:00:12:34:56", hex of either case. Return: 0; -EINVAL. */
int berth_mac_parse(const char *text, uint8_t ret[static 6]);

/* Values a device may be asked for: unicast MAC, VLAN 0 … 4094, … Return: 0; -EINVAL with the setting named. */
int berth_vf_net_check(const struct berth_vf_net *net, struct berth_err *err);

/* The fields of @want->has whose values in @have differ or are missing there. */
unsigned int berth_vf_net_diff(const struct berth_vf_net *want, const struct berth_vf_net *have);

/* "MAC address", "VLAN", "rate limit", "spoof check", "trust", "link state"; "" for another value. */
const char *berth_vf_net_field_name(enum berth_vf_net_field field);

#endif
