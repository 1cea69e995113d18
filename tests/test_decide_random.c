/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random hosts, policies and ledgers: the decision is what a plain second implementation says, what its own trace says, and
 * the same whatever the order of files and entries; played out, it never gives a group to two VMs, never half a group, never
 * what is protected.
 *
 * $BERTH_PROPERTY_CASES: how many (5000); $BERTH_PROPERTY_SEED: the first one's (1), printed by the one that fails;
 * `make check-property` does 100,000.
 */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "policy/explain.h"
#include "policy/load.h"
#include "tests/lib/random_case.h"

struct fixture {
	uint64_t seed;
	struct random_case c;
	struct berth_policy *policy;
	struct berth_world *world;
	int fds[3]; /* the policy's files */
	unsigned long long decisions, gifts;
	unsigned long long reasons[BERTH_REASON_KEEP_FREE + 1];
};

#define FAIL(f, fmt, ...)                                                                          \
	fail_msg("BERTH_PROPERTY_SEED=%llu: " fmt, (unsigned long long)(f)->seed, __VA_ARGS__)

static unsigned long long number_from(const char *variable, unsigned long long otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* --- the case, through the real loader --- */

static struct berth_policy *load(struct fixture *f, uint64_t shuffle)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_policy *policy = NULL;
	char paths[3][32], *texts[3] = { NULL };
	const char *list[3];
	unsigned int nr;

	if (f->c.no_files)
		return calloc(1, sizeof(*policy)); /* as policy/load.h makes it */
	nr = case_write(&f->c, shuffle, texts);
	for (unsigned int i = 0; i < nr; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", f->fds[i]);
		list[i] = paths[i];
		assert_int_equal(ftruncate(f->fds[i], 0), 0);
		assert_int_equal(lseek(f->fds[i], 0, SEEK_SET), 0);
		assert_int_equal(berth_write_all(f->fds[i], texts[i], strlen(texts[i])), 0);
	}
	if (berth_policy_load_files(list, nr, &policy, &err) != 0)
		FAIL(f, "%s in %s", err.text, texts[0]);
	for (unsigned int i = 0; i < nr; i++)
		free(texts[i]);
	return policy;
}

static struct berth_world *look(struct fixture *f, const struct berth_policy *policy)
{
	const struct berth_world_input in = { policy, f->c.facts, f->c.usage, f->c.nr, CASE_NOW };
	struct berth_world *world = NULL;

	assert_int_equal(berth_world_new(&world, &in, NULL), 0);
	return world;
}

/* --- what a trace says --- */

static bool is_bad(const struct berth_check *c)
{
	return c->result == BERTH_CHECK_FAIL || c->result == BERTH_CHECK_UNKNOWN;
}

/* The verdict, from nothing but the checks. */
static enum berth_reason judge(const struct berth_trace *t)
{
	enum berth_reason first = BERTH_REASON_NO_POLICY, now = BERTH_REASON_RULE_ALLOWS;
	bool conflict = false, unnamed = false, forbid = false, may = false;
	int best = -1, gives = 0, pins = 0, reserves = 0;

	for (size_t i = 0; i < t->nr; i++) {
		const struct berth_check *c = &t->items[i];
		int weight = c->priority * 10 + c->specificity;

		forbid = forbid || c->vote == BERTH_VOTE_FORBID;
		may = may || c->vote == BERTH_VOTE_MAY_FORBID;
		unnamed = unnamed || c->code == BERTH_REASON_NO_RULE_ALLOWS;
		if (c->vote == BERTH_VOTE_ALLOW || c->vote == BERTH_VOTE_DENY) {
			if (weight > best)
				gives = pins = reserves = 0;
			best = weight > best ? weight : best;
			gives += weight == best && c->vote == BERTH_VOTE_ALLOW;
			pins += weight == best && c->vote == BERTH_VOTE_DENY &&
				c->code == BERTH_REASON_RULE_PINS_ELSEWHERE;
			reserves += weight == best && c->vote == BERTH_VOTE_DENY &&
				    c->code == BERTH_REASON_RESERVED;
		} else if (is_bad(c) && c->code <= BERTH_REASON_PROTECTED) {
			/* a changed identity is worse than an unknown one, that worse than protection */
			if (first == BERTH_REASON_NO_POLICY || c->code < first)
				first = c->code;
		} else if (is_bad(c) && c->code == BERTH_REASON_CONFLICT) {
			conflict = true;
		} else if (is_bad(c) && c->code > BERTH_REASON_CONFLICT &&
			   now == BERTH_REASON_RULE_ALLOWS) {
			now = c->code;
		}
	}
	if (first != BERTH_REASON_NO_POLICY)
		return first;
	if (conflict)
		return BERTH_REASON_CONFLICT;
	if (forbid || may)
		return forbid ? BERTH_REASON_RULE_DENIES : BERTH_REASON_RULE_MAY_DENY;
	if (pins + reserves)
		return gives ? BERTH_REASON_CONFLICT :
		       pins  ? BERTH_REASON_RULE_PINS_ELSEWHERE :
			       BERTH_REASON_RESERVED;
	for (size_t i = 0; i < t->nr; i++) {
		if (t->items[i].code == BERTH_REASON_NO_RULE_ALLOWS && is_bad(&t->items[i]))
			return BERTH_REASON_NO_RULE_ALLOWS;
	}
	if (now != BERTH_REASON_RULE_ALLOWS)
		return now;
	return gives ? now : unnamed ? BERTH_REASON_COMPANION : BERTH_REASON_NO_POLICY;
}

/* --- one question, asked in every way --- */

static struct berth_question question(const struct berth_policy *policy,
				      const struct case_question *q)
{
	struct berth_question b = berth_question_for(policy, q->vm);

	b.force = q->force;
	return b;
}

static void try_one(struct fixture *f, struct berth_world *other, unsigned int device,
		    const struct case_question *q)
{
	struct berth_question mine = question(f->policy, q), theirs = question(other->policy, q);
	enum berth_reason want = case_decide(&f->c, device, q);
	struct berth_trace trace = { .all_rules = case_random(&f->c, 2) };
	struct berth_verdict plain, traced, shuffled;
	char words[512], help[256];

	assert_int_equal(berth_decide(f->world, device, q->companion, &mine, &plain, NULL), 0);
	assert_int_equal(berth_decide(f->world, device, q->companion, &mine, &traced, &trace), 0);
	assert_int_equal(berth_decide(other, device, q->companion, &theirs, &shuffled, NULL), 0);
	f->decisions++;
	f->reasons[plain.reason]++;
	if (plain.reason != want)
		FAIL(f, "device %u to %s%s: %s, but the reference says %s", device, q->vm,
		     q->companion ? " (companion)" : "", berth_reason_name(plain.reason),
		     berth_reason_name(want));
	if (plain.allow != (want == BERTH_REASON_RULE_ALLOWS || want == BERTH_REASON_COMPANION ||
			    want == BERTH_REASON_NO_POLICY))
		FAIL(f, "%s and allow %d", berth_reason_name(want), plain.allow);
	if (traced.reason != want || traced.allow != plain.allow)
		FAIL(f, "%s, with a trace %s", berth_reason_name(want),
		     berth_reason_name(traced.reason));
	if (judge(&trace) != want)
		FAIL(f, "device %u to %s: %s, but its trace says %s", device, q->vm,
		     berth_reason_name(want), berth_reason_name(judge(&trace)));
	if (shuffled.reason != want || shuffled.allow != plain.allow)
		FAIL(f, "device %u to %s: %s, in another order %s", device, q->vm,
		     berth_reason_name(want), berth_reason_name(shuffled.reason));
	berth_explain_verdict(f->world, &plain, words, sizeof(words));
	berth_explain_remedy(f->world, &plain, help, sizeof(help));
	if (!*words || !plain.allow != !!*help)
		FAIL(f, "%s has no words, or no remedy: \"%s\", \"%s\"", berth_reason_name(want),
		     words, help);
	berth_trace_done(&trace);
}

static void try_all(struct fixture *f, struct berth_world *other)
{
	for (unsigned int d = 0; d < f->c.nr; d++) {
		for (unsigned int v = 0; v < CASE_VMS && !f->c.facts[d].is_bridge; v++) {
			struct case_question q = { .vm = case_vms[v],
						   .companion = case_random(&f->c, 2),
						   .force = case_random(&f->c, 2) };

			try_one(f, other, d, &q);
		}
	}
}

/* --- giving and taking back --- */

static void set_owner(struct fixture *f, const struct berth_world_group *g, const char *vm)
{
	for (uint32_t i = 0; i < g->nr; i++) {
		berth_world_set_owner(f->world, g->members[i], vm);
		f->c.usage[g->members[i]].vm = vm;
	}
}

/* The model ledger takes what was decided: what may never be is looked for here, not in the decision. */
static void give(struct fixture *f, const struct berth_world_group *g, const char *vm, bool force)
{
	for (uint32_t i = 0; i < g->nr; i++) {
		const char *owner = f->c.usage[g->members[i]].vm;
		uint32_t pf = f->world->pf_of[g->members[i]];

		if (owner && strcmp(owner, vm) != 0)
			FAIL(f, "device %u has two owners", g->members[i]);
		if (!owner && (f->c.usage[g->members[i]].safety ||
			       (!force && case_protected(&f->c, g->members[i]))))
			FAIL(f, "device %u is protected", g->members[i]);
		if (!owner && pf != BERTH_WORLD_NONE && f->c.usage[pf].vm)
			FAIL(f, "device %u is given with its PF", g->members[i]);
		for (unsigned int v = 0; v < f->c.nr && !owner; v++) {
			if (f->world->pf_of[v] == g->members[i] && f->c.usage[v].vm)
				FAIL(f, "PF %u is given with its VF %u", g->members[i], v);
		}
	}
	f->gifts += !f->c.usage[g->members[0]].vm;
	set_owner(f, g, vm);
}

static void play(struct fixture *f)
{
	for (unsigned int step = 0; step < 20; step++) {
		uint32_t g = case_random(&f->c, f->world->nr_groups);
		const struct berth_world_group *group = &f->world->groups[g];
		const char *vm = case_vms[case_random(&f->c, CASE_VMS)];
		uint32_t asked = group->members[case_random(&f->c, group->nr)];
		struct case_question how = { .vm = vm, .force = case_random(&f->c, 4) == 0 };
		struct berth_question q = question(f->policy, &how);
		bool over = case_over_quota(&f->c, vm), had = f->c.usage[asked].vm;
		struct berth_verdict v;

		if (case_random(&f->c, 3) == 0) {
			set_owner(f, group, NULL);
			continue;
		}
		assert_int_equal(berth_decide_group(f->world, g, &asked, 1, &q, &v, NULL), 0);
		if (!v.allow)
			continue;
		give(f, group, vm, how.force);
		if (!over && !had && case_over_quota(&f->c, vm))
			FAIL(f, "%s is over its quota", vm);
	}
}

/* --- all of it --- */

static void run_case(struct fixture *f, uint64_t seed)
{
	struct berth_policy *other;
	struct berth_world *shuffled;

	f->seed = seed;
	case_make(&f->c, seed);
	f->policy = load(f, case_random(&f->c, UINT32_MAX));
	f->world = look(f, f->policy);
	other = load(f, case_random(&f->c, UINT32_MAX));
	shuffled = look(f, other);
	try_all(f, shuffled);
	berth_world_free(shuffled);
	if (f->world->nr_groups)
		play(f);
	/* What was given and taken back step by step, seen anew: the counts have kept up. */
	shuffled = look(f, other);
	try_all(f, shuffled);
	berth_world_free(shuffled);
	berth_world_free(f->world);
	berth_policy_free(other);
	berth_policy_free(f->policy);
}

static void decisions_hold_for_random_hosts_and_policies(void **state)
{
	struct fixture *f = *state;
	unsigned long long nr = number_from("BERTH_PROPERTY_CASES", 5000);
	unsigned long long seed = number_from("BERTH_PROPERTY_SEED", 1);

	for (unsigned long long i = 0; i < nr; i++)
		run_case(f, seed + i);
	printf("%llu cases from seed %llu: %llu decisions, %llu groups given\n", nr, seed,
	       f->decisions, f->gifts);
	for (int i = 0; i <= BERTH_REASON_KEEP_FREE; i++)
		printf("  %-20s %llu\n", berth_reason_name((enum berth_reason)i), f->reasons[i]);
	/* each reason came up: a test of what never happens tests nothing */
	for (int i = 0; i <= BERTH_REASON_KEEP_FREE && nr >= 1000; i++)
		assert_true(f->reasons[i] > 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (int i = 0; i < 3; i++) {
		f->fds[i] = memfd_create("policy", MFD_CLOEXEC);
		assert_true(f->fds[i] >= 0);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		close(f->fds[i]);
	free(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(decisions_hold_for_random_hosts_and_policies, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("policy/decide, at random", tests, NULL, NULL);
}
