/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy in memory: what its files say, checked, each piece with the place where it was written.
 *
 * Built whole by policy/load.h and immutable afterwards. berth-policy(5) describes the language.
 */
#ifndef BERTH_POLICY_RULE_H
#define BERTH_POLICY_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "policy/match.h"

/* Where something was written. */
struct berth_origin {
	const char *file; /* borrowed from the policy */
	char *pointer;	  /* owned; JSON pointer, "/rules/3" (RFC 6901) */
	unsigned int line, column;
};

enum berth_bind_mode {
	BERTH_BIND_ON_ASSIGN, /* "on-assign": stays with the host's driver until it is assigned */
	BERTH_BIND_AUTO,      /* "auto": goes to vfio-pci as soon as it appears */
};

/* Settings of a VF through its PF; has_… tells which the policy gives, the others stay as they are. */
struct berth_net_policy {
	bool has_mac, has_vlan, has_qos, has_trust, has_spoofchk;
	uint8_t mac[6];
	uint16_t vlan; /* 1 … 4094, 0 for none */
	uint8_t qos;   /* 802.1p priority, 0 … 7; only together with a VLAN */
	bool trust, spoofchk;
};

/* A named device or a class of devices. */
struct berth_group_entry {
	char *name;		    /* owned */
	struct berth_match *match;  /* owned */
	struct berth_match *expect; /* owned, NULL when not given; devices only */
	bool has_bind, has_net;
	enum berth_bind_mode bind;
	struct berth_net_policy net;
	struct berth_origin origin;
};

/* A pool: named devices, or the devices of classes that also match. */
struct berth_pool_entry {
	char *name;		   /* owned */
	char **devices;		   /* owned; NULL-terminated, or NULL */
	char **classes;		   /* owned; NULL-terminated, or NULL */
	struct berth_match *match; /* owned, or NULL */
	struct berth_origin origin;
};

enum berth_effect { BERTH_EFFECT_ALLOW, BERTH_EFFECT_DENY };

enum berth_resource {
	BERTH_RESOURCE_DEVICE,
	BERTH_RESOURCE_CLASS,
	BERTH_RESOURCE_POOL,
	BERTH_RESOURCE_MATCH, /* also { "any_device": true } */
};

struct berth_rule {
	char *name; /* owned, or NULL */
	enum berth_effect effect;
	int priority; /* 0 … 999, larger is stronger among allows */
	char **vms;   /* owned; globs, NULL-terminated; NULL for any VM */
	enum berth_resource resource;
	char **names; /* owned; of devices, classes or pools; NULL-terminated; NULL for a match */
	struct berth_match *match; /* owned; for BERTH_RESOURCE_MATCH */
	struct berth_origin origin;
};

struct berth_policy {
	char **files;	 /* owned; in order of their names */
	size_t nr_files; /* 0: there is no policy, root may assign whatever safety allows */
	struct berth_group_entry *devices, *classes; /* owned; sorted by name */
	struct berth_pool_entry *pools;		     /* owned; sorted by name */
	struct berth_rule *rules;		     /* owned; by file and place in it */
	size_t nr_devices, nr_classes, nr_pools, nr_rules;
	char **warnings; /* owned; "FILE:LINE:COLUMN: POINTER: …", nothing that stops the policy from working */
	size_t nr_warnings;
};

void berth_policy_free(struct berth_policy *policy);
BERTH_DEFINE_CLEANUP(struct berth_policy *, berth_policy_free);

/* By name; NULL when there is none. */
const struct berth_group_entry *berth_policy_device(const struct berth_policy *policy,
						    const char *name);
const struct berth_group_entry *berth_policy_class(const struct berth_policy *policy,
						   const char *name);
const struct berth_pool_entry *berth_policy_pool(const struct berth_policy *policy,
						 const char *name);

/* "FILE:LINE:COLUMN, /rules/3", cut to @size. Returns @buf. */
char *berth_origin_format(const struct berth_origin *origin, char *buf, size_t size);
#define BERTH_ORIGIN_STR(o) berth_origin_format((o), (char[384]){ 0 }, 384)

/* Is this device in the pool, going by matches alone (policy/decide.h looks at identity)? */
enum berth_tri berth_pool_has(const struct berth_policy *policy,
			      const struct berth_pool_entry *pool, const struct berth_facts *facts);

#endif
