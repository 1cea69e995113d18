/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of ownership's moves: sound in itself, and obeyed by the ledger in every state, for every event and kind. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "manager/step.h"
#include "policy/ledger.h"
#include "policy/transitions.h"
#include "tests/lib/tmp.h"

static bool reach[BERTH_OWNED_NR_STATES];

/* Everything that can be reached from @from by moves open to @kind. */
static void spread(enum berth_owned_state from, enum berth_owned_kind kind, bool *ret_host)
{
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];

		if (t->from != from || !(t->kinds & (1u << kind)))
			continue;
		if (t->to == BERTH_OWNED_HOST) {
			*ret_host = true;
		} else if (!reach[t->to]) {
			reach[t->to] = true;
			spread(t->to, kind, ret_host);
		}
	}
}

static void each_state_event_and_kind_leads_to_one_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct berth_transition *a = &berth_transitions[i],
						      *b = &berth_transitions[j];

			if (a->from == b->from && a->event == b->event && a->kinds & b->kinds)
				fail_msg("%s, %s: two rows", berth_transition_state_name(a->from),
					 berth_owned_event_name(a->event));
		}
	}
}

static void a_row_can_end_in_one_way_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];

		for (unsigned int k = 0; k <= BERTH_OWNED_BY_CHILDREN; k++) {
			if (t->to == BERTH_OWNED_HOST && t->kinds & (1u << k))
				assert_ptr_equal(
					berth_transition_end(t->from, (enum berth_owned_kind)k), t);
		}
	}
	assert_null(berth_transition_end(BERTH_OWNED_IN_USE, BERTH_OWNED_BY_RUN));
	assert_null(berth_transition_end(BERTH_OWNED_ASSIGNED, BERTH_OWNED_BY_ASSIGN));
}

static void every_state_is_reached_from_the_host_and_leads_back(void **state)
{
	bool host = false;

	(void)state;
	memset(reach, 0, sizeof(reach));
	spread(BERTH_OWNED_HOST, BERTH_OWNED_BY_ASSIGN, &host);
	for (int s = 0; s < BERTH_OWNED_NR_STATES; s++)
		assert_true(reach[s]);
	for (unsigned int k = 0; k < BERTH_OWNED_BY_CHILDREN; k++) {
		for (int s = 0; s < BERTH_OWNED_NR_STATES; s++) {
			bool in = false;

			memset(reach, 0, sizeof(reach));
			spread(BERTH_OWNED_HOST, (enum berth_owned_kind)k, &in);
			if (!reach[s])
				continue;
			memset(reach, 0, sizeof(reach));
			host = false;
			spread((enum berth_owned_state)s, (enum berth_owned_kind)k, &host);
			if (!host)
				fail_msg("kind %s: no way out of %s",
					 berth_owned_kind_name((enum berth_owned_kind)k),
					 berth_owned_state_name((enum berth_owned_state)s));
		}
	}
}

static void every_event_is_of_use_and_has_words(void **state)
{
	(void)state;
	for (int e = 0; e < BERTH_OWNED_NR_EVENTS; e++) {
		bool used = false;

		assert_true(*berth_owned_event_name((enum berth_owned_event)e));
		assert_true(*berth_owned_event_words((enum berth_owned_event)e));
		for (size_t i = 0; i < berth_nr_transitions; i++)
			used |= (int)berth_transitions[i].event == e;
		assert_true(used);
	}
}

static void check_failure(const struct berth_transition *t)
{
	for (int e = 0; e < BERTH_OWNED_NR_EVENTS; e++) {
		if (strcmp(berth_owned_event_name((enum berth_owned_event)e), t->failure))
			continue;
		for (unsigned int k = 0; k <= BERTH_OWNED_BY_CHILDREN; k++) {
			if (t->kinds & (1u << k) &&
			    !berth_transition_find(t->from, (enum berth_owned_event)e,
						   (enum berth_owned_kind)k))
				fail_msg("%s cannot take '%s'",
					 berth_transition_state_name(t->from), t->failure);
		}
		return;
	}
	fail_msg("'%s' is no event", t->failure);
}

static void what_a_failure_leads_to_is_in_the_table_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		if (*berth_transitions[i].failure)
			check_failure(&berth_transitions[i]);
	}
}

static void steps_are_steps_of_the_manager(void **state)
{
	(void)state;
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		char text[128], *save, *word;
		enum berth_step_op op;

		snprintf(text, sizeof(text), "%s", berth_transitions[i].steps);
		for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
			if (strcmp(word, "reset") && strcmp(word, "undo") &&
			    berth_step_op_from_name(word, &op) < 0)
				fail_msg("no step '%s'", word);
		}
	}
}

/* --- the ledger does as the table says, no more and no less --- */

/* The events from "preparing" to each state, as an assignment by `berth assign` goes. */
static const struct {
	enum berth_owned_event events[4];
	size_t nr;
} ways[BERTH_OWNED_NR_STATES] = {
	[BERTH_OWNED_PREPARING] = { { 0 }, 0 },
	[BERTH_OWNED_ASSIGNED] = { { BERTH_ON_BOUND }, 1 },
	[BERTH_OWNED_IN_USE] = { { BERTH_ON_BOUND, BERTH_ON_START }, 2 },
	[BERTH_OWNED_RELEASING] = { { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE }, 3 },
	[BERTH_OWNED_SANITISING] = { { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE,
				       BERTH_ON_CLOSED },
				     4 },
	[BERTH_OWNED_RETURNING] = { { BERTH_ON_BOUND, BERTH_ON_GIVE }, 2 },
	[BERTH_OWNED_FAULTED] = { { BERTH_ON_FAULT }, 1 },
	[BERTH_OWNED_QUARANTINED] = { { BERTH_ON_BOUND, BERTH_ON_START, BERTH_ON_USER_GONE,
					BERTH_ON_STILL_OPEN },
				      4 },
	[BERTH_OWNED_IDENTITY_CHANGED] = { { BERTH_ON_IDENTITY }, 1 },
};

static int64_t claim_into(struct berth_ledger *ledger, enum berth_owned_state state,
			  enum berth_owned_kind kind)
{
	const struct berth_claim claim = { .vm = "t1",
					   .kind = BERTH_OWNED_BY_ASSIGN,
					   .boot_id = "boot-1" };
	const struct berth_claim_group group = { "g:1", NULL };
	int64_t id = 0;

	assert_int_equal(berth_ledger_claim(ledger, &claim, &group, 1, &id, NULL), 0);
	for (size_t i = 0; i < ways[state].nr; i++)
		assert_int_equal(
			berth_ledger_move(ledger, id, ways[state].events[i], NULL, NULL, NULL), 0);
	assert_int_equal(berth_ledger_set_kind(ledger, id, kind, NULL), 0);
	return id;
}

static void check_move(struct berth_ledger *ledger, enum berth_owned_state from,
		       enum berth_owned_event event, enum berth_owned_kind kind)
{
	const struct berth_transition *t = berth_transition_find(from, event, kind);
	struct berth_assignment_list list;
	struct berth_err err = BERTH_ERR_INIT;
	enum berth_owned_state want = t && t->to != BERTH_OWNED_HOST ? t->to : from;
	int64_t id;
	int r;

	assert_int_equal(berth_ledger_begin(ledger, NULL), 0);
	id = claim_into(ledger, from, kind);
	r = berth_ledger_move(ledger, id, event, NULL, NULL, &err);
	if (t && t->to != BERTH_OWNED_HOST) {
		assert_int_equal(r, 0);
	} else {
		assert_int_equal(r, -EPROTO);
		assert_non_null(strstr(err.text, berth_owned_state_name(from)));
		assert_non_null(strstr(err.text, berth_owned_event_name(event)));
	}
	assert_int_equal(berth_ledger_find(ledger, &(struct berth_ledger_query){ .id = id }, &list,
					   NULL),
			 0);
	assert_int_equal(list.items[0].state, want);
	berth_assignment_list_free(&list);
	berth_ledger_rollback(ledger);
}

static void check_end(struct berth_ledger *ledger, enum berth_owned_state from,
		      enum berth_owned_kind kind)
{
	int64_t id;
	int r;

	assert_int_equal(berth_ledger_begin(ledger, NULL), 0);
	id = claim_into(ledger, from, kind);
	r = berth_ledger_end(ledger, id, NULL, NULL);
	assert_int_equal(r, berth_transition_end(from, kind) ? 0 : -EPROTO);
	berth_ledger_rollback(ledger);
}

static void the_ledger_makes_these_moves_and_no_others(void **state)
{
	struct berth_ledger *ledger = NULL;
	char *dir = tmp_new();

	(void)state;
	assert_int_equal(berth_ledger_open(&ledger, dir, BERTH_LEDGER_WRITE, NULL), 0);
	for (int s = 0; s < BERTH_OWNED_NR_STATES; s++) {
		for (int k = 0; k < BERTH_OWNED_BY_CHILDREN; k++) {
			for (int e = 0; e < BERTH_OWNED_NR_EVENTS; e++)
				check_move(ledger, (enum berth_owned_state)s,
					   (enum berth_owned_event)e, (enum berth_owned_kind)k);
			check_end(ledger, (enum berth_owned_state)s, (enum berth_owned_kind)k);
		}
	}
	berth_ledger_close(ledger);
	tmp_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_event_and_kind_leads_to_one_place),
		cmocka_unit_test(a_row_can_end_in_one_way_only),
		cmocka_unit_test(every_state_is_reached_from_the_host_and_leads_back),
		cmocka_unit_test(every_event_is_of_use_and_has_words),
		cmocka_unit_test(what_a_failure_leads_to_is_in_the_table_too),
		cmocka_unit_test(steps_are_steps_of_the_manager),
		cmocka_unit_test(the_ledger_makes_these_moves_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
