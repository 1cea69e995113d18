/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a group fit for its next user: reset, and proof of it.
 */
#ifndef BERTH_MANAGER_SANITISE_H
#define BERTH_MANAGER_SANITISE_H

#include <stddef.h>
#include <sys/types.h>

#include "policy/ledger.h"

struct berth_err;
struct berth_host;
struct berth_manager;
struct berth_vm_claim;

/* How long a process that is about to end may still have a group open: vfio resets the device as it closes it. */
#define BERTH_SANITISE_CLOSE_MS 10000

/**
 * berth_sanitise_wait_closed() - until no process has the group of @a open any more
 *
 * Return: 0; BERTH_REFUSED still open, process named.
 */
int berth_sanitise_wait_closed(struct berth_manager *m, const struct berth_assignment *a,
			       unsigned int deadline_ms, struct berth_err *err);

/**
 * berth_sanitise() - reset every function of @a
 * @how: gets in words what was done, for people
 *
 * Through VFIO while the group is on vfio-pci, since that can also reset a bus with several functions; else, and when that
 * proves nothing, through the functions' own `reset` attributes. Nobody may have the group open. Then each function's
 * configuration is compared with the image from before its last use (vfio/proof.h), and what was found goes into the ledger
 * as evidence (policy/evidence.h).
 *
 * Return: 0 proven for every function that is still there; BERTH_REFUSED not proven, @err says for which and why.
 */
int berth_sanitise(struct berth_manager *m, const struct berth_assignment *a, char *how,
		   size_t size, struct berth_err *err);

/**
 * berth_sanitise_accept() - the same for functions that @c's holder has reset itself, and has closed
 *
 * Return: 0 proven; BERTH_REFUSED some function was not reset, or shows something of its use; call berth_sanitise() then.
 */
int berth_sanitise_accept(struct berth_manager *m, const struct berth_assignment *a,
			  const struct berth_vm_claim *c, struct berth_err *err);

/**
 * berth_sanitise_before() - evidence of a reset before use, with the image to compare with after it
 * @c: just reset, and open; its devs' results are in @c
 *
 * Opens the ledger by itself; the caller holds no manager.
 *
 * Return: 0; -errno of the ledger, or of reading a function's configuration.
 */
int berth_sanitise_before(struct berth_host *host, const struct berth_vm_claim *c,
			  struct berth_err *err);

#endif
