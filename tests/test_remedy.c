/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recovery table: every combination of facts has exactly one row, and none of the rows does harm. */
#include "tests/cmocka_all.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "manager/remedy.h"
#include "policy/transitions.h"

/* Call @check for every combination of facts that there is. */
static size_t for_all(void (*check)(const struct berth_remedy_facts *f))
{
	size_t nr = 0;

	for (int boot = 0; boot < 2; boot++)
		for (int s = 0; s < BERTH_OWNED_NR_STATES; s++)
			for (int k = 0; k < BERTH_OWNED_BY_CHILDREN; k++)
				for (int seen = 0; seen <= BERTH_SEEN_VFIO; seen++)
					for (int by = 0; by <= BERTH_BEHIND_WORKER; by++, nr++)
						check(&(struct berth_remedy_facts){
							.other_boot = boot,
							.state = (enum berth_owned_state)s,
							.kind = (enum berth_owned_kind)k,
							.seen = (enum berth_seen)seen,
							.behind = (enum berth_behind)by });
	return nr;
}

static const char *words(const struct berth_remedy_facts *f)
{
	static char buf[100];

	snprintf(buf, sizeof(buf), "boot %d state %s kind %s seen %d behind %d", f->other_boot,
		 berth_owned_state_name(f->state), berth_owned_kind_name(f->kind), (int)f->seen,
		 (int)f->behind);
	return buf;
}

static void check_one_row(const struct berth_remedy_facts *f)
{
	size_t nr = 0;

	for (size_t i = 0; i < berth_nr_remedies; i++)
		nr += berth_remedy_row_fits(&berth_remedies[i], f);
	if (nr != 1)
		fail_msg("%s: %zu rows", words(f), nr);
	assert_true(berth_remedy_row_fits(berth_remedy_find(f), f));
}

static void every_combination_of_facts_has_exactly_one_row(void **state)
{
	(void)state;
	assert_int_equal(for_all(check_one_row), 2 * 9 * 3 * 4 * 3);
}

static bool used[64];

static void mark_used(const struct berth_remedy_facts *f)
{
	used[berth_remedy_find(f) - berth_remedies] = true;
}

static void every_row_is_of_use(void **state)
{
	(void)state;
	assert_true(berth_nr_remedies <= BERTH_ARRAY_SIZE(used));
	for_all(mark_used);
	for (size_t i = 0; i < berth_nr_remedies; i++)
		assert_true(used[i]);
}

/* The first event of each remedy: may it happen in that state? */
static void check_possible(const struct berth_remedy_facts *f)
{
	static const struct {
		enum berth_owned_event events[3];
		size_t nr;
	} first[] = {
		[BERTH_REMEDY_NONE] = { { 0 }, 0 },
		[BERTH_REMEDY_UNTAKE] = { { BERTH_ON_UNDONE, BERTH_ON_FAULT }, 2 },
		[BERTH_REMEDY_USED] = { { BERTH_ON_USER_GONE, BERTH_ON_CLOSED, BERTH_ON_PROVEN },
					3 },
		[BERTH_REMEDY_GIVE] = { { BERTH_ON_GIVE }, 1 },
		[BERTH_REMEDY_REBIND] = { { BERTH_ON_REBOUND, BERTH_ON_FAULT, BERTH_ON_FAULT }, 2 },
		[BERTH_REMEDY_IDENTITY] = { { BERTH_ON_IDENTITY }, 1 },
	};
	enum berth_remedy remedy = berth_remedy_find(f)->remedy;
	bool any = first[remedy].nr == 0;

	/* `berth bind` knows no use. */
	if (f->kind == BERTH_OWNED_BY_BIND && f->state != BERTH_OWNED_PREPARING &&
	    f->state != BERTH_OWNED_ASSIGNED && f->state != BERTH_OWNED_RETURNING)
		return;
	for (size_t i = 0; i < first[remedy].nr; i++)
		any |= berth_transition_find(f->state, first[remedy].events[i], f->kind) ||
		       (f->state == BERTH_OWNED_SANITISING && remedy == BERTH_REMEDY_USED);
	if (!any)
		fail_msg("%s: remedy %d is no move from there", words(f), (int)remedy);
}

static void every_remedy_is_a_move_of_the_state_machine(void **state)
{
	(void)state;
	for_all(check_possible);
}

static void check_harmless(const struct berth_remedy_facts *f)
{
	enum berth_remedy remedy = berth_remedy_find(f)->remedy;

	if (f->behind == BERTH_BEHIND_WORKER)
		assert_int_equal(remedy, BERTH_REMEDY_NONE);
	/* A VM at work is not disturbed, unless its device was swapped under it. */
	if (f->state == BERTH_OWNED_IN_USE && f->behind == BERTH_BEHIND_USER && !f->other_boot &&
	    f->seen != BERTH_SEEN_CHANGED)
		assert_int_equal(remedy, BERTH_REMEDY_NONE);
	/* Another device is never touched. */
	if (f->seen == BERTH_SEEN_CHANGED && f->behind != BERTH_BEHIND_WORKER)
		assert_true(remedy == BERTH_REMEDY_NONE || remedy == BERTH_REMEDY_IDENTITY);
	/* What waits for a person goes on waiting. */
	if ((f->state == BERTH_OWNED_FAULTED || f->state == BERTH_OWNED_QUARANTINED) &&
	    f->seen != BERTH_SEEN_CHANGED)
		assert_int_equal(remedy, BERTH_REMEDY_NONE);
}

static void no_row_does_harm(void **state)
{
	(void)state;
	for_all(check_harmless);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_of_facts_has_exactly_one_row),
		cmocka_unit_test(every_row_is_of_use),
		cmocka_unit_test(every_remedy_is_a_move_of_the_state_machine),
		cmocka_unit_test(no_row_does_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
