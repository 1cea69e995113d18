/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "policy/reservation.h"
#include "policy/vote.h"

/* What is being put into words. */
struct words {
	const struct berth_world *w;
	const struct berth_verdict *v;
	const char *bdf, *vm;
	char rule[480]; /* "rule "NAME" (PLACE)" */
	char place[384];
	char *buf;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->buf, t->size, fmt, ap);
	va_end(ap);
}

/* "rule "NAME" (PLACE)"; only the place for one without a name. */
static char *rule_for_people(const struct berth_rule *rule, char *buf, size_t size)
{
	snprintf(buf, size, "rule %s%s%s(%s)", rule->name ? "\"" : "", rule->name ? rule->name : "",
		 rule->name ? "\" " : "", BERTH_ORIGIN_STR(&rule->origin));
	return buf;
}

static void prepare(struct words *t, const struct berth_world *world,
		    const struct berth_verdict *verdict, char *buf, size_t size)
{
	const struct berth_facts *facts = &world->facts[verdict->device];

	*t = (struct words){ .w = world, .v = verdict, .buf = buf, .size = size };
	t->bdf = facts->bdf ? facts->bdf : facts->path ? facts->path : "the device";
	t->vm = verdict->vm ? verdict->vm : "(any)";
	if (verdict->rule)
		rule_for_people(verdict->rule, t->rule, sizeof(t->rule));
	if (verdict->origin)
		berth_origin_format(verdict->origin, t->place, sizeof(t->place));
	if (size)
		*buf = '\0';
}

/* --- why --- */

static void say_identity(struct words *t)
{
	char observed[128] = "";

	if (t->v->term)
		berth_match_observed(&t->w->facts[t->v->device], t->v->term, observed,
				     sizeof(observed));
	say(t,
	    "%s is where policy expects device \"%s\" (%s), but its %s is %s, not what is "
	    "expected there",
	    t->bdf, t->v->name, t->place, t->v->term ? t->v->term : "identity", observed);
}

static void say_protected(struct words *t)
{
	const char *text = t->w->usage[t->v->device].safety_text;

	if (!t->v->origin)
		say(t, "the host needs %s: %s: %s", t->bdf, t->v->name,
		    text ? text : "safety keeps it");
	else if (t->v->unknown)
		say(t,
		    "\"%s\" (%s) may protect %s: its %s is not known, and unknown counts as "
		    "protected",
		    t->v->name, t->place, t->bdf, t->v->term ? t->v->term : "match");
	else
		say(t, "\"%s\" (%s) keeps %s for the host", t->v->name, t->place, t->bdf);
}

static void say_conflict(struct words *t)
{
	char rival[480];

	if (t->v->rival)
		say(t,
		    "%s allows %s for VM %s, and %s of the same weight gives it to others: they "
		    "contradict each other",
		    t->rule, t->bdf, t->vm, rule_for_people(t->v->rival, rival, sizeof(rival)));
	else
		say(t, "VM %s belongs to two tenants, \"%s\" (%s) and the one at %s", t->vm,
		    t->v->name, t->place, BERTH_ORIGIN_STR(t->v->other));
}

static void say_allowed(struct words *t)
{
	if (t->v->reason == BERTH_REASON_RULE_ALLOWS)
		say(t, "%s allows %s for VM %s", t->rule, t->bdf, t->vm);
	else if (t->v->reason == BERTH_REASON_COMPANION)
		say(t, "%s only comes along, and no rule denies it to VM %s", t->bdf, t->vm);
	else
		say(t, "there is no policy file: root decides about %s", t->bdf);
}

static void say_refused_by_rules(struct words *t)
{
	switch (t->v->reason) {
	case BERTH_REASON_RULE_DENIES:
		say(t, "%s denies %s to VM %s", t->rule, t->bdf, t->vm);
		break;
	case BERTH_REASON_RULE_MAY_DENY:
		say(t, "%s may deny %s to VM %s: its %s is not known, and unknown means no",
		    t->rule, t->bdf, t->vm, t->v->term ? t->v->term : "place in that pool");
		break;
	case BERTH_REASON_RULE_PINS_ELSEWHERE:
		say(t, "%s pins %s to others than VM %s", t->rule, t->bdf, t->vm);
		break;
	case BERTH_REASON_RESERVED:
		say(t, "%s reserves %s for others than VM %s", t->rule, t->bdf, t->vm);
		break;
	default:
		say(t,
		    "no policy rule allows %s for VM %s; 'berth policy explain %s --vm %s' shows "
		    "every rule",
		    t->bdf, t->vm, t->bdf, t->vm);
	}
}

static void say_state(struct words *t)
{
	const struct berth_verdict *v = t->v;
	const char *isolation = t->w->facts[v->device].isolation;

	switch (v->reason) {
	case BERTH_REASON_OWNED:
		say(t,
		    t->w->usage[v->device].planned ?
			    "%s goes to VM %s, whose claim is served first" :
			    "%s is owned by VM %s",
		    t->bdf, v->name);
		break;
	case BERTH_REASON_GROUP_SPLIT:
		say(t, "VM %s owns a part of the IOMMU group of %s, and a group has one owner",
		    v->name, t->bdf);
		break;
	case BERTH_REASON_PF_HAS_VFS:
		say(t, "%s is a PF, and %u of its VFs have an owner", t->bdf, v->have);
		break;
	case BERTH_REASON_PF_OWNED:
		say(t, "%s is a VF, and its PF is owned by VM %s", t->bdf, v->name);
		break;
	case BERTH_REASON_TAINTED:
		say(t, "%s %s the taint \"%s\"%s%s%s", t->bdf, v->unknown ? "may have" : "has",
		    v->name, v->origin ? " (" : "", t->place, v->origin ? ")" : "");
		break;
	case BERTH_REASON_ISOLATION_BELOW_MIN:
		say(t, "the isolation of %s is %s, policy wants %s at least (%s)", t->bdf,
		    isolation ? isolation : "not known", v->name, t->place);
		break;
	case BERTH_REASON_QUOTA:
		say(t, "the tenant of VM %s would own %u of \"%s\" with %s, and may own %u (%s)",
		    t->vm, v->have, v->name, t->bdf, v->want, t->place);
		break;
	default:
		say(t, "pool %s would have %u free devices without %s, and keeps %u (%s)", v->name,
		    v->have, t->bdf, v->want, t->place);
	}
}

char *berth_explain_verdict(const struct berth_world *world, const struct berth_verdict *verdict,
			    char *buf, size_t size)
{
	struct words t;

	prepare(&t, world, verdict, buf, size);
	switch (verdict->reason) {
	case BERTH_REASON_NO_POLICY:
	case BERTH_REASON_RULE_ALLOWS:
	case BERTH_REASON_COMPANION:
		say_allowed(&t);
		break;
	case BERTH_REASON_IDENTITY_CHANGED:
	case BERTH_REASON_IDENTITY_UNKNOWN:
		say_identity(&t);
		break;
	case BERTH_REASON_PROTECTED:
		say_protected(&t);
		break;
	case BERTH_REASON_CONFLICT:
		say_conflict(&t);
		break;
	case BERTH_REASON_RULE_DENIES:
	case BERTH_REASON_RULE_MAY_DENY:
	case BERTH_REASON_NO_RULE_ALLOWS:
	case BERTH_REASON_RULE_PINS_ELSEWHERE:
	case BERTH_REASON_RESERVED:
		say_refused_by_rules(&t);
		break;
	case BERTH_REASON_OWNED:
	case BERTH_REASON_GROUP_SPLIT:
	case BERTH_REASON_PF_HAS_VFS:
	case BERTH_REASON_PF_OWNED:
	case BERTH_REASON_TAINTED:
	case BERTH_REASON_ISOLATION_BELOW_MIN:
	case BERTH_REASON_QUOTA:
	case BERTH_REASON_KEEP_FREE:
		say_state(&t);
		break;
	}
	return buf;
}

/* --- what would help --- */

/* "2026-10-02T08:00Z"; "" for 0. Returns @buf. */
static char *time_text(int64_t at, char buf[static 32])
{
	time_t t = (time_t)at;
	struct tm tm;

	*buf = '\0';
	if (at && gmtime_r(&t, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%MZ", &tm);
	return buf;
}

static void help_with_rules(struct words *t)
{
	const struct berth_rule *rule = t->v->rule;
	char until[32];

	switch (t->v->reason) {
	case BERTH_REASON_RULE_DENIES:
		say(t, "take VM %s or this device out of that deny: nothing overrides it", t->vm);
		break;
	case BERTH_REASON_RULE_MAY_DENY:
		say(t, "make that fact known, or let the deny match by something that is");
		break;
	case BERTH_REASON_RULE_PINS_ELSEWHERE:
		say(t, "name VM %s in that pin, or allow it with a priority above %d", t->vm,
		    rule->priority);
		break;
	case BERTH_REASON_RESERVED:
		time_text(rule->until, until);
		if (berth_reservation_is_rule(rule)) {
			say(t, "wait until %s, or 'berth unreserve %s'", until, rule->name);
			break;
		}
		say(t, "%s%s%sallow VM %s with a priority above %d", *until ? "wait until " : "",
		    until, *until ? ", or " : "", t->vm, rule->priority);
		break;
	default:
		say(t, "add a rule with \"effect\": \"allow\" for VM %s and this device", t->vm);
	}
}

static void help_with_owner(struct words *t)
{
	char until[32];

	if (t->w->usage[t->v->device].planned) {
		say(t, "give its claim a larger priority than that of VM %s, or ask for less",
		    t->v->name);
		return;
	}
	time_text(t->w->usage[t->v->device].lease_end, until);
	say(t, "run 'berth release --vm %s'%s%s%s", t->v->name,
	    *until ? ", or wait until its lease ends at " : "", until, "");
}

static void help_with_state(struct words *t)
{
	switch (t->v->reason) {
	case BERTH_REASON_OWNED:
	case BERTH_REASON_GROUP_SPLIT:
	case BERTH_REASON_PF_OWNED:
		help_with_owner(t);
		break;
	case BERTH_REASON_PF_HAS_VFS:
		say(t, "release its VFs first");
		break;
	case BERTH_REASON_TAINTED:
		say(t, "clear the taint, or let the claim of VM %s tolerate it", t->vm);
		break;
	case BERTH_REASON_ISOLATION_BELOW_MIN:
		say(t, "put the card into a slot with ACS of its own, or lower \"min_isolation\"");
		break;
	case BERTH_REASON_QUOTA:
		say(t,
		    "release a device of \"%s\" that a VM of the tenant owns, or raise the quota",
		    t->v->name);
		break;
	default:
		say(t, "release a device of pool %s, or lower its \"keep_free\"", t->v->name);
	}
}

static void help_with_protection(struct words *t)
{
	if (!t->v->origin)
		say(t, "free it from what the host uses it for: no rule overrides this");
	else if (t->v->forceable)
		say(t, "%s lets you: repeat with --force", t->rule);
	else
		say(t, "only an allow of the named device with \"override_protect\", and --force, "
		       "lift it");
}

char *berth_explain_remedy(const struct berth_world *world, const struct berth_verdict *verdict,
			   char *buf, size_t size)
{
	struct words t;

	prepare(&t, world, verdict, buf, size);
	switch (verdict->reason) {
	case BERTH_REASON_NO_POLICY:
	case BERTH_REASON_RULE_ALLOWS:
	case BERTH_REASON_COMPANION:
		break;
	case BERTH_REASON_IDENTITY_CHANGED:
	case BERTH_REASON_IDENTITY_UNKNOWN:
		say(&t, "check the card, then the policy");
		break;
	case BERTH_REASON_PROTECTED:
		help_with_protection(&t);
		break;
	case BERTH_REASON_CONFLICT:
		say(&t, verdict->rival ? "give one of the two another priority" :
					 "let one of the two tenants no longer name the VM");
		break;
	case BERTH_REASON_RULE_DENIES:
	case BERTH_REASON_RULE_MAY_DENY:
	case BERTH_REASON_NO_RULE_ALLOWS:
	case BERTH_REASON_RULE_PINS_ELSEWHERE:
	case BERTH_REASON_RESERVED:
		help_with_rules(&t);
		break;
	case BERTH_REASON_OWNED:
	case BERTH_REASON_GROUP_SPLIT:
	case BERTH_REASON_PF_HAS_VFS:
	case BERTH_REASON_PF_OWNED:
	case BERTH_REASON_TAINTED:
	case BERTH_REASON_ISOLATION_BELOW_MIN:
	case BERTH_REASON_QUOTA:
	case BERTH_REASON_KEEP_FREE:
		help_with_state(&t);
		break;
	}
	return buf;
}

/* --- checks --- */

static void set(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, berth_json_text(text && *text ? text : NULL));
}

json_t *berth_explain_check(const struct berth_world *world, const struct berth_check *check)
{
	bool rule = check->specificity != 0;
	json_t *o = json_object();

	set(o, "code", berth_reason_name(check->code));
	set(o, "result", berth_check_result_name(check->result));
	set(o, "observed", check->observed);
	set(o, "wanted", check->wanted);
	set(o, "rule", rule ? check->name : NULL);
	set(o, "file", check->origin ? check->origin->file : NULL);
	json_object_set_new(o, "line",
			    check->origin ? json_integer(check->origin->line) : json_null());
	json_object_set_new(o, "column",
			    check->origin ? json_integer(check->origin->column) : json_null());
	set(o, "pointer", check->origin ? check->origin->pointer : NULL);
	set(o, "bdf", world->facts[check->at].bdf);
	set(o, "what", check->what);
	set(o, "name", check->name);
	set(o, "effect", check->effect);
	set(o, "vm", berth_tri_name(check->vm));
	set(o, "device", berth_tri_name(check->device));
	set(o, "because", check->term);
	set(o, "vote", berth_vote_name(check->vote));
	json_object_set_new(o, "priority", rule ? json_integer(check->priority) : json_null());
	json_object_set_new(o, "specificity",
			    rule ? json_integer(check->specificity) : json_null());
	return o;
}

void berth_explain_count(const struct berth_trace *trace, size_t *ret_passed, size_t *ret_failed)
{
	*ret_passed = *ret_failed = 0;
	for (size_t i = 0; i < trace->nr; i++) {
		switch (trace->items[i].result) {
		case BERTH_CHECK_PASS:
			++*ret_passed;
			break;
		case BERTH_CHECK_FAIL:
		case BERTH_CHECK_UNKNOWN:
			++*ret_failed;
			break;
		case BERTH_CHECK_NONE:
			break;
		}
	}
}
