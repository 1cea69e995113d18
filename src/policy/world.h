/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that a decision may see: the policy, the facts of all devices, who has what, the time.
 *
 * Pure data. Built once per question by whoever knows the host (the manager), then asked as often as one likes: which
 * devices fit which entry is worked out at berth_world_new(), counts of free and owned devices are kept up to date by
 * berth_world_set_owner(), so that a plan can be tried out on a world and taken back again.
 *
 * Devices, groups and sets are numbers: indexes into the arrays below. Not thread-safe.
 */
#ifndef BERTH_POLICY_WORLD_H
#define BERTH_POLICY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/devset.h"
#include "policy/rule.h"

struct berth_err;

#define BERTH_WORLD_NONE UINT32_MAX /* no such device, group, tenant */

struct berth_usage_taint {
	const char *taint;
	enum berth_taint_effect effect;
	const char *reason; /* for people, or NULL */
};

/* What goes on with one device. All text borrowed, NULL or 0 where there is nothing to say. */
struct berth_usage {
	const char *vm;	   /* who owns it; NULL: nobody */
	const char *state; /* the ledger's word */
	int64_t lease_end; /* seconds since 1970 */
	int64_t last_use;  /* likewise; 0: never, or nobody knows */
	int priority;	   /* of the claim it was given for; 0 when there was none */
	bool preemptible;  /* that claim may be displaced */
	bool planned;	   /* a plan gives it to @vm, and nobody has it yet */
	const struct berth_usage_taint *taints; /* the ledger's; the policy has its own */
	size_t nr_taints;
	const char *safety;	 /* why the host cannot let it go: a code of safety ("HOST_USES") */
	const char *safety_text; /* and its sentence */
};

struct berth_world_input {
	const struct berth_policy *policy;
	const struct berth_facts *facts;
	const struct berth_usage *usage; /* one for each of @facts; NULL: nobody owns anything */
	size_t nr;
	int64_t now; /* seconds since 1970 */
};

/* An IOMMU group; bridges are not counted among its members. A device without a group is alone in one. */
struct berth_world_group {
	const char *key;	 /* borrowed from the facts; NULL: there is no IOMMU group */
	const uint32_t *members; /* borrowed from the world; ascending */
	uint32_t nr;
};

/* One of the sets that a device is in, or may be in. */
struct berth_world_member {
	uint32_t set;
	enum berth_tri in; /* BERTH_YES or BERTH_UNKNOWN */
};

struct berth_world {
	const struct berth_policy *policy; /* borrowed, here and below: outlive the world */
	const struct berth_facts *facts;
	size_t nr; /* devices */
	int64_t now;
	struct berth_usage *usage;	  /* owned; the input's, then berth_world_set_owner()'s */
	struct berth_world_group *groups; /* owned */
	uint32_t nr_groups;
	uint32_t *group_of;	   /* owned; of each device; BERTH_WORLD_NONE: a bridge */
	uint32_t *pf_of;	   /* owned; of each device: its PF's number, or BERTH_WORLD_NONE */
	uint32_t *owned_vfs;	   /* owned; of each device: how many VFs of it have an owner */
	bool *usable;		   /* owned; of each device: nothing keeps it from everybody */
	struct berth_devset *sets; /* owned */
	uint32_t nr_sets;
	struct berth_world_index *index; /* owned; inside src/policy/world.c */
};

/**
 * berth_world_new() - see what there is
 * @in: what it points to must outlive the world, the input itself need not
 * @ret: owned by the caller, berth_world_free()
 *
 * Time and room are near-linear in devices plus entries plus pairs that fit, as long as entries name devices, classes and
 * pools; each distinct match is tried on each device once.
 *
 * Return: 0; -ENOMEM.
 */
int berth_world_new(struct berth_world **ret, const struct berth_world_input *in,
		    struct berth_err *err);
void berth_world_free(struct berth_world *world);
BERTH_DEFINE_CLEANUP(struct berth_world *, berth_world_free);

/**
 * berth_world_set_owner() - as if @vm had it from now on
 * @vm: borrowed, must outlive the world; NULL: nobody
 *
 * Touches usage[device].vm and the counts; state, lease and priority are the caller's to fill in (usage is not const).
 * A group has one owner: call it for each member.
 */
void berth_world_set_owner(struct berth_world *world, uint32_t device, const char *vm);

/* --- which devices an entry speaks of; numbers of sets, by the entry's place in the policy's arrays --- */

uint32_t berth_world_device_set(const struct berth_world *world, size_t entry);
uint32_t berth_world_class_set(const struct berth_world *world, size_t entry);
uint32_t berth_world_pool_set(const struct berth_world *world, size_t entry);
uint32_t berth_world_rule_set(const struct berth_world *world, size_t rule);
uint32_t berth_world_protect_set(const struct berth_world *world, size_t protect);
uint32_t berth_world_taint_set(const struct berth_world *world, size_t taint);
uint32_t berth_world_request_set(const struct berth_world *world, size_t claim, size_t request);

/* The sets that a device is in or may be in, ascending. Borrowed. */
const struct berth_world_member *berth_world_sets_of(const struct berth_world *world,
						     uint32_t device, uint32_t *ret_nr);

/* The other way round: rules and taints (their places in the policy's arrays) that speak of a set, ascending. Borrowed. */
const uint32_t *berth_world_rules_on(const struct berth_world *world, uint32_t set,
				     uint32_t *ret_nr);
const uint32_t *berth_world_taints_on(const struct berth_world *world, uint32_t set,
				      uint32_t *ret_nr);
/* The pool or protect entry that a set belongs to; NULL: to none. */
const struct berth_pool_entry *berth_world_pool_of(const struct berth_world *world, uint32_t set);
const struct berth_protect_entry *berth_world_protect_of(const struct berth_world *world,
							 uint32_t set);

/* --- what an entry of its kind says about it --- */

/* Is the device what policy expects at its place? BERTH_YES also when nothing is. @ret_entry: NULL, or gets what says otherwise. */
enum berth_tri berth_world_identity(const struct berth_world *world, uint32_t device,
				    const struct berth_group_entry **ret_entry);

/* --- VMs --- */

/* A VM as the policy sees it. */
struct berth_subject {
	char *vm;	   /* owned; NULL: any VM */
	uint32_t tenant;   /* into policy->tenants; BERTH_WORLD_NONE: of none */
	uint32_t tenant_2; /* a second one, which is a mistake in the policy; or BERTH_WORLD_NONE */
	int8_t *fits;	   /* owned; of each rule, once somebody asked: see berth_world_fits() */
};

/* @vm: NULL for any; then rules about certain VMs are BERTH_UNKNOWN. The world keeps the last one. Return: NULL: no memory. */
const struct berth_subject *berth_world_subject(struct berth_world *world, const char *vm);

/* Is the rule about the VM? Worked out when first asked for. */
enum berth_tri berth_world_fits(const struct berth_world *world,
				const struct berth_subject *subject, size_t rule);

/* The tenant that a VM belongs to; BERTH_WORLD_NONE: none. */
uint32_t berth_world_tenant_of(const struct berth_world *world, const char *vm);

/* Does the rule speak now? */
bool berth_world_rule_speaks(const struct berth_world *world, const struct berth_rule *rule);

/* How many devices that count against a quota its tenant's VMs own; the devices that count. */
uint32_t berth_world_quota_used(const struct berth_world *world, uint32_t tenant, size_t quota);
uint32_t berth_world_quota_set(const struct berth_world *world, uint32_t tenant, size_t quota);

/* How many devices a reserve of a number keeps from others now: its count, less what its subjects own; 0 for other rules. */
uint32_t berth_world_withheld(const struct berth_world *world, size_t rule);

#endif
