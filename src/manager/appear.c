/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/appear"

#include "manager/appear.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/host.h"
#include "base/log.h"
#include "manager/facts.h"
#include "policy/load.h"
#include "policy/lookup.h"
#include "vfio/bind.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"

/* udev waits for us: another verb's transaction is short, or we do without the ledger. */
#define LEDGER_MS 2000

/* --- the decision --- */

static void verdict(struct berth_appear_verdict *ret, enum berth_appear what, bool say,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void verdict(struct berth_appear_verdict *ret, enum berth_appear what, bool say,
		    const char *fmt, ...)
{
	va_list ap;

	ret->what = what;
	ret->say = say;
	va_start(ap, fmt);
	vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
	va_end(ap);
}

/* Take it, unless it is there already or the host would lose something. */
static void take(const struct berth_appear_facts *f, struct berth_appear_verdict *ret,
		 const char *why)
{
	if (strcmp(f->driver, BERTH_BIND_VFIO) == 0)
		verdict(ret, BERTH_APPEAR_KEEP, false, "%s, and it is on vfio-pci", why);
	else if (f->bridge)
		verdict(ret, BERTH_APPEAR_LEAVE, true, "%s, but bridges stay with the host", why);
	else if (f->group < 0)
		verdict(ret, BERTH_APPEAR_LEAVE, true,
			"%s, but it is in no IOMMU group: vfio-pci would not take it; see 'berth doctor'",
			why);
	else if (f->needed)
		verdict(ret, BERTH_APPEAR_LEAVE, true, "%s, but the host needs it: %s", why,
			f->needed);
	else
		verdict(ret, BERTH_APPEAR_TAKE, false, "%s", why);
}

/* States in which no host driver may touch it. The others are on their way to or from the host, in a verb's hands. */
static bool is_kept(enum berth_owned_state state)
{
	return state == BERTH_OWNED_ASSIGNED || state == BERTH_OWNED_IN_USE ||
	       state == BERTH_OWNED_FAULTED || state == BERTH_OWNED_QUARANTINED;
}

void berth_appear_decide(const struct berth_appear_facts *f, struct berth_appear_verdict *ret)
{
	char why[160];

	*ret = (struct berth_appear_verdict){ .what = BERTH_APPEAR_LEAVE };
	if (f->owner && is_kept(f->state)) {
		if (!f->same_ids) {
			verdict(ret, BERTH_APPEAR_LEAVE, true,
				"this place is kept for %s, but another device sits there now",
				f->owner);
			return;
		}
		ret->for_owner = true;
		snprintf(why, sizeof(why), "kept for %s", f->owner);
		take(f, ret, why);
	} else if (f->owner) {
		verdict(ret, BERTH_APPEAR_LEAVE, false, "a verb is at work on it (%s, for %s)",
			berth_owned_state_name(f->state), f->owner);
	} else if (!f->policy_loads) {
		verdict(ret, BERTH_APPEAR_LEAVE, true, "left to the host, the policy is wrong: %s",
			f->trouble);
	} else if (!f->policy_clear) {
		verdict(ret, BERTH_APPEAR_LEAVE, true, "left to the host: %s", f->trouble);
	} else if (f->mode == BERTH_BIND_AUTO) {
		take(f, ret, "policy says \"bind\": \"auto\"");
	} else {
		verdict(ret, BERTH_APPEAR_LEAVE, false, "policy leaves it with the host");
	}
}

/* --- gathering facts --- */

struct scene {
	const struct berth_host *host;
	const struct berth_device *dev;	     /* borrowed from @inv */
	struct berth_inventory *inv;	     /* owned */
	struct berth_policy *policy;	     /* owned, NULL when it does not load */
	struct berth_inuse *inuse;	     /* owned, NULL when not asked or not readable */
	struct berth_assignment_list owners; /* owned */
	struct berth_err trouble;
	struct berth_appear_facts facts;
};

static void scene_done(struct scene *s)
{
	berth_assignment_list_free(&s->owners);
	berth_inuse_free(s->inuse);
	berth_policy_free(s->policy);
	berth_inventory_free(s->inv);
}

static void load_policy(struct scene *s)
{
	s->facts.policy_loads = berth_policy_load(s->host, &s->policy, &s->trouble) == 0;
	if (!s->facts.policy_loads)
		s->facts.trouble = s->trouble.text;
}

/* Would any function be taken at all? Saves reading the inventory at every event of a boot. */
static bool policy_takes_any(const struct berth_policy *policy)
{
	for (size_t i = 0; i < policy->nr_devices; i++) {
		if (policy->devices[i].has_bind && policy->devices[i].bind == BERTH_BIND_AUTO)
			return true;
	}
	for (size_t i = 0; i < policy->nr_classes; i++) {
		if (policy->classes[i].has_bind && policy->classes[i].bind == BERTH_BIND_AUTO)
			return true;
	}
	return false;
}

/* A ledger that cannot be read knows of no owner: what policy says still holds. */
static void load_owners(struct scene *s)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_ledger_query all = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r = berth_ledger_open(&ledger, s->host->state, BERTH_LEDGER_READ, &err);

	if (r == 0) {
		berth_ledger_set_deadline(ledger, LEDGER_MS);
		r = berth_ledger_find(ledger, &all, &s->owners, &err);
	}
	if (r < 0)
		log_warn("who owns what is not known now (%s), going by policy alone", err.text);
}

static void find_owner(struct scene *s)
{
	for (size_t i = 0; i < s->owners.nr; i++) {
		const struct berth_assignment *a = &s->owners.items[i];

		for (size_t j = 0; j < a->nr_members; j++) {
			const struct berth_member *m = &a->members[j];

			/* `berth bind` promises no more than the moment: nobody waits for the device */
			if (a->kind == BERTH_OWNED_BY_BIND || strcmp(m->path, s->dev->path))
				continue;
			s->facts.owner = a->vm;
			s->facts.state = a->state;
			s->facts.same_ids = m->vendor == s->dev->vendor_id &&
					    m->device == s->dev->device_id;
		}
	}
}

static int ask_policy(struct scene *s, struct berth_err *err)
{
	BERTH_CLEANUP(berth_fact_sheet_freep) struct berth_fact_sheet *sheet = NULL;
	int r;

	if (!s->policy)
		return 0;
	r = berth_facts_build(&sheet, s->host, s->inv, berth_policy_asks(s->policy, "serial.vpd"),
			      err);
	if (r < 0)
		return r;
	r = berth_policy_bind_mode(s->policy, berth_facts_of(sheet, s->dev), &s->facts.mode, NULL,
				   &s->trouble);
	s->facts.policy_clear = r == 0;
	if (r)
		s->facts.trouble = s->trouble.text;
	return 0;
}

/* "Unknown means no": when it cannot be found out what the host stands on, it stands on this. */
static void ask_safety(struct scene *s)
{
	static const char unknown[] = "what the host stands on cannot be read";
	const struct berth_inuse_reason *hard;

	if (berth_inuse_read(&s->inuse, s->host, false, NULL) < 0) {
		s->facts.needed = unknown;
		return;
	}
	hard = berth_inuse_hard(s->inuse, s->dev->bdf);
	s->facts.needed = hard ? hard->sentence : NULL;
}

static int gather(struct scene *s, struct berth_bdf at, struct berth_err *err)
{
	int r = berth_inventory_read(&s->inv, s->host, err);

	if (r < 0)
		return r;
	s->dev = berth_inventory_find(s->inv, at);
	if (!s->dev)
		return berth_err_set(err, -ENODEV, "there is no PCI function %s",
				     BERTH_BDF_STR(at));
	s->facts.bridge = berth_device_is_bridge(s->dev);
	s->facts.group = s->dev->iommu_group;
	s->facts.driver = s->dev->driver;
	find_owner(s);
	r = ask_policy(s, err);
	if (r == 0 && (s->facts.owner || s->facts.mode == BERTH_BIND_AUTO))
		ask_safety(s);
	return r;
}

/* --- the deed --- */

static int to_vfio(const struct berth_host *host, struct berth_bdf at,
		   const struct berth_bind_state *found, struct berth_err *err)
{
	int r = berth_bind_override(host, at, BERTH_BIND_VFIO, err);

	if (r == 0)
		r = berth_bind_need_driver(host, BERTH_BIND_VFIO, err);
	if (r == 0 && found->driver[0])
		r = berth_bind_unbind(host, at, err);
	if (r == 0)
		r = berth_bind_dma_off(host, at, err);
	return r ? r : berth_bind_probe(host, at, BERTH_BIND_VFIO, err);
}

int berth_appear_bind(const struct berth_host *host, struct berth_bdf at,
		      const struct berth_bind_state *found, bool for_owner, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	struct berth_bind_state now;
	int u, r = to_vfio(host, at, found, &why);

	if (r == 0)
		return 0;
	/* udev and a verb may be at it at the same time, and then the slower one finds the work done */
	if (berth_bind_read(host, at, &now, NULL) == 0 &&
	    strcmp(now.driver, BERTH_BIND_VFIO) == 0 && strcmp(now.override, BERTH_BIND_VFIO) == 0)
		return 0;
	berth_err_set(err, r, "%s", why.text);
	if (for_owner)
		return r;
	u = berth_bind_restore(host, at, found, NULL);
	if (u < 0)
		log_warn("%s: giving it back to the host: %s", BERTH_BDF_STR(at), strerror(-u));
	return r;
}

int berth_manager_appear(const struct berth_host *host, struct berth_bdf at,
			 struct berth_appear_verdict *ret, struct berth_err *err)
{
	struct scene s = { .host = host, .facts.group = -1, .facts.driver = "" };
	struct berth_bind_state found;
	int r = 0;

	load_policy(&s);
	load_owners(&s);
	if (s.owners.nr || (s.policy && policy_takes_any(s.policy)))
		r = gather(&s, at, err);
	else
		s.facts.policy_clear = true;
	berth_appear_decide(&s.facts, ret);
	scene_done(&s);
	if (r < 0 || ret->what != BERTH_APPEAR_TAKE)
		return r;
	r = berth_bind_read(host, at, &found, err);
	return r < 0 ? r : berth_appear_bind(host, at, &found, ret->for_owner, err);
}
