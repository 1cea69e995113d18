/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/remedy.h"

#include <assert.h>

#include "base/cleanup.h"

#define ANY	  (~0u)
#define BIT(x)	  (1u << (x))
#define THIS_BOOT 1u
#define NEW_BOOT  2u

#define PREPARING BIT(BERTH_OWNED_PREPARING)
#define ASSIGNED  BIT(BERTH_OWNED_ASSIGNED)
#define IN_USE	  BIT(BERTH_OWNED_IN_USE)
#define CLEANING  (BIT(BERTH_OWNED_RELEASING) | BIT(BERTH_OWNED_SANITISING))
#define RETURNING BIT(BERTH_OWNED_RETURNING)
#define FAULTED	  BIT(BERTH_OWNED_FAULTED)
#define UNPROVEN  BIT(BERTH_OWNED_QUARANTINED)
#define OTHER_ONE BIT(BERTH_OWNED_IDENTITY_CHANGED)
#define BY_ASSIGN BIT(BERTH_OWNED_BY_ASSIGN)
#define BY_RUN	  BIT(BERTH_OWNED_BY_RUN)
#define BY_BIND	  BIT(BERTH_OWNED_BY_BIND)
#define BY_VM	  (BY_ASSIGN | BY_RUN)
#define CHANGED	  BIT(BERTH_SEEN_CHANGED)
#define GONE	  BIT(BERTH_SEEN_GONE)
#define OFF	  BIT(BERTH_SEEN_OFF)
#define ON_VFIO	  BIT(BERTH_SEEN_VFIO)
#define SAME	  (GONE | OFF | ON_VFIO)
#define THERE	  (OFF | ON_VFIO)
#define NOBODY	  BIT(BERTH_BEHIND_NOBODY)
#define USER	  BIT(BERTH_BEHIND_USER)
#define WORKER	  BIT(BERTH_BEHIND_WORKER)
#define IDLE	  (NOBODY | USER)
#define DO(r)	  BERTH_REMEDY_##r

/* clang-format off: a table */
const struct berth_remedy_row berth_remedies[] = {
	{ ANY, ANY, ANY, ANY, WORKER, DO(NONE),
	  "another berth is at work on it, or a write to it hangs in the kernel" },

	{ ANY, OTHER_ONE, ANY, ANY, IDLE, DO(NONE),
	  "another device sits at its place; 'berth release' lets go of it" },
	{ ANY, ~OTHER_ONE, ANY, CHANGED, IDLE, DO(IDENTITY), "another device sits at its place" },

	{ ANY, PREPARING, ANY, SAME, IDLE, DO(UNTAKE), "taking it was interrupted" },
	{ ANY, RETURNING, ANY, SAME, IDLE, DO(GIVE), "giving it back was interrupted" },
	{ ANY, FAULTED, ANY, SAME, IDLE, DO(NONE), "it waits for a person" },
	{ ANY, UNPROVEN, ANY, GONE | ON_VFIO, IDLE, DO(NONE), "it waits for a person" },
	{ ANY, UNPROVEN, ANY, OFF, IDLE, DO(NONE),
	  "it is off vfio-pci and not proven clean; 'berth release' binds it there and resets it" },

	{ ANY, ASSIGNED, BY_VM, GONE, IDLE, DO(NONE),
	  "it is gone from this host, and kept for when it comes back" },
	{ THIS_BOOT, ASSIGNED, BY_VM, ON_VFIO, IDLE, DO(NONE), "as it should be" },
	{ THIS_BOOT, ASSIGNED, BY_VM, OFF, IDLE, DO(REBIND), "somebody took it from vfio-pci" },
	{ NEW_BOOT, ASSIGNED, BY_VM, THERE, IDLE, DO(REBIND), "the host was restarted" },
	{ THIS_BOOT, ASSIGNED, BY_BIND, SAME, IDLE, DO(NONE), "as it should be" },
	{ NEW_BOOT, ASSIGNED, BY_BIND, SAME, IDLE, DO(GIVE),
	  "the driver that 'berth bind' gave it was for one boot" },

	{ THIS_BOOT, IN_USE, ANY, SAME, USER, DO(NONE), "as it should be" },
	{ THIS_BOOT, IN_USE, ANY, SAME, NOBODY, DO(USED), "its user is dead" },
	{ THIS_BOOT, CLEANING, ANY, SAME, IDLE, DO(USED),
	  "cleaning up after its use was interrupted" },
	{ NEW_BOOT, IN_USE | CLEANING, BY_ASSIGN, THERE, IDLE, DO(REBIND),
	  "it was in use when the host was restarted" },
	{ NEW_BOOT, IN_USE | CLEANING, BY_ASSIGN, GONE, IDLE, DO(NONE),
	  "it was in use when the host was restarted, and is gone" },
	{ NEW_BOOT, IN_USE | CLEANING, BY_RUN | BY_BIND, SAME, IDLE, DO(GIVE),
	  "it was in use when the host was restarted" },
};
/* clang-format on */

const size_t berth_nr_remedies = BERTH_ARRAY_SIZE(berth_remedies);

bool berth_remedy_row_fits(const struct berth_remedy_row *row, const struct berth_remedy_facts *f)
{
	return row->boots & (f->other_boot ? NEW_BOOT : THIS_BOOT) && row->states & BIT(f->state) &&
	       row->kinds & BIT(f->kind) && row->seen & BIT(f->seen) &&
	       row->behind & BIT(f->behind);
}

const struct berth_remedy_row *berth_remedy_find(const struct berth_remedy_facts *f)
{
	const struct berth_remedy_row *row = berth_remedies;

	while (row < berth_remedies + berth_nr_remedies && !berth_remedy_row_fits(row, f))
		row++;
	assert(row < berth_remedies + berth_nr_remedies);
	return row;
}

const char *berth_remedy_words(enum berth_remedy remedy)
{
	switch (remedy) {
	case BERTH_REMEDY_NONE:
		return "nothing to be done";
	case BERTH_REMEDY_UNTAKE:
		return "put back as it was found";
	case BERTH_REMEDY_USED:
		return "reset it";
	case BERTH_REMEDY_GIVE:
		return "give it back to the host";
	case BERTH_REMEDY_REBIND:
		return "bind it to vfio-pci again";
	case BERTH_REMEDY_IDENTITY:
		return "keep it from everybody";
	}
	return "?";
}
