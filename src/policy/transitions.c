/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/transitions.h"

#include "base/cleanup.h"

static const struct {
	const char *name, *words;
} events[] = {
	[BERTH_ON_CLAIM] = { "claim", "a verb takes the group from the host" },
	[BERTH_ON_VF_CLAIM] = { "vf-claim", "a first VF of this PF is claimed" },
	[BERTH_ON_BOUND] = { "bound", "every function is on vfio-pci" },
	[BERTH_ON_START] = { "start", "a VM is about to open it" },
	[BERTH_ON_REBIND] = { "rebind", "'berth bind' goes on to another driver or function" },
	[BERTH_ON_REBOUND] = { "rebound",
			       "it was off vfio-pci (reboot, somebody's hand), and is back" },
	[BERTH_ON_USER_GONE] = { "user-gone", "the VM has ended, or its process died" },
	[BERTH_ON_CLOSED] = { "closed", "no process has it open any more" },
	[BERTH_ON_STILL_OPEN] = { "still-open", "the VM is gone, but some process has it open" },
	[BERTH_ON_PROVEN] = { "proven", "its reset is proven, and its VM keeps it" },
	[BERTH_ON_UNPROVEN] = { "unproven", "no reset of it can be proven" },
	[BERTH_ON_GIVE] = { "give", "it goes back to the host" },
	[BERTH_ON_GIVEN] = { "given", "everything is as it was found" },
	[BERTH_ON_UNDONE] = { "undone", "taking it failed, and every step was taken back" },
	[BERTH_ON_FAULT] = { "fault", "a step failed and could not be taken back" },
	[BERTH_ON_IDENTITY] = { "identity", "another device sits at its place" },
	[BERTH_ON_VFS_ENDED] = { "vfs-ended", "the last VF of this PF was given back" },
};

#define HOST	    BERTH_OWNED_HOST
#define PREPARING   BERTH_OWNED_PREPARING
#define ASSIGNED    BERTH_OWNED_ASSIGNED
#define IN_USE	    BERTH_OWNED_IN_USE
#define RELEASING   BERTH_OWNED_RELEASING
#define SANITISING  BERTH_OWNED_SANITISING
#define RETURNING   BERTH_OWNED_RETURNING
#define FAULTED	    BERTH_OWNED_FAULTED
#define QUARANTINED BERTH_OWNED_QUARANTINED
#define CHANGED	    BERTH_OWNED_IDENTITY_CHANGED
#define ON(e)	    BERTH_ON_##e
#define KINDS(k)    BERTH_KIND_##k
#define TAKE	    "driver override unbind dma-off probe power vf-net node"
#define IDENTITY(at)                                                                               \
	{                                                                                          \
		at, ON(IDENTITY), KINDS(ALL), "its ids or its serial are not the recorded ones",   \
			"", CHANGED, ""                                                            \
	}

/* clang-format off: a table */
const struct berth_transition berth_transitions[] = {
	{ HOST, ON(CLAIM), KINDS(ALL),
	  "policy and safety allow it; nobody owns the group, its PF or a VF of it", "", PREPARING,
	  "" },
	{ PREPARING, ON(BOUND), KINDS(ASSIGN) | KINDS(BIND),
	  "every function shows the driver that it was given", TAKE, ASSIGNED, "undone" },
	{ PREPARING, ON(START), KINDS(RUN), "every function is on vfio-pci", TAKE, IN_USE,
	  "undone" },
	{ PREPARING, ON(UNDONE), KINDS(ALL), "what was found is read back", "undo", HOST, "fault" },
	{ PREPARING, ON(FAULT), KINDS(ALL), "", "", FAULTED, "" },

	{ ASSIGNED, ON(START), KINDS(ASSIGN), "it is the VM's own", "", IN_USE, "" },
	{ ASSIGNED, ON(REBOUND), KINDS(VM), "safety allows it still", TAKE, ASSIGNED, "fault" },
	{ ASSIGNED, ON(REBIND), KINDS(BIND), "", "", PREPARING, "" },
	{ ASSIGNED, ON(GIVE), KINDS(ALL), "no live process uses it, nobody has it open", "reset",
	  RETURNING, "" },
	{ ASSIGNED, ON(FAULT), KINDS(ALL), "it could not be bound again", "", FAULTED, "" },

	{ IN_USE, ON(USER_GONE), KINDS(VM), "the holder's process is dead, or says so itself", "",
	  RELEASING, "" },
	{ IN_USE, ON(GIVE), KINDS(RUN), "the host was restarted", "", RETURNING, "" },
	{ IN_USE, ON(FAULT), KINDS(VM), "it could not be bound again after a restart of the host",
	  "", QUARANTINED, "" },

	{ RELEASING, ON(CLOSED), KINDS(VM), "no process has the group open", "", SANITISING,
	  "still-open" },
	{ RELEASING, ON(STILL_OPEN), KINDS(VM), "after the deadline", "", QUARANTINED, "" },
	{ RELEASING, ON(GIVE), KINDS(RUN), "the host was restarted", "", RETURNING, "" },
	{ RELEASING, ON(FAULT), KINDS(VM),
	  "it could not be bound again after a restart of the host", "", QUARANTINED, "" },

	{ SANITISING, ON(PROVEN), KINDS(ASSIGN),
	  "reset, and its configuration is as before the use", "reset", ASSIGNED, "unproven" },
	{ SANITISING, ON(GIVE), KINDS(VM), "reset, or a person says that it may go without",
	  "reset", RETURNING, "unproven" },
	{ SANITISING, ON(UNPROVEN), KINDS(VM), "", "", QUARANTINED, "" },
	{ SANITISING, ON(STILL_OPEN), KINDS(VM), "somebody has opened it meanwhile", "",
	  QUARANTINED, "" },
	{ SANITISING, ON(FAULT), KINDS(VM),
	  "it could not be bound again after a restart of the host", "", QUARANTINED, "" },

	{ RETURNING, ON(GIVE), KINDS(ALL), "giving it back was interrupted", "", RETURNING, "" },
	{ RETURNING, ON(GIVEN), KINDS(ALL),
	  "what was found is read back; what is gone counts as given", "vf-net restore", HOST,
	  "fault" },
	{ RETURNING, ON(FAULT), KINDS(ALL), "", "", FAULTED, "" },

	{ FAULTED, ON(GIVE), KINDS(ALL), "a person asks for it: berth release", "reset", RETURNING,
	  "" },

	{ QUARANTINED, ON(START), KINDS(VM),
	  "it is the VM's own, dirty for others only; on vfio-pci", "", IN_USE, "" },
	{ QUARANTINED, ON(REBOUND), KINDS(ALL),
	  "a person asks for it: berth release; the host does not use it", TAKE, QUARANTINED,
	  "unproven" },
	{ QUARANTINED, ON(GIVE), KINDS(ALL), "reset, or a person says that it may go without",
	  "reset", RETURNING, "unproven" },
	{ QUARANTINED, ON(UNPROVEN), KINDS(ALL), "", "", QUARANTINED, "" },

	{ CHANGED, ON(GIVE), KINDS(ALL), "a person asks for it; the other device is not touched",
	  "", RETURNING, "" },

	IDENTITY(PREPARING),
	IDENTITY(ASSIGNED),
	IDENTITY(IN_USE),
	IDENTITY(RELEASING),
	IDENTITY(SANITISING),
	IDENTITY(RETURNING),
	IDENTITY(FAULTED),
	IDENTITY(QUARANTINED),

	{ HOST, ON(VF_CLAIM), KINDS(CHILDREN), "nobody owns the PF", "", ASSIGNED, "" },
	{ ASSIGNED, ON(VFS_ENDED), KINDS(CHILDREN), "no VF of it is owned", "", HOST, "" },
};
/* clang-format on */

const size_t berth_nr_transitions = BERTH_ARRAY_SIZE(berth_transitions);

const char *berth_owned_event_name(enum berth_owned_event event)
{
	return events[event].name;
}

const char *berth_owned_event_words(enum berth_owned_event event)
{
	return events[event].words;
}

const char *berth_transition_state_name(enum berth_owned_state state)
{
	return state == HOST ? "host" : berth_owned_state_name(state);
}

const char *berth_transition_state_words(enum berth_owned_state state)
{
	static const char *const words[] = {
		[BERTH_OWNED_PREPARING] = "on its way from the host to vfio-pci",
		[BERTH_OWNED_ASSIGNED] = "on vfio-pci, kept for its VM; nobody has it open",
		[BERTH_OWNED_IN_USE] = "its VM has it open, or is about to",
		[BERTH_OWNED_RELEASING] = "its VM is gone or letting go; not yet seen closed",
		[BERTH_OWNED_SANITISING] = "being reset, and compared with how it was",
		[BERTH_OWNED_RETURNING] = "on its way back to the driver that it was found with",
		[BERTH_OWNED_FAULTED] =
			"a step failed; offered to nobody until a person has looked",
		[BERTH_OWNED_QUARANTINED] =
			"works, but is not proven clean; only its own VM may go on with it",
		[BERTH_OWNED_IDENTITY_CHANGED] = "another device sits at its place; never assigned",
	};

	return state == HOST ? "the host's; the ledger has no live row" : words[state];
}

const struct berth_transition *berth_transition_find(enum berth_owned_state from,
						     enum berth_owned_event event,
						     enum berth_owned_kind kind)
{
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];

		if (t->from == from && t->event == event && t->kinds & (1u << kind))
			return t;
	}
	return NULL;
}

const struct berth_transition *berth_transition_end(enum berth_owned_state from,
						    enum berth_owned_kind kind)
{
	for (size_t i = 0; i < berth_nr_transitions; i++) {
		const struct berth_transition *t = &berth_transitions[i];

		if (t->from == from && t->to == HOST && t->kinds & (1u << kind))
			return t;
	}
	return NULL;
}
