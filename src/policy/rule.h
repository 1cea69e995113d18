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

#define BERTH_POLICY_MAX_PRIORITY 999

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

/* Which devices an entry speaks of: by names of devices, classes or pools, or by attributes. */
enum berth_resource {
	BERTH_RESOURCE_DEVICE,
	BERTH_RESOURCE_CLASS,
	BERTH_RESOURCE_POOL,
	BERTH_RESOURCE_MATCH, /* also { "any_device": true } */
};

struct berth_selector {
	enum berth_resource kind;
	char **names; /* owned; of devices, classes or pools; NULL-terminated; NULL for a match */
	struct berth_match *match; /* owned; for BERTH_RESOURCE_MATCH */
};

enum berth_order {
	BERTH_ORDER_LISTED, /* as the inventory has them */
	BERTH_ORDER_PACK,   /* fill a switch that is in use already before touching an idle one */
	BERTH_ORDER_SPREAD, /* the switch with the most free devices first */
};

/* A pool: named devices, or the devices of classes that also match. */
struct berth_pool_entry {
	char *name;		   /* owned */
	char **devices;		   /* owned; NULL-terminated, or NULL */
	char **classes;		   /* owned; NULL-terminated, or NULL */
	struct berth_match *match; /* owned, or NULL */
	enum berth_order order;
	unsigned int keep_free; /* as many stay free whoever asks */
	struct berth_origin origin;
};

/* How many devices of a class or pool the VMs of a tenant may own together. */
struct berth_quota {
	char *of;  /* owned; name of a class or pool */
	bool pool; /* what @of names */
	unsigned int hard;
	struct berth_origin origin;
};

struct berth_tenant_entry {
	char *name; /* owned */
	char **vms; /* owned; globs, NULL-terminated; a VM belongs to at most one tenant (BERTH_REFUSED otherwise) */
	char **users; /* owned; user names, NULL-terminated, or NULL; for people and for a later broker */
	struct berth_quota *quotas; /* owned */
	size_t nr_quotas;
	int max_priority; /* of its claims; 999 when not given */
	struct berth_origin origin;
};

/* Devices that stay with the host, besides those that safety knows by itself. */
struct berth_protect_entry {
	char *name;		   /* owned */
	struct berth_match *match; /* owned */
	struct berth_origin origin;
};

enum berth_taint_effect {
	BERTH_TAINT_REPORT, /* "report": shown, nothing else */
	BERTH_TAINT_NO_NEW, /* "no-new": not handed out any more, unless a claim tolerates it */
	BERTH_TAINT_EVICT,  /* "evict": and whoever has it is asked to let go */
};

struct berth_taint_entry {
	char *taint; /* owned; a word such as "hw-fault" */
	enum berth_taint_effect effect;
	struct berth_selector resource;
	struct berth_origin origin;
};

enum berth_expiry {
	BERTH_EXPIRY_NOTIFY,   /* "notify": say so, nothing else */
	BERTH_EXPIRY_DETACH,   /* "detach": take the devices from the VM, which may go on without */
	BERTH_EXPIRY_SHUTDOWN, /* "shutdown": end the VM, then release */
};

/* What a rule says about how long; 0 in max_s: no limit. */
struct berth_lease_terms {
	int64_t max_s;	 /* seconds, > 0, or 0 */
	int64_t grace_s; /* after the end, before on_expiry is done */
	bool renew;	 /* may be prolonged before it ends */
	bool has_on_expiry;
	enum berth_expiry on_expiry;
};

enum berth_effect {
	BERTH_EFFECT_ALLOW,
	BERTH_EFFECT_DENY,
	BERTH_EFFECT_PIN,     /* allow for its subject, deny for everybody else, at its priority */
	BERTH_EFFECT_RESERVE, /* the same from @from until @until, for @count of the devices */
};

struct berth_rule {
	char *name; /* owned, or NULL */
	enum berth_effect effect;
	int priority; /* 0 … 999, larger is stronger; a deny beats every other effect whatever the numbers say */
	char **vms;	/* owned; globs, NULL-terminated; NULL (and no tenants): any VM */
	char **tenants; /* owned; names, NULL-terminated, or NULL */
	struct berth_selector resource;
	bool has_lease;
	struct berth_lease_terms lease;
	int64_t from,
		until; /* seconds since 1970; 0: not given; the rule speaks in [from, until) only */
	unsigned int count; /* of a reserve; 0: all of them */
	bool preempt_lower; /* "preempt": "lower": a claim under it may displace preemptible ones of lower priority */
	bool override_protect; /* allow of named devices only: beats configured protection, asks for --force */
	struct berth_origin origin;
};

/* SR-IOV wishes about one PF. */
struct berth_sriov_entry {
	char *pf; /* owned; name of a device */
	unsigned int num_vfs;
	struct berth_net_policy vf_defaults;
	struct berth_origin origin;
};

/* Which NUMA node a claim's devices should be on. */
enum berth_numa_wish { BERTH_NUMA_NONE, BERTH_NUMA_PREFERRED, BERTH_NUMA_REQUIRED };

/* How far apart two devices are: the largest thing that what they say to each other passes. Names "PIX" … "SYS". */
enum berth_distance {
	BERTH_DISTANCE_SELF, /* the same slot */
	BERTH_DISTANCE_PIX,  /* one PCIe switch */
	BERTH_DISTANCE_PXB,  /* several switches, one root port */
	BERTH_DISTANCE_PHB,  /* one host bridge (root complex) */
	BERTH_DISTANCE_NODE, /* one NUMA node */
	BERTH_DISTANCE_SYS,  /* the link between NUMA nodes, or it is not known */
};

/* One kind of device that a claim wants: @count of @resource. */
struct berth_request_entry {
	char *name; /* owned; unique in its claim */
	struct berth_selector resource;
	unsigned int count; /* >= 1 */
	bool has_net;
	struct berth_net_policy net;
	struct berth_origin origin;
};

enum berth_constraint_kind {
	BERTH_CONSTRAINT_DISTANCE, /* of[0] and of[1] are requests: at most max_distance apart */
	BERTH_CONSTRAINT_SAME, /* all devices of the requests @of have the same @attribute, and it is known */
	BERTH_CONSTRAINT_DISTINCT, /* no two of them have the same, and it is known */
};

struct berth_constraint {
	enum berth_constraint_kind kind;
	enum berth_distance max_distance;
	bool each; /* distance: the n-th of one with the n-th of the other (a pairing the solver picks); false: all with all */
	char *attribute; /* owned; of berth-policy(5), "numa.node", "pf", "pcie.switch"; NULL for a distance */
	char **of; /* owned; names of requests, NULL-terminated */
	struct berth_origin origin;
};

/* What may be given up, in order, when the claim cannot be met as it stands. */
struct berth_alternative {
	bool has_distance, drop_same, drop_distinct, has_numa;
	enum berth_distance max_distance; /* instead of each constraint's own */
	enum berth_numa_wish numa;
	struct berth_origin origin;
};

struct berth_claim_entry {
	char *vm; /* owned; one claim per VM */
	int priority;
	bool preemptible;
	bool has_numa; /* it was given; else @numa is the policy's default, or "preferred" */
	enum berth_numa_wish numa;
	int32_t numa_node; /* of the VM's memory; BERTH_FACT_UNKNOWN: any, but one */
	struct berth_request_entry *requests;	/* owned */
	struct berth_constraint *constraints;	/* owned */
	struct berth_alternative *alternatives; /* owned */
	size_t nr_requests, nr_constraints, nr_alternatives;
	char **tolerate; /* owned; taints, NULL-terminated, or NULL */
	struct berth_origin origin;
};

/* What holds where nothing else is said. has_…: it was given. */
struct berth_policy_defaults {
	bool has_min_isolation, has_numa, has_unbind_timeout;
	char *min_isolation; /* owned; "isolated", "multifunction", "shared", "acs-override" */
	enum berth_numa_wish numa;
	unsigned int unbind_timeout_s;
	struct berth_origin origin;
};

/* A file that is not in force, because a stronger folder has one of the same name. */
struct berth_policy_mask {
	char *file, *by; /* owned; paths */
};

struct berth_policy {
	char **files;	 /* owned; those in force, in order of their names */
	size_t nr_files; /* 0: there is no policy, root may assign whatever safety allows */
	struct berth_group_entry *devices, *classes; /* owned; sorted by name */
	struct berth_pool_entry *pools;		     /* owned; sorted by name */
	struct berth_rule *rules;		     /* owned; by file and place in it */
	struct berth_tenant_entry *tenants;	     /* owned; sorted by name */
	struct berth_protect_entry *protects;	     /* owned; sorted by name */
	struct berth_taint_entry *taints; /* owned; by file and place, as the rest below */
	struct berth_sriov_entry *sriovs; /* owned; sorted by pf */
	struct berth_claim_entry *claims; /* owned; sorted by vm */
	struct berth_policy_defaults defaults;
	size_t nr_devices, nr_classes, nr_pools, nr_rules;
	size_t nr_tenants, nr_protects, nr_taints, nr_sriovs, nr_claims;
	char **warnings; /* owned; "FILE:LINE:COLUMN: POINTER: …", nothing that stops the policy from working */
	size_t nr_warnings;
	struct berth_policy_mask *masks; /* owned */
	size_t nr_masks;
};

void berth_policy_free(struct berth_policy *policy);
BERTH_DEFINE_CLEANUP(struct berth_policy *, berth_policy_free);

/* By name, a claim by its VM; NULL when there is none. */
const struct berth_tenant_entry *berth_policy_tenant(const struct berth_policy *policy,
						     const char *name);
const struct berth_claim_entry *berth_policy_claim(const struct berth_policy *policy,
						   const char *vm);
const struct berth_group_entry *berth_policy_device(const struct berth_policy *policy,
						    const char *name);
const struct berth_group_entry *berth_policy_class(const struct berth_policy *policy,
						   const char *name);
const struct berth_pool_entry *berth_policy_pool(const struct berth_policy *policy,
						 const char *name);

/* Is there a term for this attribute anywhere in it? What is costly to learn need not be learned otherwise. */
bool berth_policy_asks(const struct berth_policy *policy, const char *attribute);

/* "FILE:LINE:COLUMN, /rules/3", without line and column where there are none, cut to @size. Returns @buf. */
char *berth_origin_format(const struct berth_origin *origin, char *buf, size_t size);
#define BERTH_ORIGIN_STR(o) berth_origin_format((o), (char[384]){ 0 }, 384)

/* Is this device in the pool, going by matches alone (policy/decide.h looks at identity)? */
enum berth_tri berth_pool_has(const struct berth_policy *policy,
			      const struct berth_pool_entry *pool, const struct berth_facts *facts);

/* Is the device among those that @selector names? @ret_term: the attribute that decided against it, or NULL. */
enum berth_tri berth_selector_fits(const struct berth_policy *policy,
				   const struct berth_selector *selector,
				   const struct berth_facts *facts, const char **ret_term);

#endif
