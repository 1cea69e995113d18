/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random hosts and policies for tests/test_decide_random.c: made as a model, from which come both the policy files that the
 * loader reads and, by a second and simpler way, what is to be decided.
 */
#ifndef BERTH_TESTS_RANDOM_CASE_H
#define BERTH_TESTS_RANDOM_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/reason.h"
#include "policy/world.h"

#define CASE_DEVICES 9
#define CASE_ENTRIES 3
#define CASE_RULES   7
#define CASE_NOW     1000000

/* The VMs there are; the first fits several patterns. */
#define CASE_VMS 5
extern const char *const case_vms[CASE_VMS];

/* One term of a match: the device's attribute is @value. */
enum case_term {
	TERM_CLASS,
	TERM_ID,
	TERM_SERIAL,
	TERM_NODE,
	TERM_VF,
	TERM_BDF,
	TERM_PATH,
	TERM_NR
};

struct case_match {
	bool any_device, negate; /* negate: of all terms together */
	unsigned int nr;	 /* terms, at most two, of different attributes */
	enum case_term term[2];
	int value[2];
};

/* Like struct berth_selector, with names as numbers of entries. */
struct case_selector {
	enum berth_resource kind;
	unsigned int nr; /* names */
	int names[2];
	struct case_match match;
};

struct case_subject {
	int glob, tenant; /* -1: not given; neither: any VM */
};

struct case_rule {
	bool named, override_protect;
	enum berth_effect effect;
	int priority;
	struct case_subject subject;
	struct case_selector resource;
	int from, until; /* seconds from CASE_NOW; 0: not given */
	unsigned int count;
};

struct random_case {
	uint64_t rng;
	/* the host */
	unsigned int nr;
	struct berth_facts facts[CASE_DEVICES];
	struct berth_usage usage[CASE_DEVICES];
	struct berth_usage_taint taint; /* the ledger's only one */
	char bdfs[CASE_DEVICES][16];
	/* the policy */
	bool no_files;
	unsigned int nr_devices, nr_classes, nr_pools, nr_tenants, nr_protects, nr_taints, nr_rules;
	struct {
		struct case_match match, expect;
		bool has_expect;
	} devices[CASE_ENTRIES];
	struct case_match classes[CASE_ENTRIES], protects[2];
	struct {
		bool of_devices, has_match;
		unsigned int nr;
		int names[2];
		struct case_match match;
		unsigned int keep_free;
	} pools[2];
	struct {
		int glob;
		int quota_pool, quota_class; /* -1: none; else what of */
		unsigned int hard;
	} tenants[2];
	struct {
		struct case_selector resource;
		enum berth_taint_effect effect;
	} taints[2];
	struct case_rule rules[CASE_RULES];
	const char *min_isolation; /* NULL: not given */
	int tolerant;		   /* the VM whose claim tolerates the taint "t0"; -1: none */
};

uint32_t case_random(struct random_case *c, uint32_t below);

/* Host, policy and who owns what, all from @seed. */
void case_make(struct random_case *c, uint64_t seed);

/* The policy as the texts of up to three files, entries spread and in an order from @shuffle. Each is to be freed. */
unsigned int case_write(const struct random_case *c, uint64_t shuffle, char *texts[3]);

struct case_question {
	const char *vm;
	bool companion, force;
};

/* What is to be decided, as slowly and plainly as can be. */
enum berth_reason case_decide(const struct random_case *c, unsigned int device,
			      const struct case_question *q);

/* Is the device kept for the host, by safety or by a protect that may match? */
bool case_protected(const struct random_case *c, unsigned int device);

/* Does a quota of @vm's tenant hold less than what its VMs own? */
bool case_over_quota(const struct random_case *c, const char *vm);

#endif
