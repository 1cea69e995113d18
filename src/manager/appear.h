/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI function has just appeared: does it go to vfio-pci, or to whatever driver the host has for it?
 *
 * Asked by udev for each function, before the host's driver is loaded. Writes nothing to the ledger and takes no lock, since
 * udev must not wait for a verb and the verb may wait for udev: a function that policy gives to vfio-pci is simply found
 * there by whoever assigns it later.
 */
#ifndef BERTH_MANAGER_APPEAR_H
#define BERTH_MANAGER_APPEAR_H

#include <stdbool.h>

#include "base/bdf.h"
#include "base/err.h"
#include "policy/ledger.h"
#include "policy/rule.h"

struct berth_bind_state;
struct berth_host;

/* What the decision rests on. Texts are borrowed. */
struct berth_appear_facts {
	const char *owner; /* VM that the ledger keeps it for; NULL: nobody's, or not known */
	enum berth_owned_state state; /* with @owner */
	bool same_ids;		      /* with @owner: vendor and device are those recorded */
	bool policy_loads;
	bool policy_clear;	   /* the policy does not contradict itself about it */
	enum berth_bind_mode mode; /* with both */
	bool bridge;
	int group;	     /* IOMMU group, -1: none */
	const char *driver;  /* bound now, "" none */
	const char *needed;  /* why the host cannot do without it, NULL: it can */
	const char *trouble; /* what the policy said when it does not load or is not clear */
};

enum berth_appear {
	BERTH_APPEAR_LEAVE, /* the host may have it */
	BERTH_APPEAR_TAKE,  /* to vfio-pci */
	BERTH_APPEAR_KEEP,  /* it is on vfio-pci already, where it belongs */
};

struct berth_appear_verdict {
	enum berth_appear what;
	bool for_owner; /* a VM's: whatever happens, no host driver gets it */
	bool say;	/* somebody should read @text: it is not what policy or ledger say */
	char text[BERTH_ERR_TEXT]; /* without the function's name */
};

/* Pure: facts in, verdict out. */
void berth_appear_decide(const struct berth_appear_facts *facts, struct berth_appear_verdict *ret);

/**
 * berth_manager_appear() - decide about one function, and do it
 * @at: as the kernel calls it
 * @ret: also filled when the call fails, with what was meant to happen
 *
 * A function that vfio-pci does not take goes back to what it had, unless it is a VM's: then it keeps driver_override and
 * no driver.
 *
 * Return: 0; -ENODEV there is no such function; -errno of binding it.
 */
int berth_manager_appear(const struct berth_host *host, struct berth_bdf at,
			 struct berth_appear_verdict *ret, struct berth_err *err);

/**
 * berth_appear_bind() - from whatever driver it has to vfio-pci
 * @found: as berth_bind_read() said
 * @for_owner: on failure keep driver_override, so that no host driver gets it; else it goes back to @found
 *
 * driver_override is the first write, so that no other driver takes it while vfio-pci is being loaded. Two processes may
 * do this at the same time: both find it done.
 *
 * Return: 0; -ENOENT no vfio-pci; -ENODEV vfio-pci did not take it; -ETIMEDOUT; -errno.
 */
int berth_appear_bind(const struct berth_host *host, struct berth_bdf at,
		      const struct berth_bind_state *found, bool for_owner, struct berth_err *err);

#endif
