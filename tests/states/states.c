/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state machine of ownership, printed from the tables that the program runs by:
 *   states md     docs/state-machine.md
 *   states dot    the diagram alone, for Graphviz
 *   states pml    what tests/spin/ownership.pml includes
 */
#include <stdio.h>
#include <string.h>

#include "manager/remedy.h"
#include "policy/transitions.h"

#define NR_KINDS (BERTH_OWNED_BY_CHILDREN + 1)

static const char *const seen_names[] = { "another device", "gone", "off vfio-pci", "on vfio-pci" };
static const char *const behind_names[] = { "nobody", "its user", "a berth at work" };
static const char *const remedy_names[] = {
	"DONE", "UNTAKE", "USED", "GIVE", "REBIND", "IDENTITY"
};

static const char *state_name(int s)
{
	return berth_transition_state_name((enum berth_owned_state)s);
}

/* "assign, run" of a set; "any" when it holds all of @nr. */
static const char *set(unsigned int bits, unsigned int nr, const char *(*name)(unsigned int))
{
	static char buf[4][300];
	static unsigned int next;
	char *b = buf[next++ % 4];
	size_t n = 0;
	unsigned int all = (1u << nr) - 1;

	if ((bits & all) == all)
		return "any";
	b[0] = '\0';
	for (unsigned int i = 0; i < nr; i++)
		if (bits & (1u << i))
			n += (size_t)snprintf(b + n, sizeof(buf[0]) - n, "%s%s", n ? ", " : "",
					      name(i));
	return b;
}

static const char *kind_name(unsigned int k)
{
	return berth_owned_kind_name((enum berth_owned_kind)k);
}

static const char *live_name(unsigned int s)
{
	return state_name((int)s);
}

static const char *seen_name(unsigned int s)
{
	return seen_names[s];
}

static const char *behind_name(unsigned int b)
{
	return behind_names[b];
}

static const char *boot_name(unsigned int b)
{
	return b ? "another" : "this";
}

/* --- diagrams: one arrow for each pair of states, with its events --- */

/* The events from @from to @to, as "a, b". Return: false for none. */
static bool arrow(int from, int to, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];

		if ((int)t->from == from && (int)t->to == to && !(t->kinds & BERTH_KIND_CHILDREN))
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "",
					      berth_owned_event_name(t->event));
	}
	return n > 0;
}

/* Call @put for each arrow; "identity", which leads from everywhere to one place, is said in words instead. */
static void arrows(void (*put)(int from, int to, const char *events))
{
	char events[200];

	for (int from = BERTH_OWNED_HOST; from < BERTH_OWNED_NR_STATES; from++) {
		for (int to = BERTH_OWNED_HOST; to < BERTH_OWNED_NR_STATES; to++) {
			if (from == -1 || to == -1 || to == BERTH_OWNED_IDENTITY_CHANGED)
				continue;
			if (arrow(from, to, events, sizeof(events)))
				put(from, to, events);
		}
	}
}

static void put_dot(int from, int to, const char *events)
{
	printf("\t\"%s\" -> \"%s\" [label=\"%s\"];\n", state_name(from), state_name(to), events);
}

static void print_dot(void)
{
	printf("digraph ownership {\n\trankdir=LR;\n\tnode [shape=box, style=rounded];\n"
	       "\t\"any state\" -> \"identity-changed\" [label=\"identity\", style=dashed];\n");
	arrows(put_dot);
	printf("}\n");
}

/* Mermaid takes no '-' in the name of a state. */
static const char *mermaid_name(int s)
{
	static char buf[2][32];
	static unsigned int next;
	char *b = buf[next++ % 2];

	snprintf(b, sizeof(buf[0]), "%s", state_name(s));
	for (char *p = b; *p; p++)
		if (*p == '-')
			*p = '_';
	return b;
}

static void put_mermaid(int from, int to, const char *events)
{
	printf("    %s --> %s: %s\n", mermaid_name(from), mermaid_name(to), events);
}

static void print_mermaid(void)
{
	printf("```mermaid\nstateDiagram-v2\n    [*] --> host\n");
	arrows(put_mermaid);
	printf("    any_state --> identity_changed: identity\n```\n");
}

/* --- docs/state-machine.md --- */

static void print_states(void)
{
	printf("## States\n\n| state | meaning |\n|---|---|\n");
	for (int s = BERTH_OWNED_HOST; s < BERTH_OWNED_NR_STATES; s++)
		if (s != -1)
			printf("| %s | %s |\n", state_name(s),
			       berth_transition_state_words((enum berth_owned_state)s));
}

static void print_transitions(void)
{
	printf("## Moves\n\n"
	       "The ledger makes these and refuses all others. *Guard* is what the verb has seen to be true; *steps* are\n"
	       "written to the journal before and after each; *fails* is the event when one of them does not work.\n\n"
	       "| from | event | kinds | guard | steps | to | fails |\n|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];
		const char *kinds = t->kinds == BERTH_KIND_ALL ? "any" :
								 set(t->kinds, NR_KINDS, kind_name);

		printf("| %s | %s | %s | %s | %s | %s | %s |\n", state_name((int)t->from),
		       berth_owned_event_name(t->event), kinds, t->guard, t->steps,
		       state_name((int)t->to), t->failure);
	}
	printf("\n## Events\n\n| event | when |\n|---|---|\n");
	for (int e = 0; e < BERTH_OWNED_NR_EVENTS; e++)
		printf("| %s | %s |\n", berth_owned_event_name((enum berth_owned_event)e),
		       berth_owned_event_words((enum berth_owned_event)e));
}

static void print_remedies(void)
{
	printf("## Recovery\n\n"
	       "Every changing verb, and `berth recover` at boot, first compares each live row with the kernel. For every\n"
	       "combination of facts one row of this table holds:\n\n"
	       "| boot | state | kinds | functions are | behind it | found | remedy |\n"
	       "|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < berth_nr_remedies; i++) {
		const struct berth_remedy_row *r = &berth_remedies[i];

		printf("| %s ", set(r->boots, 2, boot_name));
		printf("| %s ", r->states == ~(1u << BERTH_OWNED_IDENTITY_CHANGED) ?
					"all but identity-changed" :
					set(r->states, BERTH_OWNED_NR_STATES, live_name));
		printf("| %s ", set(r->kinds, BERTH_OWNED_BY_CHILDREN, kind_name));
		printf("| %s ", set(r->seen, 4, seen_name));
		printf("| %s | %s | %s |\n", set(r->behind, 3, behind_name), r->finding,
		       berth_remedy_words(r->remedy));
	}
	printf("\nA group that is on vfio-pci, or held open, without a row of ours is *external*: libvirt's, DPDK's,\n"
	       "somebody's. `berth status` shows it with its holder; no verb touches it, and neither does recovery.\n");
}

static void print_md(void)
{
	printf("# Ownership of a group: the state machine\n\n"
	       "Made by `make docs-state` from `src/policy/transitions.c` and `src/manager/remedy.c`, the tables that the\n"
	       "program itself runs by; a test compares. Do not edit. The model in `tests/spin/` is made from them too.\n\n");
	print_mermaid();
	printf("\n\"identity\" leads to `identity-changed` from every state. A row of kind `children` holds a PF for\n"
	       "the owners of its VFs, and is not shown.\n\n");
	print_states();
	printf("\n");
	print_transitions();
	printf("\n");
	print_remedies();
	printf("\n## The diagram for Graphviz\n\n```dot\n");
	print_dot();
	printf("```\n");
}

/* --- tests/spin --- */

/* "S_IN_USE" of "in-use" */
static const char *pml_name(const char *prefix, const char *name)
{
	static char buf[4][40];
	static unsigned int next;
	char *b = buf[next++ % 4];

	snprintf(b, sizeof(buf[0]), "%s%s", prefix, name);
	for (char *p = b; *p; p++)
		*p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
	return b;
}

/* The model knows two kinds, and functions that are on vfio-pci or not; nobody at work: that it sees by itself. */
static void pml_remedies(void)
{
	for (int boot = 0; boot < 2; boot++)
		for (int s = 0; s < BERTH_OWNED_NR_STATES; s++)
			for (int k = 0; k < 2; k++)
				for (int on = 0; on < 2; on++)
					for (int user = 0; user < 2; user++) {
						const struct berth_remedy_facts f = {
							.other_boot = boot,
							.state = (enum berth_owned_state)s,
							.kind = (enum berth_owned_kind)k,
							.seen = on ? BERTH_SEEN_VFIO :
								     BERTH_SEEN_OFF,
							.behind = user ? BERTH_BEHIND_USER :
									 BERTH_BEHIND_NOBODY,
						};

						printf("\tremedy[REMEDY(%d, %d, %d, %d, %d)] = J_%s;\n",
						       boot, s, k, on, user,
						       remedy_names[berth_remedy_find(&f)->remedy]);
					}
}

static void pml_moves(void)
{
	for (int s = BERTH_OWNED_HOST; s < BERTH_OWNED_NR_STATES; s++)
		for (int e = 0; s != -1 && e < BERTH_OWNED_NR_EVENTS; e++)
			for (int k = 0; k < 2; k++) {
				const struct berth_transition *t = berth_transition_find(
					(enum berth_owned_state)s, (enum berth_owned_event)e,
					(enum berth_owned_kind)k);

				printf("\tnext_state[NEXT(%s, %d, %d)] = %s;\n",
				       pml_name("S_", state_name(s)), e, k,
				       t ? pml_name("S_", state_name((int)t->to)) : "NO_MOVE");
			}
}

static void print_pml(void)
{
	printf("/* Made by `states pml` from policy/transitions.c and manager/remedy.c. */\n");
	for (int s = BERTH_OWNED_HOST; s < BERTH_OWNED_NR_STATES; s++)
		if (s != -1)
			printf("#define %s %d\n", pml_name("S_", state_name(s)),
			       s < 0 ? BERTH_OWNED_NR_STATES : s);
	for (int e = 0; e < BERTH_OWNED_NR_EVENTS; e++)
		printf("#define %s %d\n",
		       pml_name("E_", berth_owned_event_name((enum berth_owned_event)e)), e);
	printf("#define NO_MOVE 255\n"
	       "#define NEXT(st, event, kind) (((st) * %d + (event)) * 2 + (kind))\n"
	       "#define REMEDY(newboot, st, kind, vfio, user) "
	       "(((((newboot) * %d + (st)) * 2 + (kind)) * 2 + (vfio)) * 2 + (user))\n"
	       "hidden byte next_state[%d];\nhidden byte remedy[%d];\n\n"
	       "inline init_tables()\n{\n\td_step {\n",
	       BERTH_OWNED_NR_EVENTS, BERTH_OWNED_NR_STATES,
	       (BERTH_OWNED_NR_STATES + 1) * BERTH_OWNED_NR_EVENTS * 2,
	       2 * BERTH_OWNED_NR_STATES * 8);
	pml_moves();
	pml_remedies();
	printf("\t}\n}\n");
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "md") == 0)
		print_md();
	else if (strcmp(what, "dot") == 0)
		print_dot();
	else if (strcmp(what, "pml") == 0)
		print_pml();
	else
		return fprintf(stderr, "usage: states md|dot|pml\n"), 2;
	return fflush(stdout) ? 1 : 0;
}
