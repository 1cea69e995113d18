/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A made-up host (made_world.h) with what a claim is decided with: the fixture of tests about claims.
 */
#ifndef TESTS_LIB_MADE_CLAIM_H
#define TESTS_LIB_MADE_CLAIM_H

#include "policy/claim.h"
#include "tests/lib/made_world.h"

struct made_claim {
	struct made_world *made;	     /* owned, here and below; room for 64 devices */
	struct berth_layout *layout;	     /* NULL until made_claim_see() */
	struct berth_candidates *candidates; /* the same */
	struct berth_claim_answer answer;
};

/* For cmocka_unit_test_setup_teardown(); *state is a struct made_claim. */
int made_claim_set_up(void **state);
int made_claim_tear_down(void **state);

/* made_world_see(), and the layout and candidates of that world. */
void made_claim_see(struct made_claim *f, const char *policy);

/* That, and the answer to the first claim of the policy. Return: it, borrowed. */
struct berth_claim_answer *made_claim_decide(struct made_claim *f, const char *policy);

#endif
