/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/made_claim.h"

#include <stdlib.h>

#include "tests/cmocka_all.h"

int made_claim_set_up(void **state)
{
	struct made_claim *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->made = made_world_new(64);
	*state = f;
	return 0;
}

int made_claim_tear_down(void **state)
{
	struct made_claim *f = *state;

	berth_claim_answer_done(&f->answer);
	berth_candidates_free(f->candidates);
	berth_layout_free(f->layout);
	made_world_free(f->made);
	free(f);
	return 0;
}

void made_claim_see(struct made_claim *f, const char *policy)
{
	made_world_see(f->made, policy);
	assert_int_equal(berth_layout_new(&f->layout, f->made->world), 0);
	assert_int_equal(berth_candidates_new(&f->candidates, f->layout), 0);
}

struct berth_claim_answer *made_claim_decide(struct made_claim *f, const char *policy)
{
	made_claim_see(f, policy);
	assert_int_equal(berth_claim_decide(f->candidates, 0, NULL, &f->answer), 0);
	return &f->answer;
}
