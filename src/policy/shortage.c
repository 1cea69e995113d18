/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/shortage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/explain.h"

void berth_shortage_done(struct berth_shortage *shortage)
{
	free(shortage->requests);
	shortage->requests = NULL;
}

/* --- finding it --- */

static int count_request(struct berth_world *w, const struct berth_claim_answer *answer, uint32_t r,
			 struct berth_shortage_request *ret)
{
	const struct berth_devset *set = &w->sets[berth_world_request_set(w, answer->index, r)];
	struct berth_question q = { .vm = answer->claim->vm, .tolerate = answer->claim->tolerate };

	ret->wanted = answer->claim->requests[r].count;
	for (uint32_t i = 0; i < set->nr_yes; i++) {
		uint32_t device = set->yes[i];
		struct berth_verdict v;

		if (w->group_of[device] == BERTH_WORLD_NONE)
			continue;
		ret->fit++;
		if (berth_decide_group(w, w->group_of[device], &device, 1, &q, &v, NULL) < 0)
			return -ENOMEM;
		if (v.allow) {
			ret->allowed++;
			continue;
		}
		ret->refused[v.reason]++;
		/* reasons are numbered in the order in which the decision looks */
		if (!ret->has_nearest || v.reason > ret->nearest.reason)
			ret->nearest = v;
		ret->has_nearest = true;
	}
	return 0;
}

/* Each constraint in turn: what if it were not for that one? */
static int find_culprit(struct berth_candidates *c, const struct berth_claim_answer *answer,
			size_t *ret)
{
	for (size_t k = 0; k < answer->claim->nr_constraints; k++) {
		struct berth_claim_options options = { .without = k + 1, .as_it_stands = true };
		struct berth_claim_answer other;
		int r = berth_claim_decide(c, answer->index, &options, &other);

		if (r < 0)
			return r;
		berth_claim_answer_done(&other);
		if (other.outcome == BERTH_CLAIM_MET) {
			*ret = k;
			return 0;
		}
	}
	return 0;
}

int berth_shortage_find(struct berth_candidates *c, const struct berth_claim_answer *answer,
			struct berth_shortage *ret)
{
	struct berth_shortage s = { .nr_requests = answer->claim->nr_requests,
				    .short_of = SIZE_MAX,
				    .culprit = SIZE_MAX };
	int r = 0;

	s.requests = calloc(s.nr_requests + 1, sizeof(*s.requests));
	if (!s.requests)
		return -ENOMEM;
	for (uint32_t i = 0; i < s.nr_requests && r == 0; i++) {
		r = count_request(c->layout->world, answer, i, &s.requests[i]);
		if (s.requests[i].allowed < s.requests[i].wanted && s.short_of == SIZE_MAX)
			s.short_of = i;
	}
	if (r == 0 && s.short_of == SIZE_MAX && !answer->limited)
		r = find_culprit(c, answer, &s.culprit);
	if (r < 0)
		berth_shortage_done(&s);
	else
		*ret = s;
	return r;
}

/* --- in words --- */

struct words {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = t->len + (size_t)n < t->size ? t->len + (size_t)n : t->size - 1;
}

static void say_request(struct words *t, const struct berth_world *w,
			const struct berth_claim_answer *answer, const struct berth_shortage *s)
{
	const struct berth_shortage_request *q = &s->requests[s->short_of];
	char why[512];

	say(t, "%s wants %u of \"%s\", and may have %u of %u", answer->claim->vm, q->wanted,
	    answer->claim->requests[s->short_of].name, q->allowed, q->fit);
	for (size_t reason = 0; reason < BERTH_ARRAY_SIZE(q->refused); reason++) {
		if (q->refused[reason])
			say(t, ", %u %s", q->refused[reason],
			    berth_reason_name((enum berth_reason)reason));
	}
	if (q->has_nearest)
		say(t, "; nearest: %s", berth_explain_verdict(w, &q->nearest, why, sizeof(why)));
}

char *berth_shortage_text(const struct berth_world *w, const struct berth_claim_answer *answer,
			  const struct berth_shortage *s, char *buf, size_t size)
{
	struct words t = { .buf = buf, .size = size };
	const struct berth_constraint *c;
	char why[512];

	if (s->short_of != SIZE_MAX) {
		say_request(&t, w, answer, s);
	} else if (answer->limited) {
		say(&t, "%s could have each device, but not all of them: %s", answer->claim->vm,
		    berth_explain_verdict(w, &answer->limit, why, sizeof(why)));
	} else if (s->culprit != SIZE_MAX) {
		c = &answer->claim->constraints[s->culprit];
		say(&t,
		    "there are enough devices for %s, but none that fit the constraint on %s (%s)",
		    answer->claim->vm, c->attribute ? c->attribute : "distance",
		    BERTH_ORIGIN_STR(&c->origin));
	} else if (answer->outcome == BERTH_CLAIM_GAVE_UP) {
		say(&t,
		    "there are enough devices for %s, but no way was found within %zu steps; nobody "
		    "knows whether there is one",
		    answer->claim->vm, answer->nodes);
	} else {
		say(&t,
		    "there are enough devices for each request of %s, but not for all of them with "
		    "all constraints",
		    answer->claim->vm);
	}
	return buf;
}

char *berth_shortage_remedy(const struct berth_world *w, const struct berth_claim_answer *answer,
			    const struct berth_shortage *s, char *buf, size_t size)
{
	if (size)
		*buf = '\0';
	if (s->short_of != SIZE_MAX && s->requests[s->short_of].has_nearest)
		berth_explain_remedy(w, &s->requests[s->short_of].nearest, buf, size);
	else if (s->short_of != SIZE_MAX)
		snprintf(buf, size, "plug in more, or ask for fewer: nothing else fits \"%s\"",
			 answer->claim->requests[s->short_of].name);
	else if (answer->limited)
		berth_explain_remedy(w, &answer->limit, buf, size);
	else if (s->culprit != SIZE_MAX)
		snprintf(buf, size, "relax %s, or add an alternative that does",
			 answer->claim->constraints[s->culprit].origin.pointer);
	return buf;
}
